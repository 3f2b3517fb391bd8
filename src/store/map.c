/*
 * The map: a slot for each place, a hash from (tree, index) to the chain of its versions, what is free, what
 * is in quarantine, and which table pages lack an image.
 *
 *   free --map_alloc--> taken by a round --map_insert (image durable)--> mapped
 *     ^                                                                    |
 *     +--map_release_settled (two durable headers)-- quarantine <--map_quarantine
 *
 * Memory that was never touched is not resident.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EMPTY 0u /* hash entries are a place + 1 */

static uint32_t hash_of(const struct tree *tree, uint64_t index)
{
	uint64_t hash = (tree->key * UINT64_C(0x9e3779b97f4a7c15) ^ index) * UINT64_C(0xd6e8feb86659fd93);

	return (uint32_t)(hash ^ (hash >> 32));
}

static struct tree *tree_of(const struct pool *pool, uint32_t place)
{
	return map_layer(&pool->map, place)->tree;
}

/* Where the search for a grain begins: the hash's upper bits, so that any number of buckets will do. */
static uint32_t home_of(const struct map *map, const struct tree *tree, uint64_t index)
{
	return (uint32_t)((uint64_t)hash_of(tree, index) * map->hash_size >> 32);
}

static uint32_t bucket_after(const struct map *map, uint32_t at)
{
	return at + 1 == map->hash_size ? 0 : at + 1;
}

/* How many buckets lie between, going up. */
static uint32_t bucket_distance(const struct map *map, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + map->hash_size - from;
}

int map_init(struct pool *pool)
{
	struct map *map = &pool->map;
	uint64_t count = geometry_places(&pool->g), buckets = count + count / 4 + 64;
	uint32_t pages = geometry_pages(&pool->g);

	ASSERT(buckets <= UINT32_MAX);
	map->hash_size = (uint32_t)buckets;
	map->hash = calloc(buckets, sizeof(*map->hash));
	map->free_bits = calloc(count / 64 + 1, sizeof(*map->free_bits));
	map->pages = calloc(pages, sizeof(*map->pages));
	map->quarantine_first = map->quarantine_last = PHYS_NONE;
	map->dirty_first = map->dirty_last = UINT32_MAX;
	if (!map->hash || !map->free_bits || !map->pages)
		return -ENOMEM;
	return map_slots_init(map, count);
}

void map_done(struct pool *pool)
{
	map_slots_done(&pool->map);
	free(pool->map.hash);
	free(pool->map.free_bits);
	free(pool->map.pages);
}

/* ---- hash: linear probing, removal by shifting back; an entry is the first of a chain ---- */

/* Where the chain of this grain is, or would be. */
static uint32_t bucket_find(const struct pool *pool, const struct tree *tree, uint64_t index)
{
	const struct map *map = &pool->map;
	uint32_t at = home_of(map, tree, index);

	for (; map->hash[at] != EMPTY; at = bucket_after(map, at))
		if (map->places[map->hash[at] - 1].index == index && tree_of(pool, map->hash[at] - 1) == tree)
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

	while (place != PHYS_NONE && map_layer(&pool->map, place) != layer)
		place = pool->map.places[place].next;
	return place;
}

void map_insert(struct pool *pool, uint32_t place, struct layer *layer)
{
	struct map *map = &pool->map;
	struct mapped *mapped = &map->places[place];
	uint32_t at = bucket_find(pool, layer->tree, mapped->index), before = PHYS_NONE, next;
	uint64_t number = map_number(map, place);

	ASSERT(number == layer->record.number);
	map->origins[mapped->origin].layer = layer;
	next = map->hash[at] == EMPTY ? PHYS_NONE : map->hash[at] - 1;
	/* Newest first. */
	while (next != PHYS_NONE && map_number(map, next) > number) {
		before = next;
		next = map->places[next].next;
	}
	ASSERT(next == PHYS_NONE || map_number(map, next) != number);
	mapped->next = next;
	if (before == PHYS_NONE)
		map->hash[at] = place + 1;
	else
		map->places[before].next = place;
	if (place < pool->g.grain_count) {
		map->used_count++;
		layer_grain_came(layer);
	}
}

static void bucket_empty(struct pool *pool, uint32_t hole)
{
	struct map *map = &pool->map;

	for (uint32_t at = bucket_after(map, hole); map->hash[at] != EMPTY; at = bucket_after(map, at)) {
		uint32_t other = map->hash[at] - 1;
		uint32_t home = home_of(map, tree_of(pool, other), map->places[other].index);

		/* It may move into the hole unless its home lies behind the hole. */
		if (bucket_distance(map, home, at) >= bucket_distance(map, hole, at)) {
			map->hash[hole] = map->hash[at];
			hole = at;
		}
	}
	map->hash[hole] = EMPTY;
}

void map_remove(struct pool *pool, uint32_t place)
{
	struct map *map = &pool->map;
	struct layer *layer = map_layer(map, place);
	uint32_t at = bucket_find(pool, layer->tree, map->places[place].index);
	uint32_t next = map->places[place].next;

	ASSERT(map->hash[at] != EMPTY);
	if (map->hash[at] != place + 1) {
		uint32_t before = map->hash[at] - 1;

		while (map->places[before].next != place)
			before = map->places[before].next;
		map->places[before].next = next;
	} else if (next != PHYS_NONE) {
		map->hash[at] = next + 1;
	} else {
		bucket_empty(pool, at);
	}
	if (place >= pool->g.grain_count)
		return;
	ASSERT(map->used_count > 0 && layer->grains > 0);
	map->used_count--;
	layer_grain_went(layer);
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
	ASSERT(place >= pool->g.grain_count && !map_is_free(&pool->map, place));
	map_slot_clear(&pool->map, place);
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
	while (!map_is_free(map, place))
		place++;
	ASSERT(place < geometry_places(&pool->g));
	map->places[place].origin = ORIGIN_TAKEN;
	map->extra_cursor = place + 1;
	map->extra_free_count--;
	return place;
}

void map_layer_put(struct pool *pool, const struct layer *layer)
{
	struct mapped *mapped = &pool->map.places[layer->record.place];

	ASSERT(!map_is_slot(&pool->map, layer->record.place));
	*mapped = (struct mapped){ .origin = ORIGIN_LAYER, .index = layer->id };
}

void map_layer_remove(struct pool *pool, uint32_t place)
{
	ASSERT(pool->map.places[place].origin == ORIGIN_LAYER);
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
	ASSERT(map_is_free(map, phys));
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
	ASSERT(map_is_free(&pool->map, phys));
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
	map_slot_clear(map, phys);
	if (MUTANT(reuse_freed_grain)) {
		free_set(map, phys);
		return;
	}
	map->places[phys] = (struct mapped){ .seq = batch, .index = PHYS_NONE };
	if (map->quarantine_last == PHYS_NONE)
		map->quarantine_first = phys;
	else
		map->places[map->quarantine_last].index = phys;
	map->quarantine_last = phys;
	map->quarantine_count++;
}

void map_release_settled(struct pool *pool)
{
	struct map *map = &pool->map;

	while (map->quarantine_first != PHYS_NONE &&
		map->places[map->quarantine_first].seq <= pool->journal.settled) {
		uint32_t phys = map->quarantine_first;

		map->quarantine_first = map->places[phys].index;
		if (map->quarantine_first == PHYS_NONE)
			map->quarantine_last = PHYS_NONE;
		map->quarantine_count--;
		map_slot_clear(map, phys);
		free_set(map, phys);
	}
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
		place = pool->map.places[place].next)
		if (layer_sees(replica->top, map_layer(&pool->map, place)))
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
