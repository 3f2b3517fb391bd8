/* What is changed of a volume while it is used: limits, and whether it may be removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "catalog/policy.h"
#include "catalog_world.h"

#define GIB (UINT64_C(1) << 30)

static int setup(void **state)
{
	struct world *world = world_new(37);
	struct world_answer answer = { 0 };

	for (unsigned i = 0; i < 3; i++)
		(void)world_start(world, i, 100 * GIB);
	assert_int_equal(world_create(world, 0, "v", GIB, 3, &answer), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static const struct catalog_volume *volume(struct world *world, unsigned by)
{
	const struct catalog_volume *found = NULL;

	assert_int_equal(catalog_volume_find(world->nodes[by].catalog, "v", &found, NULL), 0);
	return found;
}

static int limit(struct world *world, unsigned by, uint64_t iops, uint64_t bytes_per_s)
{
	struct world_answer answer = { 0 };

	catalog_volume_limits_set(world->nodes[by].catalog, volume(world, by)->volume, iops, bytes_per_s,
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static int stick(struct world *world, unsigned by, bool sticky)
{
	struct world_answer answer = { 0 };

	catalog_volume_sticky_set(world->nodes[by].catalog, volume(world, by)->volume, sticky,
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static int delete (struct world *world, unsigned by)
{
	struct world_answer answer = { 0 };

	catalog_volume_delete(
		world->nodes[by].catalog, volume(world, by)->volume, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void limits_are_seen_by_all(void **state)
{
	struct world *world = *state;

	assert_int_equal(volume(world, 0)->limit_iops, 0);
	assert_int_equal(limit(world, 1, 500, 1u << 20), 0);
	assert_int_equal(limit(world, 1, 500, 1u << 20), 0); /* the same again */
	assert_int_equal(volume(world, 1)->limit_iops, 500);
	assert_int_equal(limit(world, 2, 0, 1u << 21), 0);
	assert_int_equal(volume(world, 2)->limit_iops, 0);
	assert_int_equal(volume(world, 2)->limit_bytes_per_s, 1u << 21);
}

static void a_sticky_volume_is_not_deleted(void **state)
{
	struct world *world = *state;
	struct error error;

	assert_int_equal(stick(world, 0, true), 0);
	assert_int_equal(stick(world, 0, true), 0);
	assert_int_equal(delete (world, 0), -EPERM);
	assert_int_equal(volume_sticky(volume(world, 0), &error), -EPERM);
	assert_string_equal(
		error.text, "volume v is sticky, so it is not removed: `quoin volume set-sticky v no` first");
	assert_int_equal(stick(world, 1, false), 0);
	assert_int_equal(delete (world, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(limits_are_seen_by_all, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sticky_volume_is_not_deleted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
