#include "net/frame_parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int frame_parser_init(struct frame_parser *parser, struct buf_pool *bufs)
{
	uint8_t *stream = malloc(FRAME_STREAM_BYTES);

	_Static_assert(FRAME_STREAM_BYTES > FRAME_HEADER_BYTES + FRAME_MAX_BODY_BYTES +
						    FRAME_MAX_PAYLOAD_BYTES / BLOCK_BYTES * sizeof(uint32_t),
		"one largest header, body and list must fit");
	if (!stream)
		return -ENOMEM;
	*parser = (struct frame_parser){ .bufs = bufs, .stream = stream };
	return 0;
}

void frame_parser_done(struct frame_parser *parser)
{
	free(parser->stream);
	parser->stream = NULL;
	buf_put(parser->payload);
	parser->payload = NULL;
}

static uint32_t parser_list_bytes(const struct frame_parser *parser)
{
	return parser->header.payload_bytes / BLOCK_BYTES * (uint32_t)sizeof(uint32_t);
}

/* Body and checksums; they stay in the stream until the frame has been used. */
static uint32_t parser_body_bytes(const struct frame_parser *parser)
{
	return parser->header.body_bytes + parser_list_bytes(parser);
}

/* What of the payload has still to come from the socket. */
static uint32_t parser_missing_bytes(const struct frame_parser *parser)
{
	return parser->state == PARSE_PAYLOAD ? parser->header.payload_bytes - parser->payload_got_bytes : 0;
}

/* Ends the frame that was given last. */
static void parser_forget_given(struct frame_parser *parser)
{
	if (parser->state != PARSE_GIVEN)
		return;
	parser->begin += parser_body_bytes(parser);
	ASSERT(parser->begin <= parser->end);
	buf_put(parser->payload);
	parser->payload = NULL;
	parser->state = PARSE_HEADER;
}

/* How much the stream takes from the socket at once: of whatever comes, or little of a row of large payloads.
 */
static uint32_t parser_stream_room(const struct frame_parser *parser)
{
	uint32_t room_bytes = FRAME_STREAM_BYTES - parser->end;

	if (parser->header.payload_bytes >= FRAME_LARGE_BYTES && room_bytes > FRAME_AHEAD_BYTES)
		room_bytes = FRAME_AHEAD_BYTES;
	return room_bytes;
}

unsigned frame_parser_space(struct frame_parser *parser, struct iovec iov[static 2])
{
	unsigned count = 0;
	uint32_t missing_bytes;

	parser_forget_given(parser);
	missing_bytes = parser_missing_bytes(parser);
	if (parser->begin == parser->end) {
		parser->begin = parser->end = 0;
	} else if (parser->begin > 0 && parser->end > FRAME_STREAM_BYTES / 2) {
		memmove(parser->stream, parser->stream + parser->begin, parser->end - parser->begin);
		parser->end -= parser->begin;
		parser->begin = 0;
	}
	if (missing_bytes > 0)
		iov[count++] =
			(struct iovec){ parser->payload->data + parser->payload_got_bytes, missing_bytes };
	if (parser->end < FRAME_STREAM_BYTES)
		iov[count++] = (struct iovec){ parser->stream + parser->end, parser_stream_room(parser) };
	ASSERT(count > 0);
	return count;
}

void frame_parser_fill(struct frame_parser *parser, size_t bytes)
{
	uint32_t missing_bytes = parser_missing_bytes(parser);
	uint32_t direct_bytes = bytes < missing_bytes ? (uint32_t)bytes : missing_bytes;

	ASSERT(bytes - direct_bytes <= FRAME_STREAM_BYTES - parser->end);
	parser->payload_got_bytes += direct_bytes;
	parser->end += (uint32_t)(bytes - direct_bytes);
}

/* Checks the body and reads the list of checksums, once both are there. */
static int parser_take_body(struct frame_parser *parser, struct error *error)
{
	const uint8_t *body = parser->stream + parser->begin;
	struct reader r = reader_init(body + parser->header.body_bytes, parser_list_bytes(parser));
	uint32_t count = parser->header.payload_bytes / BLOCK_BYTES;
	uint32_t computed = crc32c(body, parser_body_bytes(parser));

	if (computed != parser->header.body_crc) {
		parser->fault = NET_FAULT_CRC;
		return error_set(error, -EPROTO,
			"body of a frame of type %u: its checksum is %08x, its %u bytes give %08x",
			parser->header.type, parser->header.body_crc, parser_body_bytes(parser), computed);
	}
	for (uint32_t i = 0; i < count; i++)
		parser->crc[i] = read_u32(&r);
	ASSERT(!r.failed);
	return 0;
}

/* Takes a buffer for the payload, and into it what of it has arrived behind the body. */
static int parser_take_buffer(struct frame_parser *parser)
{
	uint32_t at = parser->begin + parser_body_bytes(parser);
	uint32_t there_bytes = parser->end - at;
	struct buf *buf = buf_get(parser->bufs, parser->header.payload_bytes);

	if (!buf)
		return -EAGAIN;
	buf->len_bytes = parser->header.payload_bytes;
	if (there_bytes > buf->len_bytes)
		there_bytes = buf->len_bytes;
	memcpy(buf->data, parser->stream + at, there_bytes);
	/* The body moves up to what follows the payload: so both stay in one piece. */
	memmove(parser->stream + parser->begin + there_bytes, parser->stream + parser->begin,
		parser_body_bytes(parser));
	parser->begin += there_bytes;
	parser->payload = buf;
	parser->payload_got_bytes = there_bytes;
	return 0;
}

static void parser_give(struct frame_parser *parser, struct frame *ret_frame)
{
	*ret_frame = (struct frame){
		.type = parser->header.type,
		.target = parser->header.target,
		.body = parser->stream + parser->begin,
		.body_bytes = parser->header.body_bytes,
		.crc = parser->payload ? parser->crc : NULL,
		.payload = parser->payload,
	};
	parser->state = PARSE_GIVEN;
}

int frame_parser_next(struct frame_parser *parser, struct frame *ret_frame, struct error *error)
{
	int rc;

	parser_forget_given(parser);
	if (parser->state == PARSE_HEADER) {
		if (parser->end - parser->begin < FRAME_HEADER_BYTES)
			return 0;
		rc = frame_header_check(
			parser->stream + parser->begin, &parser->header, &parser->fault, error);
		if (rc < 0)
			return rc;
		parser->begin += FRAME_HEADER_BYTES;
		parser->state = PARSE_BODY;
	}
	if (parser->state == PARSE_BODY) {
		if (parser->end - parser->begin < parser_body_bytes(parser))
			return 0;
		rc = parser_take_body(parser, error);
		if (rc < 0)
			return rc;
		parser->state = PARSE_BUFFER;
	}
	if (parser->state == PARSE_BUFFER) {
		if (parser->header.payload_bytes > 0) {
			rc = parser_take_buffer(parser);
			if (rc < 0)
				return rc;
		}
		parser->state = PARSE_PAYLOAD;
	}
	if (parser->header.payload_bytes > 0 && parser_missing_bytes(parser) > 0)
		return 0;
	parser_give(parser, ret_frame);
	return 1;
}
