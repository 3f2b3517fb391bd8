#include "lib/net_sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_NS (3 * NS_PER_S)
#define WRITABLE_BELOW     (NET_QUEUE_BYTES / 2)

enum end_state { END_CONNECTING, END_UP, END_CLOSED };

/* A frame on its way, as bytes. */
struct packet {
	struct list node;
	uint64_t at_ns; /* not before */
	uint32_t bytes;
	uint8_t wire[];
};

/* One end of a connection. It lives until both ends are through. */
struct end {
	struct net_conn conn;
	struct net_sim *fabric;
	unsigned node;
	uint32_t incarnation; /* of the node: a restarted one knows nothing of it */
	enum end_state state;
	struct connection *connection;
	struct end *other;
	struct list inbox; /* packets to this end */
	uint64_t inbox_bytes;
	uint64_t last_at_ns;      /* of the packet sent to this end last */
	bool full;                /* this end's owner was refused */
	struct sim_event deliver; /* to this end */
	struct sim_event ended;   /* tells this end's owner that it is down */
	int ended_rc;
	const char *ended_why;
	uint64_t base_delay_ns; /* of this direction */
};

struct connection {
	struct list node;
	struct end ends[2]; /* 0: who connected */
	struct sim_event established;
	bool is_established;
};

struct sim_net_node {
	struct net net;
	struct net_sim *fabric;
	bool running;
	uint32_t incarnation;
	struct buf_pool *bufs;
};

struct net_sim {
	struct loop_sim *sim;
	struct random random;
	struct net_sim_options options;
	struct sim_net_node nodes[SIM_MAX_NODES];
	bool cut[SIM_MAX_NODES][SIM_MAX_NODES];
	struct list connections;
};

static uint64_t between(struct net_sim *net, uint64_t min, uint64_t max)
{
	return min + (max > min ? random_below(&net->random, max - min + 1) : 0);
}

static bool end_is_alive(const struct end *end)
{
	const struct sim_net_node *node = &end->fabric->nodes[end->node];

	return node->running && node->incarnation == end->incarnation;
}

static void packets_drop(struct end *end)
{
	struct list *node;

	while ((node = list_pop_front(&end->inbox)) != NULL)
		free(list_entry(node, struct packet, node));
	end->inbox_bytes = 0;
	sim_event_cancel(end->fabric->sim, &end->deliver);
}

/* Frees the connection when neither end will be told anything any more. */
static void connection_settle(struct connection *c)
{
	for (unsigned i = 0; i < 2; i++)
		if (c->ends[i].state != END_CLOSED && end_is_alive(&c->ends[i]))
			return;
	for (unsigned i = 0; i < 2; i++) {
		packets_drop(&c->ends[i]);
		sim_event_cancel(c->ends[i].fabric->sim, &c->ends[i].ended);
	}
	sim_event_cancel(c->ends[0].fabric->sim, &c->established);
	list_remove(&c->node);
	free(c);
}

static void end_down_at(struct end *end, uint64_t at_ns, int rc, const char *why)
{
	if (end->state == END_CLOSED || (end->ended.heap_index && end->ended.at_ns <= at_ns))
		return;
	end->ended_rc = rc;
	end->ended_why = why;
	sim_event_set(end->fabric->sim, &end->ended, at_ns);
}

static void end_ended(struct sim_event *event)
{
	struct end *end = event->arg;
	struct loop_sim *sim = end->fabric->sim;
	unsigned node = end->node;

	if (!end_is_alive(end) || end->state == END_CLOSED) {
		end->state = END_CLOSED;
		connection_settle(end->connection);
		return;
	}
	if (loop_sim_is_paused(sim, node)) {
		sim_event_set(sim, event, sim->nodes[node].paused_until_ns);
		return;
	}
	end->state = END_CLOSED;
	packets_drop(end);
	if (end->conn.handler)
		end->conn.handler->down(&end->conn, end->ended_rc, end->ended_why);
	connection_settle(end->connection);
	loop_sim_kick(sim, node);
}

/* ---- delivery ---- */

static void schedule(struct end *to)
{
	struct list *first = list_first(&to->inbox);
	struct net_sim *net = to->fabric;

	if (!first || to->state != END_UP || net->cut[to->other->node][to->node])
		return;
	if (to->deliver.heap_index == 0)
		sim_event_set(net->sim, &to->deliver, list_entry(first, struct packet, node)->at_ns);
}

