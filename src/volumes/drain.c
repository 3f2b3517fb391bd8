/* What draining pools have to give, and the moves: what follows from the marks (drain_marks.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/care.h"
#include "volumes/manager.h"
#include "volumes/steward.h"

#define MOVE_DEADLINE_MS 10000u
#define TELL_PAUSE_NS    (60 * NS_PER_S)

/* ---- what is to move ---- */

static bool is_draining(const struct volumes *volumes, const struct catalog_replica *replica)
{
	const struct catalog_pool *pool;

	return catalog_pool_find(volumes->catalog, replica->pool, &pool, NULL) == 0 && pool->draining;
}

bool drain_is_wanted(const struct volumes *volumes, const struct catalog_shard *shard)
{
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];

		if (!replica->retired && catalog_is_voter(shard, replica->replica) &&
			is_draining(volumes, replica))
			return true;
	}
	return false;
}

static bool is_changing(const struct catalog_shard *shard)
{
	for (unsigned i = 0; i < shard->replica_count; i++)
		if (!shard->replicas[i].retired &&
			(shard->replicas[i].leaves || !catalog_is_voter(shard, shard->replicas[i].replica)))
			return true;
	return shard->next_voter_count != 0;
}

const struct catalog_replica *drain_next(const struct volumes *volumes, const struct catalog_shard *shard)
{
	if (is_changing(shard))
		return NULL;
	for (unsigned i = 0; i < shard->replica_count; i++)
		if (!shard->replicas[i].retired && is_draining(volumes, &shard->replicas[i]))
			return &shard->replicas[i];
	return NULL;
}

int drain_place_find(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_shard *shard, const struct catalog_replica *from,
	struct catalog_replica *ret_learner, struct error *error)
{
	const struct catalog_pool *pool, *by;
	char to[2 * NAME_MAX_LEN + 2] = "";

	if (!catalog_pool_find(volumes->catalog, from->pool, &pool, NULL) &&
		!catalog_pool_find(volumes->catalog, pool->replaced_by, &by, NULL))
		snprintf(to, sizeof(to), "%s/%s", by->node, by->name);
	return replica_place(volumes, volume, shard, from, to, ret_learner, error);
}

int drain_place(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_shard *shard, const struct catalog_replica *from,
	struct catalog_replica *ret_learner, struct error *error)
{
	uint64_t now_ns = clock_now_ns(volumes->clock);
	int rc = drain_place_find(volumes, volume, shard, from, ret_learner, error);

	if (rc && now_ns >= volumes->drain_tell_ns) {
		volumes->drain_tell_ns = now_ns + TELL_PAUSE_NS;
		manager_event(volumes, "replica-not-moved", volume->name,
			"its replica on node %.40s is on a draining pool, and stays: %.180s", from->node,
			error->text);
	}
	return rc;
}

/* ---- the moves ---- */

struct drain_wish {
	struct volumes *volumes;
	char name[NAME_MAX_LEN + 1], from[NAME_MAX_LEN + 1], to[NAME_MAX_LEN + 1];
};

static void move_told(void *arg, int rc, const struct error *error)
{
	struct drain_wish *wish = arg;

	wish->volumes->drain_asking--;
	if (rc == 0)
		manager_event(wish->volumes, "replica-drained", wish->name,
			"the one on node %.64s moves to node %.64s: its pool drains", wish->from, wish->to);
	else if (rc != -EBUSY && rc != -ECANCELED)
		manager_event(wish->volumes, "replica-not-moved", wish->name, "%s", error->text);
	manager_kick(wish->volumes);
	free(wish);
}

static unsigned moves_under_way(const struct volumes *volumes)
{
	unsigned count = volumes->drain_asking;

	list_for_each (node, &volumes->attachments) {
		const struct attachment *attachment = list_entry(node, struct attachment, node);
		const struct catalog_volume *volume;

		if (catalog_volume_find_uuid(volumes->catalog, attachment->spec.volume, &volume, NULL))
			continue;
		for (unsigned s = 0; s < volume->shard_count; s++)
			count += is_changing(&volume->shards[s]);
	}
	return count;
}

void drain_plan(struct attachment_shard *of, const struct catalog_volume *volume)
{
	const struct catalog_shard *shard = &volume->shards[of->index];
	struct volumes *volumes = of->attachment->volumes;
	const struct catalog_replica *from = drain_next(volumes, shard);
	struct catalog_replica learner;
	struct drain_wish *wish;
	struct error error;

	if (!from || of->repair.asking || moves_under_way(volumes) >= DRAIN_AT_ONCE ||
		drain_place(volumes, volume, shard, from, &learner, &error))
		return;
	wish = calloc(1, sizeof(*wish));
	if (!wish)
		return; /* the next look tries again */
	wish->volumes = volumes;
	snprintf(wish->name, sizeof(wish->name), "%s", volume->name);
	snprintf(wish->from, sizeof(wish->from), "%s", from->node);
	snprintf(wish->to, sizeof(wish->to), "%s", learner.node);
	volumes->drain_asking++;
	catalog_learner_add(
		volumes->catalog, volume->volume, shard->group, &learner, MOVE_DEADLINE_MS, move_told, wish);
}
