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

int drain_pool_find(
	struct volumes *volumes, const char *text, const struct catalog_pool **ret_pool, struct error *error)
{
	const struct catalog_pool *pool, *found = NULL;
	const char *slash = strchr(text, '/');
	const char *name = slash ? slash + 1 : text;
	unsigned count = 0;

	for (size_t i = 0; (pool = catalog_pool_at(volumes->catalog, i)); i++) {
		if (strcmp(pool->name, name) != 0)
			continue;
		if (slash ? strlen(pool->node) == (size_t)(slash - text) &&
					strncmp(pool->node, text, (size_t)(slash - text)) == 0
			  : strcmp(pool->node, volumes->config.node) == 0) {
			*ret_pool = pool;
			return 0;
		}
		found = pool;
		count++;
	}
	if (slash || count == 0)
		return error_set(error, -ENOENT, "there is no pool %.120s", text);
	if (count > 1)
		return error_set(error, -EINVAL,
			"%u nodes have a pool %.64s, this one (%.64s) not: say which, as NODE/%.64s", count,
			name, volumes->config.node, name);
	*ret_pool = found;
	return 0;
}

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
	const struct removal *removal = op->state;

	if (!rc) {
		op_work(op, remove_work, removal_end);
		return;
	}
	manager_event(op->volumes, "pool-removed", op->id,
		"it is forgotten; it had failed, and %s bears its superblocks", removal->path);
	op_end(op, error_set(&op->error, rc,
			   "pool %.64s is forgotten, but it had failed (%s): its superblocks still stand on "
			   "%.200s. Take its section out of the configuration, and wipe it before it is used "
			   "again",
			   op->id, rc == -ETIMEDOUT ? "its device does not answer" : strerror(-rc),
			   removal->path));
}

static void close_run(struct dataplane_call *call)
{
	const struct removal *removal = op_of_call(call)->state;

	pool_close_run(call, removal->pool);
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
