/*
 * A connection goes to the thread that its lane means. One thread listens for all; once the peer has proved
 * itself, and before the first frame is read, the bare socket moves, and a new connection begins on it there.
 */
#include "net/tcp.h"

#include <errno.h>
#include <stdlib.h>

struct arrival {
	struct loop_message message;
	struct tcp *tcp; /* where it arrives */
	int fd;
	struct sockaddr_storage peer;
	socklen_t peer_bytes;
};

/* On the thread of where it arrives. */
static void arrived(struct loop_message *message)
{
	struct arrival *arrival = container_of(message, struct arrival, message);
	struct tcp_conn *c =
		tcp_conn_new(arrival->tcp, arrival->fd, false, 0, &arrival->peer, arrival->peer_bytes);

	if (!c)
		arrival->tcp->counters.refused_limit++;
	else if (arrival->tcp->shut)
		tcp_conn_end(c, NET_FAULT_NONE, -ECONNABORTED, "this node's network is shut down");
	else
		tcp_handshake_done(c);
	free(arrival);
}

struct tcp *tcp_lane(const struct tcp_conn *c)
{
	struct tcp *tcp = c->tcp;

	if (c->outgoing || tcp->lane_count == 0)
		return tcp;
	return container_of(tcp->lanes[c->handshake.lane % tcp->lane_count], struct tcp, net);
}

void tcp_lane_move(struct tcp_conn *c, struct tcp *to)
{
	struct arrival *arrival = calloc(1, sizeof(*arrival));

	if (!arrival) {
		tcp_conn_end(c, NET_FAULT_NONE, -ENOMEM, "no memory for the connection with %s",
			c->peer_text.text);
		return;
	}
	*arrival = (struct arrival){ .message = { .fn = arrived },
		.tcp = to,
		.fd = c->fd,
		.peer = c->peer,
		.peer_bytes = c->peer_bytes };
	c->fd = -1;
	c->moved = true;
	tcp_conn_end(c, NET_FAULT_NONE, -ECONNABORTED, "another thread has it");
	loop_post(to->loop, &arrival->message);
}
