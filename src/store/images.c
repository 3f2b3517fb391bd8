/*
 * Images: what an apply round or a change of state puts into the journal in place of table pages. A replica's
 * record as of the ring's head (`head`) changes here and only here, in the order of the batches.
 */
#include "store/opening.h"

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
	struct layer *was = grain->from ? grain->from : grain->layer; /* the layer of `phys` */

	if (!grain->layer->top_of || grain->from)
		pool->layer_sum_stale = true;
	if (grain->phys != PHYS_NONE) {
		--*layer_grain_count(was);
		*layer_grain_sum(was) -= grain->was_hash;
		if (grain->phys != grain->to && !MUTANT(freed_slot_kept)) {
			slot_encode(&(struct slot){ 0 }, grain->phys, unit);
			unit += UNIT_BYTES;
		}
	}
	if (grain->to == PHYS_NONE)
		return unit;
	++*layer_grain_count(grain->layer);
	grain->now_hash = slot_hash(&grain->slot, grain->to);
	*layer_grain_sum(grain->layer) += grain->now_hash;
	slot_encode(&grain->slot, grain->to, unit);
	return unit + UNIT_BYTES;
}

/*
 * Of a grain in a layer that goes with the next finalization nothing need be said. A frozen one may be
 * another replica's too: what is said of it in vain does no harm.
 */
static bool layer_is_gone(const struct layer *layer)
{
	return layer->top_of && layer->top_of->delete_composed;
}

static uint8_t *layer_image(struct layer *layer, uint64_t batch, uint8_t *unit)
{
	layer->head_batch = batch;
	layer_encode(&layer->record, unit);
	return unit + UNIT_BYTES;
}

static void top_change(struct pool_replica *replica, const struct layer *top)
{
	replica->head.layer = top->record.number;
	replica->head.parent = top->parent ? top->parent->record.number : 0;
	replica->head.grain_count = 0;
	replica->head.grain_sum = 0;
}

/* The former top gets a record of its own, with the figures that the replica's had. */
static uint8_t *structure_image(struct pool *pool, struct round_replica *rr, uint64_t batch, uint8_t *unit)
{
	struct directory_record *head = &rr->replica->head;

	ASSERT(!rr->composed);
	rr->composed = true;
	pool->layer_sum_stale = true;
	if (rr->op == ENTRY_DELETE_SNAPSHOT) {
		rr->layer->record.is_snapshot = false;
		return layer_image(rr->layer, batch, unit);
	}
	if (rr->op == ENTRY_SNAPSHOT) {
		ASSERT(head->layer == rr->target->record.number);
		rr->target->record = (struct layer_record){
			.place = rr->place,
			.number = head->layer,
			.parent = head->parent,
			.root = head->root,
			.snapshot = rr->snapshot,
			.frozen = rr->frozen,
			.is_snapshot = true,
			.grain_count = head->grain_count,
			.grain_sum = head->grain_sum,
		};
		unit = layer_image(rr->target, batch, unit);
	}
	top_change(rr->replica, rr->layer);
	return unit;
}

static uint8_t *frozen_image(struct pool *pool, struct layer *layer, uint64_t batch, uint8_t *unit)
{
	if (layer->top_of || layer->record.place == PHYS_NONE || layer->head_batch == batch)
		return unit;
	map_page_dirty(pool, geometry_place_page(&pool->g, layer->record.place), batch);
	return layer_image(layer, batch, unit);
}

/* The records of the frozen layers that a resync's copies have filled, or that are merged. */
static uint8_t *frozen_images(struct pool *pool, uint64_t batch, uint8_t *unit)
{
	for (uint32_t i = 0; i < pool->round.grain_count; i++) {
		const struct round_grain *grain = &pool->round.grains[i];

		unit = frozen_image(pool, grain->layer, batch, unit);
		if (grain->from)
			unit = frozen_image(pool, grain->from, batch, unit);
	}
	return unit;
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
		if (!layer_is_gone(round->grains[i].layer))
			at = slot_image(pool, &round->grains[i], at);
	}
	at = frozen_images(pool, batch->header.number, at);
	for (unsigned i = 0; i < round->replica_count; i++) {
		struct round_replica *rr = &round->replicas[i];
		struct pool_replica *replica = rr->replica;

		if (replica->delete_composed)
			continue;
		if (rr->serial == replica->serial) {
			replica->head.applied = rr->end;
			record_rows(&replica->head, replica->rows, replica->row_count);
			if (rr->op != 0)
				at = structure_image(pool, rr, batch->header.number, at);
			if (rr->gone)
				at = merge_image(pool, rr, batch->header.number, at);
		}
		replica->head_batch = batch->header.number;
		pool->directory_sum += directory_hash(&replica->head);
		at += (size_t)directory_encode(&replica->head, at) * UNIT_BYTES;
	}
	return (uint32_t)((size_t)(at - round->images) / UNIT_BYTES);
}

/* ---- states ---- */

/* What the open found to be outdated is freed together with the record that counts it out. */
static uint32_t stale_images(const struct pool *pool, uint8_t *bytes)
{
	const struct opening *o = pool->opening;

	_Static_assert(STALE_MAX + DIRECTORY_MAX_UNITS <= BLOCK_BYTES / UNIT_BYTES, "one block of images");
	for (unsigned i = 0; o && i < o->stale_count; i++)
		slot_encode(&(struct slot){ 0 }, o->stale[i], bytes + (size_t)i * UNIT_BYTES);
	return o ? o->stale_count : 0;
}

uint32_t images_of_work(struct pool *pool, const struct work *work, uint8_t *bytes)
{
	struct pool_replica *replica = work->replica;
	struct directory_record record = replica->head;
	uint32_t first = 0;

	switch (work->kind) {
	case WORK_CREATE:
		pool->directory_sum += directory_hash(&record);
		pool->layer_sum_stale = true;
		return directory_encode(&record, bytes);
	case WORK_LAYER:
		pool->layer_sum_stale = true;
		layer_encode(&work->layer->record, bytes);
		return 1;
	case WORK_TOP:
		pool->layer_sum_stale = true;
		record.layer = work->layer->record.number;
		record.parent = work->layer->record.parent;
		record.root = work->layer->record.root;
		record.grain_count = 0;
		record.grain_sum = 0;
		break;
	case WORK_STATE:
		ASSERT(work->size_bytes >= record.identity.size_bytes);
		record.state = work->state;
		record.identity.size_bytes = work->size_bytes;
		if (replica->recount) {
			record.grain_count = replica->found_count;
			record.grain_sum = replica->found_sum;
			replica->recount = false;
			first = stale_images(pool, bytes);
		}
		if (MUTANT(forget_promise)) {
			record.state.promise = replica->head.state.promise;
			record.state.promise_session = replica->head.state.promise_session;
		}
		break;
	case WORK_DELETE:
		pool->directory_sum -= directory_hash(&replica->head);
		replica->delete_composed = true;
		pool->layer_sum_stale = true;
		record = (struct directory_record){ .dir = replica->head.dir };
		return directory_encode(&record, bytes);
	case WORK_RESET:
		record.applied = work->position;
		record_rows(&record, work->rows, work->row_count);
		break;
	case WORK_TRUNCATE:
	case WORK_STRUCTURE:
	case WORK_PUT:
	case WORK_HEAL:
	case WORK_APPLIED:
		ASSERT(!"bears no image");
	}
	directory_change(pool, replica, &record);
	return first + directory_encode(&replica->head, bytes + (size_t)first * UNIT_BYTES);
}
