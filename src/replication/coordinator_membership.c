/*
 * Membership: who counts, and the change of it by joint quorum, one voter at a time, a learner first.
 * docs/protocol.md, "Membership". The record is the catalog's: its compare-and-set is an effect, its outcome
 * an event. Joint rules hold from before the first one is sent until the success of the last is read.
 */
#include "replication/coordinator_private.h"

#include <errno.h>

#define RECORD_RETRY_NS (500 * NS_PER_MS)
/* So long a change may be without the commit of its entry before it is set back. */
#define JOINT_PATIENCE_NS (10000 * NS_PER_MS)

/* Of at most GROUP_MAX_VOTERS; the builtin is a call where the processor isn't known to have it. */
static unsigned count(uint8_t mask)
{
	unsigned bits = 0;

	for (; mask; mask = (uint8_t)(mask & (mask - 1)))
		bits++;
	return bits;
}

static bool is_majority(uint8_t mask, uint8_t of, uint8_t learners)
{
	return count(mask & (of | learners)) >= count(of) / 2 + 1;
}

bool coordinator_is_quorum(const struct coordinator *co, uint8_t mask)
{
	const struct membership *m = &co->membership;

	uint8_t learners =
		MUTANT(learner_counts) ? (uint8_t)(m->members & ~(m->voters | m->next)) : (uint8_t)0;

	return is_majority(mask, m->voters, learners) &&
	       (m->next == 0 || is_majority(mask, m->next, learners) || MUTANT(change_without_joint));
}

bool coordinator_is_blocking(const struct coordinator *co, uint8_t mask)
{
	const struct membership *m = &co->membership;
	uint8_t others = (uint8_t)~mask;

	return !is_majority(others, m->voters, 0) && (m->next == 0 || !is_majority(others, m->next, 0));
}

void membership_init(struct coordinator *co)
{
	struct membership *m = &co->membership;

	m->members = (uint8_t)((1u << co->config.voter_count) - 1u);
	m->voters = co->config.voters ? co->config.voters : m->members;
	m->next = co->config.next_voters;
	ASSERT((m->voters & ~m->members) == 0);
	ASSERT((m->next & ~m->members) == 0);
	m->stage = m->next ? MEMBERSHIP_JOINT : MEMBERSHIP_STABLE;
	m->since_ns = co->now_ns;
}

/* ---- members ---- */

int coordinator_member_add(struct coordinator *co, bool is_local, uint64_t now_ns)
{
	unsigned i = 0;

	co->now_ns = now_ns;
	while (co->membership.members & 1u << i)
		i++;
	if (i >= GROUP_MAX_VOTERS)
		return -ENOSPC;
	ASSERT(!co->voters[i].up);
	/* Attempts are counted on: what an earlier member's connection still brings is told apart. */
	co->voters[i] = (struct voter){ .attempt = co->voters[i].attempt, .source = -1, .sync.source = -1 };
	co->compare.differing_grains[i] = co->compare.rewritten_grains[i] = 0;
	co->membership.members = (uint8_t)(co->membership.members | 1u << i);
	coordinator_confirm(co);
	if (i >= co->config.voter_count)
		co->config.voter_count = i + 1;
	if (is_local && co->config.local < 0)
		co->config.local = (int)i;
	co->changed = true;
	return (int)i;
}

void coordinator_member_remove(struct coordinator *co, int i, uint64_t now_ns)
{
	ASSERT(i >= 0 && co->membership.members & 1u << i);
	ASSERT(!coordinator_is_voter(co, (unsigned)i));
	coordinator_voter_down(co, i, now_ns);
	co->voters[i].stage = VOTER_DOWN;
	co->voters[i].retired = co->voters[i].promised = false;
	co->membership.members = (uint8_t)(co->membership.members & ~(1u << i));
	coordinator_confirm(co);
	if (co->config.local == i)
		co->config.local = -1;
	co->changed = true;
}

bool coordinator_may_join(const struct coordinator *co, unsigned i)
{
	const struct voter *v = &co->voters[i];

	if (MUTANT(join_incomplete))
		return co->phase == COORDINATOR_SERVING;
	return co->phase == COORDINATOR_SERVING && voter_is_streaming(v) && !v->incomplete &&
	       v->durable_seq >= co->commit_seq;
}

/* ---- a change ---- */

