/*
 * Images: what an apply round or a change of state puts into the journal in place of table pages. A replica's
 * record as of the ring's head (`head`) changes here and only here, in the order of the batches.
 */
#include "store/pool.h"

#include <string.h>

void directory_change(struct pool *pool, struct pool_replica *replica, const struct directory_record *record)
{
	pool->directory_sum -= directory_hash(&replica->head);
	pool->directory_sum += directory_hash(record);
	replica->head = *record;
}

/* Rows of the table of epochs that begin at or below the applied position; the others follow from the
 * entries. */
static void record_rows(struct directory_record *record, const struct epoch_start *rows, unsigned row_count)
{
	record->row_count = 0;
	for (unsigned i = 0; i < row_count; i++)
		if (rows[i].first_seq <= record->applied.seq)
			record->rows[record->row_count++] = rows[i];
}

/* ---- rounds ---- */

static uint8_t *slot_image(struct pool *pool, struct round_grain *grain, uint8_t *unit)
{
	struct pool_replica *replica = grain->replica;
	const struct slot *old = &pool->map.slots[grain->phys];
	struct directory_record *head = &replica->head;

	if (!grain->fresh) {
		head->grain_count--;
		head->grain_sum -= slot_hash(old, grain->phys);
	}
	if (!grain->freed) {
		head->grain_count++;
		head->grain_sum += slot_hash(&grain->slot, grain->phys);
	}
	slot_encode(grain->freed ? &(struct slot){ 0 } : &grain->slot, grain->phys, unit);
	return unit + UNIT_BYTES;
}

uint32_t images_of_round(struct pool *pool, struct batch *batch)
{
	struct round *round = &pool->round;
	uint8_t *at = round->images;

	/* The sum follows the records; a replica whose end stands in the ring already is left out. */
	for (unsigned i = 0; i < round->replica_count; i++)
		pool->directory_sum -= directory_hash(&round->replicas[i].replica->head) *
				       !round->replicas[i].replica->delete_composed;
	for (uint32_t i = 0; i < round->grain_count; i++) {
		if (!round->grains[i].noop && !round->grains[i].replica->delete_composed)
			at = slot_image(pool, &round->grains[i], at);
	}
	for (unsigned i = 0; i < round->replica_count; i++) {
		struct round_replica *rr = &round->replicas[i];
		struct pool_replica *replica = rr->replica;

		if (replica->delete_composed)
			continue;
		if (rr->serial == replica->serial) {
			replica->head.applied = rr->end;
			record_rows(&replica->head, replica->rows, replica->row_count);
		}
		replica->head_batch = batch->header.number;
		pool->directory_sum += directory_hash(&replica->head);
		at += (size_t)directory_encode(&replica->head, at) * UNIT_BYTES;
	}
	return (uint32_t)((size_t)(at - round->images) / UNIT_BYTES);
}

/* ---- states ---- */

uint32_t images_of_work(struct pool *pool, const struct work *work, uint8_t *bytes)
{
	struct pool_replica *replica = work->replica;
	struct directory_record record = replica->head;

	switch (work->kind) {
	case WORK_CREATE:
		pool->directory_sum += directory_hash(&record);
		return directory_encode(&record, bytes);
	case WORK_STATE:
		record.state = work->state;
		if (replica->recount) {
			record.grain_count = replica->found_count;
			record.grain_sum = replica->found_sum;
			replica->recount = false;
		}
		if (MUTANT(forget_promise)) {
			record.state.promise = replica->head.state.promise;
			record.state.promise_session = replica->head.state.promise_session;
		}
		break;
	case WORK_DELETE:
		pool->directory_sum -= directory_hash(&replica->head);
		replica->delete_composed = true;
		record = (struct directory_record){ .dir = replica->head.dir };
		return directory_encode(&record, bytes);
	case WORK_RESET:
		record.applied = work->position;
		record_rows(&record, work->rows, work->row_count);
		break;
	case WORK_TRUNCATE:
	case WORK_PUT:
	case WORK_HEAL:
	case WORK_APPLIED:
		ASSERT(!"bears no image");
	}
	directory_change(pool, replica, &record);
	return directory_encode(&replica->head, bytes);
}
