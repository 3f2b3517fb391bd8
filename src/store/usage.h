/* What replicas and their snapshots take in a pool. store.h's rules of threads hold. */
#ifndef QUOIN_STORE_USAGE_H
#define QUOIN_STORE_USAGE_H

#include "store/store.h"

/* Grains of the volume as it is, that no snapshot holds. */
uint64_t pool_replica_used_bytes(const struct pool_replica *replica);
/* Grains of its snapshots, those of removed ones included that are still on their way to be merged or freed.
 * The two of all replicas, and pool_info.unowned_bytes, are pool_info.used_bytes. */
uint64_t pool_replica_frozen_bytes(const struct pool_replica *replica);

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
