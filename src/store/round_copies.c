/* What an apply round takes besides entries: grains copied by a resync, blocks written anew by a repair. */
#include "store/round.h"

#include <errno.h>

static bool copy_is_older(const struct work *work)
{
	struct grain_state state;

	return pool_replica_grain_applied(work->replica, work->copy.snapshot, work->copy.index, &state) &&
	       state.seq > work->copy.state.seq;
}

/* The level's content replaces what is there: nothing of it may shine through from below its own level. */
static bool round_put(struct pool *pool, struct work *work)
{
	const struct grain_copy *copy = &work->copy;
	struct pool_replica *replica = work->replica;
	struct layer *layer = level_layer(replica, copy->snapshot);
	struct round_grain *grain;

	if (!layer) {
		work->rc = -ENOENT;
		return true;
	}
	if (pool->round.grain_count == pool->round.grain_max || !round_replica(&pool->round, replica))
		return false;
	if ((copy->state.present || copy->state.zero) && grain_needs_place(pool, layer, copy->index) &&
		pool->map.ready_count == 0)
		return false;
	if (MUTANT(copy_dropped_for_partial) && copy_is_older(work))
		return true;
	grain = round_grain(pool, layer, copy->index);
	if (copy->state.present)
		grain_place(pool, grain);
	grain_stamp(grain, copy->state.epoch, copy->state.seq);
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		bool present = copy->state.present & 1u << i;

		grain_block(grain, i, present ? copy->data->data + (size_t)i * BLOCK_BYTES : NULL,
			copy->state.crc[i]);
	}
	/* Absent there means absent here; of the lowest level everything is said. */
	if (layer->parent && layer->parent->owner == replica)
		grain->slot.zero &= copy->state.zero;
	replica_grain_mark(replica, copy->index);
	return true;
}

/* ---- repair ---- */

/* Into the slot that holds it, be its layer frozen: the content stays what it was. */
static void heal_block(struct pool *pool, const struct work *work, unsigned block)
{
	const struct grain_copy *copy = &work->copy;
	const struct layer *level = level_layer(work->replica, copy->snapshot);
	uint32_t place = layer_block_find(pool, level, copy->index, block);
	struct layer *layer;

	ASSERT(place != PHYS_NONE);
	layer = pool->layer_table[pool->map.versions[place].layer];
	grain_block(round_grain(pool, layer, copy->index), block,
		copy->data->data + (size_t)block * BLOCK_BYTES, copy->state.crc[block]);
}

/*
 * The grain's turn has come: no round is under way, so what is applied is what stands in the map. Only the
 * very version of the copy is written anew; entries of this round come after it.
 */
static bool round_heal(struct pool *pool, struct work *work)
{
	const struct grain_copy *copy = &work->copy;
	struct pool_replica *replica = work->replica;
	struct grain_state state;

	ASSERT(copy->data && work->bad_blocks != 0);
	ASSERT((work->bad_blocks & ~copy->state.present) == 0);
	/* Its blocks may lie in several layers. */
	if (pool->round.grain_count + GRAIN_BLOCKS > pool->round.grain_max ||
		!round_replica(&pool->round, replica))
		return false;
	work->rc = -EAGAIN;
	if (replica->state.incomplete ||
		!pool_replica_grain_applied(replica, copy->snapshot, copy->index, &state))
		return true;
	if (!grain_state_equal(&state, &copy->state) && !MUTANT(heal_older_over_newer))
		return true;
	work->rc = 0;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if (work->bad_blocks & 1u << i)
			heal_block(pool, work, i);
	return true;
}

void round_puts(struct pool *pool)
{
	struct list *node;

	while ((node = list_first(&pool->round.puts)) != NULL) {
		struct work *work = list_entry(node, struct work, item.node);

		work->rc = 0;
		if (!(work->kind == WORK_HEAL ? round_heal(pool, work) : round_put(pool, work)))
			return;
		list_remove(node);
		list_push_back(&pool->round.taken, node);
	}
}
