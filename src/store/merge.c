/*
 * Merges: a removed layer gives all that it has to its only child, and goes. No entry says so and no view
 * changes: each replica does it by itself, when it likes.
 *
 *   grain of the removed layer    in the child               what happens
 *   any                           nothing                    the slot gets the child's number
 *   blocks that the child lacks   only marks                 the same, with the child's marks
 *   blocks that the child lacks   blocks                     they are copied into the child's grain
 *   the child says all of it                                 it is freed
 *
 * In all of them the removed layer's marks become the child's, where something still stands below. A turn
 * takes a bounded number of grains and has an apply round of its own: data, flush, images in one batch. So a
 * crash leaves each grain in one layer or the other, and the next open goes on from there; nothing else need
 * be remembered. When no slot is left, the child's record gets the removed layer's parent, and what nothing
 * reaches is dead.
 *
 * Of several in a row the uppermost goes first: no block is copied twice.
 */
#include "store/round.h"

#include <stdlib.h>
#include <string.h>

#define MERGE_LOOKS    4096u           /* indices that a turn looks at */
#define MERGE_RETRY_NS (10 * NS_PER_S) /* after a failed read */

static void merge_due(void *arg)
{
	pool_pump(arg);
}

int merge_init(struct pool *pool)
{
	struct merge *merge = &pool->merge;

	loop_timer_init(&merge->timer, merge_due, pool);
	merge->steps = calloc(MERGE_STEPS, sizeof(*merge->steps));
	merge->blocks = aligned_new((size_t)MERGE_BLOCKS * BLOCK_BYTES);
	return merge->steps && merge->blocks ? 0 : -ENOMEM;
}

void merge_done(struct pool *pool)
{
	loop_timer_cancel(pool->loop, &pool->merge.timer);
	free(pool->merge.steps);
	free(pool->merge.blocks);
}

/* ---- which ---- */

static bool layer_is_removed(const struct layer *layer)
{
	return !layer->top_of && !layer->pinned && !(layer->owner && layer->is_snapshot) &&
	       layer->head_batch != 0 && !layer->dead;
}

static uint64_t layer_root(const struct layer *layer)
{
	return layer->top_of ? layer->top_of->head.root : layer->record.root;
}

/* Versions of a grain are positions of one log: a clone's are none of its origin's. */
static bool layer_is_heir(const struct layer *heir, const struct layer *gone)
{
	const struct pool_replica *top_of = heir->top_of;

	if (heir->pinned || heir->dead || layer_root(heir) != layer_root(gone))
		return false;
	return top_of ? !top_of->deleted && !top_of->creating && top_of->head.layer == heir->record.number
		      : heir->head_batch != 0;
}

/* The tree of one that is being copied to, or is damaged, stays as it is. */
static bool tree_is_whole(const struct pool *pool, const struct tree *tree)
{
	list_for_each (node, &pool->replicas) {
		const struct pool_replica *replica = list_entry(node, struct pool_replica, node);

		if (replica->top->tree == tree && replica->state.incomplete)
			return false;
	}
	return true;
}

static struct pool_replica *replica_above(const struct pool *pool, const struct layer *layer)
{
	if (layer->top_of)
		return layer->top_of;
	list_for_each (node, &pool->replicas) {
		struct pool_replica *replica = list_entry(node, struct pool_replica, node);

		if (replica->top->tree == layer->tree && layer_sees(replica->top, layer))
			return replica;
	}
	/* Of a branch that was rolled back behind: only its snapshots stand on it. */
	return layer->owner && !layer->owner->deleted ? layer->owner : NULL;
}

static bool layer_may_go(const struct layer *gone, const struct layer *heir)
{
	return gone && layer_is_removed(gone) && gone->children == 1 && !gone->dead_child &&
	       layer_is_heir(heir, gone);
}

bool merge_pair_find(const struct pool *pool, struct merge_pair *ret_pair)
{
	list_for_each (node, &pool->layers) {
		struct layer *heir = list_entry(node, struct layer, node), *gone = heir->parent;

		/* The heir goes first when it is one of those itself. */
		if (!layer_may_go(gone, heir) || (layer_is_removed(heir) && heir->children == 1))
			continue;
		if (!tree_is_whole(pool, heir->tree))
			continue;
		*ret_pair = (struct merge_pair){ gone, heir, replica_above(pool, heir) };
		if (ret_pair->replica)
			return true;
	}
	return false;
}

uint64_t merge_left(const struct pool *pool)
{
	uint64_t grains = 0;

	list_for_each (node, &pool->layers) {
		const struct layer *heir = list_entry(node, struct layer, node);

		if (layer_may_go(heir->parent, heir))
			grains += heir->parent->grains;
	}
	return grains;
}

/* ---- what a grain needs ---- */

uint16_t merge_lacking(const struct pool *pool, uint32_t gone, uint32_t heir)
{
	const struct mapped *places = pool->map.places;

	if (heir == PHYS_NONE || MUTANT(merge_over_child))
		return places[gone].present;
	return (uint16_t)(places[gone].present & ~(places[heir].present | places[heir].zero));
}

uint16_t merge_copied(const struct pool *pool, uint32_t gone, uint32_t heir)
{
	return heir != PHYS_NONE && pool->map.places[heir].present ? merge_lacking(pool, gone, heir) : 0;
}

/* ---- reading ---- */

