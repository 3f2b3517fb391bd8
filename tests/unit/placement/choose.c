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
		.spread = CLASS_SPREAD_ZONE,
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
					"what would help: a volume of at most 4 GiB, or 6 GiB more room on "
					"pool pool of node n3");
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
	assert_non_null(strstr(error.text, "zone c: 96 % of it is used"));
	pools[2].used_bytes = 0;
	pools[2].replica_limit = pools[2].replica_count = 63;
	assert_int_equal(placement_choose(&request, pools, 3, &result, &error), -ENOSPC);
	assert_non_null(strstr(
		error.text, "zone c: it holds 63 replicas, and its journal has shares for 63 at most"));
	assert_non_null(
		strstr(error.text, "move a replica away from, or add a pool beside, pool pool of node n3"));
	pools[2].replica_count--;
	assert_int_equal(placement_choose(&request, pools, 3, &result, &error), 0);
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
	request.spread = CLASS_SPREAD_ZONE_PREFERRED;
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

/* Each rule broken by itself, in zone c: what would help is that rule's. */
static void the_advice_is_the_smallest_change(void **state)
{
	struct placement_pool pools[] = {
		pool_in("a", "n1", TIER_HIGH, 50 * GIB),
		pool_in("b", "n2", TIER_HIGH, 50 * GIB),
		pool_in("c", "n3", TIER_HIGH, 50 * GIB),
		pool_in("b", "n4", TIER_HIGH, 50 * GIB),
	};
	struct placement_pool whole = pools[2];
	struct placement_request request = request_of(3);
	const char *const group[] = { "n3", "n9" };
	struct selector selector;
	char advice[PLACEMENT_ADVICE_LEN + 1];

	(void)state;
	pools[2].node_live = false;
	placement_advise(&request, pools, 4, advice);
	assert_string_equal(advice, "start node n3");
	pools[2] = whole;
	pools[2].ok = false;
	placement_advise(&request, pools, 4, advice);
	assert_string_equal(advice, "mend pool pool of node n3");
	pools[2] = whole;
	pools[2].draining = true;
	placement_advise(&request, pools, 4, advice);
	assert_string_equal(advice, "end the draining of pool pool of node n3");
	pools[2] = whole;
	pools[2].tier = TIER_MEDIUM;
	placement_advise(&request, pools, 4, advice);
	assert_string_equal(advice, "a class that takes medium/high pools");
	pools[2] = whole;
	assert_int_equal(selector_parse("zone=a|b", &selector, NULL), 0);
	request.selector = &selector;
	placement_advise(&request, pools, 4, advice);
	assert_string_equal(advice, "let the selector take pool pool of node n3");
	request.selector = NULL;
	request.group_rule = CLASS_GROUP_APART;
	request.group_nodes = group;
	request.group_node_count = 2;
	placement_advise(&request, pools, 4, advice);
	assert_string_equal(advice, "a group that may share node n3");
	request.group_rule = CLASS_GROUP_NONE;
	/* Two rules at once against zone c: no single one helps. */
	pools[2].node_live = false;
	pools[2].tier = TIER_LOW;
	placement_advise(&request, pools, 4, advice);
	assert_string_equal(advice,
		"a class with spread=zone-preferred (two copies share a zone), or a pool in 1 "
		"more zone, or replicas=1 with class scratch (no second copy)");
	placement_advise(&request, pools, 2, advice);
	assert_string_equal(
		advice, "a pool in 1 more zone, or replicas=1 with class scratch (no second copy)");
	placement_advise(&request, pools, 0, advice);
	assert_string_equal(advice, "a pool in 3 more zones");
	request.replicas = 1;
	placement_advise(&request, pools, 0, advice);
	assert_string_equal(advice, "a pool more: 'quoin pool add'");
}

static void copies_that_stay_count_and_those_that_leave_do_not(void **state)
{
	struct placement_pool pools[] = {
		pool_in("a", "n1", TIER_HIGH, 90 * GIB),
		pool_in("b", "n2", TIER_HIGH, 80 * GIB),
		pool_in("c", "n3", TIER_HIGH, 50 * GIB),
		pool_in("a", "n4", TIER_HIGH, 60 * GIB),
	};
	struct placement_beside beside[] = {
		{ pools[0].pool, "n1", "", "a", "", "n1", false },
		{ pools[1].pool, "n2", "", "b", "", "n2", false },
	};
	struct placement_request request = request_of(1);
	struct placement_explain explains[4];
	struct placement_result result;

	(void)state;
	request.beside = beside;
	request.beside_count = 2;
	assert_int_equal(placement_explain(&request, pools, 4, &result, explains, NULL), 0);
	assert_int_equal(result.index[0], 2);
	assert_int_equal(explains[0].verdict, PLACEMENT_HOST);
	assert_int_equal(explains[3].verdict, PLACEMENT_ZONE);
	assert_string_equal(explains[3].text, "its zone has a copy of the volume that stays");
	beside[0].leaves = true;
	assert_int_equal(placement_choose(&request, pools, 4, &result, NULL), 0);
	assert_int_equal(result.index[0], 3); /* not where it is to leave from */
}

