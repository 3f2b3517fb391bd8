/*
 * Resync, the target's side: maps are compared window by window, what differs is copied, the log begins anew
 * behind a base, and what is written meanwhile arrives as entries. docs/protocol.md, "Resync":
 *
 *   SYNC_START    persist "syncing, since"; forget the log; nothing is applied to grains at or beyond edge 0
 *   SYNC_WINDOW   entries up to here apply below the edge as it is; those behind wait (hold)
 *   MAP_COMPARE   what the source hasn't is freed; the edge moves to the end of what was compared, for those
 *                 that wait and those that come
 *   GRAIN_WRITE   a copy replaces a grain whole
 *   SYNC_FINISH   all grains are in; complete when applied up to the newest q and the log reaches `since`
 */
#include "replication/replica_private.h"

#include <errno.h>
#include <string.h>

void replica_recv_sync_start(
	struct replica *rep, const struct message *m, const struct replica_figures *figures)
{
	/* It is said again while the disk is slow: it must begin once, for windows and entries follow its
	 * answer. */
	bool again = rep->sync_start.type == MESSAGE_SYNC_START && rep->sync_start.token == m->token &&
		     rep->sync_start.session == m->session && rep->sync_start.attempt == m->attempt;

	if (again || rep->writing != WRITING_NOTHING || rep->truncating || rep->resetting ||
		m->row_count > EPOCHS_MAX) {
		rep->counters.out_of_order++;
		return;
	}
	/*
	 * An upper bound of what it may have acknowledged: its own end, or that of an unfinished resync
	 * before. Where damage left it unknown, the session's: it serves by a quorum without this replica, so
	 * it has all that was committed.
	 */
	if (!rep->state.incomplete)
		rep->state.since = figures->last;
	else if (rep->state.since.seq == UINT64_MAX)
		rep->state.since = m->since;
	rep->state.incomplete = true;
	rep->matched = false;
	rep->finishing = false;
	rep->sync_start = *m;
	rep->sync_start.rows = NULL;
	rep->sync_start.entry = NULL;
	rep->sync_start.payload = NULL;
	rep->sync_start.crc = NULL;
	if (m->row_count > 0)
		memcpy(rep->sync_rows, m->rows, m->row_count * sizeof(m->rows[0]));
	rep->writing = WRITING_SYNC_START;
	replica_push(rep, REPLICA_STATE)->state = rep->state;
}

void replica_sync_start_written(struct replica *rep)
{
	struct replica_effect *effect;

	if (!rep->accepting || rep->sync_start.session != rep->session) {
		rep->sync_start.type = 0;
		return;
	}
	replica_push(rep, REPLICA_SYNC_HOLD)->seq = UINT64_MAX;
	replica_push(rep, REPLICA_SYNC_EDGE)->seq = 0;
	if (rep->durable_seq > rep->sync_start.position.seq)
		rep->durable_seq = rep->sync_start.position.seq;
	rep->resetting = true;
	effect = replica_push(rep, REPLICA_LOG_RESET);
	effect->message = rep->sync_start;
	effect->message.rows = rep->sync_rows;
}

void replica_log_reset_done(struct replica *rep, int rc, uint64_t now_ns)
{
	struct message *answer;

	(void)now_ns;
	if (rc != 0)
		return;
	ASSERT(rep->state.incomplete);
	rep->resetting = false;
	rep->last_seq = rep->sync_start.position.seq;
	rep->durable_seq = rep->last_seq;
	rep->commit_seq = rep->last_seq;
	if (!rep->accepting || rep->to == 0 || rep->sync_start.session != rep->session ||
		rep->sync_start.attempt != rep->attempt)
		return;
	rep->matched = true;
	answer = replica_answer(rep, MESSAGE_SYNC_STARTED);
	answer->token = rep->sync_start.token;
	answer->seq = rep->last_seq;
	answer->since = rep->state.since;
}

void replica_recv_sync_window(struct replica *rep, const struct message *m)
{
	(void)m;
	if (!rep->matched || !rep->state.incomplete) {
		rep->counters.unmatched++;
		return;
	}
	/* Entries up to here concern windows that are in, or are left out; those behind wait for this
	 * window's comparison and copies. */
	replica_push(rep, REPLICA_SYNC_HOLD)->seq = MUTANT(sync_ignores_hold) ? UINT64_MAX : rep->last_seq;
}

void replica_recv_map_compare(struct replica *rep, const struct message *m)
{
	struct replica_effect *effect;

	if (!rep->matched || !rep->state.incomplete) {
		rep->counters.unmatched++;
		return;
	}
	effect = replica_push(rep, REPLICA_MAP_COMPARE);
	effect->to = rep->to;
	effect->message = *m;
}

/* Whether an answer to this question still has somewhere to go. */
static bool is_asked_still(const struct replica *rep, uint64_t to, const struct message *question)
{
	return rep->accepting && rep->to == to && question->session == rep->session &&
	       question->attempt == rep->attempt;
}

