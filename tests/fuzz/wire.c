/*
 * Messages of replication in frames. Input: type u8, blocks of payload u8 (high bit: their checksums are
 * wrong), then the body. What is decoded can be encoded, and decodes to the same bytes again; no entry and no
 * buffer is left behind.
 */
#include <errno.h>
#include <string.h>

#include "datapath/wire.h"
#include "fuzz.h"

#define VOLUME_BYTES (UINT64_C(1) << 30)

static struct buf_pool *bufs;
static struct entry_pool *entries;
static struct wire_in in, again;
static struct wire_out out, twice;

static int decode(struct wire_in *into, const struct frame *frame)
{
	const char *why = NULL;
	int rc = wire_decode(into, frame, entries, VOLUME_BYTES, &why);

	ASSERT(rc == 0 || rc == -EPROTO || rc == -EILSEQ);
	ASSERT(rc == 0 || why);
	return rc;
}

static void round_trip(const struct frame *frame)
{
	if (decode(&in, frame) < 0)
		return;
	wire_encode(&in.message, frame->target, &out);
	ASSERT(decode(&again, &out.frame) == 0);
	wire_encode(&again.message, frame->target, &twice);
	ASSERT(out.frame.type == twice.frame.type);
	ASSERT(out.frame.body_bytes == twice.frame.body_bytes);
	ASSERT(memcmp(out.frame.body, twice.frame.body, out.frame.body_bytes) == 0);
	wire_in_done(&again);
	wire_in_done(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t crc[ENTRY_MAX_BLOCKS];
	struct frame frame = { .crc = crc };
	uint32_t blocks;

	if (size < 2 || size - 2 > FRAME_MAX_BODY_BYTES)
		return 0;
	if (!bufs) {
		ASSERT(buf_pool_new(UINT64_C(4) << 20, &bufs) == 0);
		ASSERT(entry_pool_new(4, &entries) == 0);
	}
	blocks = (data[1] & 0x7f) % (ENTRY_MAX_BLOCKS + 1);
	if (blocks > 0) {
		frame.payload = buf_get(bufs, blocks * BLOCK_BYTES);
		ASSERT(frame.payload);
		frame.payload->len_bytes = blocks * BLOCK_BYTES;
		memset(frame.payload->data, 0x5a, frame.payload->len_bytes);
		crc32c_blocks(frame.payload->data, blocks, crc);
		if (data[1] & 0x80)
			crc[blocks - 1] ^= 1;
	}
	frame.type = data[0];
	frame.body = data + 2;
	frame.body_bytes = (uint32_t)(size - 2);
	round_trip(&frame);
	buf_put(frame.payload);
	ASSERT(buf_pool_used_bytes(bufs) == 0);
	return 0;
}
