#include "group.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#define LEASE_MS 3000u

/* The table of epochs stands in the replica: answers that point to it are polled later. */
static struct replica_figures figures(struct group_replica *r)
{
	struct epoch_start *rows = r->rows;
	struct replica_figures f = {
		.room_bytes = 1u << 20, .room_adopted_bytes = 1u << 20, .first_seq = r->base + 1, .rows = rows
	};

	f.full = r->full;
	f.last.seq = r->last;
	f.last.epoch = r->log[r->last].epoch;
	for (uint64_t s = 1; s <= r->last; s++)
		if (f.row_count == 0 || !epoch_equal(rows[f.row_count - 1].epoch, r->log[s].epoch))
			rows[f.row_count++] = (struct epoch_start){ r->log[s].epoch, s };
	return f;
}

static void machine_start(struct group *g, struct group_replica *r)
{
	struct replica_start start = {
		.promise = r->state.promise,
		.promise_session = r->state.promise_session,
		.config_number = r->state.config_number,
		.incomplete = r->state.incomplete,
		.damaged = r->state.damaged,
		.since = r->state.since,
		.longest_lease_ms = r->state.longest_lease_ms,
		.last = { r->log[r->last].epoch, r->last },
		.commit_seq = r->commit,
		.size_bytes = GROUP_GRAINS * GRAIN_BYTES,
	};

	assert_int_equal(replica_new(&start, g->now_ns, &r->machine), 0);
}

void group_init(struct group *g)
{
	memset(g, 0, sizeof(*g));
	g->now_ns = 1000 * NS_PER_S;
	assert_int_equal(entry_pool_new(1024, &g->entries), 0);
	assert_int_equal(buf_pool_new(16u << 20, &g->bufs), 0);
	for (int i = 0; i < GROUP_REPLICAS; i++) {
		g->replicas[i].hold = UINT64_MAX;
		g->replicas[i].edge = UINT64_MAX;
		machine_start(g, &g->replicas[i]);
	}
}

static void drop(struct group *g, unsigned i)
{
	entry_put(g->queue[i].message.entry);
	buf_put(g->queue[i].message.payload);
	memmove(&g->queue[i], &g->queue[i + 1], (g->queued - i - 1) * sizeof(g->queue[0]));
	g->queued--;
}

void group_lose(struct group *g)
{
	while (g->queued > 0)
		drop(g, 0);
}

static void poll_session(struct group *g, int s);

void group_done(struct group *g)
{
	g->hold = NULL;
	for (int s = 0; s < GROUP_SESSIONS; s++) {
		if (!g->sessions[s].machine)
			continue;
		coordinator_end(g->sessions[s].machine, -1, g->now_ns);
		poll_session(g, s);
	}
	group_lose(g);
	for (int s = 0; s < GROUP_SESSIONS; s++)
		coordinator_free(g->sessions[s].machine);
	for (int i = 0; i < GROUP_REPLICAS; i++)
		replica_free(g->replicas[i].machine);
	entry_pool_free(g->entries);
	assert_int_equal(buf_pool_used_bytes(g->bufs), 0);
	buf_pool_free(g->bufs);
}

static void enqueue(struct group *g, bool to_replica, int replica, int session, const struct message *m)
{
	struct group_message *q = &g->queue[g->queued++];

	assert_true(g->queued < 512);
	q->to_replica = to_replica;
	q->replica = replica;
	q->session = session;
	q->message = *m;
	if (m->entry)
		entry_ref(m->entry);
	if (m->payload)
		buf_ref(m->payload);
	if (m->indices) {
		memcpy(q->indices, m->indices, m->map.copies * sizeof(q->indices[0]));
		q->message.indices = q->indices;
	}
	if (m->row_count > 0) {
		memcpy(q->rows, m->rows, m->row_count * sizeof(m->rows[0]));
		q->message.rows = q->rows; /* set again at delivery: the queue moves */
	}
}

void group_answer(struct group *g, int replica, int session, const struct message *m)
{
	enqueue(g, false, replica, session, m);
}

