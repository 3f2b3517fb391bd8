/* Leases in the SQLite file: granted, renewed, revoked, and ended when their time is over. */
#include "kvdb/sqlite_store.h"

#include <errno.h>
#include <string.h>

#define SWEEP_MAX 64u /* leases ended in one go */

int store_lease_find(struct store *store, uint64_t lease, bool *ret_found, uint32_t *ret_ttl_ms)
{
	sqlite3_stmt *statement = store_statement(store, STORE_LEASE_GET);
	int code;

	if (!statement)
		return sqlite3_errcode(store->db);
	(void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)lease);
	code = sqlite3_step(statement);
	*ret_found = code == SQLITE_ROW;
	*ret_ttl_ms = code == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(statement, 0) : 0;
	(void)sqlite3_reset(statement);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int lease_put(struct store *store, uint64_t lease, uint32_t ttl_ms)
{
	sqlite3_stmt *statement = store_statement(store, STORE_LEASE_PUT);
	int code;

	if (!statement)
		return sqlite3_errcode(store->db);
	(void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)(lease));
	(void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)(ttl_ms));
	(void)sqlite3_bind_int64(
		statement, 3, (sqlite3_int64)(clock_now_ns(clock_system()) + ttl_ms * NS_PER_MS));
	(void)sqlite3_bind_text(statement, 4, store->boot_id, -1, SQLITE_STATIC);
	code = sqlite3_step(statement);
	(void)sqlite3_reset(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int store_change_lease_end(struct store *store, struct store_change *change, uint64_t lease)
{
	char key[KVDB_MAX_KEY_LEN + 1];
	int code;

	for (;;) {
		sqlite3_stmt *statement = store_statement(store, STORE_LEASE_KEYS);
		struct kvdb_write write = { .key = key };

		if (!statement)
			return sqlite3_errcode(store->db);
		(void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)(lease));
		code = sqlite3_step(statement);
		if (code == SQLITE_ROW) {
			size_t len = (size_t)sqlite3_column_bytes(statement, 0);

			if (len > KVDB_MAX_KEY_LEN)
				return SQLITE_CORRUPT;
			memcpy(key, sqlite3_column_text(statement, 0), len);
			key[len] = 0;
		}
		(void)sqlite3_reset(statement);
		if (code != SQLITE_ROW)
			break;
		code = store_change_put(store, change, &write);
		if (code != SQLITE_OK)
			return code;
	}
	if (code != SQLITE_DONE)
		return code;
	return store_number_set(store, STORE_LEASE_DELETE, lease);
}

/* Not a cached statement: this pragma acts when it is compiled. */
static int synchronous_set(struct store *store, bool full)
{
	return sqlite3_exec(store->db, full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
		NULL, NULL, NULL);
}

void store_request_lease(struct store *store, struct kvdb_request *request)
{
	struct store_change change = { 0 };
	uint64_t lease = request->lease;
	uint32_t ttl_ms = request->ttl_ms;
	bool found = true;
	/* A renewal that a power cut undoes is no loss: the lease of a machine without power is over. */
	int code = synchronous_set(store, request->op != KVDB_OP_KEEPALIVE);

	if (code == SQLITE_OK)
		code = store_run(store, STORE_BEGIN_WRITE);
	if (code == SQLITE_OK)
		code = store_meta_read(store);
	if (code == SQLITE_OK && request->op == KVDB_OP_KEEPALIVE)
		code = store_lease_find(store, lease, &found, &ttl_ms);
	if (request->op == KVDB_OP_GRANT)
		lease = random_u64(&store->random) >> 2 | 1; /* positive, never 0 */
	if (code == SQLITE_OK && request->op == KVDB_OP_REVOKE)
		code = store_change_lease_end(store, &change, lease);
	else if (code == SQLITE_OK && found)
		code = lease_put(store, lease, ttl_ms);
	if (code == SQLITE_OK)
		code = store_change_commit(store, &change);
	if (code == SQLITE_OK && request->op == KVDB_OP_KEEPALIVE)
		code = synchronous_set(store, true);
	if (code != SQLITE_OK) {
		request->result.rc = store_fail(store, code, &request->error, "write a lease");
		if (store->db)
			(void)synchronous_set(store, true);
		return;
	}
	if (!found) {
		kvdb_request_fail(request, -ENOENT, "the lease has ended");
		return;
	}
	request->result.revision = store->revision;
	request->result.lease = lease;
}

/*
 * One of another boot is over. One of this boot is over when its time is, but only a process that has had the
 * database in reach for as long as the lease may say so: else the outage that kept this process out may
 * have kept the owner from renewing it, and all leases would end with the outage.
 */
static bool lease_is_over(
	const struct store *store, uint64_t now_ns, uint64_t ends_ns, uint64_t ttl_ms, const char *boot)
{
	if (strcmp(boot, store->boot_id) != 0)
		return true;
	return now_ns >= ends_ns && store->reach_since_ns != 0 &&
	       now_ns - store->reach_since_ns >= ttl_ms * NS_PER_MS;
}

static int leases_over(struct store *store, uint64_t over[static SWEEP_MAX], unsigned *ret_count)
{
	sqlite3_stmt *statement = store_statement(store, STORE_LEASES);
	uint64_t now_ns = clock_now_ns(clock_system());
	unsigned count = 0;
	int code;

	if (!statement)
		return sqlite3_errcode(store->db);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW && count < SWEEP_MAX) {
		if (lease_is_over(store, now_ns, (uint64_t)sqlite3_column_int64(statement, 2),
			    (uint64_t)sqlite3_column_int64(statement, 1),
			    (const char *)sqlite3_column_text(statement, 3)))
			over[count++] = (uint64_t)sqlite3_column_int64(statement, 0);
	}
	(void)sqlite3_reset(statement);
	*ret_count = count;
	return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

int store_leases_sweep(struct store *store, unsigned *ret_ended)
{
	struct store_change change = { 0 };
	uint64_t over[SWEEP_MAX];
	unsigned count;
	int code = leases_over(store, over, &count);

	*ret_ended = 0;
	if (code != SQLITE_OK || count == 0)
		return code;
	code = store_run(store, STORE_BEGIN_WRITE);
	if (code == SQLITE_OK)
		code = store_meta_read(store);
	/* Again, inside the transaction: one may have been renewed. */
	if (code == SQLITE_OK)
		code = leases_over(store, over, &count);
	for (unsigned i = 0; i < count && code == SQLITE_OK; i++)
		code = store_change_lease_end(store, &change, over[i]);
	if (code == SQLITE_OK)
		code = store_change_commit(store, &change);
	if (code == SQLITE_OK)
		*ret_ended = count;
	return code;
}
