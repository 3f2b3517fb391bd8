/*
 * TCP over io_uring, from inside. One connection:
 *
 *   outgoing: CONNECTING -> HANDSHAKE -> UP -> ENDED
 *   incoming:               HANDSHAKE -> UP -> ENDED
 *
 * Any state may go to ENDED, once, with a reason. In ENDED the owner is told (`down`) from a deferred task;
 * the memory goes when, besides, the last operation in flight has come back. One whose socket moves to
 * another thread ends too, and nobody is told.
 */
#ifndef QUOIN_NET_TCP_H
#define QUOIN_NET_TCP_H

#include <sys/socket.h>

#include "loop/loop.h"
#include "net/address.h"
#include "net/frame_parser.h"
#include "net/handshake.h"
#include "net/send_queue.h"

/*
 * All of one node: its peers' coordinators and its own, several volumes to a peer share one; and those who
 * knock.
 */
#define TCP_MAX_CONNECTIONS 512u
/* Incoming ones that have not yet proved anything. When one more comes, the oldest gives way. */
#define TCP_MAX_STRANGERS 32u
#define TCP_BACKLOG       64
/* From the first packet to the last of the handshake. */
#define TCP_HANDSHAKE_NS (5 * NS_PER_S)
/* How long sent bytes may go unacknowledged, and silence unanswered, before the peer counts as dead. */
#define TCP_DEAD_MS 5000u
/* How often a connection that found no buffer looks again. */
#define TCP_STARVED_NS NS_PER_MS
/* After accept has failed for want of descriptors or memory. */
#define TCP_ACCEPT_RETRY_NS (100 * NS_PER_MS)
/* Pieces of one send; what is more leaves with the next. */
#define TCP_SEND_PIECES 256u

enum tcp_state { TCP_CONNECTING, TCP_HANDSHAKE, TCP_UP, TCP_ENDED };

struct tcp {
	struct net net;
	struct uring_loop *loop;
	struct buf_pool *bufs;
	uint8_t key[NET_KEY_BYTES];
	struct net_tcp_counters counters;
	struct net *const *lanes; /* net_tcp_lanes() */
	unsigned lane_count;
	bool shut;
	int listen_fd;  /* -1: not listening */
	bool accepting; /* the operation is in flight */
	struct uring_op accept_op;
	struct loop_timer accept_timer;
	struct list conns;     /* all */
	struct list strangers; /* by `stranger`, oldest first */
	struct list starved;   /* by `starved` */
	struct loop_timer starved_timer;
	unsigned conn_count, stranger_count;
};

struct tcp_conn {
	struct net_conn conn;
	struct tcp *tcp;
	struct list node, stranger, starved;
	enum tcp_state state;
	bool outgoing;
	bool told;    /* `down` has been called, or there was nobody to tell */
	bool moved;   /* another thread has the socket now */
	bool refused; /* net_send() has said -EAGAIN: `writable` is owed */
	int fd;
	struct sockaddr_storage peer;
	socklen_t peer_bytes;
	struct net_address peer_text;
	struct loop_timer deadline; /* of connect and handshake */
	struct loop_task end_task, send_task;

	bool connecting, receiving, sending; /* operations in flight */
	struct uring_op connect_op, receive_op, send_op;

	struct handshake handshake;
	uint8_t handshake_in[HANDSHAKE_HELLO_BYTES];
	uint32_t handshake_in_bytes, handshake_out_sent_bytes;

	struct frame_parser parser;
	bool more_waits; /* the socket had more when the last receive ended */
	struct iovec receive_iov[2];
	struct msghdr receive_msg;

	struct send_queue queue;
	struct iovec send_iov[TCP_SEND_PIECES];
	struct msghdr send_msg;

	int end_rc;
	char why[ERROR_TEXT_MAX];
};

/* tcp_conn.c: life and death */
/*
 * A connection on `fd` (taken over in every case); an outgoing one asks for this lane. NULL: no memory, or
 * the limit is reached.
 */
struct tcp_conn *tcp_conn_new(struct tcp *tcp, int fd, bool outgoing, uint64_t lane,
	const struct sockaddr_storage *peer, socklen_t peer_bytes);
void tcp_conn_connect(struct tcp_conn *c);
/* Ends it, with the reason in words; the first reason stays. */
void tcp_conn_end(struct tcp_conn *c, enum net_fault fault, int rc, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* An operation has come back: frees the connection where it was the last of an ended one. */
void tcp_conn_settle(struct tcp_conn *c);

/* tcp_handshake.c: from the connected socket to `up` */
void tcp_handshake_begin(struct tcp_conn *c);
void tcp_handshake_received(struct tcp_conn *c, uint32_t bytes);
void tcp_handshake_sent(struct tcp_conn *c, uint32_t bytes);
/* Both sides know each other: from here on frames. */
void tcp_handshake_done(struct tcp_conn *c);

/* tcp_lane.c: where an incoming connection belongs, by the lane that its peer has asked for */
struct tcp *tcp_lane(const struct tcp_conn *c);
/* Moves the socket there; this connection ends. No frame was read from it. */
void tcp_lane_move(struct tcp_conn *c, struct tcp *to);

/* tcp_stream.c: frames out and in, once it is up */
/* -ENOMEM. */
int tcp_stream_begin(struct tcp_conn *c) MUST_CHECK;
void tcp_stream_send_now(void *conn);
int tcp_stream_send(struct net_conn *conn, const struct frame *frame) MUST_CHECK;
void tcp_stream_sent(struct tcp_conn *c, uint32_t bytes);
void tcp_stream_received(struct tcp_conn *c, uint32_t bytes);
/* Gives out the frames that have arrived, then receives more; also for who was starved. */
void tcp_stream_continue(struct tcp_conn *c);

#endif
