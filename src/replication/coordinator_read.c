/*
 * Reads: committed entries only, from a complete replica that is matched that far, the local one first;
 * answered only if a quorum's leases are valid when the data is in hand. docs/protocol.md, "Lease", "Reads".
 */
#include "replication/coordinator_private.h"

#include <errno.h>

/* Who may serve this read next: the local voter, else the one that lags least; -1: nobody untried. */
static int read_voter(const struct coordinator *co, const struct operation *op)
{
	int best = -1;

	for (unsigned i = 0; i < co->config.voter_count; i++) {
		const struct voter *v = &co->voters[i];

		if (!voter_is_streaming(v) || !coordinator_is_voter(co, i) || (op->tried & 1u << i) != 0)
			continue;
		if ((int)i == co->config.local)
			return (int)i;
		if (v->writable && (best < 0 || v->durable_seq > co->voters[best].durable_seq))
			best = (int)i;
	}
	return best;
}

bool coordinator_next_read(struct coordinator *co, struct coordinator_effect *effect)
{
	const uint8_t voters = co->membership.voters | co->membership.next;

	if (co->phase != COORDINATOR_SERVING)
		return false;
	list_for_each_safe (node, &co->reads) {
		struct operation *op = list_entry(node, struct operation, node);
		int i = read_voter(co, op);

		if (i < 0) {
			if (op->rc != 0 && (op->tried & voters) == voters) {
				/* Every copy of it is bad: that is said, not hidden. */
				list_remove(&op->node);
				coordinator_answer(co, op, op->rc);
			} else if (co->read_retry_ns == 0) {
				co->read_retry_ns = co->now_ns + RETRY_NS;
			}
			continue;
		}
		list_remove(&op->node);
		op->voter = i;
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
			co->voters[op->voter].bad_reads++;
			coordinator_heal_wanted(co, op->voter, op->offset_bytes, op->length_bytes);
		}
		op->rc = rc == -EILSEQ || rc == -EIO ? -EIO : 0;
		list_push_back(&co->reads, &op->node);
		return;
	}
	op->rc = 0;
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
			op->tried = 0;
			list_push_back(&co->reads, &op->node);
		}
	}
}
