/* What nbd_serve.c (life, accepting), nbd_conn.c (a connection's bytes in), nbd_io.c (requests) and
 * nbd_send.c (replies) share. */
#ifndef QUOIN_ATTACH_NBD_SERVE_PRIVATE_H
#define QUOIN_ATTACH_NBD_SERVE_PRIVATE_H

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "attach/front_stats.h"
#include "attach/nbd_handshake.h"
#include "attach/nbd_serve.h"
#include "loop/loop.h"

/* nbdcopy and qemu open 4; fio one for each job. Each has a staging buffer. */
#define NBD_MAX_CONNS 16u
/* Requests in flight, of all connections; with none free, the clients wait. */
#define NBD_MAX_OPS 256u
/* What one receive may bring: 31 writes of 4 KiB, or a whole option. */
#define NBD_STAGING_BYTES (128u * 1024)
/*
 * Behind a large write there likely is another: what comes into the staging buffer of it must be copied, what
 * is asked for once its request is known need not. So little more than a request is taken then.
 */
#define NBD_LARGE_BYTES (64u * 1024)
#define NBD_AHEAD_BYTES 4096u
/* Buffers of one send: replies to a burst of writes are one each, of a large read five. */
#define NBD_SEND_IOVS 64u
/* What the reads of one connection may hold: a client that asks and does not read the answers can't take all.
 */
#define NBD_CONN_READ_BYTES (16u << 20)
/* From accept to the end of the handshake. */
#define NBD_HANDSHAKE_NS (10 * NS_PER_S)
/* With no buffer free and none of ours in flight, only time brings one. */
#define NBD_STALL_RETRY_NS  NS_PER_MS
#define NBD_ACCEPT_RETRY_NS (100 * NS_PER_MS)

_Static_assert(VOLUME_MAX_REQUESTS >= NBD_MAX_OPS * FRONT_MAX_PARTS, "every part of every request fits");
_Static_assert(NBD_STAGING_BYTES >= NBD_OPTION_HEAD_BYTES + NBD_OPTION_MAX_BYTES, "an option fits");
_Static_assert(NBD_SEND_IOVS > 1 + FRONT_MAX_PARTS, "a reply fits");

struct nbd_conn;

/* One request of a client. io.node: free, waiting for buffers, or a reply to be sent. */
struct nbd_op {
	struct front_op io;
	struct nbd_conn *conn;
	struct nbd_request request;
	struct buf *in[FRONT_MAX_PARTS]; /* write: where the payload lands, until it is submitted */
	struct buf *status;              /* block status: the extents */
	uint32_t read_bytes;             /* counted in its connection's */
	uint32_t extent_count;
	uint32_t extent_bytes, extent_state; /* of the last one */
	uint32_t head_bytes;
	uint8_t head[NBD_REPLY_MAX_BYTES];
};

/*
 *   HANDSHAKE --READY--> SERVING --DISC--> LEAVING --all answered--> CLOSING
 *      any --error, end of stream, stop--> CLOSING --nothing in flight--> free
 */
enum nbd_conn_state {
	NBD_CONN_FREE,
	NBD_CONN_HANDSHAKE,
	NBD_CONN_SERVING,
	NBD_CONN_LEAVING,
	NBD_CONN_CLOSING
};

struct nbd_conn {
	struct nbd_serve *serve;
	enum nbd_conn_state state;
	int fd;
	uint64_t deadline_ns; /* of the handshake */
	unsigned in_flight;   /* ops; also those whose replies wait */
	uint64_t read_bytes;  /* of them, the reads */
	bool full;            /* it waits for one of its own reads to be sent */
	struct nbd_handshake handshake;

	/* in */
	struct uring_op recv_op;
	bool receiving;
	struct msghdr recv_msg;
	struct iovec recv_iov[FRONT_MAX_PARTS + 1];
	bool large_writes;      /* the last request was one */
	uint8_t *staging;       /* NBD_STAGING_BYTES */
	uint32_t begin, end;    /* of what has come and wasn't used */
	struct nbd_op *writing; /* its payload is on its way in */
	uint32_t written_bytes; /* of it */
	uint64_t skip_bytes;    /* payload of a request that was refused */

