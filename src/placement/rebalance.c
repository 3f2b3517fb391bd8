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

static bool is_uneven(const struct plan *plan, enum tier tier, unsigned percent)
{
	unsigned least = UINT32_MAX, most = 0;

	for (size_t i = 0; i < plan->pool_count; i++) {
		if (plan->pools[i].tier != tier || !is_usable(&plan->pools[i]))
			continue;
		least = fill_permille(&plan->pools[i]) < least ? fill_permille(&plan->pools[i]) : least;
		most = fill_permille(&plan->pools[i]) > most ? fill_permille(&plan->pools[i]) : most;
	}
	return least != UINT32_MAX && most - least > percent * 10;
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

static size_t tier_plan(
	struct plan *plan, enum tier tier, unsigned percent, struct rebalance_move *moves, size_t max_moves)
{
	size_t count = 0, from;

	if (!is_uneven(plan, tier, percent))
		return 0;
	while (count < max_moves && (from = fullest(plan, tier)) != SIZE_MAX) {
		if (!pool_try(plan, from)) {
			plan->done[from] = true;
			continue;
		}
		moved_note(plan, plan->move.volume);
		plan->pools[from].provisioned_bytes -= plan->move.bytes;
		plan->pools[plan->move.to].provisioned_bytes += plan->move.bytes;
		moves[count++] = plan->move;
	}
	return count;
}

int rebalance_plan(const struct rebalance_input *input, unsigned percent, struct rebalance_move *moves,
	size_t max_moves, size_t *ret_count)
{
	struct plan plan = { .pool_count = input->pool_count, .input = input };
	size_t count = 0, pool_count = input->pool_count;
	int rc = -ENOMEM;

	plan.pools = calloc(pool_count + 1, sizeof(*plan.pools));
	plan.targets = calloc(pool_count + 1, sizeof(*plan.targets));
	plan.target_index = calloc(pool_count + 1, sizeof(size_t));
	plan.done = calloc(pool_count + 1, sizeof(bool));
	plan.moved = calloc(input->volume_count + 1, sizeof(bool));
	if (plan.pools && plan.targets && plan.target_index && plan.done && plan.moved) {
		memcpy(plan.pools, input->pools, pool_count * sizeof(*plan.pools));
		sums_make(&plan);
		for (enum tier tier = TIER_LOW; tier <= TIER_HIGH; tier++)
			count += tier_plan(&plan, tier, percent, moves + count, max_moves - count);
		*ret_count = count;
		rc = 0;
	}
	free(plan.pools);
	free(plan.targets);
	free(plan.target_index);
	free(plan.done);
	free(plan.moved);
	return rc;
}
