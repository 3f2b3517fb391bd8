#include "volumes/pools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"

struct local_pool *pools_find(struct volumes *volumes, const char *name)
{
	list_for_each (node, &volumes->pools) {
		struct local_pool *pool = list_entry(node, struct local_pool, node);

		if (!strcmp(pool->config.name, name))
			return pool;
	}
	return NULL;
}

struct local_pool *pools_find_uuid(struct volumes *volumes, struct uuid uuid)
{
	list_for_each (node, &volumes->pools) {
		struct local_pool *pool = list_entry(node, struct local_pool, node);

		if (!uuid_is_none(uuid) && uuid_equal(pool->uuid, uuid))
			return pool;
	}
	return NULL;
}

const char *pools_name_of(struct volumes *volumes, const char *text)
{
	const struct local_pool *pool = NULL;
	struct uuid uuid;

	if (!uuid_parse(text, &uuid))
		pool = pools_find_uuid(volumes, uuid);
	return pool ? pool->config.name : text;
}

static enum catalog_pool_state record_state(const struct local_pool *pool)
{
	switch (pool->phase) {
	case LOCAL_POOL_OPENING:
		return CATALOG_POOL_OPENING;
	case LOCAL_POOL_OPEN:
		return CATALOG_POOL_OK;
	case LOCAL_POOL_FAILED:
		return CATALOG_POOL_FAILED;
	}
	return CATALOG_POOL_FAILED;
}

bool local_pool_record(
	const struct volumes *volumes, struct local_pool *pool, struct catalog_pool *ret_record)
{
	const struct catalog_pool *known = pools_record_by_name(volumes, pool->config.name);
	struct catalog_pool record;

	if (pool->removing)
		return false;
	/* One that couldn't be opened: what is missing is the pool that the catalog knows. */
	if (uuid_is_none(pool->uuid) && pool->phase == LOCAL_POOL_FAILED && known)
		pool->uuid = known->pool;
	if (uuid_is_none(pool->uuid))
		return false;
	record = (struct catalog_pool){ .pool = pool->uuid };
	/* What a pool that isn't open can't tell stays as it was. */
	if (!catalog_pool_find(volumes->catalog, pool->uuid, &known, NULL))
		record = *known;
	else if (pool->phase != LOCAL_POOL_OPEN)
		return false;
	snprintf(record.name, sizeof(record.name), "%s", pool->config.name);
	record.node = text_intern(volumes->config.node);
	record.path = text_intern(pool->config.path);
	record.state = record_state(pool);
	snprintf(record.state_reason, sizeof(record.state_reason), "%s", pool->reason);
	if (pool->phase == LOCAL_POOL_OPEN) {
		record.tier = pool->tier;
		snprintf(record.tier_reason, sizeof(record.tier_reason), "%s", pool->tier_reason);
		record.size_bytes = pool->info.size_bytes;
		record.used_bytes = pool->info.used_bytes;
		record.replica_limit = pool->info.replica_limit;
		record.thick_limit_bytes = pool->info.thick_limit_bytes;
		if (pool->load.began_ns)
			record.load_percent = pool->load.told_percent;
	}
	*ret_record = record;
	return true;
}

struct local_pool *local_pool_new(struct volumes *volumes, const struct pool_config *config)
{
	struct local_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->config = *config;
	pool->phase = LOCAL_POOL_OPENING;
	list_push_back(&volumes->pools, &pool->node);
	return pool;
}

void local_pool_free(struct local_pool *pool)
{
	list_remove(&pool->node);
	free(pool);
}

const struct catalog_pool *pools_record_by_name(const struct volumes *volumes, const char *name)
{
	const struct catalog_pool *record;

	for (size_t i = 0; (record = catalog_pool_at(volumes->catalog, i)); i++)
		if (!strcmp(record->node, volumes->config.node) && !strcmp(record->name, name))
			return record;
	return NULL;
}

static void pool_opened(struct op *op, int rc)
{
	struct local_pool *pool = pools_find(op->volumes, op->name);

	if (rc && pool->left_out) {
		manager_event(op->volumes, "pool-left-out", op->name, "%s", op->error.text);
		local_pool_free(pool);
	} else if (rc) {
		manager_event(op->volumes, "pool-failed", op->name, "%s", op->error.text);
	} else {
		manager_event(op->volumes, "pool-opened", op->name, "%s, tier %s: %s", pool->config.path,
			tier_name(pool->tier), pool->tier_reason);
	}
	op_end(op, rc);
}

static void pool_open_begin(struct op *op)
{
	pool_open_run(op, pool_opened);
}

static void pool_open_begin_new(struct volumes *volumes, const struct pool_config *config)
{
	struct op *op =
		op_make(volumes, "open pool", config->name, OP_FOREVER_MS, pool_open_begin, NULL, NULL);

	if (!op || !local_pool_new(volumes, config)) {
		free(op);
		manager_event(volumes, "pool-failed", config->name, "no memory to open it");
		return;
	}
	op->before_ready = true;
	op->pool = *config;
	op_submit(op);
}

void pools_begin(struct volumes *volumes)
{
	for (unsigned i = 0; i < volumes->config.pool_count; i++)
		if (!pools_find(volumes, volumes->config.pools[i].name))
			pool_open_begin_new(volumes, &volumes->config.pools[i]);
}

void pools_begin_recorded(struct volumes *volumes)
{
	const struct catalog_pool *record;

	for (size_t i = 0; (record = catalog_pool_at(volumes->catalog, i)); i++) {
		struct pool_config config = { .tier = "auto" };

		if (strcmp(record->node, volumes->config.node) != 0 || pools_find(volumes, record->name))
			continue;
		snprintf(config.name, sizeof(config.name), "%s", record->name);
		snprintf(config.path, sizeof(config.path), "%s", record->path);
		pool_open_begin_new(volumes, &config);
	}
}

bool pools_settled(struct volumes *volumes)
{
	list_for_each (node, &volumes->pools)
		if (list_entry(node, struct local_pool, node)->phase == LOCAL_POOL_OPENING)
			return false;
	return true;
}
