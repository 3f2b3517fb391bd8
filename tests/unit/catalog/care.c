/* Pools that drain, pools and nodes that are forgotten; what a node tells of its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "catalog/care.h"
#include "catalog_world.h"

#define GIB (UINT64_C(1) << 30)

static int setup(void **state)
{
	struct world *world = world_new(12);

	for (unsigned i = 0; i < 3; i++)
		(void)world_start(world, i, 100 * GIB);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static int drain(struct world *world, unsigned by, unsigned pool, bool draining)
{
	struct world_answer answer = { 0 };

	catalog_pool_drain(
		world->nodes[by].catalog, world_pool(pool), draining, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static int pool_forget(struct world *world, unsigned by, unsigned pool, struct world_answer *answer)
{
	*answer = (struct world_answer){ 0 };
	catalog_pool_remove(world->nodes[by].catalog, world_pool(pool), WORLD_TIMEOUT_MS, world_done, answer);
	assert_true(world_wait(world, &answer->done));
	return answer->rc;
}

static int node_forget(struct world *world, unsigned by, const char *name, struct world_answer *answer)
{
	*answer = (struct world_answer){ 0 };
	catalog_node_remove(world->nodes[by].catalog, name, WORLD_TIMEOUT_MS, world_done, answer);
	assert_true(world_wait(world, &answer->done));
	return answer->rc;
}

static void a_draining_pool_gets_nothing_until_it_may_again(void **state)
{
	struct world *world = *state;
	const struct catalog_pool *pool;
	struct world_answer answer;

	assert_int_equal(drain(world, 1, 0, true), 0);
	assert_int_equal(drain(world, 2, 0, true), 0);
	world_sleep(world, 500);
	assert_int_equal(catalog_pool_find(world->nodes[2].catalog, world_pool(0), &pool, NULL), 0);
	assert_true(pool->draining);
	assert_int_equal(world_create(world, 2, "one", GIB, 3, &answer), -EHOSTDOWN);
	assert_non_null(strstr(answer.error, "drained"));
	assert_int_equal(drain(world, 1, 0, false), 0);
	world_sleep(world, 500);
	assert_int_equal(world_create(world, 2, "one", GIB, 3, &answer), 0);
}

static void whom_a_pool_drains_to_is_kept_until_the_drain_is_taken_back(void **state)
{
	struct world *world = *state;
	const struct catalog_pool *pool;
	struct world_answer answer = { 0 };

	catalog_pool_replace(
		world->nodes[1].catalog, world_pool(0), world_pool(2), WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
	/* What others change of the reservation leaves it as it is, and so does a new start. */
	assert_int_equal(world_create(world, 1, "one", GIB, 3, NULL), -EHOSTDOWN);
	world_close(world, 0, false);
	(void)world_open(world, 0);
	assert_int_equal(catalog_pool_find(world->nodes[0].catalog, world_pool(0), &pool, NULL), 0);
	assert_true(pool->draining && uuid_equal(pool->replaced_by, world_pool(2)));
	assert_int_equal(drain(world, 1, 0, true), 0); /* to anywhere */
	world_sleep(world, 500);
	assert_int_equal(catalog_pool_find(world->nodes[2].catalog, world_pool(0), &pool, NULL), 0);
	assert_true(pool->draining && uuid_is_none(pool->replaced_by));
	assert_int_equal(drain(world, 1, 0, false), 0);
	assert_int_equal(world_create(world, 1, "one", GIB, 3, NULL), 0);
}

/* A create and a drain at once: either the volume is there before the drain, or it is refused. */
static void a_create_never_slips_past_a_drain(void **state)
{
	struct world *world = *state;
	struct world_answer answer = { 0 };
	const struct catalog_pool *pool;
	char name[16];
	unsigned made = 0;

	for (unsigned i = 0; i < 20; i++) {
		answer = (struct world_answer){ 0 };
		catalog_pool_drain(world->nodes[i % 3].catalog, world_pool(0), true, WORLD_TIMEOUT_MS,
			world_done, &answer);
		snprintf(name, sizeof(name), "v%u", i);
		made += world_create(world, (i + 1) % 3, name, GIB, 3, NULL) == 0;
		assert_true(world_wait(world, &answer.done));
		assert_int_equal(answer.rc, 0);
		world_sleep(world, 500);
		assert_int_equal(catalog_pool_find(world->nodes[0].catalog, world_pool(0), &pool, NULL), 0);
		assert_true(pool->draining);
		assert_int_equal(pool->replica_count, made);
		snprintf(name, sizeof(name), "w%u", i);
		assert_int_equal(world_create(world, (i + 2) % 3, name, GIB, 3, NULL), -EHOSTDOWN);
		assert_int_equal(drain(world, 0, 0, false), 0);
		world_sleep(world, 500);
	}
}

