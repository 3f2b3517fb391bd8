/* The lines of the cache of checksums: found by page, kept as long as they must, let go when not used. */
#include "store/checksums.h"
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PAGE_SLOTS < 32, "a bit each");

int sums_init(struct pool *pool)
{
	struct sums *sums = &pool->sums;
	uint64_t bytes = pool->options.cache_bytes ? pool->options.cache_bytes : SUMS_BYTES;
	uint64_t lines = bytes / sizeof(struct sums_line), pages = geometry_pages(&pool->g);

	lines = lines < 1 ? 1 : lines < pages ? lines : pages;
	list_init(&sums->reads);
	sums->line_max = (uint32_t)lines;
	sums->lines = calloc(lines, sizeof(*sums->lines));
	sums->free = calloc(lines, sizeof(*sums->free));
	sums->fetches = calloc(SUMS_FETCHES, sizeof(*sums->fetches));
	sums->rebuild.iov.iov_base = aligned_new(GRAIN_BYTES);
	sums->blocks = aligned_new((size_t)SUMS_FETCHES * BLOCK_BYTES);
	sums->all_size = sums->line_max;
	sums->all = calloc(sums->all_size, sizeof(*sums->all));
	return sums->rebuild.iov.iov_base && sums->lines && sums->free && sums->fetches && sums->blocks &&
			       sums->all
		       ? 0
		       : -ENOMEM;
}

void sums_done(struct pool *pool)
{
	struct sums *sums = &pool->sums;

	for (uint32_t i = 0; i < sums->all_count; i++)
		if (sums->all[i]->extra)
			free(sums->all[i]);
	free(sums->lines);
	free(sums->all);
	free(sums->free);
	free(sums->fetches);
	free(sums->blocks);
	free(sums->rebuild.iov.iov_base);
}

/* ---- lines ---- */

/* What the disk lacks must stay. */
static bool line_may_go(const struct pool *pool, const struct sums_line *line)
{
	const struct page_state *state = &pool->map.pages[line->page];

	return line->pins == 0 && !line->fetching && state->dirty == 0 &&
	       (!state->sweeping || MUTANT(sums_go_unflushed));
}

static void line_free(struct pool *pool, uint32_t at)
{
	struct sums *sums = &pool->sums;
	struct sums_line *line = sums->all[at];

	ASSERT(pool->map.pages[line->page].line == line);
	pool->map.pages[line->page].line = NULL;
	sums->all[at] = sums->all[--sums->all_count];
	if (line->extra)
		free(line);
	else
		sums->free[sums->free_count++] = (uint32_t)(line - sums->lines);
}

/* The hand goes round: who was used since it came by last stays this time. At most two rounds, or so far. */
static void lines_reclaim(struct pool *pool)
{
	struct sums *sums = &pool->sums;
	uint32_t looks = sums->all_count * 2 < 256 ? sums->all_count * 2 : 256;

	for (; looks > 0 && sums->all_count >= sums->line_max; looks--) {
		struct sums_line *line;

		if (sums->hand >= sums->all_count)
			sums->hand = 0;
		line = sums->all[sums->hand];
		if (!line->used && line_may_go(pool, line)) {
			line_free(pool, sums->hand);
			continue;
		}
		line->used = false;
		sums->hand++;
	}
}

static struct sums_line *line_new(struct pool *pool)
{
	struct sums *sums = &pool->sums;
	struct sums_line *line;

	if (sums->all_count >= sums->line_max)
		lines_reclaim(pool);
	if (sums->all_count == sums->all_size) {
		struct sums_line **all = realloc(sums->all, (size_t)sums->all_size * 2 * sizeof(*all));

		ASSERT(all);
		sums->all = all;
		sums->all_size *= 2;
	}
	if (sums->free_count > 0)
		line = &sums->lines[sums->free[--sums->free_count]];
	else if (sums->used < sums->line_max)
		line = &sums->lines[sums->used++];
	else
		line = malloc(sizeof(*line)); /* all others must stay: bounded by what the ring holds */
	ASSERT(line);
	line->extra = line < sums->lines || line >= sums->lines + sums->line_max;
	sums->all[sums->all_count++] = line;
	return line;
}

struct sums_line *sums_line_get(struct pool *pool, uint32_t page)
{
	struct page_state *state = &pool->map.pages[page];
	struct sums_line *line = state->line;

	if (line)
		return line;
	line = line_new(pool);
	line->page = page;
	line->known = 0;
	line->pins = 0;
	line->fetching = false;
	line->used = true;
	state->line = line;
	return line;
}

/* Page and unit of a place: one division, for reads. */
static inline uint32_t place_split(const struct pool *pool, uint32_t place, uint32_t *ret_unit)
{
	bool extra = place >= pool->g.grain_count;
	uint32_t n = extra ? place - pool->g.grain_count : place, page = n / PAGE_SLOTS;

	*ret_unit = n - page * PAGE_SLOTS;
	return extra ? page + pool->g.grain_pages + pool->g.dir_pages : page;
}

