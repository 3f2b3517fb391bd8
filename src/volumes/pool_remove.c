/*
 * quoin pool rm: a pool that is drained is forgotten by the catalog, closed, and bears no superblock any
 * more, so that no later start takes it for one of this node's. What else is on the disk stays.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/care.h"
#include "volumes/manager.h"
#include "volumes/pool_file.h"
#include "volumes/steward.h"

#define REMOVE_DEADLINE_MS 30000u

struct removal {
	struct pool *pool;
	char path[CONFIG_PATH_MAX];
};

static void removal_end(struct op *op, int rc)
{
	if (!rc)
		manager_event(op->volumes, "pool-removed", op->id, "it is forgotten");
	op_end(op, rc);
}

static int remove_work(struct op *op)
{
	const struct removal *removal = op->state;

	return pool_file_remove(removal->path, op->pool_uuid, &op->error);
}

static void closed(struct op *op, int rc)
{
	if (rc)
		removal_end(op, rc);
	else
		op_work(op, remove_work, removal_end);
}

static void close_told(void *arg, int rc)
{
	dataplane_call_finish(arg, rc);
}

static void close_run(struct dataplane_call *call)
{
	const struct removal *removal = op_of_call(call)->state;

	datapath_pool_remove(dataplane_datapath(call->dataplane), removal->pool);
	pool_close(removal->pool, close_told, call);
}

/* The record has gone: nobody places anything here any more, and nothing is here. */
static void forgotten(struct op *op, int rc)
{
	struct removal *removal = op->state;
	struct local_pool *pool = pools_find_uuid(op->volumes, op->pool_uuid);
	unsigned thread;

	if (rc) {
		if (pool)
			pool->removing = false;
		op_end(op, rc);
		return;
	}
	pool_scrub_forget(op->volumes, op->pool_uuid);
	if (!pool || !pool->pool) {
		if (pool)
			local_pool_free(pool);
		removal_end(op, 0);
		return;
	}
	removal->pool = pool->pool;
	thread = pool->thread;
	memcpy(removal->path, pool->config.path, sizeof(removal->path));
	local_pool_free(pool);
	op_call(op, thread, close_run, closed);
}

/* On the pool's own node, unless that is down: its agent would tell the catalog of it again. */
static int place_check(struct op *op, const struct catalog_pool *pool)
{
	const struct snapshot_rows *rows = &op->volumes->snapshot.rows;
	const struct catalog_node *node;

	if (strcmp(pool->node, op->volumes->config.node) != 0) {
		if (!catalog_node_find(op->volumes->catalog, pool->node, &node, NULL) && node->live)
			return error_set(&op->error, -EBUSY,
				"pool %s is on node %s, which is up: remove it there", pool->name,
				pool->node);
		return 0;
	}
	for (unsigned i = 0; i < rows->replica_count; i++)
		if (uuid_equal(rows->replicas[i].pool, pool->pool))
			return error_set(&op->error, -EBUSY,
				"pool %s has a replica that the catalog doesn't know, or that is being "
				"deleted",
				pool->name);
	return 0;
}

static void begin(struct op *op)
{
	const struct catalog_pool *pool = NULL;
	struct local_pool *local;
	int rc = drain_pool_find(op->volumes, op->id, &pool, &op->error);

	if (!rc)
		rc = place_check(op, pool);
	if (rc) {
		op_end(op, rc);
		return;
	}
	op->pool_uuid = pool->pool;
	local = pools_find_uuid(op->volumes, pool->pool);
	if (local)
		local->removing = true; /* its record isn't written again */
	op->told_then = forgotten;
	catalog_pool_remove(op->volumes->catalog, pool->pool, op_left_ms(op), op_told, op);
}

void volumes_pool_remove(struct volumes *volumes, const char *pool, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "remove pool", "", REMOVE_DEADLINE_MS, begin, fn, arg);

	if (!op_accept(op, fn, arg, NULL))
		return;
	snprintf(op->id, sizeof(op->id), "%s", pool);
	op->state = calloc(1, sizeof(struct removal));
	if (!op->state)
		op_refuse(op, -ENOMEM);
	op_submit(op);
}
