/* What is to be seen of a coordinator from outside. */
#include "replication/coordinator_private.h"

const char *coordinator_sync_why(const struct voter *v)
{
	if (v->damaged)
		return "its copy was damaged";
	if (v->incomplete)
		return "an earlier resync was not finished";
	return "it was away for longer than the logs reach back";
}

/* Level by level. */
static unsigned survey_percent(const struct voter_sync *sync, uint64_t grains)
{
	uint64_t levels = sync->levels + 1, done = sync->layer == LAYER_TOP ? sync->levels : sync->layer - 1;

	if (!sync->survey || sync->layer == LAYER_TREE)
		return 0;
	ASSERT(done < levels);
	return (unsigned)((done * grains + sync->cursor) * 100 / (levels * grains));
}

/* What differs may become more while it is copied: it never says more than all. */
static void sync_status(
	const struct coordinator *co, const struct voter *v, struct coordinator_voter_status *s)
{
	const struct voter_sync *sync = &v->sync;
	uint64_t grains = co->config.size_bytes / GRAIN_BYTES, total = sync->found_grains;
	uint64_t copied = sync->copied_grains, span_ns = co->now_ns - sync->rate_ns[0];

	if (total < copied + (sync->index_count - sync->index_next) + sync->copying)
		total = copied + (sync->index_count - sync->index_next) + sync->copying;
	s->sync_why = v->sync_why;
	s->surveying = sync->survey || v->stage == VOTER_SYNC_WAIT || v->stage == VOTER_SYNC_STARTING;
	s->survey_percent = survey_percent(sync, grains);
	s->sync_done_bytes = copied * GRAIN_BYTES;
	s->sync_total_bytes = total * GRAIN_BYTES;
	if (sync->rate_ns[0] != 0 && span_ns > 0)
		s->sync_bytes_per_s = (uint64_t)((double)(sync->copied_bytes - sync->rate_bytes[0]) * 1e9 /
						 (double)span_ns);
}

static void voter_status(
	const struct coordinator *co, const struct voter *v, struct coordinator_voter_status *s)
{
	/* A connection alone says nothing: behind it the replica's pool may have failed. */
	bool known = v->up && v->promised && (v->stage != VOTER_OPENING || MUTANT(silence_is_health));

	*s = (struct coordinator_voter_status){
		.up = v->up,
		.promised = known,
		.complete = known && !v->incomplete,
		.damaged = (known && v->incomplete && v->damaged) || v->unmatched,
		.matched = v->stage == VOTER_STREAMING,
		.syncing = v->stage == VOTER_SYNC_WAIT || v->stage == VOTER_SYNC_STARTING ||
			   v->stage == VOTER_SYNCING || v->stage == VOTER_SYNC_FINISHING,
		.stale = v->stage == VOTER_REFUSED && !v->retired && !v->unmatched,
		.unmatched = v->unmatched,
		.retired = v->retired,
		.durable_seq = v->durable_seq,
		.syncs = v->syncs,
		.sync_copied_bytes = v->sync_copied_bytes,
		.sync_map_bytes = v->sync_map_bytes,
		.sync_freed_grains = v->sync_freed_grains,
		.last_copied_bytes = v->sync.copied_bytes,
		.last_map_bytes = v->sync.map_bytes,
		.sync_ms = v->sync_ms,
		.full = v->full,
		.bad_reads = v->bad_reads,
		.bad_found = v->bad_found,
		.healed_blocks = v->healed_blocks,
		.cuts = v->cuts,
	};
	if (s->syncing)
		sync_status(co, v, s);
	if (co->last_seq > v->durable_seq)
		s->lag_entries = co->last_seq - v->durable_seq;
	for (uint64_t seq = v->durable_seq + 1 > co->window_first ? v->durable_seq + 1 : co->window_first;
		co->window_first != 0 && seq <= co->last_seq; seq++)
		s->lag_bytes += co->slots[seq % WINDOW_SLOTS].bytes;
}

void coordinator_status_get(
	const struct coordinator *co, uint64_t now_ns, struct coordinator_status *ret_status)
{
	*ret_status = (struct coordinator_status){
		.phase = co->phase,
		.has_quorum = co->phase != COORDINATOR_ENDED && coordinator_lease_is_valid(co, now_ns),
		.promised = co->promised,
		.why_ended = co->phase == COORDINATOR_ENDED ? co->why_ended : NULL,
		.outdated = co->outdated,
		.last_seq = co->last_seq,
		.commit_seq = co->commit_seq,
		.waiting = co->waiting_count,
		.full = co->full_since_ns != 0,
		.refused = co->refused,
		.quorum_waits = co->quorum_waits,
		.dropped = co->dropped,
		.voter_count = co->config.voter_count,
		.config_number = co->config.config_number,
		.voter_mask = co->membership.voters,
		.next_mask = co->membership.next,
		.compare = co->compare.status,
	};
	for (unsigned i = 0; i < co->config.voter_count; i++) {
		struct coordinator_voter_status *s = &ret_status->voters[i];

		voter_status(co, &co->voters[i], s);
		s->differing_grains = co->compare.differing_grains[i];
		s->rewritten_grains = co->compare.rewritten_grains[i];
		s->is_member = co->membership.members & 1u << i;
		s->is_voter = coordinator_is_voter(co, i);
		s->may_join = s->is_member && !s->is_voter && coordinator_may_join(co, i);
	}
}

uint64_t coordinator_sync_due_ns(const struct voter *v)
{
	return v->stage == VOTER_SYNCING && v->sync.retry_ns != 0 ? v->sync.retry_ns : UINT64_MAX;
}