static uint32_t unit_bit(const struct pool *pool, uint32_t place)
{
	return UINT32_C(1) << geometry_place_unit(&pool->g, place);
}

const uint32_t *sums_get(struct pool *pool, uint32_t place)
{
	uint32_t unit;
	struct sums_line *line = pool->map.pages[place_split(pool, place, &unit)].line;

	if (!line || !(line->known & UINT32_C(1) << unit))
		return NULL;
	line->used = true;
	return line->crcs[unit];
}

void sums_put(struct pool *pool, uint32_t place, const uint32_t crc[static GRAIN_BLOCKS])
{
	uint32_t unit;
	struct sums_line *line = sums_line_get(pool, place_split(pool, place, &unit));

	if (MUTANT(sums_stay_old) && (line->known & UINT32_C(1) << unit))
		return;
	line->known |= UINT32_C(1) << unit;
	line->used = true;
	memcpy(line->crcs[unit], crc, sizeof(line->crcs[0]));
}

void sums_drop(struct pool *pool, uint32_t place)
{
	struct sums_line *line = pool->map.pages[geometry_place_page(&pool->g, place)].line;

	if (!line)
		return;
	line->known |= unit_bit(pool, place);
	memset(line->crcs[geometry_place_unit(&pool->g, place)], 0, sizeof(line->crcs[0]));
}

bool sums_have_room(struct pool *pool)
{
	const struct sweep *sweep = &pool->sweep;
	uint32_t dirty = pool->map.dirty_count, most = pool->sums.line_max;

	if (most < SUMS_DIRTY)
		most = SUMS_DIRTY;
	if (dirty > most / 2)
		pool->sweep.wanted = true;
	return dirty + (sweep->running ? sweep->count : 0) <= most;
}

/* ---- wanted ---- */

static void line_hold(struct pool *pool, struct sums_line *line, enum sums_holder holder)
{
	struct sums_hold *hold = &pool->sums.holds[holder];

	if (hold->counts[hold->now] == SUMS_HELD)
		return;
	hold->lines[hold->now][hold->counts[hold->now]++] = line;
	line->pins++;
}

bool sums_want(struct pool *pool, uint32_t place, enum sums_holder holder)
{
	/* Maps are asked for again; rounds and merges go on by themselves. */
	enum sums_reason reason = holder == SUMS_MAP ? SUMS_FOR_READ : SUMS_FOR_ROUND;
	struct page_state *state;
	uint32_t unit;
	bool at_hand;

	if (place == PHYS_NONE || !map_is_slot(&pool->map, place))
		return true;
	state = &pool->map.pages[place_split(pool, place, &unit)];
	at_hand = state->line && (state->line->known & UINT32_C(1) << unit);
	if (!at_hand && !sums_fetch(pool, place, reason))
		return false;
	line_hold(pool, state->line, holder);
	return at_hand;
}

bool sums_want_versions(struct pool *pool, const struct tree *tree, uint64_t index, enum sums_holder holder)
{
	bool at_hand = true;

	for (uint32_t place = map_first(pool, tree, index); place != PHYS_NONE;
		place = map_older(&pool->map, place))
		at_hand = sums_want(pool, place, holder) && at_hand;
	return at_hand;
}

void sums_turn_begin(struct pool *pool, enum sums_holder holder)
{
	pool->sums.holds[holder].now ^= 1;
}

void sums_turn_end(struct pool *pool, enum sums_holder holder)
{
	struct sums_hold *hold = &pool->sums.holds[holder];
	unsigned last = hold->now ^ 1;

	for (unsigned i = 0; i < hold->counts[last]; i++) {
		ASSERT(hold->lines[last][i]->pins > 0);
		hold->lines[last][i]->pins--;
	}
	hold->counts[last] = 0;
}

bool sums_page_ready(struct pool *pool, uint32_t page)
{
	struct sums_line *line = pool->map.pages[page].line;
	uint32_t end, place = map_page_places(pool, page, &end);

	if (line && line->known == (UINT32_C(1) << PAGE_SLOTS) - 1)
		return true;
	for (; place < end; place++) {
		if (!map_is_slot(&pool->map, place) || (line && (line->known & unit_bit(pool, place))))
			continue;
		(void)sums_fetch(pool, place, SUMS_FOR_SWEEP);
		return false;
	}
	return true;
}

void pool_checksums_info_get(const struct pool *pool, struct pool_checksums_info *ret_info)
{
	const struct sums *sums = &pool->sums;

	*ret_info = (struct pool_checksums_info){
		.bytes = (uint64_t)sums->all_count * sizeof(struct sums_line),
		.limit = (uint64_t)sums->line_max * sizeof(struct sums_line),
		.waiting = pool->map.dirty_count,
		.misses = sums->misses,
		.lost = sums->lost,
	};
}
