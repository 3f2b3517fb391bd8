/* The export's format: what is written is read, in pieces of any size; what is damaged is refused, with the
 * byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "export/export.h"

#define BLOCK      4096u
#define DATA_BYTES (2 * BLOCK)
#define FIRST      (EXPORT_HEADER_BYTES)
#define SECOND     (FIRST + EXPORT_RECORD_BYTES + DATA_BYTES)
#define THIRD      (SECOND + EXPORT_RECORD_BYTES)
#define END        (THIRD + EXPORT_RECORD_BYTES + BLOCK)
#define FILE_BYTES (END + EXPORT_END_BYTES)

static uint8_t file[FILE_BYTES + 16], payload[EXPORT_DATA_MAX_BYTES], got[EXPORT_DATA_MAX_BYTES];

static struct export_header header_make(void)
{
	struct export_header header = { .size_bytes = 1u << 20,
		.created_ns = 1234567890,
		.volume = { .byte = { 1 } },
		.snapshot = { .byte = { 2 } },
		.since = { .byte = { 3 } },
		.fs = "xfs",
		.snapshot_name = "tuesday",
		.since_name = "monday" };

	memset(header.volume_name, 'v', NAME_MAX_LEN); /* as long as it may be: no zero ends it */
	return header;
}

/* Data at block 1, zeroes at block 8, data in the last block. */
static int file_make(void **state)
{
	struct export_header header = header_make();
	struct export_writer writer;

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 + i / 251);
	export_begin(&writer, &header, file);
	export_data(&writer, BLOCK, payload, DATA_BYTES, file + FIRST);
	memcpy(file + FIRST + EXPORT_RECORD_BYTES, payload, DATA_BYTES);
	export_zero(&writer, 8 * BLOCK, 16 * BLOCK, file + SECOND);
	export_data(&writer, header.size_bytes - BLOCK, payload, BLOCK, file + THIRD);
	memcpy(file + THIRD + EXPORT_RECORD_BYTES, payload, BLOCK);
	export_end(&writer, file + END);
	return 0;
}

/* Reads bytes[0 .. len) in pieces, to the error or the end; the number of events. */
static int read_all(const uint8_t *bytes, size_t len, size_t piece, enum export_event *events, int *ret_rc,
	struct export_reader *reader, struct error *error)
{
	int count = 0;

	export_reader_init(reader, got);
	for (size_t at = 0; at < len;) {
		size_t used = 0;
		enum export_event event = EXPORT_MORE;

		*ret_rc = export_read(
			reader, bytes + at, len - at < piece ? len - at : piece, &used, &event, error);
		if (*ret_rc)
			return count;
		assert_true(used > 0);
		at += used;
		if (event == EXPORT_DATA)
			assert_memory_equal(got, payload, reader->length_bytes);
		if (event != EXPORT_MORE && count < 8)
			events[count++] = event;
	}
	*ret_rc = export_read_end(reader, error);
	return count;
}

static void what_is_written_is_read_in_pieces_of_any_size(void **state)
{
	static const size_t pieces[] = { 1, 31, 32, 1000, 4096, FILE_BYTES };
	struct export_header header = header_make();

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct export_reader reader;
		enum export_event events[8];
		struct error error;
		int rc;

		assert_int_equal(read_all(file, FILE_BYTES, pieces[i], events, &rc, &reader, &error), 5);
		assert_int_equal(rc, 0);
		assert_int_equal(events[0], EXPORT_HEADER);
		assert_int_equal(events[1], EXPORT_DATA);
		assert_int_equal(events[2], EXPORT_ZERO);
		assert_int_equal(events[3], EXPORT_DATA);
		assert_int_equal(events[4], EXPORT_END);
		assert_memory_equal(&reader.header, &header, sizeof(header));
		assert_int_equal(reader.totals.records, 3);
		assert_int_equal(reader.totals.data_bytes, DATA_BYTES + BLOCK);
		assert_int_equal(reader.totals.zero_bytes, 16 * BLOCK);
		assert_int_equal(reader.at_bytes, FILE_BYTES);
	}
}

static void every_flipped_bit_is_refused(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < FILE_BYTES * 8; bit += bit / 8 < FIRST + 64 || bit / 8 > SECOND ? 1 : 61) {
		struct export_reader reader;
		enum export_event events[8];
		struct error error = { "" };
		int rc;

		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
		(void)read_all(file, FILE_BYTES, FILE_BYTES, events, &rc, &reader, &error);
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (rc == 0)
			print_error("bit %zu of byte %zu\n", bit % 8, bit / 8);
		assert_int_not_equal(rc, 0);
		assert_memory_equal(error.text, "byte ", 5);
	}
}

static void every_truncation_is_refused_and_tells_the_byte(void **state)
{
	(void)state;
	for (size_t len = 0; len < FILE_BYTES; len++) {
		struct export_reader reader;
		enum export_event events[8];
		struct error error = { "" };
		char where[32];
		int rc;

		(void)read_all(file, len, FILE_BYTES, events, &rc, &reader, &error);
		assert_int_equal(rc, len ? -EBADMSG : -EINVAL);
		snprintf(where, sizeof(where), "byte %zu:", len);
		assert_memory_equal(error.text, where, strlen(where));
	}
}

