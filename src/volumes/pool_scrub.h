/*
 * The scrub of this node's pools, as seen from the control thread: how far each is stands in
 * STATE/scrub/POOL.json, so that a restart goes on where it was; what is found is told as events.
 *
 * Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_POOL_SCRUB_H
#define QUOIN_VOLUMES_POOL_SCRUB_H

#include "store/store.h"

struct volumes;
struct local_pool;

/* Of one pool: in struct local_pool. */
struct pool_scrubbed {
	struct pool_scrub_tally told; /* of since_open, by events */
	uint64_t told_whole_wall_ns;
	struct pool_scrub_progress kept; /* in the file */
	uint64_t keep_ns;                /* not written again before */
};

/* What an earlier life has kept. False: nothing, or it can't be read (that is told): the pass begins anew. */
bool pool_scrub_load(
	struct volumes *volumes, const struct local_pool *pool, struct pool_scrub_progress *ret_progress);
/* The pool was opened, and goes on there (NULL: at the beginning). */
void pool_scrub_opened(struct local_pool *pool, const struct pool_scrub_progress *resumed);
/* pool->info is new: what there is to tell is told, and now and then the progress is kept. */
void pool_scrub_observe(struct volumes *volumes, struct local_pool *pool);
/* Keeps it now: the pool is about to be closed. */
void pool_scrub_keep(struct volumes *volumes, struct local_pool *pool);
/* The pool is removed. */
void pool_scrub_forget(const struct volumes *volumes, struct uuid pool);

#endif
