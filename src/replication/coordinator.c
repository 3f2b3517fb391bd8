/* The coordinator: life, events in. Effects are made in coordinator_poll.c, each part of the protocol in its
 * own file. */
#include "replication/coordinator_compare.h"

#include <errno.h>
#include <stdlib.h>

int coordinator_new(
	const struct coordinator_config *config, uint64_t now_ns, struct coordinator **ret_coordinator)
{
	struct coordinator *co;

	ASSERT(config->voter_count >= 1 && config->voter_count <= GROUP_MAX_VOTERS);
	ASSERT(config->lease_ms > config->lease_margin_ms);
	ASSERT(config->session != 0);
	co = calloc(1, sizeof(*co));
	if (!co)
		return -ENOMEM;
	co->slots = calloc(WINDOW_SLOTS, sizeof(*co->slots));
	if (!co->slots) {
		free(co);
		return -ENOMEM;
	}
	co->config = *config;
	membership_init(co);
	co->phase = COORDINATOR_OPENING;
	co->chosen = -1;
	co->now_ns = now_ns;
	co->token = 1;
	list_init(&co->waiting);
	list_init(&co->reads);
	list_init(&co->reads_held);
	list_init(&co->reads_sent);
	list_init(&co->answered);
	for (unsigned i = 0; i < config->voter_count; i++)
		co->voters[i].source = co->voters[i].sync.source = -1;
	*ret_coordinator = co;
	return 0;
}

void coordinator_free(struct coordinator *co)
{
	if (!co)
		return;
	ASSERT(list_is_empty(&co->waiting) && list_is_empty(&co->answered));
	ASSERT(list_is_empty(&co->reads) && list_is_empty(&co->reads_held) && list_is_empty(&co->reads_sent));
	for (unsigned i = 0; i < co->config.voter_count; i++) {
		entry_put(co->voters[i].fetched);
		buf_put(co->voters[i].sync.data);
		coordinator_copies_reset(co, (int)i);
	}
	coordinator_compare_free(co);
	for (uint64_t seq = co->window_first; seq != 0 && seq <= co->last_seq; seq++)
		entry_put(coordinator_slot(co, seq)->entry);
	free(co->slots);
	free(co);
}

void coordinator_change(struct coordinator *co, enum coordinator_phase phase, const char *why)
{
	static const bool allowed[4][4] = {
		[COORDINATOR_OPENING] = { [COORDINATOR_ADOPTING] = true, [COORDINATOR_ENDED] = true },
		[COORDINATOR_ADOPTING] = { [COORDINATOR_OPENING] = true,
			[COORDINATOR_SERVING] = true,
			[COORDINATOR_ENDED] = true },
		[COORDINATOR_SERVING] = { [COORDINATOR_ENDED] = true },
	};

	ASSERT(allowed[co->phase][phase]);
	co->phase = phase;
	co->why_ended = why;
	co->changed = true;
}

void coordinator_answer(struct coordinator *co, struct operation *op, int rc)
{
	op->rc = rc;
	list_push_back(&co->answered, &op->node);
}

void coordinator_answer_all(struct coordinator *co, int rc)
{
	struct list *lists[] = { &co->waiting, &co->reads, &co->reads_held };
	struct list *node;

	for (uint64_t seq = coordinator_first_open(co); seq <= co->last_seq; seq++) {
		struct slot *slot = coordinator_slot(co, seq);

		if (slot->operation)
			coordinator_answer(co, slot->operation, rc);
		slot->operation = NULL;
	}
	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		while ((node = list_pop_front(lists[i])) != NULL) {
			struct operation *op = list_entry(node, struct operation, node);

			entry_put(op->entry);
			op->entry = NULL;
			coordinator_answer(co, op, rc);
		}
	/* A local read that is under way comes back by coordinator_read_done(). */
	list_for_each_safe (sent, &co->reads_sent) {
		struct operation *op = list_entry(sent, struct operation, node);

		if (op->local)
			continue;
		list_remove(&op->node);
		coordinator_answer(co, op, rc);
	}
	co->waiting_count = 0;
}

