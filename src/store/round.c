/*
 * Building an apply round: which committed entries it takes, and what each grain touched will be. Copies of
 * grains: round_copies.c. Within a round only the newest version of a block is written.
 */
#include "store/round.h"

#include <string.h>

#define TRIM_STEPS 4096u /* grains that a trim looks at in one round */

static uint32_t round_bucket(const struct layer *layer, uint64_t index)
{
	return (uint32_t)(((layer->id * UINT64_C(2654435761)) ^ index * UINT64_C(0x9e3779b97f4a7c15) >> 20) %
			  ROUND_MAX_GRAINS);
}

static struct round_grain *round_find(struct round *round, const struct layer *layer, uint64_t index)
{
	for (uint32_t at = round->heads[round_bucket(layer, index)]; at != 0;
		at = round->grains[at - 1].next) {
		struct round_grain *grain = &round->grains[at - 1];

		if (grain->layer == layer && grain->slot.index == index)
			return grain;
	}
	return NULL;
}

struct round_grain *round_grain(struct pool *pool, struct layer *layer, uint64_t index)
{
	struct round_grain *grain = round_find(&pool->round, layer, index);

	return grain ? grain : round_grain_add(pool, layer, index);
}

void grain_load(struct pool *pool, struct round_grain *grain)
{
	map_slot_get(&pool->map, grain->phys, &grain->slot);
	grain->was_hash = slot_hash(&grain->slot, grain->phys);
}

struct round_grain *round_grain_add(struct pool *pool, struct layer *layer, uint64_t index)
{
	struct round *round = &pool->round;
	uint32_t *head = &round->heads[round_bucket(layer, index)];
	struct round_grain *grain;

	ASSERT(round->grain_count < round->grain_max);
	grain = &round->grains[round->grain_count++];
	*grain = (struct round_grain){ .layer = layer, .next = *head };
	*head = round->grain_count;
	grain->below = layer_marks(pool, layer, index);
	grain->phys = grain->to = map_find(pool, layer, index);
	if (grain->phys != PHYS_NONE)
		grain_load(pool, grain);
	else
		grain->slot = (struct slot){ .layer = layer->record.number, .index = (uint32_t)index };
	return grain;
}

void grain_stamp(struct round_grain *grain, struct epoch epoch, uint64_t seq)
{
	grain->slot.epoch_number = epoch.number;
	grain->slot.epoch_restart = epoch.restart;
	grain->slot.seq = seq;
}

void grain_block(struct round_grain *grain, unsigned block, const uint8_t *source, uint32_t crc)
{
	uint16_t bit = (uint16_t)(1u << block);

	grain->slot.present = (uint16_t)(source ? grain->slot.present | bit : grain->slot.present & ~bit);
	grain->slot.zero = (uint16_t)(source ? grain->slot.zero & ~bit : grain->slot.zero | bit);
	/* What would not shine through needs no mark. */
	grain->slot.zero &= grain->below;
	grain->slot.crc[block] = source ? crc : 0;
	grain->source[block] = source;
}

static bool place_has_grain(const struct pool *pool, uint32_t place)
{
	return place != PHYS_NONE && place < pool->g.grain_count;
}

void grain_place(struct pool *pool, struct round_grain *grain)
{
	if (place_has_grain(pool, grain->to))
		return;
	grain->to = map_alloc(pool);
	ASSERT(grain->to != PHYS_NONE);
}

bool grain_needs_place(struct pool *pool, const struct layer *layer, uint64_t index)
{
	const struct round_grain *grain = round_find(&pool->round, layer, index);

	return !place_has_grain(pool, grain ? grain->to : map_find(pool, layer, index));
}

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

static bool write_fits(struct pool *pool, const struct log_entry *le, uint64_t first, uint64_t last)
{
	const struct round *round = &pool->round;
	uint32_t needed = 0;

	if (round->grain_count + (last - first + 1) > round->grain_max)
		return false;
	if (round->bytes + le->entry->length_bytes > ROUND_MAX_BYTES)
		return false;
	for (uint64_t index = first; index <= last; index++)
		needed += grain_needs_place(pool, layer_to_write(le->replica), index);
	return needed == 0 || needed + grains_for_marks(pool) <= pool->map.ready_count;
}

