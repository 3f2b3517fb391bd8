/*
 * One handle of the SQLite backend: a worker thread that does everything with the file, a queue to it and
 * one back.
 *
 *   control thread:  submit --> queue --+                       +--> answers, messages --> user
 *                                       v  uv_cond     uv_async ^
 *   worker thread:                 store_request(), look for changes and leases
 */
#ifndef QUOIN_KVDB_SQLITE_HANDLE_H
#define QUOIN_KVDB_SQLITE_HANDLE_H

#include <uv.h>

#include "kvdb/sqlite_store.h"

struct sqlite_watch {
	struct kvdb_watch base;
	struct list node; /* the handle's watches (with the lock), for as long as it lives */
	uint64_t next;    /* the worker's: the first revision not told yet */
	uint64_t told;    /* the worker's: what the last message said */
	bool over;        /* the worker's: lost, nothing more to tell */
	bool cancelled;   /* with the lock */
};

enum message_kind { MESSAGE_EVENTS, MESSAGE_LOST, MESSAGE_GONE };

/* From the worker to the control thread, about a watch. */
struct message {
	struct list node;
	enum message_kind kind;
	struct sqlite_watch *watch;
	struct store_events events;
	uint64_t revision;
	int rc;
	struct error error;
};

struct sqlite_kvdb {
	struct kvdb base;
	uv_loop_t *loop;
	uv_async_t async;
	uv_timer_t timer;
	unsigned handles; /* of libuv, to be closed */
	uint32_t poll_ms;
	uv_thread_t thread;
	uv_mutex_t lock;
	uv_cond_t wake;
	/* with the lock: */
	struct list queue;   /* requests not begun */
	struct list answers; /* requests carried out */
	struct list messages;
	struct list watches;
	bool tell; /* a watch is new, or cancelled */
	bool stop, stopped;
	/* the worker's: */
	struct store store;
	uint64_t data_version, swept_ns, checked_ns, opened_ns;
};

/* The worker's thread: runs until `stop`, closes the file, sets `stopped`. */
void sqlite_worker_run(void *arg);

#endif
