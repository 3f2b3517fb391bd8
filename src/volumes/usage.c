/*
 * What volumes, their snapshots and the replicas of a pool take. A replica's figures are its own node's: the
 * other nodes don't know them, and say so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/shards.h"
#include "catalog/snapshots.h"
#include "store/usage.h"
#include "volumes/manager.h"
#include "volumes/steward.h"
#include "volumes/view.h"

#define USAGE_DEADLINE_MS 20000u
#define USAGE_ROWS        (CATALOG_MAX_SNAPSHOTS + 64u) /* and some that are being removed */

/* A complete replica of the shard on this node; NULL: there is none. */
static const struct snapshot_replica *usage_replica_here(
	const struct volumes *volumes, const struct catalog_shard *shard)
{
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct snapshot_replica *local =
			snapshot_replica_find(&volumes->snapshot, shard->replicas[i].replica);

		if (local && local->status == REPLICA_COMPLETE && !shard->replicas[i].retired)
			return local;
	}
	return NULL;
}

struct usage_view usage_of_replica(const struct snapshot_replica *replica)
{
	return (struct usage_view){ true, replica->live_bytes + replica->frozen_bytes, replica->frozen_bytes,
		replica->kept_bytes };
}

void usage_of_volume(
	const struct volumes *volumes, const struct catalog_volume *volume, struct usage_view *ret_usage)
{
	struct usage_view sum = { .known = volume->shard_count > 0 };

	*ret_usage = (struct usage_view){ 0 };
	for (unsigned s = 0; s < volume->shard_count; s++) {
		const struct snapshot_replica *local = usage_replica_here(volumes, &volume->shards[s]);

		if (!local)
			return;
		sum.used_bytes += local->live_bytes + local->frozen_bytes;
		sum.snapshot_bytes += local->frozen_bytes;
		sum.kept_bytes += local->kept_bytes;
	}
	*ret_usage = sum;
}

/* ---- the replicas of a pool ---- */

static void known_replica_tell(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_shard *shard, const struct catalog_replica *replica,
	void (*fn)(void *arg, const struct pool_replica_view *view), void *arg)
{
	const struct attachment *attachment = attachment_find_uuid(volumes, volume->volume);
	struct replica_view row;
	struct pool_replica_view view = { replica->replica, volume->name, catalog_replica_bytes(volume),
		&row };

	view_replica_fill(volumes, shard, replica,
		attachment && attachment->handle
			? snapshot_shard_stats_find(&volumes->snapshot, volume->volume, shard->group)
			: NULL,
		&row);
	row.shard = (unsigned)(shard - volume->shards);
	fn(arg, &view);
}

/* Whether it was told with the volumes that have a name: one that is being deleted has none any more. */
static bool is_known(struct volumes *volumes, const struct snapshot_replica *local)
{
	const struct catalog_volume *volume, *named;
	const struct catalog_replica *replica;

	if (catalog_volume_find_uuid(volumes->catalog, local->volume, &volume, NULL) ||
		catalog_volume_find(volumes->catalog, volume->name, &named, NULL) || named != volume)
		return false;
	replica = catalog_volume_replica(volume, local->replica, NULL);
	return replica && !replica->removed;
}

/* The catalog has forgotten it, or its volume, or that is being deleted: this node will delete it. */
static void left_replica_tell(struct volumes *volumes, const struct snapshot_replica *local,
	void (*fn)(void *arg, const struct pool_replica_view *view), void *arg)
{
	char name[UUID_TEXT_LEN + 1];
	struct replica_view row = { local->replica, local->pool, .role = "none", .state = "leaving" };
	struct pool_replica_view view = { local->replica, uuid_format(local->volume, name), 0, &row };

	snprintf(row.node, sizeof(row.node), "%s", volumes->config.node);
	row.usage = usage_of_replica(local);
	fn(arg, &view);
}

void volumes_each_pool_replica(struct volumes *volumes, struct uuid pool,
	void (*fn)(void *arg, const struct pool_replica_view *view), void *arg)
{
	const struct snapshot_rows *rows = &volumes->snapshot.rows;
	const struct catalog_volume *volume;

	for (size_t i = 0; (volume = catalog_volume_by_name_at(volumes->catalog, i)); i++) {
		for (unsigned s = 0; s < volume->shard_count; s++) {
			const struct catalog_shard *shard = &volume->shards[s];

			for (unsigned r = 0; r < shard->replica_count; r++)
				if (uuid_equal(shard->replicas[r].pool, pool) && !shard->replicas[r].removed)
					known_replica_tell(
						volumes, volume, shard, &shard->replicas[r], fn, arg);
		}
	}
	for (unsigned i = 0; i < rows->replica_count; i++) {
		const struct snapshot_replica *local = &rows->replicas[i];

		if (uuid_equal(local->pool, pool) && !is_known(volumes, local))
			left_replica_tell(volumes, local, fn, arg);
	}
}

int volumes_pool_view(
	struct volumes *volumes, const char *text, struct pool_view *ret_view, struct error *error)
{
	const struct catalog_pool *record = NULL;
	int rc = manager_ready_check(volumes, error);

	if (!rc)
		rc = drain_pool_find(volumes, text, &record, error);
	if (!rc)
		view_pool_fill(volumes, record, ret_view);
	return rc;
}

/* ---- snapshots ---- */

