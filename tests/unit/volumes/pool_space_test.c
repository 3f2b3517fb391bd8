/* When a pool that fills up warns, and when it is quiet again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "volumes/pool_space.h"

static void levels_are_reached_one_after_the_other(void **state)
{
	(void)state;
	assert_int_equal(pool_space_level(0, 0, 1000), 0);
	assert_int_equal(pool_space_level(0, 799, 1000), 0);
	assert_int_equal(pool_space_level(0, 800, 1000), 1);
	assert_int_equal(pool_space_level(1, 900, 1000), 2);
	assert_int_equal(pool_space_level(2, 950, 1000), 3);
	assert_int_equal(pool_space_level(0, 1000, 1000), 4);
}

static void level_stays_until_the_use_is_clearly_below(void **state)
{
	(void)state;
	assert_int_equal(pool_space_level(1, 790, 1000), 1);
	assert_int_equal(pool_space_level(1, 780, 1000), 1);
	assert_int_equal(pool_space_level(1, 779, 1000), 0);
	assert_int_equal(pool_space_level(4, 980, 1000), 4);
	assert_int_equal(pool_space_level(4, 949, 1000), 3);
	assert_int_equal(pool_space_level(4, 100, 1000), 0);
}

static void pool_without_room_has_no_level(void **state)
{
	(void)state;
	assert_int_equal(pool_space_level(0, 0, 0), 0);
	assert_int_equal(pool_space_level(0, UINT64_MAX / 2, UINT64_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_are_reached_one_after_the_other),
		cmocka_unit_test(level_stays_until_the_use_is_clearly_below),
		cmocka_unit_test(pool_without_room_has_no_level),
	};

	return cmocka_run_group_tests_name("volumes pool space", tests, NULL, NULL);
}
