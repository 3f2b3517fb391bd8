/* An NBD client's stream: the handshake, then requests, as a connection would take them. */
#include "attach/nbd_handshake.h"
#include "fuzz.h"

#define SIZE_BYTES (UINT64_C(1) << 30)

static void requests_feed(const struct nbd_handshake *h, const uint8_t *data, size_t size)
{
	struct nbd_request request;

	while (size >= NBD_REQUEST_BYTES && nbd_request_decode(data, &request) == 0) {
		uint64_t payload_bytes = nbd_request_payload_bytes(&request);
		int rc = nbd_request_check(&request, SIZE_BYTES, h->context != NBD_CONTEXT_NONE);

		ASSERT(rc <= 0);
		if (rc == 0 && request.command != NBD_CMD_FLUSH) {
			ASSERT(request.offset_bytes <= SIZE_BYTES);
			ASSERT(request.length_bytes <= SIZE_BYTES - request.offset_bytes);
			ASSERT(request.length_bytes % BLOCK_BYTES == 0);
		}
		data += NBD_REQUEST_BYTES;
		size -= NBD_REQUEST_BYTES;
		if (payload_bytes > size)
			return;
		data += payload_bytes;
		size -= payload_bytes;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nbd_handshake h;

	nbd_handshake_init(&h, "a-volume", SIZE_BYTES);
	while (h.state == NBD_HANDSHAKE_FLAGS || h.state == NBD_HANDSHAKE_OPTION) {
		uint32_t used =
			nbd_handshake_input(&h, data, size > UINT32_MAX ? UINT32_MAX : (uint32_t)size);

		ASSERT(used <= size && h.out_bytes <= sizeof(h.out));
		if (used == 0)
			return 0;
		data += used;
		size -= used;
	}
	if (h.state == NBD_HANDSHAKE_READY)
		requests_feed(&h, data, size);
	return 0;
}
