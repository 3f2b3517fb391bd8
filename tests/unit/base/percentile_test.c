#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"

static void the_middle_one_and_the_one_at_99_percent(void **state)
{
	uint32_t samples[200], p50 = 0, p99 = 0;

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		samples[i] = (i * 77 + 13) % 200; /* each of 0..199 once */
	percentiles(samples, 200, &p50, &p99);
	assert_int_equal(p50, 100);
	assert_int_equal(p99, 198);
}

static void one_is_all_and_none_says_nothing(void **state)
{
	uint32_t sample = UINT32_MAX, p50 = 7, p99 = 7;

	(void)state;
	percentiles(&sample, 0, &p50, &p99);
	assert_true(p50 == 7 && p99 == 7);
	percentiles(&sample, 1, &p50, &p99);
	assert_true(p50 == UINT32_MAX && p99 == UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_middle_one_and_the_one_at_99_percent),
		cmocka_unit_test(one_is_all_and_none_says_nothing),
	};

	return cmocka_run_group_tests_name("percentile", tests, NULL, NULL);
}
