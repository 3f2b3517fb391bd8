/*
 * The stream of entries: a request gets the next seq and goes to all voters at once; a quorum of durable
 * answers of matched, complete voters commits it. docs/protocol.md, "Append".
 */
#include "replication/coordinator_compare.h"

#include <errno.h>
#include <string.h>

void coordinator_append(struct coordinator *co, struct entry *entry, struct operation *op)
{
	struct slot *slot;

	ASSERT(co->last_seq + 1 - co->window_first < WINDOW_SLOTS);
	entry->epoch = co->config.epoch;
	entry->seq = co->last_seq + 1;
	slot = coordinator_slot(co, entry->seq);
	ASSERT(slot->entry == NULL && slot->operation == NULL);
	slot->entry = entry;
	slot->operation = op;
	slot->bytes = entry->payload ? (uint32_t)entry->length_bytes : 0;
	slot->bytes_so_far = slot->bytes;
	if (entry->seq > co->adopted_seq + 1)
		slot->bytes_so_far += coordinator_slot(co, co->last_seq)->bytes_so_far;
	co->last_seq = entry->seq;
	co->window_bytes += slot->bytes;
	if (co->compare.watches)
		coordinator_compare_entry(co, entry);
	if (op)
		op->seq = entry->seq;
}

/* Room in the window for one more entry. */
static bool window_has_room(const struct coordinator *co)
{
	uint64_t entries = co->last_seq + 1 - co->window_first;

	return entries < WINDOW_MAX_ENTRIES && co->window_bytes + ENTRY_MAX_BYTES <= WINDOW_MAX_BYTES;
}

void coordinator_admit(struct coordinator *co)
{
	if (co->phase != COORDINATOR_SERVING)
		return;
	co->short_of_room = false;
	coordinator_refuse_snapshots(co);
	list_for_each_safe (node, &co->waiting) {
		struct operation *op = list_entry(node, struct operation, node);

		if (op->entry->payload && (co->short_of_room || co->full_since_ns != 0 ||
						  !coordinator_has_room(co, op->entry->length_bytes))) {
			co->short_of_room = true;
			continue; /* what makes room goes first: they are all under way at once */
		}
		if (!window_has_room(co))
			coordinator_window_trim(co);
		if (!window_has_room(co))
			return; /* uncommitted entries fill it: writes wait */
		list_remove(node);
		co->waiting_count--;
		coordinator_append(co, op->entry, op);
		op->entry = NULL;
	}
}

/* Whether a voter that is being spoken to may still want the entry at seq from the window. */
static bool voter_wants(const struct voter *v, uint64_t seq)
{
	switch (v->stage) {
	case VOTER_STREAMING:
	case VOTER_SYNCING:
	case VOTER_SYNC_FINISHING:
		return v->durable_seq < seq && v->next_seq >= 1 && seq >= v->durable_seq;
	case VOTER_MATCHING:
	case VOTER_OPENING:
	case VOTER_OPENED:
	case VOTER_SYNC_WAIT:
	case VOTER_SYNC_STARTING:
		return true;
	case VOTER_DOWN:
	case VOTER_REFUSED:
		break;
	}
	return false;
}

static bool is_wanted(const struct coordinator *co, uint64_t seq)
{
	for (unsigned i = 0; i < co->config.voter_count; i++)
		if (voter_wants(&co->voters[i], seq))
			return true;
	return false;
}

/* Drops committed entries from the front: those that nobody wants, and, above half of the limit, those that a
 * laggard does. */
void coordinator_window_trim(struct coordinator *co)
{
	while (co->window_first <= co->commit_seq && co->window_first <= co->last_seq &&
		co->window_first > 0) {
		struct slot *slot = coordinator_slot(co, co->window_first);
		bool crowded = co->window_bytes > WINDOW_MAX_BYTES / 2 ||
			       co->last_seq - co->window_first > WINDOW_MAX_ENTRIES / 2;

		if (!crowded && is_wanted(co, co->window_first))
			return;
		ASSERT(slot->operation == NULL);
		ASSERT(slot->entry != NULL);
		co->window_bytes -= slot->bytes;
		entry_put(slot->entry);
		slot->entry = NULL;
		co->window_first++;
	}
}

/* What this member has durable, as far as it counts. */
static uint64_t durable_of(const struct voter *v)
{
	uint64_t seq = voter_is_streaming(v) ? v->durable_seq : 0;

	if (MUTANT(count_unmatched) && !seq && v->promised)
		seq = v->position.seq > v->durable_seq ? v->position.seq : v->durable_seq;
	return seq;
}

