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

/* What a move is refused for would be planned again and again, and stand before all others. */
static void a_thick_volume_moves_only_where_its_room_can_be_kept(void **state)
{
	(void)state;
	begin(5);
	for (unsigned i = 0; i < 3; i++)
		pool_add(i, TIER_HIGH);
	for (unsigned i = 0; i < 60; i++)
		volume_add(20 * GIB);
	for (size_t i = 0; i < volume_count; i += 2)
		requests[i].thick = volumes[i].thick = true;
	pool_add(3, TIER_HIGH);
	pools[3].thick_room_bytes = 50 * GIB;
	assert_true(run(REBALANCE_PERCENT, MAX_VOLUMES) > 0);
	pools[3].thick_room_bytes -= 2 * 20 * GIB;
	for (size_t i = 0, thick = 0; i < move_count; i++) {
		thick += volumes[moves[i].volume].thick;
		assert_true(thick <= 2);
	}
	/* Where only those are left that can't go it is as even as it can be. */
	for (size_t i = 1; i < volume_count; i += 2)
		volumes[i].stays = true;
	pools[0].provisioned_bytes += 500 * GIB;
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

/* ---- by itself ---- */

#define MAX_FLIGHT 64u

static struct rebalance_move flight[MAX_FLIGHT]; /* under way */
static unsigned flight_count, begun_count;
static unsigned seeds = 15; /* of each property; the first argument for a campaign */
static uint64_t begun_bytes;

/* How far from even, over all pools of one tier, of equal size: in bytes times the number of pools. */
static uint64_t distance(void)
{
	uint64_t sum = 0, far = 0;

	for (size_t i = 0; i < pool_count; i++)
		sum += pools[i].provisioned_bytes;
	for (size_t i = 0; i < pool_count; i++) {
		uint64_t mine = pools[i].provisioned_bytes * pool_count;

		far += mine > sum ? mine - sum : sum - mine;
	}
	return far;
}

static bool is_under_way(size_t pool)
{
	for (unsigned i = 0; i < flight_count; i++)
		if (flight[i].from == pool || flight[i].to == pool)
			return true;
	return false;
}

/* One step. What it begins is counted where it goes to, as the catalog's reader does. Moves lower the
 * distance. */
static size_t step(struct rebalance_auto *state)
{
	bool busy[MAX_POOLS] = { false };
	size_t count;

	for (size_t i = 0; i < pool_count; i++)
		busy[i] = is_under_way(i); /* one pool a node here */
	assert_int_equal(
		rebalance_step(state,
			&(struct rebalance_input){ pools, pool_count, volumes, volume_count, rules, NULL },
			busy, moves, MAX_FLIGHT - flight_count, &count),
		0);
	for (size_t i = 0; i < count; i++) {
		uint64_t before = distance();

		assert_false(is_under_way(moves[i].from) || is_under_way(moves[i].to));
		assert_false(volumes[moves[i].volume].stays);
		pools[moves[i].from].provisioned_bytes -= moves[i].bytes;
		pools[moves[i].to].provisioned_bytes += moves[i].bytes;
		assert_true(
			distance() + 2 * moves[i].bytes * pool_count <= before + 2 * pool_count * pool_count);
		volumes[moves[i].volume].stays = true;
		begun_bytes += moves[i].bytes;
		flight[flight_count++] = moves[i];
	}
	begun_count += (unsigned)count;
	return count;
}

static void land(unsigned index)
{
	struct rebalance_volume *volume = &volumes[flight[index].volume];

	volume->pools[flight[index].replica] = flight[index].to;
	volume->stays = false;
	for (unsigned a = 0; a < volume->count; a++)
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(pools[volume->pools[a]].zone, pools[volume->pools[b]].zone);
	flight[index] = flight[--flight_count];
}

/* Steps, with moves that end in any order and at any time, until nothing is going. */
static void run_by_itself(struct rebalance_auto *state)
{
	unsigned rounds = 0;

	flight_count = begun_count = 0;
	begun_bytes = 0;
	do {
		(void)step(state);
		if (flight_count > 0 && random_below(&rng, 3) > 0)
			land((unsigned)random_below(&rng, flight_count));
		assert_true(++rounds < 10000); /* it ends */
	} while (flight_count > 0 || state->going[TIER_HIGH]);
	/* And stays so. */
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(step(state), 0);
}

static void by_itself_it_ends_lowers_each_time_and_moves_no_more_than_the_least(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct rebalance_auto kept = { 0 };
		uint64_t least;

		begin(seed);
		for (unsigned i = 0; i < 3; i++)
			pool_add(i, TIER_HIGH);
		for (unsigned i = 0; i < 120; i++)
			volume_add((1 + random_below(&rng, 9)) * GIB);
		pool_add(3, TIER_HIGH);
		least = total() / 4;
		run_by_itself(&kept);
		assert_true(begun_count > 0);
		assert_true(begun_bytes <= least + least / 10);
	}
}

static void by_itself_it_ends_wherever_it_began(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2 * seeds; seed++) {
		struct rebalance_auto kept = { 0 };
		unsigned count = 4 + (unsigned)random_below(&rng, MAX_POOLS - 8);

		begin(seed);
		for (unsigned i = 0; i < count; i++)
			pool_add(i % 5, TIER_HIGH);
		for (unsigned i = 0; i < 100; i++)
			volume_add((1 + random_below(&rng, 40)) * GIB);
		for (unsigned i = (unsigned)random_below(&rng, 4); i > 0; i--)
			pool_add((unsigned)random_below(&rng, 5), TIER_HIGH);
		run_by_itself(&kept);
	}
}

static void it_begins_above_ten_percent_and_ends_below_five(void **state)
{
	struct rebalance_auto kept = { 0 };
	unsigned far = 0;

	(void)state;
	begin(7);
	for (unsigned i = 0; i < 3; i++)
		pool_add(i, TIER_HIGH);
	for (unsigned i = 0; i < 99; i++)
		volume_add(2 * GIB);
	flight_count = begun_count = 0;
	pool_add(0, TIER_HIGH); /* 198 of 2000 GiB: 9.9 % apart */
	assert_int_equal(step(&kept), 0);
	for (unsigned i = 0; i < 3; i++)
		volume_add(2 * GIB); /* to the new pool, in part */
	pools[0].provisioned_bytes += 60 * GIB;
	run_by_itself(&kept);
	assert_true(begun_count > 0);
	for (size_t i = 0; i < pool_count; i++)
		for (size_t j = 0; j < i; j++) {
			uint64_t a = pools[i].provisioned_bytes, b = pools[j].provisioned_bytes;
			unsigned apart = (unsigned)((a > b ? a - b : b - a) * 1000 / (2000 * GIB));

			far = apart > far ? apart : far;
		}
	assert_true(far <= 100); /* zones b and c can't give to a's: no more than they were */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_three_equal_nodes_to_four_no_more_than_the_least_is_moved),
		cmocka_unit_test(what_is_even_enough_stays),
		cmocka_unit_test(the_rules_bind_here_too),
		cmocka_unit_test(a_thick_volume_moves_only_where_its_room_can_be_kept),
		cmocka_unit_test(by_itself_it_ends_lowers_each_time_and_moves_no_more_than_the_least),
		cmocka_unit_test(by_itself_it_ends_wherever_it_began),
		cmocka_unit_test(it_begins_above_ten_percent_and_ends_below_five),
		cmocka_unit_test(of_a_group_one_volume_moves_a_plan),
		cmocka_unit_test(a_plan_is_bounded_and_the_same_each_time),
	};

	if (argc > 1)
		seeds = (unsigned)strtoul(argv[1], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
