/*
 * Frames out of a stream of bytes, from memory: the socket (or fuzzer) fills the space that the parser
 * offers.
 *
 *        space() -> bytes arrive -> fill(n) -> next() until it has no more -> space() ...
 *
 *   header (48, checked whole) -> body + checksums (checked) -> payload, into a buffer of the pool -> frame
 *
 * Nothing is taken from the pool before the header and the body have been checked. Payload that has not
 * arrived with its header is received straight into its buffer.
 */
#ifndef QUOIN_NET_FRAME_PARSER_H
#define QUOIN_NET_FRAME_PARSER_H

#include <sys/uio.h>

#include "net/frame.h"

/* Room for one largest header, body and checksums, and for many small frames that arrive together. */
#define FRAME_STREAM_BYTES (128u << 10)
/*
 * Behind a large payload there likely is another: what comes into the stream of it must be copied, what is
 * asked for once its header is known need not. So little more than a header and its checksums is taken then.
 */
#define FRAME_LARGE_BYTES (64u << 10)
#define FRAME_AHEAD_BYTES (4u << 10)

enum frame_parser_state { PARSE_HEADER, PARSE_BODY, PARSE_BUFFER, PARSE_PAYLOAD, PARSE_GIVEN };

struct frame_parser {
	enum frame_parser_state state;
	struct buf_pool *bufs;
	uint8_t *stream;     /* FRAME_STREAM_BYTES */
	uint32_t begin, end; /* what of it is filled and not consumed */
	struct frame_header header;
	struct buf *payload;
	uint32_t payload_got_bytes;
	uint32_t crc[FRAME_MAX_PAYLOAD_BYTES / BLOCK_BYTES];
	enum net_fault fault; /* after next() has failed: which counter */
};

/* -ENOMEM. */
int frame_parser_init(struct frame_parser *parser, struct buf_pool *bufs) MUST_CHECK;
/* Fine on a zeroed one. */
void frame_parser_done(struct frame_parser *parser);
/* Where the next bytes belong: one or two pieces, never empty. Returns the count. */
unsigned frame_parser_space(struct frame_parser *parser, struct iovec iov[static 2]);
/* That many bytes were written into the space offered last. */
void frame_parser_fill(struct frame_parser *parser, size_t bytes);
/*
 * 1: a frame, valid until the next call of anything here; 0: more bytes are needed; -EAGAIN: the pool has no
 * buffer now, call again later; -EPROTO, -EMSGSIZE: with words, the stream is lost.
 */
int frame_parser_next(struct frame_parser *parser, struct frame *ret_frame, struct error *error) MUST_CHECK;

#endif
