/*
 * The SQLite file itself, for the worker thread of one handle. Every function runs there.
 *
 *   meta     one row: the database's UUID, its revision, up to where the history was dropped
 *   kv       key -> value, revisions, lease
 *   history  (revision, part) -> key, value or NULL for a deletion: what watches read
 *   lease    id -> ttl, end on CLOCK_BOOTTIME, boot id
 */
#ifndef QUOIN_KVDB_SQLITE_STORE_H
#define QUOIN_KVDB_SQLITE_STORE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "kvdb/backend.h"

#define STORE_BOOT_ID_LEN     36u
#define STORE_BUSY_TIMEOUT_MS 1500

enum store_statement {
	STORE_BEGIN_READ,
	STORE_BEGIN_WRITE,
	STORE_COMMIT,
	STORE_ROLLBACK,
	STORE_META,
	STORE_REVISION_SET,
	STORE_COMPACTED_SET,
	STORE_GET,
	STORE_LIST,
	STORE_PUT,
	STORE_DELETE,
	STORE_HISTORY_ADD,
	STORE_HISTORY_READ,
	STORE_HISTORY_DROP,
	STORE_LEASE_GET,
	STORE_LEASE_PUT,
	STORE_LEASE_DELETE,
	STORE_LEASE_KEYS,
	STORE_LEASES,
	STORE_DATA_VERSION,
	STORE_STATEMENTS,
};

struct store {
	char *path;
	uint32_t keep_revisions;
	bool must_exist;
	char boot_id[STORE_BOOT_ID_LEN + 1];
	struct random random;
	sqlite3 *db; /* NULL: not open */
	sqlite3_stmt *statements[STORE_STATEMENTS];
	dev_t device; /* of the file that is open */
	ino_t inode;
	struct uuid database;         /* once seen, the file is not made again */
	uint64_t revision, compacted; /* as last read */
	bool busy;                    /* the last failure was another process's lock */
	/* Since when the database has answered without a gap; 0: it doesn't. Judges other agents' leases. */
	uint64_t reach_since_ns, reach_ns;
};

int store_init(struct store *store, const char *path, uint32_t keep_revisions) MUST_CHECK;
void store_done(struct store *store);

/* Opens, or makes, the file if it isn't open. Errors as in kvdb.h. */
int store_open(struct store *store, struct error *error) MUST_CHECK;
void store_close(struct store *store);
/* Closes it if the path leads elsewhere now: a file that was removed or put back from a backup. */
void store_check_file(struct store *store);

/* The statement, reset and without bindings; NULL after an error (see store_fail()). */
sqlite3_stmt *store_statement(struct store *store, enum store_statement which);
/* Runs a statement that gives no rows. An SQLite code. */
int store_run(struct store *store, enum store_statement which);
/* What the last failure, `code`, means; closes the file where going on is no use. Ends a transaction. */
int store_fail(struct store *store, int code, struct error *error, const char *doing);
/* Notes that the database has answered now. */
void store_reached(struct store *store);
/* Reads the row of meta into the store. An SQLite code. */
int store_meta_read(struct store *store);

/* Sets a number in meta, or drops history up to it: the statement's only binding. SQLite code. */
int store_number_set(struct store *store, enum store_statement which, uint64_t number);
/* Whether a lease is there, and its ttl. SQLite code. */
int store_lease_find(struct store *store, uint64_t lease, bool *ret_found, uint32_t *ret_ttl_ms);
/* Grant, keepalive, revoke. */
void store_request_lease(struct store *store, struct kvdb_request *request);
/* Carries a request out and fills in its answer. */
void store_request(struct store *store, struct kvdb_request *request);

/* A write transaction in the making: raises the revision with its first change. */
struct store_change {
	uint64_t revision;
	uint32_t parts;
};

/* SQLite codes. value NULL deletes. */
int store_change_put(struct store *store, struct store_change *change, const struct kvdb_write *write);
int store_change_commit(struct store *store, struct store_change *change);
/* Deletes a lease and its keys. */
int store_change_lease_end(struct store *store, struct store_change *change, uint64_t lease);

/* Ends the leases whose time is over, as far as this process may judge; SQLite code. *ret_ended: how many. */
int store_leases_sweep(struct store *store, unsigned *ret_ended);

/* Whether another connection has changed the file since the last call. SQLite code. */
int store_data_version(struct store *store, uint64_t *ret_version);

struct kvdb_prefixes;

/* Events of keys under the prefixes from revision `from` to `to`, in their order, into a new array. */
struct store_events {
	struct kvdb_event *events;
	size_t count, capacity;
};
int store_events_read(struct store *store, const struct kvdb_prefixes *prefixes, uint64_t from, uint64_t to,
	struct store_events *events);
void store_events_free(struct store_events *events);
/* The least text above all that begin with `prefix`, into `upper`. */
void store_prefix_upper(const char *prefix, char upper[static KVDB_MAX_KEY_LEN + 2]);

#endif
