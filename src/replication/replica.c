/* The replica: life, events in, effects out. Each message has its own function in replica_*.c. */
#include "replication/replica_private.h"

#include <errno.h>
#include <stdlib.h>

int replica_new(const struct replica_start *start, uint64_t now_ns, struct replica **ret_replica)
{
	struct replica *rep = calloc(1, sizeof(*rep));

	if (!rep)
		return -ENOMEM;
	ASSERT(start->commit_seq <= start->last.seq);
	rep->size_bytes = start->size_bytes;
	rep->state = (struct replica_promise){
		.promise = start->promise,
		.promise_session = start->promise_session,
		.config_number = start->config_number,
		.incomplete = start->incomplete,
		.damaged = start->damaged,
		.retired = start->retired,
		.since = start->since,
		.longest_lease_ms = start->longest_lease_ms,
	};
	if (MUTANT(forget_promise)) {
		rep->state.promise = (struct epoch){ 0, 0 };
		rep->state.promise_session = 0;
	}
	rep->last_seq = start->last.seq;
	rep->durable_seq = start->last.seq;
	rep->commit_seq = start->commit_seq;
	/* What was granted before the restart is not known: the longest ever granted may still run. */
	rep->grant_until_ns = now_ns + (uint64_t)start->longest_lease_ms * (NS_PER_MS + NS_PER_MS / 10);
	if (MUTANT(restart_forgets_lease))
		rep->grant_until_ns = now_ns;
	if (MUTANT(incomplete_forgotten))
		rep->state.incomplete = false;
	/* Nor who spoke last, and when: just now, for all that a PROBE is told. */
	rep->heard = epoch_compare(rep->state.promise, (struct epoch){ 0, 0 }) != 0;
	rep->heard_ns = now_ns;
	*ret_replica = rep;
	return 0;
}

void replica_free(struct replica *rep)
{
	const struct replica_effect *effect;

	if (!rep)
		return;
	while ((effect = replica_poll(rep)) != NULL)
		entry_put(effect->entry);
	free(rep);
}

/* To anybody, of the session that is served or not: it hears the session that it has named. */
static struct message *answer_about(
	struct replica *rep, enum message_type type, uint64_t to, const struct message *about)
{
	struct replica_effect *effect = replica_push(rep, REPLICA_SEND);

	effect->to = to;
	effect->message.type = type;
	effect->message.epoch = about->epoch;
	effect->message.session = about->session;
	effect->message.attempt = about->attempt;
	return &effect->message;
}

void replica_send_stale(struct replica *rep, uint64_t to, const struct message *about, struct epoch promised)
{
	rep->counters.stale++;
	answer_about(rep, MESSAGE_STALE, to, about)->promised = promised;
}

/* Whether the frame is of the session that is served, over its present connection. */
static bool is_from_session(struct replica *rep, uint64_t from, const struct message *m)
{
	if (MUTANT(ignore_epoch) && rep->to) {
		rep->epoch = m->epoch;
		rep->session = m->session;
		rep->attempt = m->attempt;
		rep->to = from;
		rep->accepting = true;
		return true;
	}
	if (!rep->accepting || !epoch_equal(m->epoch, rep->epoch) || m->session != rep->session) {
		/* An older session learns that it is over; anything else is noise of a connection that ends.
		 */
		if (epoch_compare(m->epoch, rep->state.promise) < 0)
			replica_send_stale(rep, from, m, rep->state.promise);
		else
			rep->counters.stale++;
		return false;
	}
	if (m->attempt != rep->attempt || from != rep->to) {
		rep->counters.out_of_order++;
		return false;
	}
	return true;
}

static void recv_release(struct replica *rep)
{
	/* It serves nothing after it has sent this: its leases are void. */
	rep->released = true;
	if (!MUTANT(release_unheard))
		rep->grant_until_ns = 0;
	replica_answer(rep, MESSAGE_RELEASE_ANSWER);
	rep->accepting = false;
}

