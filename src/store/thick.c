/*
 * Thick replicas: the pool keeps a free grain for each of theirs that has none in the top layer. Kept grains
 * are no room for anybody else, and what a thick one writes comes out of them: so others may fill the pool,
 * and every block of it can be written all the same.
 *
 *   kept = size - grains of the top         as it is
 *   kept = size                             a snapshot stands in its log: it freezes them all
 *
 * A grain that comes into the top leaves what is free, and what is kept, by one; one that is trimmed comes
 * back to both. A rollback gives up as many grains as it has to have anew. A snapshot alone needs more: it is
 * refused where that is not free (coordinator_full.c). Entries count in `kept` already, and not as reserved;
 * what they are going to take matters only where the pool lost some of what it keeps, as when thin entries
 * took it while a snapshot was on its way: thick ones are told what is left then, and no grain of it twice.
 */
#include "store/pool.h"
#include "store/usage.h"

void thick_count(struct pool_replica *replica)
{
	uint64_t limit = replica->grain_limit, has = 0, keeps = 0;

	if (!replica->head.identity.thick)
		return;
	if (replica->top && replica->snapshots_due == 0)
		has = replica->top->grains < limit ? replica->top->grains : limit;
	if (!replica->deleted && !MUTANT(thick_not_kept))
		keeps = limit - has;
	replica->pool->thick_grains += keeps - replica->thick_grains;
	replica->thick_grains = keeps;
}

void thick_begin(struct pool *pool)
{
	pool->thick_grains = 0;
	for (uint32_t dir = 0; dir < pool->g.dir_pages; dir++)
		if (pool->dir[dir])
			pool->dir[dir]->thick_grains = 0;
}

static uint64_t grains_to_come(const struct pool *pool)
{
	return (uint64_t)pool->map.free_count + pool->map.quarantine_count;
}

bool thick_fits(const struct pool *pool, uint64_t grains)
{
	return grains_to_come(pool) >= pool_least_thick_grains(pool) + grains || MUTANT(thick_without_room);
}

/* What a round or a redirect has taken and not mapped yet is neither free nor used: it is on its way to be.
 */
static bool thick_is_covered(const struct pool *pool)
{
	return pool->map.used_count + pool->thick_grains + pool->grains_reserved <= pool->g.grain_count;
}

uint64_t thick_limit_grains(const struct pool *pool)
{
	uint64_t others = pool->map.used_count + pool_least_thick_grains(pool) - pool->thick_grains;

	list_for_each (node, &pool->replicas) {
		const struct pool_replica *replica = list_entry(node, struct pool_replica, node);

		if (replica->head.identity.thick)
			others -= replica->top->grains;
	}
	return pool->g.grain_count > others ? pool->g.grain_count - others : 0;
}

bool thick_is_free(const struct pool_replica *replica)
{
	return replica->head.identity.thick &&
	       (replica->thick_grains == 0 || thick_is_covered(replica->pool));
}

/* Half of what thin ones may be sent is left: what was written a little beyond what is full can be copied. */
static uint64_t grains_left_by_copies(const struct pool *pool)
{
	if (pool->thick_grains == 0 || MUTANT(copies_leave_what_is_kept))
		return pool->thick_grains;
	return pool->thick_grains + pool->grains_reserved + pool_thick_slack_grains(pool) / 2;
}

bool thick_spares(const struct pool *pool, const struct layer *layer)
{
	return (layer->top_of && layer->top_of->head.identity.thick) ||
	       grains_to_come(pool) > grains_left_by_copies(pool);
}

bool pool_replica_snapshot_fits(const struct pool_replica *replica)
{
	return !replica->head.identity.thick || thick_fits(replica->pool, replica->top->grains);
}
