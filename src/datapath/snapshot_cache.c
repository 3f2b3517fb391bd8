/*
 * Blocks of snapshots that came from other nodes: four places for each hash, the oldest is replaced. Memory
 * is taken once, and touched as it fills.
 */
#include "datapath/private.h"

#include <stdlib.h>
#include <string.h>

#define WAYS 4u

struct place {
	struct uuid snapshot; /* none: empty */
	uint64_t block;
};

struct snapshot_cache {
	uint64_t sets;
	struct place *places;
	uint8_t *next; /* of a set: the way that is replaced next */
	uint8_t *blocks;
};

struct snapshot_cache *snapshot_cache_new(uint64_t bytes)
{
	struct snapshot_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->sets = bytes / BLOCK_BYTES / WAYS;
	if (cache->sets == 0)
		return cache;
	cache->places = calloc(cache->sets * WAYS, sizeof(cache->places[0]));
	cache->next = calloc(cache->sets, 1);
	cache->blocks = malloc(cache->sets * WAYS * BLOCK_BYTES);
	if (!cache->places || !cache->next || !cache->blocks) {
		snapshot_cache_free(cache);
		return NULL;
	}
	return cache;
}

void snapshot_cache_free(struct snapshot_cache *cache)
{
	if (!cache)
		return;
	free(cache->places);
	free(cache->next);
	free(cache->blocks);
	free(cache);
}

static uint64_t set_of(const struct snapshot_cache *cache, struct uuid snapshot, uint64_t block)
{
	uint64_t hash = (uuid_hash(snapshot) ^ block) * UINT64_C(0x9e3779b97f4a7c15);

	return (hash ^ hash >> 29) % cache->sets;
}

/* The place that has it; UINT64_MAX. */
static uint64_t place_find(const struct snapshot_cache *cache, struct uuid snapshot, uint64_t block)
{
	uint64_t first = set_of(cache, snapshot, block) * WAYS;

	for (uint64_t at = first; at < first + WAYS; at++)
		if (cache->places[at].block == block && uuid_equal(cache->places[at].snapshot, snapshot))
			return at;
	return UINT64_MAX;
}

bool snapshot_cache_get(const struct snapshot_cache *cache, struct uuid snapshot, uint64_t offset_bytes,
	uint32_t length_bytes, uint8_t *to)
{
	uint64_t first = offset_bytes / BLOCK_BYTES;

	ASSERT(!uuid_is_none(snapshot));
	if (cache->sets == 0)
		return false;
	for (uint32_t i = 0; i < length_bytes / BLOCK_BYTES; i++) {
		uint64_t at = place_find(cache, snapshot, first + i);

		if (at == UINT64_MAX)
			return false;
		memcpy(to + (size_t)i * BLOCK_BYTES, cache->blocks + at * BLOCK_BYTES, BLOCK_BYTES);
	}
	return true;
}

void snapshot_cache_put(struct snapshot_cache *cache, struct uuid snapshot, uint64_t offset_bytes,
	uint32_t length_bytes, const uint8_t *from)
{
	uint64_t first = offset_bytes / BLOCK_BYTES;

	ASSERT(!uuid_is_none(snapshot));
	if (cache->sets == 0)
		return;
	for (uint32_t i = 0; i < length_bytes / BLOCK_BYTES; i++) {
		uint64_t at = place_find(cache, snapshot, first + i);
		uint64_t set = set_of(cache, snapshot, first + i);

		if (at == UINT64_MAX)
			at = set * WAYS + cache->next[set]++ % WAYS;
		cache->places[at] = (struct place){ snapshot, first + i };
		memcpy(cache->blocks + at * BLOCK_BYTES, from + (size_t)i * BLOCK_BYTES, BLOCK_BYTES);
	}
}
