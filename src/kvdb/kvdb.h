/*
 * kvdb: the metadata database, as keys and values with revisions: get, list, compare-and-set transaction,
 * lease, watch. kvdb_sqlite.c serves several agents of one machine from one file; etcd v3 will serve a
 * cluster through the same functions, and tests have a simulated one. It knows nothing of volumes:
 * src/catalog does.
 *
 *        kvdb_..._open() --> calls and watches --> kvdb_close() --> every pending call ends (-ECANCELED)
 *        --> fn
 *
 * Thread rule: the control thread. No callback runs inside the call that asked for it, and each call ends
 * in exactly one callback, at the latest at its deadline. Inputs are copied; what a callback is given is
 * valid during it.
 *
 * Error rule: result.rc is 0, KVDB_LOST (a transaction's compare failed, nothing was written) or a negative
 * errno, with words:
 *   -EAGAIN     the database is out of reach or too busy. A transaction has certainly not happened.
 *   -ETIMEDOUT  no answer within the deadline. A transaction may have happened, or may still: read, then
 *               decide.
 *   -EIO        the database failed in the middle. The same doubt.
 *   -EBADMSG    the database is damaged, or isn't one of Quoin's.
 *   -ENOENT     no such key (get) or lease (keepalive, put with a lease: it has ended).
 *   -EINVAL     a key or value that is too long, a malformed transaction.
 *   -ECANCELED  the handle was closed first.
 *
 * Revisions: one counter for the whole database, raised by one with each transaction that writes. Every
 * answer tells the revision it was read at; reads are linearizable. A lease's keepalive raises nothing.
 */
#ifndef QUOIN_KVDB_H
#define QUOIN_KVDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#define KVDB_LOST 1

#define KVDB_MAX_KEY_LEN     512u
#define KVDB_MAX_VALUE_BYTES (1u << 20) /* etcd takes requests of 1.5 MiB */
#define KVDB_MAX_TXN_OPS     128u       /* compares, and writes: etcd's default for each */
#define KVDB_MAX_LIST        100000u    /* keys in one answer */

struct kvdb;
struct kvdb_watch;

struct kvdb_item {
	const char *key;
	const uint8_t *value;
	size_t value_bytes;
	uint64_t create_revision;
	uint64_t mod_revision; /* of the last write of this key */
	uint64_t lease;        /* 0: bound to none */
};

struct kvdb_result {
	int rc;
	const struct error *error; /* words, where rc is not 0; never NULL */
	/* Of the database, when it was read or written; 0 where rc < 0, but for -ENOENT of a get. */
	uint64_t revision;
	const struct kvdb_item *items; /* get: one; list: in order of keys (strcmp) */
	size_t count;
	uint64_t lease;       /* grant */
	struct uuid database; /* identify */
};

typedef void (*kvdb_done_fn)(void *arg, const struct kvdb_result *result);

/* ---- reading ---- */

void kvdb_get(struct kvdb *kvdb, const char *key, uint32_t timeout_ms, kvdb_done_fn fn, void *arg);
/*
 * The first `limit` keys (1 to KVDB_MAX_LIST) that begin with `prefix` and come after `after` (NULL: from the
 * first on). Fewer than that, or none: these were the last.
 */
void kvdb_list(struct kvdb *kvdb, const char *prefix, const char *after, size_t limit, uint32_t timeout_ms,
	kvdb_done_fn fn, void *arg);
/*
 * The database's own UUID, made with it, and its revision. A UUID that changed or a revision that went back
 * is a database restored from a backup.
 */
void kvdb_identify(struct kvdb *kvdb, uint32_t timeout_ms, kvdb_done_fn fn, void *arg);

/* ---- writing ---- */

enum kvdb_compare_kind {
	KVDB_IF_ABSENT,
	KVDB_IF_PRESENT,
	KVDB_IF_REVISION, /* mod_revision equals; 0 is absent */
	KVDB_IF_VALUE,    /* value equals, byte for byte; never true for an absent key */
};

struct kvdb_compare {
	enum kvdb_compare_kind kind;
	const char *key;
	uint64_t revision;
	const uint8_t *value;
	size_t value_bytes;
};

struct kvdb_write {
	const char *key;      /* at most once in a transaction */
	const uint8_t *value; /* NULL: the key is deleted; harmless where it is absent */
	size_t value_bytes;
	uint64_t lease; /* the key vanishes with this lease; 0: none, and a former one is forgotten */
};

