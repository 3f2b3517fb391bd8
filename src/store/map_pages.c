/* Pages of the table that lack an image: a list, the oldest image first. */
#include "store/pool.h"

#define PAGE_NONE UINT32_MAX

void map_page_dirty(struct pool *pool, uint32_t page, uint64_t batch)
{
	struct map *map = &pool->map;
	struct page_state *state = &map->pages[page];

	if (state->dirty != 0)
		return;
	state->dirty = batch;
	state->next = PAGE_NONE;
	state->prev = map->dirty_last;
	if (map->dirty_last == PAGE_NONE)
		map->dirty_first = page;
	else
		map->pages[map->dirty_last].next = page;
	map->dirty_last = page;
}

void map_page_clean(struct pool *pool, uint32_t page)
{
	struct map *map = &pool->map;
	struct page_state *state = &map->pages[page];

	ASSERT(state->dirty != 0);
	if (state->prev == PAGE_NONE)
		map->dirty_first = state->next;
	else
		map->pages[state->prev].next = state->next;
	if (state->next == PAGE_NONE)
		map->dirty_last = state->prev;
	else
		map->pages[state->next].prev = state->prev;
	state->dirty = 0;
}
