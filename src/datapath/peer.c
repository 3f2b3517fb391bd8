/*
 * Connections to the pools where remote voters live: one a pool, since a node's pools may be on several
 * threads, shared by all volumes.
 *
 *   IDLE --timer--> CONNECTING --up--> UP --down--> IDLE (back-off 50 ms .. 2 s, with jitter)
 *
 * Who has no voter left lingers, so that a RELEASE gets through, and is closed.
 */
#include "datapath/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void peer_timer(void *arg);

uint64_t datapath_lane(struct uuid pool)
{
	struct reader r = reader_init(pool.byte, sizeof(pool.byte));

	return read_u64(&r);
}

unsigned datapath_thread(struct uuid pool, unsigned threads)
{
	return threads > 1 ? (unsigned)(datapath_lane(pool) % threads) : 0;
}

struct peer *peer_get(struct datapath *dp, const struct volume_voter *voter)
{
	uint64_t lane = datapath_lane(voter->pool);
	struct peer *peer;

	list_for_each (at, &dp->peers) {
		peer = list_entry(at, struct peer, node);
		if (peer->lane != lane || strcmp(peer->name, voter->node) != 0)
			continue;
		peer->address = voter->address; /* of the next connection */
		return peer;
	}
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->datapath = dp;
	peer->address = voter->address;
	peer->lane = lane;
	snprintf(peer->name, sizeof(peer->name), "%s", voter->node);
	list_init(&peer->voters);
	loop_timer_init(&peer->timer, peer_timer, peer);
	list_push_back(&dp->peers, &peer->node);
	return peer;
}

static void timer_in_ms(struct peer *peer, uint64_t ms)
{
	loop_timer_set(
		peer->datapath->config.loop, &peer->timer, datapath_now_ns(peer->datapath) + ms * NS_PER_MS);
}

static void peer_free(struct peer *peer)
{
	ASSERT(list_is_empty(&peer->voters));
	ASSERT(!peer->conn);
	loop_timer_cancel(peer->datapath->config.loop, &peer->timer);
	list_remove(&peer->node);
	free(peer);
}

/* Connects again, later each time, and not at the same moment as everyone else. */
static void back_off(struct peer *peer)
{
	uint64_t jitter;

	if (peer->backoff_ms == 0)
		peer->backoff_ms = PEER_BACKOFF_MIN_MS;
	jitter = random_below(&peer->datapath->random, peer->backoff_ms / 2 + 1);
	timer_in_ms(peer, peer->backoff_ms + jitter);
	peer->backoff_ms *= 2;
	if (peer->backoff_ms > PEER_BACKOFF_MAX_MS)
		peer->backoff_ms = PEER_BACKOFF_MAX_MS;
}

/* ---- what the connection tells ---- */

static void conn_up(struct net_conn *conn)
{
	struct peer *peer = conn->user;

	ASSERT(peer->state == PEER_CONNECTING);
	peer->state = PEER_UP;
	peer->up_ns = datapath_now_ns(peer->datapath);
	peer->unanswered_ns = 0;
	timer_in_ms(peer, PEER_SILENCE_MS / 4);
	list_for_each (at, &peer->voters)
		voter_up(list_entry(at, struct voter, peer_node));
}

static void conn_down(struct net_conn *conn, int rc, const char *why)
{
	struct peer *peer = conn->user;
	struct datapath *dp = peer->datapath;
	bool was_up = peer->state == PEER_UP;

	(void)rc;
	peer->conn = NULL;
	peer->state = PEER_IDLE;
	if (was_up && datapath_now_ns(dp) - peer->up_ns >= PEER_STABLE_MS * NS_PER_MS)
		peer->backoff_ms = 0;
	if (was_up && !peer->closing)
		datapath_event(dp, "peer-lost", peer->name, "%s", why);
	peer->closing = false;
	list_for_each (at, &peer->voters) {
		struct voter *voter = list_entry(at, struct voter, peer_node);

		voter->blocked = false;
		voter_down(voter);
	}
	if (list_is_empty(&peer->voters))
		peer_free(peer);
	else
		back_off(peer);
}

static void conn_close(struct peer *peer)
{
	if (peer->closing)
		return;
	peer->closing = true;
	net_close(peer->conn);
}

/* As large as what its replica says may be; it is looked at by views, too, which may be of an older size. */
static uint64_t voter_size_bytes(const struct voter *voter)
{
	const struct coordinator *co = voter->volume->coordinator;

	return co ? coordinator_size_bytes(co) : VOLUME_MAX_BYTES;
}

