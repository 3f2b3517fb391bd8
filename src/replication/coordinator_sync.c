/*
 * Resync of a voter that is incomplete, or whose missing entries are in no log any more: maps are compared
 * window by window, what differs is copied, new committed entries follow. docs/protocol.md, "Resync".
 */
#include "replication/coordinator_compare.h"

#include <errno.h>
#include <string.h>

static uint64_t grain_count(const struct coordinator *co)
{
	return co->config.size_bytes / GRAIN_BYTES;
}

void coordinator_sync_wanted(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	if (v->stage == VOTER_SYNC_WAIT)
		return;
	v->stage = VOTER_SYNC_WAIT;
	v->fetching = false;
	v->due &= ~(uint32_t)DUE_LOG_READ;
	entry_put(v->fetched);
	v->fetched = NULL;
	co->changed = true;
	coordinator_sync_step(co, i);
}

static void start(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	buf_put(v->sync.data);
	coordinator_copies_reset(co, i);
	v->sync = (struct voter_sync){
		.base = { epochs_at(co->rows, co->row_count, co->commit_seq), co->commit_seq },
		.source = -1,
		.survey = true,
		.layer = LAYER_TREE,
		.min_seq = co->commit_seq,
		.began_ns = co->now_ns,
	};
	v->sync.start_token = co->token++;
	v->log_gone = 0; /* that was said of entries which the copies will have */
	v->sync_why = coordinator_sync_why(v);
	v->incomplete = true;
	v->stage = VOTER_SYNC_STARTING;
	v->asked_ns = co->now_ns;
	v->acknowledged = (struct position){ { 0, 0 }, 0 };
	v->due |= DUE_SYNC_START;
	co->changed = true;
}

/* The next window, or the end. */
static void next_window(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	if (v->sync.cursor >= grain_count(co) && !sync_level_next(co, v)) {
		v->stage = VOTER_SYNC_FINISHING;
		v->due |= DUE_SYNC_FINISH;
		return;
	}
	v->sync.step = sync_is_still(&v->sync) ? SYNC_MAP : SYNC_ANNOUNCE;
	v->sync.token = 0;
	v->sync.source = -1;
	if (sync_is_still(&v->sync))
		coordinator_sync_step(co, i);
	else
		v->due |= DUE_SYNC_WINDOW;
}

/* A target holds entries back until they are in: no more than a quarter of a second's worth. */
static uint32_t map_copies(const struct coordinator *co)
{
	const struct budget *budget = co->config.budget;
	uint64_t most = co->config.map_copies ? co->config.map_copies : MAP_MAX_COPIES;

	if (budget && budget->per_s != 0 && budget->per_s / 4 / GRAIN_BYTES < most)
		most = budget->per_s / 4 / GRAIN_BYTES;
	return most > 0 ? (uint32_t)most : 1;
}

/* A map is taken after the source has all that was sent to the target before the window. */
static uint64_t map_min_seq(const struct voter *v)
{
	return MUTANT(compare_without_wait) || MUTANT(copy_from_behind) ? 0 : v->sync.min_seq;
}

/* Asks a source for the window's map, if the budget allows it. What was asked before is void. */
static void ask_map(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];
	uint64_t later_ns;

	ASSERT(v->stage == VOTER_SYNCING && v->sync.cursor < grain_count(co));
	buf_put(v->sync.data);
	v->sync.data = NULL;
	v->due &= ~(uint32_t)(DUE_MAP_READ | DUE_MAP_COMPARE);
	v->sync.step = SYNC_MAP;
	v->sync.token = 0;
	v->sync.source = coordinator_source(co, i, map_min_seq(v), 0);
	if (v->sync.source < 0) {
		v->sync.retry_ns = co->now_ns + RETRY_NS;
		return;
	}
	later_ns = budget_take(
		co->config.budget, (uint64_t)sync_map_most(co, &v->sync) * MAP_SURVEY_BYTES, co->now_ns);
	if (later_ns) {
		v->sync.source = -1;
		v->sync.retry_ns = later_ns;
		return;
	}
	v->sync.retry_ns = 0;
	v->sync.token = co->token++;
	v->due |= DUE_MAP_READ;
	co->again = true;
}

