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

static int setup(void **state)
{
	*state = world_with_volume(37);
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static int limit(struct world *world, unsigned by, uint64_t iops, uint64_t bytes_per_s)
{
	struct world_answer answer = { 0 };

	catalog_volume_limits_set(world->nodes[by].catalog, world_find(world, by, "v")->volume, iops,
		bytes_per_s, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static int stick(struct world *world, unsigned by, bool sticky)
{
	struct world_answer answer = { 0 };

	catalog_volume_sticky_set(world->nodes[by].catalog, world_find(world, by, "v")->volume, sticky,
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void limits_are_seen_by_all(void **state)
{
	struct world *world = *state;

	assert_int_equal(world_find(world, 0, "v")->limit_iops, 0);
	assert_int_equal(limit(world, 1, 500, 1u << 20), 0);
	assert_int_equal(limit(world, 1, 500, 1u << 20), 0); /* the same again */
	assert_int_equal(world_find(world, 1, "v")->limit_iops, 500);
	assert_int_equal(limit(world, 2, 0, 1u << 21), 0);
	assert_int_equal(world_find(world, 2, "v")->limit_iops, 0);
	assert_int_equal(world_find(world, 2, "v")->limit_bytes_per_s, 1u << 21);
}

static void a_sticky_volume_is_not_deleted(void **state)
{
	struct world *world = *state;
	struct error error;

	assert_int_equal(stick(world, 0, true), 0);
	assert_int_equal(stick(world, 0, true), 0);
	assert_int_equal(world_delete(world, 0, "v", NULL), -EPERM);
	assert_int_equal(volume_sticky(world_find(world, 0, "v"), &error), -EPERM);
	assert_string_equal(
		error.text, "volume v is sticky, so it is not removed: `quoin volume set-sticky v no` first");
	assert_int_equal(stick(world, 1, false), 0);
	assert_int_equal(world_delete(world, 1, "v", NULL), 0);
}

static int resize(struct world *world, unsigned by, uint64_t size_bytes, struct world_answer *ret_answer)
{
	struct world_answer answer = { 0 };

	catalog_volume_resize(world->nodes[by].catalog, world_find(world, by, "v")->volume, size_bytes,
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	if (ret_answer)
		*ret_answer = answer;
	return answer.rc;
}

static uint64_t promised(struct world *world, unsigned viewer)
{
	const struct catalog_pool *pool;
	struct error error;

	assert_int_equal(catalog_pool_find(world->nodes[viewer].catalog,
				 world_find(world, viewer, "v")->shards[0].replicas[0].pool, &pool, &error),
		0);
	return pool->provisioned_bytes;
}

static void a_volume_grows_with_what_is_promised_for_it(void **state)
{
	struct world *world = *state;
	uint64_t was = world_find(world, 0, "v")->size_bytes;
	struct world_answer answer;

	assert_int_equal(promised(world, 0), was);
	assert_int_equal(resize(world, 1, was + 5 * GRAIN_BYTES, NULL), 0);
	assert_int_equal(resize(world, 1, was + 5 * GRAIN_BYTES, NULL), 0); /* the same again */
	assert_int_equal(world_find(world, 2, "v")->size_bytes, was + 5 * GRAIN_BYTES);
	assert_int_equal(promised(world, 2), was + 5 * GRAIN_BYTES);
	/* Smaller, beyond what its pools may promise, and nonsense: refused, and nothing is changed. */
	assert_int_equal(resize(world, 0, was, &answer), -EPERM);
	assert_non_null(strstr(answer.error, "can't shrink to"));
	assert_int_equal(resize(world, 0, VOLUME_MAX_BYTES, &answer), -ENOSPC);
	assert_non_null(strstr(answer.error, "provisioned of at most"));
	assert_int_equal(resize(world, 0, was + 6 * GRAIN_BYTES + 1, NULL), -EINVAL);
	assert_int_equal(world_find(world, 0, "v")->size_bytes, was + 5 * GRAIN_BYTES);
	assert_int_equal(promised(world, 0), was + 5 * GRAIN_BYTES);
	assert_int_equal(world_delete(world, 1, "v", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(limits_are_seen_by_all, setup, teardown),
		cmocka_unit_test_setup_teardown(a_volume_grows_with_what_is_promised_for_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sticky_volume_is_not_deleted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
