/*
 * Everything but the data: a directory with one file, through libfuse's low-level session. All of it is
 * answered at once, on the data plane, from memory.
 */
#define FUSE_USE_VERSION 314

#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "attach/fuse_serve_private.h"

#define FILE_INODE      2
#define FUSE_CONGESTION 192u

static ssize_t meta_writev(int fd, struct iovec *iov, int count, void *user)
{
	(void)user;
	return writev(fd, iov, count);
}

/* libfuse asks for one; requests are read by fuse_serve.c. */
static ssize_t meta_read(int fd, void *to, size_t len_bytes, void *user)
{
	(void)user;
	return read(fd, to, len_bytes);
}

static void meta_init(void *user, struct fuse_conn_info *conn)
{
	(void)user;
	conn->max_write = FRONT_MAX_BYTES;
	conn->max_readahead = 0;
	conn->max_background = FUSE_MAX_BACKGROUND;
	conn->congestion_threshold = FUSE_CONGESTION;
	/* Without ASYNC_DIO a loop device is served one request at a time. No splice: it measured no gain. */
	conn->want = (FUSE_CAP_ASYNC_DIO | FUSE_CAP_ASYNC_READ) & conn->capable;
}

static bool meta_stat(struct fuse_serve *serve, fuse_ino_t inode, struct stat *ret_stat)
{
	struct stat st = { .st_ino = inode, .st_blksize = BLOCK_BYTES };

	if (inode == FUSE_ROOT_ID) {
		st.st_mode = S_IFDIR | 0700;
		st.st_nlink = 2;
	} else if (inode == FILE_INODE) {
		st.st_mode = S_IFREG | 0600;
		st.st_nlink = 1;
		st.st_size = (off_t)volume_size_bytes(serve->volume);
		st.st_blocks = st.st_size / 512;
	} else {
		return false;
	}
	*ret_stat = st;
	return true;
}

static void meta_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .ino = FILE_INODE };

	if (parent != FUSE_ROOT_ID || strcmp(name, FUSE_SERVE_FILE) != 0 ||
		!meta_stat(fuse_req_userdata(req), FILE_INODE, &entry.attr)) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fuse_reply_entry(req, &entry);
}

/* Never cached: a volume that grows shows its size at the next look. */
static void meta_getattr(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *info)
{
	struct stat st;

	(void)info;
	if (!meta_stat(fuse_req_userdata(req), inode, &st))
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_attr(req, &st, 0);
}

static void meta_setattr(
	fuse_req_t req, fuse_ino_t inode, struct stat *attr, int to_set, struct fuse_file_info *info)
{
	(void)inode;
	(void)attr;
	(void)to_set;
	(void)info;
	fuse_reply_err(req, EPERM);
}

static void meta_open(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *info)
{
	if (inode != FILE_INODE) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	info->direct_io = 1;
	fuse_reply_open(req, info);
}

static void meta_readdir(
	fuse_req_t req, fuse_ino_t inode, size_t size_bytes, off_t offset, struct fuse_file_info *info)
{
	static const char *const names[] = { ".", "..", FUSE_SERVE_FILE };
	char entries[512];
	size_t used = 0;

	(void)info;
	if (inode != FUSE_ROOT_ID) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	if (size_bytes > sizeof(entries))
		size_bytes = sizeof(entries);
	for (off_t i = offset; i >= 0 && i < 3; i++) {
		struct stat st = { 0 };
		size_t need;

		(void)meta_stat(fuse_req_userdata(req), i < 2 ? FUSE_ROOT_ID : FILE_INODE, &st);
		need = fuse_add_direntry(req, entries + used, size_bytes - used, names[i], &st, i + 1);
		if (need > size_bytes - used)
			break;
		used += need;
	}
	fuse_reply_buf(req, entries, used);
}

/* The loop device takes its discard granularity from f_bsize. */
static void meta_statfs(fuse_req_t req, fuse_ino_t inode)
{
	struct fuse_serve *serve = fuse_req_userdata(req);
	struct statvfs st = {
		.f_bsize = BLOCK_BYTES, .f_frsize = BLOCK_BYTES, .f_namemax = 255, .f_files = 2
	};

	(void)inode;
	st.f_blocks = volume_size_bytes(serve->volume) / BLOCK_BYTES;
	fuse_reply_statfs(req, &st);
}

/*
 * No fsync: libfuse answers ENOSYS, the kernel remembers it, and fsync costs nothing from then on. That is
 * right because every answered write is durable on a quorum already. Likewise no flush, no release.
 */
static const struct fuse_lowlevel_ops meta_ops = {
	.init = meta_init,
	.lookup = meta_lookup,
	.getattr = meta_getattr,
	.setattr = meta_setattr,
	.open = meta_open,
	.readdir = meta_readdir,
	.statfs = meta_statfs,
};

int fuse_meta_new(struct fuse_serve *serve, int fuse_fd)
{
	static const struct fuse_custom_io io = { .writev = meta_writev, .read = meta_read };
	char name[] = "quoin";
	char *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *session = fuse_session_new(&args, &meta_ops, sizeof(meta_ops), serve);

	fuse_opt_free_args(&args);
	if (!session)
		return -ENOMEM;
	if (fuse_session_custom_io(session, &io, fuse_fd) != 0) {
		fuse_session_destroy(session); /* has no descriptor yet */
		return -EIO;
	}
	serve->session = session;
	return 0;
}

void fuse_meta_free(struct fuse_serve *serve)
{
	if (!serve->session)
		return;
	fuse_session_destroy(serve->session); /* closes the descriptor */
	serve->session = NULL;
	serve->fd = -1;
}

void fuse_meta_handle(struct fuse_serve *serve, void *bytes, size_t length_bytes)
{
	struct fuse_buf buf = { .size = length_bytes, .mem = bytes };

	fuse_session_process_buf(serve->session, &buf);
}
