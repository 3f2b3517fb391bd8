/* The queue of one connection: bounded, in order, cut anywhere, payloads released when they have left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/send_queue.h"

#define OUT_BYTES (16u << 20)

static struct buf_pool *pool;
static struct send_queue queue;
static uint8_t *expected, *got;
static size_t expected_bytes, got_bytes;
static struct random dice;

static int setup(void **state)
{
	(void)state;
	random_init(&dice, 3);
	expected = malloc(OUT_BYTES);
	got = malloc(OUT_BYTES);
	expected_bytes = got_bytes = 0;
	if (!expected || !got || buf_pool_new(UINT64_C(16) << 20, &pool) < 0)
		return -1;
	return send_queue_init(&queue);
}

static int teardown(void **state)
{
	(void)state;
	send_queue_done(&queue);
	assert_int_equal(buf_pool_used_bytes(pool), 0);
	buf_pool_free(pool);
	free(expected);
	free(got);
	return 0;
}

/* Pushes a frame with random content; where it is taken, its bytes are expected on the wire. */
static int push(uint32_t body_bytes, uint32_t payload_bytes)
{
	static uint8_t body[FRAME_MAX_BODY_BYTES];
	uint32_t crcs[ENTRY_MAX_BLOCKS];
	struct frame frame = { .type = 1, .body = body, .body_bytes = body_bytes, .crc = crcs };
	struct writer w = writer_init(expected + expected_bytes, OUT_BYTES - expected_bytes);
	uint8_t header[FRAME_HEADER_BYTES];
	int rc;

	random_bytes(&dice, body, body_bytes);
	random_bytes(&dice, crcs, sizeof(crcs));
	if (payload_bytes > 0) {
		frame.payload = buf_get(pool, payload_bytes);
		assert_non_null(frame.payload);
		frame.payload->len_bytes = payload_bytes;
		random_bytes(&dice, frame.payload->data, payload_bytes);
	}
	rc = send_queue_push(&queue, &frame);
	if (rc == 0) {
		frame_header_encode(&frame, header);
		write_bytes(&w, header, sizeof(header));
		write_bytes(&w, body, body_bytes);
		for (uint32_t i = 0; i < payload_bytes / BLOCK_BYTES; i++)
			write_u32(&w, crcs[i]);
		if (frame.payload)
			write_bytes(&w, frame.payload->data, payload_bytes);
		assert_false(w.failed);
		expected_bytes = OUT_BYTES - writer_left(&w);
	}
	buf_put(frame.payload);
	return rc;
}

/* Sends at most max_bytes of what is gathered, as a socket does. Returns the bytes. */
static size_t drain(unsigned max_pieces, size_t max_bytes)
{
	struct iovec iov[64];
	unsigned pieces = send_queue_gather(&queue, iov, max_pieces);
	size_t done = 0;

	assert_true(pieces <= max_pieces);
	for (unsigned i = 0; i < pieces && done < max_bytes; i++) {
		size_t n = iov[i].iov_len < max_bytes - done ? iov[i].iov_len : max_bytes - done;

		assert_true(got_bytes + n <= OUT_BYTES);
		memcpy(got + got_bytes, iov[i].iov_base, n);
		got_bytes += n;
		done += n;
	}
	send_queue_advance(&queue, done);
	return done;
}

static void frames_leave_in_order_however_they_are_cut(void **state)
{
	(void)state;
	for (unsigned step = 0; step < 3000 && expected_bytes < OUT_BYTES - (1u << 20); step++) {
		uint32_t body_bytes =
			(uint32_t)random_below(&dice, random_chance(&dice, 1, 50) ? 65537 : 200);
		uint32_t blocks = random_chance(&dice, 1, 2) ? 0 : (uint32_t)random_below(&dice, 5);

		(void)!push(body_bytes, blocks * BLOCK_BYTES);
		if (random_chance(&dice, 1, 2))
			drain(1 + (unsigned)random_below(&dice, 64), 1 + random_below(&dice, 20000));
	}
	while (queue.count > 0)
		drain(64, OUT_BYTES);
	assert_int_equal(got_bytes, expected_bytes);
	assert_memory_equal(got, expected, expected_bytes);
	assert_int_equal(queue.bytes, 0);
	assert_int_equal(queue.ring_used_bytes, 0);
}

static void payload_is_bounded(void **state)
{
	unsigned pushed = 0;

	(void)state;
	while (push(64, ENTRY_MAX_BYTES) == 0)
		pushed++;
	assert_int_equal(push(64, ENTRY_MAX_BYTES), -EAGAIN);
	assert_int_equal(pushed, (NET_QUEUE_BYTES - 1) / ENTRY_MAX_BYTES);
	assert_true(queue.bytes <= NET_QUEUE_BYTES);
	drain(2, OUT_BYTES);
	assert_int_equal(push(64, ENTRY_MAX_BYTES), 0);
}

static void small_frames_are_bounded(void **state)
{
	unsigned pushed = 0;

	(void)state;
	while (push(0, 0) == 0)
		pushed++;
	assert_int_equal(pushed, SEND_MAX_FRAMES);
}

static void large_bodies_are_bounded(void **state)
{
	unsigned pushed = 0;

	(void)state;
	while (push(FRAME_MAX_BODY_BYTES, 0) == 0)
		pushed++;
	assert_int_equal(pushed, 3);
}

static void the_largest_frame_fits_an_empty_queue_wherever_the_ring_stands(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(push(10000, 0), 0);
		while (queue.count > 0)
			drain(64, OUT_BYTES);
		assert_int_equal(push(FRAME_MAX_BODY_BYTES, ENTRY_MAX_BYTES), 0);
		while (queue.count > 0)
			drain(64, OUT_BYTES);
	}
	assert_memory_equal(got, expected, expected_bytes);
}

static void small_frames_leave_in_one_piece(void **state)
{
	struct iovec iov[64];

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(push(56, 0), 0);
	assert_int_equal(send_queue_gather(&queue, iov, 64), 1);
	assert_int_equal(iov[0].iov_len, 100 * (FRAME_HEADER_BYTES + 56));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_leave_in_order_however_they_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(payload_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(small_frames_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(large_bodies_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_largest_frame_fits_an_empty_queue_wherever_the_ring_stands, setup, teardown),
		cmocka_unit_test_setup_teardown(small_frames_leave_in_one_piece, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
