/* GET /metrics: one pass over what volumes knows, each sample to its family. docs/metrics.md lists them. */
#include <errno.h>
#include <string.h>

#include "admin/handlers.h"
#include "admin/metric_families.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const volume_states[] = { "healthy", "degraded", "no-quorum", "detached" };
static const char *const replica_states[] = { "complete", "syncing", "damaged", "away", "retired",
	"unknown" };
static const char *const pool_states[] = { "ok", "opening", "failed", "away" };

/* The arguments are pairs: label, value. */
#define LABELS(...)                                                                                          \
	((struct metric_labels){                                                                             \
		{ __VA_ARGS__ }, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(const char *) })

struct page {
	const struct admin *admin;
	const char *node;
	struct metric_family families[METRIC_COUNT];
	uint64_t volume_counts[COUNT(volume_states)];
};

static void put(struct page *page, enum metric metric, struct metric_labels labels, uint64_t value)
{
	metric_integer(&page->families[metric], &labels, value);
}

/* One sample for each state there is: 1 for the present one, so that an alert can name a state. */
static void put_states(struct page *page, enum metric metric, struct metric_labels labels,
	const char *const *states, size_t count, const char *state)
{
	labels.pairs[labels.count] = "state";
	labels.count += 2;
	for (size_t i = 0; i < count; i++) {
		labels.pairs[labels.count - 1] = states[i];
		put(page, metric, labels, strcmp(states[i], state) == 0);
	}
}

static void put_io(
	struct page *page, const struct volume_view *view, const char *operation, const struct io_stats *io)
{
	struct metric_labels labels =
		LABELS("node", page->node, "volume", view->name, "operation", operation);
	const struct metric_histogram histogram = { io->latency, HISTOGRAM_BUCKETS, 16, io->latency_ns_sum };

	put(page, METRIC_VOLUME_OPERATIONS, labels, io->ops);
	put(page, METRIC_VOLUME_BYTES, labels, io->bytes);
	put(page, METRIC_VOLUME_ERRORS, labels, io->errors);
	metric_histogram(&page->families[METRIC_VOLUME_LATENCY], &labels, &histogram);
}

static void put_replica(struct page *page, const struct volume_view *view, const struct replica_view *replica)
{
	char uuid[UUID_TEXT_LEN + 1];
	struct metric_labels labels = LABELS("node", replica->node, "pool", replica->pool_name, "volume",
		view->name, "replica", uuid_format(replica->replica, uuid));

	put_states(page, METRIC_REPLICA_STATE, labels, replica_states, COUNT(replica_states), replica->state);
	put(page, METRIC_REPLICA_LAG_ENTRIES, labels, replica->lag_entries);
	put(page, METRIC_REPLICA_LAG_BYTES, labels, replica->lag_bytes);
	put(page, METRIC_REPLICA_SYNC_DONE, labels, replica->sync_done_bytes);
	put(page, METRIC_REPLICA_SYNC_TOTAL, labels, replica->sync_total_bytes);
	put(page, METRIC_REPLICA_SYNCS, labels, replica->syncs);
	put(page, METRIC_REPLICA_SYNC_COPIED, labels, replica->sync_copied_bytes);
	put(page, METRIC_REPLICA_SYNC_MAPS, labels, replica->sync_map_bytes);
	put(page, METRIC_REPLICA_BAD_READS, labels, replica->bad_reads);
	put(page, METRIC_REPLICA_HEALED, labels, replica->healed_blocks);
	put(page, METRIC_REPLICA_DIFFERING, labels, replica->differing_grains);
}

/* What a replica takes is told by its own node, wherever its volume is attached. */
static void put_usage(struct page *page, const struct volume_view *view, const struct replica_view *replica)
{
	char uuid[UUID_TEXT_LEN + 1];
	struct metric_labels labels = LABELS("node", replica->node, "pool", replica->pool_name, "volume",
		view->name, "replica", uuid_format(replica->replica, uuid));

	if (!replica->usage.known)
		return;
	put(page, METRIC_REPLICA_USED, labels, replica->usage.used_bytes);
	put(page, METRIC_REPLICA_SNAPSHOTS, labels, replica->usage.snapshot_bytes);
	put(page, METRIC_REPLICA_KEPT, labels, replica->usage.kept_bytes);
}

