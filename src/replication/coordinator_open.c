/*
 * Open and take over: promises of a quorum, the greatest complete log among them, the other logs made equal
 * to it, NEW_EPOCH committed. docs/protocol.md, "Open", "Complete, incomplete", "Take over".
 */
#include "replication/coordinator_private.h"

#include <errno.h>
#include <string.h>

static uint8_t not_refused(const struct coordinator *co)
{
	uint8_t mask = 0;

	for (unsigned i = 0; i < co->config.voter_count; i++)
		if (co->voters[i].stage != VOTER_REFUSED)
			mask = (uint8_t)(mask | 1u << i);
	return mask;
}

/* A minority that refuses doesn't stop anything; without a quorum of the others it is over. */
static void voter_refuse(struct coordinator *co, int i, const char *why)
{
	struct voter *v = &co->voters[i];

	v->promised = false;
	v->stage = VOTER_REFUSED;
	voter_reset(co, i);
	co->changed = true;
	if (coordinator_is_quorum(co, not_refused(co)) && !MUTANT(stale_minority_ends))
		return;
	co->outdated = true;
	coordinator_change(co, COORDINATOR_ENDED, why);
	coordinator_answer_all(co, -EIO);
}

void coordinator_recv_stale(struct coordinator *co, int i, const struct message *m)
{
	if (m->type == MESSAGE_CONFIG) {
		voter_refuse(co, i, "the group has newer members than this attachment knows");
		return;
	}
	if (epoch_compare(m->promised, co->promised) > 0)
		co->promised = m->promised;
	voter_refuse(co, i, "a quorum of replicas has promised a newer session");
}

static void voter_match(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	v->log_gone = 0;
	/* It called entries durable in this session, and now has fewer: it must not vouch for anything. */
	v->regressed = position_compare(v->position, v->acknowledged) < 0 && !MUTANT(forget_regress);
	if (v->incomplete) {
		coordinator_sync_wanted(co, i);
		return;
	}
	v->keep_seq =
		epochs_parting(co->rows, co->row_count, co->last_seq, v->rows, v->row_count, v->position.seq);
	if (MUTANT(parting_by_position))
		v->keep_seq = v->position.seq < co->last_seq ? v->position.seq : co->last_seq;
	/* The tables may not reach back far enough; what is committed is the same everywhere. */
	if (v->keep_seq < v->known_commit)
		v->keep_seq = v->known_commit;
	if (MUTANT(truncate_committed) && v->keep_seq > 0)
		v->keep_seq--;
	coordinator_cut_match(co, i);
	v->stage = VOTER_MATCHING;
	v->due |= DUE_MATCH;
}

void coordinator_recv_open_answer(struct coordinator *co, int i, const struct message *m)
{
	struct voter *v = &co->voters[i];

	if (v->stage != VOTER_OPENING || m->row_count > EPOCHS_MAX) {
		co->dropped++;
		return;
	}
	if (m->retired) {
		v->retired = true;
		voter_refuse(co, i, "a quorum of replicas has been retired");
		return;
	}
	if (!MUTANT(size_not_learned))
		coordinator_grow(co, m->size_bytes, co->now_ns);
	v->promised = true;
	v->incomplete = m->incomplete;
	v->damaged = m->damaged;
	v->position = m->position;
	v->since = m->since;
	v->first_seq = m->first_seq;
	v->known_commit = m->commit_seq;
	v->room_bytes = m->room_bytes;
	v->row_count = m->row_count;
	if (m->row_count > 0)
		memcpy(v->rows, m->rows, m->row_count * sizeof(m->rows[0]));
	if (m->clock_ns > v->echo_ns)
		v->echo_ns = m->clock_ns;
	coordinator_confirm(co);
	v->stage = VOTER_OPENED;
	co->changed = true;
	if (co->phase == COORDINATOR_OPENING)
		coordinator_open_step(co);
	else
		voter_match(co, i);
	coordinator_lease_step(co);
}

