#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "base/uuid.h"

static void text_form_and_bytes_are_the_same_uuid(void **state)
{
	struct uuid uuid = { .byte = { 0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x42, 0xd3, 0xa4, 0x56, 0x42, 0x66,
				     0x14, 0x17, 0x40, 0x00 } };
	struct uuid parsed;
	char text[UUID_TEXT_LEN + 1];

	(void)state;
	assert_string_equal(uuid_format(uuid, text), "123e4567-e89b-42d3-a456-426614174000");
	assert_int_equal(uuid_parse(text, &parsed), 0);
	assert_true(uuid_equal(parsed, uuid));
	assert_int_equal(uuid_parse("123E4567-E89B-42D3-A456-426614174000", &parsed), 0);
	assert_true(uuid_equal(parsed, uuid));
}

static void text_that_is_not_exactly_one_uuid_is_refused(void **state)
{
	static const char *const bad[] = { "", "123e4567", "123e4567-e89b-42d3-a456-42661417400",
		"123e4567-e89b-42d3-a456-4266141740000", "123e4567-e89b-42d3-a456-42661417400g",
		"123e4567ae89b-42d3-a456-426614174000", "{123e4567-e89b-42d3-a456-42661417400}" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct uuid uuid = { .byte = { 1 } };

		assert_int_equal(uuid_parse(bad[i], &uuid), -EINVAL);
		assert_int_equal(uuid.byte[0], 1);
	}
}

static void random_uuids_are_version_4_and_differ(void **state)
{
	struct random random;
	struct uuid a, b;

	(void)state;
	random_init(&random, 5);
	a = uuid_random(&random);
	b = uuid_random(&random);
	assert_int_equal(a.byte[6] >> 4, 4);
	assert_int_equal(a.byte[8] >> 6, 2);
	assert_false(uuid_equal(a, b));
	assert_true(uuid_hash(a) != uuid_hash(b));
	assert_true(uuid_compare(a, b) == -uuid_compare(b, a) || uuid_compare(a, b) * uuid_compare(b, a) < 0);
	assert_false(uuid_is_none(a));
	assert_true(uuid_is_none((struct uuid){ 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_form_and_bytes_are_the_same_uuid),
		cmocka_unit_test(text_that_is_not_exactly_one_uuid_is_refused),
		cmocka_unit_test(random_uuids_are_version_4_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