static void conn_frame(struct net_conn *conn, const struct frame *frame)
{
	struct peer *peer = conn->user;
	struct datapath *dp = peer->datapath;
	struct wire_in *in = &dp->wire_in;
	const struct table_node *known = table_find(&dp->voters_by_replica, frame->target);
	const char *why = NULL;
	struct voter *voter;
	uint64_t size_bytes = 0;
	int rc;

	peer->unanswered_ns = 0;
	if (peer->closing)
		return;
	if (!known)
		return; /* of a volume that was detached meanwhile */
	size_bytes = voter_size_bytes(container_of(known, struct voter, by_replica));
	rc = wire_decode(in, frame, dp->config.entries, size_bytes, &why);
	if (rc != 0) {
		dp->frames_refused++;
		datapath_event(dp, "peer-refused", peer->name, "closed the connection: %s (frame type %u)",
			why, frame->type);
		conn_close(peer);
		return;
	}
	voter = voter_find(dp, frame->target, in->message.session);
	if (voter && voter->peer == peer) {
		uint64_t at_ns = datapath_now_ns(dp);

		if (!voter->volume->coordinator) {
			view_answer(voter, &in->message);
		} else if (in->message.type == MESSAGE_READ_ANSWER) {
			volume_read_answer(voter, &in->message);
		} else {
			if (in->message.type == MESSAGE_APPEND_ANSWER)
				trace_voter_answer(voter->volume, voter->index, in->message.seq, at_ns);
			coordinator_message(
				voter->volume->coordinator, (int)voter->index, &in->message, at_ns);
		}
		volume_mark(voter->volume);
	}
	wire_in_done(in);
}

static void conn_writable(struct net_conn *conn)
{
	struct peer *peer = conn->user;

	list_for_each (at, &peer->voters) {
		struct voter *voter = list_entry(at, struct voter, peer_node);

		if (!voter->blocked)
			continue;
		voter->blocked = false;
		if (voter->volume->coordinator)
			coordinator_voter_writable(voter->volume->coordinator, (int)voter->index);
		volume_mark(voter->volume);
	}
}

static const struct net_handler handler = {
	.up = conn_up,
	.frame = conn_frame,
	.down = conn_down,
	.writable = conn_writable,
};

/* ---- */

static void peer_connect(struct peer *peer)
{
	struct datapath *dp = peer->datapath;
	int rc;

	ASSERT(peer->state == PEER_IDLE);
	rc = net_connect(dp->config.net, &peer->address, peer->lane, &handler, peer, &peer->conn);
	if (rc == 0) {
		peer->state = PEER_CONNECTING;
		return;
	}
	peer->conn = NULL;
	datapath_event(dp, "peer-unreachable", peer->name, "%s: %s", peer->address.text, strerror(-rc));
	back_off(peer);
}

static void peer_timer(void *arg)
{
	struct peer *peer = arg;

	if (list_is_empty(&peer->voters)) {
		if (peer->conn)
			conn_close(peer); /* freed when it is down */
		else
			peer_free(peer);
		return;
	}
	if (peer->state == PEER_IDLE) {
		peer_connect(peer);
	} else if (peer->state == PEER_UP) {
		uint64_t now = datapath_now_ns(peer->datapath);

		if (peer->unanswered_ns && now - peer->unanswered_ns > PEER_SILENCE_MS * NS_PER_MS)
			conn_close(peer);
		else
			timer_in_ms(peer, PEER_SILENCE_MS / 4);
	}
}

void peer_voter_add(struct peer *peer, struct voter *voter)
{
	bool is_first = list_is_empty(&peer->voters);

	voter->peer = peer;
	voter->blocked = false;
	list_push_back(&peer->voters, &voter->peer_node);
	if (peer->state == PEER_UP && !peer->closing) {
		timer_in_ms(peer, PEER_SILENCE_MS / 4);
		voter_up(voter);
	} else if (peer->state == PEER_IDLE && peer->backoff_ms == 0) {
		peer_connect(peer);
	} else if (peer->state == PEER_IDLE && is_first) {
		timer_in_ms(peer, PEER_BACKOFF_MIN_MS); /* it was set to the lingering's end */
	}
}

void peer_voter_remove(struct voter *voter)
{
	struct peer *peer = voter->peer;

	list_remove(&voter->peer_node);
	voter->peer = NULL;
	if (list_is_empty(&peer->voters))
		timer_in_ms(peer, PEER_LINGER_MS);
}

int peer_send(struct voter *voter, const struct message *message)
{
	struct peer *peer = voter->peer;
	struct datapath *dp = peer->datapath;
	int rc;

	if (peer->state != PEER_UP || peer->closing)
		return -ENOTCONN;
	wire_encode(message, voter->replica, &dp->wire_out);
	rc = net_send(peer->conn, &dp->wire_out.frame);
	if (rc == -EAGAIN)
		voter->blocked = true;
	else if (rc == 0 && peer->unanswered_ns == 0)
		peer->unanswered_ns = datapath_now_ns(dp);
	return rc;
}

static void ignore_conn(struct net_conn *conn)
{
	(void)conn;
}

static void ignore_frame(struct net_conn *conn, const struct frame *frame)
{
	(void)conn;
	(void)frame;
}

static void ignore_down(struct net_conn *conn, int rc, const char *why)
{
	(void)conn;
	(void)rc;
	(void)why;
}

/* Of connections that outlive the datapath, until their `down`. */
static const struct net_handler nobody = { ignore_conn, ignore_frame, ignore_down, ignore_conn };

void peers_free(struct datapath *dp)
{
	list_for_each_safe (at, &dp->peers) {
		struct peer *peer = list_entry(at, struct peer, node);

		if (peer->conn) {
			peer->conn->handler = &nobody;
			net_close(peer->conn);
			peer->conn = NULL;
		}
		peer_free(peer);
	}
}
