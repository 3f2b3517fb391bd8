/*
 * dataplane: the control thread's side of one data-plane thread; a node may have several (datapath_thread()).
 * Commands go over through the loop's mailbox, answers come back through a queue that the control thread
 * drains when it is woken.
 *
 * Thread rule: the control thread, except run() and dataplane_call_finish(), which are the data-plane
 * thread's.
 */
#ifndef QUOIN_DATAPATH_DATAPLANE_H
#define QUOIN_DATAPATH_DATAPLANE_H

#include "datapath/datapath.h"

struct dataplane;

#define DATAPLANE_MAX_THREADS 16u

struct dataplane_config {
	char node[NAME_MAX_LEN + 1];
	/*
	 * Which of how many this is; 0 of 0: the only one. Thread 0 is started last and stopped first: it
	 * listens, and gives connections to all of them. `others`: for thread 0, the others by their number,
	 * from 1.
	 */
	unsigned thread, threads;
	struct dataplane *const *others;
	struct net_address listen;
	uint8_t key[NET_KEY_BYTES];
	uint64_t buffer_bytes; /* budget of data buffers: 512 MiB */
	uint32_t entry_count;  /* 65536 */
	uint32_t lease_ms;
	uint64_t resync_bytes_per_s; /* 0: no limit */
	uint64_t compare_every_ms, compare_bytes_per_s;
	uint64_t snapshot_cache_bytes; /* 0: none */
	/* Called from the data-plane thread: wakes the control thread, which then calls dataplane_drain(). */
	void (*wake)(void *user);
	/* On the control thread, from dataplane_drain(). */
	void (*event)(void *user, const char *kind, const char *subject, const char *text);
	void *user;
};

/* Starts the thread; thread 0 listens. -errno with words (no io_uring, address in use ...). */
int dataplane_start(const struct dataplane_config *config, struct dataplane **ret_dataplane,
	struct error *error) MUST_CHECK;
/*
 * Stops and joins the thread, runs what is to be drained a last time, and frees. All volumes were detached
 * and pools closed before, all calls finished. NULL is fine.
 */
void dataplane_stop(struct dataplane *dataplane);
/* Runs the done() of everything that has been finished, and pending events. */
void dataplane_drain(struct dataplane *dataplane);

/* Where it listens (thread 0): the port that was chosen, if it was asked to listen on port 0. */
struct net_address dataplane_address(const struct dataplane *dataplane);

/* A command; the caller's until done() has run. */
struct dataplane_call {
	/* On the data-plane thread; calls dataplane_call_finish() now or later. */
	void (*run)(struct dataplane_call *call);
	void (*done)(struct dataplane_call *call); /* on the control thread */
	int rc;                                    /* for run() to set */
	struct dataplane *dataplane;
	struct loop_message message;
	struct dataplane_call *next;
};

void dataplane_call(struct dataplane *dataplane, struct dataplane_call *call);
/* On the data-plane thread: done() will run on the control thread with this rc. Once for each call. */
void dataplane_call_finish(struct dataplane_call *call, int rc);
/*
 * For run(): a pool's device has not answered all that it was given (store's pool_close()). What the kernel
 * may still write to then stays until the process ends: dataplane_stop() frees none of this thread's memory.
 */
void dataplane_leave(struct dataplane *dataplane);
/*
 * For run(): what lives on the thread. The counters belong to it too: copy them there, not here.
 */
struct datapath *dataplane_datapath(struct dataplane *dataplane);
struct uring_loop *dataplane_loop(struct dataplane *dataplane);
struct buf_pool *dataplane_bufs(struct dataplane *dataplane);
struct entry_pool *dataplane_entries(struct dataplane *dataplane);
const struct net_tcp_counters *dataplane_net_counters(struct dataplane *dataplane);

#endif
