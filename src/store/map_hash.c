/*
 * From (tree, index) to the newest version of a grain: a hash of places, in segments that grow on their own.
 * So memory follows what is mapped, a page of it (HASH_STEP buckets) at a time, and what must wait while a
 * segment grows is one segment's entries, some 16,000, not the pool's.
 *
 *   hash  | segment, its buckets in use | not touched | segment, ...  |
 *   bucket: | some bits of the hash | place + 1 |    0: empty
 *
 * Linear probing, removal by shifting back. The bits tell most of a segment's other entries apart without a
 * look at their places: each look is a cache miss. Older versions are behind the newest: map_older().
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EMPTY     0u
#define HASH_STEP 1024u
/* So many places of the table for each segment, where there are several, and to how many buckets one may
 * grow: more than any can need, for the hash is salted. */
#define SEGMENT_PLACES 16384u
#define SEGMENT_ROOM   32768u

/* Where a grain's entry is looked for. */
struct spot {
	struct map_segment *segment;
	uint32_t *buckets;
	uint32_t home, mark; /* mark: the bits beside the place */
};

int map_hash_init(struct pool *pool)
{
	struct map *map = &pool->map;
	uint64_t count = geometry_places(&pool->g);
	bool several = count >= 2 * SEGMENT_PLACES;

	map->segment_count = several ? (uint32_t)(count / SEGMENT_PLACES) : 1;
	map->segment_room = several ? SEGMENT_ROOM : (uint32_t)(count + count / 4 + 64);
	map->place_mask = UINT32_MAX >> (__builtin_clzll(count) - 32);
	ASSERT(map->place_mask >= count && count < UINT32_MAX);
	map->hash = map_memory_new((uint64_t)map->segment_count * map->segment_room, sizeof(*map->hash));
	map->segments = calloc(map->segment_count, sizeof(*map->segments));
	map->growing = calloc(map->segment_room, sizeof(*map->growing));
	if (!map->hash || !map->segments || !map->growing)
		return -ENOMEM;
	map_hash_expect(pool, 0);
	return 0;
}

void map_hash_done(struct map *map)
{
	free(map->hash);
	free(map->segments);
	free(map->growing);
}

/* A segment that holds so many: four fifths full at most. */
static uint32_t segment_size(const struct map *map, uint64_t used)
{
	uint64_t size = (used + used / 4 + HASH_STEP) / HASH_STEP * HASH_STEP;

	return size < map->segment_room ? (uint32_t)size : map->segment_room;
}

void map_hash_expect(struct pool *pool, uint64_t count)
{
	struct map *map = &pool->map;

	for (uint32_t i = 0; i < map->segment_count; i++) {
		ASSERT(map->segments[i].used == 0);
		map->segments[i].size = segment_size(map, count / map->segment_count);
	}
}

static struct tree *tree_of(const struct map *map, uint32_t place)
{
	return map_layer(map, place)->tree;
}

static uint32_t place_in(const struct map *map, uint32_t bucket)
{
	return (bucket & map->place_mask) - 1;
}

/* The upper half picks the segment, its last bits are the mark, the lower half picks the bucket. */
static struct spot spot_of(const struct pool *pool, const struct tree *tree, uint64_t index)
{
	const struct map *map = &pool->map;
	uint64_t hash = (tree->key * UINT64_C(0x9e3779b97f4a7c15) ^ pool->g.salt ^ index) *
			UINT64_C(0xd6e8feb86659fd93);
	uint32_t segment;

	hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
	hash ^= hash >> 32;
	segment = (uint32_t)((hash >> 32) * map->segment_count >> 32);
	return (struct spot){
		.segment = &map->segments[segment],
		.buckets = map->hash + (uint64_t)segment * map->segment_room,
		.home = (uint32_t)((hash & UINT32_MAX) * map->segments[segment].size >> 32),
		.mark = (uint32_t)((hash >> 32) * ((uint64_t)map->place_mask + 1)),
	};
}

static uint32_t bucket_after(const struct map_segment *segment, uint32_t at)
{
	return at + 1 == segment->size ? 0 : at + 1;
}

/* How many buckets lie between, going up. */
static uint32_t bucket_distance(const struct map_segment *segment, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + segment->size - from;
}

/* Where the chain of this grain is, or would be. */
static uint32_t bucket_find(
	const struct pool *pool, const struct spot *spot, const struct tree *tree, uint64_t index)
{
	const struct map *map = &pool->map;
	uint32_t at = spot->home;

	for (; spot->buckets[at] != EMPTY; at = bucket_after(spot->segment, at)) {
		uint32_t bucket = spot->buckets[at], place = place_in(map, bucket);

		if ((bucket & ~map->place_mask) == spot->mark && map->places[place].index == index &&
			tree_of(map, place) == tree)
			break;
	}
	return at;
}

uint32_t map_first(const struct pool *pool, const struct tree *tree, uint64_t index)
{
	struct spot spot = spot_of(pool, tree, index);
	uint32_t at = bucket_find(pool, &spot, tree, index);

	return spot.buckets[at] == EMPTY ? PHYS_NONE : place_in(&pool->map, spot.buckets[at]);
}