void coordinator_end(struct coordinator *co, int rc, uint64_t now_ns)
{
	co->now_ns = now_ns;
	coordinator_answer_all(co, rc);
	if (co->phase != COORDINATOR_ENDED)
		coordinator_change(co, COORDINATOR_ENDED, "ended by its node");
}

void coordinator_release(struct coordinator *co, uint64_t now_ns)
{
	co->now_ns = now_ns;
	coordinator_answer_all(co, -ESHUTDOWN);
	if (co->phase == COORDINATOR_ENDED)
		return;
	coordinator_change(co, COORDINATOR_ENDED, "released");
	for (unsigned i = 0; i < co->config.voter_count; i++)
		co->voters[i].due = co->voters[i].promised && co->voters[i].up ? DUE_RELEASE : 0;
}

void voter_reset(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	entry_put(v->fetched);
	v->fetched = NULL;
	v->fetching = false;
	v->log_gone = 0;
	v->source = -1;
	v->retry_ns = 0;
	buf_put(v->sync.data);
	v->sync = (struct voter_sync){ .source = -1 };
	v->due = 0;
	v->unacked_bytes = 0;
	v->promised = v->promised && v->stage != VOTER_REFUSED;
	coordinator_confirm(co);
	/* What was asked of this voter on behalf of others is asked again of another one. */
	for (unsigned t = 0; t < co->config.voter_count; t++) {
		struct voter *target = &co->voters[t];

		if ((int)t == i)
			continue;
		if (target->source == i) {
			target->source = -1;
			target->fetching = false;
			target->due &= ~(uint32_t)DUE_LOG_READ;
		}
		if (target->sync.source == i) {
			target->sync.source = -1;
			target->sync.token = 0;
			target->due &= ~(uint32_t)DUE_MAP_READ;
			target->sync.retry_ns = co->now_ns + RETRY_NS;
		}
	}
	coordinator_copies_reset(co, i);
	coordinator_compare_lost(co, i);
}

/* Reads that were sent to a voter that is gone are sent to another. */
static void reads_return(struct coordinator *co, int i)
{
	list_for_each_safe (node, &co->reads_sent) {
		struct operation *op = list_entry(node, struct operation, node);

		if (op->voter == i && !op->local) {
			list_remove(&op->node);
			op->tried = (uint8_t)(op->tried | 1u << i);
			list_push_back(&co->reads, &op->node);
		}
	}
}

static void voter_open(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	voter_reset(co, i);
	v->attempt++;
	v->stage = VOTER_OPENING;
	v->due = DUE_OPEN;
}

void coordinator_voter_up(struct coordinator *co, int i, uint64_t now_ns)
{
	struct voter *v = &co->voters[i];

	ASSERT(i >= 0 && i < (int)co->config.voter_count);
	co->now_ns = now_ns;
	v->up = true;
	v->writable = true;
	if (MUTANT(away_for_good) && v->attempt > 0)
		return;
	if (co->phase != COORDINATOR_ENDED && v->stage != VOTER_REFUSED)
		voter_open(co, i);
}

/* For the mutant: what the session has sent never was. */
static void forget_entries(struct coordinator *co)
{
	for (uint64_t seq = co->window_first; seq <= co->last_seq && co->new_epoch_seq != 0; seq++) {
		entry_put(coordinator_slot(co, seq)->entry);
		coordinator_slot(co, seq)->entry = NULL;
	}
	co->new_epoch_seq = 0;
	co->window_bytes = 0;
	co->choice_is_final = false;
}

/* All that was said to it and by it is void. */
static void voter_lost(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	v->up = false;
	v->writable = false;
	voter_reset(co, i);
	if (v->stage != VOTER_REFUSED)
		v->stage = VOTER_DOWN;
	reads_return(co, i);
	if (co->phase == COORDINATOR_ENDED)
		return;
	/* Before anything of this session was sent, another log may be chosen, from positions asked anew. */
	if (co->phase == COORDINATOR_ADOPTING && i == co->chosen &&
		(!co->choice_is_final || MUTANT(choose_twice))) {
		if (MUTANT(choose_twice))
			forget_entries(co);
		coordinator_change(co, COORDINATOR_OPENING, NULL);
		coordinator_choice_drop(co);
		for (unsigned j = 0; j < co->config.voter_count; j++)
			if (co->voters[j].up && co->voters[j].stage != VOTER_REFUSED)
				voter_open(co, (int)j);
	}
	coordinator_lease_step(co);
}

