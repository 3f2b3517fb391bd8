/* The grains of an apply round: what each holds, and will. Of a block only the newest version counts. */
#include "store/round.h"

#include <string.h>

static uint32_t round_bucket(const struct layer *layer, uint64_t index)
{
	return (uint32_t)(((layer->id * UINT64_C(2654435761)) ^ index * UINT64_C(0x9e3779b97f4a7c15) >> 20) %
			  ROUND_MAX_GRAINS);
}

static struct round_grain *round_find(struct round *round, const struct layer *layer, uint64_t index)
{
	for (uint32_t at = round->heads[round_bucket(layer, index)]; at != 0;
		at = round->grains[at - 1].next) {
		struct round_grain *grain = &round->grains[at - 1];

		if (grain->layer == layer && grain->slot.index == index)
			return grain;
	}
	return NULL;
}

/* What is asked for one after the other is one grain: the map stands still while a round is built. */
static uint32_t round_place(struct pool *pool, const struct layer *layer, uint64_t index)
{
	struct round *round = &pool->round;

	if (round->sought_layer != layer || round->sought_index != index) {
		round->sought_layer = layer;
		round->sought_index = index;
		round->sought_place = map_find(pool, layer, index);
	}
	return round->sought_place;
}

struct round_grain *round_grain(struct pool *pool, struct layer *layer, uint64_t index)
{
	struct round_grain *grain = round_find(&pool->round, layer, index);

	return grain ? grain : round_grain_add(pool, layer, index);
}

void grain_load(struct pool *pool, struct round_grain *grain)
{
	map_slot_get(pool, grain->phys, &grain->slot);
	grain->was_hash = slot_hash(&grain->slot, grain->phys);
}

struct round_grain *round_grain_add(struct pool *pool, struct layer *layer, uint64_t index)
{
	struct round *round = &pool->round;
	uint32_t *head = &round->heads[round_bucket(layer, index)];
	struct round_grain *grain;

	ASSERT(round->grain_count < round->grain_max);
	grain = &round->grains[round->grain_count++];
	*grain = (struct round_grain){ .layer = layer, .next = *head };
	*head = round->grain_count;
	grain->below = layer_marks(pool, layer, index);
	grain->phys = grain->to = round_place(pool, layer, index);
	if (grain->phys != PHYS_NONE)
		grain_load(pool, grain);
	else
		grain->slot = (struct slot){ .layer = layer->record.number, .index = (uint32_t)index };
	return grain;
}

void grain_empty(struct round_grain *grain)
{
	grain->slot.present = grain->slot.zero = 0;
	memset(grain->slot.crc, 0, sizeof(grain->slot.crc));
}

void grain_stamp(struct round_grain *grain, struct epoch epoch, uint64_t seq)
{
	grain->slot.epoch_number = epoch.number;
	grain->slot.epoch_restart = epoch.restart;
	grain->slot.seq = seq;
}

void grain_block(struct round_grain *grain, unsigned block, const uint8_t *source, uint32_t crc)
{
	uint16_t bit = (uint16_t)(1u << block);

	grain->slot.present = (uint16_t)(source ? grain->slot.present | bit : grain->slot.present & ~bit);
	grain->slot.zero = (uint16_t)(source ? grain->slot.zero & ~bit : grain->slot.zero | bit);
	/* What would not shine through needs no mark. */
	grain->slot.zero &= grain->below;
	grain->slot.crc[block] = source ? crc : 0;
	grain->source[block] = source;
}

static bool place_has_grain(const struct pool *pool, uint32_t place)
{
	return place != PHYS_NONE && place < pool->g.grain_count;
}

void grain_place(struct pool *pool, struct round_grain *grain)
{
	if (place_has_grain(pool, grain->to))
		return;
	grain->to = map_alloc(pool);
	ASSERT(grain->to != PHYS_NONE);
}

void grain_place_anew(struct pool *pool, struct round_grain *grain)
{
	if (place_has_grain(pool, grain->to) && grain->to != grain->phys)
		return;
	grain->to = map_alloc(pool);
	ASSERT(grain->to != PHYS_NONE);
}

/* Where the grain will stand, as far as the round goes by now. */
static uint32_t round_stands(struct pool *pool, const struct layer *layer, uint64_t index, bool *ret_in_round)
{
	const struct round_grain *grain = round_find(&pool->round, layer, index);

	*ret_in_round = grain != NULL;
	return grain ? grain->to : round_place(pool, layer, index);
}

bool grain_needs_place(struct pool *pool, const struct layer *layer, uint64_t index)
{
	bool in_round;

	return !place_has_grain(pool, round_stands(pool, layer, index, &in_round));
}

/* The grain's checksums are at hand: those that a round has in it are. */
bool grain_has_sums(struct pool *pool, const struct layer *layer, uint64_t index, bool *ret_needs_place)
{
	bool in_round;
	uint32_t place = round_stands(pool, layer, index, &in_round);

	*ret_needs_place = !place_has_grain(pool, place);
	return in_round || place == PHYS_NONE || sums_get(pool, place) != NULL;
}

void grains_settle(struct pool *pool)
{
	for (uint32_t i = 0; i < pool->round.grain_count; i++) {
		struct round_grain *grain = &pool->round.grains[i];
		uint32_t extra;

		if (grain->slot.present != 0 ||
			(grain->to != PHYS_NONE && !place_has_grain(pool, grain->to) &&
				grain->slot.zero != 0))
			continue;
		extra = grain->slot.zero ? map_extra_alloc(pool, EXTRA_KEEP(pool)) : PHYS_NONE;
		if (grain->slot.zero && extra == PHYS_NONE) {
			grain_place(pool, grain);
			continue;
		}
		if (grain->to != PHYS_NONE && grain->to != grain->phys && !grain->redirected)
			map_unalloc(pool, grain->to);
		grain->redirected = false;
		grain->to = extra;
	}
}
