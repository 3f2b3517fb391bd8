/*
 * The smallest change that would help. Each rule that concerns pools alone is set aside by itself, from the
 * easiest to mend to the one that changes what the class promises: the first with which there is a place for
 * every copy is the answer. Otherwise it is a looser spread, or more pools.
 */
#include "placement/placement_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADVICE_TEXT_MAX (PLACEMENT_ADVICE_LEN + 1)

void text_add(struct text *text, const char *format, ...)
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

void tiers_add(struct text *text, unsigned tiers)
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

/* ---- one rule set aside ---- */

/* "node n3, node n4": the nodes (or pools) of what was taken against the rule. */
static void breakers_add(
	const struct choice *trial, enum placement_verdict rule, bool pools, struct text *text)
{
	unsigned named = 0;

	for (unsigned i = 0; i < trial->result.count; i++) {
		const struct placement_pool *pool = &trial->pools[trial->result.index[i]];

		if ((pool_objections(trial->request, pool) & VERDICT_BIT(rule)) == 0)
			continue;
		text_add(text, "%s", named++ ? " and " : "");
		if (pools)
			text_add(text, "pool %.32s of ", pool->name);
		text_add(text, "node %.32s", pool->node);
	}
}

static void room_advice(const struct choice *trial, struct text *text)
{
	uint64_t least = UINT64_MAX;
	char size[2][SIZE_TEXT_LEN + 1];
	const struct placement_pool *worst = NULL;

	for (unsigned i = 0; i < trial->result.count; i++) {
		const struct placement_pool *pool = &trial->pools[trial->result.index[i]];

		if (pool_room_bytes(pool) < least) {
			least = pool_room_bytes(pool);
			worst = pool;
		}
	}
	if (least >= VOLUME_MIN_BYTES)
		text_add(text, "a volume of at most %s, or ",
			size_format(least / GRAIN_BYTES * GRAIN_BYTES, size[0]));
	if (worst)
		text_add(text, "%s more room on pool %.32s of node %.32s",
			size_format(trial->request->size_bytes - least, size[1]), worst->name, worst->node);
}

static void tier_advice(const struct choice *trial, struct text *text)
{
	unsigned tiers = trial->request->tiers;
	bool unmeasured = false;

	for (unsigned i = 0; i < trial->result.count; i++) {
		enum tier tier = trial->pools[trial->result.index[i]].tier;

		unmeasured = unmeasured || tier == TIER_UNKNOWN;
		if (tier != TIER_UNKNOWN)
			tiers |= CLASS_TIER(tier);
	}
	text_add(text, "a class that takes ");
	if (unmeasured || tiers == CLASS_TIERS_ANY)
		text_add(text, "any tier");
	else
		tiers_add(text, tiers);
	text_add(text, unmeasured || tiers == CLASS_TIERS_ANY ? "" : "pools");
}

static void rule_advice(const struct choice *trial, enum placement_verdict rule, struct text *text)
{
	switch (rule) {
	case PLACEMENT_NODE_DOWN:
		text_add(text, "start ");
		breakers_add(trial, rule, false, text);
		break;
	case PLACEMENT_POOL_NOT_OK:
		text_add(text, "mend ");
		breakers_add(trial, rule, true, text);
		break;
	case PLACEMENT_DRAINING:
		text_add(text, "end the draining of ");
		breakers_add(trial, rule, true, text);
		break;
	case PLACEMENT_ROOM:
		room_advice(trial, text);
		break;
	case PLACEMENT_FULL:
		text_add(text, "free some of ");
		breakers_add(trial, rule, true, text);
		break;
	case PLACEMENT_REPLICAS:
		text_add(text, "move a replica away from, or add a pool beside, ");
		breakers_add(trial, rule, true, text);
		break;
	case PLACEMENT_TIER:
		tier_advice(trial, text);
		break;
	case PLACEMENT_SELECTOR:
		text_add(text, "let the selector take ");
		breakers_add(trial, rule, true, text);
		break;
	default:
		text_add(text, trial->request->group_rule == CLASS_GROUP_APART
				       ? "a group that may share "
				       : "a replica of its group on ");
		breakers_add(trial, rule, false, text);
		break;
	}
}

