/*
 * Apply rounds: from the journal into the grains, never more than one at a time.
 *
 *   IDLE --build--> WRITING (data) --all written--> FLUSHING --flushed--> IMAGES (in a batch) --durable-->
 * IDLE
 *
 * Only when the images are durable do the map and the applied position move. A crash before that repeats the
 * round from the journal, which names every block as pending; a crash after it skips the round.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void round_write_more(struct pool *pool);

static void round_due(void *arg)
{
	struct pool *pool = arg;

	pool->round.wanted = true;
	pool_pump(pool);
}

static void round_flushed(struct flush_waiter *waiter)
{
	struct pool *pool = container_of(waiter, struct pool, round.waiter);

	ASSERT(pool->round.state == ROUND_FLUSHING);
	pool->round.state = ROUND_IMAGES;
	pool->round.images_batch = 0;
}

int round_init(struct pool *pool)
{
	struct round *round = &pool->round;
	/* Images take at most 1/16 of the ring (room.h of batch.c), and one batch, directory records
	 * included: a round whose images fit in none would never end. */
	uint32_t sixteenth = pool->g.ring_blocks / 16, batch = BATCH_MAX_BLOCKS - 1;
	uint32_t units = (sixteenth < batch ? sixteenth : batch) * (BLOCK_BYTES / UNIT_BYTES);
	uint32_t reserve = ROUND_MAX_REPLICAS * (DIRECTORY_MAX_UNITS + 1);

	/* A grain may change three: where it was, where it is, and its layer's record. */
	round->grain_max = (units > 2 * reserve ? units - reserve : units / 2) / 3;
	if (round->grain_max > ROUND_MAX_GRAINS)
		round->grain_max = ROUND_MAX_GRAINS;
	list_init(&round->leftovers);
	list_init(&round->waiter.node);
	round->waiter.fn = round_flushed;
	loop_timer_init(&round->timer, round_due, pool);
	for (unsigned i = 0; i < ROUND_IOS; i++)
		round->ios[i].pool = pool;
	round->grains = calloc(round->grain_max, sizeof(*round->grains));
	round->images = aligned_new(((size_t)round->grain_max * 3 + reserve) * UNIT_BYTES + BLOCK_BYTES);
	return round->grains && round->images ? 0 : -ENOMEM;
}

void round_done(struct pool *pool)
{
	loop_timer_cancel(pool->loop, &pool->round.timer);
	free(pool->round.grains);
	free(pool->round.images);
}

/* ---- 1. data ---- */

static void round_data_done(struct pool *pool)
{
	struct round *round = &pool->round;

	if (MUTANT(no_flush_before_images) || !round->wrote) {
		round->state = ROUND_FLUSHING;
		round_flushed(&round->waiter);
		pool_pump_soon(pool);
		return;
	}
	round->state = ROUND_FLUSHING;
	journal_flush_want(pool, &round->waiter);
}

static void round_io_ended(struct device_io *io, int rc)
{
	struct round_io *rio = container_of(io, struct round_io, io);
	struct pool *pool = rio->pool;

	pool_io_ended(pool, io);
	rio->busy = false;
	pool->round.ios_busy--;
	if (rc < 0)
		pool_fail(pool, rc, "grain write");
	if (pool->failed)
		pool_pump_soon(pool);
	else
		round_write_more(pool);
}

/* So much of what is committed makes a round: 16 MiB, or an eighth of a small ring. */
static uint64_t round_enough_bytes(const struct pool *pool)
{
	uint64_t bytes = (uint64_t)pool->g.ring_blocks * BLOCK_BYTES / 8;

	return bytes < ROUND_MAX_BYTES ? bytes : ROUND_MAX_BYTES;
}

/*
 * How many of a round's writes may be under way. Each of them stands before the next batch and its flush, so
 * a round is as gentle as it can be while it keeps up: two, and twice as many with each eighth of a round
 * that has been committed since it was due. It finds the width that keeps pace; steps (8, then 64) made the
 * p99 of 4 KiB writes a fifth larger. It must not fall far behind: entries are kept in memory meanwhile.
 */
static unsigned round_width(const struct pool *pool)
{
	uint64_t enough = round_enough_bytes(pool), late = 0, width;

	if (round_is_awaited(pool))
		return ROUND_IOS;
	if (pool->unapplied_bytes > enough)
		late = (pool->unapplied_bytes - enough) * 8 / enough;
	width = (uint64_t)ROUND_IOS_LEAST << (late < 8 ? late : 8);
	return width < ROUND_IOS ? (unsigned)width : ROUND_IOS;
}

static struct round_io *round_io_free(struct pool *pool)
{
	struct round *round = &pool->round;

	if (round->ios_busy >= round_width(pool))
		return NULL;
	for (unsigned i = 0; i < ROUND_IOS; i++)
		if (!round->ios[i].busy)
			return &round->ios[i];
	return NULL;
}

