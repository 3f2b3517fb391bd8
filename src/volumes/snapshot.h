/*
 * What the data plane says of itself, asked for each second: pools, replicas, attached volumes, connections.
 * Views and plans are answered from the last one. Thread rule: the control thread, but for the filling in.
 */
#ifndef QUOIN_VOLUMES_SNAPSHOT_H
#define QUOIN_VOLUMES_SNAPSHOT_H

#include "base/uuid_index.h"
#include "datapath/dataplane.h"
#include "store/checksums.h"

struct volumes;

struct snapshot_pool {
	struct pool *pool;
	unsigned thread;
	struct pool_info info;
	struct pool_checksums_info checksums;
};

struct snapshot_replica {
	struct uuid replica, volume, pool;
	enum replica_status status;
	uint64_t live_bytes, frozen_bytes,
		kept_bytes; /* of the volume as it is; its snapshots; free for it */
};

/* Rows with room for `room` of them; `count` may be larger after it was filled in: there was no room for the
 * others. */
struct snapshot_rows {
	unsigned pool_count, pool_room;
	struct snapshot_pool *pools;
	unsigned replica_count, replica_room;
	struct snapshot_replica *replicas;
	unsigned volume_count, volume_room;
	struct volume_stats *stats; /* of a striped volume: its own, and then each shard's */
	struct net_tcp_counters net;
	struct view_stats views;
};

struct snapshot {
	struct volumes *volumes;
	struct snapshot_rows rows;         /* the last one */
	struct uuid_index replicas, stats; /* of its rows */
	struct snapshot_rows
		next;    /* the data plane's while `pending`: one thread after the other fills its part */
	unsigned thread; /* whose turn it is */
	struct dataplane_call call;
	bool pending, again;
	bool stale;      /* something has changed since the last one was begun */
	uint64_t number; /* of the last one; 0: none yet */
};

/* Begins one, or one more after that which is under way; until it is there, the last one is stale. */
void snapshot_take(struct volumes *volumes);
void snapshot_free(struct snapshot *snapshot);
/* NULL where the last snapshot has no such. */
const struct snapshot_replica *snapshot_replica_find(const struct snapshot *snapshot, struct uuid replica);
/* As a whole; of one shard's group: with its members. */
const struct volume_stats *snapshot_stats_find(const struct snapshot *snapshot, struct uuid volume);
const struct volume_stats *snapshot_shard_stats_find(
	const struct snapshot *snapshot, struct uuid volume, struct uuid group);

#endif
