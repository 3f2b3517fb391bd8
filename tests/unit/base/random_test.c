#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/random.h"

static void the_sequence_is_that_of_the_published_algorithm(void **state)
{
	/* Of the state 1, 2, 3, 4: values of the authors' reference code. */
	struct random r = { { 1, 2, 3, 4 } };

	(void)state;
	assert_true(random_u64(&r) == 11520);
	assert_true(random_u64(&r) == 0);
	assert_true(random_u64(&r) == 1509978240);
	assert_true(random_u64(&r) == UINT64_C(1215971899390074240));
}

static void the_same_seed_gives_the_same_sequence_and_another_a_different_one(void **state)
{
	struct random a, b, c;
	int same = 0;

	(void)state;
	random_init(&a, 42);
	random_init(&b, 42);
	random_init(&c, 43);
	for (int i = 0; i < 100; i++) {
		uint64_t v = random_u64(&a);

		assert_true(v == random_u64(&b));
		same += v == random_u64(&c);
	}
	assert_int_equal(same, 0);
}

static void numbers_below_a_bound_are_spread_evenly(void **state)
{
	struct random r;
	unsigned counts[7] = { 0 };

	(void)state;
	random_init(&r, 7);
	for (int i = 0; i < 70000; i++)
		counts[random_below(&r, 7)]++;
	for (int i = 0; i < 7; i++)
		assert_in_range(counts[i], 9500, 10500);
	for (int i = 0; i < 100; i++)
		assert_int_equal(random_below(&r, 1), 0);
	/* Three quarters of 2^64: a plain remainder would prefer the lower third. */
	for (int i = 0; i < 100; i++)
		assert_true(random_below(&r, UINT64_C(3) << 62) < UINT64_C(3) << 62);
}

static void a_chance_comes_true_as_often_as_it_says(void **state)
{
	struct random r;
	int hits = 0;

	(void)state;
	random_init(&r, 9);
	for (int i = 0; i < 10000; i++)
		hits += random_chance(&r, 1, 4);
	assert_in_range(hits, 2300, 2700);
	assert_false(random_chance(&r, 0, 5));
	assert_true(random_chance(&r, 5, 5));
}

static void bytes_fill_just_the_length_asked_for(void **state)
{
	struct random r;
	uint8_t bytes[20];

	(void)state;
	random_init(&r, 11);
	memset(bytes, 0, sizeof(bytes));
	random_bytes(&r, bytes, 13);
	for (size_t i = 13; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0);
}

static void the_system_seeds_two_generators_differently(void **state)
{
	struct random a, b;

	(void)state;
	random_init_system(&a);
	random_init_system(&b);
	assert_memory_not_equal(&a, &b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sequence_is_that_of_the_published_algorithm),
		cmocka_unit_test(the_same_seed_gives_the_same_sequence_and_another_a_different_one),
		cmocka_unit_test(numbers_below_a_bound_are_spread_evenly),
		cmocka_unit_test(a_chance_comes_true_as_often_as_it_says),
		cmocka_unit_test(bytes_fill_just_the_length_asked_for),
		cmocka_unit_test(the_system_seeds_two_generators_differently),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
