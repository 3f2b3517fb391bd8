/*
 * Group commit. At most one batch is being written while another one's flush runs:
 *
 *   append, state, truncate ... -> queue
 *   FREE --compose--> WRITING --write done--> WRITTEN --flush submitted--> FLUSHING --flush done--> durable,
 * answers, FREE
 *
 * Nothing waits when nothing is in flight; what comes meanwhile is gathered. While a flush is to answer more
 * than what waits, that goes on gathering: small batches side by side have the device flush for a few entries
 * each. A flush covers only the batches, and the data of rounds and sweeps, whose writes had ended when it
 * was submitted. 5 ms after the last answer an idle pool writes a mark: an empty batch that says that all
 * before it is durable, and what is committed.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void mark_due(void *arg);

int journal_init(struct pool *pool)
{
	struct journal *j = &pool->journal;

	list_init(&j->queue);
	list_init(&j->carry);
	list_init(&j->flush_waiters);
	list_init(&j->flush_covered);
	loop_timer_init(&j->mark_timer, mark_due, pool);
	for (unsigned i = 0; i < BATCHES_IN_FLIGHT; i++) {
		struct batch *batch = &j->batches[i];

		batch->pool = pool;
		list_init(&batch->items);
		list_init(&batch->carried);
		batch->block = aligned_new(BLOCK_BYTES);
		batch->images = aligned_new((size_t)STATES_PER_BATCH * BLOCK_BYTES);
		if (!batch->block || !batch->images)
			return -ENOMEM;
	}
	j->ring = calloc(pool->g.ring_blocks, sizeof(*j->ring));
	j->batch_max_blocks = pool->g.ring_blocks / 4 + 1 < BATCH_MAX_BLOCKS ? pool->g.ring_blocks / 4 + 1
									     : BATCH_MAX_BLOCKS;
	return j->ring ? 0 : -ENOMEM;
}

void journal_done(struct pool *pool)
{
	struct journal *j = &pool->journal;

	loop_timer_cancel(pool->loop, &j->mark_timer);
	for (unsigned i = 0; i < BATCHES_IN_FLIGHT; i++) {
		free(j->batches[i].block);
		free(j->batches[i].images);
	}
	free(j->ring);
}

struct ring_batch *ring_batch(struct pool *pool, uint64_t number)
{
	return &pool->journal.ring[number % pool->g.ring_blocks];
}

uint64_t journal_used_blocks(const struct pool *pool)
{
	return pool->journal.head - pool->journal.tail_free;
}

void journal_queue(struct pool *pool, struct item *item)
{
	list_push_back(&pool->journal.queue, &item->node);
	pool->journal.queued++;
	pool_pump_soon(pool);
}

void journal_unqueue(struct pool *pool, struct item *item, struct batch *batch)
{
	list_remove(&item->node);
	list_push_back(&batch->items, &item->node);
	pool->journal.queued--;
	batch->item_count++;
}

void journal_flush_want(struct pool *pool, struct flush_waiter *waiter)
{
	list_push_back(&pool->journal.flush_waiters, &waiter->node);
	pool_pump_soon(pool);
}

bool journal_is_idle(const struct pool *pool)
{
	const struct journal *j = &pool->journal;

	for (unsigned i = 0; i < BATCHES_IN_FLIGHT; i++)
		if (j->batches[i].state != BATCH_FREE)
			return false;
	return list_is_empty(&j->queue) && list_is_empty(&j->carry) && !j->flushing && !j->mark_wanted &&
	       list_is_empty(&j->flush_waiters) && pool->round.state == ROUND_IDLE;
}

/* ---- marks ---- */

/* Something is durable that no header says, or committed. */
static bool mark_is_due(const struct pool *pool)
{
	const struct journal *j = &pool->journal;

	return j->last_records > j->written_claim || j->settle_goal > j->settled ||
	       !list_is_empty(&pool->commit_news);
}

static void mark_due(void *arg)
{
	struct pool *pool = arg;

	if (!mark_is_due(pool))
		return;
	pool->journal.mark_wanted = true;
	pool_pump(pool);
}

/* Five milliseconds after the last answer, or after a commit that nothing carries. */
void journal_mark_arm(struct pool *pool)
{
	if (pool->failed || pool->closing || !mark_is_due(pool))
		return;
	loop_timer_set(pool->loop, &pool->journal.mark_timer, loop_now_ns(pool->loop) + MARK_DELAY_NS);
}

/* ---- flush ---- */

static void flush_ended(struct device_io *io, int rc);

static struct batch *batch_by_state(struct pool *pool, enum batch_state state)
{
	struct batch *oldest = NULL;

	for (unsigned i = 0; i < BATCHES_IN_FLIGHT; i++) {
		struct batch *batch = &pool->journal.batches[i];

		if (batch->state == state && (!oldest || batch->header.number < oldest->header.number))
			oldest = batch;
	}
	return oldest;
}

