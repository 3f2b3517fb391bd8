/*
 * Automatic repair of membership, on the node that coordinates the group (docs/protocol.md, "Repair of
 * membership"). What is to be done is chosen by reconcile (repair.c there); this sees who is away and since
 * when, and asks the catalog. The rest goes as after a user's wish (membership.c).
 */
#include "volumes/repair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reconcile/reconcile.h"
#include "volumes/manager.h"

#define REPAIR_DEADLINE_MS 10000u

/* ---- who is away ---- */

/* Its node or its pool, as the catalog has it. */
bool repair_place_is_away(const struct volumes *volumes, const struct catalog_replica *replica)
{
	const struct catalog_node *node;
	const struct catalog_pool *pool;

	return catalog_node_find(volumes->catalog, replica->node, &node, NULL) != 0 || !node->live ||
	       catalog_pool_find(volumes->catalog, replica->pool, &pool, NULL) != 0 ||
	       pool->state == CATALOG_POOL_FAILED;
}

/* A member that the data plane knows, by what it hears of it; one that it doesn't know yet, by its place. */
static bool member_is_away(const struct volumes *volumes, const struct catalog_replica *replica,
	const struct volume_stats *stats)
{
	for (unsigned i = 0; stats && i < stats->voter_count; i++)
		if (uuid_equal(stats->voters[i].replica, replica->replica))
			return stats->voters[i].status == REPLICA_AWAY ||
			       stats->voters[i].status == REPLICA_RETIRED;
	return repair_place_is_away(volumes, replica);
}

static uint64_t away_since_ns(const struct repair *repair, struct uuid replica, uint64_t now_ns)
{
	for (unsigned i = 0; i < repair->absence_count; i++)
		if (uuid_equal(repair->absences[i].replica, replica))
			return repair->absences[i].since_ns;
	return now_ns;
}

void repair_absences_look(struct volumes *volumes, struct repair *repair, const struct catalog_shard *shard,
	const struct volume_stats *stats, uint64_t now_ns, struct repair_seen *seen)
{
	struct repair now = { .absence_count = 0 };

	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];
		struct repair_member *member = &seen->members[seen->count++];
		uint64_t since_ns;

		*member = (struct repair_member){ .replica = replica->replica };
		if (replica->retired || !member_is_away(volumes, replica, stats))
			continue;
		since_ns = away_since_ns(repair, replica->replica, now_ns);
		now.absences[now.absence_count++] = (struct repair_absence){ replica->replica, since_ns };
		member->away_ms = (now_ns - since_ns) / NS_PER_MS;
	}
	repair->absence_count = now.absence_count;
	memcpy(repair->absences, now.absences, sizeof(repair->absences));
}

/* ---- what is asked of the catalog ---- */

struct repair_wish {
	struct volumes *volumes;
	struct uuid attachment;
	unsigned shard;
	const char *kind;
	char name[NAME_MAX_LEN + 1];
	char text[256];
};

static void wish_told(void *arg, int rc, const struct error *error)
{
	struct repair_wish *wish = arg;

	list_for_each (node, &wish->volumes->attachments) {
		struct attachment *attachment = list_entry(node, struct attachment, node);

		if (uuid_equal(attachment->spec.attachment, wish->attachment))
			attachment->of_shard[wish->shard].repair.asking = false;
	}
	/* -EBUSY: a user's wish was faster. */
	if (rc == 0)
		manager_event(wish->volumes, wish->kind, wish->name, "%s", wish->text);
	else if (rc != -EBUSY && rc != -ECANCELED)
		manager_event(wish->volumes, "repair-failed", wish->name, "%s", error->text);
	manager_kick(wish->volumes);
	free(wish);
}

static struct repair_wish *wish_new(struct attachment_shard *of, const char *kind)
{
	struct attachment *attachment = of->attachment;
	struct repair_wish *wish = malloc(sizeof(*wish));

	if (!wish)
		return NULL; /* the next look tries again */
	*wish = (struct repair_wish){
		.volumes = attachment->volumes,
		.attachment = attachment->spec.attachment,
		.shard = of->index,
		.kind = kind,
	};
	snprintf(wish->name, sizeof(wish->name), "%s", attachment->spec.name);
	of->repair.asking = true;
	return wish;
}

