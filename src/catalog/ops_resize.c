/* A volume grows: its record and what is promised on the pools of its replicas, together or not at all. */
#include "catalog/catalog_private.h"
#include "catalog/policy.h"

#include <errno.h>

/* For a thick volume what is promised must be free, beside what others have. */
static int thick_room_check(const struct catalog_pool *pool, const struct record_reservation *known,
	uint64_t more_bytes, struct error *error)
{
	uint64_t room = pool->thick_limit_bytes > known->thick_bytes
				? pool->thick_limit_bytes - known->thick_bytes
				: 0;
	char text[3][SIZE_TEXT_LEN + 1];

	if (more_bytes <= room)
		return 0;
	return error_set(error, -ENOSPC,
		"pool %s of node %s keeps %s for thick volumes, and has %s more to keep: no room for %s",
		pool->name, pool->node, size_format(known->thick_bytes, text[0]), size_format(room, text[1]),
		size_format(more_bytes, text[2]));
}

int pool_room_check(const struct op *op, const struct catalog_pool *pool,
	const struct record_reservation *known, const struct catalog_volume *volume, uint64_t more_bytes,
	struct error *error)
{
	uint64_t provisioned_bytes = known->provisioned_bytes;
	const struct record_cluster *cluster =
		view_find(&op->catalog->view, RECORD_CLUSTER, "cluster")->record;
	uint32_t percent = cluster->cluster.provision_percent;
	unsigned __int128 limit = (unsigned __int128)pool->size_bytes * percent / 100;
	char text[3][SIZE_TEXT_LEN + 1];

	if ((unsigned __int128)provisioned_bytes + more_bytes <= limit)
		return volume->thick ? thick_room_check(pool, known, more_bytes, error) : 0;
	return error_set(error, -ENOSPC,
		"pool %s of node %s has %s provisioned of at most %s (%u %% of its size): no room for %s",
		pool->name, pool->node, size_format(provisioned_bytes, text[0]),
		size_format((uint64_t)limit, text[1]), percent, size_format(more_bytes, text[2]));
}

/*
 * For all replicas of the volume there at once, a retired one among them. Also where the pool drains or is
 * away just now: the replica is there, and grows when it is told.
 */
static int reserve_more(struct op *op, struct op_txn *txn, const struct catalog_volume *volume,
	struct uuid pool_uuid, uint64_t more_bytes, struct error *error)
{
	const struct catalog *catalog = op->catalog;
	const struct row *row = view_find_uuid(&catalog->view, RECORD_RESERVATION, pool_uuid);
	const struct record_reservation *known = row ? row->record : NULL;
	struct record_reservation reservation;
	const struct catalog_pool *pool;
	int rc;

	if (!known)
		return 0; /* damaged, or the pool is gone: to be counted anew by hand */
	rc = catalog_pool_find(catalog, pool_uuid, &pool, error);
	if (rc == 0)
		rc = pool_room_check(op, pool, known, volume, more_bytes, error);
	if (rc != 0 && rc != -ENOENT)
		return rc;
	reservation = *known;
	reservation.provisioned_bytes += more_bytes;
	reservation.thick_bytes += volume->thick ? more_bytes : 0;
	txn_if_revision(txn, catalog, RECORD_RESERVATION, row->name, row->revision);
	txn_put(txn, catalog, RECORD_RESERVATION, row->name, &reservation, 0);
	return 0;
}

static int size_refused(const struct catalog_volume *volume, uint64_t size_bytes, struct error *error)
{
	char text[2][SIZE_TEXT_LEN + 1];

	if (size_bytes < volume->size_bytes)
		return error_set(error, -EPERM,
			"volume %s has %s and can't shrink to %s: what is behind the new end may hold data "
			"(and xfs "
			"can't shrink at all); make a smaller volume and copy into it",
			volume->name, size_format(volume->size_bytes, text[0]),
			size_format(size_bytes, text[1]));
	if (size_bytes > VOLUME_MAX_BYTES || size_bytes % GRAIN_BYTES != 0)
		return error_set(error, -EINVAL,
			"volume %s would have %llu bytes: a multiple of 64 KiB, at most 64 TiB, is possible",
			volume->name, (unsigned long long)size_bytes);
	return 0;
}

/* Each by its shard's share. */
static int replicas_grow(
	struct op *op, struct op_txn *txn, const struct catalog_volume *volume, struct error *error)
{
	uint64_t more_bytes = shard_size_bytes(op->size_bytes, volume->shard_count, volume->stripe_bytes) -
			      catalog_replica_bytes(volume);
	int rc = 0;

	for (unsigned s = 0; s < volume->shard_count; s++)
		for (unsigned i = 0; i < volume->shards[s].replica_count && rc == 0; i++) {
			unsigned count = replicas_on_pool(volume, s, i);

			if (count > 0)
				rc = reserve_more(op, txn, volume, volume->shards[s].replicas[i].pool,
					count * more_bytes, error);
		}
	return rc;
}

static int resize_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume;
	int rc = volume_ready(op, &volume, error);

	if (rc == 0)
		rc = size_refused(volume, op->size_bytes, error);
	if (rc != 0)
		return rc;
	if (volume->size_bytes == op->size_bytes)
		return OP_FINISHED;
	rc = clones_unmade(op->catalog, volume, error);
	if (rc == 0)
		rc = replicas_grow(op, txn, volume, error);
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	op->volume_record->size_bytes = op->size_bytes;
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind resize_kind = { "resize the volume", resize_step };

void catalog_volume_resize(struct catalog *catalog, struct uuid volume, uint64_t size_bytes,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &resize_kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->size_bytes = size_bytes;
	op_start(op);
}
