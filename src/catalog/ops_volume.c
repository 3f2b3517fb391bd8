/* Operations that make and end volumes: a volume, its name and its reservations change together, or not at
 * all. */
#include "catalog/catalog_private.h"
#include "catalog/policy.h"

#include <errno.h>
#include <string.h>

/* ---- create ---- */

int pool_reserve(struct op *op, struct op_txn *txn, const struct catalog_replica *replica, unsigned count,
	struct error *error)
{
	const struct catalog *catalog = op->catalog;
	uint64_t bytes = count * catalog_replica_bytes(op->volume_record);
	struct record_reservation reservation = { 0 };
	const struct catalog_pool *pool;
	const struct row *row;
	char uuid[UUID_TEXT_LEN + 1];
	int rc = catalog_pool_find(catalog, replica->pool, &pool, error);

	if (rc != 0)
		return rc;
	if (strcmp(pool->node, replica->node) != 0)
		return error_set(error, -EINVAL, "pool %s is on node %s, not %s", pool->name, pool->node,
			replica->node);
	if (pool->state != CATALOG_POOL_OK)
		return error_set(error, -EHOSTDOWN, "pool %s of node %s is %s", pool->name, pool->node,
			catalog_pool_state_name(pool->state));
	(void)uuid_format(replica->pool, uuid);
	row = view_find(&catalog->view, RECORD_RESERVATION, uuid);
	if (row && !row->record)
		return row_check(row, "pool's reservations", uuid, error);
	if (row)
		reservation = *(const struct record_reservation *)row->record;
	if (reservation.draining && !MUTANT(drain_not_compared))
		return error_set(
			error, -EHOSTDOWN, "pool %s of node %s is being drained", pool->name, pool->node);
	rc = pool_room_check(op, pool, &reservation, op->volume_record, bytes, error);
	if (rc != 0)
		return rc;
	if (pool->replica_limit != 0 && reservation.replica_count + count > pool->replica_limit)
		return error_set(error, -ENOSPC,
			"pool %s of node %s holds %u replicas, and takes at most %u: each needs its share "
			"of the journal",
			pool->name, pool->node, reservation.replica_count, pool->replica_limit);
	reservation.provisioned_bytes += bytes;
	reservation.thick_bytes += op->volume_record->thick ? bytes : 0;
	reservation.replica_count += count;
	if (!MUTANT(reserve_without_compare))
		txn_if_revision(txn, catalog, RECORD_RESERVATION, uuid, row_revision(row));
	txn_put(txn, catalog, RECORD_RESERVATION, uuid, &reservation, 0);
	return 0;
}

/*
 * The class is what it was when the volume was placed. A group's rule is about volumes that others make at
 * this moment: the record is written anew, as it is, so that of two such creates one is placed anew.
 */
static int class_hold(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const struct catalog_volume *volume = op->volume_record;
	const struct row *row = view_find(&catalog->view, RECORD_CLASS, volume->class_name);
	const struct catalog_class *class = row ? row->record : NULL;

	if (volume->class_revision == 0)
		return 0;
	if (!class || row->revision != volume->class_revision)
		return error_set(error, -ESTALE, "class %s has changed", volume->class_name);
	txn_if_revision(txn, catalog, RECORD_CLASS, volume->class_name, row->revision);
	if (class->group_rule != CLASS_GROUP_NONE && volume->group_name[0])
		txn_put(txn, catalog, RECORD_CLASS, volume->class_name, class, 0);
	return 0;
}

unsigned replicas_on_pool(const struct catalog_volume *volume, unsigned shard, unsigned replica)
{
	struct uuid pool = volume->shards[shard].replicas[replica].pool;
	unsigned count = 0;

	for (unsigned s = 0; s < volume->shard_count; s++)
		for (unsigned i = 0; i < volume->shards[s].replica_count; i++) {
			if (!uuid_equal(volume->shards[s].replicas[i].pool, pool))
				continue;
			if (s < shard || (s == shard && i < replica))
				return 0;
			count += !volume->shards[s].replicas[i].removed;
		}
	return count;
}

/* Shards may share pools; each pool's reservation is written once. */
static int pools_reserve(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = op->volume_record;
	int rc = 0;

	for (unsigned s = 0; s < volume->shard_count; s++)
		for (unsigned i = 0; i < volume->shards[s].replica_count && rc == 0; i++) {
			unsigned count = replicas_on_pool(volume, s, i);

			if (count > 0)
				rc = pool_reserve(op, txn, &volume->shards[s].replicas[i], count, error);
		}
	return rc;
}

