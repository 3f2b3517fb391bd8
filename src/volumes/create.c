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

static int place(struct op *op, const struct catalog_class *class, struct catalog_volume *volume,
	struct catalog_shard *shard)
{
	struct placing placing = { .pools = NULL };
	struct placement_result result;
	int rc = placing_init(op->volumes, class, volume, volume_replicas(volume, class), (struct uuid){ 0 },
		&placing, &op->error);

	if (!rc)
		rc = placing_near(op->volumes, op->options.near, &placing, &op->error);
	if (!rc)
		rc = placement_choose(
			&placing.request, placing.pools, placing.pool_count, &result, &op->error);
	for (unsigned i = 0; !rc && i < result.count; i++) {
		struct catalog_replica *replica = &shard->replicas[i];
		const struct placement_pool *pool = &placing.pools[result.index[i]];

		replica->replica = uuid_random(&op->volumes->random);
		replica->pool = pool->pool;
		replica->node = text_intern(pool->node);
		shard->voters[i] = replica->replica;
		shard->replica_count = shard->voter_count = i + 1;
	}
	placing_done(&placing);
	return rc;
}

static void create_try(struct op *op);

/* The replica that is to live here is there: who attaches at once finds it. Those of other nodes are as
 * quick. */
static void replicas_wait(struct op *op)
{
	const struct catalog_volume *volume;

	if (!catalog_volume_find_uuid(op->volumes->catalog, op->volume, &volume, NULL) && volume->shard_count)
		for (unsigned i = 0; i < volume->shards[0].replica_count; i++) {
			const struct catalog_replica *replica = &volume->shards[0].replicas[i];
			const struct local_pool *pool = pools_find_uuid(op->volumes, replica->pool);

			if (pool && pool->phase == LOCAL_POOL_OPEN && !op_expired(op) &&
				!snapshot_replica_find(&op->volumes->snapshot, replica->replica)) {
				op_retry(op, REPLICAS_WAIT_MS, replicas_wait);
				return;
			}
		}
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
	manager_event(op->volumes, "volume-created", op->name, "%s, class %s, %u replicas",
		size_format(volume->size_bytes, size), volume->class_name, volume->shards[0].voter_count);
	manager_plan(op->volumes);
	replicas_wait(op);
}

static int new_draft(struct op *op, struct catalog_volume *record, struct catalog_shard *shard)
{
	const struct catalog_class *class;
	int rc = class_of_options(op->volumes, &op->options, &class, &op->error);

	if (!rc)
		rc = volume_draft(op->name, &op->options, class, record, &op->error);
	return rc ? rc : place(op, class, record, shard);
}

static void create_try(struct op *op)
{
	struct catalog_shard shard = { .config_number = 1 };
	struct catalog_volume record = { .volume = op->volume };
	const struct catalog_volume *volume;
	int rc;

	rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, NULL);
	if (!rc && !uuid_equal(volume->volume, op->volume)) {
		op_end(op, compare_existing(op, volume));
		return;
	}
	rc = op->options.from[0]
		     ? clone_draft(op->volumes, op->name, &op->options, &record, &shard, &op->error)
		     : new_draft(op, &record, &shard);
	if (rc) {
		op_end(op, rc);
		return;
	}
	shard.group = uuid_random(&op->volumes->random);
	record.shards = &shard;
	record.shard_count = 1;
	catalog_volume_create(op->volumes->catalog, &record, op_left_ms(op), create_told, op);
}

static void origin_ready(struct op *op, int rc)
{
	if (rc)
		op_end(op, rc);
	else
		create_try(op);
}

static void create_begin(struct op *op)
{
	if (op->options.from[0])
		clone_snapshot_take(op, origin_ready);
	else
		create_try(op);
}

void volumes_create(struct volumes *volumes, const char *name, const struct volume_options *options,
	volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "create volume", name, CREATE_DEADLINE_MS, create_begin, fn, arg);

	if (!op_accept(op, fn, arg, name))
		return;
	op->options = *options;
	op->volume = uuid_random(&volumes->random);
	op_submit(op);
}
