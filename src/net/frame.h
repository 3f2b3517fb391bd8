/* The header's check with its reason, for who counts reasons. Private to net; net.h is the public side. */
#ifndef QUOIN_NET_FRAME_H
#define QUOIN_NET_FRAME_H

#include "net/net.h"

/* Why bytes from a peer were refused. */
enum net_fault {
	NET_FAULT_NONE,
	NET_FAULT_MAGIC,
	NET_FAULT_VERSION,
	NET_FAULT_CRC,
	NET_FAULT_SIZE,
	NET_FAULT_AUTH,
	NET_FAULT_TIMEOUT,
	NET_FAULT_LIMIT,
	NET_FAULT_RESET,
};

/* frame_header_decode(), and which counter a failure belongs to. */
int frame_header_check(const uint8_t bytes[static FRAME_HEADER_BYTES], struct frame_header *ret_header,
	enum net_fault *ret_fault, struct error *error) MUST_CHECK;

/* The checksum of a body and the list of checksums behind it (as bytes of the wire). */
uint32_t frame_body_crc(const uint8_t *body, uint32_t body_bytes, const uint32_t *crc, uint32_t crc_count);

static inline uint32_t frame_payload_bytes(const struct frame *frame)
{
	return frame->payload ? frame->payload->len_bytes : 0;
}

#endif
