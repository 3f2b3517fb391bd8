/* Placement on small clusters: what is taken, what is said, and that it spreads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "placement/placement.h"

#define GIB (UINT64_C(1) << 30)

static struct placement_pool pool_in(const char *zone, const char *node, enum tier tier, uint64_t free_bytes)
{
	static uint64_t next = 1;
	struct random random;
	struct placement_pool pool = {
		.name = "pool",
		.node = node,
		.region = "",
		.zone = zone,
		.rack = "",
		.host = node,
		.tier = tier,
		.node_live = true,
		.ok = true,
		.size_bytes = 100 * GIB,
		.limit_bytes = 200 * GIB,
		.provisioned_bytes = 200 * GIB - free_bytes,
	};

	random_init(&random, next++);
	pool.pool = uuid_random(&random);
	return pool;
}

static struct placement_request request_of(unsigned replicas)
{
	return (struct placement_request){
		.volume = { { 7 } },
		.class_name = "high",
		.size_bytes = 10 * GIB,
		.replicas = replicas,
		.tiers = CLASS_TIER(TIER_HIGH),
		.zones_strict = true,
	};
}

static void the_least_full_pool_of_each_zone_is_taken(void **state)
{
	struct placement_pool pools[] = {
		pool_in("a", "n1", TIER_HIGH, 50 * GIB),
		pool_in("a", "n2", TIER_HIGH, 90 * GIB),
		pool_in("b", "n3", TIER_HIGH, 20 * GIB),
		pool_in("c", "n4", TIER_HIGH, 30 * GIB),
		pool_in("c", "n5", TIER_LOW, 200 * GIB),
	};
	struct placement_request request = request_of(3);
	struct placement_result result;
	struct placement_explain explains[5];

	(void)state;
	assert_int_equal(placement_explain(&request, pools, 5, &result, explains, NULL), 0);
	assert_int_equal(result.count, 3);
	assert_int_equal(result.index[0], 1);
	assert_int_equal(result.index[1], 3);
	assert_int_equal(result.index[2], 2);
	assert_false(result.relaxed);
	assert_int_equal(explains[0].verdict, PLACEMENT_ZONE);
	assert_non_null(strstr(explains[0].text, "n2"));
	assert_int_equal(explains[1].verdict, PLACEMENT_TAKEN);
	assert_int_equal(explains[4].verdict, PLACEMENT_TIER);
	assert_string_equal(placement_verdict_name(explains[4].verdict), "tier");
}

static void the_words_name_the_rule_the_zones_and_what_to_do(void **state)
{
	struct placement_pool pools[] = {
		pool_in("a", "n1", TIER_HIGH, 50 * GIB),
		pool_in("b", "n2", TIER_HIGH, 50 * GIB),
		pool_in("c", "n3", TIER_HIGH, 4 * GIB),
	};
	struct placement_request request = request_of(3);
	struct placement_result result;
	struct error error;

	(void)state;
	assert_int_equal(placement_choose(&request, pools, 3, &result, &error), -ENOSPC);
	assert_string_equal(error.text, "class high needs 3 zones with a high pool and 10 GiB free: only 2 "
					"(a, b); zone c has 4 GiB free; "
					"add a pool, or take replicas=1 with class scratch (no second copy)");
	pools[2].provisioned_bytes = 0;
	pools[2].node_live = false;
	assert_int_equal(placement_choose(&request, pools, 3, &result, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "zone c: node n3 is down"));
	pools[2].node_live = true;
	pools[2].tier = TIER_LOW;
	assert_int_equal(placement_choose(&request, pools, 3, &result, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "zone c has low pools only"));
	pools[2].tier = TIER_HIGH;
	pools[2].used_bytes = 96 * GIB;
	assert_int_equal(placement_choose(&request, pools, 3, &result, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "96 % full"));
	assert_int_equal(placement_choose(&request, pools, 0, &result, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "there is no pool"));
}

static void two_zones_are_never_three_unless_zones_are_only_preferred(void **state)
{
	struct placement_pool pools[] = {
		pool_in("a", "n1", TIER_HIGH, 50 * GIB),
		pool_in("a", "n2", TIER_HIGH, 90 * GIB),
		pool_in("b", "n3", TIER_HIGH, 20 * GIB),
	};
	struct placement_request request = request_of(3);
	struct placement_result result;
	struct error error;

	(void)state;
	assert_int_equal(placement_choose(&request, pools, 3, &result, &error), -ENOSPC);
	request.zones_strict = false;
	assert_int_equal(placement_choose(&request, pools, 3, &result, &error), 0);
	assert_true(result.relaxed);
	assert_int_equal(result.index[0], 1);
	assert_int_equal(result.index[1], 2); /* the other zone first, fuller or not */
	pools[1].node = pools[0].node;
	pools[1].host = pools[0].host;
	assert_int_equal(placement_choose(&request, pools, 3, &result, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "3 hosts"));
}

