/* A volume as it is seen from this node. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/import.h"
#include "catalog/snapshots.h"
#include "volumes/manager.h"
#include "volumes/policy.h"
#include "volumes/steward.h"
#include "volumes/view.h"

static const char *const status_names[] = {
	[REPLICA_COMPLETE] = "complete",
	[REPLICA_SYNCING] = "syncing",
	[REPLICA_DAMAGED] = "damaged",
	[REPLICA_AWAY] = "away",
	[REPLICA_RETIRED] = "retired",
};

static const char *role_of(const struct catalog_shard *shard, const struct catalog_replica *replica)
{
	bool is_voter = uuid_is_among(shard->voters, shard->voter_count, replica->replica);
	bool is_next = uuid_is_among(shard->next_voters, shard->next_voter_count, replica->replica);

	if (replica->retired)
		return "retired";
	if (!is_voter)
		return is_next ? "next-voter" : "learner";
	return shard->next_voter_count != 0 && !is_next ? "leaving-voter" : "voter";
}

/* Of what the coordinator here says; else of the replica here, if it is one; else of its node's lease. */
void view_replica_fill(struct volumes *volumes, const struct catalog_shard *shard,
	const struct catalog_replica *replica, const struct volume_stats *stats, struct replica_view *view)
{
	const struct snapshot_replica *local = snapshot_replica_find(&volumes->snapshot, replica->replica);
	const struct catalog_node *node = NULL;
	const struct catalog_pool *pool;
	const char *state = "unknown";

	*view = (struct replica_view){ .replica = replica->replica, .pool = replica->pool };
	snprintf(view->node, sizeof(view->node), "%s", replica->node);
	snprintf(view->role, sizeof(view->role), "%s", role_of(shard, replica));
	if (!catalog_pool_find(volumes->catalog, replica->pool, &pool, NULL))
		snprintf(view->pool_name, sizeof(view->pool_name), "%s", pool->name);
	if (!catalog_node_find(volumes->catalog, replica->node, &node, NULL))
		snprintf(view->zone, sizeof(view->zone), "%s", node->zone);
	if (local)
		view->usage = usage_of_replica(local);
	if (local)
		state = status_names[local->status];
	else if (!node || !node->live)
		state = "away";
	for (unsigned i = 0; stats && i < stats->voter_count; i++) {
		const struct voter_stats *voter = &stats->voters[i];

		if (!uuid_equal(voter->replica, replica->replica))
			continue;
		state = status_names[voter->status];
		view->lag_entries = voter->lag_entries;
		view->lag_bytes = voter->lag_bytes;
		view->sync_why = voter->sync_why;
		view->surveying = voter->surveying;
		view->survey_percent = voter->survey_percent;
		view->sync_bytes_per_s = voter->sync_bytes_per_s;
		view->syncs = voter->syncs;
		view->sync_copied_bytes = voter->sync_copied_bytes;
		view->sync_map_bytes = voter->sync_map_bytes;
		view->bad_reads = voter->bad_reads;
		view->healed_blocks = voter->healed_blocks;
		view->differing_grains = voter->differing_grains;
		view->sync_done_bytes = voter->sync_done_bytes;
		view->sync_total_bytes = voter->sync_total_bytes;
	}
	if (replica->retired)
		state = "retired";
	snprintf(view->state, sizeof(view->state), "%s", state);
}

/* Of the shards together: the worst. */
static const char *state_here(
	struct volumes *volumes, const struct catalog_volume *volume, const struct volume_stats *whole)
{
	unsigned good = 0, voters = 0;

	if (whole->state != VOLUME_SERVING)
		return "no-quorum";
	for (unsigned s = 0; s < volume->shard_count; s++) {
		const struct volume_stats *stats = snapshot_shard_stats_find(
			&volumes->snapshot, volume->volume, volume->shards[s].group);

		for (unsigned i = 0; stats && i < stats->voter_count; i++) {
			voters += stats->voters[i].is_voter;
			good += stats->voters[i].is_voter && stats->voters[i].status == REPLICA_COMPLETE &&
				stats->voters[i].connected && stats->voters[i].matched;
		}
	}
	return good == voters ? "healthy" : "degraded";
}

