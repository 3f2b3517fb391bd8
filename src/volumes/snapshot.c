#include "volumes/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/usage.h"
#include "volumes/manager.h"
#include "volumes/pool_space.h"

static enum replica_status replica_status_of(const struct replica_state *state)
{
	if (state->retired)
		return REPLICA_RETIRED;
	if (state->incomplete)
		return REPLICA_SYNCING;
	return REPLICA_COMPLETE;
}

static void pool_fill(struct snapshot_rows *rows, struct snapshot_pool *row)
{
	pool_info_get(row->pool, &row->info);
	pool_checksums_info_get(row->pool, &row->checksums);
	for (struct pool_replica *r = pool_replica_next(row->pool, NULL); r;
		r = pool_replica_next(row->pool, r)) {
		const struct pool_replica_identity *identity = pool_replica_identity(r);

		if (rows->replica_count < rows->replica_room)
			rows->replicas[rows->replica_count] = (struct snapshot_replica){
				.replica = identity->replica,
				.volume = identity->volume,
				.pool = row->info.pool,
				.status = replica_status_of(pool_replica_state(r)),
				.live_bytes = pool_replica_used_bytes(r),
				.frozen_bytes = pool_replica_frozen_bytes(r),
				.kept_bytes = pool_replica_kept_bytes(r),
			};
		rows->replica_count++;
	}
}

static void net_add(struct net_tcp_counters *sum, const struct net_tcp_counters *more)
{
	sum->frames_in += more->frames_in;
	sum->frames_out += more->frames_out;
	sum->bytes_in += more->bytes_in;
	sum->bytes_out += more->bytes_out;
	sum->sends += more->sends;
	sum->refused_magic += more->refused_magic;
	sum->refused_version += more->refused_version;
	sum->refused_crc += more->refused_crc;
	sum->refused_size += more->refused_size;
	sum->refused_auth += more->refused_auth;
	sum->refused_timeout += more->refused_timeout;
	sum->refused_limit += more->refused_limit;
	sum->resets += more->resets;
	sum->starved += more->starved;
}

static void views_add(struct view_stats *sum, const struct view_stats *more)
{
	sum->reads += more->reads;
	sum->errors += more->errors;
	sum->cached += more->cached;
	sum->local += more->local;
	sum->remote += more->remote;
	sum->elsewhere += more->elsewhere;
}

static void stats_add(struct snapshot_rows *rows, const struct volume *volume)
{
	if (rows->volume_count < rows->volume_room)
		volume_stats_get(volume, &rows->stats[rows->volume_count]);
	rows->volume_count++;
}

static void volume_fill(struct snapshot_rows *rows, struct volume *volume)
{
	stats_add(rows, volume);
	for (unsigned s = 0; s < volume_shard_count(volume) && volume_shard_count(volume) > 1; s++) {
		const struct volume *shard = volume_shard(volume, s);

		if (shard)
			stats_add(rows, shard);
	}
}

/* On the data plane's thread whose turn it is. */
static void snapshot_run(struct dataplane_call *call)
{
	struct snapshot *snapshot = container_of(call, struct snapshot, call);
	struct snapshot_rows *rows = &snapshot->next;
	struct datapath *datapath = dataplane_datapath(call->dataplane);
	struct view_stats views;

	for (unsigned i = 0; i < rows->pool_count; i++)
		if (rows->pools[i].thread == snapshot->thread)
			pool_fill(rows, &rows->pools[i]);
	for (struct volume *v = volume_next(datapath, NULL); v; v = volume_next(datapath, v))
		volume_fill(rows, v);
	net_add(&rows->net, dataplane_net_counters(call->dataplane));
	datapath_view_stats_get(datapath, &views);
	views_add(&rows->views, &views);
	dataplane_call_finish(call, 0);
}

/* An event where another level is reached. */
static void space_observe(struct volumes *volumes, struct local_pool *pool)
{
	const struct pool_info *info = &pool->info;
	const struct space_warnings *warnings = &volumes->config.space_warnings;
	uint64_t used = pool_space_taken_bytes(info);
	unsigned level = pool_space_level(warnings, pool->space_level, used, info->size_bytes);
	unsigned percent = pool_space_percent(used, info->size_bytes);
	char size[SIZE_TEXT_LEN + 1];

	if (level == pool->space_level)
		return;
	size_format(info->size_bytes, size);
	if (level < pool->space_level)
		manager_event(
			volumes, "pool-space-back", pool->config.name, "%u %% of %s in use", percent, size);
	else if (level == pool_space_full_level(warnings))
		manager_event(volumes, "pool-full", pool->config.name,
			"%u %% of %s in use: it takes no new writes; reads and trims go on. Remove or trim "
			"volumes, or move replicas to another pool",
			percent, size);
	else
		manager_event(volumes, "pool-fills-up", pool->config.name,
			"%u %% of %s in use; at %u %% its replicas take no new writes", percent, size,
			POOL_FULL_PERCENT);
	pool->space_level = level;
}

static void load_observe(struct volumes *volumes, struct local_pool *pool)
{
	const struct catalog_pool *record;

	/* It goes on from what its last life has told. */
	if (!pool->load.began_ns && !catalog_pool_find(volumes->catalog, pool->uuid, &record, NULL))
		pool->load.told_percent = record->load_percent;
	pool_load_observe(&pool->load, &pool->measured.figures, &pool->info, clock_now_ns(volumes->clock));
}

