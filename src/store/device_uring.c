/* A file or block device through io_uring, O_DIRECT, locked on the descriptor that does the I/O. */
#include "store/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "loop/loop.h"
#include "store/device_facts.h"

/* A dead process's lock stays until its last I/O has ended: up to 82 ms were seen. */
#define LOCK_WAIT_NS  NS_PER_S
#define LOCK_RETRY_NS (10 * NS_PER_MS)

struct uring_device {
	struct device device;
	struct uring_loop *loop;
	int fd;
};

/* Lives in device_io.priv, so that an operation needs no memory of its own. */
struct __attribute__((may_alias)) uring_io {
	struct uring_op op;
	uint32_t expected_bytes; /* of a read or write: what is not a short transfer */
};

static struct uring_device *uring_device_of(struct device *d)
{
	return container_of(d, struct uring_device, device);
}

static void io_finish(struct uring_op *op, int rc)
{
	struct uring_io *u = container_of(op, struct uring_io, op);
	struct device_io *io = container_of(u, struct device_io, priv);

	io->fn(io, rc);
}

static void transfer_done(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	struct uring_io *u = container_of(op, struct uring_io, op);

	(void)cqe_flags;
	if (result >= 0)
		result = (uint32_t)result == u->expected_bytes ? 0 : -EIO;
	io_finish(op, result);
}

static void flush_done(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	(void)cqe_flags;
	io_finish(op, result < 0 ? result : 0);
}

/* A discard is a wish: a device that can't do it has lost nothing. */
static void discard_done(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	(void)cqe_flags;
	io_finish(op, result == -EOPNOTSUPP || result > 0 ? 0 : result);
}

static struct io_uring_sqe *io_begin(struct uring_device *u, struct device_io *io,
	void (*fn)(struct uring_op *, int32_t, uint32_t), uint32_t expected_bytes)
{
	struct uring_io *uring_io = (struct uring_io *)(void *)io->priv;

	_Static_assert(sizeof(struct uring_io) <= sizeof(((struct device_io *)NULL)->priv), "it must fit");
	*uring_io = (struct uring_io){ .op.fn = fn, .expected_bytes = expected_bytes };
	return uring_loop_sqe(u->loop, &uring_io->op);
}

static uint32_t iov_bytes(
	const struct uring_device *u, const struct iovec *iov, unsigned iov_count, uint64_t offset_bytes)
{
	uint64_t bytes = 0;

	ASSERT(iov_count > 0 && iov_count <= DEVICE_MAX_IOV && offset_bytes % BLOCK_BYTES == 0);
	for (unsigned i = 0; i < iov_count; i++) {
		ASSERT(iov[i].iov_len % BLOCK_BYTES == 0 && (uintptr_t)iov[i].iov_base % BLOCK_BYTES == 0);
		bytes += iov[i].iov_len;
	}
	ASSERT(bytes > 0 && bytes <= INT32_MAX);
	ASSERT(offset_bytes <= u->device.size_bytes && bytes <= u->device.size_bytes - offset_bytes);
	return (uint32_t)bytes;
}

static void uring_read(struct device *d, struct device_io *io, const struct iovec *iov, unsigned iov_count,
	uint64_t offset_bytes)
{
	struct uring_device *u = uring_device_of(d);
	uint32_t bytes = iov_bytes(u, iov, iov_count, offset_bytes);
	struct io_uring_sqe *sqe = io_begin(u, io, transfer_done, bytes);

	if (iov_count == 1)
		io_uring_prep_read(sqe, u->fd, iov->iov_base, bytes, offset_bytes);
	else
		io_uring_prep_readv(sqe, u->fd, iov, iov_count, offset_bytes);
}

static void uring_write(struct device *d, struct device_io *io, const struct iovec *iov, unsigned iov_count,
	uint64_t offset_bytes)
{
	struct uring_device *u = uring_device_of(d);
	uint32_t bytes = iov_bytes(u, iov, iov_count, offset_bytes);
	struct io_uring_sqe *sqe = io_begin(u, io, transfer_done, bytes);

	if (iov_count == 1)
		io_uring_prep_write(sqe, u->fd, iov->iov_base, bytes, offset_bytes);
	else
		io_uring_prep_writev(sqe, u->fd, iov, iov_count, offset_bytes);
}

