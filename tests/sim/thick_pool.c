#include "sim/thick_pool.h"

#include "store/pool.h"

void thick_pool_look(const struct pool *pool, struct thick_pool *ret_look)
{
	uint64_t free = (uint64_t)pool->map.free_count + pool->map.quarantine_count;

	*ret_look = (struct thick_pool){
		.all = pool->g.grain_count,
		.used = pool->map.used_count,
		.reserved = pool->grains_reserved,
		.taken = pool->g.grain_count - pool->map.used_count - free,
		.spare = pool_least_thick_grains(pool) - pool->thick_grains - pool->grains_reserved,
	};
}

unsigned thick_pool_due(const struct pool_replica *replica)
{
	return replica->snapshots_due;
}
