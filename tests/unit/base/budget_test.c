#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

#define BEGIN_NS (1000 * NS_PER_S)

/* What is spent in so many seconds by one who always wants more. */
static uint64_t spent(struct budget *budget, uint64_t amount, uint64_t seconds)
{
	uint64_t now_ns = BEGIN_NS, all = 0;

	while (now_ns < BEGIN_NS + seconds * NS_PER_S) {
		uint64_t later_ns = budget_later_ns(budget, now_ns);

		if (later_ns == 0) {
			budget_spend(budget, amount, now_ns);
			all += amount;
			continue;
		}
		assert_true(later_ns > now_ns);
		now_ns = later_ns;
	}
	return all;
}

static void no_more_than_its_rate_and_no_less(void **state)
{
	struct budget bytes = { .per_s = 1u << 20 };

	(void)state;
	/* Ten seconds' worth, what was saved before, and the last, which overdraws. */
	assert_in_range(spent(&bytes, 65536, 10), 10u << 20, (10u << 20) + (1u << 20) / 5 + 65536);
}

static void a_low_rate_loses_nothing(void **state)
{
	struct budget few = { .per_s = 3 };

	(void)state;
	assert_in_range(spent(&few, 1, 100), 300, 301);
}

static void after_a_rest_a_fifth_of_a_second(void **state)
{
	struct budget budget = { .per_s = 1000 };
	uint64_t now_ns = BEGIN_NS, count = 0;

	(void)state;
	budget_spend(&budget, 100000, now_ns);
	now_ns += 3600 * NS_PER_S;
	for (; budget_later_ns(&budget, now_ns) == 0; count++)
		budget_spend(&budget, 1, now_ns);
	assert_in_range(count, 200, 201);
}

static void without_a_limit(void **state)
{
	struct budget none = { 0 };

	(void)state;
	budget_spend(&none, 1u << 30, BEGIN_NS);
	assert_int_equal(budget_later_ns(&none, BEGIN_NS), 0);
	budget_spend(NULL, 1, BEGIN_NS);
	assert_int_equal(budget_later_ns(NULL, BEGIN_NS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_than_its_rate_and_no_less),
		cmocka_unit_test(a_low_rate_loses_nothing),
		cmocka_unit_test(after_a_rest_a_fifth_of_a_second),
		cmocka_unit_test(without_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