static void uring_flush(struct device *d, struct device_io *io)
{
	struct uring_device *u = uring_device_of(d);

	io_uring_prep_fsync(io_begin(u, io, flush_done, 0), u->fd, IORING_FSYNC_DATASYNC);
}

static void uring_discard(
	struct device *d, struct device_io *io, uint64_t offset_bytes, uint64_t length_bytes)
{
	struct uring_device *u = uring_device_of(d);

	ASSERT(offset_bytes % BLOCK_BYTES == 0 && length_bytes % BLOCK_BYTES == 0 && length_bytes > 0);
	ASSERT(offset_bytes <= d->size_bytes && length_bytes <= d->size_bytes - offset_bytes);
	io_uring_prep_fallocate(io_begin(u, io, discard_done, 0), u->fd,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset_bytes, (off_t)length_bytes);
}

static void uring_close(struct device *d)
{
	struct uring_device *u = uring_device_of(d);

	close(u->fd);
	free(u);
}

static const struct device_ops uring_ops = {
	.read = uring_read,
	.write = uring_write,
	.flush = uring_flush,
	.discard = uring_discard,
	.close = uring_close,
};

/* ---- open ---- */

static void wait_a_little(void)
{
	struct timespec wait = { .tv_nsec = (long)LOCK_RETRY_NS };

	(void)nanosleep(&wait, NULL);
}

static int open_words(const char *path, int rc, struct error *error)
{
	switch (rc) {
	case -EBUSY:
		return error_set(error, rc, "%s is in use: mounted, or held by another program", path);
	case -ENOTBLK:
		return error_set(error, rc, "%s is neither a block device nor a regular file", path);
	case -EINVAL:
		return error_set(error, rc, "%s: its filesystem has no direct I/O (O_DIRECT)", path);
	default:
		return error_set(error, rc, "%s: %s", path, strerror(-rc));
	}
}

/*
 * O_EXCL keeps a block device from being mounted, and refuses one that is; on a file it means nothing here.
 */
static int open_until(const char *path, uint64_t end_ns, int *ret_fd, struct error *error)
{
	struct stat st;
	int flags = O_RDWR | O_DIRECT | O_CLOEXEC;

	if (stat(path, &st) < 0)
		return open_words(path, -errno, error);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode) && !S_ISDIR(st.st_mode))
		return open_words(path, -ENOTBLK, error);
	if (S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	for (;;) {
		int fd = open(path, flags);

		if (fd >= 0) {
			*ret_fd = fd;
			return 0;
		}
		if (errno != EBUSY || clock_now_ns(clock_system()) >= end_ns)
			return open_words(path, -errno, error);
		wait_a_little();
	}
}

static int lock_until(int fd, const char *path, uint64_t end_ns, struct error *error)
{
	char holder[128];

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return error_set(error, -errno, "%s: lock: %s", path, strerror(errno));
		if (clock_now_ns(clock_system()) >= end_ns)
			return error_set(error, -EBUSY, "%s is held by %s", path,
				device_lock_holder(fd, holder, sizeof(holder)));
		wait_a_little();
	}
	return 0;
}

int device_uring_open(
	struct uring_loop *loop, const char *path, struct device **ret_device, struct error *error)
{
	uint64_t end_ns = clock_now_ns(clock_system()) + LOCK_WAIT_NS;
	struct uring_device *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return error_set(error, -ENOMEM, "no memory to open %s", path);
	rc = open_until(path, end_ns, &u->fd, error);
	if (rc < 0)
		goto free_device;
	rc = device_facts_read(u->fd, path, &u->device, error);
	if (rc < 0)
		goto close_fd;
	rc = lock_until(u->fd, path, end_ns, error);
	if (rc < 0)
		goto close_fd;
	u->device.ops = &uring_ops;
	u->loop = loop;
	*ret_device = &u->device;
	return 0;
close_fd:
	close(u->fd);
free_device:
	free(u);
	return rc;
}
