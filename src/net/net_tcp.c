/* The network over TCP: listening, connecting, shutting down. One connection's life is in tcp_conn.c. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/tcp.h"

static struct tcp *tcp_of(const struct net *net)
{
	return container_of(net, struct tcp, net);
}

static int tcp_connect(struct net *net, const struct net_address *to, uint64_t lane,
	const struct net_handler *handler, void *user, struct net_conn **ret_conn)
{
	struct tcp *tcp = tcp_of(net);
	struct sockaddr_storage peer = { 0 };
	socklen_t peer_bytes;
	struct tcp_conn *c;
	int rc, fd;

	if (tcp->shut)
		return -ESHUTDOWN;
	rc = address_parse(to, &peer, &peer_bytes, NULL);
	if (rc < 0)
		return rc;
	fd = socket(peer.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	c = tcp_conn_new(tcp, fd, true, lane, &peer, peer_bytes);
	if (!c)
		return -ENOMEM;
	c->conn.handler = handler;
	c->conn.user = user;
	tcp_conn_connect(c);
	*ret_conn = &c->conn;
	return 0;
}

static void tcp_close(struct net_conn *conn)
{
	struct tcp_conn *c = container_of(conn, struct tcp_conn, conn);

	tcp_conn_end(c, NET_FAULT_NONE, -ECONNABORTED, "closed by this node");
}

static const struct net_ops tcp_ops = { .connect = tcp_connect, .send = tcp_stream_send, .close = tcp_close };

/* ---- listening ---- */

static void tcp_accept(void *arg)
{
	struct tcp *tcp = arg;

	io_uring_prep_multishot_accept(
		uring_loop_sqe(tcp->loop, &tcp->accept_op), tcp->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	tcp->accepting = true;
}

static void tcp_welcome(struct tcp *tcp, int fd)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t peer_bytes = sizeof(peer);
	struct tcp_conn *c;

	if (tcp->shut || getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) < 0) {
		close(fd);
		return;
	}
	if (tcp->stranger_count >= TCP_MAX_STRANGERS) {
		struct tcp_conn *oldest = list_entry(list_first(&tcp->strangers), struct tcp_conn, stranger);

		tcp_conn_end(oldest, NET_FAULT_LIMIT, -ECONNABORTED,
			"%s gave way: more than %u connections in their handshake", oldest->peer_text.text,
			TCP_MAX_STRANGERS);
	}
	c = tcp_conn_new(tcp, fd, false, 0, &peer, peer_bytes);
	if (!c) {
		tcp->counters.refused_limit++;
		return;
	}
	list_push_back(&tcp->strangers, &c->stranger);
	tcp->stranger_count++;
	tcp_handshake_begin(c);
}

static void tcp_accepted(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	struct tcp *tcp = container_of(op, struct tcp, accept_op);
	struct loop *core = uring_loop_core(tcp->loop);

	tcp->accepting = cqe_flags & IORING_CQE_F_MORE;
	if (result >= 0)
		tcp_welcome(tcp, result);
	if (tcp->accepting || tcp->shut)
		return;
	/* Out of descriptors or memory: later again. */
	if (result < 0)
		loop_timer_set(core, &tcp->accept_timer, loop_now_ns(core) + TCP_ACCEPT_RETRY_NS);
	else
		tcp_accept(tcp);
}

int net_tcp_listen(struct net *net, const struct net_address *address, struct error *error)
{
	struct tcp *tcp = tcp_of(net);
	struct sockaddr_storage own = { 0 };
	socklen_t own_bytes;
	int one = 1, rc, fd;

	ASSERT(tcp->listen_fd < 0 && !tcp->shut);
	rc = address_parse(address, &own, &own_bytes, error);
	if (rc < 0)
		return rc;
	fd = socket(own.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(error, -errno, "socket for %s: %s", address->text, strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&own, own_bytes) < 0 || listen(fd, TCP_BACKLOG) < 0) {
		rc = -errno;
		close(fd);
		if (rc == -EADDRINUSE)
			return error_set(error, rc,
				"%s is in use by another process: choose another data port", address->text);
		if (rc == -EADDRNOTAVAIL)
			return error_set(error, rc, "%s is not an address of this machine", address->text);
		return error_set(error, rc, "listen on %s: %s", address->text, strerror(-rc));
	}
	tcp->listen_fd = fd;
	tcp_accept(tcp);
	return 0;
}

