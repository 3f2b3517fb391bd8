/* Effects: what is to be sent, read and answered, taken from the state one by one; and taken back where a
 * send is refused. */
#include "replication/coordinator_compare.h"

static void fill(struct coordinator *co, int i, struct coordinator_effect *effect)
{
	effect->type = COORDINATOR_SEND;
	effect->voter = i;
	effect->message = (struct message){
		.epoch = co->config.epoch, .session = co->config.session, .attempt = co->voters[i].attempt
	};
}

/* For a remote voter; the driver adds its token. */
static void fill_read(struct coordinator *co, struct coordinator_effect *effect)
{
	fill(co, effect->voter, effect);
	effect->type = COORDINATOR_READ;
	effect->message.type = MESSAGE_READ;
	effect->message.seq = effect->read_seq;
	effect->message.offset_bytes = effect->operation->offset_bytes;
	effect->message.length_bytes = effect->operation->length_bytes;
}

/* Things with a clock in them renew the lease, and tell how far the log is committed. */
static void fill_clock(struct coordinator *co, int i, struct message *m)
{
	struct voter *v = &co->voters[i];

	m->clock_ns = co->now_ns;
	m->commit_seq = co->commit_seq;
	m->all_seq = co->all_seq;
	v->heartbeat_ns = co->now_ns;
	v->commit_sent = co->commit_seq;
	v->due &= ~(uint32_t)DUE_HEARTBEAT;
}

static void fill_open(struct coordinator *co, int i, struct message *m)
{
	m->type = MESSAGE_OPEN;
	/* Whoever succeeds a steward waits for nothing. */
	m->lease_ms = co->config.steward && !MUTANT(steward_takes_leases) ? 0 : co->config.lease_ms;
	m->steward = co->config.steward;
	m->config_number = co->config.config_number;
	m->dead_session = co->config.dead_session;
	m->size_bytes = MUTANT(open_without_size) ? 0 : co->config.size_bytes;
	fill_clock(co, i, m);
	co->voters[i].asked_ns = co->now_ns;
}

static void fill_match(struct coordinator *co, int i, struct message *m)
{
	struct voter *v = &co->voters[i];

	m->type = MESSAGE_MATCH;
	m->seq = v->keep_seq;
	m->regressed = v->regressed;
	m->since = v->acknowledged;
	v->asked_ns = co->now_ns;
}

/* What is due to be said to this voter in its own cause. */
static bool poll_due(struct coordinator *co, int i, struct coordinator_effect *effect)
{
	static const enum voter_due order[] = { DUE_RELEASE, DUE_OPEN, DUE_GROW, DUE_MATCH, DUE_SYNC_START,
		DUE_SYNC_WINDOW, DUE_MAP_COMPARE, DUE_SYNC_FINISH, DUE_COMPARE };
	struct voter *v = &co->voters[i];

	if ((v->due & ~(uint32_t)DUE_HEARTBEAT) == 0)
		return false;
	for (unsigned k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		enum voter_due due = order[k];

		if ((v->due & due) == 0)
			continue;
		v->due &= ~(uint32_t)due;
		fill(co, i, effect);
		if (due == DUE_RELEASE)
			effect->message.type = MESSAGE_RELEASE;
		else if (due == DUE_OPEN)
			fill_open(co, i, &effect->message);
		else if (due == DUE_GROW)
			coordinator_fill_grow(co, &effect->message);
		else if (due == DUE_MATCH)
			fill_match(co, i, &effect->message);
		else if (due == DUE_COMPARE)
			coordinator_compare_message(co, i, &effect->message);
		else
			coordinator_sync_message(co, i, due, &effect->message);
		return true;
	}
	return false;
}

/* Whether a voter wants anything of another one as its source. */
static bool sources_are_asked(const struct coordinator *co)
{
	uint32_t due = 0;

	for (unsigned i = 0; i < co->config.voter_count; i++)
		due |= co->voters[i].due;
	return (due & (DUE_LOG_READ | DUE_MAP_READ)) != 0 || co->copy_count > 0;
}

/* What other voters want from this one as their source; and copies for this one. */
static bool poll_source(struct coordinator *co, int i, struct coordinator_effect *effect)
{
	for (unsigned t = 0; t < co->config.voter_count; t++) {
		struct voter *target = &co->voters[t];

		if (target->source == i && target->due & DUE_LOG_READ) {
			target->due &= ~(uint32_t)DUE_LOG_READ;
			fill(co, i, effect);
			effect->message.type = MESSAGE_LOG_READ;
			effect->message.seq = target->next_seq;
			effect->message.token = target->token;
			return true;
		}
		if (target->sync.source == i && target->due & DUE_MAP_READ) {
			target->due &= ~(uint32_t)DUE_MAP_READ;
			fill(co, i, effect);
			coordinator_sync_message(co, (int)t, DUE_MAP_READ, &effect->message);
			return true;
		}
	}
	if (co->copy_count == 0)
		return false;
	fill(co, i, effect);
	return coordinator_copy_message(co, i, &effect->message);
}

