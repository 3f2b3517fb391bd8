/* A volume as JSON. */
#include <string.h>

#include "admin/handlers.h"

/* Null where nothing is resynced. */
static json_t *resync_json(const struct replica_view *view)
{
	uint64_t left = view->sync_total_bytes - view->sync_done_bytes;
	json_t *resync;

	if (!view->sync_why)
		return json_null();
	resync = json_pack("{s:s, s:b, s:i, s:I, s:I, s:I}", "why", view->sync_why, "surveying",
		(int)view->surveying, "survey_percent", (int)view->survey_percent, "done_bytes",
		(json_int_t)view->sync_done_bytes, "total_bytes", (json_int_t)view->sync_total_bytes,
		"bytes_per_s", (json_int_t)view->sync_bytes_per_s);
	json_object_set_new(resync, "left_ms",
		view->surveying || view->sync_bytes_per_s == 0
			? json_null()
			: json_integer((json_int_t)(left * 1000 / view->sync_bytes_per_s)));
	return resync;
}

void usage_put(json_t *to, const struct usage_view *usage)
{
	json_object_set_new(
		to, "used_bytes", usage->known ? json_integer((json_int_t)usage->used_bytes) : json_null());
	json_object_set_new(to, "snapshot_bytes",
		usage->known ? json_integer((json_int_t)usage->snapshot_bytes) : json_null());
	json_object_set_new(
		to, "kept_bytes", usage->known ? json_integer((json_int_t)usage->kept_bytes) : json_null());
}

static json_t *replica_json(const struct replica_view *view)
{
	json_t *replica = json_pack("{s:o, s:i, s:o, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:I, "
				    "s:I, s:I, s:I, s:I, s:I}",
		"uuid", uuid_json(view->replica), "shard", (int)view->shard, "pool_uuid",
		uuid_json(view->pool), "pool", view->pool_name, "node", view->node, "zone", view->zone,
		"role", view->role, "state", view->state, "lag_entries", (json_int_t)view->lag_entries,
		"lag_bytes", (json_int_t)view->lag_bytes, "sync_done_bytes",
		(json_int_t)view->sync_done_bytes, "sync_total_bytes", (json_int_t)view->sync_total_bytes,
		"resync", resync_json(view), "resyncs", (json_int_t)view->syncs, "resync_copied_bytes",
		(json_int_t)view->sync_copied_bytes, "resync_map_bytes", (json_int_t)view->sync_map_bytes,
		"bad_reads", (json_int_t)view->bad_reads, "healed_blocks", (json_int_t)view->healed_blocks,
		"differing_grains", (json_int_t)view->differing_grains);

	usage_put(replica, &view->usage);
	return replica;
}

static json_t *attachment_json(const struct volume_view *view)
{
	json_t *attached;

	if (!view->attached_node[0])
		return json_null();
	attached = json_pack("{s:s, s:o, s:b}", "node", view->attached_node, "since",
		time_json(view->attached_since), "here", (int)view->attached_here);
	if (view->attached_here) {
		json_object_set_new(attached, "device", http_json_text(view->device));
		json_object_set_new(attached, "front", json_string(view->nbd ? "nbd" : "device"));
		json_object_set_new(attached, "mountpoint",
			view->mountpoint[0] ? http_json_text(view->mountpoint) : json_null());
		json_object_set_new(attached, "mount_count", json_integer(view->mount_count));
	}
	return attached;
}

static json_t *io_json(const struct io_stats *io)
{
	double mean_ms = io->ops ? (double)io->latency_ns_sum / (double)io->ops / 1e6 : 0;

	return json_pack("{s:I, s:I, s:I, s:f}", "ops", (json_int_t)io->ops, "bytes", (json_int_t)io->bytes,
		"errors", (json_int_t)io->errors, "mean_ms", mean_ms);
}

/* Of the replicas with each other, since the volume was attached here. */
static json_t *compare_json(const struct volume_stats *stats)
{
	const struct compare_status *compare = &stats->compare;

	return json_pack("{s:I, s:o, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "passes",
		(json_int_t)compare->passes, "last_s_ago",
		compare->passes ? json_integer((json_int_t)stats->compared_ms / 1000) : json_null(),
		"under_way", (int)compare->under_way, "percent",
		compare->under_way ? json_integer((json_int_t)compare->percent) : json_null(), "grains",
		(json_int_t)compare->last.grains, "differing", (json_int_t)compare->last.differing,
		"rewritten", (json_int_t)compare->last.rewritten, "undecided",
		(json_int_t)compare->last.undecided, "differing_in_all", (json_int_t)compare->all.differing,
		"rewritten_in_all", (json_int_t)compare->all.rewritten);
}

