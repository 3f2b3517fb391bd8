/* A pool of this node that another has replaced is removed, once nothing is on it. */
#include <errno.h>

#include "volumes/manager.h"
#include "volumes/steward.h"

static bool is_here(const struct volumes *volumes, struct uuid pool)
{
	const struct snapshot_rows *rows = &volumes->snapshot.rows;

	for (unsigned i = 0; i < rows->replica_count; i++)
		if (uuid_equal(rows->replicas[i].pool, pool))
			return true;
	return false;
}

static void removed_told(void *arg, int rc, const struct error *error)
{
	struct volumes *volumes = arg;

	/* A replica that is being deleted is waited for. */
	if (rc && rc != -EBUSY && rc != -ECANCELED && rc != -ESHUTDOWN)
		manager_event(volumes, "pool-not-removed", volumes->config.node, "%s", error->text);
}

void replaced_plan(struct volumes *volumes)
{
	const struct catalog_pool *pool;

	for (size_t i = 0; (pool = catalog_pool_at(volumes->catalog, i)); i++) {
		const struct local_pool *local = pools_find_uuid(volumes, pool->pool);

		if (!pool->draining || uuid_is_none(pool->replaced_by) || pool->replica_count != 0 ||
			!local || local->removing || local->phase == LOCAL_POOL_OPENING ||
			is_here(volumes, pool->pool) || ops_has(volumes, "", "remove pool"))
			continue;
		volumes_pool_remove(volumes, pool->name, removed_told, volumes);
		return; /* one at a time: the next look takes the next */
	}
}
