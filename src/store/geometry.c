/* Where the areas of a pool begin and end. */
#include "store/ondisk.h"

#include <errno.h>

#define RING_OFFSET_BYTES      (UINT64_C(64) << 10)
#define RING_DEFAULT_MIN_BYTES (UINT64_C(64) << 20)
#define RING_SMALL_MAX_BYTES   (UINT64_C(1) << 30)
#define RING_DEFAULT_MAX_BYTES (UINT64_C(6) << 30)
#define RING_MIN_BYTES         (UINT64_C(512) << 10)
#define DIR_MIN_PAGES          16u
#define EXTRA_MIN_PAGES        4u
#define GRAINS_MAX             (UINT64_C(7) << 29) /* and an eighth more places */

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/*
 * 1/128 of the pool up to 1 GiB, from 512 GiB on 1/512, up to 6 GiB; at least 64 MiB, but never more than 1/8
 * of a small pool. A replica needs a share of the ring (room.c): so a pool of 40 GiB takes 300 of them.
 */
static uint64_t ring_default_bytes(uint64_t size_bytes)
{
	uint64_t bytes = size_bytes / 128;

	if (bytes > RING_SMALL_MAX_BYTES)
		bytes = RING_SMALL_MAX_BYTES;
	if (bytes < size_bytes / 512)
		bytes = size_bytes / 512;
	if (bytes < RING_DEFAULT_MIN_BYTES)
		bytes = RING_DEFAULT_MIN_BYTES;
	if (bytes > RING_DEFAULT_MAX_BYTES)
		bytes = RING_DEFAULT_MAX_BYTES;
	if (bytes > size_bytes / 8)
		bytes = size_bytes / 8;
	return bytes < RING_MIN_BYTES ? RING_MIN_BYTES : bytes;
}

static uint32_t dir_pages_for(uint64_t grain_count)
{
	uint64_t pages = grain_count / 32 / PAGE_SLOTS;

	return pages < DIR_MIN_PAGES ? DIR_MIN_PAGES : (uint32_t)pages;
}

/* One for each eight grains: trims of so much above a snapshot take no grain. */
static uint32_t extra_pages_for(uint64_t grain_count)
{
	uint64_t pages = grain_count / 8 / PAGE_SLOTS;

	return pages < EXTRA_MIN_PAGES ? EXTRA_MIN_PAGES : (uint32_t)pages;
}

int geometry_make(uint64_t size_bytes, uint64_t journal_bytes, uint64_t salt, struct geometry *ret_geometry)
{
	struct geometry g = { .size_bytes = size_bytes / BLOCK_BYTES * BLOCK_BYTES, .salt = salt };
	uint64_t ring_bytes = journal_bytes ? journal_bytes : ring_default_bytes(size_bytes);
	uint64_t table_bytes, count;

	ring_bytes = round_up(ring_bytes, BLOCK_BYTES);
	if (g.size_bytes < POOL_MIN_BYTES || ring_bytes < RING_MIN_BYTES || ring_bytes > g.size_bytes / 2)
		return -EINVAL;
	g.ring_offset_bytes = RING_OFFSET_BYTES;
	g.ring_blocks = (uint32_t)(ring_bytes / BLOCK_BYTES);
	g.table_offset_bytes[0] = g.ring_offset_bytes + ring_bytes;
	/* A grain takes its 64 KiB and, in two places, 1/31 of a page; then what is left is shared by trial.
	 */
	count = (g.size_bytes - g.table_offset_bytes[0]) / GRAIN_BYTES;
	if (count > GRAINS_MAX)
		count = GRAINS_MAX;
	for (;; count--) {
		if (count < 16)
			return -EINVAL;
		g.grain_pages = (uint32_t)((count + PAGE_SLOTS - 1) / PAGE_SLOTS);
		g.dir_pages = dir_pages_for(count);
		g.extra_pages = extra_pages_for(count);
		table_bytes = (uint64_t)geometry_pages(&g) * BLOCK_BYTES;
		g.table_offset_bytes[1] = g.table_offset_bytes[0] + table_bytes;
		g.grain_offset_bytes = round_up(g.table_offset_bytes[1] + table_bytes, GRAIN_BYTES);
		if (g.grain_offset_bytes + count * GRAIN_BYTES + BLOCK_BYTES <= g.size_bytes)
			break;
		/* Far from it: a large step, short of the goal. */
		if (count > 4096 && g.grain_offset_bytes + (count - count / 256) * GRAIN_BYTES > g.size_bytes)
			count -= count / 4096;
	}
	g.grain_count = (uint32_t)count;
	*ret_geometry = g;
	return 0;
}

