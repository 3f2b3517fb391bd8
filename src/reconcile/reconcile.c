/* What this node is to do: its own record, its pools, the replicas on them, the volumes that it holds; in
 * this order. */
#include "reconcile/reconcile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid_index.h"

#define USED_STEP_DEFAULT (UINT64_C(64) << 20)

struct plan {
	const struct catalog *catalog;
	const struct reconcile_observed *observed;
	struct uuid_index replicas, attached, wanted; /* of the rows of `observed` */
	struct reconcile_actions *actions;
	size_t capacity;
	bool failed; /* out of memory */
};

const char *reconcile_kind_name(enum reconcile_kind kind)
{
	static const char *const names[] = {
		[RECONCILE_NODE_REGISTER] = "node-register",
		[RECONCILE_POOL_PUT] = "pool-put",
		[RECONCILE_REPLICA_CREATE] = "replica-create",
		[RECONCILE_REPLICA_MADE] = "replica-made",
		[RECONCILE_REPLICA_LOST] = "replica-lost",
		[RECONCILE_REPLICA_DELETE] = "replica-delete",
		[RECONCILE_REPLICA_REMOVED] = "replica-removed",
		[RECONCILE_REPLICA_ORPHAN] = "replica-orphan",
		[RECONCILE_VOLUME_BRING_UP] = "volume-bring-up",
		[RECONCILE_VOLUME_RELEASE] = "volume-release",
		[RECONCILE_VOLUME_HOLD] = "volume-hold",
		[RECONCILE_VOLUME_TAKE_DOWN] = "volume-take-down",
	};

	return names[kind];
}

static struct reconcile_action *action_add(struct plan *plan, enum reconcile_kind kind, const char *format,
	...) __attribute__((format(printf, 3, 4)));

/* NULL when out of memory, which the plan remembers. */
static struct reconcile_action *action_add(
	struct plan *plan, enum reconcile_kind kind, const char *format, ...)
{
	struct reconcile_actions *list = plan->actions;
	struct reconcile_action *action;
	va_list args;

	if (list->count == plan->capacity) {
		size_t capacity = plan->capacity ? 2 * plan->capacity : 16;
		struct reconcile_action *grown = realloc(list->actions, capacity * sizeof(*grown));

		if (!grown) {
			plan->failed = true;
			return NULL;
		}
		list->actions = grown;
		plan->capacity = capacity;
	}
	action = &list->actions[list->count++];
	*action = (struct reconcile_action){ .kind = kind };
	va_start(args, format);
	(void)vsnprintf(action->why, sizeof(action->why), format, args);
	va_end(args);
	return action;
}

void reconcile_actions_done(struct reconcile_actions *actions)
{
	free(actions->actions);
	*actions = (struct reconcile_actions){ 0 };
}

/* ---- node and pools ---- */

static void plan_node(struct plan *plan)
{
	const struct catalog_node *want = plan->observed->node;
	const struct catalog_node *have;

	if (catalog_node_find(plan->catalog, want->name, &have, NULL) != 0)
		(void)action_add(plan, RECONCILE_NODE_REGISTER, "node %.64s has no record yet", want->name);
	else if (!have->live)
		(void)action_add(
			plan, RECONCILE_NODE_REGISTER, "the lease of node %.64s is over", want->name);
	else if (!catalog_node_same(have, want))
		(void)action_add(plan, RECONCILE_NODE_REGISTER,
			"the address, place or labels of node %.64s have changed", want->name);
}

/* What has changed of a pool, if it is worth a write; NULL: nothing. */
static const char *pool_difference(
	const struct plan *plan, const struct catalog_pool *have, const struct catalog_pool *want)
{
	uint64_t step = plan->observed->used_step_bytes ? plan->observed->used_step_bytes : USED_STEP_DEFAULT;
	uint64_t moved = have->used_bytes > want->used_bytes ? have->used_bytes - want->used_bytes
							     : want->used_bytes - have->used_bytes;

	if (have->state != want->state || strcmp(have->state_reason, want->state_reason) != 0)
		return "state";
	if (have->tier != want->tier || strcmp(have->tier_reason, want->tier_reason) != 0)
		return "tier";
	if (strcmp(have->name, want->name) != 0 || strcmp(have->path, want->path) != 0)
		return "name or path";
	if (have->size_bytes != want->size_bytes || have->replica_limit != want->replica_limit)
		return "size";
	if (have->load_percent != want->load_percent)
		return "load"; /* rounded, and told seldom: by who measures it */
	return moved >= step ? "fill" : NULL;
}

