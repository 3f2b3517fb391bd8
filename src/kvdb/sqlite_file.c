/*
 * Opening the SQLite file: ours or foreign, whole or damaged, and what each of SQLite's errors means to a
 * caller.
 */
#include "kvdb/sqlite_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Two ticks missed by far: this process stood still, and can't tell who else did. */
#define REACH_GAP_NS (1000 * NS_PER_MS)

static const char *const statement_text[STORE_STATEMENTS] = {
	[STORE_BEGIN_READ] = "BEGIN",
	[STORE_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[STORE_COMMIT] = "COMMIT",
	[STORE_ROLLBACK] = "ROLLBACK",
	[STORE_META] = "SELECT database, revision, compacted FROM meta",
	[STORE_REVISION_SET] = "UPDATE meta SET revision = ?1",
	[STORE_COMPACTED_SET] = "UPDATE meta SET compacted = ?1",
	[STORE_GET] = "SELECT key, value, created, modified, lease FROM kv WHERE key = ?1",
	[STORE_LIST] = "SELECT key, value, created, modified, lease FROM kv WHERE key >= ?1 AND key < ?2 "
		       "AND key > ?3 ORDER BY key LIMIT ?4",
	[STORE_PUT] = "INSERT INTO kv (key, value, created, modified, lease) VALUES (?1, ?2, ?3, ?3, ?4) "
		      "ON CONFLICT (key) DO UPDATE SET value = ?2, modified = ?3, lease = ?4",
	[STORE_DELETE] = "DELETE FROM kv WHERE key = ?1",
	[STORE_HISTORY_ADD] = "INSERT INTO history (revision, part, key, value) VALUES (?1, ?2, ?3, ?4)",
	[STORE_HISTORY_READ] =
		"SELECT revision, key, value FROM history WHERE revision >= ?1 AND revision <= ?2 "
		"AND key >= ?3 AND key < ?4 ORDER BY revision, part",
	[STORE_HISTORY_DROP] = "DELETE FROM history WHERE revision <= ?1",
	[STORE_LEASE_GET] = "SELECT ttl_ms FROM lease WHERE id = ?1",
	[STORE_LEASE_PUT] =
		"INSERT OR REPLACE INTO lease (id, ttl_ms, ends_ns, boot) VALUES (?1, ?2, ?3, ?4)",
	[STORE_LEASE_DELETE] = "DELETE FROM lease WHERE id = ?1",
	[STORE_LEASE_KEYS] = "SELECT key FROM kv WHERE lease = ?1 AND lease != 0 ORDER BY key",
	[STORE_LEASES] = "SELECT id, ttl_ms, ends_ns, boot FROM lease ORDER BY id",
	[STORE_DATA_VERSION] = "PRAGMA data_version",
};

static int boot_id_read(char boot_id[static STORE_BOOT_ID_LEN + 1])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, boot_id, STORE_BOOT_ID_LEN);
	(void)close(fd);
	if (got != (ssize_t)STORE_BOOT_ID_LEN)
		return -EIO;
	boot_id[STORE_BOOT_ID_LEN] = 0;
	return 0;
}

int store_init(struct store *store, const char *path, uint32_t keep_revisions)
{
	*store = (struct store){ .keep_revisions = keep_revisions };
	random_init_system(&store->random);
	store->path = strdup(path);
	return store->path ? boot_id_read(store->boot_id) : -ENOMEM;
}

void store_close(struct store *store)
{
	for (size_t i = 0; i < STORE_STATEMENTS; i++) {
		(void)sqlite3_finalize(store->statements[i]);
		store->statements[i] = NULL;
	}
	if (store->db)
		(void)sqlite3_close_v2(store->db); /* also with a statement that is being read */
	store->db = NULL;
	store->reach_since_ns = 0;
}

void store_done(struct store *store)
{
	store_close(store);
	free(store->path);
	store->path = NULL;
}

sqlite3_stmt *store_statement(struct store *store, enum store_statement which)
{
	sqlite3_stmt **statement = &store->statements[which];

	ASSERT(store->db);
	if (!*statement)
		(void)sqlite3_prepare_v3(
			store->db, statement_text[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	if (*statement) {
		(void)sqlite3_reset(*statement);
		(void)sqlite3_clear_bindings(*statement);
	}
	return *statement;
}

int store_run(struct store *store, enum store_statement which)
{
	sqlite3_stmt *statement = store_statement(store, which);
	int code;

	if (!statement)
		return sqlite3_errcode(store->db);
	do {
		code = sqlite3_step(statement);
	} while (code == SQLITE_ROW);
	(void)sqlite3_reset(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Errno and whether the handle is of no more use. */
static int code_errno(int code, bool *ret_broken)
{
	*ret_broken = false;
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EAGAIN;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
		*ret_broken = true;
		return -EROFS;
	case SQLITE_CANTOPEN:
		*ret_broken = true;
		return -EAGAIN;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		*ret_broken = true;
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_MISMATCH:
	case SQLITE_ERROR: /* a table that isn't there: no file of ours */
		*ret_broken = true;
		return -EBADMSG;
	default:
		*ret_broken = true;
		return -EIO;
	}
}

int store_fail(struct store *store, int code, struct error *error, const char *doing)
{
	bool broken;
	int rc = code_errno(code, &broken);
	int system_errno = store->db ? sqlite3_system_errno(store->db) : 0;
	const char *cause = store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code);

	store->busy = rc == -EAGAIN && !broken;
	if (store->busy)
		(void)error_set(error, rc,
			"the metadata database %s is busy: another process has held its lock for %d ms",
			store->path, STORE_BUSY_TIMEOUT_MS);
	else if (rc == -EBADMSG)
		(void)error_set(error, rc,
			"the metadata database %s is damaged (%s: %s): restore it from a backup", store->path,
			doing, cause);
	else
		(void)error_set(error, rc, "the metadata database %s: can't %s: %s%s%s", store->path, doing,
			cause, system_errno ? ": " : "", system_errno ? strerror(system_errno) : "");
	if (store->db && sqlite3_get_autocommit(store->db) == 0)
		(void)store_run(store, STORE_ROLLBACK);
	store->reach_since_ns = 0;
	if (broken)
		store_close(store);
	return rc;
}

void store_reached(struct store *store)
{
	uint64_t now_ns = clock_now_ns(clock_system());

	if (store->reach_since_ns == 0 || now_ns - store->reach_ns > REACH_GAP_NS)
		store->reach_since_ns = now_ns;
	store->reach_ns = now_ns;
}

int store_meta_read(struct store *store)
{
	sqlite3_stmt *meta = store_statement(store, STORE_META);
	int code = meta ? sqlite3_step(meta) : sqlite3_errcode(store->db);

	if (code == SQLITE_DONE)
		return SQLITE_CORRUPT;
	if (code != SQLITE_ROW)
		return code;
	code = SQLITE_OK;
	if (sqlite3_column_bytes(meta, 0) == (int)sizeof(store->database.byte))
		memcpy(store->database.byte, sqlite3_column_blob(meta, 0), sizeof(store->database.byte));
	else
		code = SQLITE_CORRUPT;
	store->revision = (uint64_t)sqlite3_column_int64(meta, 1);
	store->compacted = (uint64_t)sqlite3_column_int64(meta, 2);
	(void)sqlite3_reset(meta);
	return code;
}
