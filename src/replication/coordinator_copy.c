/*
 * Grains on their way from a source to a target. Sources are complete voters; one whose copy is bad, or that
 * goes away, is replaced by another. docs/protocol.md, "Resync", "Repair of bad blocks".
 *
 *   FREE --new--> ASK --GRAIN_READ sent--> ASKED --GRAIN_ANSWER--> IN_HAND --GRAIN_WRITE or _HEAL sent-->
 * SENT ^                         |                                                             |
 *                  +-- source gone, or bad --+                                  GRAIN_WRITTEN or _HEALED -->
 * FREE
 */
#include "replication/coordinator_compare.h"

#include <errno.h>
#include <string.h>

struct copy *coordinator_copy_new(
	struct coordinator *co, int target, uint64_t layer, uint64_t index, bool heal)
{
	ASSERT(target >= 0 && target < (int)co->config.voter_count);
	ASSERT(index < co->config.size_bytes / GRAIN_BYTES);
	for (unsigned k = 0; k < COPIES_MAX && co->copy_count < COPIES_MAX; k++) {
		struct copy *copy = &co->copies[k];

		if (copy->stage != COPY_FREE)
			continue;
		*copy = (struct copy){
			.stage = COPY_ASK,
			.heal = heal,
			.target = target,
			.source = -1,
			.layer = layer,
			.index = index,
		};
		co->copy_count++;
		co->again = true;
		return copy;
	}
	return NULL;
}

static void copy_end(struct coordinator *co, struct copy *copy, bool done)
{
	ASSERT(copy->stage != COPY_FREE && co->copy_count > 0);
	buf_put(copy->data);
	copy->data = NULL;
	copy->stage = COPY_FREE;
	co->copy_count--;
	if (copy->compares)
		coordinator_compare_repaired(co, copy->target, done);
}

void coordinator_copy_free(struct coordinator *co, struct copy *copy)
{
	copy_end(co, copy, false);
}

void coordinator_copy_again(struct coordinator *co, struct copy *copy, uint64_t after_ns)
{
	buf_put(copy->data);
	copy->data = NULL;
	copy->stage = COPY_ASK;
	copy->source = -1;
	copy->retry_ns = after_ns ? co->now_ns + after_ns : 0;
	co->again = true;
}

void coordinator_copies_reset(struct coordinator *co, int i)
{
	for (unsigned k = 0; k < COPIES_MAX; k++) {
		struct copy *copy = &co->copies[k];

		if (copy->stage == COPY_FREE)
			continue;
		if (copy->target == i)
			coordinator_copy_free(co, copy);
		else if (copy->source == i && copy->stage <= COPY_ASKED)
			coordinator_copy_again(co, copy, 0);
	}
}

/* What the source must have: all that was sent to the target before the comparison. */
static uint64_t copy_min_seq(const struct coordinator *co, const struct copy *copy)
{
	if (MUTANT(copy_from_behind))
		return 0;
	return copy->heal ? co->commit_seq : co->voters[copy->target].sync.min_seq;
}

static void find_source(struct coordinator *co, struct copy *copy)
{
	if (copy->retry_ns > co->now_ns)
		return;
	copy->retry_ns = 0;
	copy->source = coordinator_source(co, copy->target, copy_min_seq(co, copy), copy->bad);
	if (copy->source < 0) {
		bool all_bad = copy->bad != 0;

		/* Every copy in reach is bad, or nobody is in reach: asked again later, of all. */
		copy->bad = 0;
		if (copy->heal)
			coordinator_heal_again(co, copy);
		else
			copy->retry_ns = co->now_ns + (all_bad ? NS_PER_S : RETRY_NS);
		return;
	}
	ASSERT(copy->source != copy->target);
	copy->token = co->token++;
}

void coordinator_copies_step(struct coordinator *co)
{
	for (unsigned k = 0; k < COPIES_MAX && co->copy_count > 0; k++)
		if (co->copies[k].stage == COPY_ASK && co->copies[k].source < 0)
			find_source(co, &co->copies[k]);
}

uint64_t coordinator_copies_due_ns(const struct coordinator *co)
{
	uint64_t due_ns = co->compare.next_ns ? co->compare.next_ns : UINT64_MAX;

	for (unsigned k = 0; k < COPIES_MAX && co->copy_count > 0; k++) {
		const struct copy *copy = &co->copies[k];

		if (copy->stage == COPY_ASK && copy->source < 0 && copy->retry_ns < due_ns)
			due_ns = copy->retry_ns;
	}
	return due_ns;
}

static void fill_read(struct coordinator *co, const struct copy *copy, struct message *m)
{
	m->type = MESSAGE_GRAIN_READ;
	m->token = copy->token;
	m->seq = copy_min_seq(co, copy);
	m->grain = (struct message_grain){ .layer = copy->layer, .index = copy->index };
	m->snapshot = copy->snapshot;
}