static void pools_observe(struct volumes *volumes)
{
	struct snapshot_rows *rows = &volumes->snapshot.rows;

	for (unsigned i = 0; i < rows->pool_count; i++) {
		struct local_pool *pool = pools_find_uuid(volumes, rows->pools[i].info.pool);

		if (!pool || pool->pool != rows->pools[i].pool)
			continue;
		pool->info = rows->pools[i].info;
		pool->checksums = rows->pools[i].checksums;
		space_observe(volumes, pool);
		load_observe(volumes, pool);
		if (pool->phase == LOCAL_POOL_OPEN)
			pool_scrub_observe(volumes, pool);
		if (pool->info.failed && pool->phase == LOCAL_POOL_OPEN) {
			pool->phase = LOCAL_POOL_FAILED;
			snprintf(pool->reason, sizeof(pool->reason), "%s", pool->info.why);
		}
	}
}

/* Makes these rows those of the snapshot. -ENOMEM: it keeps those that it has. */
static int rows_take(struct snapshot *snapshot, const struct snapshot_rows *rows)
{
	struct uuid_index replicas = { 0 }, stats = { 0 };
	int rc = uuid_index_make(rows->replicas, rows->replica_count, sizeof(*rows->replicas),
		offsetof(struct snapshot_replica, replica), &replicas);

	if (!rc)
		rc = uuid_index_make(rows->stats, rows->volume_count, sizeof(*rows->stats),
			offsetof(struct volume_stats, volume), &stats);
	if (rc) {
		uuid_index_done(&replicas);
		return rc;
	}
	uuid_index_done(&snapshot->replicas);
	uuid_index_done(&snapshot->stats);
	snapshot->replicas = replicas;
	snapshot->stats = stats;
	snapshot->next = snapshot->rows;
	snapshot->rows = *rows;
	return 0;
}

static void snapshot_finished(struct dataplane_call *call)
{
	struct snapshot *snapshot = container_of(call, struct snapshot, call);
	struct snapshot_rows filled = snapshot->next;
	bool whole;

	if (++snapshot->thread < snapshot->volumes->thread_count) {
		dataplane_call(snapshot->volumes->dataplanes[snapshot->thread], call);
		return;
	}
	whole = filled.replica_count <= filled.replica_room && filled.volume_count <= filled.volume_room &&
		rows_take(snapshot, &filled) == 0;
	snapshot->pending = false;
	if (whole) {
		snapshot->number++;
		snapshot->stale = snapshot->again;
		pools_observe(snapshot->volumes);
	}
	if (!whole || snapshot->again) {
		snapshot->again = false;
		snapshot_take(snapshot->volumes);
	}
	if (whole)
		manager_kick(snapshot->volumes);
}

/* Makes room for `want` rows; keeps the old ones where there is no memory. */
static void *rows_room(void *rows, unsigned *room, unsigned want, size_t row_bytes)
{
	void *more;

	if (want <= *room)
		return rows;
	want += want / 2 + 16;
	more = reallocarray(rows, want, row_bytes);
	if (!more)
		return rows;
	*room = want;
	return more;
}

void snapshot_take(struct volumes *volumes)
{
	struct snapshot *s = &volumes->snapshot;
	struct snapshot_rows *next = &s->next;
	unsigned pools = 0;

	s->stale = true;
	if (s->pending) {
		s->again = true;
		return;
	}
	s->volumes = volumes;
	list_for_each (node, &volumes->pools)
		pools += list_entry(node, struct local_pool, node)->pool != NULL;
	next->pools = rows_room(next->pools, &next->pool_room, pools, sizeof(*next->pools));
	next->replicas =
		rows_room(next->replicas, &next->replica_room, next->replica_count, sizeof(*next->replicas));
	next->stats = rows_room(next->stats, &next->volume_room, next->volume_count, sizeof(*next->stats));
	next->pool_count = next->replica_count = next->volume_count = 0;
	list_for_each (node, &volumes->pools) {
		struct local_pool *pool = list_entry(node, struct local_pool, node);

		if (pool->pool && next->pool_count < next->pool_room) {
			next->pools[next->pool_count].thread = pool->thread;
			next->pools[next->pool_count++].pool = pool->pool;
		}
	}
	next->net = (struct net_tcp_counters){ 0 };
	next->views = (struct view_stats){ 0 };
	s->pending = true;
	s->thread = 0;
	s->call = (struct dataplane_call){ .run = snapshot_run, .done = snapshot_finished };
	dataplane_call(volumes->dataplanes[0], &s->call);
}

static void rows_free(struct snapshot_rows *rows)
{
	free(rows->pools);
	free(rows->replicas);
	free(rows->stats);
}

void snapshot_free(struct snapshot *snapshot)
{
	ASSERT(!snapshot->pending);
	rows_free(&snapshot->rows);
	rows_free(&snapshot->next);
	uuid_index_done(&snapshot->replicas);
	uuid_index_done(&snapshot->stats);
}

const struct snapshot_replica *snapshot_replica_find(const struct snapshot *snapshot, struct uuid replica)
{
	return uuid_index_find(&snapshot->replicas, replica);
}

const struct volume_stats *snapshot_stats_find(const struct snapshot *snapshot, struct uuid volume)
{
	return uuid_index_find(&snapshot->stats, volume);
}

const struct volume_stats *snapshot_shard_stats_find(
	const struct snapshot *snapshot, struct uuid volume, struct uuid group)
{
	const struct volume_stats *stats = snapshot_stats_find(snapshot, volume);
	const struct volume_stats *end = snapshot->rows.stats + snapshot->rows.volume_count;

	/* The rows of a volume stand beside each other. */
	for (; stats && stats < end && uuid_equal(stats->volume, volume); stats++)
		if (uuid_equal(stats->group, group))
			return stats;
	return NULL;
}
