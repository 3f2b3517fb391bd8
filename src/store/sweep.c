/*
 * The sweep: pages whose images are durable are written back to the older of their two places, in page order,
 * then flushed; only then may the images leave the ring. A page is not written again before that.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void sweep_more(struct pool *pool);

/* Which of its two places a page goes to: the older one, so that a torn write loses nothing. */
static unsigned copy_to_write(const struct page_state *state)
{
	return state->copy ^ (MUTANT(page_in_place) ? 0u : 1u);
}

static void sweep_flushed(struct flush_waiter *waiter)
{
	struct pool *pool = container_of(waiter, struct pool, sweep.waiter);

	ASSERT(pool->sweep.running);
	for (unsigned i = 0; i < pool->sweep.count; i++) {
		struct page_state *state = &pool->map.pages[pool->sweep.pages[i]];

		state->sweeping = false;
		state->copy = copy_to_write(state) & 1;
		state->generation++;
	}
	pool->sweep.running = false;
}

int sweep_init(struct pool *pool)
{
	struct sweep *sweep = &pool->sweep;

	list_init(&sweep->waiter.node);
	sweep->waiter.fn = sweep_flushed;
	for (unsigned i = 0; i < ROUND_IOS; i++)
		sweep->ios[i].pool = pool;
	sweep->blocks = aligned_new((size_t)SWEEP_PAGES * BLOCK_BYTES);
	return sweep->blocks ? 0 : -ENOMEM;
}

void sweep_done(struct pool *pool)
{
	free(pool->sweep.blocks);
}

/* ---- what stands on a page ---- */

static bool page_has_slots(const struct geometry *g, uint32_t page)
{
	return page < g->grain_pages || page >= g->grain_pages + g->dir_pages;
}

static bool place_may_go(const struct pool *pool, uint32_t place)
{
	const struct mapped *mapped = &pool->map.places[place];

	return mapped->origin != ORIGIN_LAYER ||
	       pool->layer_table[mapped->index]->head_batch <= pool->journal.durable;
}

/* The replica whose record stands there; NULL: nobody's. */
static const struct pool_replica *directory_replica(const struct pool *pool, uint32_t page)
{
	const struct pool_replica *replica = pool->dir[page - pool->g.grain_pages];

	if (!replica || replica->gone_batch != 0 || (replica->creating && replica->head_batch == 0))
		return NULL;
	return replica;
}

/* False while the newest image of a record, a layer's or a replica's, is not durable yet. */
static bool page_may_go(const struct pool *pool, uint32_t page)
{
	const struct pool_replica *replica;
	uint32_t place, end;

	if (!page_has_slots(&pool->g, page)) {
		replica = directory_replica(pool, page);
		return !replica || replica->head_batch <= pool->journal.durable;
	}
	for (place = map_page_places(pool, page, &end); place < end; place++)
		if (!place_may_go(pool, place))
			return false;
	return true;
}

/* Slots that have not changed since it was written may have to be read first. */
static bool page_is_ready(struct pool *pool, uint32_t page)
{
	return !page_has_slots(&pool->g, page) || sums_page_ready(pool, page);
}

static void place_fill(struct pool *pool, uint32_t place, uint8_t *unit)
{
	const struct mapped *mapped = &pool->map.places[place];
	struct slot slot;

	if (mapped->origin == ORIGIN_LAYER) {
		layer_encode(&pool->layer_table[mapped->index]->record, unit);
	} else if (map_is_slot(&pool->map, place)) {
		map_slot_get(pool, place, &slot);
		slot_encode(&slot, place, unit);
	}
}

static void page_fill(struct pool *pool, uint32_t page, uint8_t *block)
{
	const struct page_state *state = &pool->map.pages[page];
	uint8_t *unit = block + PAGE_HEAD_BYTES;
	const struct pool_replica *replica;
	uint32_t place, end;

	memset(block, 0, BLOCK_BYTES);
	if (page_has_slots(&pool->g, page)) {
		for (place = map_page_places(pool, page, &end); place < end; place++, unit += UNIT_BYTES)
			place_fill(pool, place, unit);
	} else if ((replica = directory_replica(pool, page)) != NULL) {
		(void)directory_encode(&replica->head, unit);
	}
	page_seal(&pool->g, page, copy_to_write(state), state->generation + 1, block);
}

