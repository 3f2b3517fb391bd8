/* The group lease, and with it whether there is a quorum. docs/protocol.md, "Lease". */
#include "replication/coordinator_compare.h"

#include <errno.h>

/* When the newest question was sent that this voter has answered. */
static uint64_t heard_ns(const struct voter *v)
{
	return MUTANT(lease_without_answer) ? v->heartbeat_ns : v->echo_ns;
}

static uint64_t confirmed_ns(const struct coordinator *co)
{
	uint64_t best = 0;

	for (unsigned i = 0; i < co->config.voter_count; i++) {
		uint64_t at_ns = co->voters[i].promised ? heard_ns(&co->voters[i]) : 0;
		uint8_t have = 0;

		if (at_ns <= best)
			continue;
		for (unsigned j = 0; j < co->config.voter_count; j++)
			if (co->voters[j].promised && heard_ns(&co->voters[j]) >= at_ns)
				have = (uint8_t)(have | 1u << j);
		if (coordinator_is_quorum(co, have))
			best = at_ns;
	}
	return best;
}

void coordinator_confirm(struct coordinator *co)
{
	co->confirmed_ns = confirmed_ns(co);
}

uint64_t coordinator_confirmed_ns(const struct coordinator *co)
{
	if (MUTANT(lease_without_answer))
		return confirmed_ns(co);
	ASSERT_EXPENSIVE(co->confirmed_ns == confirmed_ns(co));
	return co->confirmed_ns;
}

/* Counted from the sending of the question, less the margin for drift. */
static uint64_t lease_length_ns(const struct coordinator *co)
{
	uint32_t margin_ms = MUTANT(lease_without_margin) ? 0 : co->config.lease_margin_ms;

	return (uint64_t)(co->config.lease_ms - margin_ms) * NS_PER_MS;
}

bool coordinator_lease_is_valid(const struct coordinator *co, uint64_t now_ns)
{
	uint64_t confirmed_ns = coordinator_confirmed_ns(co);

	return confirmed_ns != 0 && now_ns < confirmed_ns + lease_length_ns(co);
}

/* Policy `error`: what has waited too long without a quorum is given back; a write of it may still commit,
 * once. */
static void give_up_old(struct coordinator *co)
{
	uint64_t limit_ns = (uint64_t)co->config.error_after_ms * NS_PER_MS;
	struct list *lists[] = { &co->waiting, &co->reads, &co->reads_held };

	for (uint64_t seq = coordinator_first_open(co); seq <= co->last_seq; seq++) {
		struct slot *slot = coordinator_slot(co, seq);

		if (slot->operation && co->now_ns - slot->operation->arrived_ns >= limit_ns) {
			if (MUTANT(failed_write_again) && !co->failed)
				co->failed = entry_ref(slot->entry);
			coordinator_answer(co, slot->operation, -EIO);
			slot->operation = NULL;
		}
	}
	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		list_for_each_safe (node, lists[i]) {
			struct operation *op = list_entry(node, struct operation, node);

			if (co->now_ns - op->arrived_ns < limit_ns)
				continue;
			list_remove(&op->node);
			if (!op->is_read)
				co->waiting_count--;
			entry_put(op->entry);
			op->entry = NULL;
			coordinator_answer(co, op, -EIO);
		}
}

void coordinator_lease_step(struct coordinator *co)
{
	bool has = coordinator_lease_is_valid(co, co->now_ns);

	if (co->phase == COORDINATOR_ENDED)
		return;
	if (co->phase == COORDINATOR_SERVING && has != co->had_quorum) {
		co->changed = true;
		if (!has)
			co->quorum_waits++;
	}
	co->had_quorum = has;
	if (!has && (co->config.error_after_ms != 0 || MUTANT(queue_gives_up)) && !MUTANT(error_never)) {
		give_up_old(co);
		if (co->error_check_ns <= co->now_ns)
			co->error_check_ns = co->now_ns + 100 * NS_PER_MS;
	} else {
		co->error_check_ns = 0;
	}
}

