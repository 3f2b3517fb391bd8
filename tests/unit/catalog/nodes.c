/* Cluster, nodes, leases and pools in the catalog. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "catalog_world.h"

#define GIB (UINT64_C(1) << 30)

static int setup(void **state)
{
	*state = world_new(11);
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static void init_makes_the_cluster_and_the_shipped_classes_once(void **state)
{
	struct world *world = *state;
	struct catalog *catalog = world_open(world, 0);
	struct world_answer answer = { 0 };
	const struct catalog_class *class;

	assert_null(catalog_cluster(catalog));
	catalog_cluster_init(catalog, world->key, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_false(answer.done);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
	assert_non_null(catalog_cluster(catalog));
	assert_string_equal(catalog_cluster(catalog)->name, "test");
	for (unsigned i = 0; i < catalog_classes_shipped_count; i++) {
		assert_int_equal(
			catalog_class_find(catalog, catalog_classes_shipped[i].name, &class, NULL), 0);
		assert_int_equal(class->replicas, catalog_classes_shipped[i].replicas);
		assert_int_equal(class->tiers, catalog_classes_shipped[i].tiers);
	}
	answer = (struct world_answer){ 0 };
	catalog_cluster_init(catalog, world->key, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, -EEXIST);
}

static void of_two_that_initialise_at_once_one_wins(void **state)
{
	struct world *world = *state;
	struct world_answer answers[2] = { 0 };

	for (unsigned i = 0; i < 2; i++)
		(void)world_open(world, i);
	for (unsigned i = 0; i < 2; i++)
		catalog_cluster_init(
			world->nodes[i].catalog, world->key, WORLD_TIMEOUT_MS, world_done, &answers[i]);
	for (unsigned i = 0; i < 2; i++)
		assert_true(world_wait(world, &answers[i].done));
	assert_int_equal(answers[0].rc + answers[1].rc, -EEXIST);
	world_sleep(world, 100);
	assert_true(uuid_equal(catalog_cluster(world->nodes[0].catalog)->cluster,
		catalog_cluster(world->nodes[1].catalog)->cluster));
}

static int join(struct world *world, unsigned i, const uint8_t *key, struct uuid expected,
	struct world_answer *answer)
{
	*answer = (struct world_answer){ 0 };
	catalog_cluster_join(world->nodes[i].catalog, key, expected, WORLD_TIMEOUT_MS, world_done, answer);
	assert_true(world_wait(world, &answer->done));
	return answer->rc;
}

static void join_wants_the_right_cluster_and_the_right_key(void **state)
{
	struct world *world = *state;
	uint8_t wrong[CATALOG_KEY_BYTES] = { 1 };
	struct uuid none = { 0 };
	struct world_answer answer;

	(void)world_open(world, 0);
	assert_int_equal(join(world, 0, world->key, none, &answer), -ENOENT);
	assert_non_null(strstr(answer.error, "--init-cluster"));
	(void)world_start(world, 1, 0);
	assert_int_equal(join(world, 0, world->key, none, &answer), 0);
	assert_int_equal(
		join(world, 0, world->key, catalog_cluster(world->nodes[0].catalog)->cluster, &answer), 0);
	assert_int_equal(join(world, 0, wrong, none, &answer), -EKEYREJECTED);
	assert_int_equal(join(world, 0, world->key, world_uuid("other"), &answer), -ESTALE);
}

static void a_node_lives_while_it_renews_and_is_down_a_lease_after_it_died(void **state)
{
	struct world *world = *state;
	const struct catalog_node *node;
	uint64_t died_ns;

	(void)world_start(world, 0, 0);
	(void)world_start(world, 1, 0);
	world_sleep(world, 30000);
	assert_int_equal(catalog_node_find(world->nodes[0].catalog, "n1", &node, NULL), 0);
	assert_true(node->live);
	assert_true(uuid_equal(node->session, world->nodes[1].session));
	world_kill(world, 1);
	died_ns = world_now_ns();
	do {
		world_turn(world);
		assert_int_equal(catalog_node_find(world->nodes[0].catalog, "n1", &node, NULL), 0);
		assert_true(world_now_ns() - died_ns < 7 * NS_PER_S);
	} while (node->live);
	assert_true(world_now_ns() - died_ns > 3 * NS_PER_S);
	assert_string_equal(node->zone, "z1");
}

static void a_lease_that_ran_out_is_told_and_taken_anew(void **state)
{
	struct world *world = *state;
	const struct catalog_node *node;

	(void)world_start(world, 0, 0);
	(void)world_start(world, 1, 0);
	world_kill(world, 1);
	world_sleep(world, 10000);
	assert_false(catalog_node_lease_valid(world->nodes[1].catalog));
	kvdb_sim_cut(world->nodes[1].kvdb, false);
	world_sleep(world, 5000);
	assert_true(catalog_node_lease_valid(world->nodes[1].catalog));
	assert_int_equal(catalog_node_find(world->nodes[0].catalog, "n1", &node, NULL), 0);
	assert_true(node->live);
	assert_true(world->nodes[1].troubles >= 3); /* out of reach, back, the lease */
}

