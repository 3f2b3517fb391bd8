/*
 * What volumes, snapshots and the replicas of a pool take. A part of the volumes' interface: its rules of
 * threads and errors hold (volumes/volumes.h).
 */
#ifndef QUOIN_VOLUMES_USAGE_H
#define QUOIN_VOLUMES_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "store/checksums.h"

struct pool_view;
struct replica_view;
struct volumes;

/* What a replica takes of its pool. Its own node alone knows it. */
struct usage_view {
	bool known;
	uint64_t used_bytes;     /* in whole, of which ... */
	uint64_t snapshot_bytes; /* ... by snapshots, removed ones that aren't gone yet included */
	uint64_t kept_bytes;     /* beside it, of what is free: of a thick one */
};

/* A replica of a pool; valid during the call. */
struct pool_replica_view {
	struct uuid replica;
	const char *volume;  /* its UUID, where the catalog doesn't know it (any more) */
	uint64_t size_bytes; /* 0: not known */
	const struct replica_view *view;
};

/* What a snapshot takes in each copy: docs/snapshots.md, "Room". */
struct snapshot_usage {
	struct uuid snapshot;
	uint64_t used_bytes;
	uint64_t own_bytes; /* what the removal of it alone would give back */
};

/* Its replicas: those that the catalog knows, then those that are only there (still, or again). */
void volumes_each_pool_replica(struct volumes *volumes, struct uuid pool,
	void (*fn)(void *arg, const struct pool_replica_view *view), void *arg);
/* "POOL" or "NODE/POOL". -ENOENT, -EINVAL (several nodes have one of this name), with words. */
int volumes_pool_view(struct volumes *volumes, const char *text, struct pool_view *ret_view,
	struct error *error) MUST_CHECK;
/*
 * What the volume's snapshots take, by a complete replica of this node: rows in no order,
 * valid during the call. NULL: there is none here, or it could not be counted: it isn't known.
 */
void volumes_snapshot_usage(struct volumes *volumes, const char *name,
	void (*fn)(void *arg, int rc, const struct error *error, const struct snapshot_usage *rows,
		unsigned count),
	void *arg);

#endif
