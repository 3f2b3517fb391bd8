/*
 * The map: a slot for each place (map_slot.c), a hash from (tree, index) to the versions of a grain
 * (map_hash.c), which table pages lack an image (map_pages.c); and here, what is free and what in quarantine.
 *
 *   free --map_alloc--> taken by a round --map_insert (image durable)--> mapped
 *     ^                                                                    |
 *     +--map_release_settled (two durable headers)-- quarantine <--map_quarantine
 *
 * Memory that was never touched is not resident: map_memory_new().
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE_BYTES (UINT64_C(4) << 20)

void *map_memory_new(uint64_t count, size_t each_bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), bytes = count * each_bytes;
	uint8_t *memory = calloc(count, each_bytes);
	uint64_t skip = (page - (uintptr_t)memory % page) % page;

	/* Pages of 2 MiB would make all of it resident: some of it is touched here and there. No harm if not.
	 */
	if (memory && bytes >= LARGE_BYTES)
		(void)madvise(memory + skip, (bytes - skip) / page * page, MADV_NOHUGEPAGE);
	return memory;
}

int map_init(struct pool *pool)
{
	struct map *map = &pool->map;
	uint64_t count = geometry_places(&pool->g);
	int rc = map_hash_init(pool);

	map->free_bits = map_memory_new(count / 64 + 1, sizeof(*map->free_bits));
	map->quarantine_first = map->quarantine_last = PHYS_NONE;
	if (rc == 0 && !map->free_bits)
		rc = -ENOMEM;
	if (rc == 0)
		rc = map_pages_init(map, geometry_pages(&pool->g));
	return rc < 0 ? rc : map_slots_init(map, count);
}

void map_done(struct pool *pool)
{
	map_slots_done(&pool->map);
	map_pages_done(&pool->map);
	map_hash_done(&pool->map);
	free(pool->map.free_bits);
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
	map_slot_clear(pool, place);
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
	map_slot_clear(pool, phys);
	if (MUTANT(reuse_freed_grain)) {
		free_set(map, phys);
		return;
	}
	map->places[phys] = (struct mapped){ .seq = batch & UINT64_C(0xffffffffffff), .index = PHYS_NONE };
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
		map_slot_clear(pool, phys);
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
		place = map_older(&pool->map, place))
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
