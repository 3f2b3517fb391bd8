#include "placement/rebalance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tier_sum {
	unsigned __int128 provisioned_bytes, limit_bytes; /* of the pools that are usable */
};

struct plan {
	struct tier_sum sums[TIER_HIGH + 1];
	struct placement_pool *pools; /* as they will be */
	size_t pool_count;
	const struct rebalance_input *input;
	bool *moved;                    /* by volume */
	bool *done;                     /* by pool: nothing on it can move any more */
	struct placement_pool *targets; /* those that a replica may go to ... */
	size_t *target_index;           /* ... and where they stand in pools */
	struct rebalance_move move;
};

static bool is_usable(const struct placement_pool *pool)
{
	return pool->ok && pool->node_live && !pool->draining && pool->limit_bytes > 0;
}

/* What the pool would hold if its tier were even. Moves stay within a tier: its sums don't change. */
static uint64_t even_bytes(const struct plan *plan, const struct placement_pool *pool)
{
	const struct tier_sum *sum = &plan->sums[pool->tier];

	return (uint64_t)(sum->provisioned_bytes * pool->limit_bytes / sum->limit_bytes);
}

static void sums_make(struct plan *plan)
{
	for (size_t i = 0; i < plan->pool_count; i++) {
		const struct placement_pool *pool = &plan->pools[i];

		if (!is_usable(pool))
			continue;
		plan->sums[pool->tier].provisioned_bytes += pool->provisioned_bytes;
		plan->sums[pool->tier].limit_bytes += pool->limit_bytes;
	}
}

static unsigned fill_permille(const struct placement_pool *pool)
{
	return (unsigned)((unsigned __int128)pool->provisioned_bytes * 1000 / pool->limit_bytes);
}

/* Between the fullest and the emptiest. */
static unsigned uneven_permille(const struct placement_pool *pools, size_t count, enum tier tier)
{
	unsigned least = UINT32_MAX, most = 0;

	for (size_t i = 0; i < count; i++) {
		if (pools[i].tier != tier || !is_usable(&pools[i]))
			continue;
		least = fill_permille(&pools[i]) < least ? fill_permille(&pools[i]) : least;
		most = fill_permille(&pools[i]) > most ? fill_permille(&pools[i]) : most;
	}
	return least == UINT32_MAX ? 0 : most - least;
}

/* The fullest of the tier that isn't done with; SIZE_MAX: none is above the mean. */
static size_t fullest(const struct plan *plan, enum tier tier)
{
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < plan->pool_count; i++) {
		const struct placement_pool *pool = &plan->pools[i];

		if (pool->tier != tier || !is_usable(pool) || plan->done[i] ||
			pool->provisioned_bytes <= even_bytes(plan, pool))
			continue;
		if (found == SIZE_MAX || fill_permille(pool) > fill_permille(&plan->pools[found]))
			found = i;
	}
	return found;
}

/* Pools of the tier that stay below the mean with `bytes` more. */
static size_t targets_find(struct plan *plan, enum tier tier, uint64_t bytes)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->pool_count; i++) {
		const struct placement_pool *pool = &plan->pools[i];

		if (pool->tier != tier || !is_usable(pool) ||
			pool->provisioned_bytes + bytes > even_bytes(plan, pool))
			continue;
		plan->target_index[count] = i;
		plan->targets[count++] = *pool;
	}
	return count;
}

/* Whether this replica may go from `from`, and where to: plan->move. */
static bool replica_try(struct plan *plan, size_t index, unsigned replica, size_t from)
{
	const struct rebalance_volume *volume = &plan->input->volumes[index];
	struct placement_beside beside[CATALOG_MAX_REPLICAS];
	struct placement_request request;
	struct placement_result result;
	struct error ignored;
	size_t count = targets_find(plan, plan->pools[from].tier, volume->size_bytes);

	if (count == 0 || !plan->input->rules(plan->input->user, index, &request))
		return false;
	request.replicas = 1;
	request.beside = beside;
	request.beside_count = 0;
	for (unsigned i = 0; i < volume->count; i++) {
		const struct placement_pool *pool;

		if (volume->pools[i] == SIZE_MAX)
			return false; /* who knows where it is */
		pool = &plan->pools[volume->pools[i]];
		beside[request.beside_count++] = (struct placement_beside){ .pool = pool->pool,
			.node = pool->node,
			.region = pool->region,
			.zone = pool->zone,
			.rack = pool->rack,
			.host = pool->host,
			.leaves = i == replica };
	}
	if (placement_choose(&request, plan->targets, count, &result, &ignored) != 0)
		return false;
	plan->move = (struct rebalance_move){ index, replica, from, plan->target_index[result.index[0]],
		volume->size_bytes };
	return true;
}

/* The largest replica of a pool that fits: fewest moves. */
static bool pool_try(struct plan *plan, size_t from)
{
	const struct placement_pool *pool = &plan->pools[from];
	uint64_t excess = pool->provisioned_bytes - even_bytes(plan, pool);
	struct rebalance_move best = { .bytes = 0 };

	for (size_t v = 0; v < plan->input->volume_count; v++) {
		const struct rebalance_volume *volume = &plan->input->volumes[v];

		if (plan->moved[v] || volume->stays || volume->size_bytes > excess ||
			volume->size_bytes <= best.bytes)
			continue;
		for (unsigned r = 0; r < volume->count; r++)
			if (volume->pools[r] == from && replica_try(plan, v, r, from))
				best = plan->move;
	}
	plan->move = best;
	return best.bytes > 0;
}