/* Begins copies of what differs, as many as may be under way. */
static void copies_begin(struct coordinator *co, int i)
{
	struct voter_sync *sync = &co->voters[i].sync;
	unsigned most = coordinator_is_busy(co) ? COPIES_BUSY : COPIES_IDLE;

	while (sync->index_next < sync->index_count && sync->copying < most) {
		uint64_t later_ns;

		if (co->copy_count >= COPIES_MAX - HEALS_MAX) { /* other voters' copies have all places */
			sync->retry_ns = co->now_ns + RETRY_NS;
			return;
		}
		later_ns = budget_take(co->config.budget, GRAIN_BYTES, co->now_ns);
		if (later_ns) {
			sync->retry_ns = later_ns;
			return;
		}
		ASSERT(coordinator_copy_new(co, i, sync->layer, sync->indices[sync->index_next++], false));
		sync->copying++;
	}
	sync->retry_ns = 0;
	if (sync->copying > 0 || sync->index_next < sync->index_count)
		return;
	ASSERT(sync->window_end > sync->cursor);
	sync->cursor = sync->window_end;
	next_window(co, i);
}

void coordinator_sync_step(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	if (v->stage == VOTER_SYNC_WAIT) {
		if (coordinator_sync_is_permitted(co, i))
			start(co, i);
		else if (v->retry_ns <= co->now_ns)
			v->retry_ns = co->now_ns + RETRY_NS;
	}
	if (v->stage != VOTER_SYNCING || v->sync.retry_ns > co->now_ns)
		return;
	/* A source that has gone away is replaced. */
	if (v->sync.step == SYNC_MAP && v->sync.token == 0)
		ask_map(co, i);
	else if (v->sync.step == SYNC_COPY)
		copies_begin(co, i);
}

void coordinator_recv_sync_started(struct coordinator *co, int i, const struct message *m)
{
	struct voter *v = &co->voters[i];

	if (v->stage != VOTER_SYNC_STARTING || m->token != v->sync.start_token ||
		m->seq != v->sync.base.seq) {
		co->dropped++;
		return;
	}
	v->stage = VOTER_SYNCING;
	v->since = m->since;
	v->durable_seq = v->sync.base.seq;
	v->next_seq = v->sync.base.seq + 1;
	v->unacked_bytes = 0;
	v->sync.rate_ns[0] = v->sync.rate_ns[1] = co->now_ns;
	next_window(co, i);
}

void coordinator_recv_map_answer(struct coordinator *co, int i, const struct message *m)
{
	if (coordinator_recv_compare_map(co, i, m))
		return;
	for (unsigned t = 0; t < co->config.voter_count; t++) {
		struct voter *v = &co->voters[t];
		struct voter_sync *sync = &v->sync;

		if (v->stage != VOTER_SYNCING || sync->step != SYNC_MAP || sync->source != i ||
			sync->token != m->token || (v->due & DUE_MAP_READ) != 0)
			continue;
		sync->source = -1;
		if (m->rc != 0 || m->map.from != sync->cursor || m->map.end <= sync->cursor ||
			m->map.end > grain_count(co) || m->map.count > sync_map_most(co, sync) ||
			m->map.layer != sync->layer || m->map.survey != sync_is_survey(sync) ||
			(m->map.count > 0) != (m->payload != NULL) || m->seq < map_min_seq(v)) {
			co->dropped += m->rc == 0;
			sync->token = 0;
			sync->retry_ns = co->now_ns + RETRY_NS;
			return;
		}
		sync->step = SYNC_COMPARE;
		sync->map = m->map;
		if (m->payload) {
			sync->data = buf_ref(m->payload);
			memcpy(sync->crc, m->crc, m->payload->len_bytes / BLOCK_BYTES * sizeof(sync->crc[0]));
			sync->map_bytes += m->payload->len_bytes;
			v->sync_map_bytes += m->payload->len_bytes;
		}
		if (!sync_is_survey(sync) && m->seq > sync->newest_seq)
			sync->newest_seq = m->seq;
		v->due |= DUE_MAP_COMPARE;
		co->again = true;
		return;
	}
	co->dropped++;
}

void coordinator_recv_map_compared(struct coordinator *co, int i, const struct message *m)
{
	struct voter *v = &co->voters[i];
	struct voter_sync *sync = &v->sync;

	if (v->stage != VOTER_SYNCING || sync->step != SYNC_COMPARE || m->token != sync->token ||
		(v->due & DUE_MAP_COMPARE) != 0) {
		co->dropped++;
		return;
	}
	buf_put(sync->data);
	sync->data = NULL;
	if (m->rc == -EXDEV) {
		coordinator_sync_again(co, i, true);
		return;
	}
	if (m->rc == 0 && sync->layer == LAYER_TREE && m->map.layer == LAYER_TREE) {
		v->sync_reset = false;
		sync->levels = sync->map.count;
		sync->cursor = grain_count(co);
		next_window(co, i);
		return;
	}
	if (m->rc != 0 || m->map.layer != sync->layer || m->map.end <= sync->cursor ||
		m->map.end > sync->map.end || (!sync->survey && m->map.copies > MAP_MAX_COPIES) ||
		(!sync->survey && m->map.copies > 0 && !m->indices)) {
		co->dropped += m->rc == 0;
		sync->step = SYNC_MAP;
		sync->token = 0;
		sync->retry_ns = co->now_ns + RETRY_NS; /* the same window again */
		return;
	}
	v->sync_freed_grains += m->map.freed;
	if (sync->survey) {
		sync->found_grains += m->map.copies;
		sync->cursor = m->map.end;
		next_window(co, i);
		return;
	}
	sync->window_end = m->map.end;
	sync->index_count = m->map.copies;
	sync->index_next = sync->copying = 0;
	if (m->map.copies > 0)
		memcpy(sync->indices, m->indices, m->map.copies * sizeof(sync->indices[0]));
	sync->step = SYNC_COPY;
	copies_begin(co, i);
}