static void a_near_node_is_worth_so_many_percent(void **state)
{
	struct placement_pool pools[] = {
		pool_in("a", "n1", TIER_HIGH, 90 * GIB),
		pool_in("a", "n2", TIER_HIGH, 60 * GIB), /* 15 points fuller */
	};
	struct placement_request request = request_of(1);
	struct placement_result result;

	(void)state;
	request.near = "n2";
	request.near_percent = 10;
	assert_int_equal(placement_choose(&request, pools, 2, &result, NULL), 0);
	assert_int_equal(result.index[0], 0);
	request.near_percent = 16;
	assert_int_equal(placement_choose(&request, pools, 2, &result, NULL), 0);
	assert_int_equal(result.index[0], 1);
	pools[1].tier = TIER_LOW; /* a hint, not a rule: rules go first */
	assert_int_equal(placement_choose(&request, pools, 2, &result, NULL), 0);
	assert_int_equal(result.index[0], 0);
}

static void a_selector_leaves_pools_out(void **state)
{
	struct placement_pool pools[] = {
		pool_in("a", "n1", TIER_HIGH, 90 * GIB),
		pool_in("b", "n2", TIER_HIGH, 40 * GIB),
	};
	struct placement_request request = request_of(1);
	struct placement_explain explains[2];
	struct placement_result result;
	struct selector selector;

	(void)state;
	assert_int_equal(selector_parse("zone!=a", &selector, NULL), 0);
	request.selector = &selector;
	assert_int_equal(placement_explain(&request, pools, 2, &result, explains, NULL), 0);
	assert_int_equal(result.index[0], 1);
	assert_int_equal(explains[0].verdict, PLACEMENT_SELECTOR);
	request.replicas = 2;
	assert_int_equal(placement_choose(&request, pools, 2, &result, NULL), -ENOSPC);
}

static void a_group_stays_together_or_apart(void **state)
{
	struct placement_pool pools[] = {
		pool_in("a", "n1", TIER_HIGH, 90 * GIB),
		pool_in("b", "n2", TIER_HIGH, 40 * GIB),
	};
	const char *const others[] = { "n1" };
	struct placement_request request = request_of(1);
	struct placement_result result;

	(void)state;
	request.group_nodes = others;
	request.group_node_count = 1;
	request.group_rule = CLASS_GROUP_APART;
	assert_int_equal(placement_choose(&request, pools, 2, &result, NULL), 0);
	assert_int_equal(result.index[0], 1);
	pools[0].provisioned_bytes = 200 * GIB - 30 * GIB; /* the fuller one now */
	request.group_rule = CLASS_GROUP_TOGETHER;
	assert_int_equal(placement_choose(&request, pools, 2, &result, NULL), 0);
	assert_int_equal(result.index[0], 0);
	request.replicas = 2;
	assert_int_equal(placement_choose(&request, pools, 2, &result, NULL), -ENOSPC);
}

static void load_is_a_fourth_as_heavy_as_fullness(void **state)
{
	struct placement_pool pools[] = {
		pool_in("a", "n1", TIER_HIGH, 60 * GIB),
		pool_in("a", "n2", TIER_HIGH, 40 * GIB), /* 10 points fuller */
	};
	struct placement_request request = request_of(1);
	struct placement_explain explains[2];
	struct placement_result result;

	(void)state;
	pools[0].load_percent = 39;
	assert_int_equal(placement_choose(&request, pools, 2, &result, NULL), 0);
	assert_int_equal(result.index[0], 0);
	pools[0].load_percent = 41;
	assert_int_equal(placement_explain(&request, pools, 2, &result, explains, NULL), 0);
	assert_int_equal(result.index[0], 1);
	assert_string_equal(explains[1].text, "taken: 85 % of its limit is promised with it, load 0 %");
	assert_non_null(strstr(explains[0].text, "n2"));
	pools[1].load_percent = 10;
	assert_int_equal(placement_choose(&request, pools, 2, &result, NULL), 0);
	assert_int_equal(result.index[0], 0);
	pools[0].load_percent = pools[1].load_percent = 1000; /* as 100 */
	assert_int_equal(placement_choose(&request, pools, 2, &result, NULL), 0);
	assert_int_equal(result.index[0], 0);
	request.near = "n2"; /* a hint that the user gave is worth more */
	request.near_percent = 1000;
	pools[0].load_percent = 0;
	assert_int_equal(placement_choose(&request, pools, 2, &result, NULL), 0);
	assert_int_equal(result.index[0], 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_full_pool_of_each_zone_is_taken),
		cmocka_unit_test(the_words_name_the_rule_the_zones_and_what_to_do),
		cmocka_unit_test(two_zones_are_never_three_unless_zones_are_only_preferred),
		cmocka_unit_test(a_pool_that_was_not_measured_serves_any_tier_only),
		cmocka_unit_test(the_advice_is_the_smallest_change),
		cmocka_unit_test(copies_that_stay_count_and_those_that_leave_do_not),
		cmocka_unit_test(a_near_node_is_worth_so_many_percent),
		cmocka_unit_test(a_selector_leaves_pools_out),
		cmocka_unit_test(a_group_stays_together_or_apart),
		cmocka_unit_test(load_is_a_fourth_as_heavy_as_fullness),
		cmocka_unit_test(a_malformed_request_is_einval),
	};

	return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
