/*
 * Building an apply round: which committed entries it takes, and what each grain touched will be. Copies of
 * grains: round_copies.c. Within a round only the newest version of a block is written.
 */
#include "store/round.h"

#include <string.h>

#define TRIM_STEPS 4096u /* grains that a trim looks at in one round */

/* The layer that entries write into: never a frozen one. */
static struct layer *layer_to_write(const struct pool_replica *replica)
{
	if (MUTANT(write_into_frozen) && replica->top->parent)
		return replica->top->parent;
	return replica->top;
}

/*
 * While a resync runs: whether the grain is of a newer version than this entry, by a copy. The entry is in it
 * then, and applied once more it would give the grain a version that it is not of.
 */
static bool grain_is_beyond(const struct round_grain *grain, const struct log_entry *le)
{
	struct position has = { { grain->slot.epoch_number, grain->slot.epoch_restart }, grain->slot.seq };
	struct position entry = { le->epoch, le->seq };

	return le->replica->state.incomplete && (grain->slot.present | grain->slot.zero) != 0 &&
	       position_compare(has, entry) > 0;
}

/* ---- entries ---- */

static bool write_fits(struct pool *pool, struct log_entry *le, uint64_t first, uint64_t last)
{
	const struct round *round = &pool->round;
	const struct layer *layer = layer_to_write(le->replica);
	uint32_t needed = 0;
	bool needs_place;

	if (round->grain_count + (last - first + 1) > round->grain_max)
		return false;
	if (round->bytes + le->entry->length_bytes > ROUND_MAX_BYTES)
		return false;
	for (uint64_t index = first; index <= last; index++) {
		if (!grain_has_sums(pool, layer, index, &needs_place)) {
			round_sums_entry(pool, layer, le);
			return false;
		}
		needed += needs_place;
	}
	return needed == 0 || needed + grains_for_marks(pool) <= pool->map.ready_count;
}

static bool round_redirect(struct pool *pool, struct log_entry *le)
{
	struct layer *layer = layer_to_write(le->replica);
	bool needs_place;

	ASSERT(redirect_is_settled(le) && le->redirects == le->piece_count);
	if (pool->round.grain_count + le->redirects > pool->round.grain_max)
		return false;
	for (unsigned i = 0; i < le->redirects; i++) {
		if (grain_has_sums(pool, layer, le->pieces[i].index, &needs_place))
			continue;
		round_sums_entry(pool, layer, le);
		return false;
	}
	for (unsigned i = 0; i < le->redirects; i++) {
		struct round_grain *grain;

		if (le->pieces[i].index >= le->edge)
			break;
		grain = round_grain(pool, layer, le->pieces[i].index);
		if (grain_is_beyond(grain, le))
			continue;
		grain_stamp(grain, le->epoch, le->seq);
		redirect_grain(pool, grain, le, i);
	}
	return true;
}

static bool round_write(struct pool *pool, struct log_entry *le)
{
	const struct entry *entry = le->entry;
	uint64_t block = entry->offset_bytes / BLOCK_BYTES, count = entry->length_bytes / BLOCK_BYTES;

	if (!write_fits(pool, le, block / GRAIN_BLOCKS, (block + count - 1) / GRAIN_BLOCKS))
		return false;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t index = (block + i) / GRAIN_BLOCKS;
		struct round_grain *grain;

		if (index >= le->edge)
			break;
		grain = round_grain(pool, layer_to_write(le->replica), index);
		if (grain_is_beyond(grain, le))
			continue;
		grain_place(pool, grain);
		grain_stamp(grain, entry->epoch, entry->seq);
		grain_block(grain, (unsigned)((block + i) % GRAIN_BLOCKS),
			entry->payload->data + i * BLOCK_BYTES, entry->crc[i]);
	}
	pool->round.bytes += entry->length_bytes;
	return true;
}

