/*
 * The choice. Since a node lies in one host and a host in one zone, the best pool of each host, then of each
 * zone, and of those the best is a solution whenever there is one: nothing needs to be tried and taken back.
 */
#include "placement/placement_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one pool ---- */

uint64_t pool_room_bytes(const struct placement_pool *pool)
{
	return pool->provisioned_bytes < pool->limit_bytes ? pool->limit_bytes - pool->provisioned_bytes : 0;
}

enum placement_verdict pool_verdict(
	const struct placement_request *request, const struct placement_pool *pool)
{
	if (!pool->node_live)
		return PLACEMENT_NODE_DOWN;
	if (!pool->ok)
		return PLACEMENT_POOL_NOT_OK;
	/* "Any" takes a pool as well that has not been measured yet. */
	if ((request->tiers & CLASS_TIERS_ANY) != CLASS_TIERS_ANY &&
		(request->tiers & CLASS_TIER(pool->tier)) == 0)
		return PLACEMENT_TIER;
	if (pool_room_bytes(pool) < request->size_bytes)
		return PLACEMENT_ROOM;
	if ((unsigned __int128)pool->used_bytes * 100 >=
		(unsigned __int128)pool->size_bytes * PLACEMENT_FULL_PERCENT)
		return PLACEMENT_FULL;
	return PLACEMENT_TAKEN;
}

bool same_zone(const struct placement_pool *a, const struct placement_pool *b)
{
	return strcmp(a->zone, b->zone) == 0 && strcmp(a->region, b->region) == 0;
}

bool same_host(const struct placement_pool *a, const struct placement_pool *b)
{
	if (strcmp(a->node, b->node) == 0)
		return true;
	/* An unknown host is its node's own. */
	return a->host[0] != 0 && strcmp(a->host, b->host) == 0 && strcmp(a->rack, b->rack) == 0 &&
	       same_zone(a, b);
}

static uint64_t tie_hash(const struct placement_request *request, const struct placement_pool *pool)
{
	struct uuid mixed;

	for (size_t i = 0; i < sizeof(mixed.byte); i++)
		mixed.byte[i] = request->volume.byte[i] ^ pool->pool.byte[i];
	return uuid_hash(mixed);
}

int score_compare(const struct placement_request *request, const struct placement_pool *a,
	const struct placement_pool *b)
{
	/* Fullness after this volume, as exact fractions. */
	unsigned __int128 left =
		(unsigned __int128)(a->provisioned_bytes + request->size_bytes) * b->limit_bytes;
	unsigned __int128 right =
		(unsigned __int128)(b->provisioned_bytes + request->size_bytes) * a->limit_bytes;
	uint64_t left_hash;
	uint64_t right_hash;

	if (left != right)
		return left < right ? -1 : 1;
	left_hash = tie_hash(request, a);
	right_hash = tie_hash(request, b);
	if (left_hash != right_hash)
		return left_hash < right_hash ? -1 : 1;
	return uuid_compare(a->pool, b->pool);
}

/* ---- hosts ---- */

static uint64_t text_hash(uint64_t hash, const char *text)
{
	/* FNV-1a, with the final zero byte between the parts of a path. */
	do {
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	} while (*text++);
	return hash;
}

static uint64_t host_hash(const struct placement_pool *pool)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (pool->host[0] == 0)
		return text_hash(hash, pool->node);
	hash = text_hash(text_hash(hash, pool->region), pool->zone);
	return text_hash(text_hash(hash, pool->rack), pool->host);
}

static int places_init(struct places *places, size_t pools)
{
	places->capacity = 16;
	while (places->capacity < 2 * pools)
		places->capacity *= 2;
	places->slots = malloc(places->capacity * sizeof(*places->slots));
	if (!places->slots)
		return -ENOMEM;
	for (size_t i = 0; i < places->capacity; i++)
		places->slots[i] = (struct place){ .best = NONE };
	return 0;
}

/* The slot of the pool's place, perhaps empty; `hash` and `same` say what a place is. */
static struct place *places_slot(const struct places *places, const struct placement_pool *pools,
	size_t index, uint64_t hash,
	bool (*same)(const struct placement_pool *, const struct placement_pool *))
{
	size_t at = (size_t)(hash ^ hash >> 29) & (places->capacity - 1);

	while (places->slots[at].best != NONE && !same(&pools[places->slots[at].best], &pools[index]))
		at = (at + 1) & (places->capacity - 1);
	return &places->slots[at];
}

