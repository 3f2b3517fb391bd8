#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mutant.h"

static void every_mutant_is_found_by_its_name(void **state)
{
	(void)state;
	for (int i = MUTANT_NONE; i < MUTANT_COUNT; i++) {
		assert_int_equal(mutant_find(mutant_name((enum mutant)i)), i);
		assert_true(mutant_what((enum mutant)i)[0] != '\0');
	}
	assert_int_equal(mutant_find("no such mutant"), -1);
}

static void only_the_chosen_mutant_is_on(void **state)
{
	(void)state;
	assert_false(MUTANT(skip_crc));
	mutant_chosen = (enum mutant)mutant_find("skip_crc");
	assert_true(MUTANT(skip_crc));
	assert_false(MUTANT(ignore_epoch));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mutant_is_found_by_its_name),
		cmocka_unit_test(only_the_chosen_mutant_is_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
