/*
 * The node's data-plane threads: how many, and which of them has what. A pool's thread follows from its UUID
 * (datapath_thread()); a volume lives where its (first shard's) replica on this node does, so that a write's
 * own copy changes no thread. Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_THREADS_H
#define QUOIN_VOLUMES_THREADS_H

#include "datapath/dataplane.h"
#include "volumes/volume_shards.h"

struct volumes;

/* Starts all, or none. -errno with words. */
int threads_start(struct volumes *volumes, struct error *error) MUST_CHECK;
/* What they have finished, and their events. */
void threads_drain(struct volumes *volumes);
void threads_stop(struct volumes *volumes);

unsigned threads_of_pool(const struct volumes *volumes, struct uuid pool);
unsigned threads_of_volume(
	const struct volumes *volumes, struct uuid volume, const struct volume_shards *shards);
/* A UUID for a new pool, which puts it on the thread that has the fewest. */
struct uuid threads_pool_uuid(struct volumes *volumes);

#endif