/* The promised voter with the greatest complete log; -1 where there is none. */
static int greatest_complete(const struct coordinator *co)
{
	int best = -1;

	for (unsigned i = 0; i < co->config.voter_count; i++) {
		const struct voter *v = &co->voters[i];

		if (v->stage != VOTER_OPENED || v->incomplete || !coordinator_is_voter(co, i))
			continue;
		if (best < 0 || position_compare(v->position, co->voters[best].position) > 0 ||
			(position_compare(v->position, co->voters[best].position) == 0 &&
				(int)i == co->config.local))
			best = (int)i;
	}
	return best;
}

/*
 * Whether this log may become the group's: a quorum has promised, of which it is the greatest complete one,
 * and no incomplete one of it may have acknowledged more; and nobody knows of a commit beyond it.
 */
static bool may_choose(const struct coordinator *co, int best)
{
	const struct voter *b = &co->voters[best];
	uint8_t vouching = 0;

	for (unsigned i = 0; i < co->config.voter_count; i++) {
		const struct voter *v = &co->voters[i];

		if (v->stage != VOTER_OPENED || !coordinator_is_voter(co, i))
			continue;
		if (v->known_commit > b->position.seq)
			return false;
		if (v->incomplete && MUTANT(incomplete_never_votes))
			continue;
		if (MUTANT(short_never_votes) && v->position.seq < b->position.seq)
			continue;
		if (!v->incomplete || position_compare(v->since, b->position) <= 0 || MUTANT(since_ignored))
			vouching = (uint8_t)(vouching | 1u << i);
	}
	return MUTANT(open_with_minority) ? vouching != 0 : coordinator_is_quorum(co, vouching);
}

void coordinator_open_step(struct coordinator *co)
{
	int best = greatest_complete(co);
	struct voter *b;

	ASSERT(co->phase == COORDINATOR_OPENING && co->new_epoch_seq == 0);
	if (best < 0 || !may_choose(co, best))
		return;
	b = &co->voters[best];
	co->chosen = best;
	co->row_count = b->row_count;
	memcpy(co->rows, b->rows, b->row_count * sizeof(b->rows[0]));
	co->adopted_seq = b->position.seq;
	co->last_seq = b->position.seq;
	co->window_first = co->last_seq + 1;
	co->commit_seq = 0;
	for (unsigned i = 0; i < co->config.voter_count; i++)
		if (co->voters[i].stage == VOTER_OPENED && coordinator_is_voter(co, i) &&
			co->voters[i].known_commit > co->commit_seq)
			co->commit_seq = co->voters[i].known_commit;
	ASSERT(co->commit_seq <= co->last_seq);
	coordinator_change(co, COORDINATOR_ADOPTING, NULL);
	for (unsigned i = 0; i < co->config.voter_count; i++)
		if (co->voters[i].stage == VOTER_OPENED)
			voter_match(co, (int)i);
}

/*
 * Whether the chosen log is nowhere in reach, while a quorum of the others is. The choice is final, so this
 * session can't take theirs; another one, with a new epoch, can.
 */
static bool choice_is_lost(const struct coordinator *co)
{
	const struct voter *owner = &co->voters[co->chosen < 0 ? 0 : co->chosen];
	uint8_t promised = 0;

	if (co->phase != COORDINATOR_ADOPTING || !co->choice_is_final ||
		(owner->up && !owner->unmatched && !coordinator_is_cut(co, owner)))
		return false;
	for (unsigned i = 0; i < co->config.voter_count; i++) {
		const struct voter *v = &co->voters[i];

		if (voter_is_streaming(v) && v->durable_seq >= co->adopted_seq)
			return false;
		if (v->up && v->promised)
			promised = (uint8_t)(promised | 1u << i);
	}
	return coordinator_is_quorum(co, promised);
}

void coordinator_choice_step(struct coordinator *co)
{
	if (!choice_is_lost(co)) {
		co->choice_lost_ns = 0;
		return;
	}
	if (co->choice_lost_ns == 0)
		co->choice_lost_ns = co->now_ns;
	if (co->now_ns - co->choice_lost_ns < CHOICE_LOST_NS)
		return;
	co->outdated = MUTANT(lost_is_outdated);
	coordinator_change(co, COORDINATOR_ENDED,
		coordinator_is_cut(co, &co->voters[co->chosen])
			? "the chosen log ended in an entry that was never committed and that its replica "
			  "has lost: it was cut off there"
			: "the replica whose log was chosen is lost before it was copied");
	coordinator_answer_all(co, -EIO);
}

