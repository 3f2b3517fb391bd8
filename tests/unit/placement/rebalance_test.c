/* Rebalancing: as little as can be, only where the rules allow it, until the pools are even. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "placement/rebalance.h"

#define GIB         (UINT64_C(1) << 30)
#define MAX_POOLS   16u
#define MAX_VOLUMES 300u

static struct placement_pool pools[MAX_POOLS];
static struct rebalance_volume volumes[MAX_VOLUMES];
static struct placement_request requests[MAX_VOLUMES];
static struct rebalance_move moves[MAX_VOLUMES];
static char names[MAX_POOLS][8];
static size_t pool_count, volume_count, move_count;
static struct random rng;

static void pool_add(unsigned zone, enum tier tier)
{
	static const char *const zones[] = { "a", "b", "c", "d", "e" };
	struct placement_pool *pool = &pools[pool_count];

	snprintf(names[pool_count], sizeof(names[0]), "n%zu", pool_count);
	*pool = (struct placement_pool){ .pool = uuid_random(&rng),
		.name = "p",
		.node = names[pool_count],
		.region = "",
		.zone = zones[zone],
		.rack = "",
		.host = names[pool_count],
		.tier = tier,
		.node_live = true,
		.ok = true,
		.size_bytes = 1000 * GIB,
		.limit_bytes = 2000 * GIB };
	pool_count++;
}

static void begin(uint64_t seed)
{
	random_init(&rng, seed);
	pool_count = volume_count = move_count = 0;
}

static void volume_add(uint64_t size_bytes)
{
	struct placement_request *request = &requests[volume_count];
	struct rebalance_volume *volume = &volumes[volume_count++];
	struct placement_result result;
	struct error error;

	*request = (struct placement_request){ .volume = uuid_random(&rng),
		.class_name = "default",
		.size_bytes = size_bytes,
		.replicas = 3,
		.tiers = CLASS_TIERS_ANY,
		.spread = CLASS_SPREAD_ZONE };
	*volume = (struct rebalance_volume){ .volume = request->volume, .size_bytes = size_bytes };
	assert_int_equal(placement_choose(request, pools, pool_count, &result, &error), 0);
	volume->count = result.count;
	for (unsigned i = 0; i < result.count; i++) {
		volume->pools[i] = result.index[i];
		pools[result.index[i]].provisioned_bytes += size_bytes;
	}
}

static bool rules(void *user, size_t index, struct placement_request *ret_request)
{
	(void)user;
	*ret_request = requests[index];
	return true;
}

static int plan(unsigned percent, struct rebalance_move *to, size_t max_moves, size_t *ret_count)
{
	return rebalance_plan(
		&(struct rebalance_input){ pools, pool_count, volumes, volume_count, rules, NULL }, percent,
		to, max_moves, ret_count);
}

/* Makes the plan, checks each move, and makes it. Returns the bytes. */
static uint64_t run(unsigned percent, size_t max_moves)
{
	uint64_t bytes = 0;

	assert_int_equal(plan(percent, moves, max_moves, &move_count), 0);
	for (size_t i = 0; i < move_count; i++) {
		struct rebalance_volume *volume = &volumes[moves[i].volume];

		assert_int_equal(volume->pools[moves[i].replica], moves[i].from);
		assert_int_equal(moves[i].bytes, volume->size_bytes);
		assert_int_equal(pools[moves[i].from].tier, pools[moves[i].to].tier);
		volume->pools[moves[i].replica] = moves[i].to;
		pools[moves[i].from].provisioned_bytes -= moves[i].bytes;
		pools[moves[i].to].provisioned_bytes += moves[i].bytes;
		bytes += moves[i].bytes;
		for (unsigned a = 0; a < volume->count; a++)
			for (unsigned b = 0; b < a; b++)
				assert_string_not_equal(
					pools[volume->pools[a]].zone, pools[volume->pools[b]].zone);
	}
	return bytes;
}

static uint64_t total(void)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < pool_count; i++)
		bytes += pools[i].provisioned_bytes;
	return bytes;
}