static bool poll_voter(struct coordinator *co, int i, bool asked, struct coordinator_effect *effect)
{
	struct voter *v = &co->voters[i];
	struct entry *entry;

	if (!v->up || !v->writable)
		return false;
	if (poll_due(co, i, effect))
		return true;
	if (co->phase == COORDINATOR_ENDED)
		return false;
	if (asked && poll_source(co, i, effect))
		return true;
	entry = v->next_seq <= co->last_seq ? coordinator_next_entry(co, i) : NULL;
	if (entry) {
		fill(co, i, effect);
		effect->message.type = MESSAGE_APPEND;
		effect->message.entry = entry;
		fill_clock(co, i, &effect->message);
		coordinator_entry_sent(co, i, entry);
		return true;
	}
	if (v->due & DUE_HEARTBEAT) {
		fill(co, i, effect);
		effect->message.type = MESSAGE_APPEND;
		fill_clock(co, i, &effect->message);
		return true;
	}
	return false;
}

/* The newest seq that no voter in reach lacks: logs need not keep entries up to it for the others. */
static void all_step(struct coordinator *co)
{
	uint64_t all = co->commit_seq;

	if (all == co->all_seq)
		return;
	for (unsigned i = 0; i < co->config.voter_count; i++) {
		const struct voter *v = &co->voters[i];

		if (v->stage == VOTER_DOWN || v->stage == VOTER_REFUSED)
			continue;
		if (v->stage == VOTER_STREAMING || v->stage == VOTER_SYNCING ||
			v->stage == VOTER_SYNC_FINISHING) {
			if (v->durable_seq < all)
				all = v->durable_seq;
		} else {
			return; /* not known yet */
		}
	}
	if (all > co->all_seq)
		co->all_seq = all;
}

/* The message, the largest part by far, is filled in for those effects only that have one. */
bool coordinator_poll(struct coordinator *co, uint64_t now_ns, struct coordinator_effect *ret_effect)
{
	struct list *node = list_pop_front(&co->answered);
	bool asked;

	co->now_ns = now_ns;
	if (node) {
		ret_effect->type = COORDINATOR_ANSWER;
		ret_effect->voter = -1;
		ret_effect->operation = list_entry(node, struct operation, node);
		ret_effect->rc = ret_effect->operation->rc;
		return true;
	}
	all_step(co);
	co->again = false;
	asked = sources_are_asked(co);
	for (unsigned k = 0; k < co->config.voter_count; k++) {
		unsigned i = (co->next_voter + k) % co->config.voter_count;

		if (poll_voter(co, (int)i, asked, ret_effect)) {
			co->next_voter = i + 1;
			return true;
		}
	}
	if (coordinator_next_read(co, ret_effect)) {
		fill_read(co, ret_effect);
		return true;
	}
	if (co->again || !list_is_empty(&co->answered))
		return coordinator_poll(co, now_ns, ret_effect);
	ret_effect->voter = -1;
	if (membership_poll(co, ret_effect))
		return true;
	if (co->changed) {
		co->changed = false;
		ret_effect->type = COORDINATOR_CHANGED;
		return true;
	}
	return false;
}

static void take_back(struct coordinator *co, int i, const struct message *m)
{
	struct voter *v = &co->voters[i];

	switch (m->type) {
	case MESSAGE_OPEN:
		v->due |= DUE_OPEN;
		break;
	case MESSAGE_MATCH:
		v->due |= DUE_MATCH;
		break;
	case MESSAGE_APPEND:
		if (m->entry)
			coordinator_entry_unsent(co, i, m->entry);
		else
			v->due |= DUE_HEARTBEAT;
		break;
	case MESSAGE_LOG_READ:
		for (unsigned t = 0; t < co->config.voter_count; t++)
			if (co->voters[t].source == i && co->voters[t].token == m->token)
				co->voters[t].due |= DUE_LOG_READ;
		break;
	case MESSAGE_MAP_READ:
		if (m->token == co->compare.maps[i].token)
			v->due |= DUE_COMPARE;
		for (unsigned t = 0; t < co->config.voter_count; t++)
			if (co->voters[t].sync.source == i && co->voters[t].sync.token == m->token)
				co->voters[t].due |= DUE_MAP_READ;
		break;
	case MESSAGE_GRAIN_READ:
	case MESSAGE_GRAIN_WRITE:
	case MESSAGE_GRAIN_HEAL:
		coordinator_copy_unsent(co, m);
		break;
	case MESSAGE_MAP_COMPARE:
		v->due |= DUE_MAP_COMPARE;
		break;
	case MESSAGE_SYNC_START:
		v->due |= DUE_SYNC_START;
		break;
	case MESSAGE_SYNC_WINDOW:
		v->due |= DUE_SYNC_WINDOW;
		break;
	case MESSAGE_SYNC_FINISH:
		v->due |= DUE_SYNC_FINISH;
		break;
	case MESSAGE_GROW:
		v->due |= DUE_GROW;
		break;
	case MESSAGE_RELEASE:
		v->due |= DUE_RELEASE;
		break;
	default:
		ASSERT(!"a message that the coordinator sends");
	}
}

void coordinator_refused(struct coordinator *co, const struct coordinator_effect *effect)
{
	ASSERT(effect->voter >= 0 && effect->voter < (int)co->config.voter_count);
	co->voters[effect->voter].writable = false;
	if (effect->type == COORDINATOR_READ) {
		list_remove(&effect->operation->node);
		list_push_front(&co->reads, &effect->operation->node);
		return;
	}
	ASSERT(effect->type == COORDINATOR_SEND);
	take_back(co, effect->voter, &effect->message);
}