	/* out */
	struct uring_op send_op;
	struct loop_task send_task;
	bool sending;
	struct list replies;  /* oldest first */
	unsigned sending_ops; /* of them, those that are in send_iov */
	struct msghdr send_msg;
	struct iovec send_iov[NBD_SEND_IOVS];
	size_t send_left_bytes;
};

struct nbd_serve {
	atomic_uint refs;
	struct uring_loop *loop;
	struct volume *volume;
	struct buf_pool *bufs;
	char name[SNAPSHOT_NAME_MAX_LEN + 1];
	int listen_fd;
	struct uring_op accept_op;
	bool accepting;
	bool stalled; /* a connection waits for buffers or ops */
	bool stopping, force, gone;
	struct loop_timer retry_timer, deadline_timer, accept_timer;
	struct loop_task resume_task, stop_task;
	nbd_stopped_fn stopped;
	void *stopped_arg;
	uint64_t next_id;
	unsigned in_flight;
	struct list free_ops;
	struct list waiting; /* reads without all of their buffers, oldest first */
	atomic_uint clients;
	struct front_stats stats;
	uint8_t *staging;
	struct nbd_conn conns[NBD_MAX_CONNS];
	struct nbd_op ops[NBD_MAX_OPS];
};

static inline struct nbd_op *nbd_op_of(struct list *node)
{
	return list_entry(node, struct nbd_op, io.node);
}

/* ---- nbd_serve.c ---- */

/* Something of a connection has ended: whoever waits for it may go on. */
void nbd_serve_moved(struct nbd_serve *serve);
/* Parsing can't go on for want of buffers or ops: it does when one is given back, or soon. */
void nbd_serve_stall(struct nbd_serve *serve);

/* ---- nbd_conn.c ---- */

/* Takes the descriptor over; the connection was free. */
void nbd_conn_begin(struct nbd_conn *conn, int fd);
/* Uses what has come, and asks for more. */
void nbd_conn_step(struct nbd_conn *conn);
/* Ends the connection; it is free when nothing of it is in flight. Harmless when it ends already. */
void nbd_conn_close(struct nbd_conn *conn);
/* Frees a connection that is closing, or leaves when all is answered. */
void nbd_conn_check(struct nbd_conn *conn);

/* ---- nbd_io.c ---- */

/*
 * Begins a request whose header has been decoded. False: ops or buffers are short, and nothing has happened.
 * A write whose payload is still to come becomes conn->writing.
 */
bool nbd_io_begin(struct nbd_conn *conn, const struct nbd_request *request) MUST_CHECK;
/* The payload of conn->writing has grown: submits the parts that are whole. */
void nbd_io_payload(struct nbd_conn *conn);
/* The write under way will never be whole. */
void nbd_io_abandon(struct nbd_conn *conn);
/* Goes on with reads that waited for buffers. False: they still do. */
bool nbd_io_resume_waiting(struct nbd_serve *serve);
/* Ends the reads of this connection (NULL: of all) that wait for buffers. */
void nbd_io_drop_waiting(struct nbd_serve *serve, const struct nbd_conn *conn);
/* Its reply is sent, or nobody wants it any more. */
void nbd_op_free(struct nbd_op *op);

/* ---- nbd_send.c ---- */

void nbd_send_init(struct nbd_conn *conn);
/* Sends handshake.out. */
void nbd_send_handshake(struct nbd_conn *conn);
/* Queues the reply to an op that has ended; it leaves at the end of the turn, with its neighbours. */
void nbd_send_reply(struct nbd_op *op);
/* Drops what waits; what is being sent is dropped when the send ends. */
void nbd_send_drop(struct nbd_conn *conn);

#endif
