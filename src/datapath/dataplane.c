/*
 * One data-plane thread, and the two lock-free queues between it and the control thread.
 *
 *   control: dataplane_call() -> loop_post() -> run() on the data-plane thread
 *            -> dataplane_call_finish() -> `finished` (a stack) -> wake() -> dataplane_drain() -> done()
 *
 *   events:  data-plane thread -> `events` (a ring of fixed size) -> wake() -> dataplane_drain() -> event()
 */
#include "datapath/dataplane.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Events that wait for the control thread; more are counted and dropped. */
#define EVENTS_MAX    256u
#define IDLE_CHECK_NS NS_PER_MS
/* Strangers can't flood the events: one of them in so long. All are counted. */
#define REFUSED_EVENT_NS NS_PER_S

struct dataplane_event {
	char kind[32];
	char subject[NAME_MAX_LEN + 1];
	char text[ERROR_TEXT_MAX];
};

struct dataplane {
	struct dataplane_config config;
	struct uring_loop *loop;
	struct buf_pool *bufs;
	struct entry_pool *entries;
	struct net *net;
	struct net *lanes[DATAPLANE_MAX_THREADS]; /* thread 0: of all threads */
	struct datapath *datapath;
	struct net_address address;
	pthread_t thread;
	struct loop_message stop_message;
	struct loop_timer idle_timer;
	uint64_t refused_event_ns; /* of the last one */
	uint64_t refused_untold;
	bool left; /* devices have not answered all, see dataplane_leave() */
	struct dataplane *next_left;

	/* Calls that have been finished, newest first. */
	_Alignas(64) _Atomic(struct dataplane_call *) finished;
	/* Written by the data-plane thread up to events_in, read by the control thread up to events_out. */
	_Alignas(64) atomic_uint events_in;
	_Alignas(64) atomic_uint events_out;
	atomic_uint events_dropped;
	struct dataplane_event events[EVENTS_MAX];
};

/* ---- data-plane thread ---- */

static void copy_text(char *to, size_t to_bytes, const char *from)
{
	(void)snprintf(to, to_bytes, "%s", from);
}

static void dataplane_event_put(void *user, const char *kind, const char *subject, const char *text)
{
	struct dataplane *d = user;
	unsigned in = atomic_load_explicit(&d->events_in, memory_order_relaxed);
	unsigned out = atomic_load_explicit(&d->events_out, memory_order_acquire);
	struct dataplane_event *event = &d->events[in % EVENTS_MAX];

	if (in - out == EVENTS_MAX) {
		atomic_fetch_add_explicit(&d->events_dropped, 1, memory_order_relaxed);
		return;
	}
	copy_text(event->kind, sizeof(event->kind), kind);
	copy_text(event->subject, sizeof(event->subject), subject);
	copy_text(event->text, sizeof(event->text), text);
	atomic_store_explicit(&d->events_in, in + 1, memory_order_release);
	d->config.wake(d->config.user);
}

static void dataplane_refused(void *arg, const char *from, const char *why)
{
	struct dataplane *d = arg;
	uint64_t now_ns = loop_now_ns(uring_loop_core(d->loop));
	char text[ERROR_TEXT_MAX];

	if (d->refused_event_ns != 0 && now_ns - d->refused_event_ns < REFUSED_EVENT_NS) {
		d->refused_untold++;
		return;
	}
	if (d->refused_untold > 0) {
		(void)snprintf(text, sizeof(text), "%s (and %lu more before it)", why,
			(unsigned long)d->refused_untold);
		why = text;
	}
	d->refused_event_ns = now_ns;
	d->refused_untold = 0;
	dataplane_event_put(d, "connection-refused", from, why);
}

static void call_arrives(struct loop_message *message)
{
	struct dataplane_call *call = container_of(message, struct dataplane_call, message);

	call->run(call);
}

void dataplane_call_finish(struct dataplane_call *call, int rc)
{
	struct dataplane *d = call->dataplane;
	struct dataplane_call *head = atomic_load_explicit(&d->finished, memory_order_relaxed);

	call->rc = rc;
	do {
		call->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&d->finished, &head, call, memory_order_release, memory_order_relaxed));
	/* `call` may be gone by now. Who found the stack empty wakes. */
	if (!head)
		d->config.wake(d->config.user);
}

