/*
 * Which grains a snapshot has, and what of them is newer than an older one: for exports and incremental
 * copies. Thread rule: the pool's loop.
 */
#ifndef QUOIN_STORE_CHANGES_H
#define QUOIN_STORE_CHANGES_H

#include "store/store.h"

/* What a snapshot shows of a grain, and an older one doesn't. */
struct grain_change {
	uint16_t present; /* blocks with data */
	uint16_t zero;    /* blocks trimmed since; where there is no older one they are not told */
};
/*
 * Of the `count` grains from `from` on. since: none: all that the snapshot has. -ENOENT: it isn't there
 * (yet); -EINVAL: `since` is no older one that it stands on.
 */
int pool_replica_snapshot_changes(const struct pool_replica *replica, struct uuid snapshot, struct uuid since,
	uint64_t from, uint32_t count, struct grain_change *ret_changes) MUST_CHECK;

#endif