/* From the cursor on, as far as the round has room; true when all of it is in. */
static bool round_trim(struct pool *pool, struct round_replica *rr, struct log_entry *le)
{
	struct pool_replica *replica = le->replica;
	uint64_t first = le->entry->offset_bytes / BLOCK_BYTES;
	uint64_t end = first + le->entry->length_bytes / BLOCK_BYTES; /* blocks */
	uint64_t index = first / GRAIN_BLOCKS, steps = 0;
	struct layer *layer = layer_to_write(replica);

	if (rr->trim_cursor > index)
		index = rr->trim_cursor;
	for (;; index++) {
		struct round_grain *grain;
		bool needs_place;

		index = pool_replica_grain_next(replica, index);
		if (index == UINT64_MAX || index * GRAIN_BLOCKS >= end || index >= le->edge)
			return true;
		if (pool->round.grain_count == pool->round.grain_max || ++steps > TRIM_STEPS) {
			rr->trim_cursor = index;
			return false;
		}
		if (!grain_has_sums(pool, layer, index, &needs_place)) {
			rr->trim_cursor = index;
			round_sums_trim(pool, layer, le, index);
			return false;
		}
		/* A mark may need a place: where no extra one is left, a grain's. */
		if (needs_place && pool->map.extra_free_count <= EXTRA_KEEP(pool) + pool->round.grain_count &&
			pool->map.ready_count <= grains_for_marks(pool)) {
			rr->trim_cursor = index;
			return false;
		}
		grain = round_grain(pool, layer, index);
		if (grain_is_beyond(grain, le))
			continue;
		grain_stamp(grain, le->entry->epoch, le->entry->seq);
		for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
			uint64_t block = index * GRAIN_BLOCKS + i;

			if (block >= first && block < end)
				grain_block(grain, i, NULL, 0);
		}
	}
}

bool entry_may_apply(const struct log_entry *le)
{
	const struct pool_replica *replica = le->replica;
	uint64_t commit_seq =
		MUTANT(apply_before_commit_durable) ? replica->commit_seq : replica->commit_durable;

	if (replica->state.incomplete && !replica->syncing && !MUTANT(replay_while_incomplete))
		return false;
	return !le->queued && le->seq <= commit_seq && le->seq <= replica->hold &&
	       le->seq <= replica->durable_seq && redirect_is_settled(le);
}

/* ---- what changes the layers: the last of its replica in this round ---- */

static uint32_t layer_place(struct pool *pool)
{
	uint32_t place = map_extra_alloc(pool, 0);

	return place != PHYS_NONE ? place : map_alloc(pool);
}

bool round_structure(struct pool *pool, struct round_replica *rr, enum entry_op op, struct uuid snapshot,
	struct position frozen)
{
	struct pool_replica *replica = rr->replica;
	struct layer *named = layer_of_snapshot(replica, snapshot);
	bool makes = op != ENTRY_DELETE_SNAPSHOT;

	ASSERT(entry_op_is_structural(op));
	if (rr->op != 0)
		return false;
	/* Said again, or of one that was removed. */
	if (!named == (op != ENTRY_SNAPSHOT))
		return true;
	rr->target = makes ? (named ? named : replica->top) : NULL;
	rr->layer = makes ? layer_new(pool, layer_number_new(pool), rr->target, 0) : named;
	if (!rr->layer)
		return false;
	rr->place = op == ENTRY_SNAPSHOT ? layer_place(pool) : PHYS_NONE;
	if (op == ENTRY_SNAPSHOT && rr->place == PHYS_NONE) {
		layer_free(pool, rr->layer);
		return false;
	}
	rr->op = op;
	rr->snapshot = snapshot;
	rr->frozen = frozen;
	return true;
}

