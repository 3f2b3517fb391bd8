/*
 * The header of a frame: what goes in comes out; whatever is damaged or too large is refused with its reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "net/frame.h"

static struct buf payload = { .cap_bytes = 2 * BLOCK_BYTES, .len_bytes = 2 * BLOCK_BYTES };
static const uint32_t crcs[2] = { 0x11223344, 0x55667788 };
static const struct frame sample = {
	.type = 7,
	.target = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
	.body = (const uint8_t *)"body",
	.body_bytes = 4,
	.crc = crcs,
	.payload = &payload,
};

static void put_u32(uint8_t *bytes, uint32_t at, uint32_t v)
{
	struct writer w = writer_init(bytes + at, 4);

	write_u32(&w, v);
}

/* Makes the header's checksum right again, so that what was changed is what is found. */
static void reseal(uint8_t *bytes)
{
	put_u32(bytes, 32, crc32c(bytes, 32));
}

static void expect_refused(const uint8_t *bytes, int rc, enum net_fault fault, const char *word)
{
	struct frame_header header;
	enum net_fault got = NET_FAULT_NONE;
	struct error error = { "" };

	assert_int_equal(frame_header_check(bytes, &header, &got, &error), rc);
	assert_int_equal(got, fault);
	assert_non_null(strstr(error.text, word));
}

static void a_header_comes_back_as_it_was(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES];
	struct frame_header header;
	uint8_t covered[12] = { 'b', 'o', 'd', 'y', 0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55 };

	(void)state;
	frame_header_encode(&sample, bytes);
	assert_int_equal(frame_header_decode(bytes, &header, NULL), 0);
	assert_int_equal(header.type, 7);
	assert_true(uuid_equal(header.target, sample.target));
	assert_int_equal(header.body_bytes, 4);
	assert_int_equal(header.payload_bytes, 2 * BLOCK_BYTES);
	assert_int_equal(header.body_crc, crc32c(covered, sizeof(covered)));
}

static void the_layout_is_the_documented_one(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES];

	(void)state;
	frame_header_encode(&sample, bytes);
	assert_memory_equal(bytes, "QonW\x01\x00\x07\x00", 8);
	assert_memory_equal(bytes + 8, sample.target.byte, 16);
	assert_memory_equal(bytes + 24, "\x04\x00\x00\x00\x00\x20\x00\x00", 8);
	assert_memory_equal(bytes + 40, "\0\0\0\0\0\0\0\0", 8);
}

static void every_flipped_bit_is_refused_but_of_the_bodys_checksum(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES];
	struct frame_header header;

	(void)state;
	for (unsigned bit = 0; bit < FRAME_HEADER_BYTES * 8; bit++) {
		frame_header_encode(&sample, bytes);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (bit / 8 >= 36 && bit / 8 < 40)
			continue; /* found when the body is there */
		assert_true(frame_header_decode(bytes, &header, NULL) < 0);
	}
}

static void each_fault_has_its_reason(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES];

	(void)state;
	frame_header_encode(&sample, bytes);
	bytes[0] = 'X';
	expect_refused(bytes, -EPROTO, NET_FAULT_MAGIC, "magic");
	frame_header_encode(&sample, bytes);
	bytes[4] = 2;
	reseal(bytes);
	expect_refused(bytes, -EPROTO, NET_FAULT_VERSION, "version 2");
	frame_header_encode(&sample, bytes);
	bytes[24] ^= 1;
	expect_refused(bytes, -EPROTO, NET_FAULT_CRC, "checksum");
	frame_header_encode(&sample, bytes);
	bytes[47] = 1;
	expect_refused(bytes, -EPROTO, NET_FAULT_CRC, "reserved");
}

static void lengths_are_capped(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES];
	struct frame_header header;

	(void)state;
	frame_header_encode(&sample, bytes);
	put_u32(bytes, 24, UINT32_MAX);
	reseal(bytes);
	expect_refused(bytes, -EMSGSIZE, NET_FAULT_SIZE, "4294967295");
	frame_header_encode(&sample, bytes);
	put_u32(bytes, 28, 0xfffff000u);
	reseal(bytes);
	expect_refused(bytes, -EMSGSIZE, NET_FAULT_SIZE, "4294963200");
	frame_header_encode(&sample, bytes);
	put_u32(bytes, 24, FRAME_MAX_BODY_BYTES + 1);
	reseal(bytes);
	expect_refused(bytes, -EMSGSIZE, NET_FAULT_SIZE, "65537");
	frame_header_encode(&sample, bytes);
	put_u32(bytes, 28, FRAME_MAX_PAYLOAD_BYTES + BLOCK_BYTES);
	reseal(bytes);
	expect_refused(bytes, -EMSGSIZE, NET_FAULT_SIZE, "payload");
	frame_header_encode(&sample, bytes);
	put_u32(bytes, 28, 4097);
	reseal(bytes);
	expect_refused(bytes, -EPROTO, NET_FAULT_SIZE, "whole blocks");
	frame_header_encode(&sample, bytes);
	put_u32(bytes, 24, FRAME_MAX_BODY_BYTES);
	put_u32(bytes, 28, FRAME_MAX_PAYLOAD_BYTES);
	reseal(bytes);
	assert_int_equal(frame_header_decode(bytes, &header, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_comes_back_as_it_was),
		cmocka_unit_test(the_layout_is_the_documented_one),
		cmocka_unit_test(every_flipped_bit_is_refused_but_of_the_bodys_checksum),
		cmocka_unit_test(each_fault_has_its_reason),
		cmocka_unit_test(lengths_are_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
