/* What reconcile plans, row by row: a catalog, what is observed on n1, and the actions that follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "catalog_world.h"
#include "reconcile/reconcile.h"

#define GIB (UINT64_C(1) << 30)

/* What is observed: begins as what the catalog says, with nothing amiss. */
struct scene {
	struct world *world;
	struct catalog_node node;
	struct catalog_pool pools[2];
	struct reconcile_replica replicas[4];
	struct reconcile_volume attached[2];
	struct uuid wanted[2];
	struct reconcile_observed observed;
};

static void observe_replica(struct scene *scene, const char *volume, unsigned replica)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%s-replica%u", volume, replica);
	scene->replicas[scene->observed.replica_count++] = (struct reconcile_replica){
		.replica = world_uuid(text), .volume = world_uuid(volume), .pool = world_pool(1)
	};
}

static void observe_attached(struct scene *scene, const char *volume, const char *attachment)
{
	scene->attached[scene->observed.attached_count++] =
		(struct reconcile_volume){ .volume = world_uuid(volume),
			.attachment = world_uuid(attachment) };
}

static void observe_wanted(struct scene *scene, const char *volume)
{
	scene->wanted[scene->observed.wanted_count++] = world_uuid(volume);
}

static void made(struct scene *scene, const char *volume)
{
	struct world_answer answer = { 0 };
	char text[64];

	(void)snprintf(text, sizeof(text), "%s-replica1", volume);
	catalog_replica_made(scene->world->nodes[1].catalog, world_uuid(volume), world_uuid(text),
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(scene->world, &answer.done));
	assert_int_equal(answer.rc, 0);
}

/* Volumes v and w, both with a replica on n1, made there. */
static int setup(void **state)
{
	static struct scene scene;
	const struct catalog_pool *pool;

	scene = (struct scene){ .world = world_new(41) };
	for (unsigned i = 0; i < 3; i++)
		(void)world_start(scene.world, i, 10 * GIB);
	assert_int_equal(world_create(scene.world, 1, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_create(scene.world, 1, "w", GIB, 3, NULL), 0);
	assert_int_equal(catalog_pool_find(scene.world->nodes[1].catalog, world_pool(1), &pool, NULL), 0);
	scene.node = scene.world->nodes[1].record;
	scene.pools[0] = *pool;
	scene.observed = (struct reconcile_observed){ .node = &scene.node,
		.pools = scene.pools,
		.pool_count = 1,
		.replicas = scene.replicas,
		.attached = scene.attached,
		.wanted = scene.wanted };
	observe_replica(&scene, "v", 1);
	observe_replica(&scene, "w", 1);
	made(&scene, "v");
	made(&scene, "w");
	*state = &scene;
	return 0;
}

static int teardown(void **state)
{
	world_free(((struct scene *)*state)->world);
	return 0;
}

/* The plan as text: "kind:volume kind:volume", volumes by name where their record is there. */
static const char *plan(struct scene *scene)
{
	static char text[1024];
	struct reconcile_actions actions;
	size_t len = 0;

	text[0] = 0;
	world_sleep(scene->world, 100);
	assert_int_equal(reconcile_plan(scene->world->nodes[1].catalog, &scene->observed, &actions), 0);
	for (size_t i = 0; i < actions.count; i++) {
		const struct reconcile_action *action = &actions.actions[i];

		assert_true(action->why[0] != 0);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s:%s", i > 0 ? " " : "",
			reconcile_kind_name(action->kind), action->volume ? action->volume->name : "");
	}
	reconcile_actions_done(&actions);
	return text;
}

static void nothing_amiss_is_nothing_to_do(void **state)
{
	assert_string_equal(plan(*state), "");
}

static void a_replica_that_was_never_made_is_made_and_then_told(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(world_create(scene->world, 0, "x", GIB, 3, NULL), 0);
	assert_string_equal(plan(scene), "replica-create:x");
	observe_replica(scene, "x", 1);
	assert_string_equal(plan(scene), "replica-made:x");
	made(scene, "x");
	assert_string_equal(plan(scene), "");
}

static void a_replica_that_was_made_and_is_gone_is_lost_and_never_made_again(void **state)
{
	struct scene *scene = *state;

	scene->observed.replica_count = 1;
	assert_string_equal(plan(scene), "replica-lost:w");
}

static void a_pool_that_is_not_open_tells_nothing_of_its_replicas(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(world_create(scene->world, 0, "x", GIB, 3, NULL), 0);
	scene->observed.replica_count = 0;
	scene->pools[0].state = CATALOG_POOL_FAILED;
	assert_string_equal(plan(scene), "pool-put:");
	scene->observed.pool_count = 0;
	assert_string_equal(plan(scene), "");
}

static void replicas_of_a_deleted_volume_go_and_then_it_is_told(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(world_delete(scene->world, 0, "w", NULL), 0);
	assert_string_equal(plan(scene), "replica-delete:w");
	scene->observed.replica_count = 1;
	assert_string_equal(plan(scene), "replica-removed:w");
	assert_int_equal(world_removed(scene->world, 1, "w", 1), 0);
	assert_string_equal(plan(scene), "");
}

static void a_replica_is_not_deleted_under_its_device(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(world_delete(scene->world, 0, "w", NULL), 0);
	observe_attached(scene, "w", "a");
	assert_string_equal(plan(scene), "volume-take-down:w");
}

static void a_replica_that_no_record_names_is_an_orphan_and_stays(void **state)
{
	struct scene *scene = *state;

	observe_replica(scene, "unknown", 1);
	observe_replica(scene, "v", 7);
	assert_string_equal(plan(scene), "replica-orphan: replica-orphan:v");
}

