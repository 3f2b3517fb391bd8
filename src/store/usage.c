/*
 * What each snapshot takes, and what the removal of it alone would give back: merge.c's rule, counted and not
 * carried out.
 *
 *   no child:   all its grains
 *   one child:  those of which the child has a grain of its own, or shows nothing: what it lacks is copied
 * into that grain. A grain that the child has not becomes the child's, and nothing is given back more:
 * nothing (a clone stands on it, or a snapshot and, after a rollback, the volume)
 */
#include "store/pool.h"
#include "store/usage.h"

uint64_t pool_replica_used_bytes(const struct pool_replica *replica)
{
	return replica->top->grains * GRAIN_BYTES;
}

uint64_t pool_replica_frozen_bytes(const struct pool_replica *replica)
{
	return replica->frozen * GRAIN_BYTES;
}

uint64_t pool_replica_kept_bytes(const struct pool_replica *replica)
{
	return replica->thick_grains * GRAIN_BYTES;
}

#define TURN_INDICES  65536u
#define TURN_VERSIONS 4096u
#define NO_ROW        UINT32_MAX

static uint32_t rows_name(const struct pool_replica *replica, struct pool_usage_scan *scan, bool anew)
{
	uint32_t count = 0;

	list_for_each (node, &replica->pool->layers) {
		struct layer *layer = list_entry(node, struct layer, node);

		layer->instead_index = UINT64_MAX;
		layer->usage_row = NO_ROW;
		if (layer->owner != replica || !layer->is_snapshot)
			continue;
		layer->usage_row = count++;
		if (anew && layer->usage_row < scan->room)
			scan->rows[layer->usage_row] =
				(struct pool_usage){ .snapshot = layer->record.snapshot };
	}
	return count;
}

/* Whether the layer's grain in `place` would be free. Where its child has the grain too, that stands noted.
 */
static bool comes_back(const struct pool *pool, const struct layer *layer, uint32_t place)
{
	uint32_t heir = layer->instead_place;

	if (layer->children != 1)
		return layer->children == 0;
	if (layer->instead_index != pool->map.places[place].index)
		return false;
	return pool->map.places[heir].present != 0 || merge_lacking(pool, place, heir) == 0;
}

/* All versions of a grain, newest first: a child's comes before its parent's. */
static unsigned grain_count(const struct pool_replica *replica, struct pool_usage_scan *scan)
{
	const struct pool *pool = replica->pool;
	unsigned versions = 0;

	for (uint32_t place = map_first(pool, replica->top->tree, scan->index); place != PHYS_NONE;
		place = map_older(&pool->map, place)) {
		const struct layer *layer = map_layer(&pool->map, place);

		versions++;
		/* A clone's grain takes nothing of its origin's away. */
		if (layer->parent && (layer->owner == replica || layer->top_of == replica)) {
			layer->parent->instead_index = scan->index;
			layer->parent->instead_place = place;
		}
		if (pool->map.places[place].present == 0 || layer->usage_row >= scan->room)
			continue;
		scan->rows[layer->usage_row].used_bytes += GRAIN_BYTES;
		if (comes_back(pool, layer, place))
			scan->rows[layer->usage_row].own_bytes += GRAIN_BYTES;
	}
	return versions;
}

bool pool_replica_usage_scan(const struct pool_replica *replica, struct pool_usage_scan *scan)
{
	const struct tree *tree = replica->top->tree;
	unsigned versions = 0;
	uint64_t end;

	/* layers_change is never 0 where there are layers. */
	if (scan->change != replica->pool->layers_change)
		scan->index = 0;
	scan->count = rows_name(replica, scan, scan->index == 0);
	scan->change = replica->pool->layers_change;
	end = scan->index + TURN_INDICES < tree->limit ? scan->index + TURN_INDICES : tree->limit;
	if (scan->count == 0)
		return true;
	for (; scan->index < end && versions < TURN_VERSIONS; scan->index++)
		if (tree->bits[scan->index / 64] & UINT64_C(1) << scan->index % 64)
			versions += grain_count(replica, scan);
	return scan->index >= tree->limit;
}
