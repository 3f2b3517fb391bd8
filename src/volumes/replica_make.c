#include "volumes/replica_make.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/shards.h"
#include "volumes/manager.h"

#define CLONE_WAIT_MS  5000u /* for the origin's replica to come as far as the snapshot */
#define CLONE_PAUSE_MS 250u

struct replica_job {
	struct pool *pool;
	struct pool_replica_identity identity;
	struct uuid origin, snapshot; /* of a clone */
	unsigned shard;               /* which of its volume's */
	struct uuid origin_group;     /* that shard's of the origin; none: it isn't known */
	uint64_t wait_until_ns;
	bool incomplete; /* it is to be filled by a resync */
};

bool replica_job_make(struct op *op, const struct reconcile_action *action)
{
	struct replica_job *job = calloc(1, sizeof(*job));

	op->state = job;
	if (!job)
		return false;
	job->identity.replica = action->replica;
	job->identity.volume = action->volume_uuid;
	if (action->kind != RECONCILE_REPLICA_CREATE)
		return true;
	job->identity.group = action->shard->group;
	job->identity.size_bytes = catalog_replica_bytes(action->volume);
	job->identity.thick = action->volume->thick;
	job->origin = action->volume->origin;
	job->shard = (unsigned)(action->shard - action->volume->shards);
	job->snapshot = action->volume->origin_snapshot;
	job->wait_until_ns = clock_now_ns(op->volumes->clock) + CLONE_WAIT_MS * NS_PER_MS;
	return true;
}

static void replica_told(void *arg, int rc)
{
	dataplane_call_finish(arg, rc);
}

static void replica_create_run(struct dataplane_call *call)
{
	struct datapath *datapath = dataplane_datapath(call->dataplane);
	struct replica_job *job = op_of_call(call)->state;

	if (job->incomplete)
		datapath_replica_create_incomplete(datapath, job->pool, &job->identity, replica_told, call);
	else if (!uuid_is_none(job->origin))
		datapath_replica_clone(datapath, job->pool, job->origin_group, job->snapshot, &job->identity,
			replica_told, call);
	else
		datapath_replica_create(datapath, job->pool, &job->identity, replica_told, call);
}

static void replica_delete_run(struct dataplane_call *call)
{
	struct replica_job *job = op_of_call(call)->state;

	datapath_replica_delete(
		dataplane_datapath(call->dataplane), job->identity.replica, replica_told, call);
}

/* ---- a clone's ---- */

static bool other_is_made(const struct catalog_volume *volume, struct uuid replica)
{
	const struct catalog_shard *shard = NULL;

	if (!catalog_volume_replica(volume, replica, &shard))
		return false;
	for (unsigned i = 0; i < shard->replica_count; i++)
		if (shard->replicas[i].made && !shard->replicas[i].retired &&
			!uuid_equal(shard->replicas[i].replica, replica))
			return true;
	return false;
}

/* The origin's shard of the same number; NULL: it is gone. */
static const struct catalog_shard *origin_shard(const struct volumes *volumes, const struct replica_job *job)
{
	const struct catalog_volume *origin;

	if (uuid_is_none(job->origin) ||
		catalog_volume_find_uuid(volumes->catalog, job->origin, &origin, NULL) ||
		job->shard >= origin->shard_count)
		return NULL;
	return &origin->shards[job->shard];
}

/* Whether the origin has a replica of the shard on the pool, which may come as far as the snapshot. */
static bool origin_is_on(const struct volumes *volumes, const struct replica_job *job, struct uuid pool)
{
	const struct catalog_shard *shard = origin_shard(volumes, job);

	for (unsigned i = 0; shard && i < shard->replica_count; i++)
		if (uuid_equal(shard->replicas[i].pool, pool) && !shard->replicas[i].retired)
			return true;
	return false;
}

/* -ENOENT: the snapshot isn't applied there yet, or no replica of the origin is there; -EAGAIN: that one is
 * incomplete; -EINVAL: it has grown since. */
static void clone_not_yet(struct op *op, int rc)
{
	struct replica_job *job = op->state;
	const struct catalog_volume *volume;
	bool waits = origin_is_on(op->volumes, job, op->pool_uuid) &&
		     clock_now_ns(op->volumes->clock) < job->wait_until_ns;

	if (catalog_volume_find_uuid(op->volumes->catalog, op->volume, &volume, NULL) ||
		volume->state != CATALOG_VOLUME_READY) {
		op_end(op, 0);
		return;
	}
	job->incomplete = !waits && other_is_made(volume, op->replica);
	if (!job->incomplete && op_expired(op)) {
		error_set(&op->error, rc,
			"the pool's replica of the origin of volume %s hasn't come as far as the snapshot",
			volume->name);
		step_told(op, rc);
		return;
	}
	op_retry(op, job->incomplete ? 0 : CLONE_PAUSE_MS, replica_begin);
}

/* ---- the steps ---- */

static void replica_created(struct op *op, int rc)
{
	const struct replica_job *job = op->state;

	if (!uuid_is_none(job->origin) && !job->incomplete &&
		(rc == -ENOENT || rc == -EAGAIN || rc == -EINVAL)) {
		clone_not_yet(op, rc);
		return;
	}
	snapshot_take(op->volumes);
	step_told(op, rc == -EEXIST ? 0 : rc);
}

static void replica_deleted(struct op *op, int rc)
{
	snapshot_take(op->volumes);
	step_told(op, rc == -ENOENT ? 0 : rc);
}

void replica_begin(struct op *op)
{
	struct replica_job *job = op->state;
	const struct catalog_shard *origin = origin_shard(op->volumes, job);
	struct local_pool *pool = pools_find_uuid(op->volumes, op->pool_uuid);
	bool create = job->identity.size_bytes != 0;

	if (!pool || !pool->pool) {
		op_end(op, 0);
		return;
	}
	job->pool = pool->pool;
	job->origin_group = origin ? origin->group : (struct uuid){ 0 };
	op_call(op, pool->thread, create ? replica_create_run : replica_delete_run,
		create ? replica_created : replica_deleted);
}