/* The log is chosen and its first owner is matched: the session's first entry makes the choice final. */
static void append_new_epoch(struct coordinator *co)
{
	struct entry *entry = entry_get(co->config.entries);

	if (!entry)
		return; /* tried again with the next answer or tick */
	entry->op = ENTRY_NEW_EPOCH;
	entry->attachment = co->config.attachment;
	entry->steward = co->config.steward;
	if (co->row_count == EPOCHS_MAX) {
		memmove(co->rows, co->rows + 1, (EPOCHS_MAX - 1) * sizeof(co->rows[0]));
		co->row_count--;
	}
	co->rows[co->row_count++] = (struct epoch_start){ co->config.epoch, co->last_seq + 1 };
	co->new_epoch_seq = co->last_seq + 1;
	coordinator_append(co, entry, NULL);
	ASSERT(co->last_seq == co->new_epoch_seq);
}

void coordinator_choice_drop(struct coordinator *co)
{
	ASSERT(!co->choice_is_final);
	co->chosen = -1;
	if (co->new_epoch_seq == 0)
		return;
	/* It stood in the window, sent to nobody: the next choice appends its own, behind its own log. */
	ASSERT(co->last_seq == co->new_epoch_seq && co->window_first == co->new_epoch_seq);
	entry_put(coordinator_slot(co, co->last_seq)->entry);
	coordinator_slot(co, co->last_seq)->entry = NULL;
	co->last_seq--;
	co->new_epoch_seq = 0;
}

void coordinator_adopt_step(struct coordinator *co)
{
	if (co->phase != COORDINATOR_ADOPTING || co->new_epoch_seq != 0)
		return;
	if (voter_is_streaming(&co->voters[co->chosen]))
		append_new_epoch(co);
}

/*
 * Its log isn't what it told when it was opened, so the same MATCH will never fit. It is opened anew, once; a
 * log that still can't be matched has no place in this session, which goes on without it if it can: nothing
 * is truncated, and nothing overwritten, on a guess.
 */
static void match_refused(struct coordinator *co, int i, const struct message *m)
{
	struct voter *v = &co->voters[i];

	co->dropped++;
	if (m->incomplete) {
		v->incomplete = true;
		v->since = m->since;
		coordinator_sync_wanted(co, i);
		return;
	}
	v->mismatches++;
	coordinator_voter_again(co, i);
	if (v->mismatches < MISMATCHES_MAX)
		return;
	v->unmatched = true;
	voter_refuse(co, i, "a quorum of replicas have logs that can't be matched with the group's");
}

void coordinator_voter_damaged(struct coordinator *co, int i, struct position since)
{
	struct voter *v = &co->voters[i];

	v->incomplete = true;
	v->damaged = true;
	v->since = since;
	v->acknowledged = (struct position){ { 0, 0 }, 0 };
	coordinator_sync_wanted(co, i);
}

void coordinator_recv_match_answer(struct coordinator *co, int i, const struct message *m)
{
	struct voter *v = &co->voters[i];

	if (v->stage != VOTER_MATCHING) {
		co->dropped++;
		return;
	}
	if (m->rc == -EILSEQ && m->incomplete) {
		coordinator_voter_damaged(co, i, m->since);
		return;
	}
	if (m->rc == -EPROTO) {
		match_refused(co, i, m);
		return;
	}
	if (m->rc != 0 || m->seq != v->keep_seq) {
		co->dropped++;
		return;
	}
	v->stage = VOTER_STREAMING;
	coordinator_cut_done(co, i);
	v->room_bytes = m->room_bytes;
	v->full = m->full;
	v->no_snapshot = m->no_snapshot;
	v->unacked_bytes = 0;
	v->durable_seq = v->keep_seq;
	v->next_seq = v->keep_seq + 1;
	v->commit_sent = 0;
	v->due |= DUE_HEARTBEAT;
	co->changed = true;
	coordinator_full_step(co);
	coordinator_adopt_step(co);
	coordinator_commit_step(co);
	coordinator_lease_step(co);
}