/* The seq that a quorum has durable. */
static uint64_t durable_on_quorum(const struct coordinator *co)
{
	uint64_t best = 0;

	for (unsigned i = 0; i < co->config.voter_count; i++) {
		uint64_t seq = durable_of(&co->voters[i]);
		uint8_t have = 0;

		for (unsigned j = 0; j < co->config.voter_count; j++)
			if (durable_of(&co->voters[j]) >= seq)
				have = (uint8_t)(have | 1u << j);
		if (seq > best && (MUTANT(quorum_of_one) || coordinator_is_quorum(co, have)))
			best = seq;
	}
	return best;
}

/* For the mutant: what was answered EIO goes into the log once more, behind the next that commits. */
static void failed_again(struct coordinator *co)
{
	struct entry *failed = co->failed, *entry;

	if (!failed || co->commit_seq <= failed->seq)
		return;
	entry = entry_get(failed->pool);
	ASSERT(entry);
	entry->op = failed->op;
	entry->offset_bytes = failed->offset_bytes;
	entry->length_bytes = failed->length_bytes;
	entry->payload = failed->payload ? buf_ref(failed->payload) : NULL;
	memcpy(entry->crc, failed->crc, sizeof(entry->crc));
	entry_put(failed);
	co->failed = NULL;
	coordinator_append(co, entry, NULL);
}

void coordinator_commit_step(struct coordinator *co)
{
	uint64_t seq;

	if (co->phase == COORDINATOR_OPENING || co->new_epoch_seq == 0)
		return;
	seq = durable_on_quorum(co);
	if (seq > co->last_seq)
		seq = co->last_seq; /* only a mutant gets here */
	/* An entry of this epoch commits, and everything before it with it; an older one never by itself. */
	if ((seq < co->new_epoch_seq && !MUTANT(commit_old_epoch)) || seq <= co->commit_seq)
		return;
	if (seq < co->membership.gate_seq)
		return; /* the one voter that is left must know first that it is */
	for (uint64_t s = co->commit_seq + 1; s <= seq; s++) {
		struct slot *slot = coordinator_slot(co, s);

		if (s < co->window_first)
			continue; /* adopted: of the chosen log */
		if (entry_op_makes_room(slot->entry->op))
			co->freed_seq = s;
		if (slot->operation) {
			coordinator_answer(co, slot->operation, 0);
			slot->operation = NULL;
		}
	}
	co->commit_seq = seq;
	if (MUTANT(failed_write_again))
		failed_again(co);
	if (co->phase == COORDINATOR_ADOPTING) {
		if (co->freed_seq < co->adopted_seq)
			co->freed_seq = co->adopted_seq;
		coordinator_change(co, COORDINATOR_SERVING, NULL);
		coordinator_full_step(co);
	}
	membership_step(co);
	coordinator_window_trim(co);
	coordinator_admit(co);
	coordinator_reads_step(co);
}

/* Entries behind `from` up to `to` are durable on this voter: they no longer weigh on its room. */
static void unacked_less(struct coordinator *co, struct voter *v, uint64_t from, uint64_t to)
{
	for (uint64_t s = from + 1; s <= to; s++) {
		uint64_t bytes = 0;

		if (s > co->adopted_seq && co->last_seq - s < WINDOW_SLOTS)
			bytes = coordinator_slot(co, s)->bytes;
		v->unacked_bytes -= bytes < v->unacked_bytes ? bytes : v->unacked_bytes;
	}
	if (to + 1 == v->next_seq)
		v->unacked_bytes = 0;
}

void coordinator_recv_append_answer(struct coordinator *co, int i, const struct message *m)
{
	struct voter *v = &co->voters[i];
	uint64_t echo_ns = MUTANT(lease_from_receipt) && m->clock_ns != 0 ? co->now_ns : m->clock_ns;

	if (echo_ns > v->echo_ns && echo_ns <= co->now_ns) {
		v->echo_ns = echo_ns;
		coordinator_confirm(co);
	}
	v->room_bytes = m->room_bytes;
	v->no_snapshot = m->no_snapshot;
	if (v->full != m->full) {
		v->full = m->full;
		coordinator_full_step(co);
	}
	if (m->incomplete && !v->incomplete && v->stage == VOTER_STREAMING) {
		coordinator_voter_damaged(co, i, (struct position){ { UINT64_MAX, UINT32_MAX }, UINT64_MAX });
		return;
	}
	if ((v->stage == VOTER_STREAMING || v->stage == VOTER_SYNCING || v->stage == VOTER_SYNC_FINISHING) &&
		m->seq > v->durable_seq) {
		if (m->seq >= v->next_seq && !MUTANT(count_unmatched)) {
			co->dropped++; /* it can't have what was not sent */
			return;
		}
		unacked_less(co, v, v->durable_seq, m->seq);
		v->durable_seq = m->seq;
		if (v->stage == VOTER_STREAMING)
			v->acknowledged =
				(struct position){ epochs_at(co->rows, co->row_count, m->seq), m->seq };
		coordinator_commit_step(co);
		coordinator_window_trim(co);
	} else if (MUTANT(count_unmatched) && m->seq > v->position.seq) {
		v->position.seq = m->seq;
		coordinator_commit_step(co);
	}
	if (co->short_of_room)
		coordinator_admit(co);
	coordinator_lease_step(co);
	coordinator_reads_step(co);
}

