/*
 * An entry at the end of the chosen log that nobody in reach can give: its owner's disk has lost it (rot, a
 * write that went elsewhere or nowhere), and no other voter has it. A resync can't bring it, for it isn't
 * committed; and while the log ends so, it is the longest, and chosen again and again. Where it is certain
 * that it never was committed it is cut off from its owners' logs, with all behind it. docs/protocol.md, "A
 * lost end of a log".
 */
#include "replication/coordinator_private.h"

/*
 * Whether this voter has certainly never acknowledged the chosen log's entry at this position. It has
 * promised this session, so it acknowledges no older one's any more; and of this one's entries it has been
 * sent nothing from there on.
 */
static bool never_acknowledged(const struct voter *v, struct position at)
{
	if (!v->up || !v->promised)
		return false;
	if (voter_is_streaming(v))
		return v->next_seq <= at.seq;
	/* Of a resync that is being begun the answer will tell `since`. */
	return v->incomplete && v->stage >= VOTER_OPENED && v->stage != VOTER_SYNC_STARTING &&
	       v->stage != VOTER_REFUSED && v->next_seq <= at.seq && v->since.seq != UINT64_MAX &&
	       position_compare(v->since, at) < 0;
}

static bool was_never_committed(const struct coordinator *co, uint64_t seq)
{
	struct position at = { epochs_at(co->rows, co->row_count, seq), seq };
	uint8_t without = 0;

	for (unsigned j = 0; j < co->config.voter_count; j++)
		if (never_acknowledged(&co->voters[j], at))
			without = (uint8_t)(without | 1u << j);
	return coordinator_is_blocking(co, without) || MUTANT(cut_unproven);
}

void coordinator_cut_wanted(struct coordinator *co, int i)
{
	struct voter *target = &co->voters[i];
	uint64_t seq = target->next_seq;
	struct position before;

	ASSERT(seq > co->commit_seq);
	if (co->phase != COORDINATOR_ADOPTING || !co->choice_is_final || seq > co->adopted_seq ||
		!was_never_committed(co, seq)) {
		/* Who else may have it isn't there; or the disk will read it after all. */
		target->log_gone = 0;
		target->retry_ns = co->now_ns + OPEN_AGAIN_NS;
		return;
	}
	before = (struct position){ epochs_at(co->rows, co->row_count, seq - 1), seq - 1 };
	for (unsigned j = 0; j < co->config.voter_count; j++) {
		struct voter *v = &co->voters[j];

		if (!voter_is_streaming(v) || v->durable_seq < seq)
			continue;
		/* It is opened anew: so nothing is under way to it when it is truncated. */
		v->cut_seq = seq;
		if (position_compare(v->acknowledged, before) > 0)
			v->acknowledged = before;
		coordinator_voter_again(co, (int)j);
	}
	co->again = true;
}

void coordinator_cut_match(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	/* Another who has it may have come meanwhile, and it may be committed by now. */
	if (v->keep_seq < v->cut_seq || v->cut_seq <= co->commit_seq || v->cut_seq <= v->known_commit)
		v->cut_seq = 0;
	if (v->cut_seq != 0)
		v->keep_seq = v->cut_seq - 1;
}

void coordinator_cut_done(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	if (v->cut_seq == 0)
		return;
	ASSERT(v->keep_seq < v->cut_seq);
	v->cut_seq = 0;
	v->cuts++;
	co->changed = true;
}

bool coordinator_is_cut(const struct coordinator *co, const struct voter *owner)
{
	return voter_is_streaming(owner) && owner->durable_seq < co->adopted_seq;
}
