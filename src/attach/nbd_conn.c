/* One connection: handshake, then requests out of a stream of bytes. */
#include "attach/nbd_serve_private.h"

#include <errno.h>
#include <unistd.h>

/* ---- bytes in ---- */

/* Where the next bytes belong: what is missing of a write's payload first, then the staging buffer. */
static void recv_submit(struct nbd_conn *conn)
{
	struct io_uring_sqe *sqe;
	uint32_t room_bytes;
	unsigned count = 0;

	if (conn->begin == conn->end)
		conn->begin = conn->end = 0;
	if (conn->begin > 0 && conn->end == NBD_STAGING_BYTES) {
		memmove(conn->staging, conn->staging + conn->begin, conn->end - conn->begin);
		conn->end -= conn->begin;
		conn->begin = 0;
	}
	if (conn->writing) {
		struct nbd_op *op = conn->writing;
		uint32_t from_bytes = 0;

		ASSERT(conn->begin == conn->end);
		for (unsigned i = 0; i < op->io.part_count; i++) {
			uint32_t part_bytes = front_op_part_bytes(&op->io, i);
			uint32_t has_bytes =
				conn->written_bytes > from_bytes ? conn->written_bytes - from_bytes : 0;

			from_bytes += part_bytes;
			if (has_bytes < part_bytes)
				conn->recv_iov[count++] =
					(struct iovec){ op->in[i]->data + has_bytes, part_bytes - has_bytes };
		}
	}
	ASSERT(conn->end < NBD_STAGING_BYTES);
	room_bytes = NBD_STAGING_BYTES - conn->end;
	if (conn->large_writes && room_bytes > NBD_AHEAD_BYTES)
		room_bytes = NBD_AHEAD_BYTES;
	conn->recv_iov[count++] = (struct iovec){ conn->staging + conn->end, room_bytes };
	conn->recv_msg = (struct msghdr){ .msg_iov = conn->recv_iov, .msg_iovlen = count };
	sqe = uring_loop_sqe(conn->serve->loop, &conn->recv_op);
	io_uring_prep_recvmsg(sqe, conn->fd, &conn->recv_msg, 0);
	conn->receiving = true;
}

/* `length_bytes` have come where recv_submit() said. */
static void received(struct nbd_conn *conn, uint32_t length_bytes)
{
	if (conn->writing) {
		uint32_t left_bytes = conn->writing->request.length_bytes - conn->written_bytes;
		uint32_t payload_bytes = length_bytes < left_bytes ? length_bytes : left_bytes;

		conn->written_bytes += payload_bytes;
		length_bytes -= payload_bytes;
		nbd_io_payload(conn);
	}
	conn->end += length_bytes;
	ASSERT(conn->end <= NBD_STAGING_BYTES);
}

/* Copies what the staging buffer has of the payload. */
static void payload_take(struct nbd_conn *conn)
{
	struct nbd_op *op = conn->writing;

	while (conn->begin < conn->end && conn->written_bytes < op->request.length_bytes) {
		uint32_t at_bytes = conn->written_bytes % ENTRY_MAX_BYTES;
		unsigned index = conn->written_bytes / ENTRY_MAX_BYTES;
		uint32_t copy_bytes = front_op_part_bytes(&op->io, index) - at_bytes;

		if (copy_bytes > conn->end - conn->begin)
			copy_bytes = conn->end - conn->begin;
		memcpy(op->in[index]->data + at_bytes, conn->staging + conn->begin, copy_bytes);
		conn->written_bytes += copy_bytes;
		conn->begin += copy_bytes;
	}
	stat_add(&conn->serve->stats.copies);
	nbd_io_payload(conn);
}

static void skip_take(struct nbd_conn *conn)
{
	uint64_t skip_bytes = conn->end - conn->begin;

	if (skip_bytes > conn->skip_bytes)
		skip_bytes = conn->skip_bytes;
	conn->skip_bytes -= skip_bytes;
	conn->begin += (uint32_t)skip_bytes;
}

/* ---- steps ---- */

/* The handshake's next step. True: `out` is on its way, or the connection ends. */
static bool handshake_step(struct nbd_conn *conn)
{
	uint32_t used;

	if (conn->sending)
		return true;
	used = nbd_handshake_input(&conn->handshake, conn->staging + conn->begin, conn->end - conn->begin);
	if (used == 0)
		return false;
	conn->begin += used;
	if (conn->handshake.out_bytes > 0)
		nbd_send_handshake(conn);
	else if (conn->handshake.state == NBD_HANDSHAKE_CLOSED)
		nbd_conn_close(conn);
	else
		return handshake_step(conn); /* the client's flags have no answer */
	return true;
}

