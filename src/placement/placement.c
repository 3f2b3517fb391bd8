/*
 * The choice. Since a node lies in one host, a host in one rack and a rack in one zone, the best pool of each
 * host, then of each zone (or rack), and of those the best is a solution whenever there is one: nothing needs
 * to be tried and taken back. Copies that stay, and the group's nodes, only forbid pools beforehand.
 */
#include "placement/placement_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- score ---- */

static uint64_t tie_hash(const struct placement_request *request, const struct placement_pool *pool)
{
	struct uuid mixed;

	for (size_t i = 0; i < sizeof(mixed.byte); i++)
		mixed.byte[i] = request->volume.byte[i] ^ pool->pool.byte[i];
	return uuid_hash(mixed);
}

static unsigned near_percent(const struct placement_request *request, const struct placement_pool *pool)
{
	return request->near && strcmp(request->near, pool->node) == 0 ? request->near_percent : 0;
}

/* Fullness after this volume, with load, less what being near is worth: x limit x 100 x PLACEMENT_LOAD_SHARE.
 */
static __int128 fullness(const struct placement_request *request, const struct placement_pool *pool)
{
	unsigned load = pool->load_percent < 100 ? pool->load_percent : 100;
	int percent = (int)load - (int)(PLACEMENT_LOAD_SHARE * near_percent(request, pool));

	return (__int128)(pool->provisioned_bytes + request->size_bytes) * (100 * PLACEMENT_LOAD_SHARE) +
	       (__int128)pool->limit_bytes * percent;
}

/* As exact fractions: negative where a is to be preferred. Both products stay below 2^122. */
static int fullness_compare(const struct placement_request *request, const struct placement_pool *a,
	const struct placement_pool *b)
{
	__int128 left = fullness(request, a) * b->limit_bytes;
	__int128 right = fullness(request, b) * a->limit_bytes;

	return left < right ? -1 : left > right;
}

/* Order by score: < 0 where a is to be preferred. Total: 0 only for a pool and itself. */
static int score_compare(
	const struct choice *choice, const struct placement_pool *a, const struct placement_pool *b)
{
	uint64_t room_a = choice->by_room ? pool_room_bytes(a) : 0;
	uint64_t room_b = choice->by_room ? pool_room_bytes(b) : 0;
	int fuller = choice->by_room ? 0 : fullness_compare(choice->request, a, b);
	uint64_t hash_a, hash_b;

	if (room_a != room_b)
		return room_a > room_b ? -1 : 1;
	if (fuller != 0)
		return fuller;
	if (a->replica_count != b->replica_count)
		return a->replica_count < b->replica_count ? -1 : 1;
	hash_a = tie_hash(choice->request, a);
	hash_b = tie_hash(choice->request, b);
	if (hash_a != hash_b)
		return hash_a < hash_b ? -1 : 1;
	return uuid_compare(a->pool, b->pool);
}

/* ---- places ---- */

static uint64_t text_hash(uint64_t hash, const char *text)
{
	/* FNV-1a, with the final zero byte between the parts of a path. */
	do {
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	} while (*text++);
	return hash;
}

#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)

static uint64_t zone_hash(const struct placement_pool *pool)
{
	return text_hash(text_hash(HASH_BEGIN, pool->region), pool->zone);
}

static uint64_t rack_hash(const struct placement_pool *pool)
{
	return text_hash(zone_hash(pool), pool->rack);
}

