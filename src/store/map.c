/*
 * The map: a slot for each place, a hash from (tree, index) to the chain of its versions, what is free, what
 * is in quarantine, and which table pages lack an image.
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

#define EMPTY     0u /* hash entries are a place + 1 */
#define PAGE_NONE UINT32_MAX

static uint32_t hash_of(const struct tree *tree, uint64_t index)
{
	uint64_t hash = (tree->key * UINT64_C(0x9e3779b97f4a7c15) ^ index) * UINT64_C(0xd6e8feb86659fd93);

	return (uint32_t)(hash ^ (hash >> 32));
}

static struct tree *tree_of(const struct pool *pool, uint32_t place)
{
	return pool->layer_table[pool->map.versions[place].layer]->tree;
}

int map_init(struct pool *pool)
{
	struct map *map = &pool->map;
	uint64_t buckets = 64, count = geometry_places(&pool->g);
	uint32_t pages = geometry_pages(&pool->g);

	while (buckets < count + count / 4)
		buckets *= 2;
	map->hash_mask = (uint32_t)(buckets - 1);
	map->slots = calloc(count, sizeof(*map->slots));
	map->versions = calloc(count, sizeof(*map->versions));
	map->hash = calloc(buckets, sizeof(*map->hash));
	map->free_bits = calloc(count / 64 + 1, sizeof(*map->free_bits));
	map->pages = calloc(pages, sizeof(*map->pages));
	map->quarantine_first = map->quarantine_last = PHYS_NONE;
	map->dirty_first = map->dirty_last = PAGE_NONE;
	return map->slots && map->versions && map->hash && map->free_bits && map->pages ? 0 : -ENOMEM;
}

void map_done(struct pool *pool)
{
	free(pool->map.slots);
	free(pool->map.versions);
	free(pool->map.hash);
	free(pool->map.free_bits);
	free(pool->map.pages);
}

/* ---- hash: linear probing, removal by shifting back; an entry is the first of a chain ---- */

/* Where the chain of this grain is, or would be. */
static uint32_t bucket_find(const struct pool *pool, const struct tree *tree, uint64_t index)
{
	const struct map *map = &pool->map;
	uint32_t at = hash_of(tree, index) & map->hash_mask;

	for (; map->hash[at] != EMPTY; at = (at + 1) & map->hash_mask)
		if (map->slots[map->hash[at] - 1].index == index && tree_of(pool, map->hash[at] - 1) == tree)
			break;
	return at;
}

uint32_t map_first(const struct pool *pool, const struct tree *tree, uint64_t index)
{
	uint32_t at = bucket_find(pool, tree, index);

	return pool->map.hash[at] == EMPTY ? PHYS_NONE : pool->map.hash[at] - 1;
}

uint32_t map_find(const struct pool *pool, const struct layer *layer, uint64_t index)
{
	uint32_t place = map_first(pool, layer->tree, index);

	while (place != PHYS_NONE && pool->map.versions[place].layer != layer->id)
		place = pool->map.versions[place].next;
	return place;
}

void map_insert(struct pool *pool, uint32_t place, struct layer *layer)
{
	struct map *map = &pool->map;
	const struct slot *slot = &map->slots[place];
	uint32_t at = bucket_find(pool, layer->tree, slot->index), before = PHYS_NONE, next;

	ASSERT(slot->layer == layer->record.number);
	next = map->hash[at] == EMPTY ? PHYS_NONE : map->hash[at] - 1;
	/* Newest first. */
	while (next != PHYS_NONE && map->slots[next].layer > slot->layer) {
		before = next;
		next = map->versions[next].next;
	}
	ASSERT(next == PHYS_NONE || map->slots[next].layer != slot->layer);
	map->versions[place] = (struct version){ .next = next, .layer = layer->id };
	if (before == PHYS_NONE)
		map->hash[at] = place + 1;
	else
		map->versions[before].next = place;
	if (place < pool->g.grain_count) {
		map->used_count++;
		layer->grains++;
	}
}

static void bucket_empty(struct pool *pool, uint32_t hole)
{
	struct map *map = &pool->map;

	for (uint32_t at = (hole + 1) & map->hash_mask; map->hash[at] != EMPTY;
		at = (at + 1) & map->hash_mask) {
		uint32_t other = map->hash[at] - 1;
		uint32_t home = hash_of(tree_of(pool, other), map->slots[other].index) & map->hash_mask;

		/* It may move into the hole unless its home lies behind the hole. */
		if (((at - home) & map->hash_mask) >= ((at - hole) & map->hash_mask)) {
			map->hash[hole] = map->hash[at];
			hole = at;
		}
	}
	map->hash[hole] = EMPTY;
}