void coordinator_voter_down(struct coordinator *co, int i, uint64_t now_ns)
{
	struct voter *v = &co->voters[i];

	ASSERT(i >= 0 && i < (int)co->config.voter_count);
	co->now_ns = now_ns;
	if (!v->up)
		return;
	/* What comes back may be a mended one. */
	if (v->unmatched)
		v->stage = VOTER_DOWN;
	v->unmatched = false;
	v->mismatches = 0;
	voter_lost(co, i);
}

void coordinator_voter_again(struct coordinator *co, int i)
{
	ASSERT(co->voters[i].up && co->phase != COORDINATOR_ENDED);
	voter_lost(co, i);
	coordinator_voter_up(co, i, co->now_ns);
}

void coordinator_voter_writable(struct coordinator *co, int i)
{
	ASSERT(i >= 0 && i < (int)co->config.voter_count);
	co->voters[i].writable = co->voters[i].up;
}

void coordinator_message(struct coordinator *co, int i, const struct message *m, uint64_t now_ns)
{
	struct voter *v = &co->voters[i];

	ASSERT(i >= 0 && i < (int)co->config.voter_count);
	co->now_ns = now_ns;
	if (co->phase == COORDINATOR_ENDED || !v->up)
		return;
	if (!epoch_equal(m->epoch, co->config.epoch) || m->session != co->config.session ||
		m->attempt != v->attempt) {
		co->dropped++;
		return;
	}
	switch (m->type) {
	case MESSAGE_OPEN_ANSWER:
		coordinator_recv_open_answer(co, i, m);
		break;
	case MESSAGE_STALE:
	case MESSAGE_CONFIG:
		coordinator_recv_stale(co, i, m);
		break;
	case MESSAGE_MATCH_ANSWER:
		coordinator_recv_match_answer(co, i, m);
		break;
	case MESSAGE_APPEND_ANSWER:
		coordinator_recv_append_answer(co, i, m);
		break;
	case MESSAGE_LOG_ANSWER:
		coordinator_recv_log_answer(co, i, m);
		break;
	case MESSAGE_SYNC_STARTED:
		coordinator_recv_sync_started(co, i, m);
		break;
	case MESSAGE_GRAIN_ANSWER:
		coordinator_recv_grain_answer(co, i, m);
		break;
	case MESSAGE_MAP_ANSWER:
		coordinator_recv_map_answer(co, i, m);
		break;
	case MESSAGE_MAP_COMPARED:
		coordinator_recv_map_compared(co, i, m);
		break;
	case MESSAGE_GRAIN_WRITTEN:
	case MESSAGE_GRAIN_HEALED:
		coordinator_recv_grain_written(co, i, m);
		break;
	case MESSAGE_GRAIN_BAD:
		coordinator_recv_grain_bad(co, i, m);
		break;
	case MESSAGE_COMPARE_ASKED:
		coordinator_recv_compare_asked(co);
		break;
	case MESSAGE_SYNC_FINISHED:
		coordinator_recv_sync_finished(co, i, m);
		break;
	default:
		co->dropped++;
		break;
	}
}

void coordinator_submit(struct coordinator *co, struct operation *op, uint64_t now_ns)
{
	co->now_ns = now_ns;
	ASSERT(!co->config.steward);
	co->busy_ns = now_ns;
	op->arrived_ns = now_ns;
	op->seq = 0;
	op->voter = -1;
	op->tried = op->bad = 0;
	op->turns = 0;
	list_init(&op->node);
	if (co->phase == COORDINATOR_ENDED) {
		entry_put(op->entry);
		op->entry = NULL;
		coordinator_answer(co, op, -EIO);
		return;
	}
	if (op->is_read) {
		op->read_seq = co->commit_seq;
		if (MUTANT(read_uncommitted))
			op->read_seq = co->last_seq;
		list_push_back(&co->reads, &op->node);
		return;
	}
	ASSERT(op->entry && op->entry->seq == 0);
	list_push_back(&co->waiting, &op->node);
	co->waiting_count++;
	coordinator_admit(co);
	if (co->full_since_ns != 0)
		coordinator_full_step(co);
}
