/*
 * A device that does not answer is away: no write of the journal and no flush may take longer than
 * DEVICE_WAIT_MS, where anything is in flight something must end within it, and nothing may take longer than
 * DEVICE_LONGEST_WAIT_MS. Then the pool fails, as it does when the device says so itself: its replicas are
 * away, and the quorum goes on without them.
 *
 * Time is counted in looks, one a second while something is in flight. So a process that was stopped for a
 * minute finds the answers that came meanwhile, and blames nobody.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdio.h>

#define LOOKS_OF(ms)  ((ms)*NS_PER_MS / WATCH_EVERY_NS)
#define LONGEST_LOOKS LOOKS_OF(DEVICE_LONGEST_WAIT_MS)

_Static_assert(LONGEST_LOOKS + 1 < WATCH_SLOTS, "a slot is empty before it is used again");

static bool is_late(const struct pool *pool, uint64_t began_look)
{
	return pool->watch.looks - began_look > LOOKS_OF(DEVICE_WAIT_MS);
}

/* Each look asks for those of one slot: nothing in flight is older. */
static bool oldest_is_late(const struct watch *watch)
{
	return watch->looks > LONGEST_LOOKS &&
	       watch->busy[(watch->looks - LONGEST_LOOKS - 1) % WATCH_SLOTS] > 0;
}

static const char *what_is_late(const struct pool *pool, unsigned *ret_wait_ms)
{
	const struct journal *j = &pool->journal;

	*ret_wait_ms = DEVICE_LONGEST_WAIT_MS;
	if (oldest_is_late(&pool->watch))
		return "an operation";
	*ret_wait_ms = DEVICE_WAIT_MS;
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
	unsigned wait_ms;
	char why[96];

	if (pool->failed || pool->io_busy == 0)
		return;
	pool->watch.slot = (uint8_t)(++pool->watch.looks % WATCH_SLOTS);
	if (pool->watch.seen_ended != pool->watch.ended) {
		pool->watch.seen_ended = pool->watch.ended;
		pool->watch.seen_look = pool->watch.looks;
	}
	late = MUTANT(hang_unnoticed) ? NULL : what_is_late(pool, &wait_ms);
	if (late) {
		(void)snprintf(
			why, sizeof(why), "the device has not answered %s for %u s", late, wait_ms / 1000);
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

/* Nothing was in flight before: what comes is counted from here. */
static void watch_begin(struct pool *pool)
{
	if (loop_timer_is_set(&pool->watch.timer) || pool->failed)
		return;
	pool->watch.seen_ended = pool->watch.ended;
	pool->watch.seen_look = pool->watch.looks;
	loop_timer_set(pool->loop, &pool->watch.timer, loop_now_ns(pool->loop) + WATCH_EVERY_NS);
}

void pool_io_began(struct pool *pool, struct device_io *io)
{
	io->began = pool->watch.slot;
	pool->watch.busy[io->began]++;
	pool->io_busy++;
	watch_begin(pool);
}

void pool_io_ended(struct pool *pool, struct device_io *io)
{
	ASSERT(pool->io_busy > 0 && pool->watch.busy[io->began] > 0);
	pool->io_busy--;
	pool->watch.busy[io->began]--;
	pool->watch.ended++;
}
