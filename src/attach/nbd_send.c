/*
 * Replies on their way to a client: those that a turn of the loop has queued leave with one sendmsg at its
 * end, the data of reads straight from the buffers that the store filled.
 */
#include "attach/nbd_serve_private.h"

#include <errno.h>

static void send_submit(struct nbd_conn *conn)
{
	struct io_uring_sqe *sqe = uring_loop_sqe(conn->serve->loop, &conn->send_op);

	io_uring_prep_sendmsg(sqe, conn->fd, &conn->send_msg, MSG_NOSIGNAL);
	conn->sending = true;
}

static void iov_add(struct nbd_conn *conn, void *bytes, size_t length_bytes)
{
	ASSERT(conn->send_msg.msg_iovlen < NBD_SEND_IOVS);
	conn->send_iov[conn->send_msg.msg_iovlen++] = (struct iovec){ bytes, length_bytes };
	conn->send_left_bytes += length_bytes;
}

static void iov_begin(struct nbd_conn *conn)
{
	conn->send_msg = (struct msghdr){ .msg_iov = conn->send_iov };
	conn->send_left_bytes = 0;
	conn->sending_ops = 0;
}

/* What the reply to this op needs of the list. */
static void reply_add(struct nbd_conn *conn, struct nbd_op *op)
{
	iov_add(conn, op->head, op->head_bytes);
	if (op->status && op->io.rc == 0)
		iov_add(conn, op->status->data, (size_t)op->extent_count * NBD_EXTENT_BYTES);
	if (op->request.command == NBD_CMD_READ && op->io.rc == 0)
		for (unsigned i = 0; i < op->io.part_count; i++)
			iov_add(conn, op->io.part[i].data->data, op->io.part[i].length_bytes);
	conn->sending_ops++;
}

static void send_next(struct nbd_conn *conn)
{
	if (conn->sending || conn->state == NBD_CONN_CLOSING || list_is_empty(&conn->replies))
		return;
	iov_begin(conn);
	list_for_each (node, &conn->replies) {
		if (conn->send_msg.msg_iovlen + 1 + FRONT_MAX_PARTS > NBD_SEND_IOVS)
			break;
		reply_add(conn, nbd_op_of(node));
	}
	send_submit(conn);
}

/* Skips what has gone out. True: all of it has. */
static bool send_advance(struct nbd_conn *conn, size_t sent_bytes)
{
	ASSERT(sent_bytes <= conn->send_left_bytes);
	conn->send_left_bytes -= sent_bytes;
	while (sent_bytes > 0 && sent_bytes >= conn->send_msg.msg_iov->iov_len) {
		sent_bytes -= conn->send_msg.msg_iov->iov_len;
		conn->send_msg.msg_iov++;
		conn->send_msg.msg_iovlen--;
	}
	if (sent_bytes > 0) {
		conn->send_msg.msg_iov->iov_base = (uint8_t *)conn->send_msg.msg_iov->iov_base + sent_bytes;
		conn->send_msg.msg_iov->iov_len -= sent_bytes;
	}
	return conn->send_left_bytes == 0;
}

static void sent_free(struct nbd_conn *conn)
{
	while (conn->sending_ops > 0) {
		conn->sending_ops--;
		nbd_op_free(nbd_op_of(list_pop_front(&conn->replies)));
	}
}

static void send_ended(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	struct nbd_conn *conn = container_of(op, struct nbd_conn, send_op);

	(void)cqe_flags;
	conn->sending = false;
	if (conn->state == NBD_CONN_CLOSING) {
		nbd_send_drop(conn);
		nbd_conn_check(conn);
		return;
	}
	if (result == -EINTR || result == -EAGAIN)
		result = 0;
	if (result < 0) { /* the client has gone */
		nbd_conn_close(conn);
		return;
	}
	if (!send_advance(conn, (size_t)result)) {
		send_submit(conn);
		return;
	}
	sent_free(conn);
	if (conn->state == NBD_CONN_HANDSHAKE) {
		if (conn->handshake.state == NBD_HANDSHAKE_READY)
			conn->state = NBD_CONN_SERVING;
		if (conn->handshake.state == NBD_HANDSHAKE_CLOSED) {
			nbd_conn_close(conn);
			return;
		}
		nbd_conn_step(conn);
		return;
	}
	send_next(conn);
	nbd_conn_check(conn);
}

static void send_due(void *arg)
{
	send_next(arg);
}

void nbd_send_init(struct nbd_conn *conn)
{
	conn->send_op.fn = send_ended;
	loop_task_init(&conn->send_task, send_due, conn);
	list_init(&conn->replies);
}

void nbd_send_handshake(struct nbd_conn *conn)
{
	ASSERT(!conn->sending && list_is_empty(&conn->replies));
	iov_begin(conn);
	iov_add(conn, conn->handshake.out, conn->handshake.out_bytes);
	send_submit(conn);
}

void nbd_send_reply(struct nbd_op *op)
{
	struct nbd_conn *conn = op->conn;
	uint64_t cookie = op->request.cookie;

	if (conn->state == NBD_CONN_CLOSING) {
		nbd_op_free(op);
		nbd_conn_check(conn);
		return;
	}
	if (op->io.rc < 0)
		stat_add(&conn->serve->stats.errors);
	if (op->status && op->io.rc == 0)
		op->head_bytes =
			nbd_reply_status(op->head, cookie, conn->handshake.context, op->extent_count);
	else if (op->request.command == NBD_CMD_READ && conn->handshake.structured)
		op->head_bytes = op->io.rc < 0 ? nbd_reply_error(op->head, cookie, op->io.rc)
					       : nbd_reply_data(op->head, cookie, op->request.offset_bytes,
							 op->request.length_bytes);
	else if (op->request.command == NBD_CMD_BLOCK_STATUS && conn->handshake.structured)
		op->head_bytes = nbd_reply_error(op->head, cookie, op->io.rc);
	else
		op->head_bytes = nbd_reply_simple(op->head, cookie, op->io.rc);
	list_push_back(&conn->replies, &op->io.node);
	loop_defer(uring_loop_core(conn->serve->loop), &conn->send_task);
}

void nbd_send_drop(struct nbd_conn *conn)
{
	struct list *node;

	if (conn->sending)
		return;
	conn->sending_ops = 0;
	while ((node = list_pop_front(&conn->replies)))
		nbd_op_free(nbd_op_of(node));
}
