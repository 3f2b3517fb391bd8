/*
 * OPEN: the fence. (1) From now on the old session is granted nothing; (2) its grants run out; (3) from here
 * no older frame is taken, and the promise is written behind every entry that was accepted; (4) when it is
 * durable it is answered, and no older epoch is ever acknowledged again.
 */
#include "replication/replica_private.h"

#include <errno.h>

static void answer_config(struct replica *rep, uint64_t from, const struct message *m)
{
	struct replica_effect *effect = replica_push(rep, REPLICA_SEND);

	effect->to = from;
	effect->message.type = MESSAGE_CONFIG;
	effect->message.epoch = m->epoch;
	effect->message.session = m->session;
	effect->message.attempt = m->attempt;
	effect->message.config_number = rep->state.config_number;
}

static void answer_retired(struct replica *rep, uint64_t from, const struct message *m)
{
	struct replica_effect *effect = replica_push(rep, REPLICA_SEND);

	effect->to = from;
	effect->message.type = MESSAGE_OPEN_ANSWER;
	effect->message.epoch = m->epoch;
	effect->message.session = m->session;
	effect->message.attempt = m->attempt;
	effect->message.retired = true;
	effect->message.rc = -ENOENT;
}

/* Whether (epoch, session) may be promised, given what has been. */
static bool may_promise(const struct replica *rep, struct epoch epoch, uint64_t session)
{
	int order = epoch_compare(epoch, rep->state.promise);

	if (order == 0)
		return session == rep->state.promise_session || MUTANT(equal_epoch);
	return order > 0;
}

/* A size comes from the catalog, which only ever raises it: it is true whoever says it, and whenever. */
void replica_learn_size(struct replica *rep, const struct message *m)
{
	if (m->size_bytes <= rep->size_bytes || rep->state.retired)
		return;
	rep->size_bytes = m->size_bytes;
	replica_push(rep, REPLICA_GROW)->message.size_bytes = m->size_bytes;
}

void replica_recv_open(struct replica *rep, uint64_t from, const struct message *m, uint64_t now_ns)
{
	rep->counters.opens++;
	if (rep->state.retired) {
		answer_retired(rep, from, m);
		return;
	}
	if (!may_promise(rep, m->epoch, m->session)) {
		replica_send_stale(rep, from, m, rep->state.promise);
		return;
	}
	if (rep->waiting.is_set && epoch_compare(m->epoch, rep->waiting.epoch) < 0) {
		replica_send_stale(rep, from, m, rep->waiting.epoch);
		return;
	}
	if (MUTANT(question_renews) && rep->grant_until_ns > now_ns)
		rep->grant_until_ns = now_ns + (uint64_t)m->lease_ms * NS_PER_MS;
	if (m->config_number < rep->state.config_number && !MUTANT(old_configuration)) {
		answer_config(rep, from, m);
		return;
	}
	rep->waiting = (struct replica_open){
		.is_set = true,
		.from = from,
		.epoch = m->epoch,
		.session = m->session,
		.attempt = m->attempt,
		.lease_ms = m->lease_ms,
		.config_number = m->config_number,
		.clock_ns = m->clock_ns,
		.dead_session = m->dead_session,
	};
	replica_open_step(rep, now_ns);
}

/* Step 2: whether the leases of other sessions than this one are over. */
static bool leases_are_over(const struct replica *rep, const struct replica_open *open, uint64_t now_ns)
{
	if (now_ns >= rep->grant_until_ns || MUTANT(no_lease_wait))
		return true;
	if (epoch_compare(rep->state.promise, (struct epoch){ 0, 0 }) == 0)
		return true; /* nobody was ever promised anything */
	if (open->session == rep->state.promise_session)
		return true;
	/* A session that is known to be dead serves nothing. */
	return open->dead_session != 0 && !MUTANT(dead_claim_ignored) &&
	       (open->dead_session == rep->state.promise_session || MUTANT(dead_claim_believed));
}

/* Step 3: what was true before the wait is looked at again. Two may have waited at once; and the session
 * before may have changed the members, whom this one doesn't know. */
