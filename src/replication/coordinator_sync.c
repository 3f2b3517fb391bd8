/*
 * Resync of a voter whose missing entries are in no log any more, or that is incomplete: every grain is
 * copied from a complete voter behind a cursor, while new committed entries follow. docs/protocol.md, "Lag";
 * the target's side is replica_sync.c.
 */
#include "replication/coordinator_private.h"

#include <errno.h>
#include <string.h>

static uint64_t grain_count(const struct coordinator *co)
{
	return co->config.size_bytes / GRAIN_BYTES;
}

/* The complete voters, this one aside, that have NEW_EPOCH and all that this one has. */
static uint8_t voters_ahead_of(const struct coordinator *co, int i)
{
	const struct voter *v = &co->voters[i];
	uint8_t ahead = 0;

	for (unsigned j = 0; j < co->config.voter_count; j++) {
		const struct voter *w = &co->voters[j];
		struct position has;

		if ((int)j == i || !voter_is_streaming(w) || w->durable_seq < co->new_epoch_seq)
			continue;
		/* By epoch first: a dead session's tail may be longer than everything written since. */
		has = (struct position){ epochs_at(co->rows, co->row_count, w->durable_seq), w->durable_seq };
		if (position_compare(has, v->position) >= 0)
			ahead = (uint8_t)(ahead | 1u << j);
	}
	return ahead;
}

static bool is_permitted(const struct coordinator *co, int i)
{
	const struct voter *v = &co->voters[i];

	if (co->phase == COORDINATOR_SERVING && coordinator_is_quorum(co, voters_ahead_of(co, i)))
		return true;
	/*
	 * No quorum without it. An incomplete voter, or one that lacks what is in no log any more, can't help
	 * otherwise: it is copied to all the same, unless nobody knows what it may have acknowledged.
	 */
	return co->choice_is_final && v->since.seq != UINT64_MAX &&
	       coordinator_source(co, i, co->commit_seq, 0) >= 0;
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
	v->sync = (struct voter_sync){
		.base = { epochs_at(co->rows, co->row_count, co->commit_seq), co->commit_seq }, .source = -1
	};
	v->sync.start_token = co->token++;
	v->log_gone = 0; /* that was said of entries which the copies will have */
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

	if (v->sync.cursor >= grain_count(co)) {
		v->stage = VOTER_SYNC_FINISHING;
		v->due |= DUE_SYNC_FINISH;
		return;
	}
	v->sync.window_end = v->sync.cursor + SYNC_WINDOW_GRAINS;
	if (v->sync.window_end > grain_count(co))
		v->sync.window_end = grain_count(co);
	v->due |= DUE_SYNC_WINDOW;
}

static void ask_source(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	v->sync.token = 0;
	v->sync.source =
		coordinator_source(co, i, MUTANT(copy_from_behind) ? 0 : v->sync.min_seq, v->sync.bad);
	if (v->sync.source < 0) {
		v->sync.bad = 0;
		v->retry_ns = co->now_ns + RETRY_NS;
		return;
	}
	v->sync.token = co->token++;
	v->due |= DUE_GRAIN_READ;
	co->again = true;
}

void coordinator_sync_step(struct coordinator *co, int i)
{
	struct voter *v = &co->voters[i];

	if (v->stage == VOTER_SYNC_WAIT) {
		if (is_permitted(co, i))
			start(co, i);
		else if (v->retry_ns <= co->now_ns)
			v->retry_ns = co->now_ns + RETRY_NS;
	}
	/* A source that has gone away is replaced. */
	if (v->stage == VOTER_SYNCING && v->sync.token == 0 && (v->due & DUE_SYNC_WINDOW) == 0 &&
		v->retry_ns <= co->now_ns)
		ask_source(co, i);
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
	next_window(co, i);
}

