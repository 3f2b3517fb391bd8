/*
 * A device that does not answer is away: no write of the journal and no flush may take longer than
 * DEVICE_WAIT_MS, and where anything is in flight something must end within it. Then the pool fails, as it
 * does when the device says so itself: its replicas are away, and the quorum goes on without them.
 *
 * Time is counted in looks, one a second while something is in flight. So a process that was stopped for a
 * minute finds the answers that came meanwhile, and blames nobody.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdio.h>

#define WATCH_EVERY_NS NS_PER_S
#define WAIT_LOOKS     (DEVICE_WAIT_MS * NS_PER_MS / WATCH_EVERY_NS)

static bool is_late(const struct pool *pool, uint64_t began_look)
{
	return pool->watch.looks - began_look > WAIT_LOOKS;
}

static const char *what_is_late(const struct pool *pool)
{
	const struct journal *j = &pool->journal;

	if (j->flushing && is_late(pool, j->flush_began_look))
		return "a flush";
	for (unsigned i = 0; i < BATCHES_IN_FLIGHT; i++)
		if (j->batches[i].state == BATCH_WRITING && is_late(pool, j->batches[i].began_look))
			return "a write of the journal";
	return is_late(pool, pool->watch.seen_look) ? "anything" : NULL;
}

static void watch_look(void *arg)
{
	struct pool *pool = arg;
	const char *late;
	char why[96];

	if (pool->failed || pool->io_busy == 0)
		return;
	pool->watch.looks++;
	if (pool->watch.seen_ended != pool->watch.ended) {
		pool->watch.seen_ended = pool->watch.ended;
		pool->watch.seen_look = pool->watch.looks;
	}
	late = what_is_late(pool);
	if (late) {
		(void)snprintf(why, sizeof(why), "the device has not answered %s for %u s", late,
			DEVICE_WAIT_MS / 1000);
		pool_fail(pool, -ETIMEDOUT, why);
		return;
	}
	loop_timer_set(pool->loop, &pool->watch.timer, loop_now_ns(pool->loop) + WATCH_EVERY_NS);
}

void watch_init(struct pool *pool)
{
	loop_timer_init(&pool->watch.timer, watch_look, pool);
}

void watch_done(struct pool *pool)
{
	loop_timer_cancel(pool->loop, &pool->watch.timer);
}

void watch_arm(struct pool *pool)
{
	if (loop_timer_is_set(&pool->watch.timer) || pool->failed)
		return;
	pool->watch.seen_ended = pool->watch.ended;
	pool->watch.seen_look = pool->watch.looks;
	loop_timer_set(pool->loop, &pool->watch.timer, loop_now_ns(pool->loop) + WATCH_EVERY_NS);
}

void pool_io_ended(struct pool *pool)
{
	ASSERT(pool->io_busy > 0);
	pool->io_busy--;
	pool->watch.ended++;
}
