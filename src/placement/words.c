/* Why: for each pool, and for the whole where it can't be had. */
#include "placement/placement_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LISTED_MAX 4u /* zones or hosts named in one message */

const char *placement_verdict_name(enum placement_verdict verdict)
{
	static const char *const names[] = {
		[PLACEMENT_TAKEN] = "taken",
		[PLACEMENT_NODE_DOWN] = "node-down",
		[PLACEMENT_POOL_NOT_OK] = "pool-not-ok",
		[PLACEMENT_TIER] = "tier",
		[PLACEMENT_ROOM] = "room",
		[PLACEMENT_FULL] = "full",
		[PLACEMENT_HOST] = "host",
		[PLACEMENT_ZONE] = "zone",
		[PLACEMENT_SCORE] = "score",
	};

	return names[verdict];
}

/* ---- for each pool ---- */

static unsigned percent(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (unsigned)((unsigned __int128)part * 100 / whole);
}

/* The chosen pool that stands in this one's way, and how. */
static enum placement_verdict rival_find(const struct choice *choice, size_t index, size_t *ret_rival)
{
	const struct placement_pool *pool = &choice->pools[index];
	enum placement_verdict verdict = PLACEMENT_SCORE;

	*ret_rival = NONE;
	for (unsigned i = 0; i < choice->result.count; i++) {
		size_t chosen = choice->result.index[i];

		if (chosen == index)
			return PLACEMENT_TAKEN;
		if (same_host(pool, &choice->pools[chosen])) {
			*ret_rival = chosen;
			return PLACEMENT_HOST;
		}
		if (choice->request->zones_strict && same_zone(pool, &choice->pools[chosen])) {
			*ret_rival = chosen;
			verdict = PLACEMENT_ZONE;
		}
	}
	return verdict;
}

static void explain_eligible(const struct choice *choice, size_t index, struct placement_explain *to)
{
	const struct placement_pool *pool = &choice->pools[index];
	unsigned filled = percent(pool->provisioned_bytes + choice->request->size_bytes, pool->limit_bytes);
	size_t rival;

	to->verdict = rival_find(choice, index, &rival);
	if (to->verdict == PLACEMENT_TAKEN)
		(void)snprintf(
			to->text, sizeof(to->text), "taken: %u %% of its limit provisioned with it", filled);
	else if (to->verdict == PLACEMENT_SCORE)
		(void)snprintf(to->text, sizeof(to->text),
			"not needed: enough others are less full than %u %%", filled);
	else
		(void)snprintf(to->text, sizeof(to->text),
			"its %s has a copy already, on pool %.32s of node %.32s",
			to->verdict == PLACEMENT_HOST ? "host" : "zone", choice->pools[rival].name,
			choice->pools[rival].node);
}

static void explain_excluded(
	const struct choice *choice, const struct placement_pool *pool, struct placement_explain *to)
{
	char text[2][SIZE_TEXT_LEN + 1];

	switch (to->verdict) {
	case PLACEMENT_NODE_DOWN:
		(void)snprintf(to->text, sizeof(to->text), "node %.64s is down", pool->node);
		break;
	case PLACEMENT_POOL_NOT_OK:
		(void)snprintf(to->text, sizeof(to->text), "the pool is not in order");
		break;
	case PLACEMENT_TIER:
		(void)snprintf(to->text, sizeof(to->text), "its tier is %s", tier_name(pool->tier));
		break;
	case PLACEMENT_ROOM:
		(void)snprintf(to->text, sizeof(to->text), "%s left to provision, %s needed",
			size_format(pool_room_bytes(pool), text[0]),
			size_format(choice->request->size_bytes, text[1]));
		break;
	default:
		(void)snprintf(to->text, sizeof(to->text), "%u %% of it is used, at most %u %% may be",
			percent(pool->used_bytes, pool->size_bytes), PLACEMENT_FULL_PERCENT);
		break;
	}
}

void choice_explain(struct choice *choice)
{
	for (size_t i = 0; i < choice->count; i++) {
		struct placement_explain *to = &choice->explains[i];

		to->verdict = pool_verdict(choice->request, &choice->pools[i]);
		if (to->verdict == PLACEMENT_TAKEN)
			explain_eligible(choice, i, to);
		else
			explain_excluded(choice, &choice->pools[i], to);
	}
}

/* ---- for the whole ---- */

/* A text that grows up to its end, and then stays as it is. */
struct text {
	char *at;
	size_t left;
};

static void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void text_add(struct text *text, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text->at, text->left, format, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t)len >= text->left)
		len = (int)text->left - 1;
	text->at += len;
	text->left -= (size_t)len;
}

static void tiers_add(struct text *text, unsigned tiers)
{
	bool first = true;

	if ((tiers & CLASS_TIERS_ANY) == CLASS_TIERS_ANY)
		return;
	for (enum tier tier = TIER_LOW; tier <= TIER_HIGH; tier++) {
		if ((tiers & CLASS_TIER(tier)) == 0)
			continue;
		text_add(text, "%s%s", first ? "" : "/", tier_name(tier));
		first = false;
	}
	text_add(text, " ");
}