uint32_t map_find(const struct pool *pool, const struct layer *layer, uint64_t index)
{
	uint32_t place = map_first(pool, layer->tree, index);

	while (place != PHYS_NONE && map_layer(&pool->map, place) != layer)
		place = map_older(&pool->map, place);
	return place;
}

/* Untouched where there are no older versions. */
static void older_set(struct map *map, uint32_t place, uint32_t older)
{
	if (map->older[place] != older + 1)
		map->older[place] = older + 1;
}

/* All of its entries are put in again. */
static void segment_grow(struct pool *pool, struct map_segment *segment, uint32_t *buckets)
{
	struct map *map = &pool->map;
	uint32_t count = segment->size;

	memcpy(map->growing, buckets, count * sizeof(*buckets));
	memset(buckets, 0, count * sizeof(*buckets));
	segment->size = segment_size(map, segment->used);
	if (MUTANT(segment_grows_unmoved)) {
		memcpy(buckets, map->growing, count * sizeof(*buckets));
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t place;
		struct spot spot;

		if (map->growing[i] == EMPTY)
			continue;
		place = place_in(map, map->growing[i]);
		spot = spot_of(pool, tree_of(map, place), map->places[place].index);
		ASSERT(spot.segment == segment);
		while (buckets[spot.home] != EMPTY)
			spot.home = bucket_after(segment, spot.home);
		buckets[spot.home] = map->growing[i];
	}
}

/* The first version of its grain. */
static void bucket_fill(struct pool *pool, struct spot *spot, uint32_t at, uint32_t place)
{
	struct map_segment *segment = spot->segment;

	spot->buckets[at] = spot->mark | (place + 1);
	segment->used++;
	ASSERT(segment->used < segment->size);
	if (segment->size < segment_size(&pool->map, segment->used))
		segment_grow(pool, segment, spot->buckets);
}

void map_insert(struct pool *pool, uint32_t place, struct layer *layer)
{
	struct map *map = &pool->map;
	struct mapped *mapped = &map->places[place];
	struct spot spot = spot_of(pool, layer->tree, mapped->index);
	uint32_t at = bucket_find(pool, &spot, layer->tree, mapped->index), before = PHYS_NONE, next;
	uint64_t number = map_number(map, place);

	ASSERT(number == layer->record.number);
	map->origins[mapped->origin].layer = layer;
	next = spot.buckets[at] == EMPTY ? PHYS_NONE : place_in(map, spot.buckets[at]);
	/* Newest first. */
	while (next != PHYS_NONE && map_number(map, next) > number) {
		before = next;
		next = map_older(map, next);
	}
	ASSERT(next == PHYS_NONE || map_number(map, next) != number);
	older_set(map, place, next);
	if (before != PHYS_NONE)
		older_set(map, before, place);
	else if (next != PHYS_NONE)
		spot.buckets[at] = spot.mark | (place + 1);
	else
		bucket_fill(pool, &spot, at, place);
	if (place < pool->g.grain_count) {
		map->used_count++;
		layer_grain_came(layer);
	}
}

static void bucket_empty(struct pool *pool, const struct spot *spot, uint32_t hole)
{
	const struct map *map = &pool->map;
	struct map_segment *segment = spot->segment;
	uint32_t *buckets = spot->buckets;

	for (uint32_t at = bucket_after(segment, hole); buckets[at] != EMPTY;
		at = bucket_after(segment, at)) {
		uint32_t other = place_in(map, buckets[at]);
		uint32_t home = spot_of(pool, tree_of(map, other), map->places[other].index).home;

		/* It may move into the hole unless its home lies behind the hole. */
		if (bucket_distance(segment, home, at) >= bucket_distance(segment, hole, at) &&
			!MUTANT(hole_ends_searches)) {
			buckets[hole] = buckets[at];
			hole = at;
		}
	}
	buckets[hole] = EMPTY;
	ASSERT(segment->used > 0);
	segment->used--;
}

void map_remove(struct pool *pool, uint32_t place)
{
	struct map *map = &pool->map;
	struct layer *layer = map_layer(map, place);
	struct spot spot = spot_of(pool, layer->tree, map->places[place].index);
	uint32_t at = bucket_find(pool, &spot, layer->tree, map->places[place].index);
	uint32_t next = map_older(map, place), first = place_in(map, spot.buckets[at]);

	ASSERT(spot.buckets[at] != EMPTY);
	if (first != place) {
		while (map_older(map, first) != place)
			first = map_older(map, first);
		older_set(map, first, next);
	} else if (next != PHYS_NONE) {
		spot.buckets[at] = spot.mark | (next + 1);
	} else {
		bucket_empty(pool, &spot, at);
	}
	older_set(map, place, PHYS_NONE);
	if (place >= pool->g.grain_count)
		return;
	ASSERT(map->used_count > 0 && layer->grains > 0);
	map->used_count--;
	layer_grain_went(layer);
}
