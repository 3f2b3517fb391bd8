/* How often the plan is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "volumes/plan_pace.h"

#define BEGAN_NS (100 * NS_PER_S)

static void the_first_plan_and_one_after_a_pause_need_not_wait(void **state)
{
	struct plan_pace pace = { 0 };

	(void)state;
	assert_int_equal(plan_pace_left_ms(&pace, BEGAN_NS), 0);
	plan_pace_made(&pace, BEGAN_NS, BEGAN_NS + NS_PER_MS);
	assert_int_equal(plan_pace_left_ms(&pace, BEGAN_NS + 10 * NS_PER_MS), 0);
}

static void plans_take_a_tenth_of_the_time_however_many_changes_there_are(void **state)
{
	struct plan_pace pace = { 0 };
	uint64_t now_ns = BEGAN_NS, plans_ns = 0;

	(void)state;
	while (now_ns < BEGAN_NS + NS_PER_S) {
		uint64_t left_ms = plan_pace_left_ms(&pace, now_ns);

		now_ns += left_ms * NS_PER_MS;
		assert_int_equal(plan_pace_left_ms(&pace, now_ns), 0);
		plan_pace_made(&pace, now_ns, now_ns + 2 * NS_PER_MS);
		now_ns += 2 * NS_PER_MS;
		plans_ns += 2 * NS_PER_MS;
	}
	assert_in_range(plans_ns, NS_PER_S / 10 - 2 * NS_PER_MS, NS_PER_S / 10 + 2 * NS_PER_MS);
}

/* No timer may end before its time and find that it has to wait again, for nothing. */
static void what_is_left_is_rounded_up(void **state)
{
	struct plan_pace pace = { 0 };

	(void)state;
	plan_pace_made(&pace, BEGAN_NS, BEGAN_NS + 1000);
	assert_int_equal(plan_pace_left_ms(&pace, BEGAN_NS + 1000), 1);
	assert_int_equal(plan_pace_left_ms(&pace, BEGAN_NS + 10 * 1000), 0);
}

static void a_change_never_waits_longer_than_the_longest_pause(void **state)
{
	struct plan_pace pace = { 0 };

	(void)state;
	plan_pace_made(&pace, BEGAN_NS, BEGAN_NS + 30 * NS_PER_S);
	assert_int_equal(plan_pace_left_ms(&pace, BEGAN_NS + 30 * NS_PER_S), PLAN_PACE_MAX_NS / NS_PER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_plan_and_one_after_a_pause_need_not_wait),
		cmocka_unit_test(plans_take_a_tenth_of_the_time_however_many_changes_there_are),
		cmocka_unit_test(what_is_left_is_rounded_up),
		cmocka_unit_test(a_change_never_waits_longer_than_the_longest_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
