#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"

static void numbers_are_little_endian(void **state)
{
	static const uint8_t expected[] = { 0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0xf4, 0x0f, 0x0e, 0x0d, 0x0c,
		0x0b, 0x0a, 0x09, 0xf8 };
	uint8_t bytes[sizeof(expected)];
	struct writer w = writer_init(bytes, sizeof(bytes));
	struct reader r = reader_init(bytes, sizeof(bytes));

	(void)state;
	write_u8(&w, 0x01);
	write_u16(&w, 0x0203);
	write_u32(&w, 0xf4050607);
	write_u64(&w, UINT64_C(0xf8090a0b0c0d0e0f));
	assert_false(w.failed);
	assert_int_equal(writer_left(&w), 0);
	assert_memory_equal(bytes, expected, sizeof(expected));

	assert_int_equal(read_u8(&r), 0x01);
	assert_int_equal(read_u16(&r), 0x0203);
	assert_int_equal(read_u32(&r), 0xf4050607);
	assert_true(read_u64(&r) == UINT64_C(0xf8090a0b0c0d0e0f));
	assert_false(r.failed);
	assert_int_equal(reader_left(&r), 0);
}

static void a_reader_that_ran_out_stays_failed_and_reads_zero(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5 };
	struct reader r = reader_init(bytes, sizeof(bytes));
	uint8_t out[4] = { 9, 9, 9, 9 };

	(void)state;
	assert_int_equal(read_u8(&r), 1);
	assert_true(read_u64(&r) == 0);
	assert_true(r.failed);
	/* There are four bytes left, but what follows a failure can't be trusted. */
	assert_int_equal(read_u8(&r), 0);
	assert_int_equal(reader_left(&r), 0);
	read_bytes(&r, out, sizeof(out));
	for (size_t i = 0; i < sizeof(out); i++)
		assert_int_equal(out[i], 0);
	assert_false(read_zeroes(&r, 0));
}

static void a_writer_that_ran_out_writes_nothing_more(void **state)
{
	uint8_t bytes[4] = { 9, 9, 9, 9 };
	struct writer w = writer_init(bytes, 3);

	(void)state;
	write_u16(&w, 0);
	write_u32(&w, 0x01020304);
	assert_true(w.failed);
	write_u8(&w, 1);
	assert_int_equal(bytes[2], 9);
	assert_int_equal(bytes[3], 9);
	assert_int_equal(writer_left(&w), 0);
}

static void reserved_bytes_that_are_not_zero_are_told(void **state)
{
	uint8_t bytes[8] = { 0 };
	struct reader r = reader_init(bytes, sizeof(bytes));

	(void)state;
	assert_true(read_zeroes(&r, 4));
	bytes[6] = 1;
	assert_false(read_zeroes(&r, 4));
	assert_false(r.failed);
	assert_false(read_zeroes(&r, 1));
	assert_true(r.failed);
}

static void bytes_and_uuids_come_back_as_they_were(void **state)
{
	struct uuid uuid = { .byte = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
	uint8_t bytes[24];
	char text[4];
	struct writer w = writer_init(bytes, sizeof(bytes));
	struct reader r = reader_init(bytes, sizeof(bytes));

	(void)state;
	write_bytes(&w, "abc", 4);
	write_uuid(&w, uuid);
	write_zeroes(&w, 4);
	assert_false(w.failed);
	read_bytes(&r, text, sizeof(text));
	assert_string_equal(text, "abc");
	assert_true(uuid_equal(read_uuid(&r), uuid));
	assert_true(read_zeroes(&r, 4));
}

static void no_bytes_at_all_are_no_failure_until_one_is_read(void **state)
{
	struct reader r = reader_init(NULL, 0);
	struct writer w = writer_init(NULL, 0);

	(void)state;
	assert_int_equal(reader_left(&r), 0);
	assert_true(read_zeroes(&r, 0));
	assert_false(r.failed);
	assert_int_equal(read_u8(&r), 0);
	assert_true(r.failed);
	write_bytes(&w, NULL, 0);
	assert_false(w.failed);
	write_u8(&w, 1);
	assert_true(w.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_little_endian),
		cmocka_unit_test(a_reader_that_ran_out_stays_failed_and_reads_zero),
		cmocka_unit_test(a_writer_that_ran_out_writes_nothing_more),
		cmocka_unit_test(reserved_bytes_that_are_not_zero_are_told),
		cmocka_unit_test(bytes_and_uuids_come_back_as_they_were),
		cmocka_unit_test(no_bytes_at_all_are_no_failure_until_one_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
