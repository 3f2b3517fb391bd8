/*
 * Closing a pool:
 *
 *   pool_close() -> what is cheap is written out --nothing is in flight--> freed, told
 *                          |
 *                          +-- it has failed, 2 s --> LEFT, told -ETIMEDOUT --the last answer--> freed
 *
 * What a device has not answered is the kernel's: it may still read and write the memory that it was given.
 * So a pool that is left keeps all of it, and goes when the last answer comes, which may be never.
 */
#include "store/pool.h"

#include <errno.h>

#define LEAVE_AFTER_NS (2 * NS_PER_S)

static void close_tell(struct pool *pool, int rc)
{
	pool_done_fn fn = pool->close_fn;

	pool->close_fn = NULL;
	if (fn)
		fn(pool->close_arg, rc);
}

static void leave_due(void *arg)
{
	struct pool *pool = arg;

	ASSERT(pool->failed && pool->closing && pool->close_fn);
	close_tell(pool, -ETIMEDOUT);
}

void close_init(struct pool *pool)
{
	loop_timer_init(&pool->watch.leave, leave_due, pool);
}

void pool_leave(struct pool *pool)
{
	pool->closing = true;
	pool->options.durable = NULL;
	pool->options.failed = NULL;
	pool->options.bad = NULL;
	pool->options.damaged = NULL;
}

static bool close_is_done(const struct pool *pool)
{
	if (pool->io_busy > 0 || pool->sums.fetches_busy > 0)
		return false;
	if (!list_is_empty(&pool->answer_works) || !list_is_empty(&pool->read_done))
		return false;
	return pool->failed || (journal_is_idle(pool) && list_is_empty(&pool->read_wait) &&
				       list_is_empty(&pool->rollback_wait));
}

void close_pump(struct pool *pool)
{
	pool_done_fn fn = pool->close_fn;
	void *arg = pool->close_arg;
	int rc = pool->failed ? -EIO : 0;

	if (close_is_done(pool)) {
		pool_free(pool);
		if (fn)
			fn(arg, rc);
	} else if (pool->failed && fn && !loop_timer_is_set(&pool->watch.leave) &&
		   !MUTANT(close_waits_for_ever)) {
		loop_timer_set(pool->loop, &pool->watch.leave, loop_now_ns(pool->loop) + LEAVE_AFTER_NS);
	}
}

void pool_close(struct pool *pool, pool_done_fn fn, void *arg)
{
	ASSERT(pool->open && !pool->closing);
	pool_leave(pool);
	/* No round begins any more: what waits for one is told so. */
	read_fail_rollbacks(pool);
	works_fail(pool, &pool->round.puts);
	works_fail(pool, &pool->applied_waiters);
	pool->close_fn = fn;
	pool->close_arg = arg;
	pool->journal.mark_wanted = true;
	pool_pump_soon(pool);
}