static void from_three_equal_nodes_to_four_no_more_than_the_least_is_moved(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint64_t least, moved;

		begin(seed);
		for (unsigned i = 0; i < 3; i++)
			pool_add(i, TIER_HIGH);
		for (unsigned i = 0; i < 200; i++)
			volume_add((1 + random_below(&rng, 9)) * GIB);
		pool_add(3, TIER_HIGH);
		least = total() / 4;
		moved = run(REBALANCE_PERCENT, MAX_VOLUMES);
		assert_true(moved <= least + least / 10);
		assert_true(moved >= least - least / 20);
		for (size_t i = 0; i < pool_count; i++)
			assert_true(pools[i].provisioned_bytes <= least + 10 * GIB &&
				    pools[i].provisioned_bytes + 10 * GIB * 3 >= least);
		/* Then it is even, and stays so. */
		assert_int_equal(run(REBALANCE_PERCENT, MAX_VOLUMES), 0);
	}
}

static void what_is_even_enough_stays(void **state)
{
	(void)state;
	begin(1);
	for (unsigned i = 0; i < 3; i++)
		pool_add(i, TIER_HIGH);
	for (unsigned i = 0; i < 50; i++)
		volume_add(GIB);
	pool_add(0, TIER_HIGH); /* 2.5 % apart */
	assert_int_equal(run(REBALANCE_PERCENT, MAX_VOLUMES), 0);
	assert_true(run(1, MAX_VOLUMES) > 0);
}

static void the_rules_bind_here_too(void **state)
{
	uint64_t before;

	(void)state;
	begin(3);
	for (unsigned i = 0; i < 3; i++)
		pool_add(i, TIER_HIGH);
	for (unsigned i = 0; i < 200; i++)
		volume_add(5 * GIB);
	/* A second node in zone a: only copies of zone a may go there. */
	pool_add(0, TIER_HIGH);
	before = pools[1].provisioned_bytes;
	assert_true(run(REBALANCE_PERCENT, MAX_VOLUMES) > 0);
	for (size_t i = 0; i < move_count; i++)
		assert_int_equal(moves[i].from, 0);
	assert_int_equal(pools[1].provisioned_bytes, before);
	/* Nothing goes to a pool of another tier, one that drains, or one whose node is down. */
	begin(4);
	for (unsigned i = 0; i < 3; i++)
		pool_add(i, TIER_HIGH);
	for (unsigned i = 0; i < 200; i++)
		volume_add(5 * GIB);
	pool_add(3, TIER_LOW);
	assert_int_equal(run(REBALANCE_PERCENT, MAX_VOLUMES), 0);
	pools[3].tier = TIER_HIGH;
	pools[3].draining = true;
	assert_int_equal(run(REBALANCE_PERCENT, MAX_VOLUMES), 0);
	pools[3].draining = false;
	pools[3].node_live = false;
	assert_int_equal(run(REBALANCE_PERCENT, MAX_VOLUMES), 0);
	pools[3].node_live = true;
	for (size_t i = 0; i < volume_count; i++)
		volumes[i].stays = true;
	assert_int_equal(run(REBALANCE_PERCENT, MAX_VOLUMES), 0);
}

static void of_a_group_one_volume_moves_a_plan(void **state)
{
	(void)state;
	begin(6);
	for (unsigned i = 0; i < 3; i++)
		pool_add(i, TIER_HIGH);
	for (unsigned i = 0; i < 200; i++)
		volume_add(5 * GIB);
	pool_add(3, TIER_HIGH);
	for (size_t i = 0; i < volume_count; i++)
		volumes[i].group = i % 2 ? "even" : "odd";
	assert_true(run(REBALANCE_PERCENT, MAX_VOLUMES) > 0);
	assert_int_equal(move_count, 2);
	assert_string_not_equal(volumes[moves[0].volume].group, volumes[moves[1].volume].group);
}

static void a_plan_is_bounded_and_the_same_each_time(void **state)
{
	struct rebalance_move first[10];
	size_t count;

	(void)state;
	begin(5);
	for (unsigned i = 0; i < 3; i++)
		pool_add(i, TIER_HIGH);
	for (unsigned i = 0; i < 200; i++)
		volume_add(5 * GIB);
	pool_add(3, TIER_HIGH);
	assert_int_equal(plan(REBALANCE_PERCENT, first, 10, &count), 0);
	assert_int_equal(count, 10);
	assert_int_equal(plan(REBALANCE_PERCENT, moves, 10, &count), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_true(first[i].volume == moves[i].volume && first[i].to == moves[i].to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_three_equal_nodes_to_four_no_more_than_the_least_is_moved),
		cmocka_unit_test(what_is_even_enough_stays),
		cmocka_unit_test(the_rules_bind_here_too),
		cmocka_unit_test(of_a_group_one_volume_moves_a_plan),
		cmocka_unit_test(a_plan_is_bounded_and_the_same_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
