/*
 * Case 10 of docs/protocol.md: an agent is killed while a write of it is under way in the kernel. The device
 * stays held until that write has ended, so that nobody scans a journal that still changes.
 *
 * The file is one of a FUSE filesystem (a process of its own) that holds its first write until it is told to
 * go on. It is spoken to by lookups: "held" exists while a write is held, "go" lets it go.
 */
#define FUSE_USE_VERSION 314

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/loop.h"
#include "store/device.h"

#define FILE_BYTES (1u << 20)
#define INO_POOL   2u
#define INO_HELD   3u
#define DEADLINE_S 20

static char dir[64];

/* ---- the filesystem: its own process ---- */

static uint8_t content[FILE_BYTES];
static struct held_write {
	fuse_req_t req; /* NULL: none */
	off_t offset;
	size_t length;
	uint8_t data[BLOCK_BYTES];
} held;
static bool goes_on;

static void attributes(fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat){ .st_ino = ino, .st_nlink = 1, .st_mode = S_IFREG | 0600 };
	if (ino == FUSE_ROOT_ID)
		st->st_mode = S_IFDIR | 0700;
	if (ino == INO_POOL)
		st->st_size = FILE_BYTES;
}

static void let_go(void)
{
	goes_on = true;
	if (!held.req)
		return;
	memcpy(content + held.offset, held.data, held.length);
	(void)fuse_reply_write(held.req, held.length);
	held.req = NULL;
}

static void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { 0 };

	(void)parent;
	if (strcmp(name, "go") == 0)
		let_go();
	if (strcmp(name, "pool") == 0)
		entry.ino = INO_POOL;
	if (strcmp(name, "held") == 0 && held.req)
		entry.ino = INO_HELD;
	if (entry.ino == 0) {
		(void)fuse_reply_err(req, ENOENT);
		return;
	}
	attributes(entry.ino, &entry.attr);
	(void)fuse_reply_entry(req, &entry);
}

static void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	attributes(ino, &st);
	(void)fuse_reply_attr(req, &st, 0);
}

static void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fuse_reply_open(req, fi);
}

static void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino, (void)fi;
	(void)fuse_reply_err(req, 0);
}

static void fs_fsync(fuse_req_t req, fuse_ino_t ino, int only_data, struct fuse_file_info *fi)
{
	(void)only_data;
	fs_release(req, ino, fi);
}

static void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)ino, (void)fi;
	(void)fuse_reply_buf(req, (const char *)content + offset, size);
}

static void fs_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
	struct fuse_file_info *fi)
{
	(void)ino, (void)fi;
	if (held.req || size > sizeof(held.data)) {
		(void)fuse_reply_err(req, EIO); /* not what this test does */
		return;
	}
	held.req = req;
	held.offset = offset;
	held.length = size;
	memcpy(held.data, data, size);
	if (goes_on)
		let_go();
}

static const struct fuse_lowlevel_ops fs_ops = {
	.lookup = fs_lookup,
	.getattr = fs_getattr,
	.open = fs_open,
	.release = fs_release,
	.flush = fs_release,
	.fsync = fs_fsync,
	.read = fs_read,
	.write = fs_write,
};

/* Ends with the mount; 1 where there can't be one, with why on standard error. */
static int filesystem_run(void)
{
	char name[] = "device_killed", *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *session = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), NULL);

	if (!session || fuse_session_mount(session, dir) != 0)
		return 1;
	return fuse_session_loop(session) < 0;
}

/* Mounted when this returns; 0 where it can't be. */
static pid_t filesystem_start(void)
{
	pid_t process = fork();
	char path[96];

	assert_true(process >= 0);
	if (process == 0)
		_exit(filesystem_run());
	(void)snprintf(path, sizeof(path), "%s/pool", dir);
	for (unsigned i = 0; access(path, F_OK) < 0; i++) {
		if (waitpid(process, NULL, WNOHANG) == process)
			return 0;
		assert_true(i < DEADLINE_S * 100);
		usleep(10 * 1000);
	}
	return process;
}

/* ---- the agent that is killed, and its successor ---- */

static void no_answer(struct device_io *io, int rc)
{
	(void)io, (void)rc;
}

/* Writes a block of sevens, and waits for an answer for ever. */
static void write_and_wait(const char *path)
{
	uint8_t *sevens = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
	struct iovec iov = { sevens, BLOCK_BYTES };
	struct device_io io = { .fn = no_answer };
	struct uring_loop *own_loop;
	struct device *device;
	struct error error;

	if (!sevens || uring_loop_new(clock_system(), &own_loop, &error) < 0 ||
		device_uring_open(own_loop, path, &device, &error) < 0)
		_exit(1);
	memset(sevens, 7, BLOCK_BYTES);
	device->ops->write(device, &io, &iov, 1, 0);
	uring_loop_run(own_loop);
	_exit(0);
}

static pid_t writer_start(const char *path)
{
	pid_t process = fork();
	char name[96];

	assert_true(process >= 0);
	if (process == 0)
		write_and_wait(path);
	(void)snprintf(name, sizeof(name), "%s/held", dir);
	for (unsigned i = 0; access(name, F_OK) < 0; i++) {
		assert_true(i < DEADLINE_S * 100);
		usleep(10 * 1000);
	}
	return process;
}

static void kill_and_reap(pid_t process)
{
	int status;

	assert_int_equal(kill(process, SIGKILL), 0);
	assert_int_equal(waitpid(process, &status, 0), process);
	assert_true(WIFSIGNALED(status));
}

static struct uring_loop *loop;
static uint8_t *memory;

static void read_done(struct device_io *io, int rc)
{
	(void)io;
	assert_int_equal(rc, 0);
	uring_loop_stop(loop);
}

static void expect_all_sevens(struct device *device)
{
	struct iovec iov = { memory, BLOCK_BYTES };
	struct device_io io = { .fn = read_done };

	device->ops->read(device, &io, &iov, 1, 0);
	uring_loop_run(loop);
	for (uint32_t i = 0; i < BLOCK_BYTES; i++)
		assert_int_equal(memory[i], 7);
}

static void the_device_is_held_until_the_last_write_of_a_killed_agent_has_ended(void **state)
{
	struct device *device;
	struct error error;
	char path[96], go[96];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/pool", dir);
	(void)snprintf(go, sizeof(go), "%s/go", dir);
	kill_and_reap(writer_start(path));
	assert_int_equal(device_uring_open(loop, path, &device, &error), -EBUSY);
	assert_non_null(strstr(error.text, path));
	(void)access(go, F_OK);
	assert_int_equal(device_uring_open(loop, path, &device, &error), 0);
	expect_all_sevens(device); /* it has landed before, not after */
	device->ops->close(device);
}

static pid_t filesystem;

static int setup(void **state)
{
	struct error error;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/quoin-killed-XXXXXX");
	memory = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
	if (!memory || !mkdtemp(dir) || uring_loop_new(clock_system(), &loop, &error) < 0)
		return -1;
	memset(memory, 0, BLOCK_BYTES);
	filesystem = filesystem_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (filesystem > 0) {
		(void)umount2(dir, MNT_DETACH);
		(void)kill(filesystem, SIGKILL); /* it would wait for files that a failed test leaves open */
		(void)waitpid(filesystem, NULL, 0);
	}
	uring_loop_free(loop);
	free(memory);
	rmdir(dir);
	return 0;
}

static void killed_agent(void **state)
{
	if (filesystem == 0)
		skip(); /* no FUSE here; fuse_session_mount() has said why */
	the_device_is_held_until_the_last_write_of_a_killed_agent_has_ended(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(killed_agent, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