static void an_outage_of_the_kvdb_ends_no_nodes_life(void **state)
{
	struct world *world = *state;
	const struct catalog_node *node;
	const char *why;

	for (unsigned i = 0; i < 3; i++)
		(void)world_start(world, i, 0);
	world_sleep(world, 100);
	kvdb_sim_down(world->sim, true);
	world_sleep(world, 60000);
	assert_false(catalog_kvdb_ok(world->nodes[0].catalog, &why));
	assert_true(why[0] != 0);
	kvdb_sim_down(world->sim, false);
	for (int turn = 0; turn < 1000; turn++) {
		world_turn(world);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(catalog_node_find(world->nodes[0].catalog,
						 world->nodes[i].record.name, &node, NULL),
				0);
			assert_true(node->live);
		}
	}
	assert_true(catalog_kvdb_ok(world->nodes[0].catalog, &why));
}

static void another_node_of_the_same_name_is_refused(void **state)
{
	struct world *world = *state;
	struct world_answer answer = { 0 };
	struct catalog_node impostor;

	(void)world_start(world, 0, 0);
	(void)world_open(world, 1);
	impostor = world->nodes[0].record;
	impostor.node = world_uuid("impostor");
	catalog_node_register(
		world->nodes[1].catalog, &impostor, world_uuid("s"), WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, -EEXIST);
	assert_non_null(strstr(answer.error, "n0 lives since"));
}

static void an_agent_that_restarts_follows_itself_at_once(void **state)
{
	struct world *world = *state;
	const struct catalog_node *node;
	struct uuid before;

	(void)world_start(world, 0, 0);
	before = world->nodes[0].session;
	world_close(world, 0, false);
	(void)world_start(world, 0, 0);
	assert_int_equal(catalog_node_find(world->nodes[0].catalog, "n0", &node, NULL), 0);
	assert_true(node->live);
	assert_true(uuid_equal(node->session, world->nodes[0].session));
	assert_false(uuid_equal(node->session, before));
	world_sleep(world, 20000); /* the older lease ends meanwhile: the key is the newer one's */
	assert_int_equal(catalog_node_find(world->nodes[0].catalog, "n0", &node, NULL), 0);
	assert_true(node->live);
}

static void leaving_ends_the_lease_at_once(void **state)
{
	struct world *world = *state;
	const struct catalog_node *node;

	(void)world_start(world, 0, 0);
	(void)world_start(world, 1, 0);
	world_close(world, 1, true);
	world_sleep(world, 200);
	assert_int_equal(catalog_node_find(world->nodes[0].catalog, "n1", &node, NULL), 0);
	assert_false(node->live);
}

static void a_pool_is_its_nodes_and_its_name_unique_there(void **state)
{
	struct world *world = *state;
	struct catalog_pool pool;
	const struct catalog_pool *known;
	struct world_answer answer = { 0 };

	(void)world_start(world, 0, GIB);
	(void)world_start(world, 1, GIB);
	assert_int_equal(catalog_pool_find(world->nodes[1].catalog, world_pool(0), &known, NULL), 0);
	pool = *known;
	pool.used_bytes = 5;
	pool.load_percent = 40;
	pool.node = text_intern("n1");
	catalog_pool_put(world->nodes[1].catalog, &pool, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, -EEXIST);
	pool.pool = world_uuid("new");
	memcpy(pool.name, "p1", 3);
	answer = (struct world_answer){ 0 };
	catalog_pool_put(world->nodes[1].catalog, &pool, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, -EEXIST);
	assert_non_null(strstr(answer.error, "p1"));
	memcpy(pool.name, "p2", 3);
	answer = (struct world_answer){ 0 };
	catalog_pool_put(world->nodes[1].catalog, &pool, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
	assert_int_equal(catalog_pool_find(world->nodes[1].catalog, pool.pool, &known, NULL), 0);
	assert_true(known->used_bytes == 5);
	assert_int_equal(known->load_percent, 40);
}

static void a_bad_name_is_refused_and_never_inside_the_call(void **state)
{
	struct world *world = *state;
	struct world_answer answer = { 0 };
	struct catalog_node node;

	(void)world_start(world, 0, 0);
	node = world->nodes[0].record;
	memcpy(node.name, "a b", 4);
	catalog_node_register(world->nodes[0].catalog, &node, world_uuid("s"), 1000, world_done, &answer);
	assert_false(answer.done);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, -EINVAL);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(init_makes_the_cluster_and_the_shipped_classes_once),
		TEST(of_two_that_initialise_at_once_one_wins),
		TEST(join_wants_the_right_cluster_and_the_right_key),
		TEST(a_node_lives_while_it_renews_and_is_down_a_lease_after_it_died),
		TEST(a_lease_that_ran_out_is_told_and_taken_anew),
		TEST(an_outage_of_the_kvdb_ends_no_nodes_life),
		TEST(another_node_of_the_same_name_is_refused),
		TEST(an_agent_that_restarts_follows_itself_at_once),
		TEST(leaving_ends_the_lease_at_once),
		TEST(a_pool_is_its_nodes_and_its_name_unique_there),
		TEST(a_bad_name_is_refused_and_never_inside_the_call),
	};

	return cmocka_run_group_tests_name("catalog: nodes", tests, NULL, NULL);
}