/* Applies what is committed and not held back, as the store would. */
void group_apply(struct group_replica *r)
{
	if (r->state.incomplete && !r->syncing)
		return; /* an incomplete replica never replays its log */
	while (r->applied < r->commit && r->applied < r->durable && r->applied < r->hold) {
		uint64_t s = ++r->applied;
		uint64_t grain = r->log[s].offset_bytes / GRAIN_BYTES;

		if (r->log[s].op == ENTRY_WRITE && grain < r->edge_of[s] && s > r->grain[grain])
			r->grain[grain] = s;
		if (r->log[s].op == ENTRY_TRIM && grain < r->edge_of[s])
			r->grain[grain] = 0;
	}
}

static void poll_replica(struct group *g, int i);

static void effect_state(struct group *g, struct group_replica *r, struct replica_effect *e)
{
	struct replica_figures f;

	r->pending = e->state;
	r->state_pending = true;
	if (r->disk_stopped)
		return;
	r->state = e->state;
	r->state_pending = false;
	f = figures(r);
	replica_state_written(r->machine, 0, &f, g->now_ns);
}

static void durable(struct group *g, struct group_replica *r)
{
	struct replica_figures f = figures(r);

	if (r->disk_stopped || r->durable == r->last)
		return;
	r->durable = r->last;
	replica_durable(r->machine, r->durable, &f, g->now_ns);
}

static void effect_log(struct group *g, int i, struct replica_effect *e)
{
	struct group_replica *r = &g->replicas[i];
	struct replica_figures f;

	switch (e->type) {
	case REPLICA_APPEND:
		r->log[++r->last] = *e->entry;
		r->edge_of[r->last] = r->edge;
		assert_true(e->entry->seq == r->last);
		entry_put(e->entry);
		break;
	case REPLICA_COMMIT:
		assert_true(e->seq <= r->last);
		r->commit = e->seq;
		break;
	case REPLICA_TRUNCATE:
		assert_true(e->seq >= r->commit);
		r->last = r->durable = e->seq;
		f = figures(r);
		replica_truncated(r->machine, 0, &f, g->now_ns);
		break;
	case REPLICA_LOG_RESET:
		r->last = r->durable = r->commit = r->applied = r->base = e->message.position.seq;
		for (unsigned k = 0; k < e->message.row_count; k++)
			for (uint64_t s = e->message.rows[k].first_seq; s <= r->last; s++)
				r->log[s] = (struct entry){ .epoch = e->message.rows[k].epoch, .seq = s };
		r->syncing = true;
		replica_log_reset_done(r->machine, 0, g->now_ns);
		break;
	default:
		fail();
	}
}

static void effect_answer(struct group *g, int i, struct replica_effect *e)
{
	struct group_replica *r = &g->replicas[i];
	struct message answer = e->message;
	int session = (int)(e->to - 1) / 16;

	if (e->type == REPLICA_READ) {
		answer.type = MESSAGE_READ_ANSWER;
		enqueue(g, false, i, session, &answer);
		return;
	}
	answer.type = MESSAGE_LOG_ANSWER;
	answer.rc = e->message.seq > r->base ? 0 : -2;
	answer.entry = NULL;
	if (answer.rc == 0) {
		struct entry *copy = entry_get(g->entries);
		struct entry_pool *pool = copy->pool;
		uint32_t refs = copy->refs;

		*copy = r->log[e->message.seq];
		copy->pool = pool;
		copy->refs = refs;
		list_init(&copy->free);
		answer.entry = copy;
		enqueue(g, false, i, session, &answer);
		entry_put(copy);
		return;
	}
	enqueue(g, false, i, session, &answer);
}

