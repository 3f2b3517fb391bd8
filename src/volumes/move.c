/*
 * quoin volume move-replica, set-replicas and cancel-change: a place for the new replica that keeps the
 * class's rules beside those that stay, and the wish in the volume's record. The node where the volume is
 * attached carries it out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/policy.h"
#include "volumes/manager.h"
#include "volumes/placing.h"
#include "volumes/policy.h"

#define MOVE_DEADLINE_MS 30000u

struct move {
	char from[2 * NAME_MAX_LEN + 2], to[2 * NAME_MAX_LEN + 2];
	unsigned replicas; /* set-replicas; 0: a move */
	bool by_class;     /* that is what its class says: no wish of a user's */
};

static void wish_told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;

	if (rc)
		op->error = *error;
	else
		manager_event(op->volumes, "membership-wanted", op->name, "%s", op->verb);
	manager_plan(op->volumes);
	op_end(op, rc);
}

/* A node's name, a pool's, or both: "NODE/POOL". */
static bool is_named(const char *text, const char *node, const char *pool)
{
	const char *slash = strchr(text, '/');

	if (!slash)
		return !strcmp(node, text) || !strcmp(pool, text);
	return strlen(node) == (size_t)(slash - text) && !strncmp(node, text, (size_t)(slash - text)) &&
	       !strcmp(pool, slash + 1);
}

/* A pool's or node's name, of a voter that stays or goes. */
static const struct catalog_replica *voter_named(
	struct volumes *volumes, const struct catalog_shard *shard, const char *name)
{
	const struct catalog_replica *by_pool = NULL;
	unsigned pools = 0;

	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];
		const struct catalog_pool *pool;

		if (!catalog_is_voter(shard, replica->replica))
			continue;
		if (!strcmp(replica->node, name))
			return replica;
		if (catalog_pool_find(volumes->catalog, replica->pool, &pool, NULL) ||
			!is_named(name, replica->node, pool->name))
			continue;
		by_pool = replica;
		pools++;
	}
	/* Pools of several nodes may have one name. */
	return pools == 1 ? by_pool : NULL;
}

int replica_place(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_replica *from, const char *to, struct catalog_replica *ret_learner,
	struct error *error)
{
	const struct catalog_class *class;
	struct placing placing = { .pools = NULL };
	struct placement_result result;
	size_t named = 0;
	int rc = catalog_class_find(volumes->catalog, volume->class_name, &class, error);

	if (!rc)
		rc = placing_init(volumes, class, volume, 1, from ? from->replica : (struct uuid){ 0 },
			&placing, error);
	for (size_t i = 0; !rc && i < placing.pool_count; i++)
		if (!to[0] || is_named(to, placing.pools[i].node, placing.pools[i].name))
			placing.pools[named++] = placing.pools[i];
	if (!rc && named == 0 && to[0])
		rc = error_set(error, -ENOENT, "there is no node and no pool of the name \"%s\"", to);
	else if (!rc)
		rc = placement_choose(&placing.request, placing.pools, named, &result, error);
	if (!rc) {
		const struct placement_pool *pool = &placing.pools[result.index[0]];

		*ret_learner = (struct catalog_replica){ .replica = uuid_random(&volumes->random),
			.pool = pool->pool };
		ret_learner->node = text_intern(pool->node);
		if (from)
			ret_learner->replaces = from->replica;
	}
	placing_done(&placing);
	return rc;
}

/* The user's number, with the step that follows from it now. */
static void count_want(struct op *op, const struct catalog_volume *volume,
	const struct catalog_replica *learner, struct uuid leaving)
{
	const struct move *move = op->state;

	catalog_replicas_want(op->volumes->catalog,
		&(struct catalog_replicas_want){
			volume->volume, move->replicas, volume->shards[0].group, learner, leaving },
		op_left_ms(op), wish_told, op);
}

static void learner_wish(
	struct op *op, const struct catalog_volume *volume, const struct catalog_replica *from)
{
	const struct move *move = op->state;
	struct catalog_replica learner;
	int rc = replica_place(op->volumes, volume, from, move->to, &learner, &op->error);

	if (rc) {
		op_end(op, rc);
		return;
	}
	if (move->replicas != 0 && !move->by_class)
		count_want(op, volume, &learner, (struct uuid){ 0 });
	else
		catalog_learner_add(op->volumes->catalog, volume->volume, volume->shards[0].group, &learner,
			op_left_ms(op), wish_told, op);
}