static void dataplane_check_idle(void *arg)
{
	struct dataplane *d = arg;
	struct loop *core = uring_loop_core(d->loop);

	if (!net_tcp_is_idle(d->net)) {
		loop_timer_set(core, &d->idle_timer, loop_now_ns(core) + IDLE_CHECK_NS);
		return;
	}
	if (!d->left) {
		datapath_free(d->datapath);
		d->datapath = NULL;
	}
	uring_loop_stop(d->loop);
}

static void stop_arrives(struct loop_message *message)
{
	struct dataplane *d = container_of(message, struct dataplane, stop_message);

	net_tcp_shutdown(d->net);
	dataplane_check_idle(d);
}

static void *dataplane_thread(void *arg)
{
	struct dataplane *d = arg;

	uring_loop_run(d->loop);
	return NULL;
}

/* ---- control thread ---- */

/* Those whose memory is the kernel's until the process ends. */
static struct dataplane *left_planes;

/* Frees what there is; the thread is not running. */
static void dataplane_free(struct dataplane *d)
{
	if (d->left) {
		explicit_bzero(d->config.key, sizeof(d->config.key));
		d->next_left = left_planes;
		left_planes = d;
		return;
	}
	datapath_free(d->datapath);
	net_tcp_free(d->net);
	entry_pool_free(d->entries);
	buf_pool_free(d->bufs);
	uring_loop_free(d->loop);
	explicit_bzero(d->config.key, sizeof(d->config.key));
	free(d);
}

static int dataplane_build(struct dataplane *d, struct error *error)
{
	struct datapath_config datapath_config = {
		.thread = d->config.thread,
		.threads = d->config.threads,
		.lease_ms = d->config.lease_ms,
		.resync_bytes_per_s = d->config.resync_bytes_per_s,
		.compare_every_ms = d->config.compare_every_ms,
		.compare_bytes_per_s = d->config.compare_bytes_per_s,
		.snapshot_cache_bytes = d->config.snapshot_cache_bytes,
		.lease_margin_ms = d->config.lease_ms / 10 + 100,
		.user = d,
		.event = dataplane_event_put,
	};
	int rc = uring_loop_new(clock_system(), &d->loop, error);

	if (rc < 0)
		return rc;
	if (buf_pool_new(d->config.buffer_bytes, &d->bufs) < 0 ||
		entry_pool_new(d->config.entry_count, &d->entries) < 0 ||
		net_tcp_new(d->loop, d->bufs, d->config.key, &d->net) < 0)
		goto no_memory;
	d->net->refused = dataplane_refused;
	d->net->refused_arg = d;
	datapath_config.loop = uring_loop_core(d->loop);
	datapath_config.net = d->net;
	datapath_config.bufs = d->bufs;
	datapath_config.entries = d->entries;
	random_init_system(&datapath_config.random);
	copy_text(datapath_config.node, sizeof(datapath_config.node), d->config.node);
	if (datapath_new(&datapath_config, &d->datapath) < 0)
		goto no_memory;
	loop_timer_init(&d->idle_timer, dataplane_check_idle, d);
	d->stop_message.fn = stop_arrives;
	return 0;
no_memory:
	return error_set(error, -ENOMEM, "no memory for the data plane (buffers: %lu MiB, entries: %u)",
		(unsigned long)(d->config.buffer_bytes >> 20), d->config.entry_count);
}

/* Signals are the control thread's. */
static int dataplane_start_thread(struct dataplane *d)
{
	char name[16];
	sigset_t all, before;
	int rc;

	(void)snprintf(
		name, sizeof(name), d->config.threads > 1 ? "quoin-data-%u" : "quoin-data", d->config.thread);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&d->thread, NULL, dataplane_thread, d);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		(void)pthread_setname_np(d->thread, name);
	return rc;
}

