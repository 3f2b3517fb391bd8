/* The SQLite backend on the control thread: takes requests, hands answers and events over to the user. */
#include "kvdb/sqlite_handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS_DEFAULT        50u
#define KEEP_REVISIONS_DEFAULT 10000u

static struct sqlite_kvdb *handle_of(struct kvdb *kvdb)
{
	return container_of(kvdb, struct sqlite_kvdb, base);
}

/* ---- the control thread: from the worker ---- */

static void watch_free(struct sqlite_watch *watch)
{
	kvdb_prefixes_done(&watch->base.prefixes);
	free(watch);
}

static void watch_end(struct sqlite_kvdb *handle, struct sqlite_watch *watch)
{
	uv_mutex_lock(&handle->lock);
	watch->cancelled = true;
	handle->tell = true;
	uv_cond_signal(&handle->wake);
	uv_mutex_unlock(&handle->lock);
}

static void message_deliver(struct sqlite_kvdb *handle, struct message *message)
{
	struct sqlite_watch *watch = message->watch;
	const struct kvdb_watch_callbacks *callbacks = &watch->base.callbacks;
	bool silent = handle->base.closing || watch->cancelled;

	switch (message->kind) {
	case MESSAGE_EVENTS:
		if (!silent)
			callbacks->events(callbacks->arg, message->events.events, message->events.count,
				message->revision);
		break;
	case MESSAGE_LOST:
		if (!silent) {
			watch_end(handle, watch);
			callbacks->lost(callbacks->arg, message->rc, &message->error);
		}
		break;
	case MESSAGE_GONE:
		watch_free(watch);
		break;
	}
	store_events_free(&message->events);
	free(message);
}

/* Takes all nodes of `from`, with the lock. */
static void list_take(struct list *from, struct list *to)
{
	struct list *node;

	list_init(to);
	while ((node = list_pop_front(from)))
		list_push_back(to, node);
}

static void drain(struct sqlite_kvdb *handle)
{
	struct list answers, messages;
	struct list *node;

	uv_mutex_lock(&handle->lock);
	list_take(&handle->answers, &answers);
	list_take(&handle->messages, &messages);
	uv_mutex_unlock(&handle->lock);
	while ((node = list_pop_front(&answers)))
		kvdb_request_answer(list_entry(node, struct kvdb_request, node));
	while ((node = list_pop_front(&messages)))
		message_deliver(handle, list_entry(node, struct message, node));
}

static void handle_closed(uv_handle_t *closed)
{
	struct sqlite_kvdb *handle = closed->data;
	void (*fn)(void *arg) = handle->base.closed_fn;
	void *arg = handle->base.closed_arg;
	struct list *node;

	if (--handle->handles > 0)
		return;
	while ((node = list_pop_front(&handle->watches)))
		watch_free(list_entry(node, struct sqlite_watch, node));
	uv_cond_destroy(&handle->wake);
	uv_mutex_destroy(&handle->lock);
	store_done(&handle->store);
	free(handle);
	fn(arg);
}

static void handle_close_uv(struct sqlite_kvdb *handle)
{
	uv_close((uv_handle_t *)&handle->async, handle_closed);
	uv_close((uv_handle_t *)&handle->timer, handle_closed);
}

static void async_run(uv_async_t *async)
{
	struct sqlite_kvdb *handle = async->data;
	bool stopped;

	uv_mutex_lock(&handle->lock);
	stopped = handle->stopped;
	uv_mutex_unlock(&handle->lock);
	drain(handle);
	if (!stopped)
		return;
	ASSERT(handle->base.closing);
	(void)uv_thread_join(&handle->thread);
	handle_close_uv(handle);
}

static void timer_run(uv_timer_t *timer)
{
	struct sqlite_kvdb *handle = timer->data;

	kvdb_run_due(&handle->base);
}

/* ---- the control thread: to the worker ---- */

static void sqlite_submit(struct kvdb *kvdb, struct kvdb_request *request)
{
	struct sqlite_kvdb *handle = handle_of(kvdb);

	uv_mutex_lock(&handle->lock);
	list_push_back(&handle->queue, &request->node);
	uv_cond_signal(&handle->wake);
	uv_mutex_unlock(&handle->lock);
}

static bool sqlite_withdraw(struct kvdb *kvdb, struct kvdb_request *request)
{
	struct sqlite_kvdb *handle = handle_of(kvdb);
	bool found = false;

	uv_mutex_lock(&handle->lock);
	list_for_each (node, &handle->queue)
		found = found || node == &request->node;
	if (found)
		list_remove(&request->node);
	uv_mutex_unlock(&handle->lock);
	return found;
}

