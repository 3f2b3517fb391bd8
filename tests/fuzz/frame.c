/*
 * Frames out of a stream. The first byte says how the rest is cut into pieces, and (odd) that checksums are
 * made right first, so that what lies behind them is reached too; the pool is small, so that it runs empty.
 * What comes out must be within the limits, its checksums right, and nothing may be left in the pool.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/frame_parser.h"

#define POOL_BYTES (UINT64_C(4) << 20)
#define KEEP_MAX   16u

static struct buf_pool *pool;

static void check_frame(const struct frame *frame)
{
	uint64_t sum = 0;

	ASSERT(frame->body_bytes <= FRAME_MAX_BODY_BYTES);
	for (uint32_t i = 0; i < frame->body_bytes; i++)
		sum += frame->body[i];
	if (frame->payload) {
		ASSERT(frame->payload->len_bytes > 0 && frame->payload->len_bytes <= FRAME_MAX_PAYLOAD_BYTES);
		ASSERT(frame->payload->len_bytes % BLOCK_BYTES == 0);
		ASSERT(frame->payload->len_bytes <= frame->payload->cap_bytes);
		for (uint32_t i = 0; i < frame->payload->len_bytes; i += BLOCK_BYTES)
			sum += frame->payload->data[i] + frame->crc[i / BLOCK_BYTES];
	}
	ASSERT(sum != UINT64_MAX); /* so that all was read */
}

/* Copies what fits into the space that the parser offers. */
static size_t feed(struct frame_parser *parser, const uint8_t *data, size_t size)
{
	struct iovec iov[2];
	unsigned pieces = frame_parser_space(parser, iov);
	size_t done = 0;

	for (unsigned i = 0; i < pieces && done < size; i++) {
		size_t n = size - done < iov[i].iov_len ? size - done : iov[i].iov_len;

		memcpy(iov[i].iov_base, data + done, n);
		done += n;
	}
	frame_parser_fill(parser, done);
	return done;
}

static void put_u32(uint8_t *at, uint32_t v)
{
	struct writer w = writer_init(at, sizeof(v));

	write_u32(&w, v);
}

/* Makes the checksums of as many whole frames right as there are. */
static void seal(uint8_t *bytes, size_t size)
{
	while (size >= FRAME_HEADER_BYTES) {
		struct reader r = reader_init(bytes + 24, 8);
		uint64_t body_bytes = read_u32(&r), payload_bytes = read_u32(&r);

		body_bytes += payload_bytes / BLOCK_BYTES * sizeof(uint32_t);
		put_u32(bytes + 32, crc32c(bytes, 32));
		if (FRAME_HEADER_BYTES + body_bytes + payload_bytes > size)
			return;
		put_u32(bytes + 36, crc32c(bytes + FRAME_HEADER_BYTES, body_bytes));
		bytes += FRAME_HEADER_BYTES + body_bytes + payload_bytes;
		size -= FRAME_HEADER_BYTES + body_bytes + payload_bytes;
	}
}

static void parse(const uint8_t *data, size_t size)
{
	struct buf *kept[KEEP_MAX];
	struct frame_parser parser;
	struct frame frame;
	struct error error;
	unsigned keep = 0;
	size_t at = 1, piece;
	int rc = 0;

	ASSERT(frame_parser_init(&parser, pool) == 0);
	piece = data[0] < 128 ? 1u + data[0] : ((size_t)data[0] - 127) * 4096;
	while (rc >= 0 && at < size) {
		at += feed(&parser, data + at, size - at < piece ? size - at : piece);
		while ((rc = frame_parser_next(&parser, &frame, &error)) == 1 || rc == -EAGAIN) {
			if (rc == 1) {
				check_frame(&frame);
				if (frame.payload && keep < KEEP_MAX)
					kept[keep++] = buf_ref(frame.payload);
			} else {
				ASSERT(keep > 0);
				while (keep > 0)
					buf_put(kept[--keep]);
			}
		}
	}
	ASSERT(rc >= 0 || parser.fault != NET_FAULT_NONE);
	while (keep > 0)
		buf_put(kept[--keep]);
	frame_parser_done(&parser);
	ASSERT(buf_pool_used_bytes(pool) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size == 0)
		return 0;
	if (!pool)
		ASSERT(buf_pool_new(POOL_BYTES, &pool) == 0);
	if (data[0] % 2 == 0) {
		parse(data, size);
		return 0;
	}
	copy = malloc(size);
	ASSERT(copy != NULL);
	memcpy(copy, data, size);
	seal(copy + 1, size - 1);
	parse(copy, size);
	free(copy);
	return 0;
}