static void plan_pool(struct plan *plan, const struct catalog_pool *want)
{
	const struct catalog_pool *have;
	const char *difference;
	struct reconcile_action *action;
	int rc = catalog_pool_find(plan->catalog, want->pool, &have, NULL);

	/* A damaged record is written anew: nobody but this node knows better. */
	difference = rc == 0         ? pool_difference(plan, have, want)
		     : rc == -ENOENT ? "record (none yet)"
				     : "record";
	if (!difference)
		return;
	action = action_add(
		plan, RECONCILE_POOL_PUT, "the %s of pool %.64s has changed", difference, want->name);
	if (!action)
		return;
	action->pool = want->pool;
	action->pool_put = want;
}

/* ---- replicas ---- */

static bool pool_is_open(const struct plan *plan, struct uuid pool)
{
	for (unsigned i = 0; i < plan->observed->pool_count; i++) {
		if (uuid_equal(plan->observed->pools[i].pool, pool))
			return plan->observed->pools[i].state == CATALOG_POOL_OK;
	}
	return false;
}

static const struct reconcile_replica *replica_here(const struct plan *plan, struct uuid replica)
{
	return uuid_index_find(&plan->replicas, replica);
}

static const struct reconcile_volume *volume_here(const struct plan *plan, struct uuid volume)
{
	return uuid_index_find(&plan->attached, volume);
}

static void replica_fill(struct reconcile_action *action, const struct catalog_volume *volume,
	const struct catalog_shard *shard, const struct catalog_replica *replica)
{
	if (!action)
		return;
	action->volume = volume;
	action->volume_uuid = volume->volume;
	action->shard = shard;
	action->replica = replica->replica;
	action->pool = replica->pool;
}

static void plan_replica(struct plan *plan, const struct catalog_volume *volume,
	const struct catalog_shard *shard, const struct catalog_replica *replica)
{
	bool here = replica_here(plan, replica->replica) != NULL;

	if (replica->retired) {
		replica_fill(action_add(plan, here ? RECONCILE_REPLICA_DELETE : RECONCILE_REPLICA_REMOVED,
				     "the replica of volume %.64s has left its group", volume->name),
			volume, shard, replica);
		return;
	}
	if (volume->state == CATALOG_VOLUME_READY) {
		struct reconcile_action *action = NULL;

		if (here && !replica->made)
			action = action_add(plan, RECONCILE_REPLICA_MADE,
				"the replica of volume %.64s is on this node", volume->name);
		else if (!here && !replica->made)
			action = action_add(plan, RECONCILE_REPLICA_CREATE,
				"volume %.64s has a replica on this node", volume->name);
		else if (!here)
			action = action_add(plan, RECONCILE_REPLICA_LOST,
				"the replica of volume %.64s is gone from its pool: it must be replaced",
				volume->name);
		replica_fill(action, volume, shard, replica);
		return;
	}
	/* While its device is still here, the replica is in use. */
	if (volume_here(plan, volume->volume))
		return;
	if (here)
		replica_fill(action_add(plan, RECONCILE_REPLICA_DELETE, "volume %.64s is being deleted",
				     volume->name),
			volume, shard, replica);
	else if (!replica->removed)
		replica_fill(action_add(plan, RECONCILE_REPLICA_REMOVED,
				     "the replica of volume %.64s is gone from this node", volume->name),
			volume, shard, replica);
}

static void plan_volume_replicas(struct plan *plan, const struct catalog_volume *volume)
{
	const char *node = plan->observed->node->name;

	for (unsigned s = 0; s < volume->shard_count; s++) {
		const struct catalog_shard *shard = &volume->shards[s];

		for (unsigned i = 0; i < shard->replica_count; i++) {
			const struct catalog_replica *replica = &shard->replicas[i];

			if (strcmp(replica->node, node) == 0 && pool_is_open(plan, replica->pool))
				plan_replica(plan, volume, shard, replica);
		}
	}
}

/* A replica that is here, and that no record names. */
static void plan_orphan(struct plan *plan, const struct reconcile_replica *here)
{
	const struct catalog_volume *volume;
	struct reconcile_action *action;
	char uuid[UUID_TEXT_LEN + 1];
	int rc = catalog_volume_find_uuid(plan->catalog, here->volume, &volume, NULL);

	if (rc == -EBADMSG || (rc == 0 && catalog_volume_replica(volume, here->replica, NULL)))
		return; /* named, or a record that can't be read: it may name it */
	action = action_add(plan, RECONCILE_REPLICA_ORPHAN, "no record names replica %s: it is kept",
		uuid_format(here->replica, uuid));
	if (!action)
		return;
	action->volume = rc == 0 ? volume : NULL;
	action->volume_uuid = here->volume;
	action->replica = here->replica;
	action->pool = here->pool;
}

/* ---- volumes that are held ---- */

static bool is_wanted(const struct plan *plan, struct uuid volume)
{
	return uuid_index_find(&plan->wanted, volume) != NULL;
}