static void poll_replica(struct group *g, int i)
{
	struct group_replica *r = &g->replicas[i];
	struct replica_figures f;
	const struct replica_effect *next;

	while ((next = replica_poll(r->machine)) != NULL) {
		struct replica_effect e = *next;

		switch (e.type) {
		case REPLICA_SEND:
			if (e.to != 0)
				enqueue(g, false, i, (int)(e.to - 1) / 16, &e.message);
			break;
		case REPLICA_STATE:
			effect_state(g, r, &e);
			break;
		case REPLICA_APPEND:
		case REPLICA_COMMIT:
		case REPLICA_TRUNCATE:
		case REPLICA_LOG_RESET:
			effect_log(g, i, &e);
			break;
		case REPLICA_READ:
		case REPLICA_LOG_READ:
			effect_answer(g, i, &e);
			break;
		case REPLICA_GRAIN_READ:
		case REPLICA_GRAIN_WRITE:
		case REPLICA_GRAIN_HEAL:
		case REPLICA_MAP_READ:
		case REPLICA_MAP_COMPARE:
			group_effect_grains(g, i, &e);
			break;
		case REPLICA_SYNC_HOLD:
			r->hold = e.seq;
			break;
		case REPLICA_SYNC_EDGE:
			r->edge = e.seq;
			for (uint64_t seq = r->hold; seq < r->last; seq++)
				r->edge_of[seq + 1] = e.seq;
			break;
		case REPLICA_APPLIED_WAIT:
			r->applied_wait = e.seq;
			break;
		case REPLICA_ALL:
			break;
		case REPLICA_GROW:
			r->size_bytes = e.message.size_bytes;
			break;
		}
	}
	durable(g, r);
	group_apply(r);
	if (r->applied_wait != 0 && r->applied >= r->applied_wait) {
		uint64_t seq = r->applied_wait;

		r->applied_wait = 0;
		f = figures(r);
		replica_applied(r->machine, seq, 0, &f);
	}
}

static void poll_session(struct group *g, int s)
{
	struct group_session *session = &g->sessions[s];
	struct coordinator_effect e;

	while (coordinator_poll(session->machine, g->now_ns, &e)) {
		switch (e.type) {
		case COORDINATOR_SEND:
			enqueue(g, true, e.voter, s, &e.message);
			break;
		case COORDINATOR_READ:
			/* Read at once: the lease is what these scenarios are about. */
			coordinator_read_done(session->machine, e.operation,
				g->replicas[e.voter].rotten[e.operation->offset_bytes / GRAIN_BYTES] ? -EILSEQ
												     : 0,
				g->now_ns);
			break;
		case COORDINATOR_ANSWER:
			session->answered++;
			session->last_rc = e.rc;
			if (e.operation->is_read)
				session->reads_answered++;
			free(e.operation);
			break;
		case COORDINATOR_RECORD:
			session->record = e.record;
			session->records++;
			break;
		case COORDINATOR_CHANGED:
			break;
		}
	}
}

static uint64_t handle(int session, int replica)
{
	return (uint64_t)(session * 16 + replica + 1);
}

static void deliver(struct group *g, unsigned at)
{
	struct group_message m = g->queue[at];
	struct replica_figures f;

	if (m.message.row_count > 0)
		m.message.rows = m.rows;
	if (m.message.indices)
		m.message.indices = m.indices;
	memmove(&g->queue[at], &g->queue[at + 1], (g->queued - at - 1) * sizeof(g->queue[0]));
	g->queued--;
	g->delivered++;
	if (!g->sessions[m.session].linked[m.replica]) {
		entry_put(m.message.entry);
		buf_put(m.message.payload);
		return;
	}
	if (m.to_replica) {
		f = figures(&g->replicas[m.replica]);
		replica_message(g->replicas[m.replica].machine, handle(m.session, m.replica), &m.message, &f,
			g->now_ns);
		poll_replica(g, m.replica);
	} else {
		coordinator_message(g->sessions[m.session].machine, m.replica, &m.message, g->now_ns);
		poll_session(g, m.session);
	}
	entry_put(m.message.entry);
	buf_put(m.message.payload);
}

void group_run(struct group *g)
{
	bool moved = true;

	for (unsigned turns = 0; moved; turns++) {
		assert_true(turns < 20000);
		moved = false;
		for (int i = 0; i < GROUP_REPLICAS; i++)
			poll_replica(g, i);
		for (int s = 0; s < GROUP_SESSIONS; s++)
			if (g->sessions[s].machine)
				poll_session(g, s);
		for (unsigned i = 0; i < g->queued; i++) {
			if (g->hold && g->hold(&g->queue[i]))
				continue;
			deliver(g, i);
			moved = true;
			break;
		}
	}
}

void group_pass(struct group *g, uint64_t ms)
{
	for (uint64_t end_ns = g->now_ns + ms * NS_PER_MS; g->now_ns < end_ns;) {
		g->now_ns += 10 * NS_PER_MS;
		for (int i = 0; i < GROUP_REPLICAS; i++)
			if (g->now_ns >= replica_deadline_ns(g->replicas[i].machine))
				replica_tick(g->replicas[i].machine, g->now_ns);
		for (int s = 0; s < GROUP_SESSIONS; s++)
			if (g->sessions[s].machine &&
				g->now_ns >= coordinator_deadline_ns(g->sessions[s].machine))
				coordinator_tick(g->sessions[s].machine, g->now_ns);
		group_run(g);
	}
}