static void recv_probe(struct replica *rep, uint64_t from, const struct message *m, uint64_t now_ns)
{
	struct message *answer = answer_about(rep, MESSAGE_PROBE_ANSWER, from, m);

	answer->token = m->token;
	answer->promised = rep->state.promise;
	answer->heard_ms = replica_heard_ns(rep) ? (now_ns - replica_heard_ns(rep)) / NS_PER_MS : UINT64_MAX;
}

static void hand_on(struct replica *rep, enum replica_effect_type type, const struct message *m)
{
	struct replica_effect *effect = replica_push(rep, type);

	effect->to = rep->to;
	effect->message = *m;
}

static void refuse(struct replica *rep, enum message_type type, const struct message *m, int rc)
{
	struct message *answer = replica_answer(rep, type);

	answer->token = m->token;
	answer->rc = rc;
	answer->grain = m->grain;
	answer->map = m->map;
	answer->seq = m->seq;
}

static void recv_read(struct replica *rep, const struct message *m)
{
	int rc = replica_may_read(rep, m->epoch, m->session, m->seq);

	if (rc == 0)
		hand_on(rep, REPLICA_READ, m);
	else
		refuse(rep, MESSAGE_READ_ANSWER, m, rc);
}

/* What a snapshot holds is the same on whoever has it, whoever coordinates by now: no session is needed. */
static void recv_snapshot_read(struct replica *rep, uint64_t from, const struct message *m)
{
	int rc = replica_may_read_snapshot(rep);
	struct replica_effect *effect;
	struct message *answer;

	if (rc == 0) {
		effect = replica_push(rep, REPLICA_READ);
		effect->to = from;
		effect->message = *m;
		return;
	}
	answer = answer_about(rep, MESSAGE_READ_ANSWER, from, m);
	answer->token = m->token;
	answer->rc = rc;
}

static void recv_grain_read(struct replica *rep, const struct message *m)
{
	int rc = replica_may_read(rep, m->epoch, m->session, m->seq);

	if (rc == 0)
		hand_on(rep, REPLICA_GRAIN_READ, m);
	else
		refuse(rep, MESSAGE_GRAIN_ANSWER, m, rc);
}

static void recv_map_read(struct replica *rep, const struct message *m)
{
	int rc = replica_may_read(rep, m->epoch, m->session, m->seq);

	if (rc == 0)
		hand_on(rep, REPLICA_MAP_READ, m);
	else
		refuse(rep, MESSAGE_MAP_ANSWER, m, rc);
}

/* Of a complete replica; what it has is compared once more when the heal's turn in the grain's queue comes.
 */
void replica_recv_grain_heal(struct replica *rep, const struct message *m)
{
	if (rep->matched && !rep->state.incomplete)
		hand_on(rep, REPLICA_GRAIN_HEAL, m);
	else
		refuse(rep, MESSAGE_GRAIN_HEALED, m, -EAGAIN);
}

static void recv_log_read(struct replica *rep, const struct message *m)
{
	if (rep->matched && !rep->state.incomplete && m->seq <= rep->last_seq)
		hand_on(rep, REPLICA_LOG_READ, m);
	else
		refuse(rep, MESSAGE_LOG_ANSWER, m, -EAGAIN);
}

