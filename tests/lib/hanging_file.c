/*
 * hanging-file DIRECTORY BACKING: a filesystem of one file, "pool", which is the file BACKING; it ends with
 * its mount. For a pool on a disk that does not answer, in the kernel and all: BACKING.mode says what is done
 * with the file's I/O, and may change at any time.
 *
 *   pass           it goes through; what was held goes on
 *   hang           nothing is answered, an open neither
 *   hang-far       only what begins within the first MiB is answered
 *   hang-one-read  the next read is held, once
 *   bad-reads      reads fail
 */
#define FUSE_USE_VERSION 314

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INO_POOL  2u
#define FAR_BYTES (1 << 20)
#define HELD_MAX  4096u
#define LOOK_MS   50

enum held_kind { HELD_OPEN, HELD_READ, HELD_WRITE, HELD_FSYNC };

struct request {
	fuse_req_t req;
	enum held_kind kind;
	struct fuse_file_info fi;
	off_t offset;
	size_t size;
	char *data; /* of a write */
};

static const char *mode_path;
static char mode[32] = "pass";
static int backing;
static struct request held[HELD_MAX];
static unsigned held_count;
static bool one_held;

static bool mode_is(const char *name)
{
	return strcmp(mode, name) == 0;
}

static void answer(struct request *r)
{
	char *bytes = r->kind == HELD_READ ? malloc(r->size) : NULL;
	ssize_t done = 0;

	switch (r->kind) {
	case HELD_OPEN:
		(void)fuse_reply_open(r->req, &r->fi);
		break;
	case HELD_FSYNC:
		(void)fuse_reply_err(r->req, fdatasync(backing) ? errno : 0);
		break;
	case HELD_READ:
		done = bytes && !mode_is("bad-reads") ? pread(backing, bytes, r->size, r->offset) : -1;
		if (done < 0)
			(void)fuse_reply_err(r->req, EIO);
		else
			(void)fuse_reply_buf(r->req, bytes, (size_t)done);
		break;
	case HELD_WRITE:
		done = pwrite(backing, r->data, r->size, r->offset);
		if (done < 0)
			(void)fuse_reply_err(r->req, EIO);
		else
			(void)fuse_reply_write(r->req, (size_t)done);
		break;
	}
	free(bytes);
	free(r->data);
}

static bool is_to_hang(const struct request *r)
{
	if (mode_is("hang"))
		return true;
	if (mode_is("hang-far"))
		return r->kind != HELD_OPEN && r->offset >= FAR_BYTES;
	if (!mode_is("hang-one-read") || one_held || r->kind != HELD_READ)
		return false;
	one_held = true;
	return true;
}

static void take(struct request *r)
{
	if (is_to_hang(r) && held_count < HELD_MAX)
		held[held_count++] = *r;
	else
		answer(r);
}

static void attributes(fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat){ .st_ino = ino, .st_nlink = 1, .st_mode = S_IFREG | 0600 };
	if (ino == FUSE_ROOT_ID)
		st->st_mode = S_IFDIR | 0700;
	else if (ino == INO_POOL)
		st->st_size = lseek(backing, 0, SEEK_END);
}

static void file_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .ino = INO_POOL };

	(void)parent;
	if (strcmp(name, "pool") != 0) {
		(void)fuse_reply_err(req, ENOENT);
		return;
	}
	attributes(entry.ino, &entry.attr);
	(void)fuse_reply_entry(req, &entry);
}

static void file_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	attributes(ino, &st);
	(void)fuse_reply_attr(req, &st, 0);
}

static void file_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct request r = { .req = req, .kind = HELD_OPEN, .fi = *fi };

	(void)ino;
	take(&r);
}

static void file_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino, (void)fi;
	(void)fuse_reply_err(req, 0);
}

static void file_fsync(fuse_req_t req, fuse_ino_t ino, int only_data, struct fuse_file_info *fi)
{
	struct request r = { .req = req, .kind = HELD_FSYNC };

	(void)ino, (void)only_data, (void)fi;
	take(&r);
}

static void file_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct request r = { .req = req, .kind = HELD_READ, .size = size, .offset = offset };

	(void)ino, (void)fi;
	take(&r);
}

static void file_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
	struct fuse_file_info *fi)
{
	struct request r = { .req = req, .kind = HELD_WRITE, .size = size, .offset = offset };

	(void)ino, (void)fi;
	r.data = malloc(size);
	if (!r.data) {
		(void)fuse_reply_err(req, ENOMEM);
		return;
	}
	memcpy(r.data, data, size);
	take(&r);
}

static const struct fuse_lowlevel_ops file_ops = {
	.lookup = file_lookup,
	.getattr = file_getattr,
	.open = file_open,
	.release = file_release,
	.flush = file_release,
	.fsync = file_fsync,
	.read = file_read,
	.write = file_write,
};

static void mode_look(void)
{
	FILE *file = fopen(mode_path, "r");
	char word[32];

	if (file && fscanf(file, "%31s", word) == 1 && strcmp(word, mode) != 0) {
		memcpy(mode, word, sizeof(mode));
		one_held = false;
	}
	if (file)
		fclose(file);
	if (!mode_is("pass"))
		return;
	for (unsigned i = 0; i < held_count; i++)
		answer(&held[i]);
	held_count = 0;
}

static int serve(struct fuse_session *session)
{
	struct pollfd poll_fd = { .fd = fuse_session_fd(session), .events = POLLIN };
	struct fuse_buf buf = { 0 };

	while (!fuse_session_exited(session)) {
		int ready = poll(&poll_fd, 1, LOOK_MS);

		mode_look();
		if (ready > 0) {
			int rc = fuse_session_receive_buf(session, &buf);

			if (rc > 0)
				fuse_session_process_buf(session, &buf);
			else if (rc != -EINTR && rc != -EAGAIN)
				break;
		}
	}
	free(buf.mem);
	return 0;
}

int main(int argc, char **argv)
{
	char name[] = "hanging-file", *fuse_argv[] = { name, NULL }, path[4096];
	struct fuse_args args = FUSE_ARGS_INIT(1, fuse_argv);
	struct fuse_session *session;

	if (argc != 3) {
		fprintf(stderr, "usage: hanging-file DIRECTORY BACKING\n");
		return 2;
	}
	(void)snprintf(path, sizeof(path), "%s.mode", argv[2]);
	mode_path = path;
	backing = open(argv[2], O_RDWR | O_CLOEXEC);
	session = fuse_session_new(&args, &file_ops, sizeof(file_ops), NULL);
	if (backing < 0 || !session || fuse_session_mount(session, argv[1]) != 0) {
		fprintf(stderr, "can't serve %s at %s: %s\n", argv[2], argv[1], strerror(errno));
		return 1;
	}
	return serve(session);
}