static bool wait_refused(struct replica *rep, const struct replica_open *open)
{
	struct message about = { .epoch = open->epoch, .session = open->session, .attempt = open->attempt };

	if (!may_promise(rep, open->epoch, open->session)) {
		replica_send_stale(rep, open->from, &about, rep->state.promise);
		return true;
	}
	if (open->config_number < rep->state.config_number && !MUTANT(old_configuration)) {
		answer_config(rep, open->from, &about);
		return true;
	}
	return false;
}

void replica_open_step(struct replica *rep, uint64_t now_ns)
{
	struct replica_open *open = &rep->waiting;
	struct replica_effect *effect;

	if (!open->is_set || rep->writing != WRITING_NOTHING)
		return;
	if (!leases_are_over(rep, open, now_ns))
		return;
	if (wait_refused(rep, open)) {
		open->is_set = false;
		return;
	}
	ASSERT(epoch_compare(open->epoch, rep->state.promise) >= 0);
	rep->promising = *open;
	rep->promising.durable_seq = rep->durable_seq;
	open->is_set = false;
	rep->accepting = false;
	rep->matched = MUTANT(ack_after_promise) && rep->matched;
	rep->finishing = false;
	rep->state.promise = rep->promising.epoch;
	rep->state.promise_session = rep->promising.session;
	if (rep->promising.config_number > rep->state.config_number)
		rep->state.config_number = rep->promising.config_number;
	if (rep->promising.lease_ms > rep->state.longest_lease_ms)
		rep->state.longest_lease_ms = rep->promising.lease_ms;
	rep->writing = WRITING_PROMISE;
	effect = replica_push(rep, REPLICA_STATE);
	effect->state = rep->state;
}

/* Step 4. The promise stands behind all accepted entries, so they are durable too: the position is read now.
 */
void replica_promise_written(struct replica *rep, const struct replica_figures *figures, uint64_t now_ns)
{
	struct replica_open *open = &rep->promising;
	struct message *answer;

	ASSERT(open->is_set);
	ASSERT(epoch_equal(open->epoch, rep->state.promise));
	open->is_set = false;
	rep->durable_seq = figures->last.seq;
	rep->number_seq = 0; /* the promise was written with it */
	rep->epoch = open->epoch;
	rep->session = open->session;
	rep->attempt = open->attempt;
	rep->to = open->from;
	rep->lease_ms = open->lease_ms;
	rep->clock_ns = open->clock_ns;
	rep->accepting = true;
	rep->released = false;
	rep->matched = false;
	rep->truncating = false;
	if (rep->to == 0)
		return; /* the connection ended meanwhile: it will ask again */
	rep->heard = true;
	rep->heard_ns = now_ns;
	answer = replica_answer(rep, MESSAGE_OPEN_ANSWER);
	answer->position = figures->last;
	answer->size_bytes = rep->size_bytes;
	if (MUTANT(ack_after_promise)) /* read before the entries that were under way */
		answer->position =
			(struct position){ epochs_at(figures->rows, figures->row_count, open->durable_seq),
				open->durable_seq };
	answer->first_seq = figures->first_seq;
	answer->room_bytes = replica_room(rep, figures);
	answer->rows = figures->rows;
	answer->row_count = figures->row_count;
	answer->commit_seq = rep->commit_seq;
	answer->incomplete = rep->state.incomplete;
	answer->damaged = rep->state.damaged;
	answer->since = rep->state.since;
	answer->clock_ns = replica_grant(rep, now_ns) ? rep->clock_ns : 0;
}

bool replica_grant(struct replica *rep, uint64_t now_ns)
{
	uint64_t until_ns;

	if (rep->waiting.is_set && rep->waiting.session != rep->session)
		return false;
	if (rep->released)
		return false;
	/* L plus the margin for drift between two clocks, from the answer on. */
	until_ns = now_ns + (uint64_t)rep->lease_ms * NS_PER_MS + (uint64_t)rep->lease_ms * NS_PER_MS / 10;
	if (MUTANT(lease_without_margin))
		until_ns = now_ns + (uint64_t)rep->lease_ms * NS_PER_MS;
	if (until_ns > rep->grant_until_ns)
		rep->grant_until_ns = until_ns;
	return true;
}
