/* What an apply round takes besides entries: grains copied by a resync, blocks and grains of a repair. */
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
		place = map_older(&pool->map, place)) {
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
		grain_empty(grain);
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

static bool is_without_grains(struct pool *pool, const struct layer *layer)
{
	return pool->map.ready_count <= grains_for_marks(pool) || !thick_spares(pool, layer);
}

/* A copy that needs a grain, and none is ready. */
static bool put_lacks_place(struct pool *pool, const struct work *work)
{
	const struct grain_copy *copy = &work->copy;
	const struct layer *layer;

	if (work->kind != WORK_PUT || (copy->state.present | copy->state.zero) == 0)
		return false;
	layer = level_upper(work->replica, copy->level);
	return layer && grain_needs_place(pool, layer, copy->index) && is_without_grains(pool, layer);
}

/* It is the copy then, `stop` being the next level below. */
static void grain_put(struct pool *pool, struct layer *layer, const struct layer *stop,
	const struct grain_copy *copy, bool elsewhere)
{
	struct round_grain *grain = round_grain(pool, layer, copy->index);

	/* What the level's lower layers mark as zero goes with them: the marks must stand here. */
	grain->below = layer_masks_at(pool, stop ? stop : layer->parent, NULL, copy->index).present;
	if (copy->state.present && elsewhere)
		grain_place_anew(pool, grain);
	else if (copy->state.present)
		grain_place(pool, grain);
	grain_stamp(grain, copy->state.epoch, copy->state.seq);
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		bool present = copy->state.present & 1u << i;

		grain_block(grain, i, present ? copy->data->data + (size_t)i * BLOCK_BYTES : NULL,
			copy->state.crc[i]);
	}
	if (stop)
		grain->slot.zero &= copy->state.zero;
}

/* The level's content replaces what is there: nothing of it may shine through from below its own level. */
static bool round_put(struct pool *pool, struct work *work)
{
	const struct grain_copy *copy = &work->copy;
	struct pool_replica *replica = work->replica;
	struct layer *layer = level_upper(replica, copy->level);
	const struct layer *stop;
	struct round_replica *rr;

	ASSERT(!copy->level.whole);
	if (!layer) {
		work->rc = -ENOENT;
		return true;
	}
	stop = level_below(replica, layer);
	if (pool->round.grain_count == pool->round.grain_max ||
		!sums_want_versions(pool, layer->tree, copy->index, SUMS_ROUND))
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
	grain_put(pool, layer, stop, copy, false);
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

static bool heal_has_sums(struct pool *pool, const struct work *work)
{
	const struct layer *level = level_upper(work->replica, work->copy.level);

	return !level || sums_want_versions(pool, level->tree, work->copy.index, SUMS_ROUND);
}

/* Blocks of a slot whose checksums are lost: sums_rebuild.c. */
static uint16_t blocks_lost(struct pool *pool, const struct work *work)
{
	const struct layer *level = level_upper(work->replica, work->copy.level);
	uint16_t lost = 0;

	for (unsigned i = 0; pool->sums.lost > 0 && i < GRAIN_BLOCKS; i++) {
		uint32_t place = layer_block_find(pool, level, work->copy.index, i);

		if (place != PHYS_NONE && !map_slot_check(pool, place, sums_get(pool, place)))
			lost = (uint16_t)(lost | 1u << i);
	}
	return lost;
}

/* The grain is of the copy's version and shape; of these blocks the copy alone has checksums. */
static bool heal_agrees(const struct work *work, uint16_t copys)
{
	const struct grain_copy *copy = &work->copy;
	struct grain_state state;

	if (!pool_replica_grain_applied(work->replica, copy->level, copy->index, &state))
		return false;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if (copys & 1u << i)
			state.crc[i] = copy->state.crc[i];
	return grain_state_equal(&state, &copy->state) || MUTANT(heal_older_over_newer) ||
	       (work->rewrite_blocks != 0 && MUTANT(rewrite_unchecked));
}

/*
 * A slot that was lost has all its checksums again, and its hash is the one that the layer's sum has of it.
 * False: some of its blocks are not seen from here.
 */
static bool slot_is_found(struct pool *pool, const struct work *work, unsigned block)
{
	const struct layer *level = level_upper(work->replica, work->copy.level);
	uint32_t place = layer_block_find(pool, level, work->copy.index, block);
	struct slot slot;

	map_slot_get(pool, place, &slot);
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if (layer_block_find(pool, level, work->copy.index, i) == place &&
			(work->bad_blocks & 1u << i))
			slot.crc[i] = work->copy.state.crc[i];
	if (!map_slot_check(pool, place, slot.crc))
		return false;
	round_grain(pool, map_layer(&pool->map, place), work->copy.index)->was_hash = slot_hash(&slot, place);
	return true;
}

/* What can't be found from here a resync finds, level by level. */
static bool lost_are_found(struct pool *pool, const struct work *work, uint16_t lost)
{
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		if (!(lost & 1u << i) || slot_is_found(pool, work, i))
			continue;
		replica_damage(work->replica);
		return false;
	}
	return true;
}