/* Decodes as the real one does: 0, -EAGAIN (no buffer), or the stream is lost. */
static int packet_parse(struct end *to, struct packet *packet, struct frame *ret_frame, uint32_t *crc)
{
	struct frame_header header;
	struct error error;
	const uint8_t *at = packet->wire + FRAME_HEADER_BYTES;
	uint32_t list_bytes;
	struct reader r;
	int rc = frame_header_decode(packet->wire, &header, &error);

	if (rc != 0)
		return rc;
	list_bytes = header.payload_bytes / BLOCK_BYTES * 4;
	if (FRAME_HEADER_BYTES + header.body_bytes + list_bytes + header.payload_bytes != packet->bytes)
		return -EPROTO;
	if (crc32c(at, header.body_bytes + list_bytes) != header.body_crc)
		return -EPROTO;
	*ret_frame = (struct frame){
		.type = header.type, .target = header.target, .body = at, .body_bytes = header.body_bytes
	};
	if (header.payload_bytes == 0)
		return 0;
	r = reader_init(at + header.body_bytes, list_bytes);
	for (uint32_t i = 0; i < list_bytes / 4; i++)
		crc[i] = read_u32(&r);
	ret_frame->crc = crc;
	ret_frame->payload = buf_get(to->fabric->nodes[to->node].bufs, header.payload_bytes);
	if (!ret_frame->payload)
		return -EAGAIN;
	memcpy(ret_frame->payload->data, at + header.body_bytes + list_bytes, header.payload_bytes);
	ret_frame->payload->len_bytes = header.payload_bytes;
	return 0;
}

static void sender_writable(struct end *sender)
{
	if (!sender->full || sender->other->inbox_bytes > WRITABLE_BELOW)
		return;
	sender->full = false;
	if (sender->state != END_UP || !end_is_alive(sender))
		return;
	sender->conn.handler->writable(&sender->conn);
	loop_sim_kick(sender->fabric->sim, sender->node);
}

static void deliver(struct sim_event *event)
{
	struct end *to = event->arg;
	struct net_sim *net = to->fabric;
	struct list *first = list_first(&to->inbox);
	uint32_t crc[ENTRY_MAX_BLOCKS];
	struct packet *packet;
	struct frame frame;
	int rc;

	if (!first || to->state != END_UP || !end_is_alive(to) || net->cut[to->other->node][to->node])
		return;
	if (loop_sim_is_paused(net->sim, to->node)) {
		sim_event_set(net->sim, event, net->sim->nodes[to->node].paused_until_ns);
		return;
	}
	packet = list_entry(first, struct packet, node);
	rc = packet_parse(to, packet, &frame, crc);
	if (rc == -EAGAIN) {
		sim_event_set(net->sim, event, net->sim->now_ns + NS_PER_MS);
		return;
	}
	if (rc == 0 && net->options.hold &&
		net->options.hold(net->options.arg, to->other->node, to->node, &frame)) {
		buf_put(frame.payload);
		net->cut[to->other->node][to->node] = true;
		return;
	}
	list_remove(&packet->node);
	to->inbox_bytes -= packet->bytes;
	if (rc == 0) {
		if (net->options.delivered)
			net->options.delivered(net->options.arg, to->other->node, to->node, &frame);
		to->conn.handler->frame(&to->conn, &frame);
		buf_put(frame.payload);
	} else {
		end_down_at(to, net->sim->now_ns, rc, "a frame was malformed");
		end_down_at(to->other, net->sim->now_ns + between(net, 0, net->options.delay_max_ns),
			-ECONNRESET, "reset");
	}
	free(packet);
	schedule(to);
	sender_writable(to->other);
	loop_sim_kick(net->sim, to->node);
}

/* ---- net_ops ---- */

static int sim_send(struct net_conn *conn, const struct frame *frame)
{
	struct end *end = container_of(conn, struct end, conn);
	struct net_sim *net = end->fabric;
	struct end *to = end->other;
	uint32_t payload_bytes = frame->payload ? frame->payload->len_bytes : 0;
	uint32_t blocks = payload_bytes / BLOCK_BYTES;
	uint32_t bytes = FRAME_HEADER_BYTES + frame->body_bytes + blocks * 4 + payload_bytes;
	struct packet *packet;
	struct writer w;

	if (end->state != END_UP)
		return -ENOTCONN;
	if (to->inbox_bytes + bytes > NET_QUEUE_BYTES) {
		end->full = true;
		return -EAGAIN;
	}
	packet = malloc(sizeof(*packet) + bytes);
	ASSERT(packet);
	packet->bytes = bytes;
	frame_header_encode(frame, packet->wire);
	w = writer_init(packet->wire + FRAME_HEADER_BYTES, bytes - FRAME_HEADER_BYTES);
	write_bytes(&w, frame->body, frame->body_bytes);
	for (uint32_t i = 0; i < blocks; i++)
		write_u32(&w, frame->crc[i]);
	if (payload_bytes)
		write_bytes(&w, frame->payload->data, payload_bytes);
	ASSERT(!w.failed);
	if (to->state == END_CLOSED || !end_is_alive(to)) {
		free(packet); /* into the void, as with TCP; a node that is back answers with a reset */
		if (net->nodes[to->node].running)
			end_down_at(end, net->sim->now_ns + 2 * to->base_delay_ns, -ECONNRESET, "reset");
		return 0;
	}
	packet->at_ns = net->sim->now_ns + to->base_delay_ns + between(net, 0, to->base_delay_ns / 4);
	if (net->options.slow_ns && random_chance(&net->random, 1, 64))
		packet->at_ns += between(net, 0, net->options.slow_ns);
	if (packet->at_ns < to->last_at_ns)
		packet->at_ns = to->last_at_ns;
	to->last_at_ns = packet->at_ns;
	to->inbox_bytes += bytes;
	list_push_back(&to->inbox, &packet->node);
	schedule(to);
	return 0;
}

