/*
 * What a backend of kvdb implements, and what it gets for it: requests that are checked and copied already,
 * with deadlines and timers looked after. For backends only (tests/lib/kvdb_sim.c is one).
 *
 * Thread rule: the control thread. A backend with threads of its own hands answers over first.
 */
#ifndef QUOIN_KVDB_BACKEND_H
#define QUOIN_KVDB_BACKEND_H

#include "kvdb/kvdb.h"

enum kvdb_op {
	KVDB_OP_GET,
	KVDB_OP_LIST,
	KVDB_OP_IDENTIFY,
	KVDB_OP_TRANSACT,
	KVDB_OP_GRANT,
	KVDB_OP_KEEPALIVE,
	KVDB_OP_REVOKE,
};

/* A call. Between submit() and kvdb_request_answer() it is the backend's, which fills in the answer. */
struct kvdb_request {
	struct list node;    /* the backend's */
	struct list pending; /* kvdb's: not answered yet */
	struct kvdb *kvdb;
	enum kvdb_op op;
	char *key;       /* GET: the key, LIST: the prefix */
	char *after;     /* LIST: NULL, or the key that the first one comes after */
	size_t limit;    /* LIST */
	uint64_t lease;  /* KEEPALIVE, REVOKE */
	uint32_t ttl_ms; /* GRANT */
	struct kvdb_compare *compares;
	size_t compare_count;
	struct kvdb_write *writes;
	size_t write_count;
	uint32_t timeout_ms;
	uint64_t deadline_ns;
	kvdb_done_fn fn;
	void *arg;
	bool answered; /* its deadline has passed: only to be freed */
	/* the answer */
	struct kvdb_result result; /* items: its own, see kvdb_request_item() */
	struct error error;
	size_t item_capacity;
};

/* What a watch is about: a copy, for kvdb_prefixes_done(). */
struct kvdb_prefixes {
	size_t count;
	char *at[KVDB_MAX_WATCH_PREFIXES];
};

struct kvdb_ops {
	/* Takes the request over, and does not answer it before it returns. */
	void (*submit)(struct kvdb *kvdb, struct kvdb_request *request);
	/*
	 * The user was answered, or is about to be. True: the request has not begun and never will, and is
	 * the caller's again. False: it is under way, and kvdb_request_answer() will come.
	 */
	bool (*withdraw)(struct kvdb *kvdb, struct kvdb_request *request);
	/* Takes the prefixes over, also where it fails. */
	int (*watch)(struct kvdb *kvdb, const struct kvdb_prefixes *prefixes, uint64_t from_revision,
		const struct kvdb_watch_callbacks *callbacks, struct kvdb_watch **ret_watch);
	void (*watch_cancel)(struct kvdb_watch *watch);
	/* Have kvdb_run_due() called at at_ns, instead of what was asked before. */
	void (*wake_at)(struct kvdb *kvdb, uint64_t at_ns);
	/* No request is pending for the user. Frees everything, then calls fn, now or later. */
	void (*close)(struct kvdb *kvdb, void (*fn)(void *arg), void *arg);
};

/* The common part of a handle, the first member of a backend's. */
struct kvdb {
	const struct kvdb_ops *ops;
	const struct clock *clock;
	struct list pending;
	struct list timers;
	uint64_t wake_ns; /* what was asked of wake_at(); UINT64_MAX: nothing */
	bool closing;
	void (*closed_fn)(void *arg);
	void *closed_arg;
};

/* The common part of a watch, the first member of a backend's; the prefixes are freed with it. */
struct kvdb_watch {
	struct kvdb *kvdb;
	struct kvdb_prefixes prefixes;
	struct kvdb_watch_callbacks callbacks;
};

void kvdb_init(struct kvdb *kvdb, const struct kvdb_ops *ops, const struct clock *clock);
/* Timers, deadlines and the end of closing; may free the handle. */
void kvdb_run_due(struct kvdb *kvdb);

void kvdb_prefixes_done(struct kvdb_prefixes *prefixes);
bool kvdb_prefixes_match(const struct kvdb_prefixes *prefixes, const char *key);

/* Calls the user with the answer that is in the request (unless its deadline was first), and frees it. */
void kvdb_request_answer(struct kvdb_request *request);
/* Sets rc and words; for the backend, on whatever thread has the request. */
void kvdb_request_fail(struct kvdb_request *request, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Sets KVDB_LOST and its words: the compare of `key` failed. */
void kvdb_request_lose(struct kvdb_request *request, const char *key);
/* Adds an item to the answer, copying all of it. -ENOMEM. */
int kvdb_request_item(struct kvdb_request *request, const struct kvdb_item *item) MUST_CHECK;
void kvdb_request_free(struct kvdb_request *request);
/* -EINVAL with words unless it is 1 (0 for a prefix) to KVDB_MAX_KEY_LEN printable ASCII characters. */
int kvdb_key_check(const char *key, bool prefix, struct error *error) MUST_CHECK;

#endif
