/* Create: a class, a place for each replica, one transaction of the catalog. The nodes make the replicas by
 * themselves. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/clone.h"
#include "volumes/manager.h"
#include "volumes/placing.h"

#define CREATE_DEADLINE_MS 30000u
#define CREATE_TRIES       500u
#define CREATE_PAUSE_MS    50u
#define REPLICAS_WAIT_MS   100u
#define THICK_UNDO_MS      15000u /* with so much left it is given up */

static int differs(const struct catalog_volume *volume, const char *what, struct error *error)
{
	return error_set(error, -EEXIST, "volume %s exists already, with another %s", volume->name, what);
}

/* Of those that nothing changes later; where a copy was to be near was of its making only. */
static int compare_lasting(struct volumes *volumes, const struct catalog_volume *volume,
	const struct volume_options *options, struct error *error)
{
	char selector[VOLUME_SELECTOR_LEN + 1];
	unsigned tiers = 0;

	if (options->class_name[0] && strcmp(options->class_name, volume->class_name) != 0)
		return differs(volume, "class", error);
	if (options->fs[0] && strcmp(options->fs, volume->fs) != 0)
		return differs(volume, "filesystem", error);
	if (options->group[0] && strcmp(options->group, volume->group_name) != 0)
		return differs(volume, "group", error);
	if (options->shards && options->shards != SHARDS_AUTO && options->shards != volume->shard_count)
		return differs(volume, "number of shards", error);
	if (options->thick_given && options->thick != volume->thick)
		return differs(volume, "answer to whether it is thick", error);
	if (options->from[0] && !clone_is_of(volumes, volume, options->from))
		return differs(volume, "origin", error);
	if (options->tier[0] && class_tier_parse(options->tier, &tiers) == 0 && tiers != volume->tiers)
		return differs(volume, "tier", error);
	(void)selector_of_options(options, selector, sizeof(selector));
	if (selector[0] && strcmp(selector, volume->selector) != 0)
		return differs(volume, "selector", error);
	return 0;
}

/* The same name with the same options is a success. */
static int compare_existing(struct op *op, const struct catalog_volume *volume)
{
	const struct volume_options *options = &op->options;

	if (options->size_bytes && options->size_bytes != volume->size_bytes)
		return differs(volume, "size", &op->error);
	if (options->replicas && options->replicas != volume->shards[0].voter_count)
		return differs(volume, "number of replicas", &op->error);
	if (options->sticky_given && options->sticky != volume->sticky)
		return differs(volume, "sticky", &op->error);
	if (!uuid_is_none(options->import) && !uuid_equal(options->import, volume->import))
		return error_set(&op->error, -EEXIST,
			"volume %s exists already, and an import makes a new one", volume->name);
	return compare_lasting(op->volumes, volume, options, &op->error);
}

int volumes_options_check(
	struct volumes *volumes, const char *name, const struct volume_options *options, struct error *error)
{
	const struct catalog_volume *volume;

	if (catalog_volume_find(volumes->catalog, name, &volume, NULL))
		return 0;
	return compare_lasting(volumes, volume, options, error);
}

/* A shard's replicas, where placement wants them. */
static void shard_make(struct volumes *volumes, const struct placing *placing,
	const struct placement_result *result, struct catalog_shard *shard)
{
	for (unsigned i = 0; i < result->count; i++) {
		struct catalog_replica *replica = &shard->replicas[i];
		const struct placement_pool *pool = &placing->pools[result->index[i]];

		replica->replica = uuid_random(&volumes->random);
		replica->pool = pool->pool;
		replica->node = text_intern(pool->node);
		shard->voters[i] = replica->replica;
		shard->replica_count = shard->voter_count = i + 1;
	}
}

static int place(struct op *op, const struct catalog_class *class, struct catalog_volume *volume)
{
	struct placing placing = { .pools = NULL };
	struct placement_result result;
	int rc = placing_init(op->volumes, class, volume, NULL, volume_replicas(volume, class),
		(struct uuid){ 0 }, &placing, &op->error);

	if (!rc)
		rc = placing_near(op->volumes, op->options.near, &placing, &op->error);
	for (unsigned s = 0; !rc && s < volume->shard_count; s++) {
		rc = placing_shard(&placing, s, &result, NULL, &op->error);
		if (!rc)
			shard_make(op->volumes, &placing, &result, &volume->shards[s]);
	}
	placing_done(&placing);
	return rc;
}

static void create_try(struct op *op);

/* A replica of it that is to live here, and isn't there yet. */
static bool replica_waits(struct op *op, const struct catalog_shard *shard)
{
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];
		const struct local_pool *pool = pools_find_uuid(op->volumes, replica->pool);

		if (pool && pool->phase == LOCAL_POOL_OPEN &&
			!snapshot_replica_find(&op->volumes->snapshot, replica->replica))
			return true;
	}
	return false;
}

/* One that its node hasn't made yet, wherever that is; NULL: there is none. */
static const struct catalog_replica *unmade(const struct catalog_volume *volume)
{
	for (unsigned s = 0; s < volume->shard_count; s++)
		for (unsigned i = 0; i < volume->shards[s].replica_count; i++)
			if (!volume->shards[s].replicas[i].made)
				return &volume->shards[s].replicas[i];
	return NULL;
}

static void thick_undone(struct op *op, int rc)
{
	(void)rc;
	op->error = op->why_undone;
	op_end(op, -ENOSPC);
}

