/*
 * A device that fails reads. In one place: what was there is had from another replica and written anew, which
 * a disk answers with a fresh sector. In many places within a short time: it is failing as a whole, and what
 * it still reads today is read from it no longer than need be: the pool fails, and its replicas are replaced.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdio.h>

/* The place's memory, or the one that is missed least: a place that has been quiet counts no more. */
static struct failing_place *place_find(struct failing *failing, uint64_t place)
{
	struct failing_place *least = &failing->places[0];

	for (unsigned i = 0; i < FAILING_PLACES; i++) {
		struct failing_place *at = &failing->places[i];

		if (at->failed_ns != 0 && at->place == place)
			return at;
		if (at->failed_ns < least->failed_ns)
			least = at;
	}
	return least;
}

void failing_read(struct pool *pool, uint64_t offset_bytes)
{
	uint64_t now_ns = loop_now_ns(pool->loop), place = offset_bytes / GRAIN_BYTES;
	unsigned count = 0;
	char why[96];

	pool->counters.read_errors++;
	*place_find(&pool->watch.failing, place) =
		(struct failing_place){ .place = place, .failed_ns = now_ns > 0 ? now_ns : 1 };
	for (unsigned i = 0; i < FAILING_PLACES; i++) {
		const struct failing_place *at = &pool->watch.failing.places[i];

		count += at->failed_ns != 0 && now_ns - at->failed_ns <= FAILING_WINDOW_NS;
	}
	if (count < FAILING_PLACES || MUTANT(bad_reads_unnoticed))
		return;
	(void)snprintf(why, sizeof(why), "the device has failed reads in %u places within an hour", count);
	pool_fail(pool, -EIO, why);
}