void group_link(struct group *g, int s, int replica)
{
	g->sessions[s].linked[replica] = true;
	coordinator_voter_up(g->sessions[s].machine, replica, g->now_ns);
}

void group_unlink(struct group *g, int s, int replica)
{
	if (!g->sessions[s].linked[replica])
		return;
	g->sessions[s].linked[replica] = false;
	for (unsigned i = g->queued; i-- > 0;)
		if (g->queue[i].session == s && g->queue[i].replica == replica)
			drop(g, i);
	coordinator_voter_down(g->sessions[s].machine, replica, g->now_ns);
	replica_disconnected(g->replicas[replica].machine, handle(s, replica));
}

void group_session_start(struct group *g, int s, uint64_t epoch_number, unsigned mask)
{
	struct coordinator_config config = { .voter_count = GROUP_VOTERS, .epoch = { epoch_number, 0 } };

	group_session_start_as(g, s, &config, mask);
}

void group_session_start_as(struct group *g, int s, const struct coordinator_config *members, unsigned mask)
{
	struct coordinator_config config = *members;

	config.local = -1;
	config.size_bytes = GROUP_GRAINS * GRAIN_BYTES;
	config.session = 100 + (uint64_t)s;
	config.lease_ms = LEASE_MS;
	config.lease_margin_ms = 400;
	config.entries = g->entries;
	config.budget = &g->budget;
	config.map_grains = g->map_grains;
	config.map_copies = g->map_copies;
	assert_int_equal(coordinator_new(&config, g->now_ns, &g->sessions[s].machine), 0);
	for (int i = 0; i < GROUP_REPLICAS; i++)
		if (mask & 1u << i)
			group_link(g, s, i);
}

struct operation *group_write(struct group *g, int s, uint64_t grain)
{
	struct operation *op = calloc(1, sizeof(*op));

	op->entry = entry_get(g->entries);
	op->entry->op = ENTRY_WRITE;
	op->entry->offset_bytes = grain * GRAIN_BYTES;
	op->entry->length_bytes = BLOCK_BYTES;
	coordinator_submit(g->sessions[s].machine, op, g->now_ns);
	return op;
}

struct operation *group_read(struct group *g, int s)
{
	struct operation *op = calloc(1, sizeof(*op));

	op->is_read = true;
	op->length_bytes = BLOCK_BYTES;
	coordinator_submit(g->sessions[s].machine, op, g->now_ns);
	return op;
}

void group_replica_restart(struct group *g, int replica)
{
	struct group_replica *r = &g->replicas[replica];

	for (int s = 0; s < GROUP_SESSIONS; s++)
		if (g->sessions[s].machine)
			group_unlink(g, s, replica);
	replica_free(r->machine);
	r->last = r->durable;
	r->state_pending = false;
	r->disk_stopped = false;
	r->applied_wait = 0;
	r->hold = UINT64_MAX;
	r->edge = UINT64_MAX;
	r->syncing = false;
	machine_start(g, r);
}

void group_disk_stop(struct group *g, int replica)
{
	g->replicas[replica].disk_stopped = true;
}

void group_disk_go(struct group *g, int replica)
{
	struct group_replica *r = &g->replicas[replica];
	struct replica_figures f;

	r->disk_stopped = false;
	durable(g, r);
	if (r->state_pending) {
		r->state = r->pending;
		r->state_pending = false;
		f = figures(r);
		replica_state_written(r->machine, 0, &f, g->now_ns);
		poll_replica(g, replica);
	}
	group_run(g);
}

struct coordinator_status group_status(struct group *g, int s)
{
	struct coordinator_status status;

	coordinator_status_get(g->sessions[s].machine, g->now_ns, &status);
	return status;
}

bool group_logs_equal(struct group *g, int a, int b, uint64_t seq)
{
	for (uint64_t s = 1; s <= seq; s++)
		if (!epoch_equal(g->replicas[a].log[s].epoch, g->replicas[b].log[s].epoch))
			return false;
	return g->replicas[a].last >= seq && g->replicas[b].last >= seq;
}
