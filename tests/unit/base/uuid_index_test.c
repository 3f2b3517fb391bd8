#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/random.h"
#include "base/uuid_index.h"

#define ROWS 1000u

struct row {
	uint32_t number;
	struct uuid key;
};

static struct row rows[ROWS];

static void rows_make(void)
{
	struct random random;

	random_init(&random, 7);
	for (uint32_t i = 0; i < ROWS; i++)
		rows[i] = (struct row){ .number = i, .key = uuid_random(&random) };
}

static struct uuid_index index_make(size_t count)
{
	struct uuid_index index;

	assert_int_equal(uuid_index_make(rows, count, sizeof(rows[0]), offsetof(struct row, key), &index), 0);
	return index;
}

static void each_row_is_found_by_its_uuid(void **state)
{
	struct uuid_index index;

	(void)state;
	rows_make();
	index = index_make(ROWS);
	for (uint32_t i = 0; i < ROWS; i++)
		assert_ptr_equal(uuid_index_find(&index, rows[i].key), &rows[i]);
	uuid_index_done(&index);
}

static void what_no_row_has_is_not_found(void **state)
{
	struct uuid_index index;

	(void)state;
	rows_make();
	index = index_make(ROWS / 2);
	for (uint32_t i = ROWS / 2; i < ROWS; i++)
		assert_null(uuid_index_find(&index, rows[i].key));
	uuid_index_done(&index);
	index = index_make(0);
	assert_null(uuid_index_find(&index, rows[0].key));
	uuid_index_done(&index);
}

static void of_rows_with_one_uuid_the_first_is_found(void **state)
{
	struct uuid_index index;

	(void)state;
	rows_make();
	for (uint32_t i = 100; i < ROWS; i += 100)
		rows[i].key = rows[50].key;
	index = index_make(ROWS);
	assert_ptr_equal(uuid_index_find(&index, rows[50].key), &rows[50]);
	uuid_index_done(&index);
}

static void one_that_was_never_made_has_nothing_and_ends_well(void **state)
{
	struct uuid_index index = { 0 };

	(void)state;
	rows_make();
	assert_null(uuid_index_find(&index, rows[0].key));
	uuid_index_done(&index);
	uuid_index_done(&index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_found_by_its_uuid),
		cmocka_unit_test(what_no_row_has_is_not_found),
		cmocka_unit_test(of_rows_with_one_uuid_the_first_is_found),
		cmocka_unit_test(one_that_was_never_made_has_nothing_and_ends_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