void net_tcp_address(const struct net *net, struct net_address *ret_address)
{
	struct sockaddr_storage own = { 0 };
	socklen_t own_bytes = sizeof(own);

	ASSERT(tcp_of(net)->listen_fd >= 0);
	ASSERT(getsockname(tcp_of(net)->listen_fd, (struct sockaddr *)&own, &own_bytes) == 0);
	address_format(&own, ret_address);
}

void net_tcp_lanes(struct net *net, struct net *const *lanes, unsigned count)
{
	ASSERT(tcp_of(net)->listen_fd < 0);
	tcp_of(net)->lanes = lanes;
	tcp_of(net)->lane_count = count;
}

/* ---- life ---- */

static void tcp_feed_starved(void *arg)
{
	struct tcp *tcp = arg;
	struct list starved;
	struct list *node;

	/* Each one once: who is still starved comes back to tcp->starved, and sets the timer again. */
	list_init(&starved);
	while ((node = list_pop_front(&tcp->starved)))
		list_push_back(&starved, node);
	while ((node = list_pop_front(&starved)))
		tcp_stream_continue(list_entry(node, struct tcp_conn, starved));
}

int net_tcp_new(struct uring_loop *loop, struct buf_pool *bufs, const uint8_t key[static NET_KEY_BYTES],
	struct net **ret_net)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	if (!tcp)
		return -ENOMEM;
	tcp->net.ops = &tcp_ops;
	tcp->loop = loop;
	tcp->bufs = bufs;
	memcpy(tcp->key, key, sizeof(tcp->key));
	tcp->listen_fd = -1;
	tcp->accept_op.fn = tcp_accepted;
	loop_timer_init(&tcp->accept_timer, tcp_accept, tcp);
	loop_timer_init(&tcp->starved_timer, tcp_feed_starved, tcp);
	list_init(&tcp->conns);
	list_init(&tcp->strangers);
	list_init(&tcp->starved);
	*ret_net = &tcp->net;
	return 0;
}

void net_tcp_shutdown(struct net *net)
{
	struct tcp *tcp = tcp_of(net);

	if (tcp->shut)
		return;
	tcp->shut = true;
	loop_timer_cancel(uring_loop_core(tcp->loop), &tcp->accept_timer);
	loop_timer_cancel(uring_loop_core(tcp->loop), &tcp->starved_timer);
	if (tcp->accepting)
		uring_loop_cancel(tcp->loop, &tcp->accept_op);
	list_for_each_safe (node, &tcp->conns)
		tcp_conn_end(list_entry(node, struct tcp_conn, node), NET_FAULT_NONE, -ECONNABORTED,
			"this node's network is shut down");
}

bool net_tcp_is_idle(const struct net *net)
{
	const struct tcp *tcp = tcp_of(net);

	return list_is_empty(&tcp->conns) && !tcp->accepting;
}

void net_tcp_free(struct net *net)
{
	struct tcp *tcp;

	if (!net)
		return;
	tcp = tcp_of(net);
	ASSERT(net_tcp_is_idle(net));
	loop_timer_cancel(uring_loop_core(tcp->loop), &tcp->accept_timer);
	loop_timer_cancel(uring_loop_core(tcp->loop), &tcp->starved_timer);
	if (tcp->listen_fd >= 0)
		close(tcp->listen_fd);
	explicit_bzero(tcp, sizeof(*tcp));
	free(tcp);
}

const struct net_tcp_counters *net_tcp_counters(const struct net *net)
{
	return &tcp_of(net)->counters;
}