static int sqlite_watch(struct kvdb *kvdb, const struct kvdb_prefixes *prefixes, uint64_t from_revision,
	const struct kvdb_watch_callbacks *callbacks, struct kvdb_watch **ret_watch)
{
	struct sqlite_kvdb *handle = handle_of(kvdb);
	struct sqlite_watch *watch = calloc(1, sizeof(*watch));
	struct kvdb_prefixes given = *prefixes;

	if (!watch) {
		kvdb_prefixes_done(&given);
		return -ENOMEM;
	}
	watch->base = (struct kvdb_watch){ .kvdb = kvdb, .prefixes = given, .callbacks = *callbacks };
	watch->next = from_revision;
	uv_mutex_lock(&handle->lock);
	list_push_back(&handle->watches, &watch->node);
	handle->tell = true;
	uv_cond_signal(&handle->wake);
	uv_mutex_unlock(&handle->lock);
	*ret_watch = &watch->base;
	return 0;
}

static void sqlite_watch_cancel(struct kvdb_watch *base)
{
	watch_end(handle_of(base->kvdb), container_of(base, struct sqlite_watch, base));
}

static void sqlite_wake_at(struct kvdb *kvdb, uint64_t at_ns)
{
	struct sqlite_kvdb *handle = handle_of(kvdb);
	uint64_t now_ns = clock_now_ns(kvdb->clock);
	uint64_t after_ms = at_ns > now_ns ? (at_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;

	uv_update_time(handle->loop);
	(void)uv_timer_start(&handle->timer, timer_run, after_ms, 0);
}

/* The worker ends after the request that it has, and says so; async_run() goes on from there. */
static void sqlite_close(struct kvdb *kvdb, void (*fn)(void *arg), void *arg)
{
	struct sqlite_kvdb *handle = handle_of(kvdb);

	(void)fn;
	(void)arg;
	(void)uv_timer_stop(&handle->timer);
	uv_mutex_lock(&handle->lock);
	handle->stop = true;
	uv_cond_signal(&handle->wake);
	uv_mutex_unlock(&handle->lock);
}

static const struct kvdb_ops sqlite_ops = {
	.submit = sqlite_submit,
	.withdraw = sqlite_withdraw,
	.watch = sqlite_watch,
	.watch_cancel = sqlite_watch_cancel,
	.wake_at = sqlite_wake_at,
	.close = sqlite_close,
};

/* ---- opening ---- */

static void nobody_waits(void *arg)
{
	(void)arg;
}

/* What libuv needs to be told; the thread comes last, for it uses all of it. */
static int handle_start(struct sqlite_kvdb *handle, uv_loop_t *loop, struct error *error)
{
	int rc = uv_mutex_init(&handle->lock);

	if (rc != 0)
		goto out;
	rc = uv_cond_init(&handle->wake);
	if (rc != 0)
		goto out_lock;
	rc = uv_async_init(loop, &handle->async, async_run);
	if (rc != 0)
		goto out_cond;
	(void)uv_timer_init(loop, &handle->timer); /* never fails */
	handle->async.data = handle;
	handle->timer.data = handle;
	handle->handles = 2;
	rc = uv_thread_create(&handle->thread, sqlite_worker_run, handle);
	if (rc == 0)
		return 0;
	/* The loop has two handles in our memory now: it is freed when it has let go of them. */
	handle->base.closed_fn = nobody_waits;
	handle_close_uv(handle);
	return error_set(error, rc, "can't start the metadata thread: %s", uv_strerror(rc));
out_cond:
	uv_cond_destroy(&handle->wake);
out_lock:
	uv_mutex_destroy(&handle->lock);
out:
	(void)error_set(error, rc, "can't start the metadata thread: %s", uv_strerror(rc));
	store_done(&handle->store);
	free(handle);
	return rc;
}

int kvdb_sqlite_open(struct uv_loop_s *loop, const struct kvdb_sqlite_options *options,
	struct kvdb **ret_kvdb, struct error *error)
{
	struct sqlite_kvdb *handle;
	int rc;

	if (!options->path || options->path[0] != '/')
		return error_set(error, -EINVAL, "the metadata database needs an absolute path, not \"%s\"",
			options->path ? options->path : "");
	handle = calloc(1, sizeof(*handle));
	if (!handle)
		return error_set(error, -ENOMEM, "out of memory");
	kvdb_init(&handle->base, &sqlite_ops, clock_system());
	handle->loop = loop;
	handle->poll_ms = options->poll_ms ? options->poll_ms : POLL_MS_DEFAULT;
	list_init(&handle->queue);
	list_init(&handle->answers);
	list_init(&handle->messages);
	list_init(&handle->watches);
	rc = store_init(&handle->store, options->path,
		options->keep_revisions ? options->keep_revisions : KEEP_REVISIONS_DEFAULT);
	handle->store.must_exist = options->must_exist;
	if (rc != 0) {
		store_done(&handle->store);
		free(handle);
		return error_set(error, rc, "can't prepare the metadata database: %s", strerror(-rc));
	}
	rc = handle_start(handle, loop, error);
	if (rc == 0)
		*ret_kvdb = &handle->base;
	return rc;
}