static void sim_close(struct net_conn *conn)
{
	struct end *end = container_of(conn, struct end, conn);
	struct net_sim *net = end->fabric;
	uint64_t now_ns = net->sim->now_ns;

	end_down_at(end, now_ns, -ECONNABORTED, "closed");
	/* What was sent before may still get there, or not. */
	if (random_chance(&net->random, 1, 2))
		packets_drop(end->other);
	end_down_at(end->other,
		now_ns + between(net, net->options.delay_min_ns, 2 * net->options.delay_max_ns), -ECONNRESET,
		"reset");
}

static void end_init(struct connection *c, unsigned i, struct net_sim *net, unsigned node)
{
	struct end *end = &c->ends[i];

	end->fabric = net;
	end->node = node;
	end->incarnation = net->nodes[node].incarnation;
	end->state = END_CONNECTING;
	end->connection = c;
	end->other = &c->ends[1 - i];
	end->conn.net = &net->nodes[node].net;
	end->deliver = (struct sim_event){ .fn = deliver, .arg = end };
	end->ended = (struct sim_event){ .fn = end_ended, .arg = end };
	end->base_delay_ns = between(net, net->options.delay_min_ns, net->options.delay_max_ns);
	list_init(&end->inbox);
}

/* The handshake is over, or can't be made. */
static void established(struct sim_event *event)
{
	struct connection *c = event->arg;
	struct end *client = &c->ends[0], *server = &c->ends[1];
	struct net_sim *net = client->fabric;
	uint64_t now_ns = net->sim->now_ns;
	char from[NET_ADDRESS_MAX];

	if (client->state != END_CONNECTING || !end_is_alive(client)) {
		client->state = END_CLOSED;
		server->state = END_CLOSED;
		connection_settle(c);
		return;
	}
	if (net->cut[client->node][server->node] || net->cut[server->node][client->node]) {
		server->state = END_CLOSED;
		end_down_at(client, now_ns + CONNECT_TIMEOUT_NS, -ETIMEDOUT, "timed out");
		return;
	}
	if (loop_sim_is_paused(net->sim, client->node) || loop_sim_is_paused(net->sim, server->node)) {
		sim_event_set(net->sim, event, now_ns + 10 * NS_PER_MS);
		return;
	}
	server->incarnation = net->nodes[server->node].incarnation;
	if (!end_is_alive(server)) {
		server->state = END_CLOSED;
		end_down_at(client, now_ns, -ECONNREFUSED, "refused");
		return;
	}
	c->is_established = true;
	client->state = END_UP;
	server->state = END_UP;
	snprintf(from, sizeof(from), "node-%u", client->node);
	net->nodes[server->node].net.accepted(&net->nodes[server->node].net, &server->conn, from);
	client->conn.handler->up(&client->conn);
	loop_sim_kick(net->sim, server->node);
	loop_sim_kick(net->sim, client->node);
}

/* A node has one thread here, and so one lane. */
static int sim_connect(struct net *from, const struct net_address *to, uint64_t lane,
	const struct net_handler *handler, void *user, struct net_conn **ret_conn)
{
	struct sim_net_node *node = container_of(from, struct sim_net_node, net);
	struct net_sim *net = node->fabric;
	unsigned target;
	struct connection *c;

	(void)lane;
	if (sscanf(to->text, "node-%u", &target) != 1 || target >= SIM_MAX_NODES)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	ASSERT(c);
	end_init(c, 0, net, (unsigned)(node - net->nodes));
	end_init(c, 1, net, target);
	c->ends[0].conn.handler = handler;
	c->ends[0].conn.user = user;
	c->established = (struct sim_event){ .fn = established, .arg = c };
	list_push_back(&net->connections, &c->node);
	sim_event_set(net->sim, &c->established, net->sim->now_ns + 3 * c->ends[1].base_delay_ns);
	*ret_conn = &c->ends[0].conn;
	return 0;
}

static const struct net_ops ops = { sim_connect, sim_send, sim_close };

/* ---- life and faults ---- */