void coordinator_sync_copied(struct coordinator *co, int i, uint64_t bytes)
{
	struct voter *v = &co->voters[i];
	struct voter_sync *sync = &v->sync;

	ASSERT(v->stage == VOTER_SYNCING && sync->step == SYNC_COPY && sync->copying > 0);
	sync->copying--;
	sync->copied_grains++;
	sync->copied_bytes += bytes;
	v->sync_copied_bytes += bytes;
	if (co->now_ns - sync->rate_ns[1] >= RATE_NS) {
		sync->rate_ns[0] = sync->rate_ns[1];
		sync->rate_bytes[0] = sync->rate_bytes[1];
		sync->rate_ns[1] = co->now_ns;
		sync->rate_bytes[1] = sync->copied_bytes;
	}
	copies_begin(co, i);
}

void coordinator_recv_sync_finished(struct coordinator *co, int i, const struct message *m)
{
	struct voter *v = &co->voters[i];

	if (v->stage != VOTER_SYNC_FINISHING || m->seq >= v->next_seq ||
		(m->seq < v->sync.newest_seq && !MUTANT(complete_below_copy))) {
		co->dropped++;
		return;
	}
	ASSERT(!v->sync.survey && v->sync.layer == LAYER_TOP); /* it may have grown since: by entries */
	v->stage = VOTER_STREAMING;
	v->incomplete = false;
	v->damaged = false;
	v->durable_seq = m->seq;
	v->log_gone = 0;
	v->syncs++;
	v->room_tries = 0;
	v->sync_ms = (co->now_ns - v->sync.began_ns) / NS_PER_MS;
	co->changed = true;
	coordinator_adopt_step(co);
	coordinator_commit_step(co);
}

void coordinator_sync_message(struct coordinator *co, int i, enum voter_due due, struct message *m)
{
	struct voter *v = &co->voters[i];

	switch (due) {
	case DUE_SYNC_START:
		m->type = MESSAGE_SYNC_START;
		m->token = v->sync.start_token;
		m->position = v->sync.base;
		m->since =
			(struct position){ epochs_at(co->rows, co->row_count, co->last_seq), co->last_seq };
		m->rows = co->rows;
		m->row_count = co->row_count;
		while (m->row_count > 0 && co->rows[m->row_count - 1].first_seq > v->sync.base.seq)
			m->row_count--;
		v->asked_ns = co->now_ns;
		break;
	case DUE_SYNC_WINDOW:
		m->type = MESSAGE_SYNC_WINDOW;
		/* From here on entries follow the comparison and its copies, which are taken after all that
		 * was sent before. */
		v->sync.min_seq = v->next_seq - 1;
		ASSERT(v->sync.min_seq <= co->commit_seq);
		ask_map(co, i);
		break;
	case DUE_MAP_READ:
		m->type = MESSAGE_MAP_READ;
		m->token = v->sync.token;
		m->seq = map_min_seq(v);
		m->map = (struct message_map){ .from = v->sync.cursor,
			.end = grain_count(co),
			.count = sync_map_most(co, &v->sync),
			.layer = v->sync.layer,
			.survey = sync_is_survey(&v->sync) };
		break;
	case DUE_MAP_COMPARE:
		m->type = MESSAGE_MAP_COMPARE;
		m->token = v->sync.token;
		m->map = v->sync.map;
		m->map.copies = v->sync.survey ? 0 : map_copies(co);
		m->map.reset = v->sync.layer == LAYER_TREE && v->sync_reset;
		m->payload = v->sync.data;
		m->crc = v->sync.crc;
		break;
	case DUE_SYNC_FINISH:
		m->type = MESSAGE_SYNC_FINISH;
		m->seq = v->sync.newest_seq > v->next_seq - 1 && !MUTANT(complete_below_copy)
				 ? v->sync.newest_seq
				 : v->next_seq - 1;
		v->sync.finish_seq = m->seq;
		break;
	default:
		ASSERT(!"a message of the resync");
	}
}