/* A volume's numbers come from the node where it is attached, so that each series has one source. */
static bool put_volume(void *arg, const struct volume_view *view)
{
	struct page *page = arg;
	struct metric_labels labels = LABELS("node", page->node, "volume", view->name);
	const struct volume_stats *stats = &view->stats;

	for (unsigned i = 0; i < view->replica_count; i++)
		put_usage(page, view, &view->replicas[i]);
	for (size_t i = 0; i < COUNT(volume_states); i++)
		page->volume_counts[i] += view->counted && strcmp(volume_states[i], view->state) == 0;
	if (!view->attached_here)
		return true;
	put_states(page, METRIC_VOLUME_STATE, labels, volume_states, COUNT(volume_states), view->state);
	put(page, METRIC_VOLUME_SIZE, labels, view->size_bytes);
	put(page, METRIC_VOLUME_MOUNTS, labels, view->mount_count);
	put(page, METRIC_VOLUME_IN_FLIGHT, labels, stats->in_flight);
	put(page, METRIC_VOLUME_EPOCH, labels, stats->epoch.number);
	put(page, METRIC_VOLUME_COMMITTED, labels, stats->commit_seq);
	put(page, METRIC_VOLUME_QUORUM_WAITS, labels, stats->quorum_waits);
	put(page, METRIC_VOLUME_LIMIT_WAITS, labels, stats->limit_waits);
	put(page, METRIC_VOLUME_HEALED, labels, stats->healed_blocks);
	put(page, METRIC_VOLUME_COMPARED, labels, stats->compare.all.grains);
	put(page, METRIC_VOLUME_DIFFERING, labels, stats->compare.all.differing);
	put(page, METRIC_VOLUME_REWRITTEN, labels, stats->compare.all.rewritten);
	put(page, METRIC_VOLUME_UNDECIDED, labels, stats->compare.all.undecided);
	put(page, METRIC_VOLUME_COMPARISONS, labels, stats->compare.passes);
	put(page, METRIC_VOLUME_REMOTE_READS, labels, stats->remote_reads);
	put_io(page, view, "read", &stats->read);
	put_io(page, view, "write", &stats->write);
	put_io(page, view, "trim", &stats->trim);
	for (unsigned i = 0; i < view->replica_count; i++)
		put_replica(page, view, &view->replicas[i]);
	return true;
}

static bool put_pool(void *arg, const struct pool_view *view)
{
	struct page *page = arg;
	struct metric_labels labels = LABELS("node", view->node, "pool", view->name);
	const struct pool_info *info = &view->info;

	if (!view->local)
		return true;
	put_states(page, METRIC_POOL_STATE, labels, pool_states, COUNT(pool_states), view->state);
	put(page, METRIC_POOL_SIZE, labels, view->size_bytes);
	put(page, METRIC_POOL_USED, labels, view->used_bytes);
	put(page, METRIC_POOL_FULL, labels, view->full);
	put(page, METRIC_POOL_WARNED, labels, view->warned_percent);
	put(page, METRIC_POOL_FREE, labels, info->free_bytes);
	put(page, METRIC_POOL_FREEING, labels, info->freeing_bytes);
	put(page, METRIC_POOL_UNOWNED, labels, info->unowned_bytes);
	put(page, METRIC_POOL_MERGING, labels, info->merging_bytes);
	put(page, METRIC_POOL_RESERVE, labels, info->reserve_bytes);
	put(page, METRIC_POOL_KEPT, labels, info->thick_bytes);
	put(page, METRIC_POOL_PROVISIONED, labels, view->provisioned_bytes);
	put(page, METRIC_POOL_JOURNAL, labels, info->journal_bytes);
	put(page, METRIC_POOL_JOURNAL_USED, labels, info->journal_used_bytes);
	put(page, METRIC_POOL_BATCHES, labels, info->batches);
	put(page, METRIC_POOL_ENTRIES, labels, info->batch_entries);
	put(page, METRIC_POOL_FLUSHES, labels, info->flushes);
	put(page, METRIC_POOL_DEVICE_BYTES, labels, info->device_write_bytes);
	put(page, METRIC_POOL_USER_BYTES, labels, info->user_write_bytes);
	put(page, METRIC_POOL_ROUNDS, labels, info->apply_rounds);
	put(page, METRIC_POOL_CHECKSUM_ERRORS, labels, info->checksum_errors);
	put(page, METRIC_POOL_READ_ERRORS, labels, info->read_errors);
	put(page, METRIC_POOL_SUMS_BYTES, labels, view->checksums.bytes);
	put(page, METRIC_POOL_SUMS_READ, labels, view->checksums.misses);
	put(page, METRIC_POOL_SCRUB_CHECKED, labels, info->scrub.since_open.checked_bytes);
	put(page, METRIC_POOL_SCRUB_BAD, labels, info->scrub.since_open.bad_blocks);
	put(page, METRIC_POOL_SCRUB_REPAIRED, labels, info->scrub.since_open.repaired_blocks);
	put(page, METRIC_POOL_SCRUB_BAD_PAGES, labels, info->scrub.since_open.bad_pages);
	put(page, METRIC_POOL_SCRUB_KNOWN_BAD, labels, info->scrub.known_bad);
	put(page, METRIC_POOL_SCRUB_DONE, labels, info->scrub.progress.page);
	put(page, METRIC_POOL_SCRUB_PAGES, labels, info->scrub.pages);
	put(page, METRIC_POOL_SCRUB_LAST, labels, info->scrub.progress.whole_wall_ns / NS_PER_S);
	return true;
}

