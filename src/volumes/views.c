/* What is known of the cluster, its nodes and pools: from the catalog's view and the last snapshot. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/pool_space.h"
#include "volumes/view.h"

static bool count_volume(void *arg, const struct volume_view *view)
{
	struct cluster_view *cluster = arg;

	cluster->volume_count++;
	cluster->healthy_count += !strcmp(view->state, "healthy");
	cluster->degraded_count += !strcmp(view->state, "degraded");
	cluster->no_quorum_count += !strcmp(view->state, "no-quorum");
	cluster->detached_count += !strcmp(view->state, "detached");
	return true;
}

static bool count_pool(void *arg, const struct pool_view *view)
{
	struct cluster_view *cluster = arg;

	cluster->pool_count++;
	cluster->size_bytes += view->size_bytes;
	cluster->used_bytes += view->used_bytes;
	return true;
}

static bool count_node(void *arg, const struct node_view *view)
{
	struct cluster_view *cluster = arg;

	cluster->node_count++;
	cluster->node_up_count += !strcmp(view->state, "up");
	return true;
}

void volumes_cluster_view(struct volumes *volumes, struct cluster_view *ret_view)
{
	struct cluster_view view = { .ready = volumes->phase == MANAGER_READY };
	const struct catalog_cluster *cluster = catalog_cluster(volumes->catalog);
	const char *why;

	view.cluster = cluster ? cluster->cluster : volumes->node.cluster;
	snprintf(view.node, sizeof(view.node), "%s", volumes->config.node);
	snprintf(view.not_ready, sizeof(view.not_ready), "%s", view.ready ? "" : volumes->not_ready);
	view.kvdb_ok = catalog_kvdb_ok(volumes->catalog, &why);
	volumes_each_node(volumes, count_node, &view);
	volumes_each_pool(volumes, count_pool, &view);
	volumes_each_volume(volumes, count_volume, &view);
	view.watched_count = (unsigned)catalog_watched_count(volumes->catalog);
	*ret_view = view;
}

/* Of a pool here as its events have told it; of others as their figures say by this node's levels. */
static void space_fill(const struct volumes *volumes, const struct local_pool *pool, struct pool_view *view)
{
	const struct space_warnings *warnings = &volumes->config.space_warnings;
	uint64_t taken = pool && pool->phase == LOCAL_POOL_OPEN ? pool_space_taken_bytes(&view->info)
								: view->used_bytes;
	unsigned level = pool_space_level(warnings, pool ? pool->space_level : 0, taken, view->size_bytes);

	view->warned_percent = pool_space_level_percent(warnings, level);
	view->full = level == pool_space_full_level(warnings);
}

void view_pool_fill(struct volumes *volumes, const struct catalog_pool *record, struct pool_view *view)
{
	const struct catalog_node *node;
	bool live = !catalog_node_find(volumes->catalog, record->node, &node, NULL) && node->live;
	const struct local_pool *pool = pools_find_uuid(volumes, record->pool);
	const struct catalog_pool *by;

	*view = (struct pool_view){
		.pool = record->pool,
		.size_bytes = record->size_bytes,
		.used_bytes = record->used_bytes,
		.provisioned_bytes = record->provisioned_bytes,
		.draining = record->draining,
		.replica_count = record->replica_count,
		.replica_limit = record->replica_limit,
		.load_percent = record->load_percent,
		.local = !strcmp(record->node, volumes->config.node),
	};
	snprintf(view->name, sizeof(view->name), "%s", record->name);
	snprintf(view->node, sizeof(view->node), "%s", record->node);
	if (!catalog_pool_find(volumes->catalog, record->replaced_by, &by, NULL))
		snprintf(view->replaced_by, sizeof(view->replaced_by), "%s/%s", by->node, by->name);
	snprintf(view->path, sizeof(view->path), "%s", record->path);
	snprintf(view->tier, sizeof(view->tier), "%s", tier_name(record->tier));
	snprintf(view->tier_reason, sizeof(view->tier_reason), "%s", record->tier_reason);
	snprintf(view->state, sizeof(view->state), "%s",
		live || view->local ? catalog_pool_state_name(record->state) : "away");
	if (!strcmp(view->state, "failed"))
		snprintf(view->state_reason, sizeof(view->state_reason), "%s", record->state_reason);
	space_fill(volumes, NULL, view);
	if (!view->local || !pool)
		return;
	view->info = pool->info;
	view->checksums = pool->checksums;
	pool_compare_fill(volumes, record->pool, &view->compare);
	view->figures = pool->measured.figures;
	snprintf(view->overwrote, sizeof(view->overwrote), "%s", pool->overwrote);
	if (pool->phase == LOCAL_POOL_OPEN)
		view->used_bytes = pool->info.used_bytes;
	else
		snprintf(view->state, sizeof(view->state), "%s",
			pool->phase == LOCAL_POOL_FAILED ? "failed" : "opening");
	snprintf(view->state_reason, sizeof(view->state_reason), "%s",
		pool->phase == LOCAL_POOL_FAILED ? pool->reason : "");
	space_fill(volumes, pool, view);
}