/* Keeps the better of the slot's pool and this one; true where the slot was empty. */
static bool place_offer(const struct choice *choice, struct place *place, size_t index)
{
	bool empty = place->best == NONE;

	if (empty || score_compare(choice->request, &choice->pools[index], &choice->pools[place->best]) < 0)
		place->best = index;
	return empty;
}

static void hosts_fill(struct choice *choice)
{
	for (size_t i = 0; i < choice->count; i++) {
		const struct placement_pool *pool = &choice->pools[i];

		if (pool_verdict(choice->request, pool) != PLACEMENT_TAKEN)
			continue;
		choice->eligible++;
		choice->host_count += place_offer(
			choice, places_slot(&choice->hosts, choice->pools, i, host_hash(pool), same_host), i);
	}
}

static int zones_fill(struct choice *choice, struct places *zones)
{
	int rc = places_init(zones, choice->host_count);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < choice->hosts.capacity; i++) {
		size_t best = choice->hosts.slots[i].best;
		const struct placement_pool *pool;
		uint64_t hash;

		if (best == NONE)
			continue;
		pool = &choice->pools[best];
		hash = text_hash(text_hash(UINT64_C(0xcbf29ce484222325), pool->region), pool->zone);
		choice->zone_count +=
			place_offer(choice, places_slot(zones, choice->pools, best, hash, same_zone), best);
	}
	return 0;
}

/* ---- choosing ---- */

static unsigned copies_in_zone(const struct choice *choice, size_t index)
{
	unsigned copies = 0;

	for (unsigned i = 0; i < choice->result.count; i++)
		copies += same_zone(&choice->pools[index], &choice->pools[choice->result.index[i]]);
	return copies;
}

/* Takes the best place that isn't taken: fewest copies in its zone, then score. False: there is none. */
static bool place_take(struct choice *choice, struct places *places)
{
	struct place *best = NULL;
	unsigned best_copies = 0;

	for (size_t i = 0; i < places->capacity; i++) {
		struct place *place = &places->slots[i];
		unsigned copies;

		if (place->best == NONE || place->taken)
			continue;
		copies = copies_in_zone(choice, place->best);
		if (!best || copies < best_copies ||
			(copies == best_copies && score_compare(choice->request, &choice->pools[place->best],
							  &choice->pools[best->best]) < 0)) {
			best = place;
			best_copies = copies;
		}
	}
	if (!best)
		return false;
	best->taken = true;
	choice->result.index[choice->result.count++] = best->best;
	choice->result.relaxed = choice->result.relaxed || best_copies > 0;
	return true;
}

static int choose(struct choice *choice, struct error *error)
{
	struct places zones = { 0 };
	struct places *from = choice->request->zones_strict ? &zones : &choice->hosts;
	int rc = places_init(&choice->hosts, choice->count);

	if (rc != 0)
		return error_set(error, rc, "out of memory");
	hosts_fill(choice);
	rc = zones_fill(choice, &zones);
	if (rc == 0) {
		while (choice->result.count < choice->request->replicas && place_take(choice, from))
			;
		if (choice->result.count < choice->request->replicas)
			rc = choice_words(choice, error);
	} else {
		rc = error_set(error, rc, "out of memory");
	}
	if (choice->explains)
		choice_explain(choice);
	free(zones.slots);
	free(choice->hosts.slots);
	return rc;
}

int placement_explain(const struct placement_request *request, const struct placement_pool *pools,
	size_t count, struct placement_result *ret_result, struct placement_explain *explains,
	struct error *error)
{
	struct choice choice = {
		.request = request,
		.pools = pools,
		.count = count,
		.explains = explains,
	};
	int rc;

	if (request->replicas < 1 || request->replicas > GROUP_MAX_VOTERS)
		return error_set(error, -EINVAL, "%u replicas: 1 to %u are possible", request->replicas,
			GROUP_MAX_VOTERS);
	if (request->size_bytes == 0 || request->size_bytes > VOLUME_MAX_BYTES)
		return error_set(
			error, -EINVAL, "a volume of %llu bytes", (unsigned long long)request->size_bytes);
	if ((request->tiers & CLASS_TIERS_ANY) == 0)
		return error_set(error, -EINVAL, "no tier will do");
	rc = choose(&choice, error);
	if (rc == 0)
		*ret_result = choice.result;
	return rc;
}

int placement_choose(const struct placement_request *request, const struct placement_pool *pools,
	size_t count, struct placement_result *ret_result, struct error *error)
{
	return placement_explain(request, pools, count, ret_result, NULL, error);
}