static int dataplane_listen(struct dataplane *d, struct error *error)
{
	int rc;

	if (d->config.thread != 0)
		return 0;
	d->lanes[0] = d->net;
	for (unsigned i = 1; i < d->config.threads; i++)
		d->lanes[i] = d->config.others[i]->net;
	net_tcp_lanes(d->net, d->lanes, d->config.threads);
	rc = net_tcp_listen(d->net, &d->config.listen, error);
	if (rc == 0)
		net_tcp_address(d->net, &d->address);
	return rc;
}

int dataplane_start(
	const struct dataplane_config *config, struct dataplane **ret_dataplane, struct error *error)
{
	struct dataplane *d = aligned_alloc(64, sizeof(*d));
	int rc;

	if (!d)
		return error_set(error, -ENOMEM, "no memory for the data plane");
	memset(d, 0, sizeof(*d));
	d->config = *config;
	rc = dataplane_build(d, error);
	if (rc < 0)
		goto fail;
	rc = dataplane_listen(d, error);
	if (rc < 0)
		goto fail;
	rc = dataplane_start_thread(d);
	if (rc < 0) {
		/* What listening has begun is taken back by the loop, here for lack of its thread. */
		loop_post(d->loop, &d->stop_message);
		uring_loop_run(d->loop);
		(void)error_set(error, rc, "the data plane's thread: %s", strerror(-rc));
		goto fail;
	}
	*ret_dataplane = d;
	return 0;
fail:
	dataplane_free(d);
	return rc;
}

void dataplane_leave(struct dataplane *dataplane)
{
	dataplane->left = true;
}

void dataplane_call(struct dataplane *dataplane, struct dataplane_call *call)
{
	call->dataplane = dataplane;
	call->message.fn = call_arrives;
	loop_post(dataplane->loop, &call->message);
}

static void dataplane_drain_calls(struct dataplane *d)
{
	struct dataplane_call *newest = atomic_exchange_explicit(&d->finished, NULL, memory_order_acquire);
	struct dataplane_call *oldest = NULL;

	while (newest) {
		struct dataplane_call *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct dataplane_call *call = oldest;

		oldest = call->next; /* done() may free it */
		call->done(call);
	}
}

static void dataplane_drain_events(struct dataplane *d)
{
	unsigned in = atomic_load_explicit(&d->events_in, memory_order_acquire);
	unsigned out = atomic_load_explicit(&d->events_out, memory_order_relaxed);
	unsigned dropped = atomic_exchange_explicit(&d->events_dropped, 0, memory_order_relaxed);
	char text[64];

	for (; out != in; out++) {
		const struct dataplane_event *event = &d->events[out % EVENTS_MAX];

		if (d->config.event)
			d->config.event(d->config.user, event->kind, event->subject, event->text);
		atomic_store_explicit(&d->events_out, out + 1, memory_order_release);
	}
	if (dropped > 0 && d->config.event) {
		(void)snprintf(text, sizeof(text), "%u events came too fast and are lost", dropped);
		d->config.event(d->config.user, "events-lost", d->config.node, text);
	}
}

void dataplane_drain(struct dataplane *dataplane)
{
	dataplane_drain_calls(dataplane);
	dataplane_drain_events(dataplane);
}

void dataplane_stop(struct dataplane *dataplane)
{
	if (!dataplane)
		return;
	loop_post(dataplane->loop, &dataplane->stop_message);
	ASSERT(pthread_join(dataplane->thread, NULL) == 0);
	dataplane_drain(dataplane);
	dataplane_free(dataplane);
}

struct net_address dataplane_address(const struct dataplane *dataplane)
{
	return dataplane->address;
}

struct datapath *dataplane_datapath(struct dataplane *dataplane)
{
	return dataplane->datapath;
}

struct uring_loop *dataplane_loop(struct dataplane *dataplane)
{
	return dataplane->loop;
}

struct buf_pool *dataplane_bufs(struct dataplane *dataplane)
{
	return dataplane->bufs;
}

struct entry_pool *dataplane_entries(struct dataplane *dataplane)
{
	return dataplane->entries;
}

const struct net_tcp_counters *dataplane_net_counters(struct dataplane *dataplane)
{
	return net_tcp_counters(dataplane->net);
}
