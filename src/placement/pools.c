/* The catalog's pools as placement sees them. */
#include "placement/placement.h"

#include <errno.h>
#include <stdlib.h>

int placement_pools_read(const struct catalog *catalog, struct placement_pool **ret_pools, size_t *ret_count)
{
	const struct catalog_cluster *cluster = catalog_cluster(catalog);
	uint32_t limit_percent = cluster ? cluster->provision_percent : CATALOG_PROVISION_PERCENT;
	const struct catalog_pool *pool;
	struct placement_pool *pools;
	size_t count = 0;

	while (catalog_pool_at(catalog, count))
		count++;
	pools = calloc(count + 1, sizeof(*pools));
	if (!pools)
		return -ENOMEM;
	for (size_t i = 0; (pool = catalog_pool_at(catalog, i)); i++) {
		const struct catalog_node *node = NULL;
		bool known = catalog_node_find(catalog, pool->node, &node, NULL) == 0;

		pools[i] = (struct placement_pool){
			.pool = pool->pool,
			.name = pool->name,
			.node = pool->node,
			.region = known ? node->region : "",
			.zone = known ? node->zone : "",
			.rack = known ? node->rack : "",
			.host = known ? node->host : "",
			.tier = pool->tier,
			.node_live = known && node->live,
			.labels = known ? node->labels : NULL,
			.label_count = known ? node->label_count : 0,
			.ok = pool->state == CATALOG_POOL_OK,
			.draining = pool->draining,
			.size_bytes = pool->size_bytes,
			.used_bytes = pool->used_bytes,
			.provisioned_bytes = pool->provisioned_bytes,
			.replica_count = pool->replica_count,
			.replica_limit = pool->replica_limit,
			.load_percent = pool->load_percent,
			.limit_bytes = (uint64_t)((unsigned __int128)pool->size_bytes * limit_percent / 100),
		};
		/* What is promised must be free, or kept for thick volumes already. */
		if (pool->thick_limit_bytes > pool->thick_bytes)
			pools[i].thick_room_bytes = pool->thick_limit_bytes - pool->thick_bytes;
		/* All that is free is kept for thick volumes. */
		if (pool->thick_bytes > 0 && pool->thick_bytes >= pool->thick_limit_bytes)
			pools[i].used_bytes = pool->size_bytes;
	}
	*ret_pools = pools;
	*ret_count = count;
	return 0;
}

unsigned placement_beside_read(const struct catalog *catalog, const struct catalog_shard *shard,
	struct uuid leaving, struct placement_beside ret_beside[static CATALOG_MAX_REPLICAS])
{
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];
		const struct catalog_node *node = NULL;
		bool known = catalog_node_find(catalog, replica->node, &node, NULL) == 0;

		ret_beside[i] = (struct placement_beside){
			.pool = replica->pool,
			.node = replica->node,
			.region = known ? node->region : "",
			.zone = known ? node->zone : "",
			.rack = known ? node->rack : "",
			.host = known ? node->host : "",
			.leaves = replica->retired || uuid_equal(replica->replica, leaving),
		};
	}
	return shard->replica_count;
}