static void put_cluster(struct page *page, const struct cluster_view *view)
{
	struct metric_labels labels = LABELS("node", page->node);

	put(page, METRIC_BUILD_INFO, LABELS("node", page->node, "version", QUOIN_VERSION), 1);
	put(page, METRIC_READY, labels, view->ready);
	put(page, METRIC_KVDB_OK, labels, view->kvdb_ok);
	put(page, METRIC_NODES, LABELS("node", page->node, "state", "up"), view->node_up_count);
	put(page, METRIC_NODES, LABELS("node", page->node, "state", "down"),
		view->node_count - view->node_up_count);
	put(page, METRIC_POOLS, labels, view->pool_count);
	put(page, METRIC_WATCHED_VOLUMES, labels, view->watched_count);
	put(page, METRIC_SIZE, labels, view->size_bytes);
	put(page, METRIC_USED, labels, view->used_bytes);
}

static void put_volume_counts(struct page *page)
{
	for (size_t i = 0; i < COUNT(volume_states); i++)
		put(page, METRIC_VOLUMES, LABELS("node", page->node, "state", volume_states[i]),
			page->volume_counts[i]);
}

static void put_net(struct page *page)
{
	struct net_tcp_counters net = { 0 };

	volumes_net_counters(page->admin->volumes, &net);
	const struct {
		const char *reason;
		uint64_t count;
	} refused[] = {
		{ "magic", net.refused_magic },
		{ "version", net.refused_version },
		{ "crc", net.refused_crc },
		{ "size", net.refused_size },
		{ "auth", net.refused_auth },
		{ "timeout", net.refused_timeout },
		{ "limit", net.refused_limit },
	};

	put(page, METRIC_NET_FRAMES, LABELS("node", page->node, "direction", "in"), net.frames_in);
	put(page, METRIC_NET_FRAMES, LABELS("node", page->node, "direction", "out"), net.frames_out);
	put(page, METRIC_NET_BYTES, LABELS("node", page->node, "direction", "in"), net.bytes_in);
	put(page, METRIC_NET_BYTES, LABELS("node", page->node, "direction", "out"), net.bytes_out);
	put(page, METRIC_NET_RESETS, LABELS("node", page->node), net.resets);
	for (size_t i = 0; i < COUNT(refused); i++) {
		put(page, METRIC_NET_REFUSED, LABELS("node", page->node, "reason", refused[i].reason),
			refused[i].count);
	}
}

static void put_snapshots(struct page *page)
{
	struct view_stats stats = { 0 };

	volumes_view_stats(page->admin->volumes, &stats);
	put(page, METRIC_SNAPSHOT_READS, LABELS("node", page->node), stats.reads);
	put(page, METRIC_SNAPSHOT_ERRORS, LABELS("node", page->node), stats.errors);
	put(page, METRIC_SNAPSHOT_SOURCES, LABELS("node", page->node, "from", "cache"), stats.cached);
	put(page, METRIC_SNAPSHOT_SOURCES, LABELS("node", page->node, "from", "local"), stats.local);
	put(page, METRIC_SNAPSHOT_SOURCES, LABELS("node", page->node, "from", "remote"), stats.remote);
	put(page, METRIC_SNAPSHOT_ELSEWHERE, LABELS("node", page->node), stats.elsewhere);
}

static void put_http(struct page *page)
{
	const struct http_counters *http = http_server_counters(page->admin->server);

	put(page, METRIC_HTTP_REQUESTS, LABELS("node", page->node), http->requests);
	put(page, METRIC_HTTP_REFUSED, LABELS("node", page->node, "reason", "large"), http->refused_large);
	put(page, METRIC_HTTP_REFUSED, LABELS("node", page->node, "reason", "slow"), http->refused_slow);
	put(page, METRIC_HTTP_REFUSED, LABELS("node", page->node, "reason", "deadline"), http->deadlines);
}

void handle_metrics(struct http_request *request, void *arg)
{
	struct page page = { .admin = arg };
	struct cluster_view cluster;
	size_t len = 0;
	char *text;

	volumes_cluster_view(page.admin->volumes, &cluster);
	page.node = cluster.node;
	metric_families_init(page.families);
	put_cluster(&page, &cluster);
	volumes_each_volume(page.admin->volumes, put_volume, &page);
	put_volume_counts(&page);
	volumes_each_pool(page.admin->volumes, put_pool, &page);
	put_snapshots(&page);
	put_net(&page);
	put_http(&page);
	text = metric_page(page.families, METRIC_COUNT, &len);
	if (text)
		http_respond_text(request, 200, METRICS_CONTENT_TYPE, text, len);
	else
		http_respond_error(request, -ENOMEM, NULL);
}
