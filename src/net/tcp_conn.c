/* Life and death of one connection, and the completions of its operations. */
#include "net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* None of these can fail on a TCP socket of our own in a way that matters more than a slower notice. */
static void socket_set(int fd, int level, int option, int value)
{
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

static void socket_options(int fd)
{
	socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	socket_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_DEAD_MS);
	socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	socket_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 2);
	socket_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	socket_set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

static void conn_deadline(void *arg)
{
	struct tcp_conn *c = arg;

	if (c->state == TCP_CONNECTING)
		tcp_conn_end(c, NET_FAULT_TIMEOUT, -ETIMEDOUT, "connect to %s: no answer within %u s",
			c->peer_text.text, (unsigned)(TCP_HANDSHAKE_NS / NS_PER_S));
	else
		tcp_conn_end(c, NET_FAULT_TIMEOUT, -ETIMEDOUT, "%s did not finish the handshake within %u s",
			c->peer_text.text, (unsigned)(TCP_HANDSHAKE_NS / NS_PER_S));
}

static void conn_connected(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	struct tcp_conn *c = container_of(op, struct tcp_conn, connect_op);

	(void)cqe_flags;
	c->connecting = false;
	if (c->state == TCP_ENDED) {
		tcp_conn_settle(c);
	} else if (result < 0) {
		tcp_conn_end(
			c, NET_FAULT_NONE, result, "connect to %s: %s", c->peer_text.text, strerror(-result));
	} else {
		c->state = TCP_HANDSHAKE;
		tcp_handshake_begin(c);
	}
}

static void conn_received(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	struct tcp_conn *c = container_of(op, struct tcp_conn, receive_op);
	bool up = c->state == TCP_UP;

	c->receiving = false;
	c->more_waits = cqe_flags & IORING_CQE_F_SOCK_NONEMPTY;
	if (c->state == TCP_ENDED)
		tcp_conn_settle(c);
	else if (result < 0)
		tcp_conn_end(c, NET_FAULT_RESET, result, "%s: %s", c->peer_text.text, strerror(-result));
	else if (result == 0 && up)
		tcp_conn_end(c, NET_FAULT_RESET, -ECONNRESET, "%s closed the connection", c->peer_text.text);
	else if (result == 0)
		tcp_conn_end(c, NET_FAULT_RESET, -ECONNRESET,
			"%s closed the connection during the handshake: has it this cluster's key?",
			c->peer_text.text);
	else if (up)
		tcp_stream_received(c, (uint32_t)result);
	else
		tcp_handshake_received(c, (uint32_t)result);
}

static void conn_sent(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	struct tcp_conn *c = container_of(op, struct tcp_conn, send_op);

	(void)cqe_flags;
	c->sending = false;
	if (c->state == TCP_ENDED)
		tcp_conn_settle(c);
	else if (result < 0)
		tcp_conn_end(c, NET_FAULT_RESET, result, "%s: %s", c->peer_text.text, strerror(-result));
	else if (c->state == TCP_UP)
		tcp_stream_sent(c, (uint32_t)result);
	else
		tcp_handshake_sent(c, (uint32_t)result);
}

/* Tells the owner, once, from a task of its own. */
static void conn_tell_end(void *arg)
{
	struct tcp_conn *c = arg;

	ASSERT(c->state == TCP_ENDED && !c->told);
	c->told = true;
	if (c->conn.handler)
		c->conn.handler->down(&c->conn, c->end_rc, c->why);
	else if (!c->moved && c->tcp->net.refused)
		c->tcp->net.refused(c->tcp->net.refused_arg, c->peer_text.text, c->why);
	tcp_conn_settle(c);
}