static void stage_set(struct coordinator *co, enum membership_stage stage)
{
	static const bool allowed[6][6] = {
		[MEMBERSHIP_STABLE] = { [MEMBERSHIP_JOINING] = true, [MEMBERSHIP_DROPPING] = true },
		[MEMBERSHIP_JOINING] = { [MEMBERSHIP_JOINT] = true, [MEMBERSHIP_STABLE] = true },
		[MEMBERSHIP_JOINT] = { [MEMBERSHIP_LEAVING] = true, [MEMBERSHIP_BACKING] = true },
		[MEMBERSHIP_LEAVING] = { [MEMBERSHIP_STABLE] = true },
		[MEMBERSHIP_BACKING] = { [MEMBERSHIP_STABLE] = true },
		[MEMBERSHIP_DROPPING] = { [MEMBERSHIP_STABLE] = true },
	};

	ASSERT(allowed[co->membership.stage][stage]);
	co->membership.stage = stage;
	co->membership.asked = co->membership.uncertain = false;
	co->membership.retry_ns = 0;
	co->membership.since_ns = co->now_ns;
	co->changed = true;
}

int coordinator_change_begin(struct coordinator *co, uint8_t next, uint64_t now_ns)
{
	struct membership *m = &co->membership;
	uint8_t comes = next & (uint8_t)~m->voters, goes = m->voters & (uint8_t)~next;

	co->now_ns = now_ns;
	if (m->stage != MEMBERSHIP_STABLE)
		return -EBUSY;
	if (next == 0 || (next & ~m->members) != 0 || count(comes) > 1 || count(goes) > 1 ||
		next == m->voters)
		return -EINVAL;
	if (co->phase != COORDINATOR_SERVING)
		return -EAGAIN;
	for (unsigned i = 0; i < co->config.voter_count; i++)
		if (comes & 1u << i && !coordinator_may_join(co, i))
			return -EAGAIN;
	m->next = next; /* joint from here on, before anything is sent */
	coordinator_confirm(co);
	m->entry_seq = 0;
	stage_set(co, MEMBERSHIP_JOINING);
	return 0;
}

/* The old or the next voters alone from now on: their record has been read. */
static void settle(struct coordinator *co, uint8_t voters)
{
	co->membership.voters = voters;
	co->membership.next = 0;
	coordinator_confirm(co);
	co->membership.entry_seq = 0;
	stage_set(co, MEMBERSHIP_STABLE);
	coordinator_commit_step(co);
	coordinator_lease_step(co);
	coordinator_reads_step(co);
}

/* Its seq; 0: no entry is to be had, it is tried again with the next tick. */
static uint64_t append_membership(struct coordinator *co)
{
	struct entry *entry = entry_get(co->config.entries);

	if (!entry)
		return 0;
	entry->op = ENTRY_MEMBERSHIP;
	entry->request_id = co->config.config_number;
	co->membership.since_ns = co->now_ns;
	coordinator_append(co, entry, NULL);
	return co->last_seq;
}

/* ---- of two, the dead one is dropped ---- */

/* What was acknowledged is on both: whether this one can go on alone. */
static bool has_all(const struct coordinator *co, unsigned i)
{
	const struct voter *v = &co->voters[i];

	if (!v->up || !v->promised || v->incomplete || v->regressed)
		return false;
	if (co->phase == COORDINATOR_SERVING)
		return voter_is_streaming(v) && v->durable_seq >= co->commit_seq;
	return v->position.seq >= v->known_commit;
}

/* Its compare-and-set was read: the other one is out, wherever it is and whatever it says. */
static void dropped(struct coordinator *co)
{
	struct membership *m = &co->membership;

	ASSERT(count(m->next) == 1 && count(m->voters) == 2);
	if (co->phase != COORDINATOR_SERVING) {
		/* The next session's OPEN brings the survivor the new number. */
		coordinator_change(co, COORDINATOR_ENDED,
			"a dead replica was dropped while the volume was opened: it is opened with the other "
			"one");
		coordinator_answer_all(co, -EIO);
		return;
	}
	m->gate_seq = UINT64_MAX;
	settle(co, m->next);
	membership_step(co);
}

int coordinator_drop_begin(struct coordinator *co, int goes, uint64_t now_ns)
{
	struct membership *m = &co->membership;
	uint8_t stays = (uint8_t)(m->voters & ~(1u << goes));

	co->now_ns = now_ns;
	if (m->stage != MEMBERSHIP_STABLE)
		return -EBUSY;
	if ((m->voters & 1u << goes) == 0 || count(m->voters) != 2)
		return -EINVAL;
	if (co->phase == COORDINATOR_ENDED || !has_all(co, (unsigned)__builtin_ctz(stays)))
		return -EAGAIN;
	m->next = stays; /* both are needed until its success is read */
	coordinator_confirm(co);
	m->entry_seq = 0;
	stage_set(co, MEMBERSHIP_DROPPING);
	if (MUTANT(drop_without_cas))
		settle(co, stays);
	return 0;
}

static void gate_step(struct coordinator *co)
{
	struct membership *m = &co->membership;

	if (co->phase != COORDINATOR_SERVING)
		return;
	if (m->gate_seq == UINT64_MAX) {
		uint64_t seq = append_membership(co);

		m->gate_seq = seq ? seq : UINT64_MAX;
	}
	if (m->gate_seq <= co->commit_seq)
		m->gate_seq = 0;
}