/* As far as the leases of the replicas' nodes tell. */
static void live_count(
	struct volumes *volumes, const struct catalog_shard *shard, unsigned *ret_live, unsigned *ret_voters)
{
	*ret_live = *ret_voters = 0;
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_node *node;

		if (!uuid_is_among(shard->voters, shard->voter_count, shard->replicas[i].replica))
			continue;
		++*ret_voters;
		*ret_live += !catalog_node_find(volumes->catalog, shard->replicas[i].node, &node, NULL) &&
			     node->live;
	}
}

/* Attached elsewhere: as far as the leases of its holder and of the replicas' nodes tell. */
static const char *state_elsewhere(struct volumes *volumes, const struct catalog_volume *volume)
{
	const struct catalog_node *holder;
	bool degraded = false;

	/* This node's by the record, but not in fact: the agent has just started, or it is being opened. */
	if (!strcmp(volume->holder.node, volumes->config.node))
		return "no-quorum";
	if (catalog_node_find(volumes->catalog, volume->holder.node, &holder, NULL) || !holder->live)
		return "no-quorum";
	for (unsigned s = 0; s < volume->shard_count; s++) {
		unsigned live, voters;

		live_count(volumes, &volume->shards[s], &live, &voters);
		if (live <= voters / 2)
			return "no-quorum";
		degraded |= live < voters;
	}
	return degraded ? "degraded" : "healthy";
}

static void here_fill(struct volumes *volumes, const struct attachment *attachment, struct volume_view *view)
{
	struct mounts_count count = mounts_count(volumes->mounts, view->name);

	view->mount_count = count.current + count.older;
	if (!attachment || attachment->phase != ATTACHMENT_UP || attachment->steward)
		return;
	view->attached_here = true;
	view->nbd = attachment->nbd;
	if (attachment->blockdev)
		snprintf(view->device, sizeof(view->device), "%s", blockdev_link(attachment->blockdev));
	if (attachment->mounted) {
		char path[ATTACH_PATH_MAX];

		snprintf(view->mountpoint, sizeof(view->mountpoint), "%s",
			fs_mountpoint(volumes->attach, view->name, path));
	}
}

/* As the nodes' records say now: a zone's name may have changed since the replicas were placed. */
static void shared_zone_find(
	struct volumes *volumes, const struct catalog_shard *shard, char zone[static NAME_MAX_LEN + 1])
{
	const struct catalog_node *nodes[CATALOG_MAX_REPLICAS];
	unsigned count = 0;

	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_node *node;

		if (!uuid_is_among(shard->voters, shard->voter_count, shard->replicas[i].replica) ||
			catalog_node_find(volumes->catalog, shard->replicas[i].node, &node, NULL))
			continue;
		for (unsigned j = 0; j < count; j++)
			if (!strcmp(nodes[j]->zone, node->zone) && !strcmp(nodes[j]->region, node->region))
				memcpy(zone, node->zone, sizeof(node->zone));
		nodes[count++] = node;
	}
}

static void origin_fill(
	struct volumes *volumes, const struct catalog_volume *volume, struct volume_view *view)
{
	const struct catalog_volume *origin;

	if (uuid_is_none(volume->origin))
		return;
	(void)uuid_format(volume->origin, view->origin);
	(void)uuid_format(volume->origin_snapshot, view->origin_snapshot);
	if (catalog_volume_find_uuid(volumes->catalog, volume->origin, &origin, NULL))
		return;
	snprintf(view->origin, sizeof(view->origin), "%s", origin->name);
	for (unsigned i = 0; i < origin->snapshot_count; i++)
		if (uuid_equal(origin->snapshots[i].snapshot, volume->origin_snapshot))
			snprintf(view->origin_snapshot, sizeof(view->origin_snapshot), "%s",
				origin->snapshots[i].name);
}

/* Room for all replicas of the volume; false: no memory. */
static bool replicas_room(struct volumes *volumes, const struct catalog_volume *volume)
{
	struct replica_view *more;
	unsigned count = 0;

	for (unsigned s = 0; s < volume->shard_count; s++)
		count += volume->shards[s].replica_count;
	if (count <= volumes->view_replica_room)
		return true;
	more = reallocarray(volumes->view_replicas, count, sizeof(*more));
	if (!more)
		return false;
	volumes->view_replicas = more;
	volumes->view_replica_room = count;
	return true;
}