struct tcp_conn *tcp_conn_new(struct tcp *tcp, int fd, bool outgoing, uint64_t lane,
	const struct sockaddr_storage *peer, socklen_t peer_bytes)
{
	struct tcp_conn *c = tcp->conn_count < TCP_MAX_CONNECTIONS ? calloc(1, sizeof(*c)) : NULL;
	uint8_t nonce[HANDSHAKE_NONCE_BYTES];

	if (!c || getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce)) {
		free(c);
		close(fd);
		return NULL;
	}
	c->conn.net = &tcp->net;
	c->tcp = tcp;
	c->outgoing = outgoing;
	c->state = outgoing ? TCP_CONNECTING : TCP_HANDSHAKE;
	c->fd = fd;
	memcpy(&c->peer, peer, sizeof(c->peer));
	c->peer_bytes = peer_bytes;
	address_format(peer, &c->peer_text);
	loop_timer_init(&c->deadline, conn_deadline, c);
	loop_task_init(&c->end_task, conn_tell_end, c);
	loop_task_init(&c->send_task, tcp_stream_send_now, c);
	list_init(&c->stranger);
	list_init(&c->starved);
	list_push_back(&tcp->conns, &c->node);
	tcp->conn_count++;
	c->connect_op.fn = conn_connected;
	c->receive_op.fn = conn_received;
	c->send_op.fn = conn_sent;
	handshake_init(&c->handshake, outgoing ? HANDSHAKE_CLIENT : HANDSHAKE_SERVER, nonce, lane);
	socket_options(fd);
	loop_timer_set(uring_loop_core(tcp->loop), &c->deadline,
		loop_now_ns(uring_loop_core(tcp->loop)) + TCP_HANDSHAKE_NS);
	return c;
}

void tcp_conn_connect(struct tcp_conn *c)
{
	struct io_uring_sqe *sqe = uring_loop_sqe(c->tcp->loop, &c->connect_op);

	ASSERT(c->state == TCP_CONNECTING && !c->connecting);
	io_uring_prep_connect(sqe, c->fd, (struct sockaddr *)&c->peer, c->peer_bytes);
	c->connecting = true;
}

static void conn_count_fault(struct net_tcp_counters *counters, enum net_fault fault)
{
	switch (fault) {
	case NET_FAULT_NONE:
		break;
	case NET_FAULT_MAGIC:
		counters->refused_magic++;
		break;
	case NET_FAULT_VERSION:
		counters->refused_version++;
		break;
	case NET_FAULT_CRC:
		counters->refused_crc++;
		break;
	case NET_FAULT_SIZE:
		counters->refused_size++;
		break;
	case NET_FAULT_AUTH:
		counters->refused_auth++;
		break;
	case NET_FAULT_TIMEOUT:
		counters->refused_timeout++;
		break;
	case NET_FAULT_LIMIT:
		counters->refused_limit++;
		break;
	case NET_FAULT_RESET:
		counters->resets++;
		break;
	}
}

void tcp_conn_end(struct tcp_conn *c, enum net_fault fault, int rc, const char *format, ...)
{
	struct tcp *tcp = c->tcp;
	va_list args;

	if (c->state == TCP_ENDED)
		return;
	ASSERT(rc < 0);
	c->state = TCP_ENDED;
	c->end_rc = rc;
	va_start(args, format);
	(void)vsnprintf(c->why, sizeof(c->why), format, args);
	va_end(args);
	conn_count_fault(&tcp->counters, fault);
	loop_timer_cancel(uring_loop_core(tcp->loop), &c->deadline);
	loop_task_cancel(&c->send_task);
	if (!list_is_empty(&c->stranger)) {
		list_remove(&c->stranger);
		tcp->stranger_count--;
	}
	list_remove(&c->starved);
	if (!c->moved)
		(void)shutdown(c->fd, SHUT_RDWR);
	if (c->connecting)
		uring_loop_cancel(tcp->loop, &c->connect_op);
	if (c->receiving)
		uring_loop_cancel(tcp->loop, &c->receive_op);
	if (c->sending)
		uring_loop_cancel(tcp->loop, &c->send_op);
	loop_defer(uring_loop_core(tcp->loop), &c->end_task);
}

void tcp_conn_settle(struct tcp_conn *c)
{
	ASSERT(c->state == TCP_ENDED);
	if (!c->told || c->connecting || c->receiving || c->sending)
		return;
	list_remove(&c->node);
	c->tcp->conn_count--;
	frame_parser_done(&c->parser);
	send_queue_done(&c->queue);
	if (!c->moved)
		close(c->fd);
	free(c);
}
