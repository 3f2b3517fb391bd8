/*
 * Reads: committed entries only, from a complete replica that is matched that far, the local one first;
 * answered only if a quorum's leases are valid when the data is in hand. docs/protocol.md, "Lease", "Reads".
 * A voter that doesn't answer in time may be cut off, which the connection shows after seconds only: another
 * is asked. Which of them answers makes no difference to what a read may return, for the check comes after;
 * the answer of the first is void (the driver's token).
 */
#include "replication/coordinator_copy.h"

#include <errno.h>

/* Of those that are, or aren't, late: the local voter, else the one that lags least; -1: nobody untried. */
static int read_voter_of(const struct coordinator *co, uint8_t tried, bool late)
{
	int best = -1;

	for (unsigned i = 0; i < co->config.voter_count; i++) {
		const struct voter *v = &co->voters[i];

		if (!voter_is_streaming(v) || !coordinator_is_voter(co, i) || (tried & 1u << i) != 0)
			continue;
		if ((v->late_until_ns > co->now_ns) != late)
			continue;
		if ((int)i == co->config.local)
			return (int)i;
		if (v->writable && (best < 0 || v->durable_seq > co->voters[best].durable_seq))
			best = (int)i;
	}
	return best;
}

/* Who may serve this read next; -1: nobody untried. */
static int read_voter(const struct coordinator *co, uint8_t tried)
{
	int best = read_voter_of(co, tried, false);

	return best < 0 ? read_voter_of(co, tried, true) : best;
}

bool coordinator_next_read(struct coordinator *co, struct coordinator_effect *effect)
{
	const uint8_t voters = co->membership.voters | co->membership.next;

	if (co->phase != COORDINATOR_SERVING)
		return false;
	list_for_each_safe (node, &co->reads) {
		struct operation *op = list_entry(node, struct operation, node);
		int i = read_voter(co, op->tried);

		if (i < 0) {
			if ((op->bad & voters) == voters) {
				/* Every copy of it is bad: that is said, not hidden. */
				list_remove(&op->node);
				coordinator_answer(co, op, -EIO);
			} else if (co->read_retry_ns == 0) {
				co->read_retry_ns = co->now_ns + RETRY_NS;
			}
			continue;
		}
		list_remove(&op->node);
		op->voter = i;
		op->local = i == co->config.local;
		op->sent_ns = co->now_ns;
		if (co->read_check_ns == 0)
			co->read_check_ns = co->now_ns + READ_PATIENCE_NS;
		if (co->commit_seq > op->read_seq)
			op->read_seq = co->commit_seq;
		/* For the mutant: what a check at this point would have said. */
		op->stage = coordinator_lease_is_valid(co, co->now_ns);
		list_push_back(&co->reads_sent, &op->node);
		effect->type = COORDINATOR_READ;
		effect->voter = i;
		effect->operation = op;
		effect->read_seq = op->read_seq;
		return true;
	}
	return false;
}

static bool may_answer(const struct coordinator *co, const struct operation *op)
{
	if (co->config.reads_quorum && !MUTANT(quorum_reads_by_lease))
		return coordinator_confirmed_ns(co) >= op->arrived_ns;
	if (MUTANT(check_before_read) && op->stage)
		return true;
	if (MUTANT(expired_lease))
		return coordinator_confirmed_ns(co) != 0;
	return coordinator_lease_is_valid(co, co->now_ns);
}

void coordinator_read_done(struct coordinator *co, struct operation *op, int rc, uint64_t now_ns)
{
	co->now_ns = now_ns;
	list_remove(&op->node);
	if (co->phase == COORDINATOR_ENDED) {
		coordinator_answer(co, op, MUTANT(fenced_still_reads) ? rc : -EIO);
		return;
	}
	if (rc != 0) {
		ASSERT(op->voter >= 0);
		op->tried = (uint8_t)(op->tried | 1u << op->voter);
		if (rc == -EILSEQ || rc == -EIO) {
			op->bad = (uint8_t)(op->bad | 1u << op->voter);
			coordinator_bad_read(co, op->voter, op->offset_bytes, op->length_bytes);
		}
		list_push_back(&co->reads, &op->node);
		return;
	}
	if (may_answer(co, op)) {
		coordinator_answer(co, op, 0);
		return;
	}
	/* No valid lease: the data is thrown away and read again once there is one. */
	list_push_back(&co->reads_held, &op->node);
	for (unsigned i = 0; i < co->config.voter_count; i++)
		if (co->voters[i].up && co->voters[i].promised)
			co->voters[i].due |= DUE_HEARTBEAT;
}

/* Where all have been asked they are asked again, with more patience each time: all may be slow. */
static void read_turn(struct coordinator *co, struct operation *op)
{
	uint8_t own = (uint8_t)(1u << op->voter), tried = (uint8_t)(op->tried | own);

	if (read_voter(co, tried) < 0) {
		tried = (uint8_t)(op->bad | own);
		if (op->turns < 4 && !MUTANT(patience_never_grows))
			op->turns++;
	}
	if (read_voter(co, tried) < 0) {
		op->sent_ns = co->now_ns; /* nobody else is there */
		return;
	}
	op->tried = tried;
	list_remove(&op->node);
	list_push_back(&co->reads, &op->node);
}

void coordinator_reads_late_step(struct coordinator *co)
{
	if (co->read_check_ns == 0 || co->read_check_ns > co->now_ns)
		return;
	co->read_check_ns = list_is_empty(&co->reads_sent) ? 0 : co->now_ns + READ_CHECK_NS;
	if (MUTANT(reads_wait_for_silence))
		return;
	list_for_each_safe (node, &co->reads_sent) {
		struct operation *op = list_entry(node, struct operation, node);

		if (co->now_ns - op->sent_ns < READ_PATIENCE_NS << op->turns)
			continue;
		co->voters[op->voter].late_until_ns = co->now_ns + LATE_NS;
		/* The local disk writes into the request's own memory: its pool's failing ends that. */
		if (!op->local)
			read_turn(co, op);
	}
}

void coordinator_reads_step(struct coordinator *co)
{
	list_for_each_safe (node, &co->reads_held) {
		struct operation *op = list_entry(node, struct operation, node);

		if (co->config.reads_quorum) {
			/* Confirmed since it arrived: nobody else had committed anything by then. */
			if (may_answer(co, op)) {
				list_remove(&op->node);
				coordinator_answer(co, op, 0);
			}
		} else if (coordinator_lease_is_valid(co, co->now_ns)) {
			list_remove(&op->node);
			op->tried = op->bad = 0;
			list_push_back(&co->reads, &op->node);
		}
	}
}