static int create_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	struct catalog_volume *volume = op->volume_record;
	const struct row *row = view_find(&catalog->view, RECORD_NAME, volume->name);
	const struct record_name *name = row ? row->record : NULL;
	struct record_name record = { .volume = volume->volume };
	char uuid[UUID_TEXT_LEN + 1];
	int rc = 0;

	if (name && uuid_equal(name->volume, volume->volume))
		return OP_FINISHED;
	if (row)
		return error_set(error, -EEXIST, "volume %s exists already", volume->name);
	(void)uuid_format(volume->volume, uuid);
	if (view_find(&catalog->view, RECORD_VOLUME, uuid))
		return error_set(error, -EEXIST, "volume %s (%s) is being deleted", volume->name, uuid);
	if (!catalog_cluster(catalog))
		return error_set(
			error, -ENOENT, "this cluster has not been initialised: run quoind --init-cluster");
	volume->created_ns = catalog_wall_ns(catalog);
	rc = class_hold(op, txn, error);
	if (rc == 0)
		rc = clone_hold(op, txn, error);
	if (rc == 0)
		rc = pools_reserve(op, txn, error);
	if (rc != 0)
		return rc;
	txn_if_revision(txn, catalog, RECORD_NAME, volume->name, 0);
	txn_if_revision(txn, catalog, RECORD_VOLUME, uuid, 0);
	txn_put(txn, catalog, RECORD_NAME, volume->name, &record, 0);
	txn_write_volume(txn, catalog, NULL, volume);
	return 0;
}

static const struct op_kind create_kind = { "create the volume", create_step };

void catalog_volume_create(struct catalog *catalog, const struct catalog_volume *volume, uint32_t timeout_ms,
	catalog_volume_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &create_kind, timeout_ms, arg);

	op->volume_fn = fn;
	op->volume = volume->volume;
	op->early_rc = volume_check(volume, &op->error);
	if (op->early_rc == 0) {
		op->volume_record = catalog_volume_copy(volume);
		if (!op->volume_record)
			op->early_rc = error_set(&op->error, -ENOMEM, "out of memory");
	}
	if (op->volume_record) {
		op->volume_record->state = CATALOG_VOLUME_READY;
		op->volume_record->epoch_number = 0;
		op->volume_record->holder = (struct catalog_holder){ 0 };
		op->volume_record->fs_made = false;
	}
	op_start(op);
}

/* ---- delete ---- */

int volume_held(const struct catalog *catalog, const struct catalog_volume *volume, struct error *error)
{
	const struct row *live = view_find(&catalog->view, RECORD_LIVE, volume->holder.node);
	char since[TIME_TEXT_LEN + 1];

	return error_set(error, -EBUSY, "volume %s is attached on node %s%s since %s", volume->name,
		volume->holder.node, live ? "" : " (which is down)",
		time_format(volume->holder.since_ns, since));
}

bool volume_is_held(const struct catalog_volume *volume)
{
	return !uuid_is_none(volume->holder.attachment) && !volume->holder.steward;
}

/* A copy to change, in op->volume_record. */
int volume_edit(struct op *op, const struct catalog_volume *volume, struct error *error)
{
	catalog_volume_free(op->volume_record);
	op->volume_record = catalog_volume_copy(volume);
	return op->volume_record ? 0 : error_set(error, -ENOMEM, "out of memory");
}

void txn_put_volume(struct op *op, struct op_txn *txn, const struct catalog_volume *was)
{
	char uuid[UUID_TEXT_LEN + 1];

	(void)uuid_format(was->volume, uuid);
	txn_if_revision(txn, op->catalog, RECORD_VOLUME, uuid, was->revision);
	txn_write_volume(txn, op->catalog, was, op->volume_record);
}

int volume_sticky(const struct catalog_volume *volume, struct error *error)
{
	return error_set(error, -EPERM,
		"volume %s is sticky, so it is not removed: `quoin volume set-sticky %s no` first",
		volume->name, volume->name);
}

