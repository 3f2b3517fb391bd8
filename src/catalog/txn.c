/* A transaction in the making. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/catalog_private.h"

static char *txn_key(
	struct op_txn *txn, const struct catalog *catalog, enum record_kind kind, const char *name)
{
	char key[KEY_MAX_LEN + 1];
	char *copy = strdup(key_format(catalog, kind, name, key));

	if (!copy)
		txn->failed = -ENOMEM;
	return copy;
}

void txn_if_revision(struct op_txn *txn, const struct catalog *catalog, enum record_kind kind,
	const char *name, uint64_t revision)
{
	char *key;

	if (txn->compare_count == KVDB_MAX_TXN_OPS)
		txn->failed = -E2BIG;
	key = txn->failed == 0 ? txn_key(txn, catalog, kind, name) : NULL;
	if (!key)
		return;
	txn->compares[txn->compare_count++] =
		(struct kvdb_compare){ .kind = KVDB_IF_REVISION, .key = key, .revision = revision };
}

void txn_put(struct op_txn *txn, const struct catalog *catalog, enum record_kind kind, const char *name,
	const void *record, uint64_t lease)
{
	struct record_bytes bytes;
	char *key;
	int rc;

	if (txn->write_count == KVDB_MAX_TXN_OPS)
		txn->failed = -E2BIG;
	if (txn->failed != 0)
		return;
	rc = record_encode(kind, record, &bytes);
	key = rc == 0 ? txn_key(txn, catalog, kind, name) : NULL;
	if (rc != 0)
		txn->failed = rc;
	if (!key) {
		if (rc == 0)
			free(bytes.bytes);
		return;
	}
	txn->writes[txn->write_count++] = (struct kvdb_write){
		.key = key, .value = bytes.bytes, .value_bytes = bytes.len_bytes, .lease = lease
	};
}

void txn_delete(struct op_txn *txn, const struct catalog *catalog, enum record_kind kind, const char *name)
{
	char *key;

	if (txn->write_count == KVDB_MAX_TXN_OPS)
		txn->failed = -E2BIG;
	key = txn->failed == 0 ? txn_key(txn, catalog, kind, name) : NULL;
	if (key)
		txn->writes[txn->write_count++] = (struct kvdb_write){ .key = key };
}

void txn_done(struct op_txn *txn)
{
	for (size_t i = 0; i < txn->compare_count; i++)
		free((void *)(uintptr_t)txn->compares[i].key);
	for (size_t i = 0; i < txn->write_count; i++) {
		free((void *)(uintptr_t)txn->writes[i].key);
		free((void *)(uintptr_t)txn->writes[i].value);
	}
	*txn = (struct op_txn){ 0 };
}