/* By the path where it is known, so that nodes of one host meet; a node's pools have one topology. */
static uint64_t host_hash(const struct placement_pool *pool)
{
	if (pool->host[0] == 0)
		return text_hash(HASH_BEGIN, pool->node);
	return text_hash(rack_hash(pool), pool->host);
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

/* The best pool of its place so far, if it is; `hash` and `same` say what a place is. */
static void places_offer(
	struct choice *choice, struct places *places, size_t index, uint64_t hash, same_fn same)
{
	const struct placement_pool *pools = choice->pools;
	size_t at = (size_t)(hash ^ hash >> 29) & (places->capacity - 1);
	struct place *place;

	while (places->slots[at].best != NONE && !same(&pools[places->slots[at].best], &pools[index]))
		at = (at + 1) & (places->capacity - 1);
	place = &places->slots[at];
	places->count += place->best == NONE;
	if (place->best == NONE || score_compare(choice, &pools[index], &pools[place->best]) < 0)
		place->best = index;
}

static bool spread_is_hosts(enum class_spread spread)
{
	return spread == CLASS_SPREAD_ZONE_PREFERRED || spread == CLASS_SPREAD_HOST;
}

int choice_places(struct choice *choice)
{
	enum class_spread spread = choice->request->spread;
	int rc = places_init(&choice->hosts, choice->count);

	for (size_t i = 0; rc == 0 && i < choice->count; i++) {
		const struct placement_pool *pool = &choice->pools[i];
		unsigned objections =
			choice->objections ? choice->objections[i] : pool_objections(choice->request, pool);

		if ((objections & ~choice->ignored) != 0)
			continue;
		choice->eligible++;
		places_offer(choice, &choice->hosts, i, host_hash(pool), same_host);
	}
	if (rc != 0 || spread_is_hosts(spread))
		return rc;
	rc = places_init(&choice->apart, choice->hosts.count);
	for (size_t i = 0; rc == 0 && i < choice->hosts.capacity; i++) {
		size_t best = choice->hosts.slots[i].best;

		if (best != NONE)
			places_offer(choice, &choice->apart, best,
				spread == CLASS_SPREAD_ZONE ? zone_hash(&choice->pools[best])
							    : rack_hash(&choice->pools[best]),
				spread_same(spread));
	}
	return rc;
}

size_t choice_room(const struct choice *choice)
{
	return spread_is_hosts(choice->request->spread) ? choice->hosts.count : choice->apart.count;
}

void choice_done(struct choice *choice)
{
	free(choice->hosts.slots);
	free(choice->apart.slots);
}

/* ---- choosing ---- */

static unsigned copies_in_zone(const struct choice *choice, size_t index)
{
	const struct placement_request *request = choice->request;
	unsigned copies = 0;

	for (unsigned i = 0; i < choice->result.count; i++)
		copies += same_zone(&choice->pools[index], &choice->pools[choice->result.index[i]]);
	for (unsigned i = 0; i < request->beside_count; i++) {
		const struct placement_pool there = beside_pool(&request->beside[i]);

		copies += !request->beside[i].leaves && same_zone(&choice->pools[index], &there);
	}
	return copies;
}

/* Takes the best place that isn't taken: fewest copies in its zone, then score. False: there is none. */
static bool place_take(struct choice *choice, struct places *places)
{
	bool zones_matter = choice->request->spread == CLASS_SPREAD_ZONE_PREFERRED;
	struct place *best = NULL;
	unsigned best_copies = 0;

	for (size_t i = 0; i < places->capacity; i++) {
		struct place *place = &places->slots[i];
		unsigned copies;

		if (place->best == NONE || place->taken)
			continue;
		copies = zones_matter ? copies_in_zone(choice, place->best) : 0;
		if (!best || copies < best_copies ||
			(copies == best_copies && score_compare(choice, &choice->pools[place->best],
							  &choice->pools[best->best]) < 0)) {
			best = place;
			best_copies = copies;
		}
	}
	if (!best)
		return false;
	best->taken = true;
	choice->result.relaxed = choice->result.relaxed || copies_in_zone(choice, best->best) > 0;
	choice->result.index[choice->result.count++] = best->best;
	return true;
}

void choice_take(struct choice *choice)
{
	struct places *from = spread_is_hosts(choice->request->spread) ? &choice->hosts : &choice->apart;

	while (choice->result.count < choice->request->replicas && place_take(choice, from))
		;
}

static int choose(struct choice *choice, struct error *error)
{
	int rc = choice_places(choice);

	if (rc != 0)
		return error_set(error, rc, "out of memory");
	choice_take(choice);
	if (choice->result.count < choice->request->replicas)
		rc = choice_words(choice, error);
	else
		ASSERT(!choice->result.relaxed || choice->request->spread != CLASS_SPREAD_ZONE ||
			MUTANT(zone_not_strict));
	if (choice->explains)
		choice_explain(choice);
	return rc;
}

static int request_check(const struct placement_request *request, struct error *error)
{
	if (request->replicas < 1 || request->replicas > GROUP_MAX_VOTERS)
		return error_set(error, -EINVAL, "%u replicas: 1 to %u are possible", request->replicas,
			GROUP_MAX_VOTERS);
	if (request->size_bytes == 0 || request->size_bytes > VOLUME_MAX_BYTES)
		return error_set(
			error, -EINVAL, "a volume of %llu bytes", (unsigned long long)request->size_bytes);
	if ((request->tiers & CLASS_TIERS_ANY) == 0)
		return error_set(error, -EINVAL, "no tier will do");
	if (request->spread < CLASS_SPREAD_ZONE || request->spread > CLASS_SPREAD_LAST)
		return error_set(error, -EINVAL, "a spread of %u", (unsigned)request->spread);
	return 0;
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
	int rc = request_check(request, error);

	if (rc != 0)
		return rc;
	rc = choose(&choice, error);
	choice_done(&choice);
	if (rc == 0)
		*ret_result = choice.result;
	return rc;
}

int placement_choose(const struct placement_request *request, const struct placement_pool *pools,
	size_t count, struct placement_result *ret_result, struct error *error)
{
	return placement_explain(request, pools, count, ret_result, NULL, error);
}
