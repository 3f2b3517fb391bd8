/* Carrying out requests on the SQLite file. On the worker's thread. */
#include "kvdb/sqlite_store.h"

#include <errno.h>
#include <string.h>

static uint64_t column_u64(sqlite3_stmt *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement, column);
}

static void bind_u64(sqlite3_stmt *statement, int index, uint64_t value)
{
	(void)sqlite3_bind_int64(statement, index, (sqlite3_int64)value);
}

/* The text outlives the statement's use: nothing is copied. */
static void bind_text(sqlite3_stmt *statement, int index, const char *text)
{
	(void)sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

static void bind_value(sqlite3_stmt *statement, int index, const uint8_t *value, size_t value_bytes)
{
	/* An empty value is a blob of no bytes, not NULL. */
	(void)sqlite3_bind_blob64(
		statement, index, value_bytes > 0 ? (const void *)value : "", value_bytes, SQLITE_STATIC);
}

void store_prefix_upper(const char *prefix, char upper[static KVDB_MAX_KEY_LEN + 2])
{
	size_t len = strlen(prefix);

	/* Keys are of characters up to '~', so what comes after them all can be written. */
	memcpy(upper, prefix, len);
	upper[len] = '\x7f';
	upper[len + 1] = 0;
}

/* ---- reading ---- */

static int items_read(sqlite3_stmt *statement, struct kvdb_request *request)
{
	int code;

	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct kvdb_item item = {
			.key = (const char *)sqlite3_column_text(statement, 0),
			.value = sqlite3_column_blob(statement, 1),
			.value_bytes = (size_t)sqlite3_column_bytes(statement, 1),
			.create_revision = column_u64(statement, 2),
			.mod_revision = column_u64(statement, 3),
			.lease = column_u64(statement, 4),
		};

		if (kvdb_request_item(request, &item) != 0)
			return SQLITE_NOMEM;
	}
	return code;
}

static void request_read(struct store *store, struct kvdb_request *request)
{
	char upper[KVDB_MAX_KEY_LEN + 2];
	sqlite3_stmt *statement;
	int code = store_run(store, STORE_BEGIN_READ);

	if (code == SQLITE_OK)
		code = store_meta_read(store);
	if (code == SQLITE_OK && request->op != KVDB_OP_IDENTIFY) {
		statement = store_statement(store, request->op == KVDB_OP_GET ? STORE_GET : STORE_LIST);
		if (statement) {
			bind_text(statement, 1, request->key);
			if (request->op == KVDB_OP_LIST) {
				store_prefix_upper(request->key, upper);
				bind_text(statement, 2, upper);
				bind_text(statement, 3, request->after ? request->after : "");
				bind_u64(statement, 4, request->limit);
			}
			code = items_read(statement, request);
			(void)sqlite3_reset(statement);
			code = code == SQLITE_DONE ? SQLITE_OK : code;
		} else {
			code = sqlite3_errcode(store->db);
		}
	}
	if (code == SQLITE_OK)
		code = store_run(store, STORE_COMMIT);
	if (code != SQLITE_OK) {
		request->result.rc = store_fail(store, code, &request->error, "read");
		return;
	}
	request->result.database = store->database;
	if (request->result.rc == 0)
		request->result.revision = store->revision;
	if (request->op == KVDB_OP_GET && request->result.count == 0 && request->result.rc == 0) {
		kvdb_request_fail(request, -ENOENT, "no key %s", request->key);
		request->result.revision = store->revision;
	}
}

/* ---- changes ---- */