void membership_step(struct coordinator *co)
{
	struct membership *m = &co->membership;

	if (m->gate_seq != 0)
		gate_step(co);
	if (m->stage != MEMBERSHIP_JOINT || co->phase != COORDINATOR_SERVING)
		return;
	if (m->entry_seq == 0)
		m->entry_seq = append_membership(co);
	if (m->entry_seq != 0 && m->entry_seq <= co->commit_seq)
		stage_set(co, MEMBERSHIP_LEAVING);
	else if (m->entry_seq != 0 && co->now_ns - m->since_ns >= JOINT_PATIENCE_NS)
		stage_set(co, MEMBERSHIP_BACKING);
}

/* A volume that is being opened may drop, and nothing else. */
static bool has_record_to_write(const struct coordinator *co)
{
	const struct membership *m = &co->membership;

	if (m->asked || m->stage == MEMBERSHIP_STABLE || m->stage == MEMBERSHIP_JOINT)
		return false;
	return co->phase == COORDINATOR_SERVING ||
	       (m->stage == MEMBERSHIP_DROPPING && co->phase != COORDINATOR_ENDED);
}

uint64_t membership_deadline_ns(const struct coordinator *co)
{
	const struct membership *m = &co->membership;

	if (co->phase == COORDINATOR_SERVING && m->gate_seq == UINT64_MAX)
		return co->now_ns + RETRY_NS;
	if (!has_record_to_write(co) && m->stage != MEMBERSHIP_JOINT)
		return UINT64_MAX;
	if (co->phase != COORDINATOR_SERVING && m->stage == MEMBERSHIP_JOINT)
		return UINT64_MAX;
	if (m->stage == MEMBERSHIP_JOINT)
		return m->entry_seq == 0 ? co->now_ns + RETRY_NS : m->since_ns + JOINT_PATIENCE_NS;
	return m->retry_ns;
}

bool membership_poll(struct coordinator *co, struct coordinator_effect *effect)
{
	struct membership *m = &co->membership;

	if (!has_record_to_write(co) || m->retry_ns > co->now_ns)
		return false;
	m->asked = true;
	effect->type = COORDINATOR_RECORD;
	effect->record = (struct coordinator_record){
		.number_before = co->config.config_number,
		.number = co->config.config_number + 1,
		.voters = m->stage == MEMBERSHIP_LEAVING || m->stage == MEMBERSHIP_DROPPING ? m->next
											    : m->voters,
		.next_voters = m->stage == MEMBERSHIP_JOINING ? m->next : 0,
		.uncertain = m->uncertain && !MUTANT(uncertain_untold),
	};
	return true;
}

static void record_written(struct coordinator *co)
{
	struct membership *m = &co->membership;

	co->config.config_number++;
	switch (m->stage) {
	case MEMBERSHIP_JOINING:
		stage_set(co, MEMBERSHIP_JOINT);
		membership_step(co);
		break;
	case MEMBERSHIP_LEAVING:
		settle(co, m->next);
		break;
	case MEMBERSHIP_BACKING:
		settle(co, m->voters);
		break;
	case MEMBERSHIP_DROPPING:
		dropped(co);
		break;
	case MEMBERSHIP_STABLE:
	case MEMBERSHIP_JOINT:
		ASSERT(!"a stage that waits for the record");
	}
}

void coordinator_record_told(struct coordinator *co, enum coordinator_record_outcome outcome, uint64_t now_ns)
{
	struct membership *m = &co->membership;

	co->now_ns = now_ns;
	if (co->phase == COORDINATOR_ENDED)
		return;
	ASSERT(m->asked);
	m->asked = false;
	/* What was once sent with an unknown outcome may land at any time: nothing else is sent in its place.
	 */
	if (outcome == COORDINATOR_RECORD_UNKNOWN)
		m->uncertain = true;
	if (outcome == COORDINATOR_RECORD_REFUSED)
		m->uncertain = false;
	if ((outcome == COORDINATOR_RECORD_UNWRITTEN || outcome == COORDINATOR_RECORD_REFUSED) &&
		(m->stage == MEMBERSHIP_JOINING || m->stage == MEMBERSHIP_DROPPING) && !m->uncertain) {
		settle(co, m->voters);
		return;
	}
	if (outcome == COORDINATOR_RECORD_WRITTEN) {
		record_written(co);
		return;
	}
	if (outcome == COORDINATOR_RECORD_LOST) {
		co->outdated = true;
		coordinator_change(
			co, COORDINATOR_ENDED, "the catalog names another holder or other members");
		coordinator_answer_all(co, -EIO);
		return;
	}
	m->retry_ns = co->now_ns + RECORD_RETRY_NS;
}
