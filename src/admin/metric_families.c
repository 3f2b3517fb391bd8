/* The table of all metrics. */
#include "admin/metric_families.h"

#define GAUGE(metric, name, help)     [metric] = { name, "gauge", help }
#define COUNTER(metric, name, help)   [metric] = { name, "counter", help }
#define HISTOGRAM(metric, name, help) [metric] = { name, "histogram", help }

static const struct {
	const char *name, *type, *help;
} table[METRIC_COUNT] = {
	GAUGE(METRIC_BUILD_INFO, "quoin_build_info", "Always 1; the agent's version."),
	GAUGE(METRIC_READY, "quoin_ready", "1 once the catalog has been read and the pools are open."),
	GAUGE(METRIC_KVDB_OK, "quoin_kvdb_ok", "1 while the metadata store answers."),
	GAUGE(METRIC_NODES, "quoin_nodes", "Nodes of the cluster, as this node sees them."),
	GAUGE(METRIC_POOLS, "quoin_pools", "Pools of the cluster."),
	GAUGE(METRIC_VOLUMES, "quoin_volumes", "Volumes of the cluster by state, as this node sees them."),
	GAUGE(METRIC_SIZE, "quoin_size_bytes", "Room in all pools of the cluster."),
	GAUGE(METRIC_USED, "quoin_used_bytes", "Used room in all pools of the cluster."),

	GAUGE(METRIC_VOLUME_STATE, "quoin_volume_state",
		"1 for the state that the volume, attached here, is in."),
	GAUGE(METRIC_VOLUME_SIZE, "quoin_volume_size_bytes", "Logical size of the volume."),
	GAUGE(METRIC_VOLUME_MOUNTS, "quoin_volume_mounts", "Mount IDs that hold the volume on this node."),
	GAUGE(METRIC_VOLUME_IN_FLIGHT, "quoin_volume_in_flight", "Requests that have not been answered yet."),
	GAUGE(METRIC_VOLUME_EPOCH, "quoin_volume_epoch", "The coordinator's epoch: grows with each attach."),
	COUNTER(METRIC_VOLUME_COMMITTED, "quoin_volume_committed_entries_total",
		"Highest committed seq of the log."),
	COUNTER(METRIC_VOLUME_QUORUM_WAITS, "quoin_volume_quorum_waits_total",
		"Times that I/O waited for a quorum."),
	COUNTER(METRIC_VOLUME_LIMIT_WAITS, "quoin_volume_limit_waits_total",
		"Requests that waited for the volume's limits."),
	COUNTER(METRIC_VOLUME_HEALED, "quoin_volume_healed_blocks_total",
		"Bad blocks mended from another replica."),
	COUNTER(METRIC_VOLUME_REMOTE_READS, "quoin_volume_remote_reads_total",
		"Reads served by another node."),
	COUNTER(METRIC_VOLUME_OPERATIONS, "quoin_volume_operations_total",
		"Answered reads, writes and trims."),
	COUNTER(METRIC_VOLUME_BYTES, "quoin_volume_bytes_total",
		"Bytes of answered reads, writes and trims."),
	COUNTER(METRIC_VOLUME_ERRORS, "quoin_volume_errors_total",
		"Reads, writes and trims answered with an error."),
	HISTOGRAM(METRIC_VOLUME_LATENCY, "quoin_volume_latency_seconds", "From request to answer."),

	GAUGE(METRIC_REPLICA_STATE, "quoin_replica_state", "1 for the state that the replica is in."),
	GAUGE(METRIC_REPLICA_LAG_ENTRIES, "quoin_replica_lag_entries",
		"Entries by which the replica is behind."),
	GAUGE(METRIC_REPLICA_LAG_BYTES, "quoin_replica_lag_bytes", "Bytes by which the replica is behind."),
	GAUGE(METRIC_REPLICA_SYNC_DONE, "quoin_replica_sync_done_bytes", "Resynced so far, while syncing."),
	GAUGE(METRIC_REPLICA_SYNC_TOTAL, "quoin_replica_sync_total_bytes",
		"To resync in all, while syncing."),
	COUNTER(METRIC_REPLICA_SYNCS, "quoin_replica_resyncs_total",
		"Resyncs that ended, since the volume was attached."),
	COUNTER(METRIC_REPLICA_SYNC_COPIED, "quoin_replica_resync_copied_bytes_total",
		"Data copied to the replica by resyncs."),
	COUNTER(METRIC_REPLICA_SYNC_MAPS, "quoin_replica_resync_map_bytes_total",
		"Maps compared with the replica's by resyncs."),
	COUNTER(METRIC_REPLICA_BAD_READS, "quoin_replica_bad_reads_total",
		"Reads that the replica failed, by checksum or device; answered by another."),
	COUNTER(METRIC_REPLICA_HEALED, "quoin_replica_healed_blocks_total",
		"Bad blocks of the replica that were written anew from another."),

	GAUGE(METRIC_POOL_STATE, "quoin_pool_state", "1 for the state that the pool is in."),
	GAUGE(METRIC_POOL_SIZE, "quoin_pool_size_bytes", "Room for data in the pool."),
	GAUGE(METRIC_POOL_USED, "quoin_pool_used_bytes", "Room that data takes in the pool."),
	GAUGE(METRIC_POOL_PROVISIONED, "quoin_pool_provisioned_bytes",
		"Logical sizes of all replicas in the pool."),
	GAUGE(METRIC_POOL_JOURNAL, "quoin_pool_journal_bytes", "Size of the journal ring."),
	GAUGE(METRIC_POOL_JOURNAL_USED, "quoin_pool_journal_used_bytes", "Used part of the journal ring."),
	COUNTER(METRIC_POOL_BATCHES, "quoin_pool_batches_total", "Batches written to the journal."),
	COUNTER(METRIC_POOL_ENTRIES, "quoin_pool_batch_entries_total", "Entries in these batches."),
	COUNTER(METRIC_POOL_FLUSHES, "quoin_pool_flushes_total", "Flushes of the device's cache."),
	COUNTER(METRIC_POOL_DEVICE_BYTES, "quoin_pool_device_write_bytes_total",
		"Bytes written to the device."),
	COUNTER(METRIC_POOL_USER_BYTES, "quoin_pool_user_write_bytes_total", "Bytes of users' data in them."),
	COUNTER(METRIC_POOL_ROUNDS, "quoin_pool_apply_rounds_total",
		"Rounds of applying the journal to grains."),
	COUNTER(METRIC_POOL_CHECKSUM_ERRORS, "quoin_pool_checksum_errors_total",
		"Blocks whose checksum did not match."),
	COUNTER(METRIC_POOL_READ_ERRORS, "quoin_pool_read_errors_total", "Reads that the device failed."),
	COUNTER(METRIC_POOL_SCRUB_CHECKED, "quoin_pool_scrub_checked_bytes_total",
		"Bytes that the scrub has read and verified."),
	COUNTER(METRIC_POOL_SCRUB_BAD, "quoin_pool_scrub_bad_blocks_total",
		"Bad blocks that the scrub has found."),
	COUNTER(METRIC_POOL_SCRUB_REPAIRED, "quoin_pool_scrub_repaired_blocks_total",
		"Of them, those that are good again."),
	COUNTER(METRIC_POOL_SCRUB_BAD_PAGES, "quoin_pool_scrub_bad_pages_total",
		"Bad pages of the table and superblocks that it has found and written anew."),
	GAUGE(METRIC_POOL_SCRUB_KNOWN_BAD, "quoin_pool_scrub_known_bad_grains",
		"Grains with bad blocks that wait to be repaired."),
	GAUGE(METRIC_POOL_SCRUB_DONE, "quoin_pool_scrub_done_pages",
		"Pages of the table that the pass under way is through with."),
	GAUGE(METRIC_POOL_SCRUB_PAGES, "quoin_pool_scrub_pages",
		"Pages of the table that a pass goes through."),
	GAUGE(METRIC_POOL_SCRUB_LAST, "quoin_pool_scrub_last_timestamp_seconds",
		"When the last whole pass ended, since 1970; 0: never."),

	COUNTER(METRIC_SNAPSHOT_READS, "quoin_snapshot_reads_total",
		"Reads of snapshots that were answered here."),
	COUNTER(METRIC_SNAPSHOT_ERRORS, "quoin_snapshot_read_errors_total",
		"Reads of snapshots that no replica could answer."),
	COUNTER(METRIC_SNAPSHOT_SOURCES, "quoin_snapshot_asked_total",
		"Where blocks of snapshots were looked for: cache, local, remote."),
	COUNTER(METRIC_SNAPSHOT_ELSEWHERE, "quoin_snapshot_asked_again_total",
		"Reads of snapshots that another replica was asked for, since one failed or was silent."),

	COUNTER(METRIC_NET_FRAMES, "quoin_net_frames_total", "Frames on the data port."),
	COUNTER(METRIC_NET_BYTES, "quoin_net_bytes_total", "Bytes on the data port."),
	COUNTER(METRIC_NET_RESETS, "quoin_net_resets_total", "Connections that ended by a reset."),
	COUNTER(METRIC_NET_REFUSED, "quoin_net_refused_total",
		"Connections closed for what they sent, by reason."),

	COUNTER(METRIC_HTTP_REQUESTS, "quoin_http_requests_total", "Requests to the admin API."),
	COUNTER(METRIC_HTTP_REFUSED, "quoin_http_refused_total",
		"Requests cut short: too large, slow, past the deadline."),
};

void metric_families_init(struct metric_family families[static METRIC_COUNT])
{
	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		ASSERT(table[i].name);
		families[i] = (struct metric_family){ table[i].name, table[i].type, table[i].help, { 0 } };
	}
}
