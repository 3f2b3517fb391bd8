/* The header of a frame: encode, decode, and every check that needs no more than its 48 bytes. */
#include "net/frame.h"

#include <errno.h>

#define HEADER_CRC_AT 32 /* what stands before is covered by header_crc */

uint32_t frame_body_crc(const uint8_t *body, uint32_t body_bytes, const uint32_t *crc, uint32_t crc_count)
{
	uint8_t list[FRAME_MAX_PAYLOAD_BYTES / BLOCK_BYTES * sizeof(uint32_t)];
	struct writer w = writer_init(list, sizeof(list));

	for (uint32_t i = 0; i < crc_count; i++)
		write_u32(&w, crc[i]);
	ASSERT(!w.failed);
	return crc32c_extend(crc32c(body, body_bytes), list, sizeof(list) - writer_left(&w));
}

void frame_header_encode(const struct frame *frame, uint8_t out[static FRAME_HEADER_BYTES])
{
	uint32_t payload_bytes = frame_payload_bytes(frame);
	struct writer w = writer_init(out, FRAME_HEADER_BYTES);

	ASSERT(frame->body_bytes <= FRAME_MAX_BODY_BYTES);
	ASSERT(payload_bytes <= FRAME_MAX_PAYLOAD_BYTES && payload_bytes % BLOCK_BYTES == 0);
	write_u32(&w, FRAME_MAGIC);
	write_u16(&w, FRAME_VERSION);
	write_u16(&w, frame->type);
	write_uuid(&w, frame->target);
	write_u32(&w, frame->body_bytes);
	write_u32(&w, payload_bytes);
	write_u32(&w, crc32c(out, HEADER_CRC_AT));
	write_u32(
		&w, frame_body_crc(frame->body, frame->body_bytes, frame->crc, payload_bytes / BLOCK_BYTES));
	write_zeroes(&w, writer_left(&w));
	ASSERT(!w.failed);
}

static int refuse(enum net_fault *ret_fault, enum net_fault fault, int rc)
{
	*ret_fault = fault;
	return rc;
}

int frame_header_check(const uint8_t bytes[static FRAME_HEADER_BYTES], struct frame_header *ret_header,
	enum net_fault *ret_fault, struct error *error)
{
	struct reader r = reader_init(bytes, FRAME_HEADER_BYTES);
	struct frame_header h;
	uint32_t magic = read_u32(&r);
	uint16_t version = read_u16(&r);
	uint32_t header_crc, computed = crc32c(bytes, HEADER_CRC_AT);

	if (magic != FRAME_MAGIC)
		return refuse(ret_fault, NET_FAULT_MAGIC,
			error_set(
				error, -EPROTO, "frame with magic %08x instead of %08x", magic, FRAME_MAGIC));
	if (version != FRAME_VERSION)
		return refuse(ret_fault, NET_FAULT_VERSION,
			error_set(error, -EPROTO, "frame of version %u, this node speaks %u", version,
				FRAME_VERSION));
	h.type = read_u16(&r);
	h.target = read_uuid(&r);
	h.body_bytes = read_u32(&r);
	h.payload_bytes = read_u32(&r);
	header_crc = read_u32(&r);
	h.body_crc = read_u32(&r);
	if (header_crc != computed)
		return refuse(ret_fault, NET_FAULT_CRC,
			error_set(error, -EPROTO, "frame header's checksum is %08x, its bytes give %08x",
				header_crc, computed));
	if (!read_zeroes(&r, 8))
		return refuse(ret_fault, NET_FAULT_CRC,
			error_set(error, -EPROTO, "frame header's reserved bytes are not zero"));
	if (h.body_bytes > FRAME_MAX_BODY_BYTES)
		return refuse(ret_fault, NET_FAULT_SIZE,
			error_set(error, -EMSGSIZE,
				"frame of type %u with a body of %u bytes, the limit is %u", h.type,
				h.body_bytes, FRAME_MAX_BODY_BYTES));
	if (h.payload_bytes > FRAME_MAX_PAYLOAD_BYTES)
		return refuse(ret_fault, NET_FAULT_SIZE,
			error_set(error, -EMSGSIZE,
				"frame of type %u with a payload of %u bytes, the limit is %u", h.type,
				h.payload_bytes, FRAME_MAX_PAYLOAD_BYTES));
	if (h.payload_bytes % BLOCK_BYTES != 0)
		return refuse(ret_fault, NET_FAULT_SIZE,
			error_set(error, -EPROTO,
				"frame of type %u with a payload of %u bytes, not whole blocks", h.type,
				h.payload_bytes));
	*ret_fault = NET_FAULT_NONE;
	*ret_header = h;
	return 0;
}

int frame_header_decode(
	const uint8_t bytes[static FRAME_HEADER_BYTES], struct frame_header *ret_header, struct error *error)
{
	enum net_fault fault;

	return frame_header_check(bytes, ret_header, &fault, error);
}
