/* What a clone and its origin owe each other: catalog/snapshots.h. */
#include "catalog/catalog_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAMED_MAX 8u /* clones that a refusal names */

unsigned clones_name(
	const struct catalog *catalog, struct uuid origin, struct uuid snapshot, char *text, size_t size)
{
	const struct catalog_volume *volume;
	char uuid[UUID_TEXT_LEN + 1];
	unsigned count = 0;
	size_t len = 0;

	text[0] = 0;
	(void)uuid_format(origin, uuid);
	for (size_t i = 0; (volume = view_copy_at(&catalog->view, RECORD_CLONE, uuid, i)); i++) {
		if (!uuid_is_none(snapshot) && !uuid_equal(volume->origin_snapshot, snapshot))
			continue;
		if (count < NAMED_MAX && len < size)
			len += (size_t)snprintf(
				text + len, size - len, "%s%s", count > 0 ? ", " : "", volume->name);
		count++;
	}
	if (count > NAMED_MAX && len < size)
		(void)snprintf(text + len, size - len, " and %u more", count - NAMED_MAX);
	return count;
}

int clones_refuse(const struct catalog *catalog, const struct catalog_volume *volume,
	const struct catalog_snapshot *snapshot, struct error *error)
{
	char names[384];

	if (clones_name(catalog, volume->volume, snapshot->snapshot, names, sizeof(names)) == 0)
		return 0;
	return error_set(error, -EBUSY, "snapshot %s@%s has clones: %s. Remove them first", volume->name,
		snapshot->name, names);
}

bool catalog_snapshot_is_used(const struct catalog *catalog, const struct catalog_volume *volume,
	const struct catalog_snapshot *snapshot)
{
	char names[1];

	return catalog_viewer_next(catalog, volume, snapshot->snapshot, 0) != NULL ||
	       clones_name(catalog, volume->volume, snapshot->snapshot, names, sizeof(names)) > 0;
}

static bool has_replica_on(const struct catalog_shard *shard, struct uuid pool)
{
	for (unsigned i = 0; i < shard->replica_count; i++)
		if (uuid_equal(shard->replicas[i].pool, pool) && !shard->replicas[i].retired)
			return true;
	return false;
}

/* Shard by shard its replicas are where the origin's are. */
static bool is_beside(const struct catalog_volume *clone, const struct catalog_volume *origin)
{
	if (clone->shard_count != origin->shard_count || clone->stripe_bytes != origin->stripe_bytes)
		return false;
	for (unsigned s = 0; s < clone->shard_count; s++)
		for (unsigned i = 0; i < clone->shards[s].replica_count; i++)
			if (!has_replica_on(&origin->shards[s], clone->shards[s].replicas[i].pool))
				return false;
	return true;
}

static bool is_made(const struct catalog_shard *shard)
{
	for (unsigned i = 0; i < shard->replica_count; i++)
		if (shard->replicas[i].made)
			return true;
	return false;
}

int clone_hold(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	struct catalog_volume *clone = op->volume_record;
	const struct catalog_snapshot *snapshot = NULL;
	const struct catalog_volume *origin;
	char uuid[UUID_TEXT_LEN + 1], size[SIZE_TEXT_LEN + 1];
	int rc;

	if (uuid_is_none(clone->origin))
		return 0;
	rc = catalog_volume_find_uuid(catalog, clone->origin, &origin, error);
	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < origin->snapshot_count; i++)
		if (uuid_equal(origin->snapshots[i].snapshot, clone->origin_snapshot))
			snapshot = &origin->snapshots[i];
	if (origin->state != CATALOG_VOLUME_READY || !snapshot)
		return error_set(error, -ENOENT, "the origin of volume %s is gone", clone->name);
	if (snapshot->state != CATALOG_SNAPSHOT_READY)
		return error_set(error, -EBUSY, "snapshot %s@%s is not ready: it is being %s", origin->name,
			snapshot->name, catalog_snapshot_doing(snapshot->state));
	if (clone->size_bytes < origin->size_bytes)
		return error_set(error, -EINVAL,
			"a clone of volume %s can't be smaller than that: it has at least %s", origin->name,
			size_format(origin->size_bytes, size));
	if (!is_beside(clone, origin))
		return error_set(error, -ESTALE, "the replicas of volume %s have moved", origin->name);
	/* The data is the origin's, and so is the filesystem in it: never made anew. */
	memcpy(clone->fs, origin->fs, sizeof(clone->fs));
	clone->fs_made = origin->fs_made;
	/* Written as it is: whoever removes the snapshot at this moment does it again, and sees the clone. */
	(void)uuid_format(origin->volume, uuid);
	txn_if_revision(txn, catalog, RECORD_VOLUME, uuid, origin->revision);
	txn_write_volume(txn, catalog, origin, origin);
	return 0;
}

int clones_unmade(const struct catalog *catalog, const struct catalog_volume *origin, struct error *error)
{
	const struct catalog_volume *volume;
	char uuid[UUID_TEXT_LEN + 1];

	(void)uuid_format(origin->volume, uuid);
	for (size_t i = 0; (volume = view_copy_at(&catalog->view, RECORD_CLONE, uuid, i)); i++) {
		bool made = true;

		for (unsigned s = 0; s < volume->shard_count; s++)
			made = made && is_made(&volume->shards[s]);
		if (!made)
			return error_set(error, -EBUSY, "volume %s, a clone of volume %s, is just being made",
				volume->name, origin->name);
	}
	return 0;
}