static int delete_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const struct catalog_volume *volume;
	char clones[384];
	int rc = catalog_volume_find_uuid(catalog, op->volume, &volume, error);

	if (rc == -ENOENT && op->uncertain)
		return OP_FINISHED; /* done, and the replicas are gone too */
	if (rc != 0)
		return rc;
	if (volume->state == CATALOG_VOLUME_DELETING)
		return OP_FINISHED;
	if (volume_is_held(volume))
		return volume_held(catalog, volume, error);
	if (volume->sticky)
		return volume_sticky(volume, error);
	if (clones_name(catalog, volume->volume, (struct uuid){ 0 }, clones, sizeof(clones)) > 0)
		return error_set(error, -EBUSY,
			"volume %s has clones, which stand on its snapshots: %s. Remove them first",
			volume->name, clones);
	rc = snapshots_refuse(catalog, volume, error);
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	op->volume_record->state = CATALOG_VOLUME_DELETING;
	op->volume_record->holder = (struct catalog_holder){ 0 };
	txn_put_volume(op, txn, volume);
	txn_delete(txn, catalog, RECORD_NAME, volume->name);
	return 0;
}

static const struct op_kind delete_kind = { "delete the volume", delete_step };

void catalog_volume_delete(
	struct catalog *catalog, struct uuid volume, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &delete_kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op_start(op);
}

/* ---- a replica is gone ---- */

void pool_release(struct op *op, struct op_txn *txn, struct uuid pool, const struct catalog_volume *volume)
{
	uint64_t bytes = catalog_replica_bytes(volume);
	const struct catalog *catalog = op->catalog;
	const struct row *row = view_find_uuid(&catalog->view, RECORD_RESERVATION, pool);
	const struct record_reservation *known = row ? row->record : NULL;
	struct record_reservation reservation;

	if (!known)
		return; /* damaged: to be counted anew by hand, and the replica goes all the same */
	reservation = *known;
	reservation.provisioned_bytes -=
		reservation.provisioned_bytes < bytes ? reservation.provisioned_bytes : bytes;
	if (volume->thick)
		reservation.thick_bytes -= reservation.thick_bytes < bytes ? reservation.thick_bytes : bytes;
	reservation.replica_count -= reservation.replica_count > 0 ? 1 : 0;
	txn_if_revision(txn, catalog, RECORD_RESERVATION, row->name, row->revision);
	txn_put(txn, catalog, RECORD_RESERVATION, row->name, &reservation, 0);
}

static bool all_removed(const struct catalog_volume *volume)
{
	for (unsigned s = 0; s < volume->shard_count; s++) {
		for (unsigned i = 0; i < volume->shards[s].replica_count; i++) {
			if (!volume->shards[s].replicas[i].removed)
				return false;
		}
	}
	return true;
}

/* The replica concerned, in the copy that is changed. */
static struct catalog_replica *copy_replica(struct op *op)
{
	return (struct catalog_replica *)(uintptr_t)catalog_volume_replica(
		op->volume_record, op->replica, NULL);
}

static int removed_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const struct catalog_volume *volume;
	const struct catalog_replica *replica;
	char uuid[UUID_TEXT_LEN + 1];
	int rc = catalog_volume_find_uuid(catalog, op->volume, &volume, error);

	if (rc == -ENOENT)
		return OP_FINISHED;
	if (rc != 0)
		return rc;
	if (volume->state != CATALOG_VOLUME_DELETING)
		return retired_removed_step(op, txn, volume, error);
	replica = catalog_volume_replica(volume, op->replica, NULL);
	if (!replica || replica->removed)
		return OP_FINISHED;
	rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	copy_replica(op)->removed = true;
	pool_release(op, txn, replica->pool, volume);
	if (!all_removed(op->volume_record)) {
		txn_put_volume(op, txn, volume);
		return 0;
	}
	(void)uuid_format(volume->volume, uuid);
	txn_if_revision(txn, catalog, RECORD_VOLUME, uuid, volume->revision);
	txn_write_volume(txn, catalog, volume, NULL);
	return 0;
}

static const struct op_kind removed_kind = { "tell that a replica is gone", removed_step };

void catalog_replica_removed(struct catalog *catalog, struct uuid volume, struct uuid replica,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &removed_kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->replica = replica;
	op_start(op);
}

/* ---- a replica is there ---- */

static int made_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume;
	const struct catalog_replica *replica;
	int rc = catalog_volume_find_uuid(op->catalog, op->volume, &volume, error);

	if (rc == -ENOENT)
		return OP_FINISHED;
	if (rc != 0)
		return rc;
	replica = catalog_volume_replica(volume, op->replica, NULL);
	if (!replica)
		return error_set(error, -ENOENT, "volume %s has no such replica", volume->name);
	if (replica->made)
		return OP_FINISHED;
	rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	copy_replica(op)->made = true;
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind made_kind = { "tell that a replica is made", made_step };

void catalog_replica_made(struct catalog *catalog, struct uuid volume, struct uuid replica,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &made_kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->replica = replica;
	op_start(op);
}