/* The run of blocks with new content that begins at `block`; adjacent memory makes one iovec. */
static void round_write_run(
	struct pool *pool, struct round_io *rio, struct round_grain *grain, unsigned block)
{
	struct round *round = &pool->round;
	uint64_t offset_bytes = geometry_grain_offset(&pool->g, grain->to) + (uint64_t)block * BLOCK_BYTES;
	unsigned count = 0;
	uint64_t bytes = 0;

	for (; block < GRAIN_BLOCKS && grain->source[block]; block++, bytes += BLOCK_BYTES) {
		struct iovec *last = count ? &rio->iov[count - 1] : NULL;

		if (last && (uint8_t *)last->iov_base + last->iov_len == grain->source[block])
			last->iov_len += BLOCK_BYTES;
		else
			rio->iov[count++] =
				(struct iovec){ .iov_base = (void *)(uintptr_t)grain->source[block],
					.iov_len = BLOCK_BYTES };
	}
	round->write_block = block;
	round->wrote = !MUTANT(merge_unflushed) || pool->merge.state != MERGE_ROUND;
	rio->busy = true;
	rio->io.fn = round_io_ended;
	round->ios_busy++;
	pool_io_began(pool, &rio->io);
	pool->counters.device_write_bytes += bytes;
	pool->device->ops->write(pool->device, &rio->io, rio->iov, count, offset_bytes);
}

static void round_write_more(struct pool *pool)
{
	struct round *round = &pool->round;

	while (round->write_grain < round->grain_count) {
		struct round_grain *grain = &round->grains[round->write_grain];
		struct round_io *rio;

		while (round->write_block < GRAIN_BLOCKS && !grain->source[round->write_block])
			round->write_block++;
		if (round->write_block >= GRAIN_BLOCKS) {
			round->write_grain++;
			round->write_block = 0;
			continue;
		}
		rio = round_io_free(pool);
		if (!rio)
			return;
		round_write_run(pool, rio, grain, round->write_block);
	}
	if (round->ios_busy == 0)
		round_data_done(pool);
}

/* ---- 2. images are durable ---- */

static void grain_move(struct pool *pool, const struct round_grain *grain, uint64_t batch)
{
	bool stays = grain->phys == grain->to;

	if (grain->phys != PHYS_NONE) {
		map_page_dirty(pool, geometry_place_page(&pool->g, grain->phys), batch);
		if (!stays || grain->from)
			map_remove(pool, grain->phys);
		if (!stays)
			map_quarantine(pool, grain->phys, batch);
	}
	if (grain->to == PHYS_NONE)
		return;
	if (!stays)
		map_page_dirty(pool, geometry_place_page(&pool->g, grain->to), batch);
	ASSERT(grain->slot.present == 0 || grain->to < pool->g.grain_count);
	ASSERT((grain->slot.present & grain->slot.zero) == 0);
	map_slot_set(pool, grain->to, &grain->slot, grain->now_hash, grain->layer);
	if (stays && !grain->from)
		return;
	map_insert(pool, grain->to, grain->layer);
	grain->layer->tree->bits[grain->slot.index / 64] |= UINT64_C(1) << grain->slot.index % 64;
}

static void top_set(struct pool_replica *replica, struct layer *top)
{
	ASSERT(replica->top->top_of == replica);
	ASSERT(!top->top_of && !top->owner);
	ASSERT(top->record.number > replica->top->record.number);
	replica->top->top_of = NULL;
	replica->top = top;
	top->top_of = replica;
	thick_count(replica);
}

/* Layers move as the map does. */
static void structure_move(struct pool *pool, struct round_replica *rr, uint64_t batch)
{
	struct pool_replica *replica = rr->replica;
	bool stands = rr->composed;

	switch (rr->op) {
	case ENTRY_SNAPSHOT:
		if (!stands) {
			map_unalloc(pool, rr->place);
			layer_free(pool, rr->layer);
			break;
		}
		top_set(replica, rr->layer);
		rr->target->is_snapshot = true;
		layer_own(rr->target, replica);
		map_layer_put(pool, rr->target);
		map_page_dirty(pool, geometry_place_page(&pool->g, rr->place), batch);
		break;
	case ENTRY_ROLLBACK:
		if (stands)
			top_set(replica, rr->layer);
		else
			layer_free(pool, rr->layer);
		pool->reap.wanted = true;
		break;
	case ENTRY_DELETE_SNAPSHOT:
		if (!stands)
			break;
		map_page_dirty(pool, geometry_place_page(&pool->g, rr->layer->record.place), batch);
		rr->layer->is_snapshot = false;
		pool->reap.wanted = true;
		break;
	default:
		return;
	}
	layers_number(pool);
}

