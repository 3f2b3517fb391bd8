/*
 * The life of a FUSE descriptor on the data plane: armed poll, draining, pausing, stopping.
 *
 *   POLLIN -> readv until EAGAIN: 80 bytes of header | up to four landing buffers
 *          -> READ, WRITE, FALLOCATE: fuse_io.c    all else: libfuse, answered at once (fuse_meta.c)
 *
 * The descriptor is not blocking, and read by plain readv(): an io_uring read of it can block the ring's
 * thread when a request is withdrawn, and batches of them measured slower (docs/attach.md).
 */
#include "attach/fuse_serve_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct landing *landing_new(void)
{
	struct landing *landing = calloc(1, sizeof(*landing));

	if (landing)
		atomic_init(&landing->refs, 1);
	return landing;
}

static struct landing *landing_ref(struct landing *landing)
{
	atomic_fetch_add_explicit(&landing->refs, 1, memory_order_relaxed);
	return landing;
}

void landing_put(struct landing *landing)
{
	if (!landing || atomic_fetch_sub_explicit(&landing->refs, 1, memory_order_acq_rel) > 1)
		return;
	ASSERT(landing->users == 0);
	free(landing);
}

/* Whether a read may begin: all landing buffers are there. */
static bool landing_fill(struct landing *landing, struct buf_pool *bufs)
{
	for (unsigned i = 0; i < FRONT_MAX_PARTS; i++) {
		if (!landing->part[i])
			landing->part[i] = buf_get(bufs, ENTRY_MAX_BYTES);
		if (!landing->part[i])
			return false;
	}
	return true;
}

static void landing_leave(struct landing *landing)
{
	ASSERT(landing->users > 0);
	if (--landing->users > 0)
		return;
	for (unsigned i = 0; i < FRONT_MAX_PARTS; i++) {
		buf_put(landing->part[i]);
		landing->part[i] = NULL;
	}
}

void fuse_serve_put(struct fuse_serve *serve)
{
	if (!serve || atomic_fetch_sub_explicit(&serve->refs, 1, memory_order_acq_rel) > 1)
		return;
	fuse_meta_free(serve);
	landing_put(serve->landing);
	free(serve);
}

/* A poll that was armed is gone, nothing is in flight: the data plane lets go. */
static void fuse_serve_check_stopped(struct fuse_serve *serve)
{
	if (serve->stopping && !serve->gone)
		loop_defer(uring_loop_core(serve->loop), &serve->stop_task);
}

static void fuse_serve_stop_step(void *arg)
{
	struct fuse_serve *serve = arg;

	ASSERT(serve->stopping);
	if (serve->poll_armed)
		return;
	fuse_meta_free(serve); /* what the kernel still waits for ends with ECONNABORTED */
	fuse_io_drop_waiting(serve);
	if (serve->stopped && (serve->force || serve->in_flight == 0)) {
		fuse_stopped_fn stopped = serve->stopped;

		serve->stopped = NULL;
		stopped(serve->stopped_arg);
	}
	if (serve->in_flight > 0)
		return;
	serve->gone = true;
	loop_timer_cancel(uring_loop_core(serve->loop), &serve->retry_timer);
	loop_task_cancel(&serve->resume_task);
	landing_leave(serve->landing);
	fuse_serve_put(serve);
}

static void fuse_serve_arm(struct fuse_serve *serve)
{
	struct io_uring_sqe *sqe = uring_loop_sqe(serve->loop, &serve->poll_op);

	io_uring_prep_poll_multishot(sqe, serve->fd, POLLIN);
	serve->poll_armed = true;
}

/* Draining can't go on: it does when one of ours is answered, or soon. */
static void fuse_serve_stall(struct fuse_serve *serve)
{
	struct loop *core = uring_loop_core(serve->loop);

	serve->stalled = true;
	stat_add(&serve->stats.stalls);
	loop_timer_set(core, &serve->retry_timer, loop_now_ns(core) + FUSE_STALL_RETRY_NS);
}

/* The length of what was read into landing and scratch; 0: nothing more for now. */
static size_t fuse_serve_read(struct fuse_serve *serve)
{
	struct landing *landing = serve->landing;
	struct iovec iov[1 + FRONT_MAX_PARTS] = { { landing->head, FUSE_HEAD_BYTES } };

	for (unsigned i = 0; i < FRONT_MAX_PARTS; i++)
		iov[1 + i] = (struct iovec){ landing->part[i]->data, ENTRY_MAX_BYTES };
	for (;;) {
		ssize_t n = readv(serve->fd, iov, 1 + FRONT_MAX_PARTS);

		if (n >= 0)
			return (size_t)n;
		switch (errno) {
		case EINTR:
		case ENOENT: /* the request was withdrawn while we read it */
			continue;
		case EAGAIN:
			return 0;
		default: /* ENODEV: unmounted; ECONNABORTED: aborted */
			serve->ended = true;
			return 0;
		}
	}
}

