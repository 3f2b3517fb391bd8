/*
 * The map: a slot for each physical grain, a hash from (layer, index) to the slot, what is free, what is in
 * quarantine, and which table pages lack an image.
 *
 *   free --map_alloc--> taken by a round --map_insert (image durable)--> mapped
 *     ^                                                                    |
 *     +--map_release_settled (two durable headers)-- quarantine <--map_quarantine
 *
 * All slots are kept in memory, checksums included (104 bytes a mapped grain); memory that was never touched
 * is not resident. A bounded cache can take their place behind these functions.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EMPTY     0u /* hash entries are physical grain + 1 */
#define PAGE_NONE UINT32_MAX

static uint32_t hash_of(uint64_t layer, uint64_t index)
{
	uint64_t hash = (layer * UINT64_C(0x9e3779b97f4a7c15) ^ index) * UINT64_C(0xd6e8feb86659fd93);

	return (uint32_t)(hash ^ (hash >> 32));
}

int map_init(struct pool *pool)
{
	struct map *map = &pool->map;
	uint64_t buckets = 64, count = pool->g.grain_count;
	uint32_t pages = pool->g.grain_pages + pool->g.dir_pages;

	while (buckets < count + count / 4)
		buckets *= 2;
	map->hash_mask = (uint32_t)(buckets - 1);
	map->slots = calloc(count, sizeof(*map->slots));
	map->hash = calloc(buckets, sizeof(*map->hash));
	map->free_bits = calloc(count / 64 + 1, sizeof(*map->free_bits));
	map->pages = calloc(pages, sizeof(*map->pages));
	map->quarantine_first = map->quarantine_last = PHYS_NONE;
	map->dirty_first = map->dirty_last = PAGE_NONE;
	return map->slots && map->hash && map->free_bits && map->pages ? 0 : -ENOMEM;
}

void map_done(struct pool *pool)
{
	free(pool->map.slots);
	free(pool->map.hash);
	free(pool->map.free_bits);
	free(pool->map.pages);
}

/* ---- hash: linear probing, removal by shifting back ---- */

uint32_t map_find(const struct pool *pool, uint64_t layer, uint64_t index)
{
	const struct map *map = &pool->map;

	for (uint32_t at = hash_of(layer, index) & map->hash_mask;; at = (at + 1) & map->hash_mask) {
		const struct slot *slot;

		if (map->hash[at] == EMPTY)
			return PHYS_NONE;
		slot = &map->slots[map->hash[at] - 1];
		if (slot->layer == layer && slot->index == index)
			return map->hash[at] - 1;
	}
}

void map_insert(struct pool *pool, uint32_t phys)
{
	struct map *map = &pool->map;
	const struct slot *slot = &map->slots[phys];
	uint32_t at = hash_of(slot->layer, slot->index) & map->hash_mask;

	ASSERT(slot->layer != 0);
	while (map->hash[at] != EMPTY)
		at = (at + 1) & map->hash_mask;
	map->hash[at] = phys + 1;
	map->used_count++;
}

void map_remove(struct pool *pool, uint32_t phys)
{
	struct map *map = &pool->map;
	const struct slot *slot = &map->slots[phys];
	uint32_t hole = hash_of(slot->layer, slot->index) & map->hash_mask;

	while (map->hash[hole] != phys + 1) {
		ASSERT(map->hash[hole] != EMPTY);
		hole = (hole + 1) & map->hash_mask;
	}
	for (uint32_t at = (hole + 1) & map->hash_mask; map->hash[at] != EMPTY;
		at = (at + 1) & map->hash_mask) {
		const struct slot *other = &map->slots[map->hash[at] - 1];
		uint32_t home = hash_of(other->layer, other->index) & map->hash_mask;

		/* It may move into the hole unless its home lies behind the hole. */
		if (((at - home) & map->hash_mask) >= ((at - hole) & map->hash_mask)) {
			map->hash[hole] = map->hash[at];
			hole = at;
		}
	}
	map->hash[hole] = EMPTY;
	ASSERT(map->used_count > 0);
	map->used_count--;
}

/* ---- free grains ---- */

static void free_set(struct map *map, uint32_t phys)
{
	ASSERT(!(map->free_bits[phys / 64] & UINT64_C(1) << phys % 64));
	map->free_bits[phys / 64] |= UINT64_C(1) << phys % 64;
	map->free_count++;
	if (phys < map->prepared)
		map->ready_count++;
}

/* Moves the frontier up. */
void map_prepared(struct pool *pool, uint32_t prepared)
{
	struct map *map = &pool->map;

	ASSERT(prepared >= map->prepared && prepared <= pool->g.grain_count);
	for (uint32_t phys = map->prepared; phys < prepared; phys++)
		if (map->free_bits[phys / 64] & UINT64_C(1) << phys % 64)
			map->ready_count++;
	map->prepared = prepared;
}

