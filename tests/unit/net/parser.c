/* Frames out of a stream of bytes, however it is cut; and what a damaged stream gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/frame_parser.h"

#define POOL_BYTES   (UINT64_C(4) << 20)
#define STREAM_BYTES (8u << 20)
#define MAX_FRAMES   4096u

static struct buf_pool *pool;
static struct frame_parser parser;
static uint8_t *stream; /* what the peer sends */
static size_t stream_bytes;
static struct random dice;

/* What was written, to be compared with what comes out. */
static struct sent {
	uint32_t body_bytes, payload_bytes;
	uint8_t fill;
} sent[MAX_FRAMES];
static unsigned sent_count, got_count;

static int setup(void **state)
{
	(void)state;
	random_init(&dice, 5);
	stream = malloc(STREAM_BYTES);
	stream_bytes = 0;
	sent_count = got_count = 0;
	if (!stream || buf_pool_new(POOL_BYTES, &pool) < 0)
		return -1;
	return frame_parser_init(&parser, pool);
}

static int teardown(void **state)
{
	(void)state;
	frame_parser_done(&parser);
	assert_int_equal(buf_pool_used_bytes(pool), 0);
	buf_pool_free(pool);
	free(stream);
	return 0;
}

/* Appends one frame to the stream as the layout says, by hand. */
static void put_frame(uint32_t body_bytes, uint32_t payload_bytes, uint8_t fill)
{
	static uint8_t body[FRAME_MAX_BODY_BYTES], data[FRAME_MAX_PAYLOAD_BYTES];
	uint32_t crcs[ENTRY_MAX_BLOCKS], blocks = payload_bytes / BLOCK_BYTES;
	struct buf buf = { .data = data, .cap_bytes = sizeof(data), .len_bytes = payload_bytes };
	struct frame frame = { .type = fill,
		.body = body,
		.body_bytes = body_bytes,
		.crc = crcs,
		.payload = payload_bytes ? &buf : NULL };
	uint8_t header[FRAME_HEADER_BYTES];
	struct writer w = writer_init(stream + stream_bytes, STREAM_BYTES - stream_bytes);

	memset(body, fill, body_bytes);
	memset(data, fill ^ 0xff, payload_bytes);
	for (uint32_t i = 0; i < blocks; i++)
		crcs[i] = (uint32_t)fill << 16 | i;
	frame_header_encode(&frame, header);
	write_bytes(&w, header, sizeof(header));
	write_bytes(&w, body, body_bytes);
	for (uint32_t i = 0; i < blocks; i++)
		write_u32(&w, crcs[i]);
	write_bytes(&w, data, payload_bytes);
	assert_false(w.failed);
	stream_bytes = STREAM_BYTES - writer_left(&w);
	assert_true(sent_count < MAX_FRAMES);
	sent[sent_count++] = (struct sent){ body_bytes, payload_bytes, fill };
}

static void expect_frame(const struct frame *frame)
{
	const struct sent *s = &sent[got_count];

	assert_true(got_count < sent_count);
	assert_int_equal(frame->type, s->fill);
	assert_int_equal(frame->body_bytes, s->body_bytes);
	for (uint32_t i = 0; i < s->body_bytes; i++)
		assert_int_equal(frame->body[i], s->fill);
	assert_int_equal(frame->payload != NULL, s->payload_bytes > 0);
	if (frame->payload) {
		assert_int_equal(frame->payload->len_bytes, s->payload_bytes);
		assert_int_equal((uintptr_t)frame->payload->data % BLOCK_BYTES, 0);
		for (uint32_t i = 0; i < s->payload_bytes; i++)
			assert_int_equal(frame->payload->data[i], s->fill ^ 0xff);
		for (uint32_t i = 0; i < s->payload_bytes / BLOCK_BYTES; i++)
			assert_int_equal(frame->crc[i], (uint32_t)s->fill << 16 | i);
	}
	got_count++;
}