static void move_begin(struct op *op)
{
	const struct move *move = op->state;
	const struct catalog_volume *volume;
	const struct catalog_replica *from = NULL;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (!rc) {
		from = voter_named(op->volumes, &volume->shards[0], move->from);
		if (!from)
			rc = error_set(&op->error, -ENOENT,
				"volume %s has no replica on a node, or on just one pool, of the name \"%s\"",
				op->name, move->from);
	}
	if (rc)
		op_end(op, rc);
	else
		learner_wish(op, volume, from);
}

/* Who goes first: one whose node is down, else the last one that isn't where the volume is attached. */
static const struct catalog_replica *dispensable(struct volumes *volumes, const struct catalog_volume *volume)
{
	const struct catalog_shard *shard = &volume->shards[0];
	const struct catalog_replica *last = NULL;

	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];
		const struct catalog_node *node;

		if (!catalog_is_voter(shard, replica->replica))
			continue;
		if (catalog_node_find(volumes->catalog, replica->node, &node, NULL) || !node->live)
			return replica;
		if (!last || strcmp(replica->node, volume->holder.node) != 0)
			last = replica;
	}
	return last;
}

static void cancel_told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;

	if (rc)
		op->error = *error;
	else
		manager_event(op->volumes, "membership-given-up", op->name, "by a user's wish");
	manager_plan(op->volumes);
	op_end(op, rc);
}

static void cancel_begin(struct op *op)
{
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (rc)
		op_end(op, rc);
	else
		catalog_change_cancel(op->volumes->catalog, volume->volume, (struct uuid){ 0 },
			op_left_ms(op), cancel_told, op);
}

static void count_begin(struct op *op)
{
	const struct move *move = op->state;
	const struct catalog_volume *volume;
	unsigned now;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (rc) {
		op_end(op, rc);
		return;
	}
	now = volume->shards[0].voter_count;
	if (move->replicas == now && volume->shards[0].wanted_voters > now)
		cancel_begin(op); /* one was dropped, and is not to be made anew */
	else if (move->replicas == now && move->by_class)
		op_end(op, 0);
	else if (move->replicas == now)
		count_want(op, volume, NULL, (struct uuid){ 0 });
	else if (move->replicas == now + 1)
		learner_wish(op, volume, NULL);
	else if (move->replicas + 1 == now && move->by_class)
		catalog_replica_leave(op->volumes->catalog, volume->volume,
			dispensable(op->volumes, volume)->replica, op_left_ms(op), wish_told, op);
	else if (move->replicas + 1 == now)
		count_want(op, volume, NULL, dispensable(op->volumes, volume)->replica);
	else
		op_end(op,
			error_set(&op->error, -EINVAL,
				"volume %s has %u replicas: one more or one less at a time", op->name, now));
}

static void submit(struct op *op, const char *name, const struct move *move, volumes_done_fn fn, void *arg)
{
	if (!op_accept(op, fn, arg, name))
		return;
	op->state = malloc(sizeof(*move));
	if (op->state)
		*(struct move *)op->state = *move;
	op_submit(op);
}

void volumes_move_replica(struct volumes *volumes, const char *name, const char *from, const char *to,
	volumes_done_fn fn, void *arg)
{
	struct move move = { .replicas = 0 };

	snprintf(move.from, sizeof(move.from), "%s", from);
	snprintf(move.to, sizeof(move.to), "%s", to ? to : "");
	submit(op_make(volumes, "move replica", name, MOVE_DEADLINE_MS, move_begin, fn, arg), name, &move, fn,
		arg);
}

static void count_submit(
	struct volumes *volumes, const char *name, const struct move *move, volumes_done_fn fn, void *arg)
{
	submit(op_make(volumes, "set replicas", name, MOVE_DEADLINE_MS, count_begin, fn, arg), name, move, fn,
		arg);
}

void volumes_set_replicas(
	struct volumes *volumes, const char *name, unsigned replicas, volumes_done_fn fn, void *arg)
{
	count_submit(volumes, name, &(struct move){ .replicas = replicas }, fn, arg);
}

void replicas_mend(
	struct volumes *volumes, const char *name, unsigned replicas, volumes_done_fn fn, void *arg)
{
	count_submit(volumes, name, &(struct move){ .replicas = replicas, .by_class = true }, fn, arg);
}

void volumes_cancel_change(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "cancel change", name, MOVE_DEADLINE_MS, cancel_begin, fn, arg);

	if (op_accept(op, fn, arg, name))
		op_submit(op);
}