static void a_pool_that_was_not_measured_serves_any_tier_only(void **state)
{
	struct placement_pool pool = pool_in("a", "n1", TIER_UNKNOWN, 50 * GIB);
	struct placement_request request = request_of(1);
	struct placement_result result;
	struct error error;

	(void)state;
	assert_int_equal(placement_choose(&request, &pool, 1, &result, &error), -ENOSPC);
	request.tiers = CLASS_TIERS_ANY;
	assert_int_equal(placement_choose(&request, &pool, 1, &result, &error), 0);
}

static void a_malformed_request_is_einval(void **state)
{
	struct placement_request request = request_of(0);
	struct placement_result result;
	struct error error;

	(void)state;
	assert_int_equal(placement_choose(&request, NULL, 0, &result, &error), -EINVAL);
	request = request_of(GROUP_MAX_VOTERS + 1);
	assert_int_equal(placement_choose(&request, NULL, 0, &result, &error), -EINVAL);
	request = request_of(1);
	request.tiers = 0;
	assert_int_equal(placement_choose(&request, NULL, 0, &result, &error), -EINVAL);
}

/* 2,000 volumes of all sizes on pools of all sizes: every pool is as full as the mean, by 5 %. */
static void volumes_spread_evenly(void **state)
{
	static char names[60][8];
	struct placement_pool pools[60];
	struct random random;
	double most = 0;
	double least = 1e9;
	double sum = 0;

	(void)state;
	random_init(&random, 3);
	for (unsigned i = 0; i < 60; i++) {
		static const char *const zones[] = { "a", "b", "c" };

		(void)snprintf(names[i], sizeof(names[i]), "n%u", i / 2);
		pools[i] = pool_in(zones[i / 2 % 3], names[i], TIER_HIGH, 0);
		pools[i].size_bytes = 4000 * GIB * (1 + i / 6 % 4);
		pools[i].limit_bytes = 2 * pools[i].size_bytes;
		pools[i].provisioned_bytes = 0;
	}
	for (unsigned v = 0; v < 2000; v++) {
		struct placement_request request = request_of(3);
		struct placement_result result;

		request.volume = uuid_random(&random);
		request.size_bytes = (1 + random_below(&random, 100)) * GIB;
		assert_int_equal(placement_choose(&request, pools, 60, &result, NULL), 0);
		for (unsigned i = 0; i < 3; i++)
			pools[result.index[i]].provisioned_bytes += request.size_bytes;
	}
	for (unsigned i = 0; i < 60; i++) {
		double full = (double)pools[i].provisioned_bytes / (double)pools[i].limit_bytes;

		most = full > most ? full : most;
		least = full < least ? full : least;
		sum += full / 60;
	}
	assert_true(most < sum * 1.05);
	assert_true(least > sum * 0.95);
}

static void five_thousand_pools_are_no_matter(void **state)
{
	static struct placement_pool pools[5000];
	static char names[1000][8];
	static char zones[10][4];
	struct placement_request request = request_of(3);
	struct placement_result result;
	struct timespec from, to;
	double ms;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(names[i / 5], sizeof(names[0]), "n%u", i / 5);
		(void)snprintf(zones[i / 5 % 10], sizeof(zones[0]), "z%u", i / 5 % 10);
		pools[i] = pool_in(
			zones[i / 5 % 10], names[i / 5], TIER_HIGH, 20 * GIB + i * 7919 % 5000 * GIB / 100);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	for (unsigned i = 0; i < 20; i++) {
		request.volume.byte[0] = (uint8_t)i;
		assert_int_equal(placement_choose(&request, pools, 5000, &result, NULL), 0);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	ms = ((double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6) / 20;
	print_message("5,000 pools: %.2f ms a volume\n", ms);
	assert_true(ms < 500); /* a bound for a busy machine with sanitizers: a square would take seconds */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_full_pool_of_each_zone_is_taken),
		cmocka_unit_test(the_words_name_the_rule_the_zones_and_what_to_do),
		cmocka_unit_test(two_zones_are_never_three_unless_zones_are_only_preferred),
		cmocka_unit_test(a_pool_that_was_not_measured_serves_any_tier_only),
		cmocka_unit_test(a_malformed_request_is_einval),
		cmocka_unit_test(volumes_spread_evenly),
		cmocka_unit_test(five_thousand_pools_are_no_matter),
	};

	return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
