/*
 * The handshake on a socket: strictly one step after the other, in exact bytes, so that no frame is read with
 * it.
 */
#include "net/tcp.h"

#include <errno.h>

void tcp_handshake_done(struct tcp_conn *c)
{
	struct tcp *tcp = c->tcp;

	if (tcp_stream_begin(c) < 0) {
		tcp_conn_end(c, NET_FAULT_NONE, -ENOMEM, "no memory for the connection with %s",
			c->peer_text.text);
		return;
	}
	loop_timer_cancel(uring_loop_core(tcp->loop), &c->deadline);
	if (!list_is_empty(&c->stranger)) {
		list_remove(&c->stranger);
		tcp->stranger_count--;
	}
	c->state = TCP_UP;
	if (c->outgoing)
		c->conn.handler->up(&c->conn);
	else if (tcp->net.accepted)
		tcp->net.accepted(&tcp->net, &c->conn, c->peer_text.text);
	if (!c->conn.handler)
		tcp_conn_end(c, NET_FAULT_NONE, -ECONNABORTED, "nobody here takes the connection of %s",
			c->peer_text.text);
	tcp_stream_continue(c);
}

static void handshake_finish(struct tcp_conn *c)
{
	struct tcp *to = tcp_lane(c);

	if (to == c->tcp)
		tcp_handshake_done(c);
	else
		tcp_lane_move(c, to);
}

static void handshake_step(struct tcp_conn *c)
{
	struct handshake *h = &c->handshake;
	struct error error;

	while (c->state == TCP_HANDSHAKE && !c->sending && !c->receiving) {
		uint32_t wanted_bytes = handshake_wanted_bytes(h);

		if (c->handshake_out_sent_bytes < h->out_bytes) {
			struct io_uring_sqe *sqe = uring_loop_sqe(c->tcp->loop, &c->send_op);

			io_uring_prep_send(sqe, c->fd, h->out + c->handshake_out_sent_bytes,
				h->out_bytes - c->handshake_out_sent_bytes, MSG_NOSIGNAL);
			c->sending = true;
		} else if (wanted_bytes == 0) {
			handshake_finish(c);
		} else if (c->handshake_in_bytes < wanted_bytes) {
			struct io_uring_sqe *sqe = uring_loop_sqe(c->tcp->loop, &c->receive_op);

			io_uring_prep_recv(sqe, c->fd, c->handshake_in + c->handshake_in_bytes,
				wanted_bytes - c->handshake_in_bytes, 0);
			c->receiving = true;
		} else {
			int rc = handshake_input(h, c->tcp->key, c->handshake_in, &error);

			c->handshake_in_bytes = 0;
			c->handshake_out_sent_bytes = 0;
			if (rc < 0)
				tcp_conn_end(c, h->fault, rc, "%s: %s", c->peer_text.text, error.text);
		}
	}
}

void tcp_handshake_begin(struct tcp_conn *c)
{
	handshake_step(c);
}

void tcp_handshake_received(struct tcp_conn *c, uint32_t bytes)
{
	c->handshake_in_bytes += bytes;
	handshake_step(c);
}

void tcp_handshake_sent(struct tcp_conn *c, uint32_t bytes)
{
	c->handshake_out_sent_bytes += bytes;
	handshake_step(c);
}
