/* Opening the SQLite file: ours or foreign, new, whole or damaged. */
#include "kvdb/sqlite_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define APPLICATION_ID 0x51756f6e /* "Quon": what `file` and other programs see */
#define OPEN_TRIES     20u
#define OPEN_PAUSE_NS  (20 * 1000 * 1000)
#define SCHEMA_VERSION 1

static const char schema_text[] =
	"CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), database BLOB NOT NULL,"
	" revision INTEGER NOT NULL, compacted INTEGER NOT NULL);"
	"CREATE TABLE kv (key TEXT PRIMARY KEY, value BLOB NOT NULL, created INTEGER NOT NULL,"
	" modified INTEGER NOT NULL, lease INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX kv_lease ON kv (lease) WHERE lease != 0;"
	"CREATE TABLE history (revision INTEGER NOT NULL, part INTEGER NOT NULL, key TEXT NOT NULL, value "
	"BLOB,"
	" PRIMARY KEY (revision, part)) WITHOUT ROWID;"
	"CREATE TABLE lease (id INTEGER PRIMARY KEY, ttl_ms INTEGER NOT NULL, ends_ns INTEGER NOT NULL,"
	" boot TEXT NOT NULL);";

/* The number that a query of one row and column gives; -1 on an error, which *ret_code tells. */
static int64_t query_number(sqlite3 *db, const char *text, int *ret_code)
{
	sqlite3_stmt *statement = NULL;
	int64_t number = -1;
	int code = sqlite3_prepare_v2(db, text, -1, &statement, NULL);

	if (code == SQLITE_OK) {
		code = sqlite3_step(statement);
		if (code == SQLITE_ROW) {
			number = sqlite3_column_int64(statement, 0);
			code = SQLITE_OK;
		}
	}
	(void)sqlite3_finalize(statement);
	*ret_code = code;
	return number;
}

/* Inside a write transaction, on an empty file. */
static int schema_create(struct store *store)
{
	struct uuid database = uuid_random(&store->random);
	sqlite3_stmt *statement = NULL;
	char pragma[96];
	int code;

	(void)snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
		APPLICATION_ID, SCHEMA_VERSION);
	code = sqlite3_exec(store->db, pragma, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(store->db, schema_text, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(store->db,
			"INSERT INTO meta (one, database, revision, compacted) VALUES (1, ?1, 1, 0)", -1,
			&statement, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_bind_blob(
			statement, 1, database.byte, sizeof(database.byte), SQLITE_TRANSIENT);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(store->db);
	(void)sqlite3_finalize(statement);
	return code;
}

/*
 * Whether the file is ours, by its numbers: nothing of a foreign one may be touched. *ret_empty: a new file.
 */
static int file_check(struct store *store, bool *ret_empty, struct error *error)
{
	int code;
	int64_t application = query_number(store->db, "PRAGMA application_id", &code);
	int64_t version = code == SQLITE_OK ? query_number(store->db, "PRAGMA user_version", &code) : 0;
	int64_t tables =
		code == SQLITE_OK ? query_number(store->db, "SELECT count(*) FROM sqlite_schema", &code) : 0;

	if (code != SQLITE_OK)
		return store_fail(store, code, error, "read its header");
	*ret_empty = application == 0 && version == 0 && tables == 0;
	if (*ret_empty)
		return 0;
	if (application != APPLICATION_ID)
		return error_set(error, -EBADMSG,
			"%s is an SQLite database of another program: name another file for the metadata",
			store->path);
	if (version != SCHEMA_VERSION)
		return error_set(error, -EBADMSG,
			"the metadata database %s has version %lld, this program knows %d: use the newer "
			"program",
			store->path, (long long)version, SCHEMA_VERSION);
	return 0;
}

/* All three numbers from one state of the file: another agent may be making it just now. */
static int file_check_alone(struct store *store, bool *ret_empty, struct error *error)
{
	int code = store_run(store, STORE_BEGIN_READ);
	int rc;

	if (code != SQLITE_OK)
		return store_fail(store, code, error, "read its header");
	rc = file_check(store, ret_empty, error);
	if (rc != 0)
		return rc;
	code = store_run(store, STORE_COMMIT);
	return code == SQLITE_OK ? 0 : store_fail(store, code, error, "read its header");
}

static int wal_switch(struct store *store, struct error *error)
{
	sqlite3_stmt *statement = NULL;
	bool wal = false;
	int code = sqlite3_prepare_v2(store->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);

	if (code == SQLITE_OK) {
		code = sqlite3_step(statement);
		if (code == SQLITE_ROW) {
			wal = strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
			code = SQLITE_OK;
		}
	}
	(void)sqlite3_finalize(statement);
	if (code != SQLITE_OK)
		return store_fail(store, code, error, "switch it to WAL mode");
	if (!wal)
		return error_set(error, -EBADMSG,
			"the metadata database %s can't be used in WAL mode: it must be on a local file "
			"system",
			store->path);
	return 0;
}

static int schema_ensure(struct store *store, struct error *error)
{
	bool empty;
	int code = store_run(store, STORE_BEGIN_WRITE);
	int rc;

	if (code != SQLITE_OK)
		return store_fail(store, code, error, "begin a transaction");
	/* Again, now that nobody else writes: two agents may be making the file. */
	rc = file_check(store, &empty, error);
	if (rc != 0)
		return rc;
	if (empty) {
		code = schema_create(store);
		if (code != SQLITE_OK)
			return store_fail(store, code, error, "make its tables");
	}
	code = store_run(store, STORE_COMMIT);
	return code == SQLITE_OK ? 0 : store_fail(store, code, error, "commit");
}

static int integrity_check(struct store *store, struct error *error)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
	int rc = 0;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code != SQLITE_ROW)
		rc = store_fail(store, code, error, "check it");
	else if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0)
		rc = error_set(error, -EBADMSG,
			"the metadata database %s is damaged (%s): restore it from a backup", store->path,
			(const char *)sqlite3_column_text(statement, 0));
	(void)sqlite3_finalize(statement);
	return rc;
}

