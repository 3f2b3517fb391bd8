/*
 * loop: one data-plane thread's event loop. Its core (timers, deferred tasks, the clock) is plain code that
 * the simulator runs in virtual time; loop_uring.c adds the io_uring, the thread and the mailbox.
 *
 * Thread rule: everything here is called on the loop's own thread, except loop_post().
 * No callback runs inside the call that asked for it.
 */
#ifndef QUOIN_LOOP_H
#define QUOIN_LOOP_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

/* ---- core: also what the simulator drives ---- */

struct loop_timer {
	void (*fn)(void *arg);
	void *arg;
	uint64_t at_ns;
	uint64_t order;      /* of setting: equal times fire in this order */
	uint32_t heap_index; /* 0 when not set */
};

/* Runs once, after the event that deferred it; deferring a task that waits already changes nothing. */
struct loop_task {
	void (*fn)(void *arg);
	void *arg;
	struct list node;
};

#define LOOP_MAX_TIMERS 16384u

struct loop {
	const struct clock *clock;
	uint64_t now_ns; /* read once a turn */
	struct list tasks;
	struct loop_timer **heap; /* binary heap by at_ns, then by order of setting; from 1 to timer_count */
	uint32_t timer_count;     /* at most LOOP_MAX_TIMERS: asserted */
	uint64_t timer_order;
};

/* -ENOMEM. */
int loop_init(struct loop *loop, const struct clock *clock) MUST_CHECK;
void loop_done(struct loop *loop);

/* The time of this turn, CLOCK_BOOTTIME nanoseconds. */
static inline uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->now_ns;
}

void loop_timer_init(struct loop_timer *timer, void (*fn)(void *arg), void *arg);
/*
 * Fires once at or after at_ns; setting it again moves it. One that a callback sets for now or earlier fires
 * in the next turn, so that nothing that sets itself can starve the rest.
 */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_ns);
/* Harmless where it isn't set. */
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);

void loop_task_init(struct loop_task *task, void (*fn)(void *arg), void *arg);
void loop_defer(struct loop *loop, struct loop_task *task);
void loop_task_cancel(struct loop_task *task);

/*
 * Reads the clock, fires what is due and runs the deferred tasks until none is left (bounded by an
 * assertion). The tasks that a callback defers run before the next timer fires.
 */
void loop_run_due(struct loop *loop);
/* When the next timer is due; UINT64_MAX where none is set; now where a task waits. */
uint64_t loop_next_due_ns(const struct loop *loop);

/* ---- the real one ---- */

/* One io_uring operation in flight; embed it, and keep it until its callback has run. */
struct uring_op {
	void (*fn)(struct uring_op *op, int32_t result, uint32_t cqe_flags);
};

struct uring_loop;

/*
 * A message to a loop from another thread; the sender owns it again once `fn` has run on the loop's thread.
 */
struct loop_message {
	void (*fn)(struct loop_message *message);
	struct loop_message *next;
};

/*
 * Makes a loop with an io_uring of its own. uring_loop_run() must be called by the thread that owns
 * everything on it (IORING_SETUP_SINGLE_ISSUER | DEFER_TASKRUN: the ring is enabled there). -errno, with
 * words.
 */
int uring_loop_new(const struct clock *clock, struct uring_loop **ret_loop, struct error *error) MUST_CHECK;
/* After uring_loop_run() has returned. */
void uring_loop_free(struct uring_loop *loop);
/* The core, which timers, tasks and rooms above use. */
struct loop *uring_loop_core(struct uring_loop *loop);
/* Runs until uring_loop_stop(), one submit-and-wait a turn. */
void uring_loop_run(struct uring_loop *loop);
void uring_loop_stop(struct uring_loop *loop);
/*
 * A zeroed submission entry whose completion goes to `op`. Never NULL: when the queue is full it is submitted
 * first. Prepare it with io_uring_prep_*() and leave its user data alone.
 */
struct io_uring_sqe *uring_loop_sqe(struct uring_loop *loop, struct uring_op *op);
/* Asks the kernel to cancel `op`; its callback still runs, with -ECANCELED or its result. */
void uring_loop_cancel(struct uring_loop *loop, struct uring_op *op);
/*
 * From any thread, any time before uring_loop_run() returns: runs message->fn on the loop's thread.
 * Lock-free.
 */
void loop_post(struct uring_loop *loop, struct loop_message *message);

#endif