int store_change_put(struct store *store, struct store_change *change, const struct kvdb_write *write)
{
	sqlite3_stmt *statement = store_statement(store, write->value ? STORE_PUT : STORE_DELETE);
	int code;

	if (!statement)
		return sqlite3_errcode(store->db);
	if (change->revision == 0)
		change->revision = store->revision + 1;
	bind_text(statement, 1, write->key);
	if (write->value) {
		bind_value(statement, 2, write->value, write->value_bytes);
		bind_u64(statement, 3, change->revision);
		bind_u64(statement, 4, write->lease);
	}
	code = sqlite3_step(statement);
	(void)sqlite3_reset(statement);
	if (code != SQLITE_DONE)
		return code;
	if (!write->value && sqlite3_changes(store->db) == 0)
		return SQLITE_OK; /* nothing was there: nothing to tell */
	statement = store_statement(store, STORE_HISTORY_ADD);
	if (!statement)
		return sqlite3_errcode(store->db);
	bind_u64(statement, 1, change->revision);
	bind_u64(statement, 2, change->parts++);
	bind_text(statement, 3, write->key);
	if (write->value)
		bind_value(statement, 4, write->value, write->value_bytes);
	code = sqlite3_step(statement);
	(void)sqlite3_reset(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int store_number_set(struct store *store, enum store_statement which, uint64_t number)
{
	sqlite3_stmt *statement = store_statement(store, which);
	int code;

	if (!statement)
		return sqlite3_errcode(store->db);
	bind_u64(statement, 1, number);
	code = sqlite3_step(statement);
	(void)sqlite3_reset(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Drops history in steps of a tenth, so that not every transaction pays for it. */
static int history_trim(struct store *store)
{
	uint64_t keep = store->keep_revisions;
	uint64_t drop;
	int code;

	if (store->revision <= keep || store->revision - keep < store->compacted + keep / 10 + 1)
		return SQLITE_OK;
	drop = store->revision - keep;
	code = store_number_set(store, STORE_HISTORY_DROP, drop);
	if (code == SQLITE_OK)
		code = store_number_set(store, STORE_COMPACTED_SET, drop);
	if (code == SQLITE_OK)
		store->compacted = drop;
	return code;
}

int store_change_commit(struct store *store, struct store_change *change)
{
	int code = SQLITE_OK;

	if (change->revision > 0) {
		code = store_number_set(store, STORE_REVISION_SET, change->revision);
		store->revision = change->revision;
	}
	if (code == SQLITE_OK)
		code = history_trim(store);
	if (code == SQLITE_OK)
		code = store_run(store, STORE_COMMIT);
	return code;
}

/* SQLITE_OK, and *ret_holds; the key's row is read as it stands in this transaction. */
static int compare_check(struct store *store, const struct kvdb_compare *compare, bool *ret_holds)
{
	sqlite3_stmt *statement = store_statement(store, STORE_GET);
	bool present;
	int code;

	if (!statement)
		return sqlite3_errcode(store->db);
	bind_text(statement, 1, compare->key);
	code = sqlite3_step(statement);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return code;
	present = code == SQLITE_ROW;
	*ret_holds = false;
	switch (compare->kind) {
	case KVDB_IF_ABSENT:
		*ret_holds = !present;
		break;
	case KVDB_IF_PRESENT:
		*ret_holds = present;
		break;
	case KVDB_IF_REVISION:
		*ret_holds = (present ? column_u64(statement, 3) : 0) == compare->revision;
		break;
	case KVDB_IF_VALUE:
		*ret_holds =
			present && (size_t)sqlite3_column_bytes(statement, 1) == compare->value_bytes &&
			(compare->value_bytes == 0 || memcmp(sqlite3_column_blob(statement, 1),
							      compare->value, compare->value_bytes) == 0);
		break;
	}
	(void)sqlite3_reset(statement);
	return SQLITE_OK;
}

static int txn_compare(struct store *store, struct kvdb_request *request)
{
	int code = SQLITE_OK;

	for (size_t i = 0; i < request->compare_count && code == SQLITE_OK; i++) {
		bool holds = false;

		code = compare_check(store, &request->compares[i], &holds);
		if (code == SQLITE_OK && !holds) {
			kvdb_request_lose(request, request->compares[i].key);
			return SQLITE_OK;
		}
	}
	for (size_t i = 0; i < request->write_count && code == SQLITE_OK; i++) {
		bool found = true;
		uint32_t ttl_ms;

		if (request->writes[i].value && request->writes[i].lease != 0)
			code = store_lease_find(store, request->writes[i].lease, &found, &ttl_ms);
		if (code == SQLITE_OK && !found)
			kvdb_request_fail(
				request, -ENOENT, "the lease for %s has ended", request->writes[i].key);
	}
	return code;
}

static void request_transact(struct store *store, struct kvdb_request *request)
{
	struct store_change change = { 0 };
	int code = store_run(store, STORE_BEGIN_WRITE);

	if (code == SQLITE_OK)
		code = store_meta_read(store);
	if (code == SQLITE_OK)
		code = txn_compare(store, request);
	if (code == SQLITE_OK && request->result.rc != 0) {
		if (request->result.rc == KVDB_LOST)
			request->result.revision = store->revision;
		code = store_run(store, STORE_ROLLBACK);
		if (code != SQLITE_OK)
			(void)store_fail(store, code, NULL, "roll back");
		return;
	}
	for (size_t i = 0; i < request->write_count && code == SQLITE_OK; i++)
		code = store_change_put(store, &change, &request->writes[i]);
	if (code == SQLITE_OK)
		code = store_change_commit(store, &change);
	if (code == SQLITE_OK)
		request->result.revision = store->revision;
	else
		request->result.rc = store_fail(store, code, &request->error, "write");
}

void store_request(struct store *store, struct kvdb_request *request)
{
	int rc = store_open(store, &request->error);

	if (rc != 0) {
		request->result.rc = rc;
		return;
	}
	switch (request->op) {
	case KVDB_OP_GET:
	case KVDB_OP_LIST:
	case KVDB_OP_IDENTIFY:
		request_read(store, request);
		break;
	case KVDB_OP_TRANSACT:
		request_transact(store, request);
		break;
	case KVDB_OP_GRANT:
	case KVDB_OP_KEEPALIVE:
	case KVDB_OP_REVOKE:
		store_request_lease(store, request);
		break;
	}
	if (store->db && (request->result.rc >= 0 || request->result.rc == -ENOENT))
		store_reached(store);
}
