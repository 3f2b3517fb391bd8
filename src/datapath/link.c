/* Ways back from replicas to coordinators: incoming connections, and the local volumes' voters. */
#include "datapath/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct link *link_new(struct datapath *dp, struct net_conn *conn, struct voter *voter)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->datapath = dp;
	link->id = ++dp->link_id;
	link->conn = conn;
	link->voter = voter;
	list_init(&link->held);
	list_push_back(&dp->links[link->id % LINK_BUCKETS], &link->node);
	return link;
}

static void held_put(struct datapath *dp, struct held *held)
{
	buf_put(held->payload);
	held->payload = NULL;
	list_push_back(&dp->free_held, &held->node);
}

void link_free(struct link *link)
{
	struct datapath *dp = link->datapath;
	struct list *node;

	list_for_each (at, &dp->hosts) {
		struct host *host = list_entry(at, struct host, node);

		replica_disconnected(host->machine, link->id);
		host_poll(host);
	}
	while ((node = list_pop_front(&link->held)) != NULL)
		held_put(dp, list_entry(node, struct held, node));
	list_remove(&link->node);
	free(link);
}

void links_free(struct datapath *dp)
{
	for (unsigned i = 0; i < LINK_BUCKETS; i++)
		list_for_each_safe (at, &dp->links[i]) {
			struct link *link = list_entry(at, struct link, node);

			if (link->conn)
				link->conn->user = NULL;
			link_free(link);
		}
}

void links_close(struct datapath *dp)
{
	for (unsigned i = 0; i < LINK_BUCKETS; i++)
		list_for_each (at, &dp->links[i]) {
			struct link *link = list_entry(at, struct link, node);

			if (link->conn)
				net_close(link->conn);
		}
}

struct link *link_find(struct datapath *dp, uint64_t id)
{
	list_for_each (at, &dp->links[id % LINK_BUCKETS]) {
		struct link *link = list_entry(at, struct link, node);

		if (link->id == id)
			return link;
	}
	return NULL;
}

/* ---- local ---- */

static void answer_local(struct voter *voter, const struct message *message)
{
	struct volume *volume = voter->volume;
	uint64_t at_ns = datapath_now_ns(volume->datapath);

	if (message->type == MESSAGE_APPEND_ANSWER)
		trace_voter_answer(volume, voter->index, message->seq, at_ns);
	coordinator_message(volume->coordinator, (int)voter->index, message, at_ns);
	volume_mark(volume);
}

/* ---- over a connection ---- */

/* Frames of a connection stay in order: behind one that waits all wait. */
static int hold(struct link *link, const struct frame *frame)
{
	struct datapath *dp = link->datapath;
	struct list *node = list_pop_front(&dp->free_held);
	struct held *held;

	if (!node && dp->held_cut == DATAPATH_MAX_HELD)
		return -ENOBUFS;
	held = node ? list_entry(node, struct held, node) : &dp->held[dp->held_cut++];
	ASSERT(frame->body_bytes <= sizeof(held->body));
	held->type = frame->type;
	held->target = frame->target;
	held->body_bytes = frame->body_bytes;
	memcpy(held->body, frame->body, frame->body_bytes);
	held->payload = frame->payload ? buf_ref(frame->payload) : NULL;
	if (frame->payload)
		memcpy(held->crc, frame->crc, frame->payload->len_bytes / BLOCK_BYTES * sizeof(held->crc[0]));
	list_push_back(&link->held, &held->node);
	return 0;
}

static void conn_writable(struct net_conn *conn)
{
	struct link *link = conn->user;
	struct list *node;

	while (link && (node = list_first(&link->held)) != NULL) {
		struct held *held = list_entry(node, struct held, node);
		struct frame frame = {
			.type = held->type,
			.target = held->target,
			.body = held->body,
			.body_bytes = held->body_bytes,
			.crc = held->payload ? held->crc : NULL,
			.payload = held->payload,
		};
		int rc = net_send(conn, &frame);

		if (rc == -EAGAIN)
			return;
		list_remove(node);
		held_put(link->datapath, held);
	}
}

void link_answer(struct datapath *dp, uint64_t id, struct uuid replica, const struct message *message)
{
	struct link *link = link_find(dp, id);
	struct frame *frame = &dp->wire_out.frame;
	int rc;

	if (!link)
		return;
	if (link->voter) {
		answer_local(link->voter, message);
		return;
	}
	wire_encode(message, replica, &dp->wire_out);
	rc = list_is_empty(&link->held) ? net_send(link->conn, frame) : -EAGAIN;
	if (rc == -EAGAIN)
		rc = hold(link, frame);
	if (rc == -ENOBUFS) /* an answer must not get lost on a connection that lives on */
		net_close(link->conn);
}

static void conn_up(struct net_conn *conn)
{
	(void)conn; /* incoming ones are up when they are told */
}

static void conn_frame(struct net_conn *conn, const struct frame *frame)
{
	struct link *link = conn->user;
	struct datapath *dp;
	struct host *host;
	const char *why = NULL;
	int rc;

	if (!link)
		return;
	dp = link->datapath;
	host = host_find(dp, frame->target);
	if (!host || host->failed) {
		dp->frames_refused++; /* its pool isn't open (yet), or has failed: the coordinator will ask
					 again */
		return;
	}
	rc = wire_decode(&dp->wire_in, frame, dp->config.entries, pool_replica_size(host->store), &why);
	if (rc == 0) {
		host_message(host, link->id, &dp->wire_in.message);
		wire_in_done(&dp->wire_in);
		return;
	}
	dp->frames_refused++;
	datapath_event(dp, "peer-refused", "connection", "closed an incoming connection: %s (frame type %u)",
		why, frame->type);
	conn->user = NULL;
	link_free(link);
	net_close(conn);
}

static void conn_down(struct net_conn *conn, int rc, const char *why)
{
	(void)rc;
	(void)why;
	if (conn->user)
		link_free(conn->user);
}

static const struct net_handler handler = {
	.up = conn_up,
	.frame = conn_frame,
	.down = conn_down,
	.writable = conn_writable,
};

void datapath_accepted(struct net *net, struct net_conn *conn, const char *from)
{
	struct datapath *dp = net->user;

	(void)from;
	conn->handler = &handler;
	conn->user = link_new(dp, conn, NULL);
	if (!conn->user)
		net_close(conn);
}