static void shards_fill(
	struct volumes *volumes, const struct catalog_volume *volume, bool is_open, struct volume_view *view)
{
	if (!replicas_room(volumes, volume))
		return; /* none are shown */
	view->shards = volumes->view_shards;
	view->replicas = volumes->view_replicas;
	view->stripe_bytes = volume->stripe_bytes;
	for (unsigned s = 0; s < volume->shard_count; s++) {
		const struct catalog_shard *shard = &volume->shards[s];
		const struct volume_stats *stats = NULL;

		if (is_open)
			stats = snapshot_shard_stats_find(&volumes->snapshot, volume->volume, shard->group);
		volumes->view_shards[view->shard_count++] = (struct shard_view){ shard->group,
			shard->config_number, shard->next_voter_count != 0 };
		shared_zone_find(volumes, shard, view->shared_zone);
		for (unsigned i = 0; i < shard->replica_count; i++) {
			struct replica_view *replica = &view->replicas[view->replica_count++];

			view_replica_fill(volumes, shard, &shard->replicas[i], stats, replica);
			replica->shard = s;
		}
	}
}

static bool is_counted(const struct volumes *volumes, const struct catalog_volume *volume)
{
	const struct catalog_node *holder;

	if (volume_is_attached(volume) &&
		!catalog_node_find(volumes->catalog, volume->holder.node, &holder, NULL) && holder->live)
		return strcmp(volume->holder.node, volumes->config.node) == 0;
	return steward_is_ours(volumes, volume);
}

static void volume_fill(
	struct volumes *volumes, const struct catalog_volume *volume, struct volume_view *view)
{
	const struct attachment *attachment = attachment_find_uuid(volumes, volume->volume);
	const struct volume_stats *stats = NULL;

	*view = (struct volume_view){ .volume = volume->volume, .size_bytes = volume->size_bytes };
	snprintf(view->name, sizeof(view->name), "%s", volume->name);
	snprintf(view->class_name, sizeof(view->class_name), "%s", volume->class_name);
	snprintf(view->fs, sizeof(view->fs), "%s", volume->fs);
	origin_fill(volumes, volume, view);
	view->import_unfinished = catalog_import_is_unfinished(volume);
	view->limit_iops = volume->limit_iops;
	view->limit_bytes_per_s = volume->limit_bytes_per_s;
	time_format(volume->created_ns, view->created);
	here_fill(volumes, attachment, view);
	if (attachment && attachment->handle)
		stats = snapshot_stats_find(&volumes->snapshot, volume->volume);
	if (stats)
		view->stats = *stats;
	if (volume_is_attached(volume)) {
		snprintf(view->attached_node, sizeof(view->attached_node), "%s", volume->holder.node);
		time_format(volume->holder.since_ns, view->attached_since);
	}
	if (volume->holder.steward)
		snprintf(view->steward_node, sizeof(view->steward_node), "%s", volume->holder.node);
	shards_fill(volumes, volume, stats != NULL, view);
	view->counted = is_counted(volumes, volume);
	usage_of_volume(volumes, volume, &view->usage);
	policy_fill(volumes, volume, &view->policy);
	snprintf(view->state, sizeof(view->state), "%s",
		stats && !attachment->steward ? state_here(volumes, volume, stats)
		: !volume_is_attached(volume) ? "detached"
		: volume->shard_count         ? state_elsewhere(volumes, volume)
					      : "no-quorum");
}

int volumes_volume_view(
	struct volumes *volumes, const char *name, struct volume_view *ret_view, struct error *error)
{
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(volumes->catalog, name, &volume, error);

	if (rc == -ENOENT && !volumes->catalog_opened) /* nothing is known: that isn't "there is none" */
		rc = error_set(error, -EAGAIN, "can't tell of volume %s yet: %s", name, volumes->not_ready);
	if (!rc)
		volume_fill(volumes, volume, ret_view);
	return rc;
}

void volumes_each_volume(
	struct volumes *volumes, bool (*fn)(void *arg, const struct volume_view *view), void *arg)
{
	const struct catalog_volume *volume;
	struct volume_view view;

	for (size_t i = 0; (volume = catalog_volume_by_name_at(volumes->catalog, i)); i++) {
		volume_fill(volumes, volume, &view);
		if (!fn(arg, &view))
			return;
	}
}