/* One that the catalog doesn't know (yet). */
static void local_pool_fill(struct volumes *volumes, const struct local_pool *pool, struct pool_view *view)
{
	*view = (struct pool_view){ .pool = pool->uuid, .local = true, .info = pool->info };
	view->size_bytes = pool->info.size_bytes;
	view->used_bytes = pool->info.used_bytes;
	snprintf(view->name, sizeof(view->name), "%s", pool->config.name);
	snprintf(view->node, sizeof(view->node), "%s", volumes->config.node);
	snprintf(view->path, sizeof(view->path), "%s", pool->config.path);
	snprintf(view->tier, sizeof(view->tier), "%s", tier_name(pool->tier));
	snprintf(view->tier_reason, sizeof(view->tier_reason), "%s", pool->tier_reason);
	snprintf(view->state_reason, sizeof(view->state_reason), "%s",
		pool->phase == LOCAL_POOL_FAILED ? pool->reason : "");
	snprintf(view->state, sizeof(view->state), "%s",
		pool->phase == LOCAL_POOL_FAILED ? "failed"
		: pool->phase == LOCAL_POOL_OPEN ? "ok"
						 : "opening");
	space_fill(volumes, pool, view);
}

void volumes_each_pool(
	struct volumes *volumes, bool (*fn)(void *arg, const struct pool_view *view), void *arg)
{
	const struct catalog_pool *record;
	struct pool_view view;

	for (size_t i = 0; (record = catalog_pool_at(volumes->catalog, i)); i++) {
		view_pool_fill(volumes, record, &view);
		if (!fn(arg, &view))
			return;
	}
	list_for_each (node, &volumes->pools) {
		const struct local_pool *pool = list_entry(node, struct local_pool, node);

		if (!uuid_is_none(pool->uuid) &&
			!catalog_pool_find(volumes->catalog, pool->uuid, &record, NULL))
			continue;
		if (uuid_is_none(pool->uuid) && pools_record_by_name(volumes, pool->config.name))
			continue;
		local_pool_fill(volumes, pool, &view);
		if (!fn(arg, &view))
			return;
	}
}

void volumes_each_node(
	struct volumes *volumes, bool (*fn)(void *arg, const struct node_view *view), void *arg)
{
	const struct catalog_node *node;
	const struct catalog_pool *pool;

	for (size_t i = 0; (node = catalog_node_at(volumes->catalog, i)); i++) {
		struct node_view view = { .local = !strcmp(node->name, volumes->config.node) };
		uint64_t since_ns = node->live ? node->live_since_ns : node->registered_ns;

		for (size_t j = 0; (pool = catalog_pool_at(volumes->catalog, j)); j++) {
			view.pool_count += !strcmp(pool->node, node->name);
			view.draining_count += !strcmp(pool->node, node->name) && pool->draining;
		}
		view.region_from = catalog_source_name(node->region_from);
		view.zone_from = catalog_source_name(node->zone_from);
		view.rack_from = catalog_source_name(node->rack_from);
		view.host_from = catalog_source_name(node->host_from);
		view.label_count = node->label_count;
		view.labels = node->labels;
		view.cores = node->cores;
		view.link_mbit_s = node->link_mbit_s;
		view.memory_bytes = node->memory_bytes;
		snprintf(view.name, sizeof(view.name), "%s", node->name);
		snprintf(view.region, sizeof(view.region), "%s", node->region);
		snprintf(view.zone, sizeof(view.zone), "%s", node->zone);
		snprintf(view.rack, sizeof(view.rack), "%s", node->rack);
		snprintf(view.host, sizeof(view.host), "%s", node->host);
		snprintf(view.address, sizeof(view.address), "%s", node->address);
		snprintf(view.state, sizeof(view.state), "%s", node->live ? "up" : "down");
		time_format(since_ns, view.since);
		if (!fn(arg, &view))
			return;
	}
}

void volumes_each_event(struct volumes *volumes, uint64_t after,
	bool (*fn)(void *arg, const struct event_view *view), void *arg)
{
	events_each(&volumes->events, after, fn, arg);
}

void volumes_net_counters(struct volumes *volumes, struct net_tcp_counters *ret_counters)
{
	*ret_counters = volumes->snapshot.rows.net;
}

void volumes_view_stats(struct volumes *volumes, struct view_stats *ret_stats)
{
	*ret_stats = volumes->snapshot.rows.views;
}