/* Held by this node, says the record. */
static void plan_held(struct plan *plan, const struct catalog_volume *volume)
{
	struct reconcile_action *action;

	if (uuid_is_none(volume->holder.attachment) ||
		strcmp(volume->holder.node, plan->observed->node->name) != 0 ||
		volume_here(plan, volume->volume))
		return;
	if (is_wanted(plan, volume->volume))
		action = action_add(plan, RECONCILE_VOLUME_BRING_UP,
			"volume %.64s is attached here by its record, but not in fact", volume->name);
	else
		action = action_add(plan, RECONCILE_VOLUME_RELEASE,
			"volume %.64s is attached here by its record, but nobody uses it", volume->name);
	if (!action)
		return;
	action->volume = volume;
	action->volume_uuid = volume->volume;
	action->attachment = volume->holder.attachment;
}

/* Here, in fact. */
static void plan_attached(struct plan *plan, const struct reconcile_volume *here)
{
	const struct catalog_volume *volume = NULL;
	struct reconcile_action *action;
	char uuid[UUID_TEXT_LEN + 1];
	int rc = catalog_volume_find_uuid(plan->catalog, here->volume, &volume, NULL);

	/* A record that can't be read is no reason to take a working device away. */
	if (rc == -EBADMSG || (rc == 0 && uuid_equal(volume->holder.attachment, here->attachment)))
		return;
	/*
	 * Another holds the record, but a quorum still serves this one: the replicas decide. As soon as they
	 * promise the other one, they end this; should it never reach a quorum, nothing is lost by going on.
	 */
	if (rc == 0 && !uuid_is_none(volume->holder.attachment) && here->has_quorum)
		return;
	if (rc == 0 && here->has_quorum && volume->state == CATALOG_VOLUME_READY &&
		is_wanted(plan, volume->volume))
		action = action_add(plan, RECONCILE_VOLUME_HOLD,
			"volume %.64s is attached here and served, but held by nobody", volume->name);
	else if (rc != 0)
		action = action_add(plan, RECONCILE_VOLUME_TAKE_DOWN, "volume %s is in the catalog no more",
			uuid_format(here->volume, uuid));
	else if (uuid_is_none(volume->holder.attachment))
		action = action_add(
			plan, RECONCILE_VOLUME_TAKE_DOWN, "volume %.64s is held by nobody", volume->name);
	else
		action = action_add(plan, RECONCILE_VOLUME_TAKE_DOWN, "volume %.64s is held by node %.64s%s",
			volume->name, volume->holder.node,
			strcmp(volume->holder.node, plan->observed->node->name) == 0
				? ", by another attachment"
				: "");
	if (!action)
		return;
	action->volume = rc == 0 ? volume : NULL;
	action->volume_uuid = here->volume;
	action->attachment = here->attachment;
}

/* Each volume of the catalog is looked for among what is here: a plan's cost is linear in both. */
static int indices_make(struct plan *plan)
{
	const struct reconcile_observed *o = plan->observed;
	int rc = uuid_index_make(o->replicas, o->replica_count, sizeof(*o->replicas),
		offsetof(struct reconcile_replica, replica), &plan->replicas);

	if (!rc)
		rc = uuid_index_make(o->attached, o->attached_count, sizeof(*o->attached),
			offsetof(struct reconcile_volume, volume), &plan->attached);
	if (!rc)
		rc = uuid_index_make(o->wanted, o->wanted_count, sizeof(*o->wanted), 0, &plan->wanted);
	return rc;
}

static void indices_done(struct plan *plan)
{
	uuid_index_done(&plan->replicas);
	uuid_index_done(&plan->attached);
	uuid_index_done(&plan->wanted);
}

static void plan_all(struct plan *plan)
{
	const struct catalog *catalog = plan->catalog;
	const struct reconcile_observed *observed = plan->observed;
	const struct catalog_volume *volume;

	plan_node(plan);
	for (unsigned i = 0; i < observed->pool_count; i++)
		plan_pool(plan, &observed->pools[i]);
	/* What is here and should not be goes first: it may be in the way of what should. */
	for (unsigned i = 0; i < observed->attached_count; i++)
		plan_attached(plan, &observed->attached[i]);
	for (size_t i = 0; (volume = catalog_volume_at(catalog, i)); i++)
		plan_volume_replicas(plan, volume);
	for (unsigned i = 0; i < observed->replica_count; i++)
		plan_orphan(plan, &observed->replicas[i]);
	for (size_t i = 0; (volume = catalog_volume_at(catalog, i)); i++)
		plan_held(plan, volume);
}

int reconcile_plan(const struct catalog *catalog, const struct reconcile_observed *observed,
	struct reconcile_actions *ret_actions)
{
	struct reconcile_actions actions = { 0 };
	struct plan plan = { .catalog = catalog, .observed = observed, .actions = &actions };

	plan.failed = indices_make(&plan) != 0;
	if (!plan.failed)
		plan_all(&plan);
	indices_done(&plan);
	if (plan.failed) {
		reconcile_actions_done(&actions);
		return -ENOMEM;
	}
	*ret_actions = actions;
	return 0;
}
