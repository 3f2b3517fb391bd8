/*
 * When a voter that is behind is copied to. docs/protocol.md, "Resync", "Room".
 *
 * A full one gets no further where the trim that would make room stands behind writes that it can't take. By
 * a resync it skips them: what its source has no more is freed first, and what was written and trimmed
 * meanwhile needs no room at all.
 */
#include "replication/coordinator_copy.h"

/* A resync that was in vain is tried again after twice the time; up to 5 minutes. */
#define ROOM_TRIES_MAX 6u

/* Its own end: the log's that it opened with, or what it has acknowledged since. */
static struct position position_of(const struct voter *v)
{
	return position_compare(v->acknowledged, v->position) > 0 ? v->acknowledged : v->position;
}

/* The complete voters, this one aside, that have NEW_EPOCH and all that this one has. */
static uint8_t voters_ahead_of(const struct coordinator *co, int i)
{
	struct position end = position_of(&co->voters[i]);
	uint8_t ahead = 0;

	for (unsigned j = 0; j < co->config.voter_count; j++) {
		const struct voter *w = &co->voters[j];
		struct position has;

		if ((int)j == i || !voter_is_streaming(w) || w->durable_seq < co->new_epoch_seq)
			continue;
		/* By epoch first: a dead session's tail may be longer than everything written since. */
		has = (struct position){ epochs_at(co->rows, co->row_count, w->durable_seq), w->durable_seq };
		if (position_compare(has, end) >= 0)
			ahead = (uint8_t)(ahead | 1u << j);
	}
	return ahead;
}

static bool others_go_on(const struct coordinator *co, int i)
{
	return co->phase == COORDINATOR_SERVING && coordinator_is_quorum(co, voters_ahead_of(co, i));
}

bool coordinator_sync_is_permitted(const struct coordinator *co, int i)
{
	const struct voter *v = &co->voters[i];
	uint64_t end = co->commit_seq > co->adopted_seq ? co->commit_seq : co->adopted_seq;

	if (others_go_on(co, i))
		return true;
	/* No quorum without it. An incomplete voter, or one that lacks what is in no log any more, can't help
	 * otherwise: it is copied to all the same, unless nobody knows what it may have acknowledged. Its
	 * source must have the chosen log to its end: what isn't committed comes from there alone. */
	return co->choice_is_final && v->since.seq != UINT64_MAX && coordinator_source(co, i, end, 0) >= 0;
}

/* It has no room for what it lacks, and something that frees grains is behind what it knows. */
static bool is_stuck(const struct coordinator *co, const struct voter *v)
{
	if (!v->full)
		return false;
	if (v->stage == VOTER_STREAMING)
		return v->durable_seq < co->freed_seq;
	return (v->stage == VOTER_SYNCING || v->stage == VOTER_SYNC_FINISHING) &&
	       v->sync.base.seq < co->freed_seq;
}

void coordinator_behind_step(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];
	/* Each of these only grows while the voter gets on. */
	uint64_t progress =
		v->durable_seq + v->sync.layer + v->sync.cursor + v->sync.copied_grains + v->sync.survey;
	unsigned tries = v->room_tries < ROOM_TRIES_MAX ? v->room_tries : ROOM_TRIES_MAX;

	if (!is_stuck(co, v) || progress != v->progress) {
		v->progress = progress;
		v->progress_ns = co->now_ns;
		return;
	}
	if (co->now_ns - v->progress_ns < FULL_PATIENCE_NS << tries || !others_go_on(co, i) ||
		MUTANT(full_waits_in_order))
		return;
	v->room_tries++;
	v->progress_ns = co->now_ns;
	if (voter_is_streaming(v))
		coordinator_sync_wanted(co, i);
	else
		coordinator_sync_again(co, i, false);
}