/* Sets a field of the head at `at` and makes its checksum right again. */
static void head_set(size_t at, size_t field, uint64_t value, size_t bytes)
{
	struct writer w = writer_init(file + at + field, bytes);

	if (bytes == 8)
		write_u64(&w, value);
	else
		write_u32(&w, (uint32_t)value);
	w = writer_init(file + at + 28, 4);
	write_u32(&w, crc32c(file + at, 28));
}

static void what_a_right_checksum_covers_must_make_sense_too(void **state)
{
	static const struct {
		size_t at, field, bytes;
		uint64_t value;
		size_t byte; /* that the words name */
		const char *words;
	} rows[] = {
		{ FIRST, 4, 4, 9, FIRST, "unknown kind" },
		{ FIRST, 8, 8, 100, FIRST, "outside of the volume" },
		{ FIRST, 8, 8, 1u << 20, FIRST, "outside of the volume" },
		{ FIRST, 8, 8, UINT64_MAX - BLOCK + 1, FIRST, "outside of the volume" },
		{ FIRST, 16, 8, 0, FIRST, "outside of the volume" },
		{ FIRST, 16, 8, UINT64_MAX - BLOCK + 1, FIRST, "outside of the volume" },
		{ SECOND, 8, 8, 2 * BLOCK, SECOND, "before those of the one before it" },
		{ SECOND, 16, 8, 1u << 20, SECOND, "outside of the volume" },
		{ SECOND, 24, 4, 7, SECOND, "payload's checksum" },
		{ END, 8, 8, 0, END, "the end's record" },
		{ END, 16, 8, 64, END, "the end's record" },
		/* Right by themselves, and not what the end counts. */
		{ SECOND, 16, 8, 15 * BLOCK, END + EXPORT_RECORD_BYTES, "not those that the end counts" },
		{ SECOND, 8, 8, 9 * BLOCK, END + EXPORT_RECORD_BYTES, "not those that the end counts" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct export_reader reader;
		enum export_event events[8];
		struct error error = { "" };
		char where[32];
		int rc;

		(void)file_make(state);
		head_set(rows[i].at, rows[i].field, rows[i].value, rows[i].bytes);
		(void)read_all(file, FILE_BYTES, FILE_BYTES, events, &rc, &reader, &error);
		assert_int_equal(rc, -EBADMSG);
		snprintf(where, sizeof(where), "byte %zu:", rows[i].byte);
		if (strncmp(error.text, where, strlen(where)) != 0 || !strstr(error.text, rows[i].words))
			fail_msg("row %zu: %s", i, error.text);
	}
	(void)file_make(state);
}

static void data_longer_than_a_buffer_is_refused(void **state)
{
	struct export_header header = header_make();
	struct export_reader reader;
	struct export_writer writer;
	enum export_event events[8];
	struct error error = { "" };
	int rc;

	header.size_bytes = 1u << 30;
	export_begin(&writer, &header, file);
	head_set(FIRST, 16, EXPORT_DATA_MAX_BYTES + BLOCK, 8);
	(void)read_all(file, FILE_BYTES, FILE_BYTES, events, &rc, &reader, &error);
	assert_int_equal(rc, -EBADMSG);
	assert_non_null(strstr(error.text, "longer than it may be"));
	(void)file_make(state);
}

static void another_version_other_files_and_a_tail_are_told_apart(void **state)
{
	struct export_reader reader;
	enum export_event events[8];
	struct error error = { "" };
	int rc;

	(void)state;
	file[8] = 2;
	(void)read_all(file, FILE_BYTES, FILE_BYTES, events, &rc, &reader, &error);
	assert_int_equal(rc, -EPROTONOSUPPORT);
	assert_non_null(strstr(error.text, "version 2"));
	file[8] = 1;
	(void)read_all((const uint8_t *)"#!/bin/sh\n", 10, 10, events, &rc, &reader, &error);
	assert_int_equal(rc, -EINVAL);
	assert_non_null(strstr(error.text, "no export of a Quoin volume"));
	(void)read_all(payload, 5000, 5000, events, &rc, &reader, &error);
	assert_int_equal(rc, -EINVAL);
	assert_int_equal(read_all(file, FILE_BYTES + 1, FILE_BYTES + 1, events, &rc, &reader, &error), 5);
	assert_int_equal(rc, -EBADMSG);
	assert_non_null(strstr(error.text, "behind the end"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_in_pieces_of_any_size),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(every_truncation_is_refused_and_tells_the_byte),
		cmocka_unit_test(what_a_right_checksum_covers_must_make_sense_too),
		cmocka_unit_test(data_longer_than_a_buffer_is_refused),
		cmocka_unit_test(another_version_other_files_and_a_tail_are_told_apart),
	};

	return cmocka_run_group_tests(tests, file_make, NULL);
}