/* A resync has begun a tree anew, or has built it up: what the former top alone held goes. */
void replica_top_moved(struct pool_replica *replica, struct layer *top)
{
	top_set(replica, top);
	top->pinned = false;
	list_for_each_safe (node, &replica->layers) {
		struct layer *layer = list_entry(node, struct layer, owned);

		if (layer->record.root != top->record.root)
			layer_own(layer, NULL);
	}
	replica->serial++;
	replica->pool->reap.wanted = true;
	layers_number(replica->pool);
}

static void replica_move(struct pool *pool, struct round_replica *rr, uint64_t batch)
{
	struct pool_replica *replica = rr->replica;

	structure_move(pool, rr, batch);
	if (rr->gone)
		merge_move(pool, rr, batch);
	if (replica->delete_composed)
		return;
	map_page_dirty(pool, pool->g.grain_pages + replica->head.dir, batch);
	if (rr->serial != replica->serial)
		return;
	for (uint64_t seq = replica->applied.seq + 1; seq <= rr->end.seq; seq++) {
		struct log_entry *le = index_find(replica, seq);

		ASSERT(le && !le->applied);
		pool->unapplied_bytes -= le->weight_bytes;
		redirect_release(pool, le, batch);
		le_drop_payload(le);
	}
	replica->applied = rr->end;
	replica->trim_cursor = rr->trim_cursor;
}

void apply_images_durable(struct pool *pool, uint64_t batch)
{
	struct round *round = &pool->round;
	struct list *node;

	ASSERT(round->state == ROUND_IMAGES && round->images_batch == batch);
	for (uint32_t i = 0; i < round->grain_count; i++)
		grain_move(pool, &round->grains[i], batch);
	for (unsigned i = 0; i < round->replica_count; i++)
		replica_move(pool, &round->replicas[i], batch);
	pool->change++;
	pool->counters.apply_rounds++;
	round->state = ROUND_IDLE;
	if (pool->reap.wanted)
		layers_reap(pool);
	pool->reap.wanted = false;
	while ((node = list_pop_front(&round->leftovers)) != NULL)
		le_release(list_entry(node, struct log_entry, log_node));
	while ((node = list_pop_front(&round->taken)) != NULL) {
		struct work *work = list_entry(node, struct work, item.node);

		work_finish(pool, work, work->rc);
	}
	merge_round_ended(pool);
	applied_waiters_check(pool);
	read_wake(pool);
}

/* ---- when ---- */

/* By somebody, or for room in the ring: it does not wait for the idle mark. */
bool round_is_awaited(const struct pool *pool)
{
	return !list_is_empty(&pool->applied_waiters) || !list_is_empty(&pool->rollback_wait) ||
	       journal_used_blocks(pool) > pool->g.ring_blocks / 2;
}

/* The second's timer, and a tail that is held up, set `wanted`. */
static bool round_is_wanted(const struct pool *pool)
{
	return pool->round.wanted || !list_is_empty(&pool->round.puts) ||
	       !list_is_empty(&pool->applied_waiters) || !list_is_empty(&pool->rollback_wait) ||
	       pool->unapplied_bytes >= round_enough_bytes(pool);
}

static void round_start(struct pool *pool)
{
	struct round *round = &pool->round;

	pool->change++;
	round->state = ROUND_WRITING;
	round->write_grain = 0;
	round->write_block = 0;
	round->wrote = false;
	round_write_more(pool);
}

void apply_pump(struct pool *pool)
{
	struct round *round = &pool->round;

	if (round->state != ROUND_IDLE)
		return;
	/* Checksums that the next one needs are on their way: without them it would be a small one. */
	if (pool->sums.waits[SUMS_FOR_ROUND] > 0 || !sums_have_room(pool))
		return;
	/* A merge has a round of its own, while the ring has room for images that nobody waits for. */
	if (pool->merge.state == MERGE_READY &&
		journal_used_blocks(pool) <= (uint64_t)pool->g.ring_blocks * 12 / 16 && merge_round(pool)) {
		round_start(pool);
		return;
	}
	if (!round_is_wanted(pool)) {
		if (pool->unapplied_bytes > 0 && !loop_timer_is_set(&round->timer))
			loop_timer_set(pool->loop, &round->timer, loop_now_ns(pool->loop) + ROUND_DELAY_NS);
		return;
	}
	/* Who waits for a commit to be known durably need not wait for the idle mark. */
	if (!list_is_empty(&pool->commit_news) && round_is_awaited(pool))
		pool->journal.mark_wanted = true;
	/* In a ring that is nearly full only what moves the tail gets images. */
	if (journal_used_blocks(pool) > (uint64_t)pool->g.ring_blocks * 13 / 16 &&
		!pool->journal.tail_applies)
		return;
	round->wanted = false;
	if (!round_build(pool))
		return;
	loop_timer_cancel(pool->loop, &round->timer);
	round_start(pool);
}