uint32_t map_alloc(struct pool *pool)
{
	struct map *map = &pool->map;
	uint32_t words = (map->prepared + 63) / 64;

	if (map->ready_count == 0)
		return PHYS_NONE;
	for (uint32_t i = 0; i < words; i++) {
		uint32_t word = (map->cursor + i) % words;
		uint64_t bits = map->free_bits[word];
		uint32_t phys;

		if (word == map->prepared / 64)
			bits &= (UINT64_C(1) << map->prepared % 64) - 1;
		if (bits == 0)
			continue;
		phys = word * 64 + (uint32_t)__builtin_ctzll(bits);
		map->cursor = word;
		map->free_bits[word] &= ~(UINT64_C(1) << phys % 64);
		map->free_count--;
		map->ready_count--;
		return phys;
	}
	ASSERT(!"the count of free grains is wrong");
	return PHYS_NONE;
}

/* Gives back a grain that no image ever named. */
void map_unalloc(struct pool *pool, uint32_t phys)
{
	ASSERT(pool->map.slots[phys].layer == 0);
	free_set(&pool->map, phys);
}

/* Its freed image (or the end of its layer) stands in this batch. */
void map_quarantine(struct pool *pool, uint32_t phys, uint64_t batch)
{
	struct map *map = &pool->map;

	map->slots[phys] = (struct slot){ .seq = batch, .index = PHYS_NONE };
	if (MUTANT(reuse_freed_grain)) {
		map->slots[phys] = (struct slot){ 0 };
		free_set(map, phys);
		return;
	}
	if (map->quarantine_last == PHYS_NONE)
		map->quarantine_first = phys;
	else
		map->slots[map->quarantine_last].index = phys;
	map->quarantine_last = phys;
	map->quarantine_count++;
}

void map_release_settled(struct pool *pool)
{
	struct map *map = &pool->map;

	while (map->quarantine_first != PHYS_NONE &&
		map->slots[map->quarantine_first].seq <= pool->journal.settled) {
		uint32_t phys = map->quarantine_first;

		map->quarantine_first = map->slots[phys].index;
		if (map->quarantine_first == PHYS_NONE)
			map->quarantine_last = PHYS_NONE;
		map->quarantine_count--;
		map->slots[phys] = (struct slot){ 0 };
		free_set(map, phys);
	}
}

/* ---- pages that lack an image, oldest first ---- */

void map_page_dirty(struct pool *pool, uint32_t page, uint64_t batch)
{
	struct map *map = &pool->map;
	struct page_state *state = &map->pages[page];

	if (state->dirty != 0)
		return;
	state->dirty = batch;
	state->next = PAGE_NONE;
	state->prev = map->dirty_last;
	if (map->dirty_last == PAGE_NONE)
		map->dirty_first = page;
	else
		map->pages[map->dirty_last].next = page;
	map->dirty_last = page;
}

void map_page_clean(struct pool *pool, uint32_t page)
{
	struct map *map = &pool->map;
	struct page_state *state = &map->pages[page];

	ASSERT(state->dirty != 0);
	if (state->prev == PAGE_NONE)
		map->dirty_first = state->next;
	else
		map->pages[state->prev].next = state->next;
	if (state->next == PAGE_NONE)
		map->dirty_last = state->prev;
	else
		map->pages[state->next].prev = state->prev;
	state->dirty = 0;
}

/* ---- a replica's bitmap of indices: set where something is mapped or pending, or was ---- */

void replica_grain_mark(struct pool_replica *replica, uint64_t index)
{
	ASSERT(index < replica->grain_limit);
	replica->grain_bits[index / 64] |= UINT64_C(1) << index % 64;
}

uint64_t pool_replica_grain_next(const struct pool_replica *replica, uint64_t from)
{
	uint64_t words = (replica->grain_limit + 63) / 64;

	for (uint64_t word = from / 64; word < words; word++) {
		uint64_t bits = replica->grain_bits[word];

		if (word == from / 64)
			bits &= UINT64_MAX << from % 64;
		while (bits) {
			uint64_t index = word * 64 + (uint64_t)__builtin_ctzll(bits);

			if (map_find(replica->pool, replica->head.layer, index) != PHYS_NONE ||
				index_has_grain(replica, index))
				return index;
			/* Nothing is there any more. */
			replica->grain_bits[word] &= ~(UINT64_C(1) << index % 64);
			bits &= bits - 1;
		}
	}
	return UINT64_MAX;
}
