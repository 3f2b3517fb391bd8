/* What a pool's load is, and how seldom it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "volumes/pool_load.h"

static const struct measurement figures = {
	.read_p50_us = 100, .write_p50_us = 1000, .read_mib_s = 400, .write_mib_s = 200, .read_iops = 10000
};

struct scene {
	struct pool_load load;
	struct pool_info info;
	uint64_t now_ns;
	unsigned changes;
};

/* So many seconds, each with so much to do. */
static void pass(
	struct scene *scene, const struct measurement *m, unsigned seconds, const struct pool_info *each)
{
	for (unsigned i = 0; i < seconds; i++) {
		unsigned told = scene->load.told_percent;

		scene->now_ns += NS_PER_S;
		scene->info.batches += each->batches;
		scene->info.device_write_bytes += each->device_write_bytes;
		scene->info.reads += each->reads;
		scene->info.read_bytes += each->read_bytes;
		pool_load_observe(&scene->load, m, &scene->info, scene->now_ns);
		scene->changes += scene->load.told_percent != told;
	}
}

static void load_is_time_that_the_device_is_busy(void **state)
{
	struct pool_info each[] = {
		{ .batches = 400 },                           /* of 1 ms: 40 % */
		{ .device_write_bytes = UINT64_C(80) << 20 }, /* of 200 MiB/s */
		{ .reads = 4000 },                            /* of 10,000 a second */
		{ .read_bytes = UINT64_C(160) << 20 },        /* of 400 MiB/s */
		{ .batches = 200, .device_write_bytes = UINT64_C(40) << 20, .reads = 2000 }, /* 20 and 20 % */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		struct scene scene = { .now_ns = 1 };

		pass(&scene, &figures, 1800, &each[i]);
		assert_int_equal(scene.load.told_percent, 40);
	}
}

static void load_is_at_most_100_and_none_without_figures(void **state)
{
	struct pool_info much = { .batches = 100000, .reads = 1000000 };
	struct measurement none = { 0 };
	struct scene scene = { .now_ns = 1 };

	(void)state;
	pass(&scene, &none, 1800, &much);
	assert_int_equal(scene.load.told_percent, 0);
	pass(&scene, &figures, 1800, &much);
	assert_int_equal(scene.load.told_percent, 100);
}

static void what_is_told_changes_once_in_five_minutes_at_most(void **state)
{
	struct pool_info busy = { .batches = 900 }, idle = { 0 };
	struct scene scene = { .now_ns = 1 };

	(void)state;
	pass(&scene, &figures, 299, &busy);
	assert_int_equal(scene.changes, 0);
	/* To and fro, each minute, for two hours. */
	for (unsigned i = 0; i < 60; i++) {
		pass(&scene, &figures, 60, &busy);
		pass(&scene, &figures, 60, &idle);
	}
	assert_true(scene.changes >= 1 && scene.changes <= (300 + 7200) / 300);
	/* About 45 %, at the edge of two steps: told once, and it stays. */
	scene.changes = 0;
	busy.batches = 450;
	pass(&scene, &figures, 1800, &busy);
	assert_true(scene.changes <= 1);
	for (unsigned i = 0; i < 60; i++) {
		busy.batches = i % 2 ? 430 : 470;
		pass(&scene, &figures, 60, &busy);
	}
	assert_true(scene.changes <= 1);
}

static void another_life_goes_on_from_what_was_told(void **state)
{
	struct pool_info busy = { .batches = 500 };
	struct scene scene = { .load = { .told_percent = 50 }, .now_ns = 1 };

	(void)state;
	pass(&scene, &figures, 1800, &busy);
	assert_int_equal(scene.changes, 0);
	assert_int_equal(scene.load.told_percent, 50);
	scene.info = (struct pool_info){ 0 }; /* opened anew: its counters begin at 0 */
	pass(&scene, &figures, 1800, &busy);
	assert_int_equal(scene.changes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_is_time_that_the_device_is_busy),
		cmocka_unit_test(load_is_at_most_100_and_none_without_figures),
		cmocka_unit_test(what_is_told_changes_once_in_five_minutes_at_most),
		cmocka_unit_test(another_life_goes_on_from_what_was_told),
	};

	return cmocka_run_group_tests_name("volumes pool load", tests, NULL, NULL);
}
