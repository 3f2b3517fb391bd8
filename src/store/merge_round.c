/* A merge's turn as an apply round, and a merge's end: merge.c. */
#include "store/round.h"

#include <string.h>

/* The child's slot as it will be. */
static void slot_merge(
	const struct merge_step *step, struct round_grain *to, const struct slot *gone, uint16_t lacking)
{
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		if (!(lacking & 1u << i))
			continue;
		to->slot.crc[i] = gone->crc[i];
		/* With its checksum, be it rotten: damage is told as it was before. */
		if (step->copied & 1u << i)
			to->source[i] = (const uint8_t *)step->iov.iov_base +
					((size_t)i - (unsigned)__builtin_ctz(step->copied)) * BLOCK_BYTES;
	}
	to->slot.present |= lacking;
	if (!MUTANT(merge_forgets_trims))
		to->slot.zero |= gone->zero;
	to->slot.zero &= (uint16_t)~to->slot.present;
	to->slot.zero &= to->below;
}

static void grain_clear(struct pool *pool, struct layer *layer, uint64_t index)
{
	struct round_grain *grain = round_grain(pool, layer, index);

	grain_empty(grain);
}

/* The removed layer's place becomes the child's; what place the child had goes. */
static struct round_grain *grain_relabel(struct pool *pool, const struct merge_pair *pair,
	const struct merge_step *step, const struct slot *heir)
{
	struct round_grain *to;

	if (heir)
		grain_clear(pool, pair->heir, step->index);
	to = round_grain_add(pool, pair->heir, step->index);
	to->from = pair->gone;
	to->phys = to->to = step->place;
	grain_load(pool, to);
	to->slot.layer = pair->heir->record.number;
	if (!heir)
		return to;
	to->slot.present = 0;
	to->slot.zero = heir->zero;
	memset(to->slot.crc, 0, sizeof(to->slot.crc));
	grain_stamp(to, (struct epoch){ heir->epoch_number, heir->epoch_restart }, heir->seq);
	return to;
}

/* False: the ground has moved; another time. */
static bool step_take(struct pool *pool, const struct merge_pair *pair, const struct merge_step *step)
{
	uint32_t place = map_find(pool, pair->gone, step->index);
	uint32_t heir_place = map_find(pool, pair->heir, step->index);
	struct slot gone, had, *heir = heir_place == PHYS_NONE ? NULL : &had;
	struct round_grain *to;
	uint16_t lacking;

	if (place == PHYS_NONE || place != step->place)
		return false;
	lacking = merge_lacking(pool, place, heir_place);
	if (merge_copied(pool, place, heir_place) & ~step->copied)
		return false;
	if (!sums_get(pool, place) || (heir && !sums_get(pool, heir_place)))
		return false;
	map_slot_get(pool, place, &gone);
	if (heir)
		map_slot_get(pool, heir_place, heir);
	if (!heir || (heir->present == 0 && lacking != 0)) {
		to = grain_relabel(pool, pair, step, heir);
	} else {
		grain_clear(pool, pair->gone, step->index);
		to = round_grain(pool, pair->heir, step->index);
	}
	to->below = layer_marks(pool, pair->gone, step->index);
	slot_merge(step, to, &gone, lacking);
	return true;
}

bool merge_round(struct pool *pool)
{
	struct merge *merge = &pool->merge;
	struct round_replica *rr;
	struct merge_pair pair;
	bool some = false;

	ASSERT(pool->round.state == ROUND_IDLE && merge->state == MERGE_READY);
	round_begin(&pool->round);
	merge->state = MERGE_IDLE;
	if (!merge_pair_find(pool, &pair) || pair.gone->record.number != merge->number)
		return false;
	rr = round_replica(&pool->round, pair.replica);
	ASSERT(rr && !rr->gone);
	for (unsigned i = 0; i < merge->count && !MUTANT(merge_parent_early); i++) {
		/* One that is passed over is found by the next pass. */
		if (step_take(pool, &pair, &merge->steps[i]))
			some = true;
	}
	if (merge->last) {
		rr->gone = pair.gone;
		rr->heir = pair.heir;
		some = true;
	}
	if (!some)
		merge_pause(pool, MERGE_PAUSE_NS);
	grains_settle(pool);
	merge->cursor = merge->next;
	merge->state = some ? MERGE_ROUND : MERGE_IDLE;
	return some;
}

void merge_round_ended(struct pool *pool)
{
	struct merge *merge = &pool->merge;

	if (merge->state != MERGE_ROUND)
		return;
	merge->state = MERGE_IDLE;
	merge_pause(pool, pool->unapplied_bytes > 0 ? MERGE_PAUSE_NS : MERGE_IDLE_NS);
}

/* ---- the last step ---- */

uint8_t *merge_image(struct pool *pool, struct round_replica *rr, uint64_t batch, uint8_t *unit)
{
	struct layer *heir = rr->heir;

	ASSERT(!rr->composed && rr->op == 0);
	/* Its replica may have begun a new tree, or have come to its end, since. */
	if (heir->top_of && heir->top_of->head.layer != heir->record.number)
		return unit;
	ASSERT(rr->gone->record.grain_count == 0 || MUTANT(merge_parent_early));
	rr->composed = true;
	pool->layer_sum_stale = true;
	if (heir->top_of) {
		ASSERT(heir->top_of == rr->replica);
		rr->replica->head.parent = rr->gone->record.parent;
		return unit;
	}
	heir->record.parent = rr->gone->record.parent;
	heir->head_batch = batch;
	layer_encode(&heir->record, unit);
	return unit + UNIT_BYTES;
}

void merge_move(struct pool *pool, struct round_replica *rr, uint64_t batch)
{
	if (!rr->composed)
		return;
	ASSERT(rr->heir->parent == rr->gone && rr->gone->children == 1);
	rr->heir->parent = rr->gone->parent;
	if (!rr->heir->top_of)
		map_page_dirty(pool, geometry_place_page(&pool->g, rr->heir->record.place), batch);
	pool->reap.wanted = true;
	layers_number(pool);
}
