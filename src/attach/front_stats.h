/* A front's counters: written by the data-plane thread alone, read by any. */
#ifndef QUOIN_ATTACH_FRONT_STATS_H
#define QUOIN_ATTACH_FRONT_STATS_H

#include <stdatomic.h>

#include "attach/attach.h"

/* As struct blockdev_stats tells them. */
struct front_stats {
	atomic_ullong requests, wakeups, copies, stalls, errors;
};

static inline void stat_add(atomic_ullong *stat)
{
	/* One writer: no locked instruction is needed. */
	atomic_store_explicit(
		stat, atomic_load_explicit(stat, memory_order_relaxed) + 1, memory_order_relaxed);
}

static inline void front_stats_get(const struct front_stats *stats, struct blockdev_stats *ret_stats)
{
	ret_stats->requests = atomic_load_explicit(&stats->requests, memory_order_relaxed);
	ret_stats->wakeups = atomic_load_explicit(&stats->wakeups, memory_order_relaxed);
	ret_stats->copies = atomic_load_explicit(&stats->copies, memory_order_relaxed);
	ret_stats->stalls = atomic_load_explicit(&stats->stalls, memory_order_relaxed);
	ret_stats->errors = atomic_load_explicit(&stats->errors, memory_order_relaxed);
}

#endif