/* Whether setting this rule aside is enough; the advice, then. */
static bool rule_try(const struct choice *choice, enum placement_verdict rule, struct text *text)
{
	struct choice trial = {
		.request = choice->request,
		.pools = choice->pools,
		.count = choice->count,
		.objections = choice->objections,
		.ignored = VERDICT_BIT(rule),
		.by_room = rule == PLACEMENT_ROOM,
	};
	bool enough = choice_places(&trial) == 0 && choice_room(&trial) >= choice->request->replicas;

	if (enough) {
		choice_take(&trial);
		rule_advice(&trial, rule, text);
	}
	choice_done(&trial);
	return enough;
}

/* ---- what the class promises ---- */

/* Would it be found with this spread? */
static bool spread_try(const struct choice *choice, enum class_spread spread)
{
	struct placement_request request = *choice->request;
	struct choice trial = { .request = &request, .pools = choice->pools, .count = choice->count };
	bool enough;

	request.spread = spread;
	enough = choice_places(&trial) == 0 && choice_room(&trial) >= request.replicas;
	choice_done(&trial);
	return enough;
}

static void class_advice(const struct choice *choice, size_t have, struct text *text)
{
	const struct placement_request *request = choice->request;
	size_t missing = request->replicas - have;
	enum class_spread spread = request->spread;

	if (spread == CLASS_SPREAD_ZONE || spread == CLASS_SPREAD_RACK)
		spread = CLASS_SPREAD_ZONE_PREFERRED;
	if (spread != request->spread && spread_try(choice, spread))
		text_add(text, "a class with spread=%s (two copies share a %s), or ",
			class_spread_name(spread), spread_place(request->spread));
	if (have == 0 && request->replicas == 1) {
		text_add(text, "a pool more: 'quoin pool add'");
		return;
	}
	text_add(text, "a pool in %zu more %s%s", missing, spread_place(request->spread),
		missing == 1 ? "" : "s");
	if (have >= 3)
		text_add(text, ", or replicas=%zu", have);
	else if (have > 0 && request->beside_count == 0)
		text_add(text, ", or replicas=1 with class scratch (no second copy)");
}

/*
 * The rules, a bit each, that alone are against some pool: to set another one aside gains nothing. What is
 * against each pool is kept, so that no trial has to look again.
 */
static unsigned lone_objections(const struct choice *choice, unsigned *objections)
{
	unsigned lone = 0;

	for (size_t i = 0; i < choice->count; i++) {
		unsigned bits = pool_objections(choice->request, &choice->pools[i]);

		objections[i] = bits;
		if ((bits & (bits - 1)) == 0)
			lone |= bits;
	}
	return lone;
}

void placement_advise(const struct placement_request *request, const struct placement_pool *pools,
	size_t count, char ret_text[static PLACEMENT_ADVICE_LEN + 1])
{
	/* From what comes back by itself to what the class promises. */
	static const enum placement_verdict order[] = { PLACEMENT_NODE_DOWN, PLACEMENT_POOL_NOT_OK,
		PLACEMENT_DRAINING, PLACEMENT_ROOM, PLACEMENT_FULL, PLACEMENT_REPLICAS, PLACEMENT_TIER,
		PLACEMENT_SELECTOR, PLACEMENT_GROUP };
	struct choice choice = { .request = request, .pools = pools, .count = count };
	unsigned *objections = calloc(count + 1, sizeof(*objections));
	unsigned lone = objections ? lone_objections(&choice, objections) : ~0u;
	struct text text = { ret_text, ADVICE_TEXT_MAX };
	bool found = false;
	size_t have = 0;

	choice.objections = objections;
	ret_text[0] = 0;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && !found; i++)
		found = (lone & VERDICT_BIT(order[i])) != 0 && rule_try(&choice, order[i], &text);
	if (!found) {
		if (choice_places(&choice) == 0)
			have = choice_room(&choice);
		choice_done(&choice);
		class_advice(&choice, have < request->replicas ? have : request->replicas - 1, &text);
	}
	free(objections);
}