/* One request, whole, in the landing. */
static void fuse_serve_dispatch(struct fuse_serve *serve, size_t length_bytes)
{
	struct landing *landing = serve->landing;
	struct fuse_in_header header;

	if (length_bytes < sizeof(header))
		return;
	memcpy(&header, landing->head, sizeof(header));
	if (fuse_io_is_io(&header)) {
		fuse_io_begin(serve, &header, length_bytes);
		return;
	}
	switch (header.opcode) {
	case FUSE_INTERRUPT: /* nothing here waits for long that could be given up */
		return;
	default:
		break;
	}
	if (length_bytes > sizeof(serve->scratch)) {
		fuse_io_answer(serve, header.unique, -EIO);
		return;
	}
	memcpy(serve->scratch, landing->head, FUSE_HEAD_BYTES);
	if (length_bytes > FUSE_HEAD_BYTES)
		memcpy(serve->scratch + FUSE_HEAD_BYTES, landing->part[0]->data,
			length_bytes - FUSE_HEAD_BYTES);
	fuse_meta_handle(serve, serve->scratch, length_bytes);
}

static void fuse_serve_drain(struct fuse_serve *serve)
{
	serve->stalled = false;
	for (unsigned i = 0;; i++) {
		size_t length_bytes;

		if (serve->stopping || serve->ended)
			return;
		if (i == FUSE_DRAIN_MAX || !list_is_empty(&serve->waiting) ||
			list_is_empty(&serve->free_ops) || !landing_fill(serve->landing, serve->bufs)) {
			fuse_serve_stall(serve);
			return;
		}
		length_bytes = fuse_serve_read(serve);
		if (length_bytes == 0)
			return;
		fuse_serve_dispatch(serve, length_bytes);
	}
}

/* After a stall. */
static void fuse_serve_resume(void *arg)
{
	struct fuse_serve *serve = arg;

	if (!serve->stalled || serve->stopping)
		return;
	loop_timer_cancel(uring_loop_core(serve->loop), &serve->retry_timer);
	if (fuse_io_resume_waiting(serve))
		fuse_serve_drain(serve);
	else
		fuse_serve_stall(serve);
}

void fuse_serve_op_ended(struct fuse_serve *serve)
{
	ASSERT(serve->in_flight > 0);
	serve->in_flight--;
	if (serve->stalled)
		loop_defer(uring_loop_core(serve->loop), &serve->resume_task);
	if (serve->in_flight == 0)
		fuse_serve_check_stopped(serve);
}

static void fuse_serve_polled(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	struct fuse_serve *serve = container_of(op, struct fuse_serve, poll_op);

	stat_add(&serve->stats.wakeups);
	if (!(cqe_flags & IORING_CQE_F_MORE))
		serve->poll_armed = false;
	if (serve->stopping) {
		if (!serve->poll_armed)
			fuse_serve_check_stopped(serve);
		return;
	}
	/* A stalled drain is resumed by its own means; what has come since is still there then. */
	if (!serve->stalled)
		fuse_serve_drain(serve);
	if (result < 0 || (result & (POLLERR | POLLHUP)))
		serve->ended = true;
	if (!serve->poll_armed && !serve->ended)
		fuse_serve_arm(serve);
}

int fuse_serve_new(int fuse_fd, struct uring_loop *loop, struct volume *volume, struct landing *landing,
	struct fuse_serve **ret_serve)
{
	struct fuse_serve *serve = calloc(1, sizeof(*serve));
	int rc;

	if (!serve)
		return -ENOMEM;
	atomic_init(&serve->refs, 1);
	serve->loop = loop;
	serve->volume = volume;
	serve->landing = landing_ref(landing);
	serve->fd = fuse_fd;
	serve->poll_op.fn = fuse_serve_polled;
	loop_timer_init(&serve->retry_timer, fuse_serve_resume, serve);
	loop_task_init(&serve->resume_task, fuse_serve_resume, serve);
	loop_task_init(&serve->stop_task, fuse_serve_stop_step, serve);
	list_init(&serve->free_ops);
	list_init(&serve->waiting);
	for (unsigned i = 0; i < FUSE_MAX_OPS; i++) {
		serve->ops[i].serve = serve;
		list_push_back(&serve->free_ops, &serve->ops[i].io.node);
	}
	rc = fuse_meta_new(serve, fuse_fd);
	if (rc < 0) {
		landing_put(landing);
		free(serve);
		return rc;
	}
	*ret_serve = serve;
	return 0;
}

void fuse_serve_start(struct fuse_serve *serve)
{
	atomic_fetch_add_explicit(&serve->refs, 1, memory_order_relaxed);
	serve->bufs = volume_bufs(serve->volume);
	serve->landing->users++;
	fuse_serve_arm(serve);
	fuse_serve_drain(serve); /* INIT may wait already */
}

void fuse_serve_stop(struct fuse_serve *serve, bool force, fuse_stopped_fn stopped, void *arg)
{
	if (force)
		serve->force = true;
	if (!serve->stopping) {
		serve->stopping = true;
		serve->stopped = stopped;
		serve->stopped_arg = arg;
		if (serve->poll_armed)
			uring_loop_cancel(serve->loop, &serve->poll_op);
	}
	fuse_serve_check_stopped(serve);
}

void fuse_serve_get_stats(const struct fuse_serve *serve, struct blockdev_stats *ret_stats)
{
	front_stats_get(&serve->stats, ret_stats);
}
