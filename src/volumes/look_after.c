/*
 * What a volume that nobody has attached needs of a steward (docs/protocol.md, "Steward"), beside the moves
 * of draining pools: a change of members that waits, a replica that stays away, and once after each start of
 * one of its voters' nodes the catching up of what its replica may have missed. The steward itself repairs by
 * the same code as any holder (membership.c, repair.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reconcile/reconcile.h"
#include "volumes/manager.h"
#include "volumes/steward.h"

#define LOOK_PAUSE_NS (20 * NS_PER_S) /* after one that could not be opened */

/* What this node remembers of a volume. */
struct steward_seen {
	struct list node; /* in volumes->stewarded */
	struct uuid volume;
	uint64_t detached_ns; /* since when; 0: it is held */
	uint64_t not_before_ns;
	uint64_t looked_ns;   /* wall time: up to here its nodes' starts have been looked after */
	struct repair repair; /* who is away */
};

static struct steward_seen *seen_find(struct volumes *volumes, const struct catalog_volume *volume)
{
	struct steward_seen *seen;

	list_for_each (node, &volumes->stewarded) {
		seen = list_entry(node, struct steward_seen, node);
		if (uuid_equal(seen->volume, volume->volume))
			return seen;
	}
	seen = calloc(1, sizeof(*seen));
	if (!seen)
		return NULL; /* the next look tries again */
	seen->volume = volume->volume;
	seen->looked_ns = volume->created_ns;
	list_push_back(&volumes->stewarded, &seen->node);
	return seen;
}

/* Those of volumes that are no more. */
void look_after_forget(struct volumes *volumes)
{
	const struct catalog_volume *volume;

	list_for_each_safe (node, &volumes->stewarded) {
		struct steward_seen *seen = list_entry(node, struct steward_seen, node);

		if (catalog_volume_find_uuid(volumes->catalog, seen->volume, &volume, NULL) != -ENOENT)
			continue;
		list_remove(&seen->node);
		free(seen);
	}
}

void look_after_done(struct volumes *volumes)
{
	while (!list_is_empty(&volumes->stewarded)) {
		struct steward_seen *seen =
			list_entry(list_first(&volumes->stewarded), struct steward_seen, node);

		list_remove(&seen->node);
		free(seen);
	}
}

/* ---- whether ---- */

/* The newest start of a voter's node: its replica may have missed something before. */
static uint64_t newest_start_ns(const struct volumes *volumes, const struct catalog_shard *shard)
{
	const struct catalog_node *node;
	uint64_t newest_ns = 0;

	for (unsigned i = 0; i < shard->replica_count; i++)
		if (catalog_is_voter(shard, shard->replicas[i].replica) &&
			!catalog_node_find(volumes->catalog, shard->replicas[i].node, &node, NULL) &&
			node->live && node->live_since_ns > newest_ns)
			newest_ns = node->live_since_ns;
	return newest_ns;
}

/* Something that only a coordinator can do, and could do now. */
static bool change_waits(struct volumes *volumes, const struct catalog_volume *volume,
	struct steward_seen *seen, uint64_t now_ns)
{
	const struct catalog_shard *shard = &volume->shards[0];
	struct repair_seen who = { .serves = true,
		.rebuild_after_ms = volumes->config.rebuild_after_ms,
		.drop_after_ms = UINT64_MAX };
	struct catalog_replica learner;
	struct repair_choice choice;
	struct error error;

	repair_absences_look(volumes, &seen->repair, shard, NULL, now_ns, &who);
	if (shard->next_voter_count != 0)
		return true;
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];

		if (!replica->retired && (replica->leaves || !catalog_is_voter(shard, replica->replica)))
			return true;
	}
	choice = repair_choose(shard, &who);
	return choice.kind != REPAIR_NOTHING &&
	       replica_place(volumes, volume, choice.replica, "", &learner, &error) == 0;
}

/* All who are there have all. */
static bool is_level(const struct volume_stats *stats)
{
	for (unsigned i = 0; i < stats->voter_count; i++) {
		const struct voter_stats *voter = &stats->voters[i];

		if (uuid_is_none(voter->replica) || voter->status == REPLICA_AWAY ||
			voter->status == REPLICA_RETIRED)
			continue;
		if (voter->status != REPLICA_COMPLETE || !voter->matched || voter->lag_entries != 0)
			return false;
	}
	return true;
}

bool look_after_is_due(struct volumes *volumes, const struct catalog_volume *volume)
{
	uint64_t now_ns = clock_now_ns(volumes->clock);
	struct steward_seen *seen = seen_find(volumes, volume);

	if (!seen)
		return false;
	if (volume_is_attached(volume)) {
		seen->detached_ns = seen->repair.absence_count = 0;
		return false;
	}
	if (seen->detached_ns == 0)
		seen->detached_ns = now_ns;
	/* Who is away is watched from the beginning. */
	if (!change_waits(volumes, volume, seen, now_ns) &&
		newest_start_ns(volumes, &volume->shards[0]) <= seen->looked_ns)
		return false;
	return now_ns - seen->detached_ns >= volumes->config.steward_after_ms * NS_PER_MS &&
	       now_ns >= seen->not_before_ns;
}

bool look_after_goes_on(struct attachment *attachment, const struct catalog_volume *volume)
{
	struct volumes *volumes = attachment->volumes;
	const struct volume_stats *stats = snapshot_stats_find(&volumes->snapshot, volume->volume);
	uint64_t now_ns = clock_now_ns(volumes->clock);
	struct steward_seen *seen = seen_find(volumes, volume);
	bool waits = seen && change_waits(volumes, volume, seen, now_ns);

	if (!seen)
		return false;
	if (!stats || volumes->snapshot.stale || stats->state == VOLUME_OPENING)
		return true; /* nothing is known yet */
	if (stats->state != VOLUME_SERVING) {
		seen->not_before_ns = now_ns + LOOK_PAUSE_NS; /* its quorum is lost */
		return false;
	}
	if (waits || stats->changing || attachment->stepping || attachment->repair.asking || !is_level(stats))
		return true;
	seen->looked_ns = newest_start_ns(volumes, &volume->shards[0]);
	return false;
}

void look_after_begun(struct attachment *attachment)
{
	struct volumes *volumes = attachment->volumes;
	const struct catalog_volume *volume;
	struct steward_seen *seen;

	if (catalog_volume_find_uuid(volumes->catalog, attachment->spec.volume, &volume, NULL))
		return;
	seen = seen_find(volumes, volume);
	if (seen)
		attachment->repair = seen->repair; /* who has been away, and since when */
}

void look_after_failed(struct volumes *volumes, const char *name)
{
	const struct catalog_volume *volume;
	struct steward_seen *seen;

	if (catalog_volume_find(volumes->catalog, name, &volume, NULL))
		return;
	seen = seen_find(volumes, volume);
	if (seen)
		seen->not_before_ns = clock_now_ns(volumes->clock) + LOOK_PAUSE_NS;
}

void steward_yield(struct volumes *volumes, const char *name)
{
	struct attachment *attachment = attachment_find(volumes, name);

	if (attachment && attachment->steward && attachment->phase == ATTACHMENT_OPENING)
		attachment_open_cancel(attachment);
}