/* Puts bytes where the parser wants them, as a socket does. Returns how many fitted. */
static size_t feed(const uint8_t *bytes, size_t count)
{
	struct iovec iov[2];
	unsigned pieces = frame_parser_space(&parser, iov);
	size_t done = 0;

	for (unsigned i = 0; i < pieces && done < count; i++) {
		size_t n = count - done < iov[i].iov_len ? count - done : iov[i].iov_len;

		memcpy(iov[i].iov_base, bytes + done, n);
		done += n;
	}
	frame_parser_fill(&parser, done);
	return done;
}

/* Feeds the whole stream in pieces of 1 .. max_piece bytes; returns how it ended. */
static int feed_all(size_t max_piece, struct error *error)
{
	struct frame frame;
	size_t at = 0;
	int rc = 0;

	while (rc >= 0 && at < stream_bytes) {
		size_t piece = 1 + random_below(&dice, max_piece);

		if (piece > stream_bytes - at)
			piece = stream_bytes - at;
		at += feed(stream + at, piece);
		while ((rc = frame_parser_next(&parser, &frame, error)) == 1)
			expect_frame(&frame);
	}
	return rc;
}

static void put_many_sizes(void)
{
	static const uint32_t bodies[] = { 0, 1, 56, 64, 1000, FRAME_MAX_BODY_BYTES };
	static const uint32_t blocks[] = { 0, 1, 2, 16, 64 };
	uint8_t fill = 1;

	for (size_t b = 0; b < sizeof(bodies) / sizeof(bodies[0]); b++)
		for (size_t p = 0; p < sizeof(blocks) / sizeof(blocks[0]); p++)
			put_frame(bodies[b], blocks[p] * BLOCK_BYTES, fill++);
}

static void frames_of_all_sizes_come_out_whole(void **state)
{
	(void)state;
	put_many_sizes();
	assert_int_equal(feed_all(1u << 20, NULL), 0);
	assert_int_equal(got_count, sent_count);
}

static void frames_survive_any_fragmentation(void **state)
{
	static const size_t pieces[] = { 1000, 5000, 70000, 200000 };

	(void)state;
	put_many_sizes();
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		got_count = 0;
		assert_int_equal(feed_all(pieces[i], NULL), 0);
		assert_int_equal(got_count, sent_count);
	}
}

/* What of the next payload comes into the stream is copied; so behind a large one it takes little. */
static void behind_a_large_payload_the_stream_takes_little(void **state)
{
	struct frame frame;
	struct error error;
	struct iovec iov[2];
	size_t at = 0;

	(void)state;
	assert_int_equal(frame_parser_space(&parser, iov), 1);
	assert_int_equal(iov[0].iov_len, FRAME_STREAM_BYTES);
	put_frame(64, FRAME_LARGE_BYTES, 1);
	put_frame(64, BLOCK_BYTES, 2);
	at += feed(stream, FRAME_HEADER_BYTES + 1024);
	assert_int_equal(frame_parser_next(&parser, &frame, &error), 0);
	assert_int_equal(frame_parser_space(&parser, iov), 2);
	assert_true(iov[0].iov_len > FRAME_LARGE_BYTES - 1024);
	assert_int_equal(iov[1].iov_len, FRAME_AHEAD_BYTES);
	at += feed(stream + at, stream_bytes - at);
	assert_int_equal(frame_parser_next(&parser, &frame, &error), 1);
	expect_frame(&frame);
	/* The small one behind it lifts that. */
	while (frame_parser_next(&parser, &frame, &error) == 0)
		at += feed(stream + at, stream_bytes - at);
	expect_frame(&frame);
	assert_int_equal(at, stream_bytes);
	assert_int_equal(frame_parser_space(&parser, iov), 1);
	assert_int_equal(iov[0].iov_len, FRAME_STREAM_BYTES);
}

static void a_frame_fed_byte_by_byte_comes_out(void **state)
{
	(void)state;
	put_frame(70, BLOCK_BYTES, 9);
	put_frame(70, 0, 10);
	assert_int_equal(feed_all(1, NULL), 0);
	assert_int_equal(got_count, 2);
}

static void many_small_frames_in_one_piece_all_come_out(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		put_frame(56, i % 7 == 0 ? BLOCK_BYTES : 0, (uint8_t)i);
	assert_int_equal(feed_all(STREAM_BYTES, NULL), 0);
	assert_int_equal(got_count, 2000);
}