void replica_map_compared(struct replica *rep, uint64_t to, const struct message *answer_to,
	const struct replica_compared *compared)
{
	struct message *answer;

	if (!is_asked_still(rep, to, answer_to))
		return;
	answer = replica_answer(rep, MESSAGE_MAP_COMPARED);
	answer->token = answer_to->token;
	answer->rc = compared->rc;
	answer->map = answer_to->map;
	answer->map.count = 0;
	ASSERT(compared->end <= answer_to->map.end);
	answer->map.end = compared->end;
	answer->map.copies = compared->copies;
	answer->map.freed = compared->freed;
	answer->indices = compared->indices;
}

void replica_grain_healed(
	struct replica *rep, uint64_t to, const struct message *answer_to, int rc, uint32_t blocks)
{
	struct message *answer;

	if (!is_asked_still(rep, to, answer_to))
		return;
	answer = replica_answer(rep, MESSAGE_GRAIN_HEALED);
	answer->token = answer_to->token;
	answer->grain = answer_to->grain;
	answer->rc = rc;
	answer->blocks = blocks;
}

void replica_damaged(struct replica *rep)
{
	rep->state.incomplete = true;
	rep->state.damaged = true;
	rep->state.since = (struct position){ { UINT64_MAX, UINT32_MAX }, UINT64_MAX };
}

void replica_grain_bad(struct replica *rep, struct uuid snapshot, uint64_t index)
{
	struct message *told;

	ASSERT(rep->effect_count == 0);
	if (!rep->accepting || rep->to == 0 || !rep->matched || rep->state.incomplete ||
		MUTANT(scrub_tells_nobody))
		return;
	told = replica_answer(rep, MESSAGE_GRAIN_BAD);
	told->grain = (struct message_grain){ .layer = LAYER_WHOLE, .index = index };
	told->snapshot = snapshot;
}

void replica_compare_asked(struct replica *rep)
{
	ASSERT(rep->effect_count == 0);
	if (rep->accepting && rep->to != 0 && rep->matched)
		replica_answer(rep, MESSAGE_COMPARE_ASKED);
}

void replica_recv_grain_write(struct replica *rep, const struct message *m)
{
	struct replica_effect *effect;

	if (!rep->matched || !rep->state.incomplete) {
		rep->counters.unmatched++;
		return;
	}
	effect = replica_push(rep, REPLICA_GRAIN_WRITE);
	effect->to = rep->to;
	effect->message = *m;
}

void replica_grain_written(
	struct replica *rep, uint64_t to, const struct message *answer_to, int rc, uint64_t now_ns)
{
	struct message *answer;

	(void)now_ns;
	if (!is_asked_still(rep, to, answer_to))
		return;
	answer = replica_answer(rep, MESSAGE_GRAIN_WRITTEN);
	answer->token = answer_to->token;
	answer->grain = answer_to->grain;
	answer->rc = rc;
}

void replica_recv_sync_finish(struct replica *rep, const struct message *m)
{
	if (!rep->matched || !rep->state.incomplete) {
		rep->counters.unmatched++;
		return;
	}
	replica_push(rep, REPLICA_SYNC_EDGE)->seq = UINT64_MAX;
	replica_push(rep, REPLICA_SYNC_HOLD)->seq = UINT64_MAX;
	rep->finishing = true;
	rep->finish_applied = false;
	rep->finish_seq = m->seq;
	replica_push(rep, REPLICA_APPLIED_WAIT)->seq = m->seq;
}

void replica_applied(struct replica *rep, uint64_t seq, int rc, const struct replica_figures *figures)
{
	if (rc != 0 || !rep->finishing || seq != rep->finish_seq)
		return;
	rep->finish_applied = true;
	replica_sync_finish_step(rep, figures);
}

void replica_sync_finish_step(struct replica *rep, const struct replica_figures *figures)
{
	struct position durable;

	if (!rep->finishing || !rep->finish_applied || rep->writing != WRITING_NOTHING || !rep->matched)
		return;
	durable.seq = rep->durable_seq;
	durable.epoch = epochs_at(figures->rows, figures->row_count, durable.seq);
	if (position_compare(durable, rep->state.since) < 0 && !MUTANT(complete_without_since))
		return;
	ASSERT(rep->durable_seq >= rep->finish_seq);
	rep->finishing = false;
	rep->state.incomplete = false;
	rep->state.damaged = false;
	rep->state.since = (struct position){ { 0, 0 }, 0 };
	rep->writing = WRITING_COMPLETE;
	replica_push(rep, REPLICA_STATE)->state = rep->state;
}

void replica_complete_written(struct replica *rep)
{
	struct message *answer;

	if (!rep->accepting || rep->to == 0 || !rep->matched)
		return;
	answer = replica_answer(rep, MESSAGE_SYNC_FINISHED);
	answer->seq = rep->durable_seq;
}