static void fill_write(const struct coordinator *co, const struct copy *copy, struct message *m)
{
	ASSERT((copy->data != NULL) == (copy->grain.found && copy->grain.present != 0));
	m->type = copy->heal ? MESSAGE_GRAIN_HEAL : MESSAGE_GRAIN_WRITE;
	m->token = copy->token;
	m->grain = copy->grain;
	m->snapshot = copy->snapshot;
	m->payload = copy->data;
	m->crc = copy->crc;
	m->blocks = copy->rewrite;
	if (!copy->compares || copy->rewrite != 0)
		return;
	/* From its newest entry on until now it is what a replica must have. */
	m->seq = co->commit_seq;
	if (!copy->grain.found)
		m->grain.seq = copy->q;
	ASSERT(m->grain.seq <= copy->q && copy->q <= m->seq);
}

bool coordinator_copy_message(struct coordinator *co, int i, struct message *m)
{
	coordinator_copies_step(co);
	for (unsigned k = 0; k < COPIES_MAX && co->copy_count > 0; k++) {
		struct copy *copy = &co->copies[k];

		if (copy->stage == COPY_ASK && copy->source == i) {
			fill_read(co, copy, m);
			copy->stage = COPY_ASKED;
			return true;
		}
		if (copy->stage == COPY_IN_HAND && copy->target == i) {
			if (copy->compares && copy->rewrite == 0 &&
				!coordinator_compare_is_untouched(co, copy->q)) {
				coordinator_copy_free(co, copy);
				continue;
			}
			fill_write(co, copy, m);
			copy->stage = COPY_SENT;
			return true;
		}
	}
	return false;
}

static struct copy *copy_find(struct coordinator *co, uint64_t token, enum copy_stage stage)
{
	for (unsigned k = 0; k < COPIES_MAX; k++)
		if (co->copies[k].stage == stage && co->copies[k].token == token)
			return &co->copies[k];
	return NULL;
}

void coordinator_copy_unsent(struct coordinator *co, const struct message *m)
{
	bool read = m->type == MESSAGE_GRAIN_READ;
	struct copy *copy = copy_find(co, m->token, read ? COPY_ASKED : COPY_SENT);

	if (copy)
		copy->stage = read ? COPY_ASK : COPY_IN_HAND;
}

static bool answer_makes_sense(const struct copy *copy, const struct message *m)
{
	uint32_t blocks = m->grain.found ? (uint32_t)__builtin_popcount(m->grain.present) : 0;

	return m->grain.index == copy->index && m->grain.layer == copy->layer &&
	       (m->payload ? m->payload->len_bytes : 0) == blocks * BLOCK_BYTES;
}

void coordinator_recv_grain_answer(struct coordinator *co, int i, const struct message *m)
{
	struct copy *copy = copy_find(co, m->token, COPY_ASKED);

	if (!copy || copy->source != i) {
		co->dropped++;
		return;
	}
	if (m->rc == -EILSEQ || m->rc == -EIO) {
		copy->bad = (uint8_t)(copy->bad | 1u << i);
		coordinator_copy_again(co, copy, 0);
		coordinator_bad_read(co, i, copy->index * GRAIN_BYTES, BLOCK_BYTES);
		return;
	}
	if (m->rc != 0 || !answer_makes_sense(copy, m) ||
		(copy->compares && !coordinator_compare_is_expected(copy, m))) {
		co->dropped += m->rc == 0 && !copy->compares;
		if (copy->heal)
			coordinator_heal_again(co, copy);
		else
			coordinator_copy_again(co, copy, RETRY_NS);
		return;
	}
	copy->stage = COPY_IN_HAND;
	copy->grain = m->grain;
	if (m->payload) {
		copy->data = buf_ref(m->payload);
		memcpy(copy->crc, m->crc, m->payload->len_bytes / BLOCK_BYTES * sizeof(copy->crc[0]));
	}
	if (!copy->heal && m->seq > co->voters[copy->target].sync.newest_seq)
		co->voters[copy->target].sync.newest_seq = m->seq;
	co->again = true;
}

void coordinator_recv_grain_written(struct coordinator *co, int i, const struct message *m)
{
	struct copy *copy = copy_find(co, m->token, COPY_SENT);
	uint64_t bytes;

	if (!copy || copy->target != i || copy->heal != (m->type == MESSAGE_GRAIN_HEALED)) {
		co->dropped++;
		return;
	}
	if (copy->compares) {
		if (m->rc != 0 && m->rc != -EAGAIN)
			co->compare.tries = COMPARE_TRIES; /* nor a little later */
		copy_end(co, copy, m->rc == 0 && m->blocks > 0);
		return;
	}
	if (copy->heal) {
		coordinator_healed(co, copy, m);
		return;
	}
	if (m->rc == -EXDEV) {
		coordinator_sync_again(co, i, true);
		return;
	}
	if (m->rc != 0) {
		coordinator_copy_again(co, copy, RETRY_NS);
		return;
	}
	bytes = copy->data ? copy->data->len_bytes : 0;
	coordinator_copy_free(co, copy);
	coordinator_sync_copied(co, i, bytes);
}
