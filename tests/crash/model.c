#include "model.h"

#include <string.h>

void model_view(const struct model *m, unsigned prefix, struct model_view *ret_view)
{
	ret_view->last_seq = 0;
	ret_view->last = (struct position){ { 0, 0 }, 0 };
	ret_view->state = (struct replica_state){ .config_number = 0 };
	for (unsigned i = 0; i < prefix; i++) {
		const struct model_record *r = &m->records[i];

		switch (r->kind) {
		case MODEL_APPEND:
			ASSERT(r->position.seq == ret_view->last_seq + 1);
			ret_view->last_seq = r->position.seq;
			ret_view->log[ret_view->last_seq] = i;
			break;
		case MODEL_TRUNCATE:
			ASSERT(r->keep_seq <= ret_view->last_seq);
			ret_view->last_seq = r->keep_seq;
			break;
		case MODEL_STATE:
			ret_view->state = r->state;
			break;
		}
	}
	if (ret_view->last_seq > 0)
		ret_view->last = m->records[ret_view->log[ret_view->last_seq]].position;
}

struct uuid model_snapshot_name(uint64_t tag)
{
	struct uuid name = { .byte = { 0x51 } };

	memcpy(name.byte + 8, &tag, sizeof(tag));
	return name;
}

unsigned model_snapshots(const struct model *m, const struct model_view *view, uint64_t seq,
	uint64_t seqs[static MODEL_SNAPSHOTS])
{
	unsigned count = 0;

	for (uint64_t s = 1; s <= seq; s++) {
		const struct model_record *r = &m->records[view->log[s]];

		if (r->op == ENTRY_SNAPSHOT) {
			ASSERT(count < MODEL_SNAPSHOTS);
			seqs[count++] = s;
		}
		for (unsigned i = 0; r->op == ENTRY_DELETE_SNAPSHOT && i < count; i++) {
			if (m->records[view->log[seqs[i]]].tag != r->tag)
				continue;
			memmove(&seqs[i], &seqs[i + 1], (count - i - 1) * sizeof(seqs[0]));
			count--;
			break;
		}
	}
	return count;
}

void model_image(const struct model *m, const struct model_view *view, uint64_t seq,
	uint64_t tags[static MODEL_BLOCKS])
{
	uint64_t seqs[MODEL_SNAPSHOTS];

	memcpy(tags, m->base, MODEL_BLOCKS * sizeof(tags[0]));
	ASSERT(seq <= view->last_seq);
	for (uint64_t s = 1; s <= seq; s++) {
		const struct model_record *r = &m->records[view->log[s]];

		if (r->op == ENTRY_ROLLBACK) {
			unsigned count = model_snapshots(m, view, s, seqs);

			for (unsigned i = 0; i < count; i++)
				if (m->records[view->log[seqs[i]]].tag == r->tag)
					model_image(m, view, seqs[i], tags);
			continue;
		}

		for (uint64_t at = 0; at < r->length_bytes; at += BLOCK_BYTES)
			tags[(r->offset_bytes + at) / BLOCK_BYTES] = r->op == ENTRY_WRITE ? r->tag : 0;
	}
}

void model_durable(struct model *m, uint64_t seq)
{
	/* The newest record that appended this seq. */
	for (unsigned i = m->count; i-- > 0;)
		if (m->records[i].kind == MODEL_APPEND && m->records[i].position.seq == seq) {
			if (i + 1 > m->answered)
				m->answered = i + 1;
			return;
		}
	ASSERT(!"an entry that was appended");
}

void block_fill(uint8_t *block, uint64_t tag, uint64_t index)
{
	uint64_t value = tag * UINT64_C(0x9e3779b97f4a7c15) + index;

	for (size_t at = 0; at < BLOCK_BYTES; at += sizeof(value)) {
		memcpy(block + at, &value, sizeof(value));
		value += UINT64_C(0x9e3779b97f4a7c15);
	}
}

bool block_matches(const uint8_t *block, uint64_t tag, uint64_t index)
{
	const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t value = tag * step + index, differs = 0;

	if (tag == 0)
		return block[0] == 0 && memcmp(block, block + 1, BLOCK_BYTES - 1) == 0;
	for (size_t at = 0; at < BLOCK_BYTES; at += 8 * sizeof(value)) {
		uint64_t words[8];

		memcpy(words, block + at, sizeof(words));
		for (unsigned k = 0; k < 8; k++)
			differs |= words[k] ^ (value + k * step);
		value += 8 * step;
	}
	return differs == 0;
}

bool state_equal(const struct replica_state *a, const struct replica_state *b)
{
	return epoch_equal(a->promise, b->promise) && a->promise_session == b->promise_session &&
	       a->config_number == b->config_number && a->incomplete == b->incomplete &&
	       a->retired == b->retired && a->longest_lease_ms == b->longest_lease_ms;
}
