/* What an apply round takes besides entries: grains copied by a resync, blocks written anew by a repair. */
#include "store/round.h"

#include <errno.h>
#include <string.h>

/* For the mutant: as if a grain's newest entry said that it has all of them. */
static bool copy_is_older(const struct work *work)
{
	struct grain_state state;

	return pool_replica_grain_applied(work->replica, work->copy.level, work->copy.index, &state) &&
	       state.seq >= work->copy.state.seq;
}

/* Layers of a level below its uppermost one: of removed snapshots. Whether they are seen from there only. */
static bool level_is_alone(const struct layer *layer, const struct layer *upper)
{
	while (upper != layer) {
		upper = upper->parent;
		if (upper->children > 1 || upper->top_of)
			return false;
	}
	return true;
}

/*
 * What the level's lower layers have of the grain goes: the copy says all of it. Where it can be seen from
 * elsewhere too: -EXDEV. Returns how many there are.
 */
static int level_clear(
	struct pool *pool, const struct layer *upper, const struct layer *stop, uint64_t index, bool clear)
{
	int count = 0;

	for (uint32_t place = map_first(pool, upper->tree, index); place != PHYS_NONE;
		place = pool->map.places[place].next) {
		struct layer *layer = map_layer(&pool->map, place);
		struct round_grain *grain;

		if (layer == upper || !layer_sees(upper, layer) || layer_sees(stop, layer))
			continue;
		if (!level_is_alone(layer, upper))
			return -EXDEV;
		count++;
		if (!clear)
			continue;
		grain = round_grain(pool, layer, index);
		grain->slot.present = grain->slot.zero = 0;
		memset(grain->source, 0, sizeof(grain->source));
	}
	return count;
}

/* Of the lowest level everything is said by marks; of another one, what is absent there must be absent here.
 */
static bool put_lower(
	struct pool *pool, struct work *work, const struct layer *upper, const struct layer *stop)
{
	uint64_t index = work->copy.index;
	int count = stop ? level_clear(pool, upper, stop, index, false) : 0;

	if (count < 0) {
		work->rc = count;
		return true;
	}
	if (pool->round.grain_count + (uint32_t)count + 1 > pool->round.grain_max)
		return false;
	if (count > 0)
		level_clear(pool, upper, stop, index, true);
	return true;
}

uint32_t grains_for_marks(const struct pool *pool)
{
	uint32_t keep = EXTRA_KEEP(pool), free = pool->map.extra_free_count,
		 extra = free > keep ? free - keep : 0;

	if (MUTANT(marks_take_what_is_left))
		return 0;
	return pool->round.grain_count > extra ? pool->round.grain_count - extra : 0;
}

/* A copy that needs a grain, and none is ready. */
static bool put_lacks_place(struct pool *pool, const struct work *work)
{
	const struct grain_copy *copy = &work->copy;
	const struct layer *layer;

	if (work->kind != WORK_PUT || (copy->state.present | copy->state.zero) == 0)
		return false;
	layer = level_upper(work->replica, copy->level);
	return layer && grain_needs_place(pool, layer, copy->index) &&
	       pool->map.ready_count <= grains_for_marks(pool);
}

/* The level's content replaces what is there: nothing of it may shine through from below its own level. */
static bool round_put(struct pool *pool, struct work *work)
{
	const struct grain_copy *copy = &work->copy;
	struct pool_replica *replica = work->replica;
	struct layer *layer = level_upper(replica, copy->level);
	const struct layer *stop;
	struct round_replica *rr;
	struct round_grain *grain;

	ASSERT(!copy->level.whole);
	if (!layer) {
		work->rc = -ENOENT;
		return true;
	}
	stop = level_below(replica, layer);
	if (pool->round.grain_count == pool->round.grain_max)
		return false;
	rr = round_replica(&pool->round, replica);
	if (!rr || rr->op != 0)
		return false;
	if (MUTANT(copy_dropped_for_partial) && copy_is_older(work))
		return true;
	if (!put_lower(pool, work, layer, stop))
		return false;
	if (work->rc != 0)
		return true;
	grain = round_grain(pool, layer, copy->index);
	/* What the level's lower layers mark as zero goes with them: the marks must stand here. */
	grain->below = layer_masks_at(pool, stop ? stop : layer->parent, NULL, copy->index).present;
	if (copy->state.present)
		grain_place(pool, grain);
	grain_stamp(grain, copy->state.epoch, copy->state.seq);
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		bool present = copy->state.present & 1u << i;

		grain_block(grain, i, present ? copy->data->data + (size_t)i * BLOCK_BYTES : NULL,
			copy->state.crc[i]);
	}
	if (stop)
		grain->slot.zero &= copy->state.zero;
	replica_grain_mark(replica, copy->index);
	return true;
}

/* ---- repair ---- */

/* Into the slot that holds it, be its layer frozen: the content stays what it was. */
static void heal_block(struct pool *pool, const struct work *work, unsigned block)
{
	const struct grain_copy *copy = &work->copy;
	const struct layer *level = level_upper(work->replica, copy->level);
	uint32_t place = layer_block_find(pool, level, copy->index, block);
	struct layer *layer;

	ASSERT(place != PHYS_NONE);
	layer = map_layer(&pool->map, place);
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
		!pool_replica_grain_applied(replica, copy->level, copy->index, &state))
		return true;
	if (!grain_state_equal(&state, &copy->state) && !MUTANT(heal_older_over_newer))
		return true;
	work->rc = 0;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if (work->bad_blocks & 1u << i)
			heal_block(pool, work, i);
	return true;
}

static bool round_restructure(struct pool *pool, struct work *work)
{
	struct round_replica *rr = round_replica(&pool->round, work->replica);

	ASSERT(work->replica->state.incomplete);
	return rr && round_structure(pool, rr, work->op, work->copy.level.snapshot, work->position);
}

static bool round_work(struct pool *pool, struct work *work)
{
	if (work->kind == WORK_HEAL)
		return round_heal(pool, work);
	return work->kind == WORK_STRUCTURE ? round_restructure(pool, work) : round_put(pool, work);
}

void round_puts(struct pool *pool)
{
	list_for_each_safe (node, &pool->round.puts) {
		struct work *work = list_entry(node, struct work, item.node);

		/*
		 * What frees grains isn't behind what waits for one. Of one grain no two works wait at once:
		 * they are of one window of one resync. And the replica is not in the round by it: one that
		 * says nothing new would only fill the ring.
		 */
		if (put_lacks_place(pool, work))
			continue;
		work->rc = 0;
		if (!round_work(pool, work))
			return;
		list_remove(node);
		list_push_back(&pool->round.taken, node);
	}
}
