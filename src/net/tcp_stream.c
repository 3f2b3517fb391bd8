/* Frames out and in over an authenticated connection. */
#include "net/tcp.h"

#include <errno.h>

void tcp_stream_send_now(void *arg)
{
	struct tcp_conn *c = arg;
	struct io_uring_sqe *sqe;

	if (c->state != TCP_UP || c->sending || c->queue.count == 0)
		return;
	c->send_msg = (struct msghdr){
		.msg_iov = c->send_iov,
		.msg_iovlen = send_queue_gather(&c->queue, c->send_iov, TCP_SEND_PIECES),
	};
	sqe = uring_loop_sqe(c->tcp->loop, &c->send_op);
	io_uring_prep_sendmsg(sqe, c->fd, &c->send_msg, MSG_NOSIGNAL);
	c->tcp->counters.sends++;
	c->sending = true;
}

int tcp_stream_begin(struct tcp_conn *c)
{
	int rc = frame_parser_init(&c->parser, c->tcp->bufs);

	return rc < 0 ? rc : send_queue_init(&c->queue);
}

int tcp_stream_send(struct net_conn *conn, const struct frame *frame)
{
	struct tcp_conn *c = container_of(conn, struct tcp_conn, conn);
	int rc;

	if (c->state != TCP_UP)
		return -ENOTCONN;
	rc = send_queue_push(&c->queue, frame);
	if (rc < 0) {
		c->refused = true;
		return rc;
	}
	/* At the end of the turn: what is queued until then leaves with it. */
	if (!c->sending)
		loop_defer(uring_loop_core(c->tcp->loop), &c->send_task);
	return 0;
}

void tcp_stream_sent(struct tcp_conn *c, uint32_t bytes)
{
	c->tcp->counters.bytes_out += bytes;
	c->tcp->counters.frames_out += send_queue_advance(&c->queue, bytes);
	if (c->queue.count > 0)
		loop_defer(uring_loop_core(c->tcp->loop), &c->send_task);
	if (c->refused && c->queue.bytes <= NET_QUEUE_BYTES / 2 && c->queue.count <= SEND_MAX_FRAMES / 2 &&
		c->queue.ring_used_bytes <= SEND_RING_BYTES / 2) {
		c->refused = false;
		c->conn.handler->writable(&c->conn);
	}
}

static void stream_receive(struct tcp_conn *c)
{
	struct io_uring_sqe *sqe = uring_loop_sqe(c->tcp->loop, &c->receive_op);

	ASSERT(!c->receiving);
	c->receive_msg = (struct msghdr){
		.msg_iov = c->receive_iov,
		.msg_iovlen = frame_parser_space(&c->parser, c->receive_iov),
	};
	io_uring_prep_recvmsg(sqe, c->fd, &c->receive_msg, 0);
	/* Where nothing waits, an attempt that must fail is saved. */
	if (!c->more_waits)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	c->receiving = true;
}

/* No buffer for a payload: the socket is left alone, and so the peer slows down, until there is one. */
static void stream_starve(struct tcp_conn *c)
{
	struct loop *core = uring_loop_core(c->tcp->loop);

	if (list_is_empty(&c->starved))
		list_push_back(&c->tcp->starved, &c->starved);
	if (!loop_timer_is_set(&c->tcp->starved_timer))
		loop_timer_set(core, &c->tcp->starved_timer, loop_now_ns(core) + TCP_STARVED_NS);
	c->tcp->counters.starved++;
}

void tcp_stream_continue(struct tcp_conn *c)
{
	struct frame frame;
	struct error error;
	int rc = 1;

	while (c->state == TCP_UP && rc == 1) {
		rc = frame_parser_next(&c->parser, &frame, &error);
		if (rc == 1) {
			c->tcp->counters.frames_in++;
			c->conn.handler->frame(&c->conn, &frame);
		} else if (rc == 0) {
			stream_receive(c);
		} else if (rc == -EAGAIN) {
			stream_starve(c);
		} else {
			tcp_conn_end(c, c->parser.fault, rc, "%s: %s", c->peer_text.text, error.text);
		}
	}
}

void tcp_stream_received(struct tcp_conn *c, uint32_t bytes)
{
	c->tcp->counters.bytes_in += bytes;
	frame_parser_fill(&c->parser, bytes);
	tcp_stream_continue(c);
}
