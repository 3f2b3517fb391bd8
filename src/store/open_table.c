/* Reading the table: of each page the newer valid copy. What both copies lack is noticed by the sums, later.
 */
#include "store/opening.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_PAGES 1024u /* of each copy at a time: 4 MiB, so that a disk seeks seldom */

static void slot_found(struct opening *o, uint32_t place, const struct slot *slot)
{
	o->hashes[place] = slot_hash(slot, place);
	map_slot_found(o->pool, place, slot, o->hashes[place]);
}

static int page_take_places(struct opening *o, uint32_t first, const uint8_t *block)
{
	struct pool *pool = o->pool;

	for (uint32_t i = 0; i < PAGE_SLOTS; i++) {
		const uint8_t *unit = block + PAGE_HEAD_BYTES + (size_t)i * UNIT_BYTES;
		struct layer_record record;
		struct slot slot;
		uint32_t phys;

		if (unit[0] == UNIT_SLOT && slot_decode(unit, &phys, &slot) == 0 && phys == first + i &&
			phys < geometry_places(&pool->g))
			slot_found(o, phys, &slot);
		else if (unit[0] == UNIT_LAYER && layer_decode(unit, &record) == 0 &&
			 record.place == first + i && record.place < geometry_places(&pool->g) &&
			 opening_layer(o, &record) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int page_take_record(struct opening *o, uint32_t dir, const uint8_t *block)
{
	struct directory_record record;
	unsigned units;

	if (block[PAGE_HEAD_BYTES] == UNIT_NONE)
		return 0;
	if (directory_decode(block + PAGE_HEAD_BYTES, PAGE_SLOTS, &record, &units) < 0 || record.dir != dir ||
		record.layer == 0)
		return 0;
	return pool_replica_new(o->pool, &record) ? 0 : -ENOMEM;
}

static bool block_is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, BLOCK_BYTES - 1) == 0;
}

static int page_take(struct opening *o, uint32_t page, const uint8_t *const copies[2])
{
	struct pool *pool = o->pool;
	struct page_state *state = &pool->map.pages[page];
	int best = -1;

	for (unsigned copy = 0; copy < 2; copy++) {
		uint64_t generation;

		if (!page_check(&pool->g, page, copy, copies[copy], &generation)) {
			if (!block_is_zero(copies[copy]))
				state->bad = true; /* untouched where nothing was ever written */
			continue;
		}
		if (best < 0 || generation > state->generation) {
			best = (int)copy;
			state->generation = generation;
			state->copy = (uint8_t)copy;
		}
	}
	if (best < 0)
		return 0;
	if (page < pool->g.grain_pages)
		return page_take_places(o, page * PAGE_SLOTS, copies[best]);
	page -= pool->g.grain_pages;
	if (page < pool->g.dir_pages)
		return page_take_record(o, page, copies[best]);
	return page_take_places(
		o, pool->g.grain_count + (page - pool->g.dir_pages) * PAGE_SLOTS, copies[best]);
}

static uint32_t chunk_pages(const struct opening *o)
{
	uint32_t left = geometry_pages(&o->pool->g) - o->page;

	return left < CHUNK_PAGES ? left : CHUNK_PAGES;
}

static void chunk_read(struct opening *o)
{
	uint32_t count = chunk_pages(o);

	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *copies[2] = { o->pages[0] + (size_t)i * BLOCK_BYTES,
			o->pages[1] + (size_t)i * BLOCK_BYTES };
		int rc = page_take(o, o->page + i, copies);

		if (rc < 0) {
			opening_fail(o, rc);
			return;
		}
	}
	o->page += count;
	if (chunk_pages(o) > 0)
		open_table(o);
	else
		open_scan(o);
}

static void chunk_read_b(struct opening *o)
{
	opening_read(o, o->pages[1], (uint64_t)chunk_pages(o) * BLOCK_BYTES,
		geometry_page_offset(&o->pool->g, o->page, 1), chunk_read);
}

void open_table(struct opening *o)
{
	if (!o->hashes)
		o->hashes = calloc(geometry_places(&o->pool->g), sizeof(*o->hashes));
	for (unsigned copy = 0; copy < 2; copy++) {
		if (!o->pages[copy])
			o->pages[copy] = aligned_new((size_t)CHUNK_PAGES * BLOCK_BYTES);
		if (!o->pages[copy] || !o->hashes) {
			opening_fail(o, -ENOMEM);
			return;
		}
	}
	opening_read(o, o->pages[0], (uint64_t)chunk_pages(o) * BLOCK_BYTES,
		geometry_page_offset(&o->pool->g, o->page, 0), chunk_read_b);
}
