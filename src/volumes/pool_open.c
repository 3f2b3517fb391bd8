/*
 * Opening a pool:
 *
 *   prepare the file -> open --ok--------------------------------------------> measure -> OPEN
 *                         |                                                      ^
 *                         +-- no superblock -> is it empty? -> format -> open ---+
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/pool_device.h"

struct pool_job {
	struct uuid cluster, uuid; /* uuid: of the pool that is formatted */
	uint64_t seed;
	bool blank; /* it was found empty, or made so */
	char path[CONFIG_PATH_MAX];
	char faults[DEVICE_FAULTS_MAX];
	bool scrub_known;
	struct pool_scrub_progress scrub; /* where an earlier life was */
	/* the data plane's, while a call is under way */
	struct device *device;
	struct pool *pool;
	struct pool_info info;
	struct error error;
};

static void pool_fail(struct op *op, int rc)
{
	struct local_pool *pool = pools_find(op->volumes, op->name);

	pool->phase = LOCAL_POOL_FAILED;
	snprintf(pool->reason, sizeof(pool->reason), "%.159s", op->error.text);
	op->then(op, rc);
}

/* ---- the last steps: measured; its scrub goes on where it was ---- */

static void scrub_begun(struct op *op, int rc)
{
	struct local_pool *pool = pools_find(op->volumes, op->name);

	pool->reason[0] = '\0';
	pool->phase = LOCAL_POOL_OPEN;
	snapshot_take(op->volumes);
	op->then(op, rc);
}

static void scrub_run(struct dataplane_call *call)
{
	const struct op *op = op_of_call(call);
	const struct pool_job *job = op->state;

	pool_scrub_set(job->pool, op->volumes->config.scrub_every_ms, op->volumes->config.scrub_bytes_per_s,
		job->scrub_known ? &job->scrub : NULL);
	dataplane_call_finish(call, 0);
}

static void pool_measured(struct op *op, int rc)
{
	struct local_pool *pool = pools_find(op->volumes, op->name);
	struct pool_job *job = op->state;

	(void)rc;
	job->scrub_known = pool_scrub_load(op->volumes, pool, &job->scrub);
	pool_scrub_opened(pool, job->scrub_known ? &job->scrub : NULL);
	op_call(op, pool->thread, scrub_run, scrub_begun);
}

/* ---- open ---- */

static void open_told(void *arg, int rc, struct pool *pool, const struct error *error)
{
	struct op *op = arg;
	struct pool_job *job = op->state;

	if (rc == -ETIMEDOUT)
		dataplane_leave(op->call.dataplane);
	if (rc) {
		job->error = *error;
	} else {
		job->pool = pool;
		pool_info_get(pool, &job->info);
		datapath_pool_add(dataplane_datapath(op->call.dataplane), pool);
	}
	dataplane_call_finish(&op->call, rc);
}

static void open_run(struct dataplane_call *call)
{
	struct op *op = op_of_call(call);
	struct pool_job *job = op->state;
	struct pool_open_options options = {
		.cluster = job->cluster,
		.bufs = dataplane_bufs(call->dataplane),
		.entries = dataplane_entries(call->dataplane),
	};

	struct loop *loop = uring_loop_core(dataplane_loop(call->dataplane));
	int rc = device_wrap(loop, job->faults, &job->device, &job->error);

	if (rc) {
		job->device->ops->close(job->device);
		dataplane_call_finish(call, rc);
		return;
	}
	datapath_pool_callbacks(dataplane_datapath(call->dataplane), &options);
	pool_open(loop, job->device, &options, open_told, op);
}

static void format_wait(struct op *op);

static void pool_open_told(struct op *op, int rc)
{
	struct local_pool *pool = pools_find(op->volumes, op->name);
	const struct catalog_pool *record = pools_record_by_name(op->volumes, op->name);
	struct pool_job *job = op->state;

	op->error = job->error;
	if (rc == -EILSEQ && !job->blank) {
		format_wait(op);
		return;
	}
	if (rc == -ETIMEDOUT)
		error_set(&op->error, rc, "%.100s. Once it answers, restart the agent", job->error.text);
	if (rc) {
		pool_fail(op, rc);
		return;
	}
	pool->pool = job->pool;
	pool->info = job->info;
	pool->uuid = job->info.pool;
	if (job->faults[0])
		manager_event(op->volumes, "pool-faults", op->name, "on purpose, by the configuration: %s",
			job->faults);
	if (record && !uuid_equal(record->pool, pool->uuid)) {
		char text[UUID_TEXT_LEN + 1];

		/* It stays open, and serves what it has; but it can't have the other's name. */
		manager_event(op->volumes, "pool-foreign", op->name,
			"at %s lies another pool than the catalog's %s: was the path changed?",
			pool->config.path, uuid_format(record->pool, text));
	}
	pool_measure_opened(op, job->blank, pool_measured);
}

static void thread_set(struct op *op, unsigned thread)
{
	struct local_pool *pool = pools_find(op->volumes, op->name);

	pool->thread = thread;
	pool->has_thread = true;
}

