/* quoin pool drain, node drain: the marks in the catalog, and the moves that follow from them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/care.h"
#include "volumes/manager.h"
#include "volumes/steward.h"

#define MOVE_DEADLINE_MS  10000u
#define DRAIN_DEADLINE_MS 30000u
#define TELL_PAUSE_NS     (60 * NS_PER_S)

/* ---- what is to move ---- */

static bool is_draining(const struct volumes *volumes, const struct catalog_replica *replica)
{
	const struct catalog_pool *pool;

	return catalog_pool_find(volumes->catalog, replica->pool, &pool, NULL) == 0 && pool->draining;
}

bool drain_is_wanted(const struct volumes *volumes, const struct catalog_volume *volume)
{
	for (unsigned i = 0; i < volume->shards[0].replica_count; i++) {
		const struct catalog_replica *replica = &volume->shards[0].replicas[i];

		if (!replica->retired && catalog_is_voter(&volume->shards[0], replica->replica) &&
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

const struct catalog_replica *drain_next(const struct volumes *volumes, const struct catalog_volume *volume)
{
	const struct catalog_shard *shard = &volume->shards[0];

	if (is_changing(shard))
		return NULL;
	for (unsigned i = 0; i < shard->replica_count; i++)
		if (!shard->replicas[i].retired && is_draining(volumes, &shard->replicas[i]))
			return &shard->replicas[i];
	return NULL;
}

/* To the pool that replaces its own, while that is known; else anywhere. */
static int place_for(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_replica *from, struct catalog_replica *ret_learner, struct error *error)
{
	const struct catalog_pool *pool, *by;
	char to[2 * NAME_MAX_LEN + 2] = "";

	if (!catalog_pool_find(volumes->catalog, from->pool, &pool, NULL) &&
		!catalog_pool_find(volumes->catalog, pool->replaced_by, &by, NULL))
		snprintf(to, sizeof(to), "%s/%s", by->node, by->name);
	return replica_place(volumes, volume, from, to, ret_learner, error);
}

int drain_place(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_replica *from, struct catalog_replica *ret_learner, struct error *error)
{
	uint64_t now_ns = clock_now_ns(volumes->clock);
	int rc = place_for(volumes, volume, from, ret_learner, error);

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

		count +=
			!catalog_volume_find_uuid(volumes->catalog, attachment->spec.volume, &volume, NULL) &&
			is_changing(&volume->shards[0]);
	}
	return count;
}

void drain_plan(struct attachment *attachment, const struct catalog_volume *volume)
{
	struct volumes *volumes = attachment->volumes;
	const struct catalog_replica *from = drain_next(volumes, volume);
	struct catalog_replica learner;
	struct drain_wish *wish;
	struct error error;

	if (!from || attachment->repair.asking || moves_under_way(volumes) >= DRAIN_AT_ONCE ||
		drain_place(volumes, volume, from, &learner, &error))
		return;
	wish = calloc(1, sizeof(*wish));
	if (!wish)
		return; /* the next look tries again */
	wish->volumes = volumes;
	snprintf(wish->name, sizeof(wish->name), "%s", volume->name);
	snprintf(wish->from, sizeof(wish->from), "%s", from->node);
	snprintf(wish->to, sizeof(wish->to), "%s", learner.node);
	volumes->drain_asking++;
	catalog_learner_add(volumes->catalog, volume->volume, volume->shards[0].group, &learner,
		MOVE_DEADLINE_MS, move_told, wish);
}

/* ---- the marks ---- */

#define DRAIN_MAX_POOLS 256u

struct drain {
	bool draining, force;
	char by[2 * NAME_MAX_LEN + 2]; /* what is on the pool goes there; "": anywhere */
	struct uuid by_pool;           /* none: anywhere */
	unsigned count, next;
	struct uuid pools[DRAIN_MAX_POOLS];
	/* Before: they stay so, whatever becomes of this. */
	bool drained[DRAIN_MAX_POOLS];
	struct uuid replaced_by[DRAIN_MAX_POOLS];
	bool undo; /* there is no place for what is on them */
};

static void marks_next(struct op *op);

static void marks_told(struct op *op, int rc)
{
	struct drain *drain = op->state;

	if (rc && !drain->undo) {
		op_end(op, rc);
		return;
	}
	drain->next++;
	marks_next(op);
}

/* With all marks set: has each replica on these pools somewhere to go? */
static int places_check(struct op *op)
{
	const struct catalog_volume *volume;
	struct catalog_replica learner;

	for (size_t i = 0; (volume = catalog_volume_by_name_at(op->volumes->catalog, i)); i++) {
		const struct catalog_replica *from = drain_next(op->volumes, volume);
		struct error why;

		if (from && place_for(op->volumes, volume, from, &learner, &why))
			return error_set(&op->error, -EBUSY,
				"nothing is drained, for volume %s would find no place: %.300s; "
				"--force "
				"drains what can be moved",
				volume->name, why.text);
	}
	return 0;
}

static void marks_end(struct op *op)
{
	struct drain *drain = op->state;

	if (drain->undo) {
		op->error = op->why_undone;
		op_end(op, op->rc_undone);
		return;
	}
	op->rc_undone = drain->draining && !drain->force ? places_check(op) : 0;
	if (op->rc_undone) {
		op->why_undone = op->error;
		drain->undo = true;
		drain->next = 0;
		marks_next(op);
		return;
	}
	if (drain->by[0])
		manager_event(op->volumes, "pool-replaced", op->id,
			"its replicas move to pool %.200s, and then it is forgotten", drain->by);
	else
		manager_event(op->volumes, drain->draining ? "pool-draining" : "pool-undrained", op->id,
			drain->draining ? "no replica comes, and those that are there move away (%u pools)"
					: "replicas may come again (%u pools)",
			drain->count);
	manager_plan(op->volumes);
	op_end(op, 0);
}

static void marks_next(struct op *op)
{
	struct drain *drain = op->state;
	unsigned i = drain->next;
	struct uuid by = { 0 };

	if (i == drain->count) {
		marks_end(op);
		return;
	}
	if (drain->undo)
		by = drain->replaced_by[i];
	else if (drain->draining)
		by = drain->by_pool;
	op->told_then = marks_told;
	if (!uuid_is_none(by))
		catalog_pool_replace(op->volumes->catalog, drain->pools[i], by, op_left_ms(op), op_told, op);
	else
		catalog_pool_drain(op->volumes->catalog, drain->pools[i],
			drain->undo ? drain->drained[i] : drain->draining, op_left_ms(op), op_told, op);
}

int drain_pool_find(
	struct volumes *volumes, const char *text, const struct catalog_pool **ret_pool, struct error *error)
{
	const struct catalog_pool *pool, *found = NULL;
	const char *slash = strchr(text, '/');
	const char *name = slash ? slash + 1 : text;
	unsigned count = 0;

	for (size_t i = 0; (pool = catalog_pool_at(volumes->catalog, i)); i++) {
		if (strcmp(pool->name, name) != 0)
			continue;
		if (slash ? strlen(pool->node) == (size_t)(slash - text) &&
					strncmp(pool->node, text, (size_t)(slash - text)) == 0
			  : strcmp(pool->node, volumes->config.node) == 0) {
			*ret_pool = pool;
			return 0;
		}
		found = pool;
		count++;
	}
	if (slash || count == 0)
		return error_set(error, -ENOENT, "there is no pool %.120s", text);
	if (count > 1)
		return error_set(error, -EINVAL,
			"%u nodes have a pool %.64s, this one (%.64s) not: say which, as NODE/%.64s", count,
			name, volumes->config.node, name);
	*ret_pool = found;
	return 0;
}

static int by_find(struct op *op, struct drain *drain, const struct catalog_pool *pool)
{
	const struct catalog_pool *by = NULL;
	int rc = drain_pool_find(op->volumes, drain->by, &by, &op->error);

	if (rc)
		return rc;
	if (by == pool)
		return error_set(&op->error, -EINVAL, "pool %s can't replace itself", pool->name);
	if (by->draining)
		return error_set(&op->error, -EBUSY,
			"pool %s of node %s drains itself: nothing can come to it", by->name, by->node);
	drain->by_pool = by->pool;
	return 0;
}

static void pool_take(struct drain *drain, const struct catalog_pool *pool)
{
	drain->drained[drain->count] = pool->draining;
	drain->replaced_by[drain->count] = pool->replaced_by;
	drain->pools[drain->count++] = pool->pool;
}

static void pool_begin(struct op *op)
{
	struct drain *drain = op->state;
	const struct catalog_pool *pool = NULL;
	int rc = drain_pool_find(op->volumes, op->id, &pool, &op->error);

	if (!rc && drain->by[0])
		rc = by_find(op, drain, pool);
	if (rc) {
		op_end(op, rc);
		return;
	}
	pool_take(drain, pool);
	marks_next(op);
}

static void node_begin(struct op *op)
{
	struct drain *drain = op->state;
	const struct catalog_node *node;
	const struct catalog_pool *pool;
	int rc = catalog_node_find(op->volumes->catalog, op->id, &node, &op->error);

	for (size_t i = 0; !rc && (pool = catalog_pool_at(op->volumes->catalog, i)); i++) {
		if (strcmp(pool->node, node->name) != 0)
			continue;
		if (drain->count == DRAIN_MAX_POOLS)
			rc = error_set(&op->error, -E2BIG,
				"node %s has more than %u pools: drain them by name", node->name,
				DRAIN_MAX_POOLS);
		else
			pool_take(drain, pool);
	}
	if (!rc && drain->count == 0)
		rc = error_set(&op->error, -ENOENT, "node %s has no pool", node->name);
	if (rc)
		op_end(op, rc);
	else
		marks_next(op);
}

static void submit(struct volumes *volumes, const char *text, void (*begin)(struct op *op),
	const struct drain *drain, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "drain", "", DRAIN_DEADLINE_MS, begin, fn, arg);

	if (!op_accept(op, fn, arg, NULL))
		return;
	snprintf(op->id, sizeof(op->id), "%s", text);
	op->state = malloc(sizeof(*drain));
	if (op->state)
		*(struct drain *)op->state = *drain;
	else
		op_refuse(op, -ENOMEM);
	op_submit(op);
}

void volumes_pool_drain(
	struct volumes *volumes, const char *pool, bool draining, bool force, volumes_done_fn fn, void *arg)
{
	submit(volumes, pool, pool_begin, &(struct drain){ .draining = draining, .force = force }, fn, arg);
}

void volumes_node_drain(
	struct volumes *volumes, const char *node, bool draining, bool force, volumes_done_fn fn, void *arg)
{
	submit(volumes, node, node_begin, &(struct drain){ .draining = draining, .force = force }, fn, arg);
}

void volumes_pool_replace(
	struct volumes *volumes, const char *pool, const char *by, bool force, volumes_done_fn fn, void *arg)
{
	struct drain drain = { .draining = true, .force = force };

	snprintf(drain.by, sizeof(drain.by), "%s", by);
	submit(volumes, pool, pool_begin, &drain, fn, arg);
}

/* ---- nodes that are gone ---- */

static void forgotten(struct op *op, int rc)
{
	if (!rc)
		manager_event(op->volumes, "node-removed", op->id, "it is forgotten");
	op_end(op, rc);
}

static void node_remove_begin(struct op *op)
{
	op->told_then = forgotten;
	catalog_node_remove(op->volumes->catalog, op->id, op_left_ms(op), op_told, op);
}

void volumes_node_remove(struct volumes *volumes, const char *node, volumes_done_fn fn, void *arg)
{
	submit(volumes, node, node_remove_begin, &(struct drain){ .count = 0 }, fn, arg);
}
