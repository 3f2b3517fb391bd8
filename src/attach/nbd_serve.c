/* The life of an export on the data plane: accepting, stalling, stopping. */
#include "attach/nbd_serve_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

void nbd_serve_put(struct nbd_serve *serve)
{
	if (!serve || atomic_fetch_sub_explicit(&serve->refs, 1, memory_order_acq_rel) > 1)
		return;
	free(serve->staging);
	free(serve);
}

/* ---- stopping ---- */

static bool conns_are_free(const struct nbd_serve *serve)
{
	for (unsigned i = 0; i < NBD_MAX_CONNS; i++)
		if (serve->conns[i].state != NBD_CONN_FREE)
			return false;
	return true;
}

static void stop_step(void *arg)
{
	struct nbd_serve *serve = arg;
	bool is_quiet;

	ASSERT(serve->stopping);
	if (serve->accepting || serve->gone)
		return;
	if (serve->listen_fd >= 0)
		close(serve->listen_fd);
	serve->listen_fd = -1;
	is_quiet = serve->in_flight == 0 && conns_are_free(serve);
	if (serve->stopped && (serve->force || is_quiet)) {
		nbd_stopped_fn stopped = serve->stopped;

		serve->stopped = NULL;
		stopped(serve->stopped_arg);
	}
	if (!is_quiet)
		return;
	serve->gone = true;
	loop_timer_cancel(uring_loop_core(serve->loop), &serve->retry_timer);
	loop_timer_cancel(uring_loop_core(serve->loop), &serve->deadline_timer);
	loop_task_cancel(&serve->resume_task);
	nbd_serve_put(serve);
}

void nbd_serve_stop(struct nbd_serve *serve, bool force, nbd_stopped_fn stopped, void *arg)
{
	if (force)
		serve->force = true;
	if (!serve->stopping) {
		serve->stopping = true;
		serve->stopped = stopped;
		serve->stopped_arg = arg;
		loop_timer_cancel(uring_loop_core(serve->loop), &serve->accept_timer);
		if (serve->accepting)
			uring_loop_cancel(serve->loop, &serve->accept_op);
		for (unsigned i = 0; i < NBD_MAX_CONNS; i++)
			nbd_conn_close(&serve->conns[i]);
	}
	loop_defer(uring_loop_core(serve->loop), &serve->stop_task);
}

/* ---- waiting for buffers and ops ---- */

void nbd_serve_moved(struct nbd_serve *serve)
{
	if (serve->gone)
		return;
	if (serve->stopping)
		loop_defer(uring_loop_core(serve->loop), &serve->stop_task);
	else if (serve->stalled)
		loop_defer(uring_loop_core(serve->loop), &serve->resume_task);
}

void nbd_serve_stall(struct nbd_serve *serve)
{
	struct loop *core = uring_loop_core(serve->loop);

	serve->stalled = true;
	stat_add(&serve->stats.stalls);
	loop_timer_set(core, &serve->retry_timer, loop_now_ns(core) + NBD_STALL_RETRY_NS);
}

static void resume(void *arg)
{
	struct nbd_serve *serve = arg;

	if (!serve->stalled || serve->stopping)
		return;
	if (!nbd_io_resume_waiting(serve)) {
		nbd_serve_stall(serve);
		return;
	}
	serve->stalled = false;
	loop_timer_cancel(uring_loop_core(serve->loop), &serve->retry_timer);
	for (unsigned i = 0; i < NBD_MAX_CONNS; i++)
		if (serve->conns[i].state == NBD_CONN_SERVING)
			nbd_conn_step(&serve->conns[i]);
}

/* ---- accepting ---- */