int net_sim_new(
	struct loop_sim *sim, uint64_t seed, const struct net_sim_options *options, struct net_sim **ret_net)
{
	struct net_sim *net = calloc(1, sizeof(*net));

	if (!net)
		return -ENOMEM;
	net->sim = sim;
	net->options = *options;
	random_init(&net->random, seed);
	list_init(&net->connections);
	for (unsigned i = 0; i < SIM_MAX_NODES; i++) {
		net->nodes[i].fabric = net;
		net->nodes[i].net.ops = &ops;
	}
	*ret_net = net;
	return 0;
}

void net_sim_free(struct net_sim *net)
{
	if (!net)
		return;
	for (unsigned i = 0; i < SIM_MAX_NODES; i++)
		net->nodes[i].running = false;
	list_for_each_safe (at, &net->connections)
		connection_settle(list_entry(at, struct connection, node));
	free(net);
}

struct net *net_sim_node_start(struct net_sim *net, unsigned node, struct buf_pool *bufs)
{
	struct sim_net_node *n = &net->nodes[node];

	n->running = true;
	n->incarnation++;
	n->bufs = bufs;
	n->net.accepted = NULL;
	n->net.user = NULL;
	return &n->net;
}

void net_sim_node_stop(struct net_sim *net, unsigned node, bool silent)
{
	net->nodes[node].running = false;
	list_for_each_safe (at, &net->connections) {
		struct connection *c = list_entry(at, struct connection, node);

		for (unsigned i = 0; i < 2; i++) {
			struct end *end = &c->ends[i];

			if (end->node != node || end_is_alive(end))
				continue;
			packets_drop(end);
			if (!silent)
				end_down_at(end->other,
					net->sim->now_ns + between(net, 0, 2 * net->options.delay_max_ns),
					-ECONNRESET, "reset");
		}
		connection_settle(c);
	}
}

void net_sim_address(unsigned node, struct net_address *ret_address)
{
	snprintf(ret_address->text, sizeof(ret_address->text), "node-%u", node);
}

void net_sim_cut(struct net_sim *net, unsigned from, unsigned to, bool cut)
{
	net->cut[from][to] = cut;
	if (cut)
		return;
	list_for_each (at, &net->connections) {
		struct connection *c = list_entry(at, struct connection, node);

		schedule(&c->ends[0]);
		schedule(&c->ends[1]);
	}
}

void net_sim_heal(struct net_sim *net)
{
	for (unsigned i = 0; i < SIM_MAX_NODES; i++)
		for (unsigned j = 0; j < SIM_MAX_NODES; j++)
			if (net->cut[i][j])
				net_sim_cut(net, i, j, false);
}

static struct connection *pick(struct net_sim *net, bool with_packets)
{
	struct connection *picked = NULL;
	uint64_t count = 0;

	list_for_each (at, &net->connections) {
		struct connection *c = list_entry(at, struct connection, node);

		if (!c->is_established || c->ends[0].state != END_UP || c->ends[1].state != END_UP)
			continue;
		if (with_packets && list_is_empty(&c->ends[0].inbox) && list_is_empty(&c->ends[1].inbox))
			continue;
		if (random_below(&net->random, ++count) == 0)
			picked = c;
	}
	return picked;
}

bool net_sim_reset_one(struct net_sim *net)
{
	struct connection *c = pick(net, false);

	if (!c)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &c->ends[i];

		if (random_chance(&net->random, 3, 4))
			packets_drop(end);
		end_down_at(end, net->sim->now_ns + between(net, 0, 4 * net->options.delay_max_ns),
			-ECONNRESET, "reset");
	}
	return true;
}

void net_sim_reset(struct net_sim *net, unsigned a, unsigned b)
{
	list_for_each (at, &net->connections) {
		struct connection *c = list_entry(at, struct connection, node);
		bool forth = c->ends[0].node == a && c->ends[1].node == b;
		bool back = c->ends[0].node == b && c->ends[1].node == a;

		if (!c->is_established || !(forth || back))
			continue;
		for (unsigned i = 0; i < 2; i++) {
			packets_drop(&c->ends[i]);
			end_down_at(&c->ends[i], net->sim->now_ns, -ECONNRESET, "reset");
		}
	}
}

bool net_sim_corrupt_one(struct net_sim *net)
{
	struct connection *c = pick(net, true);
	struct end *end;
	struct packet *packet;
	uint64_t bit;

	if (!c)
		return false;
	end = &c->ends[list_is_empty(&c->ends[0].inbox) ? 1 : 0];
	packet = list_entry(list_last(&end->inbox), struct packet, node);
	bit = random_below(&net->random, (uint64_t)packet->bytes * 8);
	packet->wire[bit / 8] = (uint8_t)(packet->wire[bit / 8] ^ 1u << bit % 8);
	return true;
}