static uint64_t rebuild_after_ms(const struct volumes *volumes, const struct catalog_volume *volume)
{
	const struct catalog_class *class;

	if (catalog_class_find(volumes->catalog, volume->class_name, &class, NULL) ||
		!class->rebuild_after_ms)
		return volumes->config.rebuild_after_ms;
	return class->rebuild_after_ms;
}

static void give_up(struct attachment_shard *of, const struct catalog_volume *volume,
	const struct catalog_replica *learner)
{
	struct volumes *volumes = of->attachment->volumes;
	struct repair_wish *wish = wish_new(of, "membership-given-up");

	if (!wish)
		return;
	snprintf(wish->text, sizeof(wish->text), "the new replica on node %.64s was away for %llu s",
		learner->node, (unsigned long long)(rebuild_after_ms(volumes, volume) / 1000));
	catalog_change_cancel(
		volumes->catalog, volume->volume, learner->replica, REPAIR_DEADLINE_MS, wish_told, wish);
}

/* `from` NULL: one more, for one that was dropped. */
static void replace(
	struct attachment_shard *of, const struct catalog_volume *volume, const struct catalog_replica *from)
{
	const struct catalog_shard *shard = &volume->shards[of->index];
	struct volumes *volumes = of->attachment->volumes;
	struct catalog_replica learner;
	struct repair_wish *wish;
	struct error error;
	char text[sizeof(of->repair.told)];
	int rc = replica_place(volumes, volume, shard, from, "", &learner, &error);

	if (rc) {
		snprintf(text, sizeof(text), "the replica on node %.40s stays away: %.180s",
			from ? from->node : "that was dropped", error.text);
		if (strcmp(of->repair.told, text) != 0)
			manager_event(volumes, "replica-not-replaced", of->attachment->spec.name, "%s", text);
		memcpy(of->repair.told, text, sizeof(text));
		return;
	}
	of->repair.told[0] = '\0';
	wish = wish_new(of, "replica-replaced");
	if (!wish)
		return;
	if (from)
		snprintf(wish->text, sizeof(wish->text),
			"the one on node %.64s was away for %llu s: a new one on node %.64s takes its place",
			from->node, (unsigned long long)(rebuild_after_ms(volumes, volume) / 1000),
			learner.node);
	else
		snprintf(wish->text, sizeof(wish->text),
			"one was dropped: a new one on node %.64s takes its place", learner.node);
	catalog_learner_add(volumes->catalog, volume->volume, shard->group, &learner, REPAIR_DEADLINE_MS,
		wish_told, wish);
}

static void drop(struct attachment_shard *of, const struct catalog_replica *replica)
{
	struct attachment *attachment = of->attachment;
	struct member_step step = { .kind = MEMBER_DROP, .goes = replica->replica };

	manager_event(attachment->volumes, "replica-dropped", attachment->spec.name,
		"the one on node %s was away for %llu s: the volume goes on with the other one alone",
		replica->node, (unsigned long long)(attachment->volumes->config.drop_after_ms / 1000));
	membership_step_begin(of, &step);
}

void repair_plan(
	struct attachment_shard *of, const struct catalog_volume *volume, const struct volume_stats *stats)
{
	const struct catalog_shard *shard = &volume->shards[of->index];
	struct volumes *volumes = of->attachment->volumes;
	struct repair_seen seen = { .rebuild_after_ms = rebuild_after_ms(volumes, volume),
		.drop_after_ms = volumes->config.drop_after_ms,
		.serves = of->attachment->phase == ATTACHMENT_UP && stats->state == VOLUME_SERVING };
	struct repair_choice choice;

	repair_absences_look(volumes, &of->repair, shard, stats, clock_now_ns(volumes->clock), &seen);
	if (of->repair.asking)
		return;
	choice = repair_choose(shard, &seen);
	switch (choice.kind) {
	case REPAIR_NOTHING:
		break;
	case REPAIR_GIVE_UP:
		give_up(of, volume, choice.replica);
		break;
	case REPAIR_DROP:
		drop(of, choice.replica);
		break;
	case REPAIR_ADD:
	case REPAIR_REPLACE:
		replace(of, volume, choice.replica);
		break;
	}
}
