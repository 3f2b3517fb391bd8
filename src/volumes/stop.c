/*
 * Stop, in this order: nothing new begins, what runs ends; volumes are unmounted and detached (what somebody
 * still uses, by force, its data flushed first); pools are closed; the node leaves the kvdb; the data plane's
 * thread ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "volumes/manager.h"
#include "volumes/snapview.h"
#include "volumes/steward.h"
#include "volumes/sessions.h"

/* A sync is given up after so many looks without a quorum, and that long after the stop began: that ends
 * after 30 s. */
#define SYNC_WATCH_MS        1000u
#define SYNC_TRIES           5u
#define SYNC_UNTIL_MS        18000u
#define ATTACH_FREE_PAUSE_MS 50u
#define ATTACH_FREE_TRIES    100u

static void stop_next(struct op *op);

/* ---- the end ---- */

static void handle_closed(uv_handle_t *handle)
{
	struct volumes *volumes = handle->data;
	void (*fn)(void *arg) = volumes->stopped;
	void *arg = volumes->stopped_arg;

	if (--volumes->handles_open)
		return;
	while (!list_is_empty(&volumes->pools))
		local_pool_free(list_entry(list_first(&volumes->pools), struct local_pool, node));
	look_after_done(volumes);
	snapshot_free(&volumes->snapshot);
	free(volumes->view_replicas);
	mounts_close(volumes->mounts);
	sessions_free(volumes->sessions);
	node_state_close(&volumes->node);
	explicit_bzero(volumes->key, sizeof(volumes->key));
	free(volumes);
	fn(arg);
}

static void catalog_closed(void *arg)
{
	struct volumes *volumes = arg;
	uv_handle_t *handles[] = { (uv_handle_t *)&volumes->wake, (uv_handle_t *)&volumes->kick,
		(uv_handle_t *)&volumes->plan, (uv_handle_t *)&volumes->tick,
		(uv_handle_t *)&volumes->ops_timer };

	threads_stop(volumes);
	volumes->handles_open = sizeof(handles) / sizeof(handles[0]);
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
		uv_close(handles[i], handle_closed);
}

static void attach_freed(void *arg)
{
	struct volumes *volumes = arg;

	op_end(volumes->stop_op, 0);
	volumes->stop_op = NULL;
	catalog_close(volumes->catalog, list_is_empty(&volumes->attachments), catalog_closed, volumes);
}

static void attach_end(struct op *op)
{
	int rc;

	/* The snapshot under way has a call at the data plane. */
	rc = op->volumes->snapshot.pending ? -EBUSY
					   : attach_free(op->volumes->attach, attach_freed, op->volumes);
	if (!rc)
		return;
	if (++op->tries > ATTACH_FREE_TRIES)
		log_error("the block devices don't come to an end");
	op_retry(op, ATTACH_FREE_PAUSE_MS, attach_end);
}

/* ---- pools ---- */

static void pools_closed(struct op *op, int rc)
{
	(void)rc;
	op->tries = 0;
	attach_end(op);
}

/* ---- volumes ---- */

static void stop_down(struct op *op, int rc)
{
	if (rc && !op->force) {
		op->force = true;
		attachment_take_down(op, stop_down);
		return;
	}
	stop_next(op);
}

/* What was written through a mount that lives on elsewhere reaches the replicas before the device goes. */
static int sync_work(struct op *op)
{
	char path[ATTACH_PATH_MAX];
	int fd = open(fs_mountpoint(op->volumes->attach, op->name, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	(void)syncfs(fd); /* its failing is told by the unmount's */
	close(fd);
	return 0;
}

/*
 * Without a quorum a sync never ends, and a thread in it would keep the process, and the lock of its state
 * directory, from ever ending. So it is waited for only so long; then the device goes by force, which fails
 * what waits in it.
 */
static void synced(struct op *op, int rc)
{
	(void)rc;
	op->retry_at_ns = 0;
	op->syncing = false;
	if (!op->force)
		attachment_take_down(op, stop_down);
	else if (!attachment_find(op->volumes, op->name))
		stop_next(op);
}

static void sync_late_down(struct op *op, int rc)
{
	(void)rc;
	if (!op->syncing)
		stop_next(op);
}

static uint64_t stopping_ms(const struct op *op)
{
	uint64_t began_ns = op->deadline_ns - OP_FOREVER_MS * NS_PER_MS;

	return (clock_now_ns(op->volumes->clock) - began_ns) / NS_PER_MS;
}

static void sync_watch(struct op *op)
{
	const struct attachment *attachment = attachment_find(op->volumes, op->name);

	ASSERT(attachment && op->syncing);
	op->tries = attachment_serves(attachment) ? 0 : op->tries + 1;
	if (op->tries < SYNC_TRIES && stopping_ms(op) < SYNC_UNTIL_MS) {
		if (!op->volumes->snapshot.pending)
			snapshot_take(op->volumes);
		op_retry(op, SYNC_WATCH_MS, sync_watch);
		return;
	}
	manager_event(op->volumes, "volume-not-synced", op->name,
		"its replicas don't answer in time, and the agent is stopping: what was written and not "
		"synced is lost");
	op->force = true;
	attachment_take_down(op, sync_late_down);
}

static void sync_begin(struct op *op)
{
	op->syncing = true;
	op_work(op, sync_work, synced);
	op->tries = 0;
	op_retry(op, SYNC_WATCH_MS, sync_watch);
}

static void stop_snapview_down(struct op *op, int rc)
{
	(void)rc;
	stop_next(op);
}

static void stop_next(struct op *op)
{
	struct list *view = list_first(&op->volumes->snapviews);
	struct list *first = list_first(&op->volumes->attachments);
	struct attachment *attachment;

	op->force = op->keep_record = false;
	if (view) {
		memcpy(op->name, list_entry(view, struct snapview, node)->name, sizeof(op->name));
		snapview_stop(op, stop_snapview_down);
		return;
	}
	if (!first) {
		pools_close(op, pools_closed);
		return;
	}
	attachment = list_entry(first, struct attachment, node);
	snprintf(op->name, sizeof(op->name), "%s", attachment->spec.name);
	if (attachment->mounted && !attachment->ended)
		sync_begin(op);
	else
		attachment_take_down(op, stop_down);
}

void volumes_stop(struct volumes *volumes, void (*fn)(void *arg), void *arg)
{
	volumes->stopped = fn;
	volumes->stopped_arg = arg;
	volumes->phase = MANAGER_STOPPING;
	uv_timer_stop(&volumes->tick);
	list_for_each (node, &volumes->attachments) {
		struct attachment *attachment = list_entry(node, struct attachment, node);

		if (attachment->phase == ATTACHMENT_OPENING && attachment->opened)
			attachment_open_cancel(attachment);
	}
	volumes->stop_op = op_make(volumes, "stop", "", OP_FOREVER_MS, stop_next, NULL, NULL);
	if (!volumes->stop_op) {
		log_error("no memory to stop in order");
		abort();
	}
	op_submit(volumes->stop_op);
}
