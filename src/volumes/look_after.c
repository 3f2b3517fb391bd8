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
	struct table_node by_volume; /* in volumes->stewarded */
	uint64_t detached_ns;        /* since when; 0: it is held */
	uint64_t not_before_ns;
	uint64_t looked_ns; /* wall time: up to here its nodes' starts have been looked after */
	unsigned shard_count;
	struct repair repairs[]; /* of each shard: who is away */
};

static struct steward_seen *seen_find(struct volumes *volumes, const struct catalog_volume *volume)
{
	struct table_node *node = table_find(&volumes->stewarded, volume->volume);
	struct steward_seen *seen;

	if (node)
		return container_of(node, struct steward_seen, by_volume);
	seen = calloc(1, sizeof(*seen) + volume->shard_count * sizeof(seen->repairs[0]));
	if (!seen)
		return NULL; /* the next look tries again */
	seen->shard_count = volume->shard_count;
	seen->looked_ns = volume->created_ns;
	table_insert(&volumes->stewarded, &seen->by_volume, volume->volume);
	return seen;
}

static void seen_free(struct volumes *volumes, bool all)
{
	const struct catalog_volume *volume;

	for (unsigned i = 0; i < TABLE_BUCKETS; i++) {
		list_for_each_safe (at, &volumes->stewarded.buckets[i]) {
			struct table_node *node = list_entry(at, struct table_node, node);

			if (!all && catalog_volume_find_uuid(volumes->catalog, node->key, &volume, NULL) !=
					    -ENOENT)
				continue;
			table_remove(node);
			free(container_of(node, struct steward_seen, by_volume));
		}
	}
}

/* Those of volumes that are no more. */
void look_after_forget(struct volumes *volumes)
{
	seen_free(volumes, false);
}

void look_after_done(struct volumes *volumes)
{
	seen_free(volumes, true);
}

/* ---- whether ---- */

/* The newest start of a voter's node: its replica may have missed something before. */
static uint64_t newest_start_ns(const struct volumes *volumes, const struct catalog_volume *volume)
{
	const struct catalog_node *node;
	uint64_t newest_ns = 0;

	for (unsigned s = 0; s < volume->shard_count; s++) {
		const struct catalog_shard *shard = &volume->shards[s];

		for (unsigned i = 0; i < shard->replica_count; i++)
			if (catalog_is_voter(shard, shard->replicas[i].replica) &&
				!catalog_node_find(volumes->catalog, shard->replicas[i].node, &node, NULL) &&
				node->live && node->live_since_ns > newest_ns)
				newest_ns = node->live_since_ns;
	}
	return newest_ns;
}

static bool shard_change_waits(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_shard *shard, struct repair *repair, uint64_t now_ns)
{
	struct repair_seen who = { .serves = true,
		.rebuild_after_ms = volumes->config.rebuild_after_ms,
		.drop_after_ms = UINT64_MAX };
	struct catalog_replica learner;
	struct repair_choice choice;
	struct error error;

	repair_absences_look(volumes, repair, shard, NULL, now_ns, &who);
	if (shard->next_voter_count != 0)
		return true;
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];

		if (!replica->retired && (replica->leaves || !catalog_is_voter(shard, replica->replica)))
			return true;
	}
	choice = repair_choose(shard, &who);
	return choice.kind != REPAIR_NOTHING &&
	       replica_place(volumes, volume, shard, choice.replica, "", &learner, &error) == 0;
}

/* Something that only a coordinator can do, and could do now. All shards are watched. */
static bool change_waits(struct volumes *volumes, const struct catalog_volume *volume,
	struct steward_seen *seen, uint64_t now_ns)
{
	bool waits = false;

	for (unsigned s = 0; s < seen->shard_count && s < volume->shard_count; s++)
		waits |= shard_change_waits(volumes, volume, &volume->shards[s], &seen->repairs[s], now_ns);
	return waits;
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
		seen->detached_ns = 0;
		for (unsigned s = 0; s < seen->shard_count; s++)
			seen->repairs[s].absence_count = 0;
		return false;
	}
	if (seen->detached_ns == 0)
		seen->detached_ns = now_ns;
	/* Who is away is watched from the beginning. */
	if (!change_waits(volumes, volume, seen, now_ns) &&
		newest_start_ns(volumes, volume) <= seen->looked_ns)
		return false;
	return now_ns - seen->detached_ns >= volumes->config.steward_after_ms * NS_PER_MS &&
	       now_ns >= seen->not_before_ns;
}

/* Nothing is under way in any shard, and all are level. */
static bool all_are_level(const struct attachment *attachment, const struct catalog_volume *volume)
{
	for (unsigned s = 0; s < attachment->shards.count && s < volume->shard_count; s++) {
		const struct attachment_shard *of = &attachment->of_shard[s];
		const struct volume_stats *stats = snapshot_shard_stats_find(
			&attachment->volumes->snapshot, volume->volume, volume->shards[s].group);

		if (!stats || stats->changing || of->stepping || of->repair.asking || !is_level(stats))
			return false;
	}
	return true;
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
	if (waits || !all_are_level(attachment, volume))
		return true;
	seen->looked_ns = newest_start_ns(volumes, volume);
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
	for (unsigned s = 0; seen && s < seen->shard_count && s < attachment->shards.count; s++)
		attachment->of_shard[s].repair = seen->repairs[s]; /* who has been away, and since when */
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
