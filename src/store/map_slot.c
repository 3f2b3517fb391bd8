/*
 * What a place holds, in memory: 20 bytes, beside its checksums. Layer and epoch are told by an origin, which
 * thousands of slots have in common.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ORIGINS_FIRST 64u
#define SEQ_MASK      ((UINT64_C(1) << 48) - 1) /* entries for 89 years, at 100,000 in a second */

_Static_assert(sizeof(struct mapped) == 20, "docs/on-disk-format.md says what a grain costs");

/* ---- origins ---- */

static uint32_t *origin_head(struct map *map, uint64_t number, struct epoch epoch)
{
	uint64_t hash = (number ^ epoch.number << 20 ^ epoch.restart) * UINT64_C(0x9e3779b97f4a7c15);

	return &map->origin_heads[(hash >> 32) & (map->origin_size - 1)];
}

static bool origin_is(const struct origin *origin, uint64_t number, struct epoch epoch)
{
	return origin->number == number && epoch_equal(origin->epoch, epoch);
}

static int origins_grow(struct map *map)
{
	uint32_t size = map->origin_size ? map->origin_size * 2 : ORIGINS_FIRST;
	struct origin *origins = realloc(map->origins, size * sizeof(*origins));
	uint32_t *heads = calloc(size, sizeof(*heads));

	if (origins)
		map->origins = origins;
	if (!origins || !heads) {
		free(heads);
		return -ENOMEM;
	}
	free(map->origin_heads);
	map->origin_heads = heads;
	map->origin_size = size;
	if (map->origin_count == 0)
		origins[map->origin_count++] = (struct origin){ 0 };
	/* All are in use: there is no free one, or it would not grow. */
	for (uint32_t i = 1; i < map->origin_count; i++) {
		uint32_t *head = origin_head(map, origins[i].number, origins[i].epoch);

		origins[i].next = *head;
		*head = i;
	}
	return 0;
}

static uint32_t origin_new(struct map *map, uint64_t number, struct epoch epoch)
{
	uint32_t at = map->origin_free, *head;

	if (at != 0) {
		map->origin_free = map->origins[at].next;
	} else {
		/* As rare as a change of coordinator; without memory for it nothing of this process goes on.
		 */
		if (map->origin_count == map->origin_size)
			ASSERT(origins_grow(map) == 0);
		at = map->origin_count++;
	}
	head = origin_head(map, number, epoch);
	map->origins[at] = (struct origin){ .number = number, .epoch = epoch, .next = *head };
	*head = at;
	return at;
}

static uint32_t origin_get(struct map *map, uint64_t number, struct epoch epoch)
{
	uint32_t at = map->origin_last;

	if (at == 0 || !origin_is(&map->origins[at], number, epoch)) {
		at = *origin_head(map, number, epoch);
		while (at != 0 && !origin_is(&map->origins[at], number, epoch))
			at = map->origins[at].next;
	}
	if (at == 0)
		at = origin_new(map, number, epoch);
	map->origins[at].refs++;
	map->origin_last = at;
	return at;
}

static void origin_put(struct map *map, uint32_t at)
{
	struct origin *origin = &map->origins[at];
	uint32_t *link;

	ASSERT(at != 0 && origin->refs > 0);
	if (--origin->refs > 0)
		return;
	link = origin_head(map, origin->number, origin->epoch);
	while (*link != at)
		link = &map->origins[*link].next;
	*link = origin->next;
	*origin = (struct origin){ .next = map->origin_free };
	map->origin_free = at;
	if (map->origin_last == at)
		map->origin_last = 0;
}

uint64_t map_slots_count(const struct map *map)
{
	uint64_t count = 0;

	for (uint32_t i = 1; i < map->origin_count; i++)
		count += map->origins[i].refs;
	return count;
}

/* ---- places ---- */

int map_slots_init(struct map *map, uint64_t count)
{
	map->places = map_memory_new(count, sizeof(*map->places));
	map->older = map_memory_new(count, sizeof(*map->older));
	return map->places && map->older ? origins_grow(map) : -ENOMEM;
}

void map_slots_done(struct map *map)
{
	free(map->places);
	free(map->older);
	free(map->origins);
	free(map->origin_heads);
}

struct position map_position(const struct map *map, uint32_t place)
{
	const struct mapped *mapped = &map->places[place];

	ASSERT(map_is_slot(map, place));
	return (struct position){ map->origins[mapped->origin].epoch, mapped->seq };
}

static void slot_fill(const struct map *map, uint32_t place, const uint32_t crcs[static GRAIN_BLOCKS],
	struct slot *ret_slot)
{
	const struct mapped *mapped = &map->places[place];
	const struct origin *origin = &map->origins[mapped->origin];

	ASSERT(map_is_slot(map, place));
	ret_slot->layer = origin->number;
	ret_slot->epoch_number = origin->epoch.number;
	ret_slot->epoch_restart = origin->epoch.restart;
	ret_slot->seq = mapped->seq;
	ret_slot->index = mapped->index;
	ret_slot->present = mapped->present;
	ret_slot->zero = mapped->zero;
	memcpy(ret_slot->crc, crcs, sizeof(ret_slot->crc));
}

void map_slot_get(struct pool *pool, uint32_t place, struct slot *ret_slot)
{
	const uint32_t *crcs = sums_get(pool, place);

	ASSERT(crcs);
	slot_fill(&pool->map, place, crcs, ret_slot);
}

bool map_slot_check(const struct pool *pool, uint32_t place, const uint32_t crc[static GRAIN_BLOCKS])
{
	struct slot slot;

	slot_fill(&pool->map, place, crc, &slot);
	return (uint16_t)slot_hash(&slot, place) == pool->map.places[place].check;
}

void map_slot_clear(struct pool *pool, uint32_t place)
{
	struct map *map = &pool->map;

	if (map_is_slot(map, place)) {
		origin_put(map, map->places[place].origin);
		sums_drop(pool, place);
	}
	map->places[place] = (struct mapped){ 0 };
}

static bool slot_is_free(const struct slot *slot)
{
	return slot->layer == 0 || slot->layer >= LAYER_NUMBERS_END;
}

static void place_fill(
	struct map *map, uint32_t place, const struct slot *slot, uint64_t hash, struct layer *layer)
{
	struct epoch epoch = { slot->epoch_number, slot->epoch_restart };
	uint32_t origin = map->places[place].origin;

	if (!map_is_slot(map, place)) {
		origin = origin_get(map, slot->layer, epoch);
	} else if (!origin_is(&map->origins[origin], slot->layer, epoch)) {
		origin_put(map, origin);
		origin = origin_get(map, slot->layer, epoch);
	}
	if (layer)
		map->origins[origin].layer = layer;
	map->places[place] = (struct mapped){
		.seq = slot->seq & SEQ_MASK,
		.check = (uint16_t)hash,
		.index = slot->index,
		.origin = origin,
		.present = slot->present,
		.zero = slot->zero,
	};
}

void map_slot_found(struct pool *pool, uint32_t place, const struct slot *slot, uint64_t hash)
{
	if (!slot_is_free(slot))
		place_fill(&pool->map, place, slot, hash, NULL);
}

void map_slot_set(
	struct pool *pool, uint32_t place, const struct slot *slot, uint64_t hash, struct layer *layer)
{
	if (slot_is_free(slot)) {
		map_slot_clear(pool, place);
		return;
	}
	place_fill(&pool->map, place, slot, hash, layer);
	sums_put(pool, place, slot->crc);
}