/* When a voter wants its next heartbeat: for the lease, or because a commit hasn't been told. */
static uint64_t heartbeat_due_ns(const struct coordinator *co, const struct voter *v)
{
	uint64_t due_ns = (v->heartbeat_ns + HEARTBEAT_NS) / BEAT_GRID_NS * BEAT_GRID_NS;

	if (!v->up || !v->promised)
		return UINT64_MAX;
	if (voter_is_streaming(v) && v->commit_sent < co->commit_seq)
		due_ns = v->heartbeat_ns + COMMIT_NOTICE_NS;
	if (v->stage == VOTER_SYNCING || v->stage == VOTER_SYNC_FINISHING)
		due_ns = v->heartbeat_ns + RETRY_NS;
	if (v->next_seq <= co->last_seq && voter_is_streaming(v) && v->unacked_bytes == 0)
		due_ns = v->heartbeat_ns + RETRY_NS; /* it has no room: ask how that goes */
	if (co->full_since_ns != 0 && v->full)
		due_ns = v->heartbeat_ns + FULL_ASK_NS;
	else if (co->short_of_room && voter_is_streaming(v))
		due_ns = v->heartbeat_ns + RETRY_NS;
	if (!list_is_empty(&co->reads_held))
		due_ns = v->heartbeat_ns + COMMIT_NOTICE_NS;
	return due_ns;
}

uint64_t coordinator_deadline_ns(const struct coordinator *co)
{
	uint64_t next_ns = UINT64_MAX;

	if (co->phase == COORDINATOR_ENDED)
		return UINT64_MAX;
	next_ns = coordinator_copies_due_ns(co);
	for (unsigned i = 0; i < co->config.voter_count; i++) {
		const struct voter *v = &co->voters[i];
		uint64_t at_ns = UINT64_MAX;

		if (!v->up)
			continue;
		if (v->writable && (v->due & DUE_HEARTBEAT) == 0)
			at_ns = heartbeat_due_ns(co, v);
		if ((v->stage == VOTER_OPENING || v->stage == VOTER_MATCHING ||
			    v->stage == VOTER_SYNC_STARTING) &&
			(v->due & (DUE_OPEN | DUE_MATCH | DUE_SYNC_START)) == 0 &&
			v->asked_ns + OPEN_AGAIN_NS < at_ns)
			at_ns = v->asked_ns + OPEN_AGAIN_NS;
		if (v->retry_ns != 0 && v->retry_ns < at_ns)
			at_ns = v->retry_ns;
		if (coordinator_sync_due_ns(v) < at_ns)
			at_ns = coordinator_sync_due_ns(v);
		if (at_ns < next_ns)
			next_ns = at_ns;
	}
	if (membership_deadline_ns(co) < next_ns)
		next_ns = membership_deadline_ns(co);
	if (coordinator_full_due_ns(co) < next_ns)
		next_ns = coordinator_full_due_ns(co);
	if (co->read_check_ns != 0 && co->read_check_ns < next_ns)
		next_ns = co->read_check_ns;
	if (!list_is_empty(&co->reads) && co->read_retry_ns != 0 && co->read_retry_ns < next_ns)
		next_ns = co->read_retry_ns;
	if (co->had_quorum) {
		uint64_t end_ns = coordinator_confirmed_ns(co) + lease_length_ns(co);

		if (end_ns < next_ns)
			next_ns = end_ns;
	} else if (co->error_check_ns != 0 && co->error_check_ns < next_ns) {
		next_ns = co->error_check_ns;
	}
	return next_ns;
}

static void read_again(struct operation *op)
{
	op->tried = op->bad = 0;
}

void coordinator_tick(struct coordinator *co, uint64_t now_ns)
{
	co->now_ns = now_ns;
	if (co->phase == COORDINATOR_ENDED)
		return;
	for (unsigned i = 0; i < co->config.voter_count; i++) {
		struct voter *v = &co->voters[i];

		if (!v->up)
			continue;
		if (now_ns >= heartbeat_due_ns(co, v))
			v->due |= DUE_HEARTBEAT;
		if (v->asked_ns + OPEN_AGAIN_NS <= now_ns) {
			if (v->stage == VOTER_OPENING)
				v->due |= DUE_OPEN;
			if (v->stage == VOTER_MATCHING)
				v->due |= DUE_MATCH;
			if (v->stage == VOTER_SYNC_STARTING)
				v->due |= DUE_SYNC_START;
		}
		if (v->retry_ns != 0 && v->retry_ns <= now_ns)
			v->retry_ns = 0;
		coordinator_behind_step(co, (int)i);
		coordinator_sync_step(co, (int)i);
	}
	coordinator_copies_step(co);
	coordinator_compare_step(co);
	coordinator_reads_late_step(co);
	coordinator_full_step(co);
	if (co->read_retry_ns != 0 && co->read_retry_ns <= now_ns) {
		co->read_retry_ns = 0;
		list_for_each (node, &co->reads)
			read_again(list_entry(node, struct operation, node));
	}
	coordinator_choice_step(co);
	if (co->phase == COORDINATOR_ENDED)
		return;
	coordinator_adopt_step(co);
	membership_step(co);
	coordinator_lease_step(co);
	coordinator_reads_step(co);
}
