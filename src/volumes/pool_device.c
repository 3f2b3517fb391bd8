#include "volumes/pool_device.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/pool_file.h"

/* A device may be away as long as for anything else, and another second for a dead process's lock. */
#define ANSWER_WAIT_MS (DEVICE_WAIT_MS + 2000u)
#define STOP_WAIT_MS   2000u
#define LOOK_PAUSE_MS  1u /* and at the latest at the operations' next turn */

/* ENDING: it is through, and tells so; it can't be given up any more. */
enum { RUNNING, ENDING, DONE, GIVEN_UP };

struct pool_device *pool_device_new(struct volumes *volumes, const struct pool_config *config)
{
	struct pool_device *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	memcpy(d->path, config->path, sizeof(d->path));
	d->size_bytes = config->size_bytes;
	d->wake = &volumes->wake;
	d->thread_count = volumes->thread_count;
	for (unsigned i = 0; i < d->thread_count; i++)
		d->loops[i] = dataplane_loop(volumes->dataplanes[i]);
	return d;
}

void pool_device_free(struct pool_device *d)
{
	if (!d)
		return;
	if (d->device)
		d->device->ops->close(d->device);
	free(d);
}

/* ---- the pieces ---- */

/* What another process holds is waited for, up to a second. */
static int open_for_its_thread(struct pool_device *d)
{
	struct superblock sb = { .pool = d->uuid };

	if (uuid_is_none(d->uuid) && pool_file_superblock(d->path, &sb) != 0)
		sb.pool = d->uuid; /* what is wrong with it the store will say, on any thread */
	d->thread = datapath_thread(sb.pool, d->thread_count);
	return device_uring_open(d->loops[d->thread], d->path, &d->device, &d->error);
}

int pool_device_open(struct pool_device *d)
{
	int rc = pool_file_prepare(d->path, d->size_bytes, &d->error);

	return rc ? rc : open_for_its_thread(d);
}

int pool_device_open_blank(struct pool_device *d)
{
	int rc = pool_file_is_blank(d->path, &d->error);
	char name[UUID_TEXT_LEN + 1];
	struct uuid removed;

	/* Who asks for a pool there by hand says by force what may go. */
	d->removed = rc == -EEXIST && !d->by_hand && pool_file_is_removed(d->path, &removed);
	if (d->removed)
		return error_set(&d->error, -ENODEV,
			"%s was pool %s, and was removed: take its section out of the configuration, or make "
			"a new pool of it by `quoin pool add --force`",
			d->path, uuid_format(removed, name));
	if (rc == -EEXIST && d->force) {
		snprintf(d->destroyed, sizeof(d->destroyed), "%.159s", d->error.text);
		rc = pool_file_clear(d->path, &d->error);
	}
	return rc ? rc : open_for_its_thread(d);
}

/* ---- their thread ---- */

static void *device_thread(void *arg)
{
	struct pool_device *d = arg;
	int expected = RUNNING;

	d->rc = d->piece(d);
	if (!atomic_compare_exchange_strong(&d->state, &expected, ENDING)) {
		pool_device_free(d);
		return NULL;
	}
	(void)uv_async_send(d->wake);
	atomic_store(&d->state, DONE);
	return NULL;
}

static int thread_begin(struct pool_device *d)
{
	pthread_t thread;
	sigset_t all, before;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&thread, NULL, device_thread, d);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		(void)pthread_detach(thread);
	return rc;
}

/* Clearing a large disk takes what it takes, and must not go on behind anybody's back. */
static bool is_given_up(const struct op *op, const struct pool_device *d)
{
	uint64_t now_ns = clock_now_ns(op->volumes->clock);

	if (d->force)
		return false;
	return now_ns >= d->give_up_ns ||
	       (op->volumes->phase == MANAGER_STOPPING &&
		       now_ns + (ANSWER_WAIT_MS - STOP_WAIT_MS) * NS_PER_MS >= d->give_up_ns);
}

static void device_look(struct op *op)
{
	struct pool_device *d = op->device;
	int expected = RUNNING;

	if (atomic_load(&d->state) == DONE) {
		d->then(op, d->rc);
	} else if (is_given_up(op, d) && atomic_compare_exchange_strong(&d->state, &expected, GIVEN_UP)) {
		op_step_fn then = d->then;

		op->device = NULL;
		then(op, error_set(&op->error, -ETIMEDOUT,
				 "%.64s has not answered for %u s: it is not waited for. Once it answers, "
				 "restart the agent",
				 op->pool.path, ANSWER_WAIT_MS / 1000));
	} else {
		op_retry(op, LOOK_PAUSE_MS, device_look);
	}
}

void pool_device_run(struct op *op, int (*piece)(struct pool_device *d), void (*then)(struct op *op, int rc))
{
	struct pool_device *d = op->device;
	int rc;

	d->piece = piece;
	d->then = then;
	d->give_up_ns = clock_now_ns(op->volumes->clock) + ANSWER_WAIT_MS * NS_PER_MS;
	atomic_store(&d->state, RUNNING);
	rc = thread_begin(d);
	if (rc) {
		d->rc = error_set(&d->error, rc, "no thread to open %.64s: %s", d->path, strerror(-rc));
		atomic_store(&d->state, DONE);
	}
	op_retry(op, LOOK_PAUSE_MS, device_look);
}