void coordinator_recv_grain_answer(struct coordinator *co, int i, const struct message *m)
{
	for (unsigned t = 0; t < co->config.voter_count; t++) {
		struct voter *v = &co->voters[t];

		if (v->stage != VOTER_SYNCING || v->sync.source != i || v->sync.token != m->token ||
			(v->due & DUE_GRAIN_READ) != 0)
			continue;
		v->sync.source = -1;
		if (m->rc == -EILSEQ || m->rc == -EIO) {
			v->sync.bad = (uint8_t)(v->sync.bad | 1u << i);
			ask_source(co, (int)t);
			return;
		}
		if (m->rc != 0) {
			v->sync.token = 0;
			v->retry_ns = co->now_ns + RETRY_NS;
			return;
		}
		if ((m->payload && m->payload->len_bytes > GRAIN_BYTES) || m->grain.from != v->sync.cursor ||
			m->grain.index > v->sync.window_end || m->grain.index < v->sync.cursor ||
			(m->grain.found && m->grain.index >= v->sync.window_end)) {
			co->dropped++;
			v->sync.token = 0;
			v->retry_ns = co->now_ns + RETRY_NS;
			return;
		}
		v->sync.grain = m->grain;
		v->sync.data = m->payload ? buf_ref(m->payload) : NULL;
		memset(v->sync.crc, 0, sizeof(v->sync.crc));
		if (m->payload)
			memcpy(v->sync.crc, m->crc,
				m->payload->len_bytes / BLOCK_BYTES * sizeof(v->sync.crc[0]));
		if (m->grain.found && m->grain.seq > v->sync.newest_seq)
			v->sync.newest_seq = m->grain.seq;
		v->due |= DUE_GRAIN_WRITE;
		return;
	}
	co->dropped++;
}

void coordinator_recv_grain_written(struct coordinator *co, int i, const struct message *m)
{
	struct voter *v = &co->voters[i];

	if (v->stage != VOTER_SYNCING || m->token != v->sync.token || (v->due & DUE_GRAIN_WRITE) != 0) {
		co->dropped++;
		return;
	}
	buf_put(v->sync.data);
	v->sync.data = NULL;
	v->sync.bad = 0;
	if (m->rc != 0) {
		v->sync.token = 0;
		v->retry_ns = co->now_ns + RETRY_NS; /* asked again, from the same cursor */
		return;
	}
	if (v->sync.grain.found)
		v->sync.copied_grains++;
	v->sync.cursor = v->sync.grain.found ? v->sync.grain.index + 1 : v->sync.window_end;
	if (v->sync.cursor >= v->sync.window_end)
		next_window(co, i);
	else
		ask_source(co, i);
}

void coordinator_recv_sync_finished(struct coordinator *co, int i, const struct message *m)
{
	struct voter *v = &co->voters[i];

	if (v->stage != VOTER_SYNC_FINISHING || m->seq < v->sync.newest_seq || m->seq >= v->next_seq) {
		co->dropped++;
		return;
	}
	v->stage = VOTER_STREAMING;
	v->incomplete = false;
	v->damaged = false;
	v->durable_seq = m->seq;
	v->log_gone = 0;
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
		m->edge_index = v->sync.window_end;
		/* From here on entries for these grains follow the copy, which is taken after all that was
		 * sent before. */
		v->sync.min_seq = v->next_seq - 1;
		ASSERT(v->sync.min_seq <= co->commit_seq);
		ask_source(co, i);
		break;
	case DUE_GRAIN_READ:
		m->type = MESSAGE_GRAIN_READ;
		m->token = v->sync.token;
		m->seq = MUTANT(copy_from_behind) ? 0 : v->sync.min_seq;
		m->grain = (struct message_grain){ .from = v->sync.cursor, .index = v->sync.window_end };
		break;
	case DUE_GRAIN_WRITE:
		m->type = MESSAGE_GRAIN_WRITE;
		m->token = v->sync.token;
		m->grain = v->sync.grain;
		m->payload = v->sync.data;
		m->crc = v->sync.crc;
		break;
	case DUE_SYNC_FINISH:
		m->type = MESSAGE_SYNC_FINISH;
		m->seq = v->sync.newest_seq > v->next_seq - 1 ? v->sync.newest_seq : v->next_seq - 1;
		break;
	default:
		ASSERT(!"a message of the resync");
	}
}
