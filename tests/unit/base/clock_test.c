#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static void time_is_written_as_rfc_3339_in_utc(void **state)
{
	char text[TIME_TEXT_LEN + 1];

	(void)state;
	assert_string_equal(time_format(0, text), "1970-01-01T00:00:00.000Z");
	assert_string_equal(time_format(UINT64_C(1769860800123456789), text), "2026-01-31T12:00:00.123Z");
	assert_string_equal(time_format(UINT64_MAX, text), "2554-07-21T23:34:33.709Z");
}

static void the_systems_clock_does_not_go_back(void **state)
{
	const struct clock *clock = clock_system();
	uint64_t last_ns = clock_now_ns(clock);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t now_ns = clock_now_ns(clock);

		assert_true(now_ns >= last_ns);
		last_ns = now_ns;
	}
	/* 2020 was over before this was written. */
	assert_true(clock_wall_ns(clock) > UINT64_C(1577836800) * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_written_as_rfc_3339_in_utc),
		cmocka_unit_test(the_systems_clock_does_not_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
