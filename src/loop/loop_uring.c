/*
 * The real loop: the core, an io_uring and a mailbox.
 *
 *   turn:  submit what was prepared, wait until a completion, a message or the next timer
 *          -> completions -> messages -> timers and deferred tasks -> next turn
 *
 * Deferred tasks run after all completions of the turn, so that what belongs together leaves together.
 */
#include "loop/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define URING_SQ_ENTRIES 1024u
#define URING_CQ_ENTRIES 8192u
/* A full submission queue that the kernel refuses to take this often in a row is our bug. */
#define URING_SUBMIT_TRIES 10000u
/* The wait is by CLOCK_MONOTONIC, which stands still during suspend; this bounds what a timer is late by. */
#define URING_WAIT_MAX_NS NS_PER_S

struct uring_loop {
	struct loop core;
	struct io_uring ring;
	struct uring_op wake_op;
	int wake_fd; /* an eventfd: written by who posts into an empty mailbox */
	bool enabled;
	bool stopping;
	/* What other threads have posted, newest first. */
	_Alignas(64) _Atomic(struct loop_message *) mailbox;
};

static void wake_arrived(struct uring_op *op, int32_t result, uint32_t cqe_flags);

/*
 * Polls the eventfd for edges: each write is one completion, and nobody needs to read it (its counter would
 * take 2^64 writes to fill).
 */
static void uring_loop_arm_wake(struct uring_loop *loop)
{
	struct io_uring_sqe *sqe = uring_loop_sqe(loop, &loop->wake_op);

	io_uring_prep_poll_multishot(sqe, loop->wake_fd, POLLIN);
}

static void wake_arrived(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	struct uring_loop *loop = container_of(op, struct uring_loop, wake_op);

	ASSERT(result >= 0);
	if (!(cqe_flags & IORING_CQE_F_MORE))
		uring_loop_arm_wake(loop);
}

int uring_loop_new(const struct clock *clock, struct uring_loop **ret_loop, struct error *error)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		.cq_entries = URING_CQ_ENTRIES,
	};
	struct uring_loop *loop = aligned_alloc(64, sizeof(*loop));
	int rc;

	if (!loop)
		return error_set(error, -ENOMEM, "no memory for an event loop");
	memset(loop, 0, sizeof(*loop));
	loop->wake_op.fn = wake_arrived;
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0) {
		rc = error_set(error, -errno, "eventfd: %s", strerror(errno));
		goto free_loop;
	}
	rc = loop_init(&loop->core, clock);
	if (rc < 0) {
		(void)error_set(error, rc, "no memory for an event loop's timers");
		goto close_wake;
	}
	rc = io_uring_queue_init_params(URING_SQ_ENTRIES, &loop->ring, &params);
	if (rc < 0) {
		(void)error_set(error, rc,
			"io_uring: %s (kernel 6.1 or later is needed, io_uring allowed by "
			"kernel.io_uring_disabled and any container's seccomp profile)",
			strerror(-rc));
		goto done_core;
	}
	*ret_loop = loop;
	return 0;
done_core:
	loop_done(&loop->core);
close_wake:
	close(loop->wake_fd);
free_loop:
	free(loop);
	return rc;
}

void uring_loop_free(struct uring_loop *loop)
{
	if (!loop)
		return;
	io_uring_queue_exit(&loop->ring);
	close(loop->wake_fd);
	loop_done(&loop->core);
	free(loop);
}

struct loop *uring_loop_core(struct uring_loop *loop)
{
	return &loop->core;
}

void uring_loop_stop(struct uring_loop *loop)
{
	loop->stopping = true;
}

/* What submitting may answer besides a count, when all is well. Anything else is our bug. */
static bool submit_error_is_passing(int rc)
{
	switch (rc) {
	case -ETIME: /* the wait ran out */
	case -EINTR:
	case -EAGAIN: /* the kernel is short of memory for requests */
	case -EBUSY:  /* completions are to be reaped first */
		return true;
	default:
		return rc >= 0;
	}
}

