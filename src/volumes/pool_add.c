/* Adding a pool at run time. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "volumes/manager.h"

#define POOL_ADD_DEADLINE_MS 60000u

static void added(struct op *op, int rc)
{
	op_end(op, rc);
}

static void opened(struct op *op, int rc)
{
	struct local_pool *pool = pools_find(op->volumes, op->name);
	struct catalog_pool record;

	if (rc) {
		manager_event(op->volumes, "pool-failed", op->name, "%s", op->error.text);
		if (!pool->pool)
			local_pool_free(pool);
		op_end(op, rc);
		return;
	}
	manager_event(op->volumes, "pool-opened", op->name, "%s, tier %s: %s", pool->config.path,
		tier_name(pool->tier), pool->tier_reason);
	op->told_then = added;
	if (local_pool_record(op->volumes, pool, &record))
		catalog_pool_put(op->volumes->catalog, &record, op_left_ms(op), op_told, op);
	else
		added(op, -EIO);
}

static void begin(struct op *op)
{
	int rc = 0;

	list_for_each (node, &op->volumes->pools)
		if (!strcmp(list_entry(node, struct local_pool, node)->config.path, op->pool.path))
			rc = error_set(&op->error, -EEXIST, "%s is pool %s already", op->pool.path,
				list_entry(node, struct local_pool, node)->config.name);
	if (pools_find(op->volumes, op->name))
		rc = error_set(&op->error, -EEXIST, "this node has a pool %s already, at %s", op->name,
			pools_find(op->volumes, op->name)->config.path);
	if (!rc && !local_pool_new(op->volumes, &op->pool))
		rc = -ENOMEM;
	if (rc)
		op_end(op, rc);
	else
		pool_open_run(op, opened);
}

static int checked(
	const char *name, const char *path, const char *tier, struct pool_config *config, struct error *error)
{
	static const char *const tiers[] = { "auto", "high", "medium", "low" };
	bool known = false;
	int rc = name_check("pool name", name, error);

	if (rc)
		return rc;
	if (path[0] != '/' || strlen(path) >= sizeof(config->path))
		return error_set(error, -EINVAL,
			"a pool's path is absolute, and shorter than %u characters: \"%.64s\"",
			CONFIG_PATH_MAX, path);
	for (unsigned i = 0; i < 4; i++)
		known |= !strcmp(tier, tiers[i]);
	if (!known)
		return error_set(
			error, -EINVAL, "the tier \"%.32s\" is none of auto, high, medium, low", tier);
	snprintf(config->name, sizeof(config->name), "%s", name);
	snprintf(config->path, sizeof(config->path), "%s", path);
	snprintf(config->tier, sizeof(config->tier), "%s", tier);
	return 0;
}

void volumes_pool_add(struct volumes *volumes, const char *name, const char *path, const char *tier,
	bool force, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "add pool", name, POOL_ADD_DEADLINE_MS, begin, fn, arg);
	int rc;

	if (!op_accept(op, fn, arg, NULL))
		return;
	op->force = force;
	op->no_look = true;
	rc = checked(name, path, tier[0] ? tier : "auto", &op->pool, &op->error);
	if (rc)
		op_refuse(op, rc);
	op_submit(op);
}