struct kvdb_txn {
	const struct kvdb_compare *compares;
	size_t compare_count;
	const struct kvdb_write *writes;
	size_t write_count;
};

/*
 * All writes at once, durably, if all compares hold; else KVDB_LOST, whose revision is one at which a compare
 * failed. On success `revision` is the writes' mod_revision.
 */
void kvdb_transact(
	struct kvdb *kvdb, const struct kvdb_txn *txn, uint32_t timeout_ms, kvdb_done_fn fn, void *arg);

/* ---- leases ---- */

/* A lease of ttl_ms (at least 1,000; etcd rounds up to seconds). Time counts on the database's side. */
void kvdb_lease_grant(struct kvdb *kvdb, uint32_t ttl_ms, uint32_t timeout_ms, kvdb_done_fn fn, void *arg);
/* Begins the ttl anew. -ENOENT: the lease has ended, and its keys are gone. */
void kvdb_lease_keepalive(struct kvdb *kvdb, uint64_t lease, uint32_t timeout_ms, kvdb_done_fn fn, void *arg);
/* Ends it now: its keys are deleted, as one transaction. Success where there is none. */
void kvdb_lease_revoke(struct kvdb *kvdb, uint64_t lease, uint32_t timeout_ms, kvdb_done_fn fn, void *arg);

/* ---- watches ---- */

struct kvdb_event {
	const char *key;
	const uint8_t *value; /* NULL: deleted */
	size_t value_bytes;
	uint64_t revision;
};

/*
 * `events` tells all changes of keys under the prefixes, each once, in order of revisions; those of one
 * transaction together, whichever prefix they are under. After it, everything up to `revision` has been told.
 * It is also called with count 0, to tell that: soon after any call of this handle was answered at a higher
 * revision.
 *
 * `lost` (once, instead of going on): the changes wanted are no longer kept, or the database was restored
 * from a backup. The watch is over and gone: list again. While the database is only out of reach, a watch
 * waits.
 */
struct kvdb_watch_callbacks {
	void (*events)(void *arg, const struct kvdb_event *events, size_t count, uint64_t revision);
	void (*lost)(void *arg, int rc, const struct error *error);
	void *arg;
};

#define KVDB_MAX_WATCH_PREFIXES 16u

/*
 * Changes from from_revision on (that revision's own included): a list's revision + 1. None of the prefixes
 * begins with another one. -ENOMEM, -EINVAL.
 */
int kvdb_watch(struct kvdb *kvdb, const char *const *prefixes, size_t prefix_count, uint64_t from_revision,
	const struct kvdb_watch_callbacks *callbacks, struct kvdb_watch **ret_watch) MUST_CHECK;
/* No callback comes after this. NULL is fine. */
void kvdb_watch_cancel(struct kvdb_watch *watch);

/* ---- the loop that the handle lives on: libuv's, or the simulator's ---- */

struct kvdb_timer {
	void (*fn)(void *arg);
	void *arg;
	uint64_t at_ns; /* 0: not set */
	struct list node;
};

void kvdb_timer_init(struct kvdb_timer *timer, void (*fn)(void *arg), void *arg);
/* Fires once; setting it again moves it. To be cancelled before kvdb_close(). */
void kvdb_timer_set(struct kvdb *kvdb, struct kvdb_timer *timer, uint64_t after_ms);
void kvdb_timer_cancel(struct kvdb *kvdb, struct kvdb_timer *timer);
const struct clock *kvdb_clock(const struct kvdb *kvdb);

/*
 * Ends watches (silently) and calls (-ECANCELED); the handle is gone when fn runs. Leases run on until they
 * end.
 */
void kvdb_close(struct kvdb *kvdb, void (*fn)(void *arg), void *arg);

/* ---- SQLite ---- */

struct uv_loop_s;

struct kvdb_sqlite_options {
	const char *path;        /* its folder must exist, on a local file system */
	bool must_exist;         /* else it is made if absent */
	uint32_t poll_ms;        /* how often changes of other agents are looked for; 0: 50 */
	uint32_t keep_revisions; /* changes kept for watches; 0: 10,000 */
};

/*
 * One file in WAL mode, for all agents of one machine; all access is on one thread of its own. Returns at
 * once: a file that can't be opened is told by the first call, and tried again by the next. -ENOMEM,
 * -EINVAL (path), -errno of the thread, with words.
 */
int kvdb_sqlite_open(struct uv_loop_s *loop, const struct kvdb_sqlite_options *options,
	struct kvdb **ret_kvdb, struct error *error) MUST_CHECK;

#endif