/* From here on it is the data plane's. */
static unsigned device_take(struct op *op)
{
	struct pool_job *job = op->state;

	job->device = op->device->device;
	op->device->device = NULL;
	return op->device->thread;
}

static void device_opened(struct op *op, int rc)
{
	if (rc) {
		if (op->device)
			op->error = op->device->error;
		pool_fail(op, rc);
		return;
	}
	thread_set(op, op->device->thread);
	op_call(op, device_take(op), open_run, pool_open_told);
}

/* ---- format ---- */

static void format_told(void *arg, int rc)
{
	struct op *op = arg;
	struct pool_job *job = op->state;

	if (rc == -ETIMEDOUT)
		dataplane_leave(op->call.dataplane);
	else
		job->device->ops->close(job->device);
	if (rc)
		error_set(&job->error, rc, "can't format %s: %s", job->path, strerror(-rc));
	dataplane_call_finish(&op->call, rc);
}

static void format_run(struct dataplane_call *call)
{
	struct op *op = op_of_call(call);
	struct pool_job *job = op->state;
	struct pool_format_options options = {
		.cluster = job->cluster, .pool = job->uuid, .seed = job->seed
	};

	pool_format(uring_loop_core(dataplane_loop(call->dataplane)), job->device, &options, format_told, op);
}

static void pool_formatted(struct op *op, int rc)
{
	struct local_pool *local = pools_find(op->volumes, op->name);
	struct pool_job *job = op->state;
	const char *destroyed = op->device->destroyed;

	if (rc) {
		op->error = job->error;
		pool_fail(op, rc);
		return;
	}
	if (destroyed[0])
		manager_event(op->volumes, "pool-formatted", op->name,
			"%s is a pool now, by force; what it had is destroyed: %.150s", job->path, destroyed);
	else
		manager_event(op->volumes, "pool-formatted", op->name, "%s was empty, and is a pool now",
			job->path);
	snprintf(local->overwrote, sizeof(local->overwrote), "%s", destroyed);
	op->device->force = false;
	pool_device_run(op, pool_device_open, device_opened);
}

static void pool_blank_told(struct op *op, int rc)
{
	struct pool_job *job = op->state;
	struct error why = job->error; /* of the store, which has found no pool */

	if (rc && !op->device) {
		pool_fail(op, rc);
		return;
	}
	if (rc && op->device->removed) {
		pools_find(op->volumes, op->name)->left_out = true;
		op->error = op->device->error;
		pool_fail(op, rc);
		return;
	}
	if (rc) {
		error_set(&op->error, rc, "%.200s; and it isn't taken as a new pool: %.200s%s", why.text,
			op->device->error.text,
			rc == -EEXIST && op->fn ? "; `pool add --force` destroys that" : "");
		pool_fail(op, rc);
		return;
	}
	job->blank = true;
	job->seed = random_u64(&op->volumes->random);
	job->cluster = op->volumes->node.cluster;
	op_call(op, device_take(op), format_run, pool_formatted);
}

/* Only a node that has joined its cluster makes pools, and none where the catalog knows one already. */
static void format_wait(struct op *op)
{
	struct pool_job *job = op->state;
	const struct catalog_pool *record;
	char text[UUID_TEXT_LEN + 1];

	if (op->volumes->phase == MANAGER_STOPPING || op_expired(op)) {
		pool_fail(op, -ECANCELED);
		return;
	}
	if (!op->volumes->joined) {
		op_retry(op, 200, format_wait);
		return;
	}
	record = pools_record_by_name(op->volumes, op->name);
	if (record) {
		error_set(&op->error, -EILSEQ,
			"%s has no valid superblock, but pool %s was there: it is damaged, or another disk; "
			"nothing is written to it",
			job->path, uuid_format(record->pool, text));
		pool_fail(op, -EILSEQ);
		return;
	}
	job->uuid = op->device->uuid = threads_pool_uuid(op->volumes);
	thread_set(op, threads_of_pool(op->volumes, job->uuid));
	op->device->by_hand = op->fn != NULL;
	op->device->force = op->force;
	pool_device_run(op, pool_device_open_blank, pool_blank_told);
}

/* ---- the first step ---- */

/* The cluster's identity is known from an earlier life, or from the catalog. */
static void cluster_wait(struct op *op)
{
	struct pool_job *job = op->state;

	if (op->volumes->phase == MANAGER_STOPPING || op_expired(op)) {
		pool_fail(op, -ECANCELED);
		return;
	}
	if (uuid_is_none(op->volumes->node.cluster)) {
		op_retry(op, 200, cluster_wait);
		return;
	}
	job->cluster = op->volumes->node.cluster;
	pool_device_run(op, pool_device_open, device_opened);
}

void pool_open_run(struct op *op, void (*then)(struct op *op, int rc))
{
	struct pool_job *job = calloc(1, sizeof(*job));

	op->then = then;
	op->state = job;
	op->device = pool_device_new(op->volumes, &op->pool);
	if (!job || !op->device) {
		pool_fail(op, -ENOMEM);
		return;
	}
	memcpy(job->path, op->pool.path, sizeof(job->path));
	memcpy(job->faults, op->pool.faults, sizeof(job->faults));
	cluster_wait(op);
}