static void a_pool_is_forgotten_only_drained_and_empty(void **state)
{
	struct world *world = *state;
	struct world_answer answer;
	const struct catalog_pool *pool;

	assert_int_equal(world_create(world, 0, "one", GIB, 3, NULL), 0);
	assert_int_equal(pool_forget(world, 0, 1, &answer), -EBUSY);
	assert_non_null(strstr(answer.error, "volume one"));
	assert_int_equal(world_delete(world, 0, "one", NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(world_removed(world, i, "one", i), 0);
	assert_int_equal(pool_forget(world, 0, 1, &answer), -EBUSY);
	assert_non_null(strstr(answer.error, "drain it first"));
	assert_int_equal(drain(world, 0, 1, true), 0);
	assert_int_equal(pool_forget(world, 0, 1, &answer), 0);
	assert_int_equal(pool_forget(world, 2, 1, &answer), 0);
	world_sleep(world, 500);
	assert_int_equal(catalog_pool_find(world->nodes[2].catalog, world_pool(1), &pool, NULL), -ENOENT);
}

static void a_node_is_forgotten_only_down_and_without_pools(void **state)
{
	struct world *world = *state;
	struct world_answer answer;
	const struct catalog_node *node;

	assert_int_equal(node_forget(world, 0, "n9", &answer), -ENOENT);
	assert_int_equal(node_forget(world, 0, "n1", &answer), -EBUSY);
	assert_non_null(strstr(answer.error, "is up"));
	world_close(world, 1, true);
	world_sleep(world, 500);
	assert_int_equal(node_forget(world, 0, "n1", &answer), -EBUSY);
	assert_non_null(strstr(answer.error, "has pool p1"));
	assert_int_equal(drain(world, 0, 1, true), 0);
	assert_int_equal(pool_forget(world, 0, 1, &answer), 0);
	assert_int_equal(node_forget(world, 0, "n1", &answer), 0);
	world_sleep(world, 500);
	assert_int_equal(catalog_node_find(world->nodes[2].catalog, "n1", &node, NULL), -ENOENT);
}

static void labels_and_their_sources_are_seen_by_all(void **state)
{
	static const struct catalog_label labels[] = { { "disk", "fast" }, { "owner", "db team" } };
	struct world *world = *state;
	struct catalog_node node = world->nodes[1].record;
	struct world_answer answer = { 0 };
	const struct catalog_node *seen;

	node.labels = labels;
	node.label_count = 2;
	node.zone_from = CATALOG_SOURCE_DOCKER;
	node.cores = 8;
	assert_false(catalog_node_same(&node, &world->nodes[1].record));
	catalog_node_register(world->nodes[1].catalog, &node, world->nodes[1].session, WORLD_TIMEOUT_MS,
		world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
	world_sleep(world, 500);
	assert_int_equal(catalog_node_find(world->nodes[2].catalog, "n1", &seen, NULL), 0);
	assert_int_equal(seen->label_count, 2);
	assert_string_equal(seen->labels[1].value, "db team");
	assert_string_equal(catalog_source_name(seen->zone_from), "docker");
	assert_int_equal(seen->cores, 8);
	assert_true(catalog_node_same(&node, seen));
}

static int attach(struct world *world, unsigned i, const char *attachment, bool steward)
{
	struct catalog_attach attach = {
		.volume = world_uuid("one"), .attachment = world_uuid(attachment), .steward = steward
	};
	struct world_answer answer = { 0 };

	catalog_volume_attach(world->nodes[i].catalog, &attach, WORLD_TIMEOUT_MS, world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	world_sleep(world, 200);
	return answer.rc;
}

static void a_steward_succeeds_nobody_and_gives_way_to_anybody(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;

	assert_int_equal(world_create(world, 0, "one", GIB, 3, NULL), 0);
	world_sleep(world, 200);
	assert_int_equal(attach(world, 0, "s0", true), 0);
	assert_int_equal(attach(world, 1, "s1", true), -EBUSY);
	assert_int_equal(attach(world, 2, "user", false), 0);
	assert_int_equal(catalog_volume_find(world->nodes[2].catalog, "one", &volume, NULL), 0);
	assert_string_equal(volume->holder.node, "n2");
	assert_false(volume->holder.steward);
	/* Not even on the node of the device itself. */
	assert_int_equal(attach(world, 2, "s2", true), -EBUSY);
	assert_int_equal(attach(world, 1, "s1", true), -EBUSY);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(whom_a_pool_drains_to_is_kept_until_the_drain_is_taken_back),
		test(a_draining_pool_gets_nothing_until_it_may_again),
		test(a_create_never_slips_past_a_drain),
		test(a_pool_is_forgotten_only_drained_and_empty),
		test(a_node_is_forgotten_only_down_and_without_pools),
		test(a_steward_succeeds_nobody_and_gives_way_to_anybody),
		test(labels_and_their_sources_are_seen_by_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
