/* What replicas and their snapshots take in a pool. store.h's rules of threads hold. */
#ifndef QUOIN_STORE_USAGE_H
#define QUOIN_STORE_USAGE_H

#include "store/store.h"

/* Grains of the volume as it is, that no snapshot holds. */
uint64_t pool_replica_used_bytes(const struct pool_replica *replica);
/* Grains of its snapshots, those of removed ones included that are still on their way to be merged or freed.
 * The two of all replicas, and pool_info.unowned_bytes, are pool_info.used_bytes. */
/* Free ones that the pool keeps for it: of a thick one, what its grains lack to its size. */
uint64_t pool_replica_kept_bytes(const struct pool_replica *replica);
uint64_t pool_replica_frozen_bytes(const struct pool_replica *replica);

/* New writes of thin replicas should be refused: there is room for those that are under way, for trims and
 * for repair. */
bool pool_is_full(const struct pool *pool);
/* New writes of this one should be refused; a thick one's not while the pool has what it keeps for it. */
bool pool_replica_is_full(const struct pool_replica *replica);
/* A snapshot freezes the grains of a thick replica, and as many are kept for it anew: whether there are so
 * many. Of a thin one always. */
bool pool_replica_snapshot_fits(const struct pool_replica *replica);

/* What a snapshot takes in this pool. */
struct pool_usage {
	struct uuid snapshot;
	uint64_t used_bytes; /* its grains; of what stood before it only what it doesn't share with older ones
			      */
	uint64_t own_bytes;  /* what the removal of it alone would give back: docs/snapshots.md */
};

/* A count under way, grain by grain; zeroes begin it, and rows with room for `room` of them. */
struct pool_usage_scan {
	struct pool_usage *rows;
	unsigned room, count; /* count may be larger than room when it is through: the rest isn't told */
	uint64_t index, change;
};
/*
 * One turn of it, about a millisecond at most: counts on, or begins anew where the levels have changed since.
 * True when it is through. What is written meanwhile may or may not be counted. Never fails.
 */
bool pool_replica_usage_scan(const struct pool_replica *replica, struct pool_usage_scan *scan) MUST_CHECK;

#endif