bool geometry_is_valid(const struct geometry *g)
{
	uint64_t table_bytes = (uint64_t)geometry_pages(g) * BLOCK_BYTES;

	if (g->ring_offset_bytes != RING_OFFSET_BYTES || g->ring_blocks < RING_MIN_BYTES / BLOCK_BYTES)
		return false;
	if (g->table_offset_bytes[0] != g->ring_offset_bytes + (uint64_t)g->ring_blocks * BLOCK_BYTES)
		return false;
	if (g->table_offset_bytes[1] != g->table_offset_bytes[0] + table_bytes)
		return false;
	if (g->grain_offset_bytes != round_up(g->table_offset_bytes[1] + table_bytes, GRAIN_BYTES))
		return false;
	if ((uint64_t)g->grain_count + (uint64_t)g->extra_pages * PAGE_SLOTS >= UINT32_MAX)
		return false;
	if (g->grain_pages != ((uint64_t)g->grain_count + PAGE_SLOTS - 1) / PAGE_SLOTS || g->dir_pages == 0)
		return false;
	return g->grain_count > 0 && g->size_bytes % BLOCK_BYTES == 0 &&
	       g->grain_offset_bytes + (uint64_t)g->grain_count * GRAIN_BYTES + BLOCK_BYTES <= g->size_bytes;
}

uint32_t geometry_pages(const struct geometry *g)
{
	return g->grain_pages + g->dir_pages + g->extra_pages;
}

uint32_t geometry_places(const struct geometry *g)
{
	return g->grain_count + g->extra_pages * PAGE_SLOTS;
}

uint32_t geometry_place_page(const struct geometry *g, uint32_t place)
{
	ASSERT(place < geometry_places(g));
	if (place < g->grain_count)
		return place / PAGE_SLOTS;
	return g->grain_pages + g->dir_pages + (place - g->grain_count) / PAGE_SLOTS;
}

uint32_t geometry_place_unit(const struct geometry *g, uint32_t place)
{
	return (place < g->grain_count ? place : place - g->grain_count) % PAGE_SLOTS;
}

uint64_t geometry_page_offset(const struct geometry *g, uint32_t page, unsigned copy)
{
	ASSERT(copy < 2);
	ASSERT(page < geometry_pages(g));
	return g->table_offset_bytes[copy] + (uint64_t)page * BLOCK_BYTES;
}

uint64_t geometry_grain_offset(const struct geometry *g, uint32_t phys)
{
	ASSERT(phys < g->grain_count);
	return g->grain_offset_bytes + (uint64_t)phys * GRAIN_BYTES;
}

uint64_t geometry_ring_offset(const struct geometry *g, uint32_t block)
{
	ASSERT(block < g->ring_blocks);
	return g->ring_offset_bytes + (uint64_t)block * BLOCK_BYTES;
}

uint64_t geometry_superblock_offset(uint64_t size_bytes, unsigned copy)
{
	return copy == 0 ? 0 : size_bytes / BLOCK_BYTES * BLOCK_BYTES - BLOCK_BYTES;
}

uint32_t block_sum(uint64_t salt, uint64_t offset_bytes, const uint8_t block[static BLOCK_BYTES])
{
	uint8_t seed[16];
	struct writer w = writer_init(seed, sizeof(seed));
	uint32_t sum;

	write_u64(&w, salt);
	write_u64(&w, offset_bytes);
	sum = crc32c(seed, sizeof(seed));
	sum = crc32c_extend(sum, block, 12); /* the sum's own four bytes are left out */
	return crc32c_extend(sum, block + 16, BLOCK_BYTES - 16);
}