/* ---- writing ---- */

static void sweep_io_ended(struct device_io *io, int rc)
{
	struct round_io *sio = container_of(io, struct round_io, io);
	struct pool *pool = sio->pool;

	pool_io_ended(pool, io);
	sio->busy = false;
	pool->sweep.busy--;
	if (rc < 0)
		pool_fail(pool, rc, "table write");
	if (pool->failed)
		pool_pump_soon(pool);
	else
		sweep_more(pool);
}

/* Neighbours that go to the same copy make one write. */
static void sweep_write_run(struct pool *pool, struct round_io *sio)
{
	struct sweep *sweep = &pool->sweep;
	unsigned first = sweep->next, count = 1;
	uint32_t page = sweep->pages[first];
	unsigned copy = copy_to_write(&pool->map.pages[page]);

	while (first + count < sweep->count && sweep->pages[first + count] == page + count &&
		copy_to_write(&pool->map.pages[page + count]) == copy)
		count++;
	sweep->next += count;
	sio->iov[0] = (struct iovec){ .iov_base = sweep->blocks + (size_t)first * BLOCK_BYTES,
		.iov_len = (size_t)count * BLOCK_BYTES };
	sio->busy = true;
	sio->io.fn = sweep_io_ended;
	sweep->busy++;
	pool_io_began(pool, &sio->io);
	pool->counters.device_write_bytes += (uint64_t)count * BLOCK_BYTES;
	pool->device->ops->write(
		pool->device, &sio->io, sio->iov, 1, geometry_page_offset(&pool->g, page, copy));
}

static void sweep_more(struct pool *pool)
{
	struct sweep *sweep = &pool->sweep;

	for (unsigned i = 0; i < ROUND_IOS && sweep->next < sweep->count; i++)
		if (!sweep->ios[i].busy)
			sweep_write_run(pool, &sweep->ios[i]);
	if (sweep->busy == 0 && sweep->next == sweep->count)
		journal_flush_want(pool, &sweep->waiter);
}

static int page_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Whether the next sweep's pages are whole; if not, they are read side by side before it. */
static bool pages_are_ready(struct pool *pool)
{
	const struct map *map = &pool->map;
	uint32_t at = map->dirty_first;
	bool ready = true;

	for (unsigned i = 0; i < SWEEP_PAGES && at != 0; i++, at = map->dirty[at].next)
		ready = page_is_ready(pool, map->dirty[at].page) && ready;
	return ready;
}

/* The pages with the oldest images; some must wait for records, but not for each other. */
static void sweep_collect(struct pool *pool)
{
	struct sweep *sweep = &pool->sweep;
	struct map *map = &pool->map;
	unsigned looks = 0;

	sweep->count = 0;
	for (uint32_t at = map->dirty_first, next;
		at != 0 && sweep->count < SWEEP_PAGES && looks < 2 * SWEEP_PAGES; at = next, looks++) {
		uint32_t page = map->dirty[at].page;

		next = map->dirty[at].next;
		if (!page_is_ready(pool, page) || !page_may_go(pool, page))
			continue;
		if (sweep->count == 0)
			sweep->oldest = map->dirty[at].batch;
		sweep->pages[sweep->count++] = page;
		map_page_clean(pool, page);
		map->pages[page].sweeping = true; /* its line stays: the disk has it with the flush */
	}
	qsort(sweep->pages, sweep->count, sizeof(sweep->pages[0]), page_compare);
	for (unsigned i = 0; i < sweep->count; i++)
		page_fill(pool, sweep->pages[i], sweep->blocks + (size_t)i * BLOCK_BYTES);
}

void sweep_pump(struct pool *pool)
{
	struct sweep *sweep = &pool->sweep;

	if (sweep->running || !sweep->wanted || pool->sums.waits[SUMS_FOR_SWEEP] > 0)
		return;
	if (!pages_are_ready(pool))
		return; /* wanted still, when they have come */
	sweep->wanted = false;
	sweep_collect(pool);
	if (sweep->count == 0)
		return;
	sweep->running = true;
	sweep->next = 0;
	sweep_more(pool);
}
