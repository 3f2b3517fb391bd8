/* The hard rules that concern one pool, and what two pools have in common. */
#include "placement/placement_private.h"

#include <stdlib.h>
#include <string.h>

uint64_t pool_room_bytes(const struct placement_pool *pool)
{
	return pool->provisioned_bytes < pool->limit_bytes ? pool->limit_bytes - pool->provisioned_bytes : 0;
}

struct selector_subject pool_subject(const struct placement_pool *pool)
{
	return (struct selector_subject){
		.region = pool->region,
		.zone = pool->zone,
		.rack = pool->rack,
		.host = pool->host,
		.node = pool->node,
		.pool = pool->name,
		.labels = pool->labels,
		.label_count = pool->label_count,
	};
}

static bool selector_allows(const struct placement_request *request, const struct placement_pool *pool)
{
	struct selector_subject subject = pool_subject(pool);

	return !request->selector || MUTANT(selector_ignored) ||
	       selector_matches(request->selector, &subject);
}

/* ---- places ---- */

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

bool same_rack(const struct placement_pool *a, const struct placement_pool *b)
{
	/* All that is known to be in no rack is in one: distinct racks are promised, never guessed. */
	return strcmp(a->rack, b->rack) == 0 && same_zone(a, b);
}

struct placement_pool beside_pool(const struct placement_beside *beside)
{
	return (struct placement_pool){
		.pool = beside->pool,
		.name = "",
		.node = beside->node,
		.region = beside->region,
		.zone = beside->zone,
		.rack = beside->rack,
		.host = beside->host,
	};
}

same_fn spread_same(enum class_spread spread)
{
	if (MUTANT(zone_not_strict) && spread == CLASS_SPREAD_ZONE)
		return same_host;
	return spread == CLASS_SPREAD_ZONE ? same_zone : spread == CLASS_SPREAD_RACK ? same_rack : same_host;
}

const char *spread_place(enum class_spread spread)
{
	return spread == CLASS_SPREAD_ZONE ? "zone" : spread == CLASS_SPREAD_RACK ? "rack" : "host";
}

/* ---- rules ---- */

static int names_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool group_allows(const struct placement_request *request, const char *node)
{
	bool has;

	/* The first of a group may go anywhere. */
	if (request->group_rule == CLASS_GROUP_NONE || request->group_node_count == 0 ||
		MUTANT(group_rule_ignored))
		return true;
	has = bsearch(&node, request->group_nodes, request->group_node_count, sizeof(*request->group_nodes),
		      names_compare) != NULL;
	return has == (request->group_rule == CLASS_GROUP_TOGETHER);
}

/* Beside the copies that stay. */
static unsigned beside_objections(const struct placement_request *request, const struct placement_pool *pool)
{
	unsigned objections = 0;

	for (unsigned i = 0; i < request->beside_count; i++) {
		const struct placement_pool there = beside_pool(&request->beside[i]);

		if (uuid_equal(there.pool, pool->pool))
			objections |= VERDICT_BIT(PLACEMENT_HOST);
		if (request->beside[i].leaves)
			continue;
		if (same_host(pool, &there))
			objections |= VERDICT_BIT(PLACEMENT_HOST);
		if (request->spread == CLASS_SPREAD_ZONE && same_zone(pool, &there))
			objections |= VERDICT_BIT(PLACEMENT_ZONE);
		if (request->spread == CLASS_SPREAD_RACK && same_rack(pool, &there))
			objections |= VERDICT_BIT(PLACEMENT_RACK);
	}
	return objections;
}

unsigned pool_objections(const struct placement_request *request, const struct placement_pool *pool)
{
	unsigned objections = 0;

	if (!pool->node_live)
		objections |= VERDICT_BIT(PLACEMENT_NODE_DOWN);
	if (!pool->ok)
		objections |= VERDICT_BIT(PLACEMENT_POOL_NOT_OK);
	if (pool->draining)
		objections |= VERDICT_BIT(PLACEMENT_DRAINING);
	if (!selector_allows(request, pool))
		objections |= VERDICT_BIT(PLACEMENT_SELECTOR);
	/* "Any" takes a pool as well that has not been measured yet. */
	if ((request->tiers & CLASS_TIERS_ANY) != CLASS_TIERS_ANY &&
		(request->tiers & CLASS_TIER(pool->tier)) == 0 && !MUTANT(tier_ignored))
		objections |= VERDICT_BIT(PLACEMENT_TIER);
	if (!group_allows(request, pool->node))
		objections |= VERDICT_BIT(PLACEMENT_GROUP);
	if (pool_room_bytes(pool) < request->size_bytes ||
		(request->thick && pool->thick_room_bytes < request->size_bytes &&
			!MUTANT(thick_placed_anywhere)))
		objections |= VERDICT_BIT(PLACEMENT_ROOM);
	if ((unsigned __int128)pool->used_bytes * 100 >=
		(unsigned __int128)pool->size_bytes * PLACEMENT_FULL_PERCENT)
		objections |= VERDICT_BIT(PLACEMENT_FULL);
	if (pool->replica_limit != 0 && pool->replica_count >= pool->replica_limit)
		objections |= VERDICT_BIT(PLACEMENT_REPLICAS);
	return objections | beside_objections(request, pool);
}

enum placement_verdict pool_verdict(
	const struct placement_request *request, const struct placement_pool *pool)
{
	unsigned objections = pool_objections(request, pool);

	return objections ? (enum placement_verdict)__builtin_ctz(objections) : PLACEMENT_TAKEN;
}