static void accept_arm(void *arg)
{
	struct nbd_serve *serve = arg;
	struct io_uring_sqe *sqe = uring_loop_sqe(serve->loop, &serve->accept_op);

	io_uring_prep_multishot_accept(sqe, serve->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	serve->accepting = true;
}

/* Who connects and then says nothing holds a place for a bounded time. */
static void deadline_check(void *arg)
{
	struct nbd_serve *serve = arg;
	struct loop *core = uring_loop_core(serve->loop);
	uint64_t next_ns = UINT64_MAX;

	for (unsigned i = 0; i < NBD_MAX_CONNS; i++) {
		struct nbd_conn *conn = &serve->conns[i];

		if (conn->state != NBD_CONN_HANDSHAKE)
			continue;
		if (conn->deadline_ns <= loop_now_ns(core))
			nbd_conn_close(conn);
		else if (conn->deadline_ns < next_ns)
			next_ns = conn->deadline_ns;
	}
	if (next_ns != UINT64_MAX)
		loop_timer_set(core, &serve->deadline_timer, next_ns);
}

static void connection_take(struct nbd_serve *serve, int fd)
{
	for (unsigned i = 0; i < NBD_MAX_CONNS && !serve->stopping; i++) {
		if (serve->conns[i].state != NBD_CONN_FREE)
			continue;
		nbd_conn_begin(&serve->conns[i], fd);
		if (!loop_timer_is_set(&serve->deadline_timer))
			deadline_check(serve);
		return;
	}
	stat_add(&serve->stats.errors);
	close(fd);
}

static void accepted(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	struct nbd_serve *serve = container_of(op, struct nbd_serve, accept_op);

	if (!(cqe_flags & IORING_CQE_F_MORE))
		serve->accepting = false;
	if (result >= 0)
		connection_take(serve, result);
	if (serve->stopping)
		loop_defer(uring_loop_core(serve->loop), &serve->stop_task);
	else if (!serve->accepting) /* no descriptors left, say: soon again, but not at once for ever */
		loop_timer_set(uring_loop_core(serve->loop), &serve->accept_timer,
			loop_now_ns(uring_loop_core(serve->loop)) + NBD_ACCEPT_RETRY_NS);
}

/* ---- life ---- */

int nbd_serve_new(
	const char *name, struct uring_loop *loop, struct volume *volume, struct nbd_serve **ret_serve)
{
	struct nbd_serve *serve = calloc(1, sizeof(*serve));

	if (!serve)
		return -ENOMEM;
	serve->staging = calloc(NBD_MAX_CONNS, NBD_STAGING_BYTES);
	if (!serve->staging) {
		free(serve);
		return -ENOMEM;
	}
	atomic_init(&serve->refs, 1);
	atomic_init(&serve->clients, 0);
	serve->loop = loop;
	serve->volume = volume;
	serve->listen_fd = -1;
	(void)snprintf(serve->name, sizeof(serve->name), "%s", name);
	serve->accept_op.fn = accepted;
	/* Unique in the attachment's life, also beside those of a former process. */
	if (getrandom(&serve->next_id, sizeof(serve->next_id), 0) != (ssize_t)sizeof(serve->next_id))
		serve->next_id = (uint64_t)getpid() << 40;
	loop_timer_init(&serve->retry_timer, resume, serve);
	loop_timer_init(&serve->deadline_timer, deadline_check, serve);
	loop_timer_init(&serve->accept_timer, accept_arm, serve);
	loop_task_init(&serve->resume_task, resume, serve);
	loop_task_init(&serve->stop_task, stop_step, serve);
	list_init(&serve->free_ops);
	list_init(&serve->waiting);
	for (unsigned i = 0; i < NBD_MAX_OPS; i++)
		list_push_back(&serve->free_ops, &serve->ops[i].io.node);
	for (unsigned i = 0; i < NBD_MAX_CONNS; i++) {
		serve->conns[i].serve = serve;
		serve->conns[i].fd = -1;
		serve->conns[i].staging = serve->staging + (size_t)i * NBD_STAGING_BYTES;
		loop_task_init(&serve->conns[i].send_task, NULL, NULL);
		list_init(&serve->conns[i].replies);
	}
	*ret_serve = serve;
	return 0;
}

void nbd_serve_start(struct nbd_serve *serve, int listen_fd)
{
	atomic_fetch_add_explicit(&serve->refs, 1, memory_order_relaxed);
	serve->bufs = volume_bufs(serve->volume);
	serve->listen_fd = listen_fd;
	accept_arm(serve);
}

unsigned nbd_serve_clients(const struct nbd_serve *serve)
{
	return atomic_load_explicit(&serve->clients, memory_order_relaxed);
}

void nbd_serve_get_stats(const struct nbd_serve *serve, struct blockdev_stats *ret_stats)
{
	front_stats_get(&serve->stats, ret_stats);
}