struct io_uring_sqe *uring_loop_sqe(struct uring_loop *loop, struct uring_op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

	for (unsigned tries = 0; !sqe; tries++) {
		ASSERT(tries < URING_SUBMIT_TRIES);
		ASSERT(submit_error_is_passing(io_uring_submit(&loop->ring)));
		sqe = io_uring_get_sqe(&loop->ring);
	}
	memset(sqe, 0, sizeof(*sqe));
	io_uring_sqe_set_data(sqe, op);
	return sqe;
}

void uring_loop_cancel(struct uring_loop *loop, struct uring_op *op)
{
	/* The cancellation's own completion goes to nobody. */
	struct io_uring_sqe *sqe = uring_loop_sqe(loop, NULL);

	io_uring_prep_cancel(sqe, op, 0);
}

void loop_post(struct uring_loop *loop, struct loop_message *message)
{
	struct loop_message *head = atomic_load_explicit(&loop->mailbox, memory_order_relaxed);
	uint64_t one = 1;

	do {
		message->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&loop->mailbox, &head, message, memory_order_release, memory_order_relaxed));
	/* Who found it empty wakes the loop; the others' messages are taken by the same waking. */
	if (!head)
		ASSERT(write(loop->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

static void uring_loop_take_messages(struct uring_loop *loop)
{
	struct loop_message *newest, *oldest = NULL;

	if (!atomic_load_explicit(&loop->mailbox, memory_order_relaxed))
		return;
	newest = atomic_exchange_explicit(&loop->mailbox, NULL, memory_order_acquire);
	while (newest) {
		struct loop_message *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct loop_message *message = oldest;

		oldest = message->next; /* the sender may free it in fn */
		message->fn(message);
	}
}

/* Submits and waits for at least one completion, but not beyond the next timer. */
static void uring_loop_wait(struct uring_loop *loop)
{
	uint64_t due_ns = loop_next_due_ns(&loop->core);
	uint64_t now_ns = clock_now_ns(loop->core.clock);
	uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	struct __kernel_timespec timeout;
	struct io_uring_cqe *cqe;
	int rc;

	if (wait_ns == 0 || loop->stopping) {
		rc = io_uring_submit_and_get_events(&loop->ring);
	} else {
		if (wait_ns > URING_WAIT_MAX_NS)
			wait_ns = URING_WAIT_MAX_NS;
		timeout.tv_sec = (int64_t)(wait_ns / NS_PER_S);
		timeout.tv_nsec = (int64_t)(wait_ns % NS_PER_S);
		rc = io_uring_submit_and_wait_timeout(&loop->ring, &cqe, 1, &timeout, NULL);
	}
	ASSERT(submit_error_is_passing(rc));
}

static void uring_loop_complete(struct uring_loop *loop)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	io_uring_for_each_cqe(&loop->ring, head, cqe)
	{
		struct uring_op *op = io_uring_cqe_get_data(cqe);

		count++;
		if (op)
			op->fn(op, cqe->res, cqe->flags);
	}
	io_uring_cq_advance(&loop->ring, count);
}

/* io_uring_enable_rings(), which liburing 2.3 declares but does not export. */
static int uring_enable(struct io_uring *ring)
{
	return (int)syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

void uring_loop_run(struct uring_loop *loop)
{
	loop->stopping = false;
	if (!loop->enabled) {
		ASSERT(uring_enable(&loop->ring) == 0);
		loop->enabled = true;
		uring_loop_arm_wake(loop);
	}
	/* Saves a look-up a turn; where the kernel won't, the plain descriptor does as well. */
	(void)io_uring_register_ring_fd(&loop->ring);
	loop_run_due(&loop->core);
	while (!loop->stopping) {
		uring_loop_wait(loop);
		uring_loop_complete(loop);
		uring_loop_take_messages(loop);
		loop_run_due(&loop->core);
	}
	(void)io_uring_unregister_ring_fd(&loop->ring);
}
