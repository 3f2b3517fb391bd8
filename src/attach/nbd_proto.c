#include "attach/nbd_proto.h"

#include <errno.h>

#define SIMPLE_REPLY_MAGIC     0x67446698u
#define STRUCTURED_REPLY_MAGIC 0x668e33efu
#define REPLY_DONE             1u
#define CHUNK_OFFSET_DATA      1u
#define CHUNK_BLOCK_STATUS     5u
#define CHUNK_ERROR            0x8001u

int nbd_request_decode(const uint8_t bytes[static NBD_REQUEST_BYTES], struct nbd_request *ret_request)
{
	if (nbd_get32(bytes) != NBD_REQUEST_MAGIC)
		return -EPROTO;
	*ret_request = (struct nbd_request){
		.flags = nbd_get16(bytes + 4),
		.command = nbd_get16(bytes + 6),
		.cookie = nbd_get64(bytes + 8),
		.offset_bytes = nbd_get64(bytes + 16),
		.length_bytes = nbd_get32(bytes + 24),
	};
	return 0;
}

/* The flags that a command may carry; FUA is allowed with all, and means nothing: what is answered is
 * durable. */
static uint16_t flags_of(uint16_t command)
{
	switch (command) {
	case NBD_CMD_READ:
		return NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_DF;
	case NBD_CMD_WRITE_ZEROES:
		return NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO;
	case NBD_CMD_BLOCK_STATUS:
		return NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_REQ_ONE;
	default:
		return NBD_CMD_FLAG_FUA;
	}
}

static bool is_write(uint16_t command)
{
	return command == NBD_CMD_WRITE || command == NBD_CMD_WRITE_ZEROES || command == NBD_CMD_TRIM;
}

int nbd_request_check(const struct nbd_request *request, uint64_t size_bytes, bool has_context)
{
	switch (request->command) {
	case NBD_CMD_READ:
	case NBD_CMD_WRITE:
	case NBD_CMD_TRIM:
	case NBD_CMD_WRITE_ZEROES:
		break;
	case NBD_CMD_BLOCK_STATUS:
		if (!has_context || request->length_bytes == 0)
			return -EINVAL;
		break;
	case NBD_CMD_FLUSH:
		return request->flags & ~NBD_CMD_FLAG_FUA ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
	if (request->flags & ~flags_of(request->command))
		return -EINVAL;
	if (request->offset_bytes > size_bytes || request->length_bytes > size_bytes - request->offset_bytes)
		return is_write(request->command) ? -ENOSPC : -EINVAL;
	if (request->offset_bytes % BLOCK_BYTES || request->length_bytes % BLOCK_BYTES)
		return -EINVAL;
	if ((request->command == NBD_CMD_READ || request->command == NBD_CMD_WRITE) &&
		request->length_bytes > FRONT_MAX_BYTES)
		return -EINVAL;
	return 0;
}

uint32_t nbd_errno(int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case -EPERM:
	case -EROFS:
		return 1;
	case -ENOMEM:
		return 12;
	case -EINVAL:
		return 22;
	case -ENOSPC:
		return 28;
	case -ESHUTDOWN:
		return 108;
	default:
		return 5; /* EIO */
	}
}

uint32_t nbd_reply_simple(uint8_t head[static NBD_REPLY_MAX_BYTES], uint64_t cookie, int rc)
{
	uint8_t *at = nbd_put32(head, SIMPLE_REPLY_MAGIC);

	at = nbd_put32(at, nbd_errno(rc));
	return (uint32_t)(nbd_put64(at, cookie) - head);
}

/* The header of a request's only chunk. */
static uint8_t *chunk_encode(uint8_t *head, uint32_t type, uint64_t cookie, uint32_t length_bytes)
{
	uint8_t *at = nbd_put32(head, STRUCTURED_REPLY_MAGIC);

	at = nbd_put16(at, REPLY_DONE);
	at = nbd_put16(at, type);
	at = nbd_put64(at, cookie);
	return nbd_put32(at, length_bytes);
}

uint32_t nbd_reply_data(uint8_t head[static NBD_REPLY_MAX_BYTES], uint64_t cookie, uint64_t offset_bytes,
	uint32_t length_bytes)
{
	uint8_t *at = chunk_encode(head, CHUNK_OFFSET_DATA, cookie, 8 + length_bytes);

	return (uint32_t)(nbd_put64(at, offset_bytes) - head);
}

uint32_t nbd_reply_error(uint8_t head[static NBD_REPLY_MAX_BYTES], uint64_t cookie, int rc)
{
	uint8_t *at = chunk_encode(head, CHUNK_ERROR, cookie, 6);

	at = nbd_put32(at, nbd_errno(rc));
	return (uint32_t)(nbd_put16(at, 0) - head); /* no words */
}

uint32_t nbd_reply_status(
	uint8_t head[static NBD_REPLY_MAX_BYTES], uint64_t cookie, enum nbd_context context, uint32_t count)
{
	uint8_t *at = chunk_encode(head, CHUNK_BLOCK_STATUS, cookie, 4 + count * NBD_EXTENT_BYTES);

	return (uint32_t)(nbd_put32(at, context) - head);
}

void nbd_extent_encode(uint8_t bytes[static NBD_EXTENT_BYTES], uint32_t length_bytes, uint32_t state)
{
	(void)nbd_put32(nbd_put32(bytes, length_bytes), state);
}
