/*
 * wire: a message of replication <-> a frame of net. Private to datapath.
 *
 * Hot messages are fixed little-endian structs, written with base/bytes.h; each begins with
 *
 *   0 epoch.number u64  8 epoch.restart u32  12 attempt u32  16 session u64
 *
 *   HEARTBEAT      24 clock u64  32 commit_seq u64  40 all_seq u64                                      = 48
 *   APPEND         24 clock u64  32 seq u64  40 commit_seq - seq i32  44 commit_seq - all_seq u32
 *                  48 request_id u64  56 block u36, part u28 (in one u64, block in the low bits)        = 64
 *                  (a write of the session's own epoch; every other entry travels as protobuf)
 *   APPEND_ANSWER  24 clock u64  32 seq u64  40 commit_seq u64  48 room u64  56 rc i32  60 flags u32    = 64
 *   READ           24 token u64  32 read_seq u64  40 offset u64  48 length u32  52 zero u32             = 56
 *   READ_ANSWER    24 token u64  32 rc i32  36 zero u32                                                 = 40
 *
 * All others, and an APPEND that doesn't fit, are one protobuf message (proto/wire.proto), unpacked into a
 * bounded arena. A frame's target is the replica's UUID in both directions.
 */
#ifndef QUOIN_DATAPATH_WIRE_H
#define QUOIN_DATAPATH_WIRE_H

#include "base/base.h"
#include "net/net.h"
#include "replication/message.h"

/* Frame types below WIRE_HOT are those of enum message_type, as protobuf. */
enum wire_type {
	WIRE_HEARTBEAT = 64,
	WIRE_APPEND = 65,
	WIRE_APPEND_ANSWER = 66,
	WIRE_READ = 67,
	WIRE_READ_ANSWER = 68,
};

/* The largest message: an OPEN_ANSWER with 64 rows of at most 34 bytes, and 30 fields of at most 30. */
#define WIRE_BODY_MAX 4096u
/* What unpacking the largest message takes: 64 rows of two structs with their pointers, the rest once. */
#define WIRE_ARENA_BYTES 16384u

struct wire_out {
	struct frame frame; /* points into `body` and at the message's own payload and checksums */
	uint8_t body[WIRE_BODY_MAX];
};

struct wire_in {
	struct message message; /* borrows from here and from the frame */
	struct epoch_start rows[EPOCHS_MAX];
	uint32_t indices[MAP_MAX_COPIES];
	struct entry *entry; /* one reference, dropped by wire_in_done() */
	uint32_t arena_used;
	_Alignas(16) uint8_t arena[WIRE_ARENA_BYTES];
};

/* The message is ours, so it can't fail. `message` must outlive `out`. */
void wire_encode(const struct message *message, struct uuid target, struct wire_out *out);

/*
 * Parses and checks a frame: types, counts, ranges against a volume of size_bytes (0: not known, for answers
 * without data), and the checksum of every block of the payload. -EPROTO or -EILSEQ: nonsense, ret_why says
 * what; -ENOBUFS: no entry is free. On success wire_in_done() is due.
 */
int wire_decode(struct wire_in *in, const struct frame *frame, struct entry_pool *entries,
	uint64_t size_bytes, const char **ret_why) MUST_CHECK;
void wire_in_done(struct wire_in *in);
/* wire_check.c: why this message is nonsense; NULL: it isn't. size_bytes 0: not known. */
const char *wire_complaint(const struct message *m, const struct frame *frame, uint64_t size_bytes);

#endif
