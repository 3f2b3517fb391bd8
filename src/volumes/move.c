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
	char from[VOLUMES_FROM_LEN + 1], to[2 * NAME_MAX_LEN + 2];
	unsigned replicas; /* set-replicas; 0: a move */
	bool by_class;     /* that is what its class says: no wish of a user's */
	unsigned shard;    /* set-replicas: whose turn it is */
};

static void wish_told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;

	if (rc)
		op->error = *error;
	else
		manager_event(op->volumes, "membership-wanted", op->name, "%s", op->verb);
	manager_kick(op->volumes);
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
	const struct catalog_shard *shard, const struct catalog_replica *from, const char *to,
	struct catalog_replica *ret_learner, struct error *error)
{
	const struct catalog_class *class;
	struct placing placing = { .pools = NULL };
	struct placement_result result;
	size_t named = 0;
	int rc = catalog_class_find(volumes->catalog, volume->class_name, &class, error);

	if (!rc)
		rc = placing_init(volumes, class, volume, shard, 1, from ? from->replica : (struct uuid){ 0 },
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

/* ---- a move ---- */

/* "b/p#2": the replica of shard 2; without a shard: of the only one that has a replica there. */
static int voter_find(struct op *op, const struct catalog_volume *volume,
	const struct catalog_shard **ret_shard, const struct catalog_replica **ret_replica)
{
	const struct move *move = op->state;
	const char *hash = strchr(move->from, '#');
	char name[VOLUMES_FROM_LEN + 1];
	uint64_t only = UINT64_MAX;
	unsigned found = 0;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(move->from, "#"), move->from);
	if (hash && (count_parse(hash + 1, &only) || only >= volume->shard_count))
		return error_set(&op->error, -EINVAL,
			"volume %s has no shard \"%.20s\": there are %u, numbered from 0", op->name, hash + 1,
			volume->shard_count);
	for (unsigned s = 0; s < volume->shard_count; s++) {
		const struct catalog_shard *shard = &volume->shards[s];
		const struct catalog_replica *replica =
			hash && s != only ? NULL : voter_named(op->volumes, shard, name);

		if (!replica)
			continue;
		found++;
		*ret_shard = shard;
		*ret_replica = replica;
	}
	if (found == 0)
		return error_set(&op->error, -ENOENT,
			"volume %s has no replica on a node, or on just one pool, of the name \"%s\"",
			op->name, name);
	if (found > 1)
		return error_set(&op->error, -EINVAL,
			"volume %s has replicas of %u shards on \"%s\": name one, as in \"%s#0\"", op->name,
			found, name, name);
	return 0;
}

static void move_begin(struct op *op)
{
	const struct move *move = op->state;
	const struct catalog_volume *volume;
	const struct catalog_shard *shard = NULL;
	const struct catalog_replica *from = NULL;
	struct catalog_replica learner;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (!rc)
		rc = voter_find(op, volume, &shard, &from);
	if (!rc)
		rc = replica_place(op->volumes, volume, shard, from, move->to, &learner, &op->error);
	if (rc)
		op_end(op, rc);
	else
		catalog_learner_add(op->volumes->catalog, volume->volume, shard->group, &learner,
			op_left_ms(op), wish_told, op);
}

static void cancel_told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;

	if (rc)
		op->error = *error;
	else
		manager_event(op->volumes, "membership-given-up", op->name, "by a user's wish");
	manager_kick(op->volumes);
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

/* ---- a number: shard by shard ---- */

/* Who goes first: one whose node is down, else the last one that isn't where the volume is attached. */
static const struct catalog_replica *dispensable(
	struct volumes *volumes, const struct catalog_volume *volume, const struct catalog_shard *shard)
{
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

static void count_step(struct op *op);

static void count_told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;
	struct move *move = op->state;

	if (rc) {
		op->error = *error;
		manager_kick(op->volumes);
		op_end(op, rc);
		return;
	}
	manager_event(op->volumes, "membership-wanted", op->name, "%s", op->verb);
	move->by_class = true; /* the user's number is noted, once */
	move->shard++;
	count_step(op);
}

/* The user's number, with the step that follows from it now; by its class the step alone. */
static void count_want(struct op *op, const struct catalog_volume *volume, const struct catalog_shard *shard,
	const struct catalog_replica *learner, const struct catalog_replica *leaving)
{
	const struct move *move = op->state;
	struct catalog_replicas_want want = { .volume = volume->volume,
		.replicas = move->replicas,
		.group = shard->group,
		.learner = learner };

	if (leaving)
		want.leaving = leaving->replica;

	if (!move->by_class)
		catalog_replicas_want(op->volumes->catalog, &want, op_left_ms(op), count_told, op);
	else if (learner)
		catalog_learner_add(op->volumes->catalog, volume->volume, shard->group, learner,
			op_left_ms(op), count_told, op);
	else
		catalog_replica_leave(op->volumes->catalog, volume->volume, leaving->replica, op_left_ms(op),
			count_told, op);
}

static void count_step(struct op *op)
{
	struct move *move = op->state;
	const struct catalog_volume *volume;
	const struct catalog_shard *shard;
	struct catalog_replica learner;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	/* Those that have as many already, where that needn't be noted. */
	while (!rc && move->by_class && move->shard < volume->shard_count &&
		volume->shards[move->shard].voter_count == move->replicas)
		move->shard++;
	if (rc || move->shard >= volume->shard_count) {
		manager_kick(op->volumes);
		op_end(op, rc);
		return;
	}
	shard = &volume->shards[move->shard];
	if (shard->voter_count == move->replicas) {
		count_want(op, volume, shard, NULL, NULL);
	} else if (shard->voter_count > move->replicas) {
		count_want(op, volume, shard, NULL, dispensable(op->volumes, volume, shard));
	} else {
		rc = replica_place(op->volumes, volume, shard, NULL, move->to, &learner, &op->error);
		if (rc)
			op_end(op, rc);
		else
			count_want(op, volume, shard, &learner, NULL);
	}
}

static void count_begin(struct op *op)
{
	const struct move *move = op->state;
	const struct catalog_volume *volume;
	bool again = false;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	for (unsigned s = 0; !rc && s < volume->shard_count; s++) {
		unsigned now = volume->shards[s].voter_count;

		again |= volume->shards[s].wanted_voters > now && move->replicas == now;
		if (move->replicas > now + 1 || move->replicas + 1 < now)
			rc = error_set(&op->error, -EINVAL,
				"volume %s has %u replicas: one more or one less at a time", op->name, now);
	}
	if (rc)
		op_end(op, rc);
	else if (again)
		cancel_begin(op); /* one was dropped, and is not to be made anew */
	else
		count_step(op);
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
