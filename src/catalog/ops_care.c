/* Operations that take pools and nodes out of use: drained first, forgotten once nothing is on them. */
#include "catalog/care.h"
#include "catalog/catalog_private.h"

#include <errno.h>
#include <string.h>

/* ---- drain ---- */

/* A pool's reservation is where creates and moves compare: a draining pool loses none of them. */
static int drain_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	struct record_reservation reservation = { 0 };
	char uuid[UUID_TEXT_LEN + 1];
	const struct catalog_pool *pool;
	const struct row *row;
	int rc = catalog_pool_find(catalog, op->pool.pool, &pool, error);

	if (rc != 0)
		return rc;
	row = view_find(&catalog->view, RECORD_RESERVATION, uuid_format(op->pool.pool, uuid));
	if (row && !row->record)
		return row_check(row, "pool's reservations", uuid, error);
	if (row)
		reservation = *(const struct record_reservation *)row->record;
	if (reservation.draining == op->pool.draining &&
		uuid_equal(reservation.replaced_by, op->pool.replaced_by))
		return OP_FINISHED;
	reservation.draining = op->pool.draining;
	reservation.replaced_by = op->pool.replaced_by;
	txn_if_revision(
		txn, catalog, RECORD_POOL, uuid, row_revision(view_find(&catalog->view, RECORD_POOL, uuid)));
	txn_if_revision(txn, catalog, RECORD_RESERVATION, uuid, row_revision(row));
	txn_put(txn, catalog, RECORD_RESERVATION, uuid, &reservation, 0);
	return 0;
}

static const struct op_kind drain_kind = { "mark the pool as draining", drain_step };

void catalog_pool_drain(struct catalog *catalog, struct uuid pool, bool draining, uint32_t timeout_ms,
	catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &drain_kind, timeout_ms, arg);

	op->fn = fn;
	op->pool.pool = pool;
	op->pool.draining = draining;
	op_start(op);
}

void catalog_pool_replace(struct catalog *catalog, struct uuid pool, struct uuid by, uint32_t timeout_ms,
	catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &drain_kind, timeout_ms, arg);

	ASSERT(!uuid_is_none(by) && !uuid_equal(pool, by));
	op->fn = fn;
	op->pool.pool = pool;
	op->pool.draining = true;
	op->pool.replaced_by = by;
	op_start(op);
}

/* ---- forget a pool ---- */

/* Of any volume, those that are being deleted included: 0, or -EBUSY that names it. */
static int pool_unused(const struct catalog *catalog, const struct catalog_pool *pool, struct error *error)
{
	const struct catalog_volume *volume;

	for (size_t i = 0; (volume = catalog_volume_at(catalog, i)); i++)
		for (unsigned s = 0; s < volume->shard_count; s++)
			for (unsigned r = 0; r < volume->shards[s].replica_count; r++)
				if (uuid_equal(volume->shards[s].replicas[r].pool, pool->pool) &&
					!volume->shards[s].replicas[r].removed)
					return error_set(error, -EBUSY,
						"pool %s of node %s has a replica of volume %s: drain it "
						"first",
						pool->name, pool->node, volume->name);
	return 0;
}

/*
 * The reservation's record stays, draining: who still has the pool in an old view compares with it, and
 * loses. A pool's UUID never comes again, and the record is a few bytes.
 */
static int remove_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const struct row *row = view_find_uuid(&catalog->view, RECORD_POOL, op->pool.pool);
	const struct row *reserved = view_find_uuid(&catalog->view, RECORD_RESERVATION, op->pool.pool);
	const struct record_reservation *reservation = reserved ? reserved->record : NULL;
	const struct catalog_pool *pool = row ? row->record : NULL;
	int rc;

	if (!row)
		return OP_FINISHED;
	if (!pool)
		return row_check(row, "pool", row->name, error);
	rc = pool_unused(catalog, pool, error);
	if (rc != 0)
		return rc;
	if (!reservation || !reservation->draining)
		return error_set(error, -EBUSY, "pool %s of node %s is not being drained: drain it first",
			pool->name, pool->node);
	if (reservation->replica_count != 0)
		return error_set(error, -EBUSY, "pool %s of node %s has room promised to %u replicas",
			pool->name, pool->node, reservation->replica_count);
	txn_if_revision(txn, catalog, RECORD_POOL, row->name, row->revision);
	txn_if_revision(txn, catalog, RECORD_RESERVATION, reserved->name, reserved->revision);
	txn_delete(txn, catalog, RECORD_POOL, row->name);
	return 0;
}

static const struct op_kind remove_kind = { "forget the pool", remove_step };

void catalog_pool_remove(
	struct catalog *catalog, struct uuid pool, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &remove_kind, timeout_ms, arg);

	op->fn = fn;
	op->pool.pool = pool;
	op_pin(op, catalog_pin_all(catalog));
	op_start(op);
}

/* ---- forget a node ---- */

static int node_unused(const struct catalog *catalog, const struct catalog_node *node, struct error *error)
{
	const struct catalog_volume *volume;
	const struct catalog_pool *pool;

	if (node->live)
		return error_set(error, -EBUSY, "node %s is up: stop its agent first, or it would come again",
			node->name);
	for (size_t i = 0; (pool = catalog_pool_at(catalog, i)); i++)
		if (strcmp(pool->node, node->name) == 0)
			return error_set(error, -EBUSY, "node %s has pool %s: drain and remove it first",
				node->name, pool->name);
	for (size_t i = 0; (volume = catalog_volume_at(catalog, i)); i++)
		if (volume_is_held(volume) && strcmp(volume->holder.node, node->name) == 0)
			return error_set(error, -EBUSY,
				"node %s, which is down, has volume %s attached: attach that elsewhere first",
				node->name, volume->name);
	return 0;
}

static int node_remove_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const char *name = op->node_record.name;
	const struct row *row = view_find(&catalog->view, RECORD_NODE, name);
	int rc;

	if (!row && op->uncertain)
		return OP_FINISHED;
	rc = row_check(row, "node", name, error);
	if (rc == 0)
		rc = node_unused(catalog, row->record, error);
	if (rc != 0)
		return rc;
	txn_if_revision(txn, catalog, RECORD_NODE, name, row->revision);
	txn_if_revision(txn, catalog, RECORD_LIVE, name, 0);
	txn_delete(txn, catalog, RECORD_NODE, name);
	return 0;
}

static const struct op_kind node_remove_kind = { "forget the node", node_remove_step };

void catalog_node_remove(
	struct catalog *catalog, const char *name, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &node_remove_kind, timeout_ms, arg);

	op->fn = fn;
	op->early_rc = name_check("node name", name, &op->error);
	if (op->early_rc == 0)
		memcpy(op->node_record.name, name, strlen(name) + 1);
	if (op->early_rc == 0)
		op_pin(op, catalog_pin_node(catalog, name)); /* its holder is one whom a volume concerns */
	op_start(op);
}
