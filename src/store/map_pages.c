/* Pages of the table that lack an image: a list, the oldest image first. */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>

#define DIRTY_FIRST 256u

static int dirty_grow(struct map *map)
{
	uint32_t size = map->dirty_size ? map->dirty_size * 2 : DIRTY_FIRST;
	struct page_dirty *dirty = realloc(map->dirty, size * sizeof(*dirty));

	if (!dirty)
		return -ENOMEM;
	map->dirty = dirty;
	map->dirty_size = size;
	return 0;
}

int map_pages_init(struct map *map, uint32_t pages)
{
	map->pages = map_memory_new(pages, sizeof(*map->pages));
	map->dirty_used = 1;
	return map->pages ? dirty_grow(map) : -ENOMEM;
}

void map_pages_done(struct map *map)
{
	free(map->pages);
	free(map->dirty);
}

uint32_t map_page_places(const struct pool *pool, uint32_t page, uint32_t *ret_end)
{
	const struct geometry *g = &pool->g;
	bool extra = page >= g->grain_pages;
	uint32_t first = page * PAGE_SLOTS, end = extra ? geometry_places(g) : g->grain_count;

	ASSERT(!extra || page >= g->grain_pages + g->dir_pages);
	if (extra)
		first = g->grain_count + (page - g->grain_pages - g->dir_pages) * PAGE_SLOTS;
	*ret_end = first + PAGE_SLOTS < end ? first + PAGE_SLOTS : end;
	return first;
}

static uint32_t dirty_new(struct map *map)
{
	uint32_t at = map->dirty_free;

	if (at != 0) {
		map->dirty_free = map->dirty[at].next;
		return at;
	}
	/* Bounded by what the cache of checksums holds, and at open by the ring. */
	if (map->dirty_used == map->dirty_size)
		ASSERT(dirty_grow(map) == 0);
	return map->dirty_used++;
}

void map_page_dirty(struct pool *pool, uint32_t page, uint64_t batch)
{
	struct map *map = &pool->map;
	uint32_t at;

	if (map->pages[page].dirty != 0)
		return;
	at = dirty_new(map);
	map->dirty[at] = (struct page_dirty){ .batch = batch, .page = page, .prev = map->dirty_last };
	if (map->dirty_last == 0)
		map->dirty_first = at;
	else
		map->dirty[map->dirty_last].next = at;
	map->dirty_last = at;
	map->dirty_count++;
	map->pages[page].dirty = at;
}

void map_page_clean(struct pool *pool, uint32_t page)
{
	struct map *map = &pool->map;
	uint32_t at = map->pages[page].dirty;
	struct page_dirty *dirty = &map->dirty[at];

	ASSERT(at != 0 && dirty->page == page && map->dirty_count > 0);
	map->dirty_count--;
	if (dirty->prev == 0)
		map->dirty_first = dirty->next;
	else
		map->dirty[dirty->prev].next = dirty->next;
	if (dirty->next == 0)
		map->dirty_last = dirty->prev;
	else
		map->dirty[dirty->next].prev = dirty->prev;
	dirty->next = map->dirty_free;
	map->dirty_free = at;
	map->pages[page].dirty = 0;
}

uint64_t map_dirty_oldest(const struct map *map)
{
	return map->dirty_first == 0 ? UINT64_MAX : map->dirty[map->dirty_first].batch;
}