static int file_open(struct store *store, struct error *error)
{
	bool known = store->must_exist || !uuid_is_none(store->database);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	bool empty;
	int code = sqlite3_open_v2(store->path, &store->db, known ? flags : flags | SQLITE_OPEN_CREATE, NULL);
	int rc;

	if (code != SQLITE_OK)
		return store_fail(store, code, error, "open it");
	(void)sqlite3_busy_timeout(store->db, STORE_BUSY_TIMEOUT_MS);
	code = sqlite3_exec(store->db,
		"PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL;", NULL,
		NULL, NULL);
	if (code != SQLITE_OK)
		return store_fail(store, code, error, "open it");
	rc = file_check_alone(store, &empty, error);
	if (rc == 0 && empty && known)
		rc = error_set(error, -EBADMSG,
			"the metadata database %s is empty now: restore it from a backup", store->path);
	if (rc == 0)
		rc = wal_switch(store, error);
	if (rc == 0 && empty)
		rc = schema_ensure(store, error);
	if (rc == 0)
		rc = integrity_check(store, error);
	return rc;
}

static int open_once(struct store *store, struct error *error)
{
	struct stat info;
	int code;
	int rc;

	store->busy = false;
	rc = file_open(store, error);
	if (rc == 0 && stat(store->path, &info) != 0)
		rc = error_set(error, -EAGAIN, "the metadata database %s: %s", store->path, strerror(errno));
	if (rc == 0) {
		store->device = info.st_dev;
		store->inode = info.st_ino;
		code = store_meta_read(store);
		if (code != SQLITE_OK)
			rc = store_fail(store, code, error, "read its identity");
	}
	if (rc != 0)
		store_close(store);
	else
		store_reached(store);
	return rc;
}

int store_open(struct store *store, struct error *error)
{
	const struct timespec pause = { .tv_nsec = OPEN_PAUSE_NS };
	int rc = 0;

	if (store->db)
		return 0;
	/* SQLite doesn't wait for a lock where the file changes its mode: agents that start together meet
	 * there. */
	for (unsigned try = 0; try < OPEN_TRIES; try++) {
		rc = open_once(store, error);
		if (rc == 0 || !store->busy)
			break;
		(void)nanosleep(&pause, NULL);
	}
	return rc;
}

void store_check_file(struct store *store)
{
	struct stat info;

	if (!store->db)
		return;
	if (stat(store->path, &info) != 0 || info.st_dev != store->device || info.st_ino != store->inode)
		store_close(store);
}