/* Neither it nor its group gives another replica. */
static void moved_note(struct plan *plan, size_t index)
{
	const char *group = plan->input->volumes[index].group;

	plan->moved[index] = true;
	for (size_t v = 0; group && v < plan->input->volume_count; v++)
		if (plan->input->volumes[v].group && strcmp(plan->input->volumes[v].group, group) == 0)
			plan->moved[v] = true;
}

static size_t tier_plan(struct plan *plan, enum tier tier, struct rebalance_move *moves, size_t max_moves)
{
	size_t count = 0, from;

	while (count < max_moves && (from = fullest(plan, tier)) != SIZE_MAX) {
		if (!pool_try(plan, from)) {
			plan->done[from] = true;
			continue;
		}
		moved_note(plan, plan->move.volume);
		plan->pools[from].provisioned_bytes -= plan->move.bytes;
		plan->pools[plan->move.to].provisioned_bytes += plan->move.bytes;
		if (plan->input->volumes[plan->move.volume].thick)
			plan->pools[plan->move.to].thick_room_bytes -= plan->move.bytes;
		moves[count++] = plan->move;
	}
	return count;
}

static void plan_done(struct plan *plan)
{
	free(plan->pools);
	free(plan->targets);
	free(plan->target_index);
	free(plan->done);
	free(plan->moved);
}

static int plan_init(struct plan *plan, const struct rebalance_input *input)
{
	size_t pool_count = input->pool_count;

	*plan = (struct plan){ .pool_count = pool_count, .input = input };
	plan->pools = calloc(pool_count + 1, sizeof(*plan->pools));
	plan->targets = calloc(pool_count + 1, sizeof(*plan->targets));
	plan->target_index = calloc(pool_count + 1, sizeof(size_t));
	plan->done = calloc(pool_count + 1, sizeof(bool));
	plan->moved = calloc(input->volume_count + 1, sizeof(bool));
	if (!plan->pools || !plan->targets || !plan->target_index || !plan->done || !plan->moved)
		return -ENOMEM;
	memcpy(plan->pools, input->pools, pool_count * sizeof(*plan->pools));
	sums_make(plan);
	return 0;
}

int rebalance_plan(const struct rebalance_input *input, unsigned percent, struct rebalance_move *moves,
	size_t max_moves, size_t *ret_count)
{
	struct plan plan;
	size_t count = 0;
	int rc = plan_init(&plan, input);

	for (enum tier tier = TIER_LOW; rc == 0 && tier <= TIER_HIGH; tier++)
		if (uneven_permille(plan.pools, plan.pool_count, tier) > percent * 10)
			count += tier_plan(&plan, tier, moves + count, max_moves - count);
	plan_done(&plan);
	if (rc == 0)
		*ret_count = count;
	return rc;
}

/* ---- by itself ---- */

bool rebalance_is_due(const struct rebalance_auto *state, const struct placement_pool *pools, size_t count)
{
	for (enum tier tier = TIER_LOW; tier <= TIER_HIGH; tier++)
		if (state->going[tier] || uneven_permille(pools, count, tier) > REBALANCE_PERCENT * 10)
			return true;
	return false;
}

static void node_busy(const struct rebalance_input *input, bool *busy, size_t pool)
{
	for (size_t i = 0; i < input->pool_count; i++)
		busy[i] |= strcmp(input->pools[i].node, input->pools[pool].node) == 0;
}

/* Of a tier's moves those that may begin now. Any of them is right by itself: the others only leave more
 * room. */
static size_t moves_pick(const struct rebalance_input *input, bool *busy, const struct rebalance_move *all,
	size_t all_count, struct rebalance_move *moves, size_t max_moves)
{
	size_t count = 0;

	for (size_t i = 0; i < all_count && count < max_moves; i++) {
		if (busy[all[i].from] || busy[all[i].to])
			continue;
		node_busy(input, busy, all[i].from);
		node_busy(input, busy, all[i].to);
		moves[count++] = all[i];
	}
	return count;
}

static bool tier_is_busy(const struct rebalance_input *input, const bool *busy, enum tier tier)
{
	for (size_t i = 0; i < input->pool_count; i++)
		if (busy[i] && input->pools[i].tier == tier)
			return true;
	return false;
}

#define STEP_MOVES 256u /* of a tier, planned in one step: more nodes than that are busy the next time */

int rebalance_step(struct rebalance_auto *state, const struct rebalance_input *input, bool *busy,
	struct rebalance_move *moves, size_t max_moves, size_t *ret_count)
{
	struct rebalance_move *all = calloc(STEP_MOVES, sizeof(*all));
	struct plan plan;
	size_t count = 0;
	int rc = plan_init(&plan, input);

	if (!all)
		rc = -ENOMEM;
	for (enum tier tier = TIER_LOW; rc == 0 && tier <= TIER_HIGH; tier++) {
		unsigned least = state->going[tier] ? REBALANCE_STOP_PERCENT : REBALANCE_PERCENT;
		bool was_busy = tier_is_busy(input, busy, tier);
		size_t planned = 0;

		state->going[tier] = uneven_permille(plan.pools, plan.pool_count, tier) > least * 10;
		if (state->going[tier])
			planned = tier_plan(&plan, tier, all, STEP_MOVES);
		count += moves_pick(input, busy, all, planned, moves + count, max_moves - count);
		if (planned == 0 && !was_busy)
			state->going[tier] = false;
	}
	plan_done(&plan);
	free(all);
	if (rc == 0)
		*ret_count = count;
	return rc;
}