static bool round_entry(struct pool *pool, struct round_replica *rr, struct log_entry *le)
{
	bool all = true;

	if (rr->op != 0 && !MUTANT(coalesce_across_snapshot))
		return false;
	switch (le->entry->op) {
	case ENTRY_WRITE:
		if (le->redirects > 0) {
			all = round_redirect(pool, le);
			break;
		}
		if (!le->entry->payload) {
			load_ahead(pool, le);
			return false;
		}
		all = round_write(pool, le);
		break;
	case ENTRY_TRIM:
	case ENTRY_ZERO:
		all = round_trim(pool, rr, le);
		break;
	case ENTRY_SNAPSHOT:
	case ENTRY_DELETE_SNAPSHOT:
	case ENTRY_ROLLBACK:
		all = round_structure(pool, rr, le->entry->op, le->entry->attachment,
			(struct position){ .epoch = le->epoch, .seq = le->seq });
		break;
	case ENTRY_NEW_EPOCH:
	case ENTRY_MEMBERSHIP:
		break;
	}
	if (!all)
		return false;
	rr->end = (struct position){ .epoch = le->epoch, .seq = le->seq };
	rr->trim_cursor = 0;
	return true;
}

struct round_replica *round_replica(struct round *round, struct pool_replica *replica)
{
	for (unsigned i = 0; i < round->replica_count; i++)
		if (round->replicas[i].replica == replica)
			return &round->replicas[i];
	if (round->replica_count == ROUND_MAX_REPLICAS)
		return NULL;
	round->replicas[round->replica_count] = (struct round_replica){
		.replica = replica,
		.end = replica->applied,
		.trim_cursor = replica->trim_cursor,
		.serial = replica->serial,
	};
	return &round->replicas[round->replica_count++];
}

/* True when the round takes some. */
static bool round_entries(struct pool *pool, struct pool_replica *replica)
{
	struct log_entry *le = index_find(replica, replica->applied.seq + 1);
	unsigned before = pool->round.replica_count;
	struct round_replica *rr;
	bool takes;

	if (replica->deleted || replica->creating)
		return false;
	if (!le || !entry_may_apply(le)) {
		redirect_settle_want(pool, le);
		return false;
	}
	/* An incomplete replica never replays its log: what was left out is told by no entry. */
	ASSERT(!replica->state.incomplete || replica->syncing);
	rr = round_replica(&pool->round, replica);
	while (rr && le && entry_may_apply(le) && round_entry(pool, rr, le))
		le = index_find(replica, le->seq + 1);
	takes = rr && (rr->end.seq != replica->applied.seq || rr->trim_cursor != replica->trim_cursor);
	/* Payloads are being read back: an image that says nothing new would only fill the ring. */
	if (!takes && pool->round.replica_count > before)
		pool->round.replica_count--;
	return takes;
}

/* Of all replicas on a pool few are written: who has nothing to apply leaves the list until its log grows.
 * Who is taken goes behind the others, where there may be no room for all. */
static void round_all_entries(struct pool *pool)
{
	struct list taken, *node;

	list_init(&taken);
	list_for_each_safe (at, &pool->to_apply) {
		struct pool_replica *replica = list_entry(at, struct pool_replica, apply_node);
		bool takes = round_entries(pool, replica);

		if (takes || (!replica->creating && replica->last.seq == replica->applied.seq))
			list_remove(at);
		if (takes)
			list_push_back(&taken, at);
	}
	while ((node = list_pop_front(&taken)) != NULL)
		list_push_back(&pool->to_apply, node);
}

#ifdef QUOIN_ASSERT_EXPENSIVE
static bool all_to_apply_are_listed(const struct pool *pool)
{
	list_for_each (node, &pool->replicas) {
		const struct pool_replica *replica = list_entry(node, struct pool_replica, node);

		if (list_is_empty(&replica->apply_node) && replica->last.seq != replica->applied.seq)
			return false;
	}
	return true;
}
#endif

/* ---- the whole ---- */

void round_begin(struct round *round)
{
	round->grain_count = 0;
	round->replica_count = 0;
	round->bytes = 0;
	round->sought_layer = NULL;
	memset(round->heads, 0, sizeof(round->heads));
}

/* False when there is nothing that can be applied now. */
bool round_build(struct pool *pool)
{
	struct round *round = &pool->round;

	round_begin(round);
	sums_turn_begin(pool, SUMS_ROUND);
	round_puts(pool);
	ASSERT_EXPENSIVE(all_to_apply_are_listed(pool));
	round_all_entries(pool);
	grains_settle(pool);
	sums_turn_end(pool, SUMS_ROUND);
	return round->replica_count > 0;
}