static json_t *stats_json(const struct volume_stats *stats)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "epoch",
		(json_int_t)stats->epoch.number, "epoch_restart", (json_int_t)stats->epoch.restart,
		"last_seq", (json_int_t)stats->last_seq, "commit_seq", (json_int_t)stats->commit_seq,
		"in_flight", (json_int_t)stats->in_flight, "quorum_waits", (json_int_t)stats->quorum_waits,
		"limit_waits", (json_int_t)stats->limit_waits, "healed_blocks",
		(json_int_t)stats->healed_blocks, "remote_reads", (json_int_t)stats->remote_reads, "read",
		io_json(&stats->read), "write", io_json(&stats->write), "trim", io_json(&stats->trim),
		"compare", compare_json(stats));
}

/* Those of a shard, of either role. */
static json_t *members_json(
	const struct volume_view *view, unsigned shard, const char *one, const char *other)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < view->replica_count; i++) {
		const char *role = view->replicas[i].role;

		if (view->replicas[i].shard == shard && (!strcmp(role, one) || !strcmp(role, other)))
			json_array_append_new(list, uuid_json(view->replicas[i].replica));
	}
	return list;
}

static json_t *membership_json(const struct volume_view *view, unsigned shard)
{
	bool joint = view->shards[shard].joint;

	return json_pack("{s:o, s:I, s:b, s:o, s:o, s:o}", "group", uuid_json(view->shards[shard].group),
		"number", (json_int_t)view->shards[shard].config_number, "joint", (int)joint, "voters",
		members_json(view, shard, "voter", "leaving-voter"), "next_voters",
		joint ? members_json(view, shard, "voter", "next-voter") : json_array(), "learners",
		members_json(view, shard, "learner", "learner"));
}

static json_t *shards_json(const struct volume_view *view)
{
	json_t *list = json_array();

	for (unsigned s = 0; s < view->shard_count; s++)
		json_array_append_new(list, membership_json(view, s));
	return list;
}

static json_t *policy_json(const struct policy_view *view)
{
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:b, s:b}", "replicas",
		(int)view->replicas, "tier", view->tier, "spread", view->spread, "group_rule",
		view->group_rule, "group", view->group, "selector", http_json_text(view->selector),
		"on_no_quorum", view->on_no_quorum, "reads", view->reads ? view->reads : "lease",
		"rebuild_after", view->rebuild_after, "snapshots", view->snapshots, "sticky",
		(int)view->sticky, "thick", (int)view->thick);
}

json_t *volume_json(const struct volume_view *view, bool with_stats)
{
	json_t *replicas = json_array();
	json_t *volume;

	for (unsigned i = 0; i < view->replica_count; i++)
		json_array_append_new(replicas, replica_json(&view->replicas[i]));
	volume = json_pack("{s:o, s:s, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:o, s:o}", "uuid",
		uuid_json(view->volume), "name", view->name, "size_bytes", (json_int_t)view->size_bytes,
		"class", view->class_name, "fs", view->fs, "state", view->state, "created",
		time_json(view->created), "attached", attachment_json(view), "replicas", replicas,
		"stripe_bytes", (json_int_t)view->stripe_bytes, "shards", shards_json(view), "membership",
		view->shard_count == 1 ? membership_json(view, 0) : json_null());
	json_object_set_new(
		volume, "shared_zone", view->shared_zone[0] ? json_string(view->shared_zone) : json_null());
	json_object_set_new(
		volume, "breach", view->policy.breach[0] ? http_json_text(view->policy.breach) : json_null());
	json_object_set_new(
		volume, "import", view->import_unfinished ? json_string("unfinished") : json_null());
	json_object_set_new(volume, "origin",
		view->origin[0]
			? json_pack("{s:s, s:s}", "volume", view->origin, "snapshot", view->origin_snapshot)
			: json_null());
	json_object_set_new(
		volume, "steward", view->steward_node[0] ? json_string(view->steward_node) : json_null());
	usage_put(volume, &view->usage);
	json_object_set_new(volume, "policy", policy_json(&view->policy));
	json_object_set_new(volume, "limits",
		json_pack("{s:I, s:I}", "iops", (json_int_t)view->limit_iops, "bytes_per_s",
			(json_int_t)view->limit_bytes_per_s));
	if (with_stats && view->attached_here)
		json_object_set_new(volume, "stats", stats_json(&view->stats));
	return volume;
}