/* A thick volume whose room isn't kept everywhere is none: thin ones have taken it since it was placed. */
static void thick_undo(struct op *op, const struct catalog_replica *replica)
{
	const struct catalog_pool *pool;

	error_set(&op->why_undone, -ENOSPC,
		"volume %s was not made: pool %s of node %s has not made its replica, for which all of its "
		"room "
		"must be free; its agent's events say more",
		op->name,
		catalog_pool_find(op->volumes->catalog, replica->pool, &pool, NULL) ? "(gone)" : pool->name,
		replica->node);
	op->told_then = thick_undone;
	catalog_volume_delete(op->volumes->catalog, op->volume, op_left_ms(op), op_told, op);
}

/* Those that are to live here are there: who attaches at once finds them. Those of other nodes are as quick.
 */
static void replicas_wait(struct op *op)
{
	const struct catalog_volume *volume;
	bool waits = false;

	if (!catalog_volume_find_uuid(op->volumes->catalog, op->volume, &volume, NULL)) {
		const struct catalog_replica *replica = volume->thick ? unmade(volume) : NULL;

		if (replica && op_left_ms(op) < THICK_UNDO_MS) {
			thick_undo(op, replica);
			return;
		}
		waits = replica != NULL;
		for (unsigned s = 0; s < volume->shard_count; s++)
			waits |= replica_waits(op, &volume->shards[s]);
	}
	if (waits && !op_expired(op))
		op_retry(op, REPLICAS_WAIT_MS, replicas_wait);
	else
		op_end(op, 0);
}

static void create_told(void *arg, int rc, const struct error *error, const struct catalog_volume *volume)
{
	struct op *op = arg;
	const char *why;
	char size[SIZE_TEXT_LEN + 1];

	if (rc)
		op->error = *error;
	/* Others have made volumes, or changed the class or a pool, since the view was read: place anew. */
	if (rc == -ESTALE && !catalog_kvdb_ok(op->volumes->catalog, &why)) {
		op_end(op, rc); /* of a backup: nothing is changed until somebody has looked */
		return;
	}
	if ((rc == -ENOSPC || rc == -ENOENT || rc == -EHOSTDOWN || rc == -EEXIST || rc == -ESTALE) &&
		++op->tries < CREATE_TRIES && !op_expired(op)) {
		op_retry(op, 1 + random_below(&op->volumes->random, CREATE_PAUSE_MS), create_try);
		return;
	}
	if (rc == -EAGAIN && !op_expired(op) && op->volumes->phase == MANAGER_READY) {
		op->waits_for = "the kvdb";
		op_retry(op, 250, create_try);
		return;
	}
	if (rc) {
		op_end(op, rc);
		return;
	}
	if (volume->shard_count > 1)
		manager_event(op->volumes, "volume-created", op->name,
			"%s, class %s, %u shards of %u replicas", size_format(volume->size_bytes, size),
			volume->class_name, volume->shard_count, volume->shards[0].voter_count);
	else
		manager_event(op->volumes, "volume-created", op->name, "%s, class %s, %u replicas",
			size_format(volume->size_bytes, size), volume->class_name,
			volume->shards[0].voter_count);
	manager_kick(op->volumes);
	replicas_wait(op);
}

static int new_draft(struct op *op, struct catalog_volume *record)
{
	const struct catalog_class *class;
	int rc = class_of_options(op->volumes, &op->options, &class, &op->error);

	if (!rc)
		rc = volume_draft(op->name, &op->options, class, record, &op->error);
	if (!rc)
		rc = volume_divide(op->volumes, &op->options, class, record, &op->error);
	return rc ? rc : place(op, class, record);
}

/* record->shards has room for as many as there may be. */
static int draft(struct op *op, struct catalog_volume *record)
{
	int rc = op->options.from[0] ? clone_draft(op->volumes, op->name, &op->options, record, &op->error)
				     : new_draft(op, record);

	for (unsigned s = 0; !rc && s < record->shard_count; s++) {
		record->shards[s].group = uuid_random(&op->volumes->random);
		record->shards[s].config_number = 1;
	}
	return rc;
}

static void create_try(struct op *op)
{
	struct catalog_volume record = { .volume = op->volume };
	const struct catalog_volume *volume;
	int rc;

	rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, NULL);
	if (!rc && !uuid_equal(volume->volume, op->volume)) {
		op_end(op, compare_existing(op, volume));
		return;
	}
	record.shards = calloc(CATALOG_MAX_SHARDS, sizeof(*record.shards));
	rc = record.shards ? draft(op, &record) : error_set(&op->error, -ENOMEM, "no memory");
	if (rc)
		op_end(op, rc);
	else
		catalog_volume_create(op->volumes->catalog, &record, op_left_ms(op), create_told, op);
	free(record.shards);
}

static void origin_ready(struct op *op, int rc)
{
	if (rc)
		op_end(op, rc);
	else
		create_try(op);
}

static void origin_looked(struct op *op, int rc)
{
	if (rc || op->answered)
		op_end(op, rc);
	else
		clone_snapshot_take(op, origin_ready);
}

static void create_begin(struct op *op)
{
	char origin[NAME_MAX_LEN + 1], snapshot[NAME_MAX_LEN + 1];
	int rc;

	if (!op->options.from[0]) {
		create_try(op);
		return;
	}
	rc = clone_from_parse(op->options.from, origin, snapshot, &op->error);
	if (rc)
		op_end(op, rc);
	else
		op_look(op, catalog_pin_name(op->volumes->catalog, origin), origin_looked);
}

void volumes_create(struct volumes *volumes, const char *name, const struct volume_options *options,
	volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "create volume", name, CREATE_DEADLINE_MS, create_begin, fn, arg);

	if (!op_accept(op, fn, arg, name))
		return;
	op->options = *options;
	op->patient = true;
	op->volume = uuid_random(&volumes->random);
	op_submit(op);
}