void map_remove(struct pool *pool, uint32_t place)
{
	struct map *map = &pool->map;
	struct layer *layer = pool->layer_table[map->versions[place].layer];
	uint32_t at = bucket_find(pool, layer->tree, map->slots[place].index);
	uint32_t next = map->versions[place].next;

	ASSERT(map->hash[at] != EMPTY);
	if (map->hash[at] != place + 1) {
		uint32_t before = map->hash[at] - 1;

		while (map->versions[before].next != place)
			before = map->versions[before].next;
		map->versions[before].next = next;
	} else if (next != PHYS_NONE) {
		map->hash[at] = next + 1;
	} else {
		bucket_empty(pool, at);
	}
	if (place >= pool->g.grain_count)
		return;
	ASSERT(map->used_count > 0 && layer->grains > 0);
	map->used_count--;
	layer->grains--;
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

/* An extra place has no grain: it can be used again at once, for the images' order is the journal's. */
static void extra_free(struct pool *pool, uint32_t place)
{
	ASSERT(place >= pool->g.grain_count && pool->map.slots[place].layer != 0);
	pool->map.slots[place] = (struct slot){ 0 };
	pool->map.extra_free_count++;
	if (place < pool->map.extra_cursor)
		pool->map.extra_cursor = place;
}

/* Taken by a round; until its image is durable a mark says so. */
uint32_t map_extra_alloc(struct pool *pool, uint32_t keep)
{
	struct map *map = &pool->map;
	uint32_t place = map->extra_cursor;

	if (map->extra_free_count <= keep)
		return PHYS_NONE;
	if (place < pool->g.grain_count)
		place = pool->g.grain_count;
	while (map->slots[place].layer != 0)
		place++;
	ASSERT(place < geometry_places(&pool->g));
	map->slots[place].layer = PLACE_TAKEN;
	map->extra_cursor = place + 1;
	map->extra_free_count--;
	return place;
}

void map_layer_put(struct pool *pool, const struct layer *layer)
{
	pool->map.slots[layer->record.place] = (struct slot){ .layer = PLACE_LAYER, .index = layer->id };
}

void map_layer_remove(struct pool *pool, uint32_t place)
{
	ASSERT(pool->map.slots[place].layer == PLACE_LAYER);
	ASSERT(place < geometry_places(&pool->g));
	if (place >= pool->g.grain_count)
		extra_free(pool, place);
	else
		map_quarantine(pool, place, pool->journal.durable);
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

bool map_claim(struct pool *pool, uint32_t phys)
{
	struct map *map = &pool->map;
	uint64_t bit = UINT64_C(1) << phys % 64;

	ASSERT(map->prepared == 0 && map->ready_count == 0);
	if (phys >= pool->g.grain_count || !(map->free_bits[phys / 64] & bit))
		return false;
	ASSERT(map->slots[phys].layer == 0);
	map->free_bits[phys / 64] &= ~bit;
	map->free_count--;
	return true;
}

/* Gives back a grain that no image ever named. */
void map_unalloc(struct pool *pool, uint32_t phys)
{
	if (phys >= pool->g.grain_count) {
		extra_free(pool, phys);
		return;
	}
	ASSERT(pool->map.slots[phys].layer == 0);
	free_set(&pool->map, phys);
}

/* Its freed image (or the end of its layer) stands in this batch. */
void map_quarantine(struct pool *pool, uint32_t phys, uint64_t batch)
{
	struct map *map = &pool->map;

	if (phys >= pool->g.grain_count) {
		extra_free(pool, phys);
		return;
	}
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

/* ---- a tree's bitmap of indices: set where something is mapped or pending, or was ---- */

void replica_grain_mark(struct pool_replica *replica, uint64_t index)
{
	struct tree *tree = replica->top->tree;

	ASSERT(index < replica->grain_limit);
	tree->bits[index / 64] |= UINT64_C(1) << index % 64;
}

static bool grain_is_seen(const struct pool_replica *replica, uint64_t index)
{
	const struct pool *pool = replica->pool;

	for (uint32_t place = map_first(pool, replica->top->tree, index); place != PHYS_NONE;
		place = pool->map.versions[place].next)
		if (layer_sees(replica->top, pool->layer_table[pool->map.versions[place].layer]))
			return true;
	return false;
}

uint64_t pool_replica_grain_next(const struct pool_replica *replica, uint64_t from)
{
	struct tree *tree = replica->top->tree;
	uint64_t words = (replica->grain_limit + 63) / 64;

	for (uint64_t word = from / 64; word < words; word++) {
		uint64_t bits = tree->bits[word];

		if (word == from / 64)
			bits &= UINT64_MAX << from % 64;
		while (bits) {
			uint64_t index = word * 64 + (uint64_t)__builtin_ctzll(bits);

			if (grain_is_seen(replica, index) || index_has_grain(replica, index))
				return index;
			/* Nothing is there any more; of a tree of several, others may have it. */
			if (tree->refs == 1)
				tree->bits[word] &= ~(UINT64_C(1) << index % 64);
			bits &= bits - 1;
		}
	}
	return UINT64_MAX;
}