static void a_damaged_record_makes_no_orphan_and_takes_nothing_down(void **state)
{
	struct scene *scene = *state;
	char key[128];
	char uuid[UUID_TEXT_LEN + 1];

	observe_attached(scene, "v", "a");
	(void)snprintf(key, sizeof(key), "/quoin/test/at/n1/%s", uuid_format(world_uuid("v"), uuid));
	kvdb_sim_scribble(scene->world->sim, key, "junk", 4);
	assert_string_equal(plan(scene), "");
}

static void held_here_by_the_record_but_not_in_fact_comes_up_if_wanted_else_is_released(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(world_attach(scene->world, 1, "v", "a", NULL, NULL), 0);
	assert_int_equal(world_attach(scene->world, 1, "w", "b", NULL, NULL), 0);
	assert_int_equal(world_create(scene->world, 0, "other", GIB, 1, NULL), 0);
	assert_int_equal(world_attach(scene->world, 0, "other", "c", NULL, NULL), 0);
	observe_wanted(scene, "w");
	observe_wanted(scene, "other"); /* held elsewhere: not this node's to fetch */
	{
		const char *text = plan(scene);

		assert_non_null(strstr(text, "volume-release:v"));
		assert_non_null(strstr(text, "volume-bring-up:w"));
		assert_null(strstr(text, "other"));
	}
	observe_attached(scene, "v", "a");
	observe_attached(scene, "w", "b");
	assert_string_equal(plan(scene), "");
}

static void a_device_that_the_record_does_not_know_is_taken_down(void **state)
{
	struct scene *scene = *state;

	observe_attached(scene, "v", "a"); /* nobody holds it */
	assert_string_equal(plan(scene), "volume-take-down:v");
	assert_int_equal(world_attach(scene->world, 0, "v", "elsewhere", NULL, NULL), 0);
	assert_string_equal(plan(scene), "volume-take-down:v");
	/* While its replicas serve it nobody else has opened it: it is theirs to end it. */
	scene->attached[0].has_quorum = true;
	assert_string_equal(plan(scene), "");
	scene->attached[0].has_quorum = false;
	scene->observed.attached_count = 0;
	observe_attached(scene, "gone", "a");
	assert_string_equal(plan(scene), "volume-take-down:");
}

/* Who took it by force has given up, and its record names nobody. */
static void a_device_that_is_served_and_wanted_is_held_again(void **state)
{
	struct scene *scene = *state;

	observe_attached(scene, "v", "a");
	scene->attached[0].has_quorum = true;
	assert_string_equal(plan(scene), "volume-take-down:v");
	observe_wanted(scene, "v");
	assert_string_equal(plan(scene), "volume-hold:v");
	scene->attached[0].has_quorum = false;
	assert_string_equal(plan(scene), "volume-take-down:v");
}

static void an_older_device_of_this_node_is_taken_down(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(world_attach(scene->world, 1, "v", "new", NULL, NULL), 0);
	observe_attached(scene, "v", "old");
	assert_string_equal(plan(scene), "volume-take-down:v");
}

static void a_pool_is_written_when_it_matters(void **state)
{
	struct scene *scene = *state;

	scene->pools[0].used_bytes = 1 << 20;
	assert_string_equal(plan(scene), "");
	scene->pools[0].used_bytes = 64 << 20;
	assert_string_equal(plan(scene), "pool-put:");
	scene->pools[0].used_bytes = 0;
	scene->pools[0].load_percent = 10;
	assert_string_equal(plan(scene), "pool-put:");
	scene->pools[0].load_percent = 0;
	scene->pools[0].tier = TIER_LOW;
	assert_string_equal(plan(scene), "pool-put:");
	scene->pools[0].tier = TIER_HIGH;
	assert_string_equal(plan(scene), "");
	scene->pools[1] = scene->pools[0];
	scene->pools[1].pool = world_uuid("second");
	scene->observed.pool_count = 2;
	assert_string_equal(plan(scene), "pool-put:");
}

static void a_node_registers_when_its_record_or_its_lease_is_wrong(void **state)
{
	struct scene *scene = *state;

	memcpy(scene->node.zone, "zz", 3);
	assert_string_equal(plan(scene), "node-register:");
	memcpy(scene->node.zone, "z1", 3);
	assert_string_equal(plan(scene), "");
	memcpy(scene->node.name, "n9", 3);
	scene->observed.pool_count = 0;
	scene->observed.replica_count = 0;
	assert_string_equal(plan(scene), "node-register:");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_amiss_is_nothing_to_do),
		TEST(a_replica_that_was_never_made_is_made_and_then_told),
		TEST(a_replica_that_was_made_and_is_gone_is_lost_and_never_made_again),
		TEST(a_pool_that_is_not_open_tells_nothing_of_its_replicas),
		TEST(replicas_of_a_deleted_volume_go_and_then_it_is_told),
		TEST(a_replica_is_not_deleted_under_its_device),
		TEST(a_replica_that_no_record_names_is_an_orphan_and_stays),
		TEST(a_damaged_record_makes_no_orphan_and_takes_nothing_down),
		TEST(held_here_by_the_record_but_not_in_fact_comes_up_if_wanted_else_is_released),
		TEST(a_device_that_the_record_does_not_know_is_taken_down),
		TEST(a_device_that_is_served_and_wanted_is_held_again),
		TEST(an_older_device_of_this_node_is_taken_down),
		TEST(a_pool_is_written_when_it_matters),
		TEST(a_node_registers_when_its_record_or_its_lease_is_wrong),
	};

	return cmocka_run_group_tests_name("reconcile", tests, NULL, NULL);
}
