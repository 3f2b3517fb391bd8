/* When a pool that fills up warns, and when it is quiet again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "volumes/pool_space.h"

static const struct space_warnings warnings = { 3, { 80, 90, 95 } };

static void levels_are_reached_one_after_the_other(void **state)
{
	(void)state;
	assert_int_equal(pool_space_level(&warnings, 0, 0, 1000), 0);
	assert_int_equal(pool_space_level(&warnings, 0, 799, 1000), 0);
	assert_int_equal(pool_space_level(&warnings, 0, 800, 1000), 1);
	assert_int_equal(pool_space_level(&warnings, 1, 900, 1000), 2);
	assert_int_equal(pool_space_level(&warnings, 2, 950, 1000), 3);
	assert_int_equal(pool_space_level(&warnings, 0, 1000, 1000), 4);
}

static void level_stays_until_the_use_is_clearly_below(void **state)
{
	(void)state;
	assert_int_equal(pool_space_level(&warnings, 1, 790, 1000), 1);
	assert_int_equal(pool_space_level(&warnings, 1, 780, 1000), 1);
	assert_int_equal(pool_space_level(&warnings, 1, 779, 1000), 0);
	assert_int_equal(pool_space_level(&warnings, 4, 980, 1000), 4);
	assert_int_equal(pool_space_level(&warnings, 4, 949, 1000), 3);
	assert_int_equal(pool_space_level(&warnings, 4, 100, 1000), 0);
}

static void pool_without_room_has_no_level(void **state)
{
	(void)state;
	assert_int_equal(pool_space_level(&warnings, 0, 0, 0), 0);
	assert_int_equal(pool_space_level(&warnings, 0, UINT64_MAX / 2, UINT64_MAX), 0);
}

static void other_levels_and_none(void **state)
{
	const struct space_warnings one = { 1, { 50 } }, none = { 0 };

	(void)state;
	assert_int_equal(pool_space_level(&one, 0, 499, 1000), 0);
	assert_int_equal(pool_space_level(&one, 0, 960, 1000), 1);
	assert_int_equal(pool_space_level(&one, 0, 970, 1000), pool_space_full_level(&one));
	assert_int_equal(pool_space_level_percent(&one, 1), 50);
	assert_int_equal(pool_space_level(&none, 0, 960, 1000), 0);
	assert_int_equal(pool_space_level(&none, 0, 970, 1000), pool_space_full_level(&none));
	assert_int_equal(pool_space_level_percent(&none, 1), POOL_FULL_PERCENT);
	assert_int_equal(pool_space_level_percent(&none, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_are_reached_one_after_the_other),
		cmocka_unit_test(level_stays_until_the_use_is_clearly_below),
		cmocka_unit_test(pool_without_room_has_no_level),
		cmocka_unit_test(other_levels_and_none),
	};

	return cmocka_run_group_tests_name("volumes pool space", tests, NULL, NULL);
}
