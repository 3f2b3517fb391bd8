/* Operations on the cluster's record, and on pools. */
#include "catalog/catalog_private.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

/* ---- cluster ---- */

static void key_check_make(const uint8_t key[static CATALOG_KEY_BYTES], struct uuid cluster,
	uint8_t check[static KEY_CHECK_BYTES])
{
	static const char label[] = "quoin cluster key check ";
	uint8_t text[sizeof(label) - 1 + sizeof(cluster.byte)];
	unsigned len = KEY_CHECK_BYTES;

	memcpy(text, label, sizeof(label) - 1);
	memcpy(text + sizeof(label) - 1, cluster.byte, sizeof(cluster.byte));
	/* It fails only for want of memory. */
	ASSERT(HMAC(EVP_sha256(), key, CATALOG_KEY_BYTES, text, sizeof(text), check, &len) &&
		len == KEY_CHECK_BYTES);
}

static const struct row *cluster_row(const struct catalog *catalog)
{
	return view_find(&catalog->view, RECORD_CLUSTER, "cluster");
}

static int init_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const struct row *row = cluster_row(catalog);
	const struct record_cluster *known = row ? row->record : NULL;
	struct record_cluster record = { 0 };

	if (known && op->uncertain && uuid_equal(known->cluster.cluster, op->expected))
		return OP_FINISHED;
	if (row)
		return error_set(error, -EEXIST, "cluster %s has been initialised already", catalog->cluster);
	record.cluster.cluster = op->expected;
	(void)snprintf(record.cluster.name, sizeof(record.cluster.name), "%s", catalog->cluster);
	record.cluster.created_ns = catalog_wall_ns(catalog);
	record.cluster.provision_percent = CATALOG_PROVISION_PERCENT;
	key_check_make(op->key, op->expected, record.key_check);
	txn_if_revision(txn, catalog, RECORD_CLUSTER, "cluster", 0);
	txn_put(txn, catalog, RECORD_CLUSTER, "cluster", &record, 0);
	for (unsigned i = 0; i < catalog_classes_shipped_count; i++)
		txn_put(txn, catalog, RECORD_CLASS, catalog_classes_shipped[i].name,
			&catalog_classes_shipped[i], 0);
	return 0;
}

static const struct op_kind init_kind = { "initialise the cluster", init_step };

void catalog_cluster_init(struct catalog *catalog, const uint8_t key[static CATALOG_KEY_BYTES],
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &init_kind, timeout_ms, arg);

	op->fn = fn;
	memcpy(op->key, key, sizeof(op->key));
	op->expected = uuid_random(&catalog->random);
	op_start(op);
}

static int join_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const struct row *row = cluster_row(catalog);
	const struct record_cluster *known;
	char is[UUID_TEXT_LEN + 1];
	char expected[UUID_TEXT_LEN + 1];
	uint8_t check[KEY_CHECK_BYTES];

	(void)txn;
	if (!row)
		return error_set(error, -ENOENT,
			"the metadata database knows no cluster %s: initialise it with quoind "
			"--init-cluster, or name the "
			"right one",
			catalog->cluster);
	if (!row->record)
		return row_check(row, "cluster", catalog->cluster, error);
	known = row->record;
	if (!uuid_is_none(op->expected) && !uuid_equal(op->expected, known->cluster.cluster))
		return error_set(error, -ESTALE,
			"the metadata database is that of another cluster (%s) than this node's pools (%s)",
			uuid_format(known->cluster.cluster, is), uuid_format(op->expected, expected));
	key_check_make(op->key, known->cluster.cluster, check);
	if (CRYPTO_memcmp(check, known->key_check, sizeof(check)) != 0)
		return error_set(error, -EKEYREJECTED,
			"the cluster key of this node is not that of cluster %s: copy the key file from "
			"another node",
			catalog->cluster);
	return OP_FINISHED;
}

static const struct op_kind join_kind = { "join the cluster", join_step };

void catalog_cluster_join(struct catalog *catalog, const uint8_t key[static CATALOG_KEY_BYTES],
	struct uuid expected, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &join_kind, timeout_ms, arg);

	op->fn = fn;
	memcpy(op->key, key, sizeof(op->key));
	op->expected = expected;
	op_start(op);
}

/* ---- pools ---- */

static bool pool_same(const struct catalog_pool *a, const struct catalog_pool *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->path, b->path) == 0 && a->tier == b->tier &&
	       strcmp(a->tier_reason, b->tier_reason) == 0 && a->state == b->state &&
	       strcmp(a->state_reason, b->state_reason) == 0 && a->size_bytes == b->size_bytes &&
	       a->used_bytes == b->used_bytes && a->replica_limit == b->replica_limit &&
	       a->thick_limit_bytes == b->thick_limit_bytes;
}

static int pool_step(struct op *op, struct op_txn *txn, struct error *error)
{
	struct catalog *catalog = op->catalog;
	const struct row *row = view_find_uuid(&catalog->view, RECORD_POOL, op->pool.pool);
	const struct catalog_pool *known = row ? row->record : NULL;
	const struct catalog_pool *other;
	char uuid[UUID_TEXT_LEN + 1];

	(void)uuid_format(op->pool.pool, uuid);
	if (known && strcmp(known->node, op->pool.node) != 0)
		return error_set(
			error, -EEXIST, "pool %s (%s) belongs to node %s", known->name, uuid, known->node);
	for (size_t i = 0; (other = catalog_pool_at(catalog, i)); i++) {
		if (strcmp(other->node, op->pool.node) == 0 && strcmp(other->name, op->pool.name) == 0 &&
			!uuid_equal(other->pool, op->pool.pool))
			return error_set(error, -EEXIST, "node %s has a pool named %s already (%s)",
				other->node, other->name, other->path);
	}
	if (known && pool_same(known, &op->pool))
		return OP_FINISHED;
	op->pool.registered_ns = known ? known->registered_ns : catalog_wall_ns(catalog);
	txn_if_revision(txn, catalog, RECORD_POOL, uuid, row_revision(row));
	txn_put(txn, catalog, RECORD_POOL, uuid, &op->pool, 0);
	return 0;
}

static const struct op_kind pool_kind = { "write the pool's record", pool_step };

void catalog_pool_put(struct catalog *catalog, const struct catalog_pool *pool, uint32_t timeout_ms,
	catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, &pool_kind, timeout_ms, arg);

	op->fn = fn;
	op->pool = *pool;
	op->early_rc = name_check("pool name", pool->name, &op->error);
	if (op->early_rc == 0)
		op->early_rc = name_check("node name", pool->node, &op->error);
	if (op->early_rc == 0 && uuid_is_none(pool->pool))
		op->early_rc = error_set(&op->error, -EINVAL, "pool %s has no UUID", pool->name);
	op_start(op);
}
