/* A replica's snapshots as others see them, and the tree that a resync builds anew. */
#include "store/pool.h"

#include <errno.h>
#include <string.h>

/* The next snapshot of its own below a layer. */
static struct uuid snapshot_below(const struct pool_replica *replica, const struct layer *layer)
{
	const struct layer *below = level_below(replica, layer);

	return below ? below->record.snapshot : (struct uuid){ 0 };
}

unsigned pool_replica_snapshots(
	const struct pool_replica *replica, struct pool_snapshot *ret_snapshots, unsigned max)
{
	unsigned count = 0;

	list_for_each (node, &replica->layers) {
		const struct layer *layer = list_entry(node, struct layer, owned);

		if (!layer->is_snapshot)
			continue;
		if (count++ >= max)
			continue;
		ret_snapshots[count - 1] = (struct pool_snapshot){
			.snapshot = layer->record.snapshot,
			.parent = snapshot_below(replica, layer),
			.frozen = layer->record.frozen,
			.used_bytes = layer->grains * GRAIN_BYTES,
		};
	}
	return count;
}

bool pool_replica_snapshot_at(const struct pool_replica *replica, unsigned n, struct uuid *ret_snapshot)
{
	list_for_each (node, &replica->layers) {
		const struct layer *layer = list_entry(node, struct layer, owned);

		if (!layer->is_snapshot || n-- > 0)
			continue;
		*ret_snapshot = layer->record.snapshot;
		return true;
	}
	return false;
}

struct uuid pool_replica_snapshot_top(const struct pool_replica *replica)
{
	return snapshot_below(replica, replica->top);
}

/* ---- built anew ---- */

static struct layer *layer_named(const struct pool_replica *replica, struct uuid snapshot, uint64_t root)
{
	list_for_each (node, &replica->layers) {
		struct layer *layer = list_entry(node, struct layer, owned);

		if (layer->record.root == root && layer->is_snapshot &&
			uuid_equal(layer->record.snapshot, snapshot))
			return layer;
	}
	return NULL;
}

static void work_queue(
	struct pool_replica *replica, enum work_kind kind, struct layer *layer, pool_done_fn fn, void *arg)
{
	struct work *work = work_get(replica->pool, replica, kind);

	work->layer = layer;
	work->fn = fn;
	work->arg = arg;
	journal_queue(replica->pool, &work->item);
}

/* A frozen, empty layer; without a snapshot it is the common bottom of the others. */
static struct layer *frozen_make(
	struct pool_replica *replica, const struct pool_snapshot *snapshot, struct layer *bottom)
{
	struct pool *pool = replica->pool;
	uint32_t place = map_extra_alloc(pool, 0);
	struct layer *parent = bottom, *layer;

	if (place == PHYS_NONE)
		place = map_alloc(pool);
	if (place == PHYS_NONE)
		return NULL;
	if (snapshot && !uuid_is_none(snapshot->parent))
		parent = layer_named(replica, snapshot->parent, bottom->record.number);
	layer = layer_new(pool, layer_number_new(pool), parent, replica->grain_limit);
	if (!layer) {
		map_unalloc(pool, place);
		return NULL;
	}
	layer->record.place = place;
	layer->record.parent = parent ? parent->record.number : 0;
	layer->record.root = bottom ? bottom->record.number : layer->record.number;
	if (snapshot) {
		layer->record.snapshot = snapshot->snapshot;
		layer->record.frozen = snapshot->frozen;
		layer->record.is_snapshot = layer->is_snapshot = true;
	}
	layer_own(layer, replica);
	work_queue(replica, WORK_LAYER, layer, NULL, NULL);
	return layer;
}

/* On the disk the new layers are dead until the last record, the replica's, names their root; then the old
 * ones are. */
void pool_replica_tree_reset(struct pool_replica *replica, const struct pool_snapshot *snapshots,
	unsigned count, struct uuid top, pool_done_fn fn, void *arg)
{
	struct pool *pool = replica->pool;
	struct layer *bottom = NULL, *parent = NULL, *layer;
	bool made = true;

	ASSERT(replica->state.incomplete && !replica->deleted);
	if (!pool->failed && count > 0) {
		bottom = frozen_make(replica, NULL, NULL);
		made = bottom != NULL;
		for (unsigned i = 0; made && i < count; i++)
			made = frozen_make(replica, &snapshots[i], bottom) != NULL;
		parent = uuid_is_none(top) || !made ? bottom
						    : layer_named(replica, top, bottom->record.number);
	}
	layer = pool->failed || !made ? NULL
				      : layer_new(pool, layer_number_new(pool), parent, replica->grain_limit);
	layers_number(pool);
	if (!layer) {
		struct work *work = work_get(pool, replica, WORK_TOP);

		/* Those that were made stay dead on the disk, and go when the replica's tree is made. */
		work->fn = fn;
		work->arg = arg;
		work_answer(pool, work, pool->failed ? -EIO : -ENOSPC);
		return;
	}
	layer->record.parent = parent ? parent->record.number : 0;
	layer->record.root = bottom ? bottom->record.number : layer->record.number;
	layer->pinned = true;
	work_queue(replica, WORK_TOP, layer, fn, arg);
}
