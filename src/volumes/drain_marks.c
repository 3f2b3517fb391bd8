/* quoin pool drain, node drain: the marks in the catalog. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/care.h"
#include "volumes/manager.h"
#include "volumes/steward.h"

#define DRAIN_DEADLINE_MS 30000u
#define DRAIN_MAX_POOLS   256u

struct drain {
	bool draining, force;
	char by[2 * NAME_MAX_LEN + 2]; /* what is on the pool goes there; "": anywhere */
	struct uuid by_pool;           /* none: anywhere */
	unsigned count, next;
	char node[NAME_MAX_LEN + 1]; /* whose pools they are */
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

static bool is_on(const struct drain *drain, const struct catalog_shard *shard)
{
	for (unsigned r = 0; r < shard->replica_count; r++)
		if (uuid_is_among(drain->pools, drain->count, shard->replicas[r].pool))
			return true;
	return false;
}

/* -EBUSY: a replica of the volume on these pools would find no place. */
static int volume_places_check(struct op *op, const struct catalog_volume *volume)
{
	for (unsigned s = 0; s < volume->shard_count; s++) {
		const struct catalog_shard *shard = &volume->shards[s];
		const struct catalog_replica *from =
			is_on(op->state, shard) ? drain_next(op->volumes, shard) : NULL;
		struct catalog_replica learner;
		struct error why;

		if (from && drain_place_find(op->volumes, volume, shard, from, &learner, &why))
			return error_set(&op->error, -EBUSY,
				"nothing is drained, for volume %s would find no place: %.300s; "
				"--force "
				"drains what can be moved",
				volume->name, why.text);
	}
	return 0;
}

/* With all marks set: has each replica on these pools somewhere to go? */
static int places_check(struct op *op)
{
	const struct catalog_volume *volume;
	int rc = 0;

	for (size_t i = 0; !rc && (volume = catalog_volume_by_name_at(op->volumes->catalog, i)); i++)
		rc = volume_places_check(op, volume);
	return rc;
}

static void places_looked(struct op *op, int rc);
static void marks_tell(struct op *op);

static void marks_end(struct op *op)
{
	struct drain *drain = op->state;

	if (drain->undo) {
		op->error = op->why_undone;
		op_end(op, op->rc_undone);
		return;
	}
	if (drain->draining && !drain->force)
		op_look(op, catalog_pin_node(op->volumes->catalog, drain->node), places_looked);
	else
		marks_tell(op);
}

static void marks_undo(struct op *op, int rc)
{
	struct drain *drain = op->state;

	op->rc_undone = rc;
	op->why_undone = op->error;
	drain->undo = true;
	drain->next = 0;
	marks_next(op);
}

/* All volumes with a replica on the pools are in view. */
static void places_looked(struct op *op, int rc)
{
	if (!rc)
		rc = places_check(op);
	if (rc)
		marks_undo(op, rc);
	else
		marks_tell(op);
}

static void marks_tell(struct op *op)
{
	const struct drain *drain = op->state;

	if (drain->by[0])
		manager_event(op->volumes, "pool-replaced", op->id,
			"its replicas move to pool %.200s, and then it is forgotten", drain->by);
	else
		manager_event(op->volumes, drain->draining ? "pool-draining" : "pool-undrained", op->id,
			drain->draining ? "no replica comes, and those that are there move away (%u pools)"
					: "replicas may come again (%u pools)",
			drain->count);
	manager_kick(op->volumes);
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
	memcpy(drain->node, pool->node, sizeof(drain->node));
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
