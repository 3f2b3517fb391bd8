/*
 * net: frames over connections between nodes. net_tcp.c is the real one; the simulator has its twin.
 * What a frame means is not known here: a type, a body (small, parsed by who receives it), a payload.
 *
 * Thread rule: the loop's thread. No callback runs inside a call. Frames of one connection arrive in order,
 * whole, or the connection ends: there is no third way. Error rule: a connection that ends tells why, once.
 */
#ifndef QUOIN_NET_H
#define QUOIN_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

/*
 * On the wire (little-endian), the header, then body, then checksums, then payload:
 *
 *   0 magic u32  4 version u16  6 type u16  8 target uuid (replica or group)  24 body_bytes u32
 *   28 payload_bytes u32  32 header_crc u32 (of bytes 0..31)  36 body_crc u32 (of body and checksum list)
 *   40 .. 47 reserved, zero
 *   48 body | payload_bytes / 4096 checksums u32 | payload
 *
 * The payload is a whole number of blocks, and has no checksum but its blocks' own.
 */
#define FRAME_MAGIC        0x576e6f51u /* "QonW" */
#define FRAME_VERSION      1u
#define FRAME_HEADER_BYTES 48u

/*
 * A frame to send, or one that has arrived. Body and crc are borrowed for the call; payload is by reference.
 */
struct frame {
	uint16_t type;
	struct uuid target;
	const uint8_t *body;
	uint32_t body_bytes;
	const uint32_t *crc; /* one for each block of the payload */
	struct buf *payload; /* NULL, or len_bytes is the payload's length */
};

struct frame_header {
	uint16_t type;
	struct uuid target;
	uint32_t body_bytes;
	uint32_t payload_bytes;
	uint32_t body_crc;
};

/* Encodes the header for a frame. */
void frame_header_encode(const struct frame *frame, uint8_t out[static FRAME_HEADER_BYTES]);
/*
 * -EPROTO for a bad magic, version, checksum, reserved byte or for a payload that isn't whole blocks,
 * -EMSGSIZE over a limit; `error` says which, with the numbers.
 */
int frame_header_decode(const uint8_t bytes[static FRAME_HEADER_BYTES], struct frame_header *ret_header,
	struct error *error) MUST_CHECK;

struct net;
struct net_conn;

#define NET_ADDRESS_MAX 64
/* "127.0.0.1:7421", "[::1]:7421" (numeric: no name is looked up), a simulated node's name. */
struct net_address {
	char text[NET_ADDRESS_MAX];
};

/* What a connection tells its owner. `conn->user` is the owner's. */
struct net_handler {
	/* An outgoing connection is authenticated and may be used. */
	void (*up)(struct net_conn *conn);
	/* One frame; valid during the call (take references to keep the payload). */
	void (*frame)(struct net_conn *conn, const struct frame *frame);
	/* It has ended, also if it was never up; the handle is gone when this returns. rc is -errno. */
	void (*down)(struct net_conn *conn, int rc, const char *why);
	/* The send queue has room again after net_send() had refused. */
	void (*writable)(struct net_conn *conn);
};

struct net_conn {
	const struct net_handler *handler;
	void *user;
	struct net *net;
};

struct net_ops {
	int (*connect)(struct net *net, const struct net_address *to, uint64_t lane,
		const struct net_handler *handler, void *user, struct net_conn **ret_conn);
	int (*send)(struct net_conn *conn, const struct frame *frame);
	void (*close)(struct net_conn *conn);
};

/* A network: the real one or a simulated one. */
struct net {
	const struct net_ops *ops;
	/* Called for each incoming connection that has authenticated itself; sets handler and user. */
	void (*accepted)(struct net *net, struct net_conn *conn, const char *from);
	void *user;
	/* An incoming connection has ended before it was accepted, and why; may be NULL. */
	void (*refused)(void *arg, const char *from, const char *why);
	void *refused_arg;
};

/*
 * Begins to connect; `up` or `down` follows. What is asked for there lies on `lane`: a node of several
 * data-plane threads gives the connection to the one that the lane means (net_tcp_lanes()). -errno only for a
 * malformed address or want of memory.
 */
static inline int MUST_CHECK net_connect(struct net *net, const struct net_address *to, uint64_t lane,
	const struct net_handler *handler, void *user, struct net_conn **ret_conn)
{
	return net->ops->connect(net, to, lane, handler, user, ret_conn);
}

/*
 * Queues one frame: copies body and checksums, takes a reference to the payload. -EAGAIN when the
 * connection's queue (NET_QUEUE_BYTES) is full: wait for `writable`. -ENOTCONN before `up` and after the end.
 */
static inline int MUST_CHECK net_send(struct net_conn *conn, const struct frame *frame)
{
	return conn->net->ops->send(conn, frame);
}

/* Ends the connection; `down` follows with -ECONNABORTED. */
static inline void net_close(struct net_conn *conn)
{
	conn->net->ops->close(conn);
}

#define NET_QUEUE_BYTES (4u << 20)

/* ---- TCP over io_uring ---- */

struct uring_loop;

#define NET_KEY_BYTES 32

struct net_tcp_counters {
	uint64_t frames_in, frames_out, bytes_in, bytes_out;
	uint64_t sends; /* frames_out / sends left together */
	uint64_t refused_magic, refused_version, refused_crc, refused_size, refused_auth, refused_timeout;
	uint64_t refused_limit; /* too many at once, in all or in their handshake */
	uint64_t resets;        /* ended by the peer or the network */
	uint64_t starved;       /* times that a payload had to wait for a buffer */
};

/*
 * Each connection begins with a mutual challenge by the cluster key (HMAC-SHA256, docs/protocol-wire.md),
 * bounded in bytes and time, so that a stray client gets nothing. `key` is copied. `bufs` is where payloads
 * arrive.
 */
int net_tcp_new(struct uring_loop *loop, struct buf_pool *bufs, const uint8_t key[static NET_KEY_BYTES],
	struct net **ret_net) MUST_CHECK;
/*
 * Before it listens: an incoming connection of lane L goes to lanes[L % count], which may be `net` itself;
 * the others live on other threads. The array is borrowed. Those others are shut down after this one is idle.
 */
void net_tcp_lanes(struct net *net, struct net *const *lanes, unsigned count);
/* Starts to listen. -errno with words (address in use, not local ...). */
int net_tcp_listen(struct net *net, const struct net_address *address, struct error *error) MUST_CHECK;
/* Where it listens: the port that was chosen, if it was asked to listen on port 0. */
void net_tcp_address(const struct net *net, struct net_address *ret_address);
/* Closes all; call on the loop's thread, then run the loop until net_tcp_is_idle(), then free. */
void net_tcp_shutdown(struct net *net);
bool net_tcp_is_idle(const struct net *net);
void net_tcp_free(struct net *net);
const struct net_tcp_counters *net_tcp_counters(const struct net *net);

#endif