struct usage_job {
	void (*fn)(void *arg, int rc, const struct error *error, const struct snapshot_usage *rows,
		unsigned count);
	void *arg;
	char name[NAME_MAX_LEN + 1];
	unsigned shard;    /* which is counted */
	struct pool *pool; /* of its replica here */
	struct uuid replica;
	bool through;
	struct pool_usage_scan scan;
	unsigned count; /* of all shards so far */
	struct snapshot_usage sum[USAGE_ROWS];
	struct pool_usage rows[USAGE_ROWS];
};

static void shard_begin(struct op *op);

static void usage_answer(struct op *op, int rc, bool known)
{
	struct usage_job *job = op->state;

	if (!op->answered) {
		op->answered = true;
		job->fn(job->arg, rc, &op->error, known ? job->sum : NULL, known ? job->count : 0);
	}
	op_end(op, rc);
}

static void usage_run(struct dataplane_call *call)
{
	struct usage_job *job = op_of_call(call)->state;
	struct pool_replica *replica = pool_replica_find(job->pool, job->replica);

	job->through = replica && pool_replica_usage_scan(replica, &job->scan);
	dataplane_call_finish(call, replica ? 0 : -ENOENT);
}

static void rows_add(struct usage_job *job)
{
	unsigned count = job->scan.count < USAGE_ROWS ? job->scan.count : USAGE_ROWS;

	for (unsigned i = 0; i < count; i++) {
		unsigned at = 0;

		while (at < job->count && !uuid_equal(job->sum[at].snapshot, job->rows[i].snapshot))
			at++;
		if (at == USAGE_ROWS)
			continue;
		if (at == job->count)
			job->sum[job->count++] = (struct snapshot_usage){ .snapshot = job->rows[i].snapshot };
		job->sum[at].used_bytes += job->rows[i].used_bytes;
		job->sum[at].own_bytes += job->rows[i].own_bytes;
	}
}

/* Turn by turn, so that the data plane's thread is never held up. */
static void usage_told(struct op *op, int rc)
{
	struct usage_job *job = op->state;

	if (rc || op->answered || op_expired(op)) {
		usage_answer(op, 0, false);
		return;
	}
	if (job->through) {
		rows_add(job);
		job->shard++;
	}
	shard_begin(op);
}

/* The next turn; the pool may have gone since the last one. */
static void shard_begin(struct op *op)
{
	struct usage_job *job = op->state;
	const struct snapshot_replica *local;
	const struct catalog_volume *volume;
	struct local_pool *pool;

	if (catalog_volume_find(op->volumes->catalog, job->name, &volume, NULL)) {
		usage_answer(op, 0, false);
		return;
	}
	if (job->shard >= volume->shard_count) {
		usage_answer(op, 0, volume->shard_count > 0);
		return;
	}
	local = usage_replica_here(op->volumes, &volume->shards[job->shard]);
	pool = local ? pools_find_uuid(op->volumes, local->pool) : NULL;
	if (!pool || !pool->pool || pool->phase != LOCAL_POOL_OPEN) {
		usage_answer(op, 0, false);
		return;
	}
	if (job->through || !uuid_equal(job->replica, local->replica)) {
		job->scan = (struct pool_usage_scan){ .rows = job->rows, .room = USAGE_ROWS };
		job->replica = local->replica;
	}
	job->through = false;
	job->pool = pool->pool;
	op_call(op, pool->thread, usage_run, usage_told);
}

static void volume_begin(struct op *op)
{
	struct usage_job *job = op->state;
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(op->volumes->catalog, job->name, &volume, &op->error);

	if (rc)
		usage_answer(op, rc, false);
	else
		shard_begin(op);
}

static void usage_looked(struct op *op, int rc)
{
	if (rc || op->answered)
		usage_answer(op, rc, false);
	else
		volume_begin(op);
}

static void usage_begin(struct op *op)
{
	const struct usage_job *job = op->state;

	if (op->volumes->catalog_opened)
		op_look(op, catalog_pin_name(op->volumes->catalog, job->name), usage_looked);
	else
		volume_begin(op);
}

/* Late or refused. */
static void usage_ended(void *arg, int rc, const struct error *error)
{
	struct usage_job *job = ((struct op *)arg)->state;

	job->fn(job->arg, rc == -ETIMEDOUT ? 0 : rc, error, NULL, 0);
}

void volumes_snapshot_usage(struct volumes *volumes, const char *name,
	void (*fn)(void *arg, int rc, const struct error *error, const struct snapshot_usage *rows,
		unsigned count),
	void *arg)
{
	/* Of no name: it waits behind no operation on the volume. */
	struct op *op = op_make(volumes, "count", "", USAGE_DEADLINE_MS, usage_begin, usage_ended, NULL);
	struct usage_job *job = op ? calloc(1, sizeof(*job)) : NULL;
	struct error why;
	int rc;

	if (!job) {
		free(op);
		error_set(&why, -ENOMEM, "no memory");
		fn(arg, -ENOMEM, &why, NULL, 0);
		return;
	}
	job->fn = fn;
	job->arg = arg;
	job->scan = (struct pool_usage_scan){ .rows = job->rows, .room = USAGE_ROWS };
	op->state = job;
	op->arg = op;
	op->before_ready = true; /* what the catalog knows is told at any time */
	rc = name_check("volume name", name, &op->error);
	if (rc)
		op_refuse(op, rc);
	else
		memcpy(job->name, name, strlen(name) + 1);
	op_submit(op);
}
