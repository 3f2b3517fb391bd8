#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/size.h"

static void sizes_are_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = { { "10G", UINT64_C(10) << 30 }, { "10GiB", UINT64_C(10) << 30 }, { "512M", 512u << 20 },
		{ "512MiB", 512u << 20 }, { "64K", 65536 }, { "2T", UINT64_C(2) << 40 },
		{ "1tib", UINT64_C(1) << 40 }, { "3g", UINT64_C(3) << 30 }, { "0K", 0 },
		{ "16777215T", UINT64_C(16777215) << 40 } };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t bytes = 1;

		assert_int_equal(size_parse(good[i].text, &bytes, NULL), 0);
		assert_true(bytes == good[i].bytes);
	}
}

static void a_bare_number_is_refused_naming_both_readings(void **state)
{
	struct error error;
	uint64_t bytes = 77;

	(void)state;
	assert_int_equal(size_parse("10", &bytes, &error), -EINVAL);
	assert_non_null(strstr(error.text, "10 bytes"));
	assert_non_null(strstr(error.text, "10 GiB"));
	assert_non_null(strstr(error.text, "write 10G"));
	assert_int_equal(bytes, 77);
}

static void what_is_no_size_is_refused_and_quoted(void **state)
{
	static const char *const bad[] = { "", "G", "-1G", "+1G", " 1G", "1 G", "1.5G", "1GB", "1X", "1Gi",
		"1GiBs", "0x10G", "16777216T", "99999999999999999999G", "1G\n" };
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t bytes = 77;

		assert_int_equal(size_parse(bad[i], &bytes, &error), -EINVAL);
		assert_int_equal(bytes, 77);
		assert_non_null(strstr(error.text, bad[i]));
	}
}

static void sizes_are_written_with_at_most_one_digit_after_the_point(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = { { 0, "0 B" }, { 512, "512 B" }, { 1023, "1023 B" }, { 1024, "1 KiB" },
		{ 1536, "1.5 KiB" }, { UINT64_C(10) << 30, "10 GiB" },
		{ (UINT64_C(1) << 20) + (UINT64_C(1) << 19), "1.5 MiB" },
		{ (UINT64_C(1) << 20) - 1, "1 MiB" }, { UINT64_C(1) << 46, "64 TiB" },
		{ UINT64_MAX, "16 EiB" } };
	char text[SIZE_TEXT_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(size_format(cases[i].bytes, text), cases[i].text);
}

static void a_count_is_digits_alone(void **state)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "1k", "1000000000", "0x1", "none" };
	uint64_t count = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(count_parse(bad[i], &count), -EINVAL);
	assert_int_equal(count, 7);
	assert_int_equal(count_parse("999999999", &count), 0);
	assert_int_equal(count, 999999999);
	assert_int_equal(count_parse("0", &count), 0);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_count_is_digits_alone),
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(a_bare_number_is_refused_naming_both_readings),
		cmocka_unit_test(what_is_no_size_is_refused_and_quoted),
		cmocka_unit_test(sizes_are_written_with_at_most_one_digit_after_the_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