/*
 * The grain's turn has come: no round is under way, so what is applied is what stands in the map. Only the
 * very version of the copy is written anew; entries of this round come after it.
 */
static bool round_heal(struct pool *pool, struct work *work)
{
	struct pool_replica *replica = work->replica;
	uint16_t lost;

	ASSERT(work->copy.data && work->bad_blocks != 0);
	ASSERT((work->bad_blocks & ~work->copy.state.present) == 0);
	/* Its blocks may lie in several layers. */
	if (!heal_has_sums(pool, work) || pool->round.grain_count + GRAIN_BLOCKS > pool->round.grain_max ||
		!round_replica(&pool->round, replica))
		return false;
	work->rc = -EAGAIN;
	if (replica->state.incomplete || !level_upper(replica, work->copy.level))
		return true;
	lost = blocks_lost(pool, work);
	if (work->rewrite_blocks != 0 && lost != 0)
		return true; /* a heal finds them */
	if (!heal_agrees(work, lost | work->rewrite_blocks) || !lost_are_found(pool, work, lost))
		return true;
	work->rc = 0;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if (work->bad_blocks & 1u << i)
			heal_block(pool, work, i);
	return true;
}

/* ---- a grain that a comparison has found other than a quorum's ---- */

/* The copy is what must stand where so much is applied. Of a trim that takes several rounds a part may be. */
static bool is_in_force(const struct work *work)
{
	const struct pool_replica *replica = work->replica;

	if (replica->trim_cursor != 0 && !MUTANT(replace_in_trim))
		return false;
	return replica->applied.seq >= work->position.seq &&
	       (replica->applied.seq <= work->until_seq || MUTANT(replace_overtaken));
}

static int replace_refused(struct pool *pool, const struct work *work)
{
	const struct pool_replica *replica = work->replica;
	const struct grain_copy *copy = &work->copy;
	const struct layer *top = replica->top, *stop = level_below(replica, top);
	uint16_t below = layer_masks_at(pool, stop, NULL, copy->index).present;

	if (replica->state.incomplete || level_upper(replica, copy->level) != top || !is_in_force(work))
		return -EAGAIN;
	/* Checksums that are lost a repair of bad blocks finds; a removed snapshot's layer is merged first.
	 */
	if (blocks_lost(pool, work) != 0 || (stop && level_clear(pool, top, stop, copy->index, false) != 0))
		return -EAGAIN;
	if (copy->state.zero & ~below)
		return -ENOTSUP;
	return copy->state.present != 0 && is_without_grains(pool, top) ? -ENOSPC : 0;
}

/* In its turn, as a repair; into another grain, so that readers and a restart find the old one or the new. */
static bool round_replace(struct pool *pool, struct work *work)
{
	struct pool_replica *replica = work->replica;

	if (!heal_has_sums(pool, work) || pool->round.grain_count == pool->round.grain_max ||
		!round_replica(&pool->round, replica))
		return false;
	work->rc = replace_refused(pool, work);
	if (work->rc != 0)
		return true;
	grain_put(pool, replica->top, level_below(replica, replica->top), &work->copy, true);
	replica_grain_mark(replica, work->copy.index);
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
		return work->until_seq != 0 ? round_replace(pool, work) : round_heal(pool, work);
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
		if (!round_work(pool, work)) {
			round_sums_puts(pool, node);
			return;
		}
		list_remove(node);
		list_push_back(&pool->round.taken, node);
	}
}