typedef bool (*same_fn)(const struct placement_pool *, const struct placement_pool *);

/* The first pool of its zone (or host) in the list: each place is named once. */
static bool first_of_place(const struct choice *choice, size_t index, same_fn same)
{
	for (size_t i = 0; i < index; i++) {
		if (same(&choice->pools[i], &choice->pools[index]))
			return false;
	}
	return true;
}

/* The pool of the same place that comes nearest to being eligible. */
static size_t nearest_of_place(const struct choice *choice, size_t index, same_fn same)
{
	static const int distance[] = {
		[PLACEMENT_TAKEN] = 0,
		[PLACEMENT_FULL] = 1,
		[PLACEMENT_ROOM] = 2,
		[PLACEMENT_TIER] = 3,
		[PLACEMENT_POOL_NOT_OK] = 4,
		[PLACEMENT_NODE_DOWN] = 5,
	};
	size_t best = index;

	for (size_t i = index + 1; i < choice->count; i++) {
		int here;
		int there;

		if (!same(&choice->pools[i], &choice->pools[index]))
			continue;
		here = distance[pool_verdict(choice->request, &choice->pools[i])];
		there = distance[pool_verdict(choice->request, &choice->pools[best])];
		if (here < there || (here == there && pool_room_bytes(&choice->pools[i]) >
							      pool_room_bytes(&choice->pools[best])))
			best = i;
	}
	return best;
}

/* "zone c has 4 GiB free", "node n2 is down". */
static void want_add(const struct choice *choice, const struct placement_pool *pool, const char *what,
	const char *name, struct text *text)
{
	char size[SIZE_TEXT_LEN + 1];

	switch (pool_verdict(choice->request, pool)) {
	case PLACEMENT_NODE_DOWN:
		text_add(text, "; %s %.40s: node %.40s is down", what, name, pool->node);
		break;
	case PLACEMENT_POOL_NOT_OK:
		text_add(text, "; %s %.40s: pool %.40s is not in order", what, name, pool->name);
		break;
	case PLACEMENT_TIER:
		text_add(text, "; %s %.40s has %s pools only", what, name, tier_name(pool->tier));
		break;
	case PLACEMENT_ROOM:
		text_add(
			text, "; %s %.40s has %s free", what, name, size_format(pool_room_bytes(pool), size));
		break;
	case PLACEMENT_FULL:
		text_add(text, "; %s %.40s: its pools are %u %% full", what, name,
			percent(pool->used_bytes, pool->size_bytes));
		break;
	default:
		break;
	}
}

/* Names the places that will do, then those that won't and why; both lists are cut. */
static void places_add(const struct choice *choice, bool zones, struct text *text)
{
	same_fn same = zones ? same_zone : same_host;
	unsigned good = 0;
	unsigned bad = 0;
	/* A list of all places takes time by the square: enough of a big cluster says as much. */
	size_t look = choice->count < 256 ? choice->count : 256;

	for (size_t i = 0; i < look && good < LISTED_MAX; i++) {
		const struct placement_pool *pool = &choice->pools[i];
		const char *name = zones ? pool->zone : pool->node;

		if (!first_of_place(choice, i, same) ||
			pool_verdict(choice->request, &choice->pools[nearest_of_place(choice, i, same)]) !=
				PLACEMENT_TAKEN)
			continue;
		text_add(text, "%s%.40s", good++ == 0 ? " (" : ", ", name[0] != 0 ? name : "unnamed");
	}
	if (good > 0)
		text_add(text, good == LISTED_MAX ? " ...)" : ")");
	for (size_t i = 0; i < look && bad < LISTED_MAX; i++) {
		const struct placement_pool *pool;
		const char *name;

		if (!first_of_place(choice, i, same))
			continue;
		pool = &choice->pools[nearest_of_place(choice, i, same)];
		name = zones ? pool->zone : pool->node;
		if (pool_verdict(choice->request, pool) == PLACEMENT_TAKEN)
			continue;
		want_add(choice, pool, zones ? "zone" : "node", name[0] != 0 ? name : "unnamed", text);
		bad++;
	}
}

int choice_words(const struct choice *choice, struct error *error)
{
	const struct placement_request *request = choice->request;
	bool zones = request->zones_strict;
	size_t have = zones ? choice->zone_count : choice->host_count;
	char size[SIZE_TEXT_LEN + 1];
	char words[ERROR_TEXT_MAX];
	struct text text = { words, sizeof(words) };

	text_add(&text, "class %.40s needs %u %s%s with a ", request->class_name, request->replicas,
		zones ? "zone" : "host", request->replicas == 1 ? "" : "s");
	tiers_add(&text, request->tiers);
	text_add(&text, "pool and %s free: ", size_format(request->size_bytes, size));
	if (have == 0)
		text_add(&text, choice->count == 0 ? "there is no pool" : "there is none");
	else
		text_add(&text, "only %zu", have);
	places_add(choice, zones, &text);
	if (have > 0 && request->replicas > 1)
		text_add(&text, "; add a pool, or take replicas=1 with class scratch (no second copy)");
	else
		text_add(&text, "; add a pool with 'quoin pool add'");
	return error_set(error, -ENOSPC, "%s", words);
}