void replica_message(struct replica *rep, uint64_t from, const struct message *m,
	const struct replica_figures *figures, uint64_t now_ns)
{
	ASSERT(rep->effect_count == 0);
	ASSERT(figures->last.seq >= rep->durable_seq);
	rep->last_seq = figures->last.seq;
	if (m->type == MESSAGE_PROBE) {
		recv_probe(rep, from, m, now_ns);
		return;
	}
	replica_learn_size(rep, m);
	if (m->type == MESSAGE_GROW)
		return;
	if (m->type == MESSAGE_SNAPSHOT_READ) {
		recv_snapshot_read(rep, from, m);
		return;
	}
	if (m->type == MESSAGE_OPEN) {
		replica_recv_open(rep, from, m, now_ns);
		return;
	}
	if (!is_from_session(rep, from, m))
		return;
	rep->heard = true;
	rep->heard_ns = now_ns;
	switch (m->type) {
	case MESSAGE_MATCH:
		replica_recv_match(rep, m, figures);
		break;
	case MESSAGE_APPEND:
		replica_recv_append(rep, m, figures, now_ns);
		break;
	case MESSAGE_READ:
		recv_read(rep, m);
		break;
	case MESSAGE_LOG_READ:
		recv_log_read(rep, m);
		break;
	case MESSAGE_GRAIN_READ:
		recv_grain_read(rep, m);
		break;
	case MESSAGE_SYNC_START:
		replica_recv_sync_start(rep, m, figures);
		break;
	case MESSAGE_SYNC_WINDOW:
		replica_recv_sync_window(rep, m);
		break;
	case MESSAGE_MAP_READ:
		recv_map_read(rep, m);
		break;
	case MESSAGE_MAP_COMPARE:
		replica_recv_map_compare(rep, m);
		break;
	case MESSAGE_GRAIN_WRITE:
		replica_recv_grain_write(rep, m);
		break;
	case MESSAGE_GRAIN_HEAL:
		replica_recv_grain_heal(rep, m);
		break;
	case MESSAGE_SYNC_FINISH:
		replica_recv_sync_finish(rep, m);
		break;
	case MESSAGE_RELEASE:
		recv_release(rep);
		break;
	default:
		rep->counters.out_of_order++;
		break;
	}
}

void replica_disconnected(struct replica *rep, uint64_t from)
{
	if (rep->to == from) {
		rep->to = 0;
		rep->matched = false;
	}
	if (rep->waiting.is_set && rep->waiting.from == from)
		rep->waiting.is_set = false;
	if (rep->promising.is_set && rep->promising.from == from)
		rep->promising.from = 0;
}

uint64_t replica_deadline_ns(const struct replica *rep)
{
	return rep->waiting.is_set && rep->writing == WRITING_NOTHING ? rep->grant_until_ns : UINT64_MAX;
}

void replica_tick(struct replica *rep, uint64_t now_ns)
{
	replica_open_step(rep, now_ns);
}

void replica_state_written(
	struct replica *rep, int rc, const struct replica_figures *figures, uint64_t now_ns)
{
	enum replica_writing what = rep->writing;

	ASSERT(what != WRITING_NOTHING);
	rep->writing = WRITING_NOTHING;
	if (rc != 0)
		return; /* the pool has failed: nothing is answered any more */
	rep->last_seq = figures->last.seq;
	switch (what) {
	case WRITING_PROMISE:
		replica_promise_written(rep, figures, now_ns);
		break;
	case WRITING_REGRESSED:
		replica_regressed_written(rep);
		break;
	case WRITING_SYNC_START:
		replica_sync_start_written(rep);
		break;
	case WRITING_COMPLETE:
		replica_complete_written(rep);
		break;
	case WRITING_NUMBER:
		replica_number_written(rep, figures, now_ns);
		break;
	case WRITING_NOTHING:
		break;
	}
	replica_number_step(rep);
	replica_open_step(rep, now_ns);
}

int replica_may_read(struct replica *rep, struct epoch epoch, uint64_t session, uint64_t read_seq)
{
	if (!rep->accepting || !epoch_equal(epoch, rep->epoch) || session != rep->session)
		return -ESTALE;
	if (!rep->matched || rep->state.incomplete ||
		(read_seq > rep->last_seq && !MUTANT(read_from_laggard)))
		return -EAGAIN;
	replica_raise_commit(rep, read_seq);
	return 0;
}

int replica_may_read_snapshot(const struct replica *rep)
{
	if (rep->state.retired || (rep->state.incomplete && !MUTANT(snapshot_from_incomplete)))
		return -EAGAIN;
	return 0;
}

struct epoch replica_promised(const struct replica *rep)
{
	return rep->state.promise;
}

uint64_t replica_heard_ns(const struct replica *rep)
{
	return rep->heard && !rep->released ? rep->heard_ns : 0;
}

const struct replica_counters *replica_counters(const struct replica *rep)
{
	return &rep->counters;
}