/* One request. False: there is no whole one, or it has to wait. */
static bool request_step(struct nbd_conn *conn, bool *ret_stalled)
{
	struct nbd_request request;

	if (conn->end - conn->begin < NBD_REQUEST_BYTES)
		return false;
	if (nbd_request_decode(conn->staging + conn->begin, &request) != 0) {
		nbd_conn_close(conn);
		return false;
	}
	if (request.command == NBD_CMD_DISC) {
		conn->state = NBD_CONN_LEAVING;
		nbd_conn_check(conn);
		return false;
	}
	conn->full = request.command == NBD_CMD_READ && conn->read_bytes > 0 &&
		     conn->read_bytes + request.length_bytes > NBD_CONN_READ_BYTES;
	if (conn->full)
		return false;
	if (!list_is_empty(&conn->serve->waiting) || !nbd_io_begin(conn, &request)) {
		*ret_stalled = true;
		return false;
	}
	conn->large_writes = request.command == NBD_CMD_WRITE && request.length_bytes >= NBD_LARGE_BYTES;
	conn->begin += NBD_REQUEST_BYTES;
	return true;
}

void nbd_conn_step(struct nbd_conn *conn)
{
	bool stalled = false;

	if (conn->receiving)
		return;
	if (conn->state == NBD_CONN_HANDSHAKE && handshake_step(conn))
		return;
	while (conn->state == NBD_CONN_SERVING && conn->begin < conn->end) {
		if (conn->skip_bytes > 0)
			skip_take(conn);
		else if (conn->writing)
			payload_take(conn);
		else if (!request_step(conn, &stalled))
			break;
	}
	if (stalled)
		nbd_serve_stall(conn->serve);
	else if (!conn->full && (conn->state == NBD_CONN_HANDSHAKE || conn->state == NBD_CONN_SERVING))
		recv_submit(conn);
}

static void recv_ended(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	struct nbd_conn *conn = container_of(op, struct nbd_conn, recv_op);

	(void)cqe_flags;
	stat_add(&conn->serve->stats.wakeups);
	conn->receiving = false;
	if (conn->state == NBD_CONN_CLOSING) {
		nbd_io_abandon(conn);
		nbd_conn_check(conn);
		return;
	}
	if (result > 0)
		received(conn, (uint32_t)result);
	if (result > 0 || result == -EINTR || result == -EAGAIN)
		nbd_conn_step(conn);
	else /* the client has gone, with or without a word */
		nbd_conn_close(conn);
}

/* ---- life ---- */

void nbd_conn_begin(struct nbd_conn *conn, int fd)
{
	struct nbd_serve *serve = conn->serve;

	ASSERT(conn->state == NBD_CONN_FREE && conn->in_flight == 0);
	conn->fd = fd;
	conn->state = NBD_CONN_HANDSHAKE;
	conn->deadline_ns = loop_now_ns(uring_loop_core(serve->loop)) + NBD_HANDSHAKE_NS;
	conn->begin = conn->end = 0;
	conn->writing = NULL;
	conn->skip_bytes = 0;
	conn->full = false;
	conn->recv_op.fn = recv_ended;
	nbd_send_init(conn);
	nbd_handshake_init(&conn->handshake, serve->name, volume_size_bytes(serve->volume));
	conn->handshake.read_only = volume_is_read_only(serve->volume);
	atomic_fetch_add_explicit(&serve->clients, 1, memory_order_relaxed);
	nbd_send_handshake(conn);
}

void nbd_conn_check(struct nbd_conn *conn)
{
	if (conn->state == NBD_CONN_LEAVING && conn->in_flight == 0 && !conn->sending)
		nbd_conn_close(conn);
	if (conn->state != NBD_CONN_CLOSING || conn->receiving || conn->sending || conn->in_flight > 0)
		return;
	loop_task_cancel(&conn->send_task);
	close(conn->fd);
	conn->fd = -1;
	conn->state = NBD_CONN_FREE;
	atomic_fetch_sub_explicit(&conn->serve->clients, 1, memory_order_relaxed);
	nbd_serve_moved(conn->serve);
}

void nbd_conn_close(struct nbd_conn *conn)
{
	if (conn->state == NBD_CONN_FREE || conn->state == NBD_CONN_CLOSING)
		return;
	conn->state = NBD_CONN_CLOSING;
	(void)shutdown(conn->fd, SHUT_RDWR); /* ends what the ring waits for */
	if (!conn->receiving)                /* else its buffers are the kernel's until then */
		nbd_io_abandon(conn);
	nbd_io_drop_waiting(conn->serve, conn);
	nbd_send_drop(conn);
	nbd_conn_check(conn);
}
