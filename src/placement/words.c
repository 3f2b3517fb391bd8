/* Why: for each pool, and for the whole where it can't be had. */
#include "placement/placement_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LISTED_MAX  4u  /* zones or hosts named in one message */
#define LOOKED_MAX  12u /* and looked at */
#define ADVICE_LEAD "; what would help: "

const char *placement_verdict_name(enum placement_verdict verdict)
{
	static const char *const names[] = {
		[PLACEMENT_TAKEN] = "taken",
		[PLACEMENT_NODE_DOWN] = "node-down",
		[PLACEMENT_POOL_NOT_OK] = "pool-not-ok",
		[PLACEMENT_DRAINING] = "draining",
		[PLACEMENT_SELECTOR] = "selector",
		[PLACEMENT_TIER] = "tier",
		[PLACEMENT_GROUP] = "group",
		[PLACEMENT_ROOM] = "room",
		[PLACEMENT_FULL] = "full",
		[PLACEMENT_REPLICAS] = "replicas",
		[PLACEMENT_HOST] = "host",
		[PLACEMENT_RACK] = "rack",
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

/* What a copy at `there` forbids to this pool: SCORE, nothing. */
static enum placement_verdict rivalry(
	const struct choice *choice, const struct placement_pool *pool, const struct placement_pool *there)
{
	if (same_host(pool, there) || uuid_equal(pool->pool, there->pool))
		return PLACEMENT_HOST;
	if (choice->request->spread == CLASS_SPREAD_RACK && same_rack(pool, there))
		return PLACEMENT_RACK;
	if (choice->request->spread == CLASS_SPREAD_ZONE && same_zone(pool, there))
		return PLACEMENT_ZONE;
	return PLACEMENT_SCORE;
}

static void explain_eligible(const struct choice *choice, size_t index, struct placement_explain *to)
{
	const struct placement_pool *pool = &choice->pools[index];
	unsigned filled = percent(pool->provisioned_bytes + choice->request->size_bytes, pool->limit_bytes);
	const struct placement_pool *rival = NULL;

	to->verdict = PLACEMENT_SCORE;
	for (unsigned i = 0; i < choice->result.count; i++) {
		const struct placement_pool *chosen = &choice->pools[choice->result.index[i]];
		enum placement_verdict verdict = rivalry(choice, pool, chosen);

		if (chosen == pool) {
			to->verdict = PLACEMENT_TAKEN;
			break;
		}
		if (verdict < to->verdict) {
			to->verdict = verdict;
			rival = chosen;
		}
	}
	if (to->verdict == PLACEMENT_TAKEN)
		(void)snprintf(to->text, sizeof(to->text),
			"taken: %u %% of its limit is promised with it, load %u %%", filled,
			pool->load_percent);
	else if (!rival)
		(void)snprintf(to->text, sizeof(to->text),
			"not needed: enough others are better (%u %% of its limit would be promised, load %u "
			"%%)",
			filled, pool->load_percent);
	else
		(void)snprintf(to->text, sizeof(to->text), "its %s has a copy, on pool %.32s of node %.32s",
			placement_verdict_name(to->verdict), rival->name, rival->node);
}

static void explain_excluded(
	const struct choice *choice, const struct placement_pool *pool, struct placement_explain *to)
{
	const struct placement_request *request = choice->request;
	struct selector_subject subject = pool_subject(pool);
	char term[SELECTOR_TEXT_LEN + 1];
	char text[2][SIZE_TEXT_LEN + 1];

	switch (to->verdict) {
	case PLACEMENT_NODE_DOWN:
		(void)snprintf(to->text, sizeof(to->text), "node %.64s is down", pool->node);
		break;
	case PLACEMENT_POOL_NOT_OK:
		(void)snprintf(to->text, sizeof(to->text), "the pool is not in order");
		break;
	case PLACEMENT_DRAINING:
		(void)snprintf(to->text, sizeof(to->text), "it, or node %.64s, is being drained", pool->node);
		break;
	case PLACEMENT_SELECTOR:
		(void)snprintf(to->text, sizeof(to->text), "not chosen by %.100s",
			selector_failed(request->selector, &subject, term));
		break;
	case PLACEMENT_TIER:
		(void)snprintf(to->text, sizeof(to->text), "its tier is %s", tier_name(pool->tier));
		break;
	case PLACEMENT_GROUP:
		(void)snprintf(to->text, sizeof(to->text),
			request->group_rule == CLASS_GROUP_APART
				? "node %.64s has a replica of another volume of the group"
				: "node %.64s has no replica of the group's other volumes",
			pool->node);
		break;
	case PLACEMENT_ROOM:
		(void)snprintf(to->text, sizeof(to->text), "%s left to promise, %s needed",
			size_format(pool_room_bytes(pool), text[0]),
			size_format(request->size_bytes, text[1]));
		break;
	case PLACEMENT_FULL:
		(void)snprintf(to->text, sizeof(to->text), "%u %% of it is used, at most %u %% may be",
			percent(pool->used_bytes, pool->size_bytes), PLACEMENT_FULL_PERCENT);
		break;
	case PLACEMENT_REPLICAS:
		(void)snprintf(to->text, sizeof(to->text),
			"it holds %u replicas, and its journal has shares for %u at most",
			pool->replica_count, pool->replica_limit);
		break;
	default:
		(void)snprintf(to->text, sizeof(to->text), "its %s has a copy of the volume that stays",
			placement_verdict_name(to->verdict));
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
	/* Of the verdicts about one pool alone. */
	static const int distance[] = {
		[PLACEMENT_TAKEN] = 0,
		[PLACEMENT_FULL] = 1,
		[PLACEMENT_REPLICAS] = 1,
		[PLACEMENT_ROOM] = 2,
		[PLACEMENT_TIER] = 3,
		[PLACEMENT_GROUP] = 4,
		[PLACEMENT_SELECTOR] = 5,
		[PLACEMENT_DRAINING] = 6,
		[PLACEMENT_POOL_NOT_OK] = 7,
		[PLACEMENT_NODE_DOWN] = 8,
		[PLACEMENT_HOST] = 9,
		[PLACEMENT_RACK] = 9,
		[PLACEMENT_ZONE] = 9,
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
	enum placement_verdict verdict = pool_verdict(choice->request, pool);
	struct placement_explain why = { .verdict = verdict };
	char size[SIZE_TEXT_LEN + 1];

	switch (verdict) {
	case PLACEMENT_TIER:
		text_add(text, "; %s %.40s has %s pools only", what, name, tier_name(pool->tier));
		break;
	case PLACEMENT_ROOM:
		text_add(
			text, "; %s %.40s has %s free", what, name, size_format(pool_room_bytes(pool), size));
		break;
	default:
		explain_excluded(choice, pool, &why);
		text_add(text, "; %s %.40s: %s", what, name, why.text);
		break;
	}
}

/*
 * Names the places that will do, then those that won't and why; both lists are cut. To look at all of a big
 * cluster takes time by the square: enough of it says as much.
 */
static void places_add(const struct choice *choice, struct text *text)
{
	same_fn same = spread_same(choice->request->spread);
	const char *what = spread_place(choice->request->spread);
	size_t wanting[LISTED_MAX];
	unsigned good = 0;
	unsigned bad = 0;
	unsigned looked = 0;

	for (size_t i = 0;
		i < choice->count && looked < LOOKED_MAX && (good < LISTED_MAX || bad < LISTED_MAX); i++) {
		const char *name = same == same_zone   ? choice->pools[i].zone
				   : same == same_rack ? choice->pools[i].rack
						       : choice->pools[i].node;
		size_t nearest;

		if (!first_of_place(choice, i, same))
			continue;
		looked++;
		nearest = nearest_of_place(choice, i, same);
		if (pool_verdict(choice->request, &choice->pools[nearest]) != PLACEMENT_TAKEN) {
			if (bad < LISTED_MAX)
				wanting[bad++] = nearest;
		} else if (good < LISTED_MAX) {
			text_add(text, "%s%.40s", good++ == 0 ? " (" : ", ", name[0] != 0 ? name : "unnamed");
		}
	}
	if (good > 0)
		text_add(text, good == LISTED_MAX ? " ...)" : ")");
	for (unsigned i = 0; i < bad; i++) {
		const struct placement_pool *pool = &choice->pools[wanting[i]];
		const char *name = same == same_zone   ? pool->zone
				   : same == same_rack ? pool->rack
						       : pool->node;

		want_add(choice, pool, same == same_host ? "node" : what, name[0] != 0 ? name : "unnamed",
			text);
	}
}

int choice_words(const struct choice *choice, struct error *error)
{
	const struct placement_request *request = choice->request;
	const char *what = spread_place(request->spread);
	size_t have = choice_room(choice);
	char advice[PLACEMENT_ADVICE_LEN + 1];
	char size[SIZE_TEXT_LEN + 1];
	char words[ERROR_TEXT_MAX];
	struct text text = { words, sizeof(words) };

	placement_advise(request, choice->pools, choice->count, advice);
	text.left -= strlen(ADVICE_LEAD) + strlen(advice);
	text_add(&text, "class %.40s needs %u %s%s%s with a ", request->class_name, request->replicas,
		request->beside_count > 0 ? "more " : "", what, request->replicas == 1 ? "" : "s");
	tiers_add(&text, request->tiers);
	text_add(&text, "pool and %s free: ", size_format(request->size_bytes, size));
	if (have == 0)
		text_add(&text, choice->count == 0 ? "there is no pool" : "there is none");
	else
		text_add(&text, "only %zu", have);
	places_add(choice, &text);
	return error_set(error, -ENOSPC, "%s" ADVICE_LEAD "%s", words, advice);
}
