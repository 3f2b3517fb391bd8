/* The record of a clone: clone.h. */
#include "volumes/clone.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "catalog/snapshots.h"
#include "volumes/manager.h"
#include "volumes/placing.h"

/* ---- the record ---- */

/* What would choose other pools than its origin's, or another filesystem. */
static int options_check(
	const struct volume_options *options, const struct catalog_volume *origin, struct error *error)
{
	const char *const places[] = { options->nodes, options->zones, options->racks, options->selector,
		options->near, options->tier, options->group };
	unsigned voters = origin->shards[0].voter_count;

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i][0])
			return error_set(error, -EINVAL,
				"option from: a clone's replicas are where its origin's are, so tier, group, "
				"nodes, "
				"zones, racks, selector and near can't be given beside it");
	if (options->replicas && options->replicas != voters)
		return error_set(error, -EINVAL,
			"option replicas: a clone of volume %s begins with as many as that has, %u; `quoin "
			"volume set-replicas` changes it afterwards",
			origin->name, voters);
	if (options->shards && options->shards != SHARDS_AUTO && options->shards != origin->shard_count)
		return error_set(error, -EINVAL,
			"option shards: a clone of volume %s is divided as that is: %u", origin->name,
			origin->shard_count);
	if (options->fs[0] && strcmp(options->fs, origin->fs) != 0)
		return error_set(error, -EINVAL, "option fs: a clone of volume %s has its filesystem, %s",
			origin->name, origin->fs);
	return 0;
}

static void shard_draft(
	struct volumes *volumes, const struct catalog_shard *origin, struct catalog_shard *shard)
{
	for (unsigned i = 0; i < origin->replica_count; i++) {
		const struct catalog_replica *beside = &origin->replicas[i];
		struct catalog_replica *replica = &shard->replicas[shard->replica_count];
		bool is_voter = false;

		for (unsigned k = 0; k < origin->voter_count; k++)
			is_voter = is_voter || uuid_equal(origin->voters[k], beside->replica);
		if (!is_voter || beside->retired)
			continue;
		replica->replica = uuid_random(&volumes->random);
		replica->pool = beside->pool;
		replica->node = beside->node;
		shard->voters[shard->voter_count++] = replica->replica;
		shard->replica_count++;
	}
}

int clone_draft(struct volumes *volumes, const char *name, const struct volume_options *options,
	struct catalog_volume *ret_volume, struct error *error)
{
	char origin_name[NAME_MAX_LEN + 1], snapshot_name[NAME_MAX_LEN + 1];
	struct volume_options own = *options;
	const struct catalog_snapshot *snapshot;
	const struct catalog_volume *origin;
	const struct catalog_class *class;
	int rc = clone_from_parse(options->from, origin_name, snapshot_name, error);

	if (!rc)
		rc = catalog_volume_find(volumes->catalog, origin_name, &origin, error);
	if (rc)
		return rc;
	snapshot = catalog_snapshot_find(origin, snapshot_name);
	if (!snapshot)
		return error_set(error, -ENOENT, "volume %s has no snapshot %s", origin_name, snapshot_name);
	rc = options_check(options, origin, error);
	if (rc)
		return rc;
	if (!own.class_name[0])
		memcpy(own.class_name, origin->class_name, sizeof(own.class_name));
	memcpy(own.fs, origin->fs, sizeof(own.fs));
	if (!own.size_bytes)
		own.size_bytes = origin->size_bytes;
	rc = class_of_options(volumes, &own, &class, error);
	if (!rc)
		rc = volume_draft(name, &own, class, ret_volume, error);
	if (rc)
		return rc;
	ret_volume->replicas = origin->replicas;
	ret_volume->tiers = origin->tiers;
	memcpy(ret_volume->selector, origin->selector, sizeof(ret_volume->selector));
	ret_volume->origin = origin->volume;
	ret_volume->origin_snapshot = snapshot->snapshot;
	ret_volume->shard_count = origin->shard_count;
	ret_volume->stripe_bytes = origin->stripe_bytes;
	for (unsigned s = 0; s < origin->shard_count; s++)
		shard_draft(volumes, &origin->shards[s], &ret_volume->shards[s]);
	return 0;
}

bool clone_is_of(struct volumes *volumes, const struct catalog_volume *volume, const char *from)
{
	char origin_name[NAME_MAX_LEN + 1], snapshot_name[NAME_MAX_LEN + 1];
	const struct catalog_snapshot *snapshot;
	const struct catalog_volume *origin;
	struct error error;

	if (clone_from_parse(from, origin_name, snapshot_name, &error) ||
		catalog_volume_find(volumes->catalog, origin_name, &origin, NULL) ||
		!uuid_equal(origin->volume, volume->origin))
		return false;
	snapshot = catalog_snapshot_find(origin, snapshot_name);
	return !snapshot_name[0] || (snapshot && uuid_equal(snapshot->snapshot, volume->origin_snapshot));
}

/* ---- a snapshot for it ---- */

/* "clone-NAME", or with a number where that has been made before. */
static void snapshot_name_choose(
	const struct catalog_volume *origin, const char *clone, char name[static NAME_MAX_LEN + 1])
{
	const struct catalog_snapshot *known;

	snprintf(name, NAME_MAX_LEN + 1, "clone-%.100s", clone);
	for (unsigned number = 2; (known = catalog_snapshot_find(origin, name)) != NULL &&
				  known->state != CATALOG_SNAPSHOT_MAKING;
		number++)
		snprintf(name, NAME_MAX_LEN + 1, "clone-%.100s-%u", clone, number);
}

static void snapshot_told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;

	if (rc)
		op->error = *error;
	/* Another create of the same volume, at the same moment, has taken it. */
	op->told_then(op, rc == -EEXIST ? 0 : rc);
}

void clone_snapshot_take(struct op *op, void (*then)(struct op *op, int rc))
{
	struct catalog *catalog = op->volumes->catalog;
	char origin_name[NAME_MAX_LEN + 1], snapshot_name[NAME_MAX_LEN + 1];
	const struct catalog_volume *origin, *existing;
	int rc = clone_from_parse(op->options.from, origin_name, snapshot_name, &op->error);

	if (!rc && (snapshot_name[0] || !catalog_volume_find(catalog, op->name, &existing, NULL))) {
		then(op, 0);
		return;
	}
	if (!rc)
		rc = catalog_volume_find(catalog, origin_name, &origin, &op->error);
	if (!rc)
		rc = options_check(&op->options, origin, &op->error);
	if (rc) {
		then(op, rc);
		return;
	}
	snapshot_name_choose(origin, op->name, snapshot_name);
	snprintf(op->options.from, sizeof(op->options.from), "%s@%s", origin_name, snapshot_name);
	op->told_then = then;
	op->waits_for = "a snapshot of its origin";
	volumes_snapshot_create(
		op->volumes, origin_name, snapshot_name, false, (struct uuid){ 0 }, snapshot_told, op);
}