static void step_read_ended(struct device_io *io, int rc)
{
	struct merge_step *step = container_of(io, struct merge_step, io);
	struct pool *pool = step->pool;
	struct merge *merge = &pool->merge;

	pool_io_ended(pool, io);
	ASSERT(merge->state == MERGE_READING && merge->busy > 0);
	if (rc < 0) {
		failing_read(pool, geometry_grain_offset(&pool->g, step->place));
		/* It stays where it is: who reads it mends it from another replica. */
		step->copied = 0;
		step->place = PHYS_NONE;
		loop_timer_set(pool->loop, &merge->timer, loop_now_ns(pool->loop) + MERGE_RETRY_NS);
	}
	if (--merge->busy == 0)
		merge->state = MERGE_READY;
	pool_pump_soon(pool);
}

/* From the first to the last block that is copied: one read. False: no room is left for it. */
static bool step_place(struct merge *merge, struct merge_step *step)
{
	unsigned first = (unsigned)__builtin_ctz(step->copied);
	unsigned count = 32 - (unsigned)__builtin_clz(step->copied) - first;

	if (merge->blocks_used + count > MERGE_BLOCKS)
		return false;
	step->iov = (struct iovec){ .iov_base = merge->blocks + (size_t)merge->blocks_used * BLOCK_BYTES,
		.iov_len = (size_t)count * BLOCK_BYTES };
	merge->blocks_used += count;
	return true;
}

static void steps_read(struct pool *pool)
{
	struct merge *merge = &pool->merge;

	merge->state = MERGE_READING;
	merge->busy = 1;
	for (unsigned i = 0; i < merge->count; i++) {
		struct merge_step *step = &merge->steps[i];
		uint64_t first_bytes;

		if (step->copied == 0)
			continue;
		first_bytes = (uint64_t)__builtin_ctz(step->copied) * BLOCK_BYTES;
		step->pool = pool;
		step->io.fn = step_read_ended;
		merge->busy++;
		pool_io_began(pool, &step->io);
		pool->device->ops->read(pool->device, &step->io, &step->iov, 1,
			geometry_grain_offset(&pool->g, step->place) + first_bytes);
	}
	if (--merge->busy == 0)
		merge->state = MERGE_READY;
}

/* ---- collecting ---- */

static bool step_add(struct pool *pool, const struct merge_pair *pair, uint64_t index, uint32_t place)
{
	struct merge *merge = &pool->merge;
	struct merge_step *step = &merge->steps[merge->count];

	*step = (struct merge_step){ .index = (uint32_t)index, .place = place };
	(void)sums_want(pool, place, SUMS_MERGE);
	(void)sums_want(pool, map_find(pool, pair->heir, index), SUMS_MERGE);
	step->copied = merge_copied(pool, place, map_find(pool, pair->heir, index));
	if (step->copied && !step_place(merge, step))
		return false;
	merge->count++;
	return true;
}

/* From the cursor on; false when the end was not reached. */
static bool steps_collect(struct pool *pool, const struct merge_pair *pair)
{
	struct merge *merge = &pool->merge;
	const struct tree *tree = pair->gone->tree;
	/* A step may need two grains of the round. */
	unsigned max = pool->round.grain_max / 2 < MERGE_STEPS ? pool->round.grain_max / 2 : MERGE_STEPS;
	unsigned looks = 0;

	merge->count = 0;
	merge->blocks_used = 0;
	merge->next = 0;
	if (pair->gone->record.grain_count == 0 && pair->gone->grains == 0)
		return true;
	for (uint64_t word = merge->cursor / 64; word < tree->limit / 64 + 1; word++) {
		uint64_t bits = tree->bits[word];

		if (word == merge->cursor / 64)
			bits &= UINT64_MAX << merge->cursor % 64;
		for (; bits; bits &= bits - 1) {
			uint64_t index = word * 64 + (uint64_t)__builtin_ctzll(bits);
			uint32_t place = map_find(pool, pair->gone, index);

			merge->next = index;
			if (merge->count == max || ++looks > MERGE_LOOKS ||
				(place != PHYS_NONE && !step_add(pool, pair, index, place)))
				return false;
		}
	}
	merge->next = 0;
	return true;
}

void merge_pause(struct pool *pool, uint64_t ns)
{
	if (!loop_timer_is_set(&pool->merge.timer))
		loop_timer_set(pool->loop, &pool->merge.timer, loop_now_ns(pool->loop) + ns);
}

void merge_pump(struct pool *pool)
{
	struct merge *merge = &pool->merge;
	struct merge_pair pair;
	bool from_start, end;

	if (!merge->wanted || merge->state != MERGE_IDLE || loop_timer_is_set(&merge->timer) ||
		pool->round.state != ROUND_IDLE || pool->reap.wanted || pool->closing || pool->opening)
		return;
	if (!merge_pair_find(pool, &pair)) {
		merge->wanted = false;
		return;
	}
	if (merge->number != pair.gone->record.number)
		merge->cursor = 0;
	merge->number = pair.gone->record.number;
	from_start = merge->cursor == 0;
	sums_turn_begin(pool, SUMS_MERGE);
	end = steps_collect(pool, &pair);
	sums_turn_end(pool, SUMS_MERGE);
	merge->last = (end && merge->count == 0 && pair.gone->record.grain_count == 0) ||
		      MUTANT(merge_parent_early);
	if (merge->count > 0 || merge->last) {
		steps_read(pool);
		return;
	}
	merge->cursor = merge->next;
	/* Slots that are counted and nowhere: damage, which others tell. */
	if (end && from_start)
		merge->wanted = false;
	else
		merge_pause(pool, pool->unapplied_bytes > 0 ? MERGE_LOOK_PAUSE_NS : MERGE_IDLE_NS);
}