/* Covers what is written now: an older batch that is still being written holds back the newer ones' answers.
 */
static void flush_pump(struct pool *pool)
{
	struct journal *j = &pool->journal;
	struct batch *batch;
	struct list *node;

	if (j->flushing || (!batch_by_state(pool, BATCH_WRITTEN) && list_is_empty(&j->flush_waiters)))
		return;
	j->flush_items = 0;
	while ((batch = batch_by_state(pool, BATCH_WRITTEN)) != NULL) {
		batch->state = BATCH_FLUSHING;
		j->flush_items += batch->item_count;
	}
	while ((node = list_pop_front(&j->flush_waiters)) != NULL)
		list_push_back(&j->flush_covered, node);
	j->flushing = true;
	j->flush_began_look = pool->watch.looks;
	j->flush_io.fn = flush_ended;
	pool_io_began(pool, &j->flush_io);
	pool->counters.flushes++;
	pool->device->ops->flush(pool->device, &j->flush_io);
}

static void flush_ended(struct device_io *io, int rc)
{
	struct pool *pool = container_of(io, struct pool, journal.flush_io);
	struct journal *j = &pool->journal;
	struct batch *batch;
	struct list *node;

	pool_io_ended(pool, io);
	j->flushing = false;
	if (rc < 0 && !MUTANT(failed_write_ignored))
		pool_fail(pool, rc, "flush");
	while (!pool->failed && (batch = batch_by_state(pool, BATCH_FLUSHING)) != NULL)
		batch_durable(pool, batch);
	while (!pool->failed && (node = list_pop_front(&j->flush_covered)) != NULL) {
		struct flush_waiter *waiter = list_entry(node, struct flush_waiter, node);

		waiter->fn(waiter);
	}
	pool_pump(pool);
}

/* ---- write ---- */

static void write_ended(struct device_io *io, int rc)
{
	struct batch *batch = container_of(io, struct batch, io);

	if (MUTANT(redirect_not_awaited))
		batch->state = BATCH_WRITTEN;
	batch_write_ended(batch, io, rc, "journal write");
}

void batch_write_ended(struct batch *batch, struct device_io *io, int rc, const char *what)
{
	struct pool *pool = batch->pool;

	pool_io_ended(pool, io);
	if (rc < 0 && !MUTANT(failed_write_ignored))
		pool_fail(pool, rc, what);
	ASSERT(batch->busy > 0);
	if (--batch->busy == 0 && batch->state == BATCH_WRITING)
		batch->state = BATCH_WRITTEN;
	if (MUTANT(ack_before_durable) && !pool->failed && batch->state == BATCH_WRITTEN &&
		batch->header.number == pool->journal.durable + 1)
		batch_durable(pool, batch);
	pool_pump(pool);
}

static void batch_write(struct pool *pool, struct batch *batch)
{
	struct journal *j = &pool->journal;
	struct ring_batch *rb = ring_batch(pool, batch->header.number);
	const struct batch_header *h = &batch->header;

	rb->position = batch->position;
	rb->blocks = batch->blocks;
	j->head = batch->position + batch->blocks;
	j->next = h->number + 1;
	j->tail_written = h->tail;
	j->written_claim = h->durable;
	if (batch->has_records)
		j->last_records = h->number;
	j->former_count = h->name_count;
	memcpy(j->former, h->names, sizeof(h->names[0]) * h->name_count);
	batch->state = BATCH_WRITING;
	batch->began_look = pool->watch.looks;
	batch->io.fn = write_ended;
	batch->busy = 1 + batch->redirect_count;
	pool_io_began(pool, &batch->io);
	pool->counters.batches++;
	pool->counters.device_write_bytes += (uint64_t)batch->blocks * BLOCK_BYTES;
	redirect_write(pool, batch);
	pool->device->ops->write(pool->device, &batch->io, batch->iov, batch->iov_count,
		geometry_ring_offset(&pool->g, (uint32_t)(batch->position % pool->g.ring_blocks)));
}

/* So it is in most turns of the pool. */
static bool nothing_waits(const struct pool *pool)
{
	const struct journal *j = &pool->journal;

	return list_is_empty(&j->queue) && list_is_empty(&j->carry) && !j->mark_wanted &&
	       (pool->round.state != ROUND_IMAGES || pool->round.images_batch != 0);
}

/* Many writers then share a flush; where few write, who comes next waits for none but its own. */
static bool flush_gathers(const struct journal *j)
{
	return j->flushing && j->queued < j->flush_items;
}

void journal_pump(struct pool *pool)
{
	struct batch *batch = batch_by_state(pool, BATCH_FREE);

	if (nothing_waits(pool))
		pool->journal.stalled = false;
	else if (batch && batch->busy == 0 && !flush_gathers(&pool->journal) &&
		 !batch_by_state(pool, BATCH_WRITING) && batch_compose(pool, batch))
		batch_write(pool, batch);
	flush_pump(pool);
}