/* Entries that a voter being copied to may have: committed ones only, since it must not hold what its source
 * lacks. */
static uint64_t stream_end(const struct coordinator *co, const struct voter *v)
{
	return v->stage == VOTER_SYNCING ? co->commit_seq : co->last_seq;
}

int coordinator_source(const struct coordinator *co, int target, uint64_t seq, uint8_t without)
{
	int best = -1;

	for (unsigned i = 0; i < co->config.voter_count; i++) {
		const struct voter *v = &co->voters[i];

		if ((int)i == target || !coordinator_is_voter(co, i) || !voter_is_streaming(v) ||
			v->durable_seq < seq || (without & 1u << i) != 0)
			continue;
		if (best < 0 || (int)i == co->config.local)
			best = (int)i;
	}
	return best;
}

/* Asks a source for the entry that this voter needs and the window no longer has. */
static void fetch(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	if (v->fetching || v->retry_ns > co->now_ns)
		return;
	v->source = coordinator_source(co, i, v->next_seq, v->log_gone);
	if (v->source < 0) {
		if (coordinator_source(co, i, v->next_seq, 0) < 0)
			return; /* nobody in reach has ever had it */
		/* Those who could have it no longer do. What is committed is in their grains. */
		if (v->next_seq <= co->commit_seq || MUTANT(resync_for_uncommitted))
			coordinator_sync_wanted(co, i);
		else
			coordinator_cut_wanted(co, i);
		return;
	}
	v->fetching = true;
	v->token = co->token++;
	v->due |= DUE_LOG_READ;
	co->again = true;
}

void coordinator_recv_log_answer(struct coordinator *co, int i, const struct message *m)
{
	for (unsigned t = 0; t < co->config.voter_count; t++) {
		struct voter *v = &co->voters[t];

		if (!v->fetching || v->source != i || v->token != m->token)
			continue;
		v->fetching = false;
		v->source = -1;
		if (m->rc == 0 && m->entry && m->entry->seq == v->next_seq && !v->fetched) {
			v->fetched = entry_ref(m->entry);
			v->log_gone = 0;
		} else if (m->rc == -ENOENT || m->rc == -EILSEQ || m->rc == -EIO) {
			v->log_gone = (uint8_t)(v->log_gone | 1u << i);
		} else {
			v->retry_ns = co->now_ns + RETRY_NS;
		}
		return;
	}
	co->dropped++;
}

struct entry *coordinator_next_entry(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];
	struct entry *entry;

	if (v->stage != VOTER_STREAMING && v->stage != VOTER_SYNCING && v->stage != VOTER_SYNC_FINISHING)
		return NULL;
	if (v->next_seq > stream_end(co, v))
		return NULL;
	if (v->next_seq < co->window_first) {
		if (v->fetched && v->fetched->seq != v->next_seq) {
			entry_put(v->fetched);
			v->fetched = NULL;
		}
		if (!v->fetched) {
			fetch(co, i);
			return NULL;
		}
		entry = v->fetched;
	} else {
		entry = coordinator_slot(co, v->next_seq)->entry;
	}
	ASSERT(entry != NULL && entry->seq == v->next_seq);
	if (coordinator_sync_is_overtaken(co, i, entry))
		return false;
	if (entry->payload && v->unacked_bytes + entry->length_bytes > v->room_bytes)
		return NULL; /* it has no room: it lags, the others go on */
	if (MUTANT(restamp) && entry->seq <= co->adopted_seq)
		entry->epoch = co->config.epoch;
	return entry;
}

void coordinator_entry_sent(struct coordinator *co, int i, const struct entry *entry)
{
	struct voter *v = &co->voters[i];

	ASSERT(entry->seq == v->next_seq);
	v->next_seq++;
	if (entry->payload)
		v->unacked_bytes += entry->length_bytes;
	co->choice_is_final = true;
}

void coordinator_entry_unsent(struct coordinator *co, int i, const struct entry *entry)
{
	struct voter *v = &co->voters[i];

	(void)co;
	ASSERT(entry->seq + 1 == v->next_seq);
	v->next_seq--;
	if (entry->payload)
		v->unacked_bytes -= entry->length_bytes;
}