static bool round_redirect(struct pool *pool, struct log_entry *le)
{
	ASSERT(redirect_is_settled(le) && le->redirects == le->piece_count);
	if (pool->round.grain_count + le->redirects > pool->round.grain_max)
		return false;
	for (unsigned i = 0; i < le->redirects; i++) {
		struct round_grain *grain;

		if (le->pieces[i].index >= le->edge)
			break;
		grain = round_grain(pool, layer_to_write(le->replica), le->pieces[i].index);
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

	if (rr->trim_cursor > index)
		index = rr->trim_cursor;
	for (;; index++) {
		struct round_grain *grain;

		index = pool_replica_grain_next(replica, index);
		if (index == UINT64_MAX || index * GRAIN_BLOCKS >= end || index >= le->edge)
			return true;
		if (pool->round.grain_count == pool->round.grain_max || ++steps > TRIM_STEPS) {
			rr->trim_cursor = index;
			return false;
		}
		/* A mark may need a place: where no extra one is left, a grain's. */
		if (grain_needs_place(pool, layer_to_write(replica), index) &&
			pool->map.extra_free_count <= EXTRA_KEEP(pool) + pool->round.grain_count &&
			pool->map.ready_count <= grains_for_marks(pool)) {
			rr->trim_cursor = index;
			return false;
		}
		grain = round_grain(pool, layer_to_write(replica), index);
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

static void round_entries(struct pool *pool, struct pool_replica *replica)
{
	struct log_entry *le = index_find(replica, replica->applied.seq + 1);
	unsigned before = pool->round.replica_count;
	struct round_replica *rr;

	if (replica->deleted || replica->creating)
		return;
	if (!le || !entry_may_apply(le)) {
		redirect_settle_want(pool, le);
		return;
	}
	/* An incomplete replica never replays its log: what was left out is told by no entry. */
	ASSERT(!replica->state.incomplete || replica->syncing);
	rr = round_replica(&pool->round, replica);
	while (rr && le && entry_may_apply(le) && round_entry(pool, rr, le))
		le = index_find(replica, le->seq + 1);
	/* Payloads are being read back: an image that says nothing new would only fill the ring. */
	if (pool->round.replica_count > before && rr->end.seq == replica->applied.seq &&
		rr->trim_cursor == replica->trim_cursor)
		pool->round.replica_count--;
}

/* ---- the whole ---- */

void grains_settle(struct pool *pool)
{
	for (uint32_t i = 0; i < pool->round.grain_count; i++) {
		struct round_grain *grain = &pool->round.grains[i];
		uint32_t extra;

		if (grain->slot.present != 0 ||
			(grain->to != PHYS_NONE && !place_has_grain(pool, grain->to) &&
				grain->slot.zero != 0))
			continue;
		extra = grain->slot.zero ? map_extra_alloc(pool, EXTRA_KEEP(pool)) : PHYS_NONE;
		if (grain->slot.zero && extra == PHYS_NONE) {
			grain_place(pool, grain);
			continue;
		}
		if (grain->to != PHYS_NONE && grain->to != grain->phys && !grain->redirected)
			map_unalloc(pool, grain->to);
		grain->redirected = false;
		grain->to = extra;
	}
}

void round_begin(struct round *round)
{
	round->grain_count = 0;
	round->replica_count = 0;
	round->bytes = 0;
	memset(round->heads, 0, sizeof(round->heads));
}

/* False when there is nothing that can be applied now. */
bool round_build(struct pool *pool)
{
	struct round *round = &pool->round;

	round_begin(round);
	round_puts(pool);
	/* Fair: begins behind the last one that the former round took. */
	for (unsigned pass = 0; pass < 2; pass++) {
		list_for_each (node, &pool->replicas) {
			struct pool_replica *replica = list_entry(node, struct pool_replica, node);

			if ((replica->head.dir > round->next_dir) == (pass == 0))
				round_entries(pool, replica);
		}
	}
	if (round->replica_count > 0)
		round->next_dir = round->replicas[round->replica_count - 1].replica->head.dir;
	grains_settle(pool);
	return round->replica_count > 0;
}
