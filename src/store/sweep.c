/*
 * The sweep: pages whose images are durable are written back to the older of their two places, in page order,
 * then flushed; only then may the images leave the ring. A page is not written again before that.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void sweep_more(struct pool *pool);

static void sweep_flushed(struct flush_waiter *waiter)
{
	struct pool *pool = container_of(waiter, struct pool, sweep.waiter);

	ASSERT(pool->sweep.running);
	for (unsigned i = 0; i < pool->sweep.count; i++) {
		struct page_state *state = &pool->map.pages[pool->sweep.pages[i]];

		state->copy ^= 1;
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

/* False while the newest image of a layer's record is not durable yet. */
static bool places_fill(const struct pool *pool, uint32_t first, uint32_t end, uint8_t *block)
{
	for (uint32_t place = first; place < end && place < first + PAGE_SLOTS; place++) {
		uint8_t *unit = block + PAGE_HEAD_BYTES + (size_t)(place - first) * UNIT_BYTES;
		const struct mapped *mapped = &pool->map.places[place];

		if (mapped->origin == ORIGIN_LAYER) {
			const struct layer *layer = pool->layer_table[mapped->index];

			if (layer->head_batch > pool->journal.durable)
				return false;
			layer_encode(&layer->record, unit);
		} else if (map_is_slot(&pool->map, place)) {
			struct slot slot;

			map_slot_get(&pool->map, place, &slot);
			slot_encode(&slot, place, unit);
		}
	}
	return true;
}

/* False while the record's newest image is not durable yet. */
static bool directory_page_fill(const struct pool *pool, uint32_t dir, uint8_t *block)
{
	const struct pool_replica *replica = pool->dir[dir];

	if (!replica || replica->gone_batch != 0 || (replica->creating && replica->head_batch == 0))
		return true;
	if (replica->head_batch > pool->journal.durable)
		return false;
	(void)directory_encode(&replica->head, block + PAGE_HEAD_BYTES);
	return true;
}

static bool page_fill(const struct pool *pool, uint32_t page, uint8_t *block)
{
	const struct page_state *state = &pool->map.pages[page];

	memset(block, 0, BLOCK_BYTES);
	if (page < pool->g.grain_pages) {
		if (!places_fill(pool, page * PAGE_SLOTS, pool->g.grain_count, block))
			return false;
	} else if (page - pool->g.grain_pages < pool->g.dir_pages) {
		if (!directory_page_fill(pool, page - pool->g.grain_pages, block))
			return false;
	} else {
		uint32_t extra = page - pool->g.grain_pages - pool->g.dir_pages;

		if (!places_fill(
			    pool, pool->g.grain_count + extra * PAGE_SLOTS, geometry_places(&pool->g), block))
			return false;
	}
	page_seal(&pool->g, page, state->copy ^ 1u, state->generation + 1, block);
	return true;
}

/* ---- writing ---- */

static void sweep_io_ended(struct device_io *io, int rc)
{
	struct round_io *sio = container_of(io, struct round_io, io);
	struct pool *pool = sio->pool;

	pool_io_ended(pool);
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
	unsigned copy = pool->map.pages[page].copy ^ 1u;

	while (first + count < sweep->count && sweep->pages[first + count] == page + count &&
		(pool->map.pages[page + count].copy ^ 1u) == copy)
		count++;
	sweep->next += count;
	sio->iov[0] = (struct iovec){ .iov_base = sweep->blocks + (size_t)first * BLOCK_BYTES,
		.iov_len = (size_t)count * BLOCK_BYTES };
	sio->busy = true;
	sio->io.fn = sweep_io_ended;
	sweep->busy++;
	pool->io_busy++;
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

/* The pages with the oldest images. */
static void sweep_collect(struct pool *pool)
{
	struct sweep *sweep = &pool->sweep;
	struct map *map = &pool->map;

	sweep->count = 0;
	for (uint32_t page = map->dirty_first, next; page != UINT32_MAX && sweep->count < SWEEP_PAGES;
		page = next) {
		next = map->pages[page].next;
		if (!page_fill(pool, page, sweep->blocks))
			continue;
		if (sweep->count == 0)
			sweep->oldest = map->pages[page].dirty;
		sweep->pages[sweep->count++] = page;
		map_page_clean(pool, page);
	}
	qsort(sweep->pages, sweep->count, sizeof(sweep->pages[0]), page_compare);
	for (unsigned i = 0; i < sweep->count; i++)
		ASSERT(page_fill(pool, sweep->pages[i], sweep->blocks + (size_t)i * BLOCK_BYTES));
}

void sweep_pump(struct pool *pool)
{
	struct sweep *sweep = &pool->sweep;

	if (sweep->running || !sweep->wanted)
		return;
	sweep->wanted = false;
	sweep_collect(pool);
	if (sweep->count == 0)
		return;
	sweep->running = true;
	sweep->next = 0;
	sweep_more(pool);
}
