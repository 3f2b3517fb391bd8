/* Operations on classes: versions, two writers at once, and what volumes are placed by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "catalog_world.h"

#define GIB (UINT64_C(1) << 30)

static int setup(void **state)
{
	struct world *world = world_new(31);

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

static int put(
	struct world *world, unsigned by, const struct catalog_class *class, struct world_answer *answer)
{
	*answer = (struct world_answer){ 0 };
	catalog_class_put(world->nodes[by].catalog, class, WORLD_TIMEOUT_MS, world_done, answer);
	assert_true(world_wait(world, &answer->done));
	return answer->rc;
}

static int drop(struct world *world, unsigned by, const char *name, struct world_answer *answer)
{
	*answer = (struct world_answer){ 0 };
	catalog_class_remove(world->nodes[by].catalog, name, WORLD_TIMEOUT_MS, world_done, answer);
	assert_true(world_wait(world, &answer->done));
	return answer->rc;
}

static const struct catalog_class *class_of(struct world *world, unsigned node, const char *name)
{
	const struct catalog_class *class = NULL;

	assert_int_equal(catalog_class_find(world->nodes[node].catalog, name, &class, NULL), 0);
	return class;
}

static void a_change_counts_and_the_same_again_does_not(void **state)
{
	struct world *world = *state;
	struct world_answer answer;
	struct catalog_class class;

	class_init(&class);
	(void)snprintf(class.name, sizeof(class.name), "gold");
	(void)snprintf(class.selector, sizeof(class.selector), "zone=a|b");
	(void)snprintf(class.comment, sizeof(class.comment), "one\ntwo");
	class.group_rule = CLASS_GROUP_APART;
	class.rebuild_after_ms = 7000;
	class.trim_s = 5400;
	class.shards = 8;
	assert_int_equal(schedule_parse("hourly keep 24, monthly keep 3", &class.snapshots, NULL), 0);
	class.limit_iops = 900;
	class.limit_bytes_per_s = 5u << 20;
	assert_int_equal(put(world, 0, &class, &answer), 0);
	assert_int_equal(class_of(world, 0, "gold")->number, 1);
	assert_int_equal(put(world, 1, &class, &answer), 0);
	class.replicas = 5;
	assert_int_equal(put(world, 1, &class, &answer), 0);
	world_sleep(world, 500);
	assert_int_equal(class_of(world, 2, "gold")->number, 2);
	assert_int_equal(class_of(world, 2, "gold")->replicas, 5);
	assert_int_equal(class_of(world, 2, "gold")->rebuild_after_ms, 7000);
	assert_int_equal(class_of(world, 2, "gold")->trim_s, 5400);
	assert_int_equal(class_of(world, 2, "gold")->shards, 8);
	assert_memory_equal(
		&class_of(world, 2, "gold")->snapshots, &class.snapshots, sizeof(class.snapshots));
	assert_int_equal(class_of(world, 2, "gold")->limit_iops, 900);
	assert_int_equal(class_of(world, 2, "gold")->limit_bytes_per_s, 5u << 20);
	assert_int_equal(class_of(world, 2, "gold")->group_rule, CLASS_GROUP_APART);
	assert_string_equal(class_of(world, 2, "gold")->selector, "zone=a|b");
	assert_string_equal(class_of(world, 2, "gold")->comment, "one\ntwo");
}

static void of_two_that_change_one_version_one_wins(void **state)
{
	struct world *world = *state;
	struct world_answer answers[2] = { 0 };
	struct catalog_class class = *class_of(world, 0, "scratch");

	for (unsigned i = 0; i < 2; i++) {
		class.size_bytes = (i + 1) * GIB;
		catalog_class_put(world->nodes[i].catalog, &class, WORLD_TIMEOUT_MS, world_done, &answers[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_true(world_wait(world, &answers[i].done));
	assert_int_equal(answers[0].rc + answers[1].rc, -ESTALE);
	assert_non_null(strstr(answers[answers[0].rc ? 0 : 1].error, "has version 2 by now, not 1"));
}

static void a_class_in_use_and_default_stay(void **state)
{
	struct world *world = *state;
	struct world_answer answer;

	assert_int_equal(drop(world, 0, "default", &answer), -EBUSY);
	assert_int_equal(drop(world, 0, "kafka", &answer), 0);
	assert_int_equal(drop(world, 1, "kafka", &answer), -ENOENT);
}

/* The volume's record, with the class's revision that it was placed by. */
static int create(
	struct world *world, unsigned by, const char *name, uint64_t class_revision, const char *group)
{
	struct world_answer answer = { 0 };
	struct world_volume volume;

	world_volume_fill(&volume, name, GIB, 3);
	(void)snprintf(volume.volume.class_name, sizeof(volume.volume.class_name), "postgres");
	(void)snprintf(volume.volume.group_name, sizeof(volume.volume.group_name), "%s", group);
	(void)snprintf(volume.volume.selector, sizeof(volume.volume.selector), "zone!=x");
	volume.volume.sticky = true;
	volume.volume.tiers = CLASS_TIER(TIER_HIGH);
	volume.volume.class_revision = class_revision;
	catalog_volume_create(
		world->nodes[by].catalog, &volume.volume, WORLD_TIMEOUT_MS, world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void a_volume_is_made_by_the_class_it_was_placed_by(void **state)
{
	struct world *world = *state;
	uint64_t revision = class_of(world, 0, "postgres")->revision;
	struct catalog_class class = *class_of(world, 0, "postgres");
	const struct catalog_volume *volume;
	struct world_answer answer;

	assert_int_equal(create(world, 0, "one", revision, ""), 0);
	class.replicas = 5;
	assert_int_equal(put(world, 1, &class, &answer), 0);
	assert_int_equal(create(world, 0, "two", revision, ""), -ESTALE);
	assert_int_equal(create(world, 0, "two", class_of(world, 0, "postgres")->revision, ""), 0);
	assert_int_equal(drop(world, 0, "postgres", &answer), -EBUSY);
	assert_non_null(strstr(answer.error, "is used by 2 volumes (one, two)"));
	world_sleep(world, 500);
	assert_int_equal(catalog_volume_find(world->nodes[2].catalog, "two", &volume, NULL), 0);
	assert_string_equal(volume->selector, "zone!=x");
	assert_int_equal(volume->tiers, CLASS_TIER(TIER_HIGH));
	assert_true(volume->sticky);
}

/* What one has placed, the next one must have seen: its revision of the class is another one. */
static void creates_in_a_group_go_one_after_the_other(void **state)
{
	struct world *world = *state;
	uint64_t revision = class_of(world, 0, "postgres")->revision;

	assert_int_equal(create(world, 0, "data", revision, "pg"), 0);
	assert_int_equal(create(world, 1, "wal", revision, "pg"), -ESTALE);
	world_sleep(world, 500);
	assert_int_equal(class_of(world, 1, "postgres")->number, 1);
	assert_int_equal(create(world, 1, "wal", class_of(world, 1, "postgres")->revision, "pg"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_change_counts_and_the_same_again_does_not),
		TEST(of_two_that_change_one_version_one_wins),
		TEST(a_class_in_use_and_default_stay),
		TEST(a_volume_is_made_by_the_class_it_was_placed_by),
		TEST(creates_in_a_group_go_one_after_the_other),
	};

	return cmocka_run_group_tests_name("classes", tests, NULL, NULL);
}
