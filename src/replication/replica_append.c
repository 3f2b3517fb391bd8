/* MATCH and APPEND: the log is made equal to the coordinator's, then grows in order and without gaps. */
#include "replication/replica_private.h"

#include <errno.h>

uint64_t replica_room(const struct replica *rep, const struct replica_figures *figures)
{
	bool adopting = epoch_compare(figures->last.epoch, rep->epoch) < 0;

	return adopting && !MUTANT(adopted_within_share) ? figures->room_adopted_bytes : figures->room_bytes;
}

static void answer_match(struct replica *rep, const struct replica_figures *figures, int rc)
{
	struct message *answer = replica_answer(rep, MESSAGE_MATCH_ANSWER);

	answer->rc = rc;
	answer->seq = figures->last.seq;
	answer->room_bytes = replica_room(rep, figures);
	answer->full = figures->full;
	answer->no_snapshot = figures->no_snapshot;
	answer->incomplete = rep->state.incomplete;
	answer->since = rep->state.since;
}

static void write_state(struct replica *rep, enum replica_writing what)
{
	ASSERT(rep->writing == WRITING_NOTHING);
	rep->writing = what;
	replica_push(rep, REPLICA_STATE)->state = rep->state;
}

void replica_recv_match(struct replica *rep, const struct message *m, const struct replica_figures *figures)
{
	if (rep->truncating || rep->writing != WRITING_NOTHING) {
		rep->counters.out_of_order++;
		return;
	}
	if (m->regressed) {
		/* What it had acknowledged is gone: it vouches for nothing until it has been copied anew. */
		rep->counters.regressions++;
		rep->state.incomplete = true;
		rep->state.damaged = true;
		if (position_compare(m->since, rep->state.since) > 0)
			rep->state.since = m->since;
		write_state(rep, WRITING_REGRESSED);
		return;
	}
	/* A committed entry is never truncated: a session that asks for it has chosen a wrong log. */
	ASSERT_EXPENSIVE(m->seq >= rep->commit_seq);
	if (rep->state.incomplete || m->seq < rep->commit_seq || m->seq > rep->last_seq) {
		rep->counters.unmatched++;
		answer_match(rep, figures, -EPROTO);
		return;
	}
	if (m->seq < rep->last_seq) {
		rep->truncating = true;
		rep->durable_seq = m->seq;
		replica_push(rep, REPLICA_TRUNCATE)->seq = m->seq;
		return;
	}
	rep->matched = true;
	answer_match(rep, figures, 0);
}

void replica_truncated(struct replica *rep, int rc, const struct replica_figures *figures, uint64_t now_ns)
{
	(void)now_ns;
	if (rc != 0)
		return;
	rep->last_seq = figures->last.seq;
	rep->durable_seq = figures->last.seq;
	ASSERT(rep->last_seq >= rep->commit_seq);
	if (!rep->truncating)
		return; /* another session has opened it since */
	rep->truncating = false;
	if (!rep->accepting || rep->to == 0)
		return;
	rep->matched = true;
	answer_match(rep, figures, 0);
}

void replica_regressed_written(struct replica *rep)
{
	struct message *answer;

	if (!rep->accepting || rep->to == 0)
		return;
	answer = replica_answer(rep, MESSAGE_MATCH_ANSWER);
	answer->rc = -EILSEQ;
	answer->incomplete = true;
	answer->since = rep->state.since;
}

void replica_raise_commit(struct replica *rep, uint64_t seq)
{
	/* Committed in the coordinator's log: only what this log shares with it may be taken as such. */
	if (seq > rep->last_seq)
		seq = rep->last_seq;
	if (seq <= rep->commit_seq)
		return;
	rep->commit_seq = seq;
	replica_push(rep, REPLICA_COMMIT)->seq = seq;
}

/* Appends the frame's entry if it is the next one. */
static void take_entry(struct replica *rep, const struct message *m, const struct replica_figures *figures)
{
	struct entry *entry = m->entry;

	if (entry->seq != rep->last_seq + 1 || epoch_compare(entry->epoch, m->epoch) > 0 ||
		epoch_compare(entry->epoch, figures->last.epoch) < 0) {
		rep->counters.out_of_order++;
		return;
	}
	replica_push(rep, REPLICA_APPEND)->entry = entry_ref(entry);
	rep->last_seq = entry->seq;
	if (entry->op == ENTRY_MEMBERSHIP && entry->request_id > rep->state.config_number) {
		rep->state.config_number = entry->request_id;
		if (rep->number_seq == 0)
			rep->number_seq = entry->seq;
		replica_number_step(rep);
	}
}

void replica_number_step(struct replica *rep)
{
	if (MUTANT(number_in_memory))
		rep->number_seq = 0;
	if (rep->number_seq != 0 && rep->writing == WRITING_NOTHING)
		write_state(rep, WRITING_NUMBER);
}

void replica_number_written(struct replica *rep, const struct replica_figures *figures, uint64_t now_ns)
{
	rep->number_seq = 0;
	if (rep->accepting && rep->matched && rep->to != 0)
		replica_acknowledge(rep, figures, now_ns);
}

void replica_acknowledge(struct replica *rep, const struct replica_figures *figures, uint64_t now_ns)
{
	struct message *answer = replica_answer(rep, MESSAGE_APPEND_ANSWER);

	ASSERT(rep->durable_seq <= rep->last_seq);
	answer->seq = rep->durable_seq;
	if (rep->number_seq != 0 && answer->seq >= rep->number_seq)
		answer->seq = rep->number_seq - 1;
	if (MUTANT(ack_before_durable))
		answer->seq = rep->last_seq;
	answer->commit_seq = rep->commit_seq;
	answer->room_bytes = replica_room(rep, figures);
	answer->full = figures->full;
	answer->no_snapshot = figures->no_snapshot;
	answer->incomplete = rep->state.incomplete;
	answer->clock_ns = replica_grant(rep, now_ns) ? rep->clock_ns : 0;
}

void replica_recv_append(
	struct replica *rep, const struct message *m, const struct replica_figures *figures, uint64_t now_ns)
{
	bool heartbeat = m->entry == NULL;

	rep->clock_ns = m->clock_ns;
	if (!rep->matched && !MUTANT(commit_beyond_matched)) {
		/* A heartbeat still renews the lease; it says nothing about this log. */
		if (heartbeat)
			replica_acknowledge(rep, figures, now_ns);
		else
			rep->counters.unmatched++;
		return;
	}
	if (!heartbeat)
		take_entry(rep, m, figures);
	replica_raise_commit(rep, m->commit_seq);
	if (m->all_seq > rep->all_seq) {
		rep->all_seq = m->all_seq;
		replica_push(rep, REPLICA_ALL)->seq = m->all_seq;
	}
	if (heartbeat || MUTANT(ack_before_durable))
		replica_acknowledge(rep, figures, now_ns);
}

void replica_durable(
	struct replica *rep, uint64_t seq, const struct replica_figures *figures, uint64_t now_ns)
{
	ASSERT(seq <= figures->last.seq);
	rep->last_seq = figures->last.seq;
	if (seq <= rep->durable_seq)
		return;
	rep->durable_seq = seq;
	/* While a newer session is being promised the older one's answers have ended (step 3 of OPEN). */
	if ((rep->accepting || MUTANT(ack_after_promise)) && rep->matched && rep->to != 0)
		replica_acknowledge(rep, figures, now_ns);
	replica_sync_finish_step(rep, figures);
}
