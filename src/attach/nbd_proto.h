/*
 * NBD's bytes: the fixed newstyle handshake, requests and replies. Source: doc/proto.md of the NBD project.
 * All numbers are big-endian. Pure functions over memory; never trusting a byte.
 */
#ifndef QUOIN_ATTACH_NBD_PROTO_H
#define QUOIN_ATTACH_NBD_PROTO_H

#include <endian.h>
#include <string.h>

#include "attach/front_op.h"

/* ---- handshake ---- */

#define NBD_MAGIC        UINT64_C(0x4e42444d41474943) /* "NBDMAGIC" */
#define NBD_OPTION_MAGIC UINT64_C(0x49484156454f5054) /* "IHAVEOPT" */
#define NBD_REPLY_MAGIC  UINT64_C(0x0003e889045565a9)

#define NBD_FIXED_NEWSTYLE 1u
#define NBD_NO_ZEROES      2u

enum nbd_option {
	NBD_OPT_EXPORT_NAME = 1,
	NBD_OPT_ABORT = 2,
	NBD_OPT_LIST = 3,
	NBD_OPT_INFO = 6,
	NBD_OPT_GO = 7,
	NBD_OPT_STRUCTURED_REPLY = 8,
	NBD_OPT_LIST_META_CONTEXT = 9,
	NBD_OPT_SET_META_CONTEXT = 10,
};

#define NBD_REP_ACK          1u
#define NBD_REP_SERVER       2u
#define NBD_REP_INFO         3u
#define NBD_REP_META_CONTEXT 4u
#define NBD_REP_ERR_UNSUP    0x80000001u
#define NBD_REP_ERR_INVALID  0x80000003u
#define NBD_REP_ERR_UNKNOWN  0x80000006u

#define NBD_INFO_EXPORT      0u
#define NBD_INFO_NAME        1u
#define NBD_INFO_DESCRIPTION 2u
#define NBD_INFO_BLOCK_SIZE  3u

/* What an export can do. */
#define NBD_FLAG_HAS_FLAGS         0x001u
#define NBD_FLAG_READ_ONLY         0x002u
#define NBD_FLAG_SEND_FLUSH        0x004u
#define NBD_FLAG_SEND_FUA          0x008u
#define NBD_FLAG_SEND_TRIM         0x020u
#define NBD_FLAG_SEND_WRITE_ZEROES 0x040u
#define NBD_FLAG_SEND_DF           0x080u
#define NBD_FLAG_CAN_MULTI_CONN    0x100u
#define NBD_FLAG_SEND_FAST_ZERO    0x800u

/*
 * Metadata contexts, of which a connection has one at most: what is a hole, what reads as zeroes; and, of a
 * snapshot, what it has that an older one (its UUID follows) hasn't.
 */
enum nbd_context { NBD_CONTEXT_NONE, NBD_CONTEXT_ALLOCATION, NBD_CONTEXT_CHANGED };
#define NBD_ALLOCATION_NAME "base:allocation"
#define NBD_CHANGED_PREFIX  "quoin:changed-since:"
#define NBD_CONTEXT_MAX_LEN (sizeof(NBD_CHANGED_PREFIX) - 1 + UUID_TEXT_LEN)

/* ---- requests ---- */

#define NBD_REQUEST_MAGIC 0x25609513u
#define NBD_REQUEST_BYTES 28u

enum nbd_command {
	NBD_CMD_READ = 0,
	NBD_CMD_WRITE = 1,
	NBD_CMD_DISC = 2,
	NBD_CMD_FLUSH = 3,
	NBD_CMD_TRIM = 4,
	NBD_CMD_WRITE_ZEROES = 6,
	NBD_CMD_BLOCK_STATUS = 7,
};

#define NBD_CMD_FLAG_FUA       0x01u
#define NBD_CMD_FLAG_NO_HOLE   0x02u
#define NBD_CMD_FLAG_DF        0x04u
#define NBD_CMD_FLAG_REQ_ONE   0x08u
#define NBD_CMD_FLAG_FAST_ZERO 0x10u

struct nbd_request {
	uint16_t flags;
	uint16_t command; /* enum nbd_command, or anything */
	uint64_t cookie;
	uint64_t offset_bytes;
	uint32_t length_bytes;
};

/* -EPROTO: no request; the stream can't be followed any more. */
int nbd_request_decode(
	const uint8_t bytes[static NBD_REQUEST_BYTES], struct nbd_request *ret_request) MUST_CHECK;
/* Bytes that follow the header. */
static inline uint32_t nbd_request_payload_bytes(const struct nbd_request *request)
{
	return request->command == NBD_CMD_WRITE ? request->length_bytes : 0;
}
/*
 * 0, or the negative errno that the client is told, for an export of size_bytes: commands and flags that are
 * unknown or were not negotiated, ranges that are not whole blocks of the export. A length of 0 is fine, and
 * means that nothing is to be done.
 */
int nbd_request_check(const struct nbd_request *request, uint64_t size_bytes, bool has_context) MUST_CHECK;

/* ---- replies ---- */

#define NBD_REPLY_MAX_BYTES 28u /* of a reply's head: chunk header and offset, or error and its length */
#define NBD_EXTENT_BYTES    8u
#define NBD_STATE_HOLE_ZERO 3u /* NBD_STATE_HOLE | NBD_STATE_ZERO */
/* Of what has changed: with data, or trimmed since; 0: it is as it was. */
#define NBD_STATE_CHANGED 1u
#define NBD_STATE_TRIMMED 3u
#define NBD_EXTENTS_MAX   (BLOCK_BYTES / NBD_EXTENT_BYTES) /* in one reply */

/* NBD's number for a negative errno (0 for 0); what it doesn't know is EIO. */
uint32_t nbd_errno(int rc);
/* Each returns the bytes written. A simple reply: no data follows. */
uint32_t nbd_reply_simple(uint8_t head[static NBD_REPLY_MAX_BYTES], uint64_t cookie, int rc);
/* The one chunk of a successful read; the data follows. */
uint32_t nbd_reply_data(uint8_t head[static NBD_REPLY_MAX_BYTES], uint64_t cookie, uint64_t offset_bytes,
	uint32_t length_bytes);
/* The one chunk of a request that failed. */
uint32_t nbd_reply_error(uint8_t head[static NBD_REPLY_MAX_BYTES], uint64_t cookie, int rc);
/* The one chunk of a block status; `count` extents follow. */
uint32_t nbd_reply_status(
	uint8_t head[static NBD_REPLY_MAX_BYTES], uint64_t cookie, enum nbd_context context, uint32_t count);
void nbd_extent_encode(uint8_t bytes[static NBD_EXTENT_BYTES], uint32_t length_bytes, uint32_t state);

/* ---- numbers ---- */

static inline uint16_t nbd_get16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return be16toh(v);
}

static inline uint32_t nbd_get32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return be32toh(v);
}

static inline uint64_t nbd_get64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return be64toh(v);
}

/* These return what follows. */
static inline uint8_t *nbd_put16(uint8_t *at, uint32_t v)
{
	uint16_t be = htobe16((uint16_t)v);

	memcpy(at, &be, sizeof(be));
	return at + sizeof(be);
}

static inline uint8_t *nbd_put32(uint8_t *at, uint32_t v)
{
	uint32_t be = htobe32(v);

	memcpy(at, &be, sizeof(be));
	return at + sizeof(be);
}

static inline uint8_t *nbd_put64(uint8_t *at, uint64_t v)
{
	uint64_t be = htobe64(v);

	memcpy(at, &be, sizeof(be));
	return at + sizeof(be);
}

#endif
