/* The worker thread of the SQLite backend: carries requests out, tells watches, ends leases. */
#include "kvdb/sqlite_handle.h"

#include <errno.h>
#include <stdlib.h>

#define SWEEP_EVERY_NS      (250 * NS_PER_MS)
#define FILE_CHECK_EVERY_NS (250 * NS_PER_MS)
#define REOPEN_EVERY_NS     (250 * NS_PER_MS)

static void message_send(struct sqlite_kvdb *handle, struct message *message)
{
	uv_mutex_lock(&handle->lock);
	list_push_back(&handle->messages, &message->node);
	uv_mutex_unlock(&handle->lock);
	(void)uv_async_send(&handle->async);
}

static struct message *message_new(enum message_kind kind, struct sqlite_watch *watch)
{
	struct message *message = calloc(1, sizeof(*message));

	if (!message)
		return NULL;
	message->kind = kind;
	message->watch = watch;
	return message;
}

/* Tells a watch what is new. Without memory it is tried again at the next tick. */
static int watch_tell(struct sqlite_kvdb *handle, struct sqlite_watch *watch)
{
	struct store *store = &handle->store;
	struct message *message;
	int code = SQLITE_OK;

	if (watch->over || (watch->next > store->revision && watch->told == store->revision))
		return SQLITE_OK;
	message = message_new(MESSAGE_EVENTS, watch);
	if (!message)
		return SQLITE_NOMEM;
	if (watch->next <= store->compacted || store->revision < watch->told) {
		message->kind = MESSAGE_LOST;
		message->rc = error_set(&message->error, -ESTALE,
			store->revision < watch->told
				? "the metadata database went back from revision %llu to %llu"
				: "changes since revision %llu are no longer kept (up to %llu)",
			(unsigned long long)(store->revision < watch->told ? watch->told : watch->next),
			(unsigned long long)(store->revision < watch->told ? store->revision
									   : store->compacted));
		watch->over = true;
	} else {
		if (watch->next <= store->revision)
			code = store_events_read(
				store, &watch->base.prefixes, watch->next, store->revision, &message->events);
		if (code != SQLITE_OK) {
			free(message);
			return code;
		}
		message->revision = store->revision;
		if (watch->next <= store->revision)
			watch->next = store->revision + 1;
		watch->told = store->revision;
	}
	message_send(handle, message);
	return SQLITE_OK;
}

/*
 * The watches to tell something, as an array that the worker may use without the lock; sends off the
 * cancelled.
 */
static struct sqlite_watch **watches_take(struct sqlite_kvdb *handle, size_t *ret_count)
{
	struct sqlite_watch **watches;
	size_t count = 0;
	bool gone = false;

	uv_mutex_lock(&handle->lock);
	list_for_each (node, &handle->watches)
		count++;
	watches = calloc(count + 1, sizeof(struct sqlite_watch *));
	count = 0;
	list_for_each_safe (node, &handle->watches) {
		struct sqlite_watch *watch = list_entry(node, struct sqlite_watch, node);
		struct message *message;

		if (!watch->cancelled) {
			if (watches)
				watches[count++] = watch;
			continue;
		}
		message = message_new(MESSAGE_GONE, watch);
		if (!message)
			continue;
		list_remove(&watch->node);
		list_push_back(&handle->messages, &message->node);
		gone = true;
	}
	uv_mutex_unlock(&handle->lock);
	if (gone)
		(void)uv_async_send(&handle->async);
	*ret_count = count;
	return watches;
}

static int watches_tell(struct sqlite_kvdb *handle)
{
	size_t count;
	struct sqlite_watch **watches = watches_take(handle, &count);
	int code = SQLITE_OK;

	if (!handle->store.db) {
		free(watches);
		return SQLITE_OK;
	}
	/* One snapshot of the file for the revision and all events up to it. */
	if (count > 0) {
		code = store_run(&handle->store, STORE_BEGIN_READ);
		if (code == SQLITE_OK)
			code = store_meta_read(&handle->store);
		for (size_t i = 0; i < count && code == SQLITE_OK; i++)
			code = watch_tell(handle, watches[i]);
		if (code == SQLITE_OK)
			code = store_run(&handle->store, STORE_COMMIT);
	}
	free(watches);
	return code;
}

/* What a file that can't be read means to the user comes with the next call: here it is only kept trying. */
static void tick_failed(struct sqlite_kvdb *handle, int code)
{
	struct error error;

	if (handle->store.db)
		(void)store_fail(&handle->store, code, &error, "read");
}

/*
 * Looks for changes of others, and for leases that are over. `tell`: there may be something to tell anyhow.
 */
static void worker_tick(struct sqlite_kvdb *handle, bool tell)
{
	struct store *store = &handle->store;
	uint64_t now_ns = clock_now_ns(clock_system());
	uint64_t version = 0;
	unsigned ended = 0;
	int code = SQLITE_OK;

	if (now_ns - handle->checked_ns >= FILE_CHECK_EVERY_NS) {
		handle->checked_ns = now_ns;
		store_check_file(store);
	}
	if (!store->db && now_ns - handle->opened_ns >= REOPEN_EVERY_NS) {
		struct error error;

		handle->opened_ns = now_ns;
		tell = store_open(store, &error) == 0;
	}
	if (!store->db)
		return;
	code = store_data_version(store, &version);
	if (code == SQLITE_OK && now_ns - handle->swept_ns >= SWEEP_EVERY_NS) {
		handle->swept_ns = now_ns;
		code = store_leases_sweep(store, &ended);
	}
	if (code == SQLITE_OK && (tell || ended > 0 || version != handle->data_version))
		code = watches_tell(handle);
	if (code != SQLITE_OK) {
		tick_failed(handle, code);
		return;
	}
	handle->data_version = version;
	store_reached(store);
}

/* Waits for something to do, at most one tick. *ret_request: NULL where it's only time. False: the end. */
static bool worker_wait(struct sqlite_kvdb *handle, struct kvdb_request **ret_request, bool *ret_tell)
{
	struct list *first;
	bool stop;

	uv_mutex_lock(&handle->lock);
	while (!handle->stop && !handle->tell && list_is_empty(&handle->queue)) {
		if (uv_cond_timedwait(&handle->wake, &handle->lock, handle->poll_ms * NS_PER_MS) != 0)
			break;
	}
	first = list_pop_front(&handle->queue);
	*ret_request = first ? list_entry(first, struct kvdb_request, node) : NULL;
	*ret_tell = handle->tell;
	handle->tell = false;
	stop = handle->stop;
	uv_mutex_unlock(&handle->lock);
	return !stop || *ret_request;
}

void sqlite_worker_run(void *arg)
{
	struct sqlite_kvdb *handle = arg;
	struct kvdb_request *request;
	bool tell;

	while (worker_wait(handle, &request, &tell)) {
		if (request) {
			store_request(&handle->store, request);
			uv_mutex_lock(&handle->lock);
			list_push_back(&handle->answers, &request->node);
			uv_mutex_unlock(&handle->lock);
			(void)uv_async_send(&handle->async);
		}
		worker_tick(handle, tell || request);
	}
	store_close(&handle->store);
	uv_mutex_lock(&handle->lock);
	handle->stopped = true;
	(void)uv_async_send(&handle->async);
	uv_mutex_unlock(&handle->lock);
}