static void an_empty_pool_makes_it_wait_and_go_on(void **state)
{
	struct buf *held[POOL_BYTES / ENTRY_MAX_BYTES];
	struct frame frame;
	unsigned count = 0;

	(void)state;
	while (count < POOL_BYTES / ENTRY_MAX_BYTES && (held[count] = buf_get(pool, ENTRY_MAX_BYTES)))
		count++;
	assert_null(buf_get(pool, BLOCK_BYTES));
	put_frame(64, BLOCK_BYTES, 1);
	put_frame(64, 0, 2);
	assert_int_equal(feed(stream, stream_bytes), stream_bytes);
	for (int i = 0; i < 3; i++)
		assert_int_equal(frame_parser_next(&parser, &frame, NULL), -EAGAIN);
	while (count > 0)
		buf_put(held[--count]);
	assert_int_equal(frame_parser_next(&parser, &frame, NULL), 1);
	expect_frame(&frame);
	assert_int_equal(frame_parser_next(&parser, &frame, NULL), 1);
	expect_frame(&frame);
	assert_int_equal(frame_parser_next(&parser, &frame, NULL), 0);
}

static void a_kept_reference_outlives_the_frame(void **state)
{
	struct frame frame;
	struct buf *kept;

	(void)state;
	put_frame(64, BLOCK_BYTES, 3);
	assert_int_equal(feed(stream, stream_bytes), stream_bytes);
	assert_int_equal(frame_parser_next(&parser, &frame, NULL), 1);
	kept = buf_ref(frame.payload);
	assert_int_equal(frame_parser_next(&parser, &frame, NULL), 0);
	assert_int_equal(kept->data[4095], 3 ^ 0xff);
	buf_put(kept);
	assert_int_equal(buf_pool_used_bytes(pool), 0);
}

static void expect_lost(size_t flip_at, enum net_fault fault)
{
	struct error error = { "" };

	put_frame(64, BLOCK_BYTES, 1);
	put_frame(64, BLOCK_BYTES, 2);
	stream[stream_bytes / 2 + flip_at] ^= 0x40;
	assert_int_equal(feed_all(500, &error), -EPROTO);
	assert_int_equal(got_count, 1);
	assert_int_equal(parser.fault, fault);
	assert_true(strlen(error.text) > 0);
}

static void a_damaged_header_loses_the_stream(void **state)
{
	(void)state;
	expect_lost(9, NET_FAULT_CRC);
}

static void a_damaged_body_loses_the_stream(void **state)
{
	(void)state;
	expect_lost(FRAME_HEADER_BYTES + 63, NET_FAULT_CRC);
}

static void a_damaged_list_of_checksums_loses_the_stream(void **state)
{
	(void)state;
	expect_lost(FRAME_HEADER_BYTES + 64, NET_FAULT_CRC);
}

static void a_length_of_4_gib_takes_no_buffer(void **state)
{
	struct error error;
	struct writer w;

	(void)state;
	put_frame(64, BLOCK_BYTES, 1);
	w = writer_init(stream + 28, 4);
	write_u32(&w, 0xfffff000u);
	w = writer_init(stream + 32, 4);
	write_u32(&w, crc32c(stream, 32));
	assert_int_equal(feed_all(stream_bytes, &error), -EMSGSIZE);
	assert_int_equal(parser.fault, NET_FAULT_SIZE);
	assert_int_equal(buf_pool_used_bytes(pool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_of_all_sizes_come_out_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(frames_survive_any_fragmentation, setup, teardown),
		cmocka_unit_test_setup_teardown(a_frame_fed_byte_by_byte_comes_out, setup, teardown),
		cmocka_unit_test_setup_teardown(
			behind_a_large_payload_the_stream_takes_little, setup, teardown),
		cmocka_unit_test_setup_teardown(many_small_frames_in_one_piece_all_come_out, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_pool_makes_it_wait_and_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_kept_reference_outlives_the_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(a_damaged_header_loses_the_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(a_damaged_body_loses_the_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_damaged_list_of_checksums_loses_the_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(a_length_of_4_gib_takes_no_buffer, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
