/*
 * The scrub's pace. A pass goes over the table's pages in order; behind each page come the grains that stand
 * in its places. Each has its turn in the period, by the bytes read before it, so that the disk is read
 * evenly; who is behind (the agent was stopped, the disk was busy) goes on faster, but never much faster than
 * that.
 */
#include "store/scrub.h"

#include <errno.h>
#include <stdlib.h>

static void scrub_go(void *arg);

int scrub_init(struct pool *pool)
{
	struct scrub *s = calloc(1, sizeof(*s));

	pool->scrub = s;
	if (!s)
		return -ENOMEM;
	s->pool = pool;
	loop_timer_init(&s->timer, scrub_go, pool);
	list_init(&s->waiter.node);
	s->buffer = aligned_new(GRAIN_BYTES);
	return s->buffer ? 0 : -ENOMEM;
}

void scrub_done(struct pool *pool)
{
	if (!pool->scrub)
		return;
	loop_timer_cancel(pool->loop, &pool->scrub->timer);
	free(pool->scrub->buffer);
	free(pool->scrub);
}

static void tally_add(struct pool_scrub_tally *to, const struct pool_scrub_tally *more)
{
	to->checked_bytes += more->checked_bytes;
	to->bad_blocks += more->bad_blocks;
	to->repaired_blocks += more->repaired_blocks;
	to->bad_pages += more->bad_pages;
	to->repaired_pages += more->repaired_pages;
}

void scrub_count(struct pool *pool, struct pool_scrub_tally more)
{
	tally_add(&pool->scrub->since_open, &more);
	tally_add(&pool->scrub->progress.pass, &more);
}

void scrub_info_get(const struct pool *pool, struct pool_scrub_info *ret_info)
{
	const struct scrub *s = pool->scrub;

	ret_info->progress = s->progress;
	ret_info->progress.asked = s->progress.asked || s->restart;
	ret_info->pages = geometry_pages(&pool->g);
	ret_info->known_bad = s->bad_count;
	ret_info->since_open = s->since_open;
	ret_info->newest = s->newest;
}

/* ---- passes ---- */

static void pass_begin(struct pool *pool, bool asked, int64_t base_ns)
{
	struct scrub *s = pool->scrub;
	uint64_t wall_ns = pool->loop->clock->wall_ns(pool->loop->clock);

	s->progress.began_wall_ns = wall_ns > 0 ? wall_ns : 1;
	s->progress.asked = asked;
	s->progress.page = 0;
	s->progress.pass = (struct pool_scrub_tally){ 0 };
	s->base_ns = base_ns;
	s->superblock = 0;
	s->page_checked = false;
	s->place = 0;
	s->pass++;
}

static void pass_end(struct pool *pool)
{
	struct scrub *s = pool->scrub;
	int64_t now_ns = (int64_t)loop_now_ns(pool->loop), next_ns = s->base_ns + (int64_t)s->period_ns;
	uint64_t wall_ns = pool->loop->clock->wall_ns(pool->loop->clock);

	s->progress.whole_wall_ns = wall_ns > 0 ? wall_ns : 1;
	s->progress.whole = s->progress.pass;
	if (s->period_ns == 0)
		s->progress.began_wall_ns = 0;
	else
		pass_begin(pool, false, s->progress.asked || next_ns < now_ns ? now_ns : next_ns);
}

/* The place of the first step that is left in the pass. */
static uint32_t page_first_place(const struct pool *pool)
{
	return pool->scrub->progress.page * PAGE_SLOTS;
}

static uint32_t page_end_place(const struct pool *pool)
{
	uint32_t end = page_first_place(pool) + PAGE_SLOTS;

	return end < pool->g.grain_count ? end : pool->g.grain_count;
}

/* Passes over what holds nothing; true at the end of the pass. */
static bool pass_seek(struct pool *pool)
{
	struct scrub *s = pool->scrub;

	if (s->superblock < 2 || !s->page_checked)
		return false;
	if (s->progress.page < pool->g.grain_pages)
		while (s->place < page_end_place(pool) && !scrub_has_grain(pool, s->place))
			s->place++;
	if (s->progress.page < pool->g.grain_pages && s->place < page_end_place(pool))
		return false;
	s->progress.page++;
	s->page_checked = false;
	s->place = page_first_place(pool);
	return s->progress.page == geometry_pages(&pool->g);
}

/* All that a pass reads, by what is in use now. */
static uint64_t pass_bytes(const struct pool *pool)
{
	return (uint64_t)geometry_pages(&pool->g) * BLOCK_BYTES +
	       (uint64_t)pool->map.used_count * GRAIN_BYTES;
}

/* When so many bytes of it have their turn, behind its beginning. */
static uint64_t pass_turn_ns(const struct pool *pool, uint64_t bytes)
{
	uint64_t all = pass_bytes(pool);

	return (uint64_t)((unsigned __int128)pool->scrub->period_ns * (bytes < all ? bytes : all) / all);
}

/* When the next step is due. */
static uint64_t pass_due_ns(const struct pool *pool, uint64_t now_ns)
{
	const struct scrub *s = pool->scrub;
	uint64_t later_ns = budget_later_ns(&s->budget, now_ns), least_ns;
	int64_t due_ns;

	if (!s->progress.asked) {
		due_ns = s->base_ns + (int64_t)pass_turn_ns(pool, s->progress.pass.checked_bytes);
		least_ns = s->step_ns + pass_turn_ns(pool, s->step_bytes) / SCRUB_CATCH_UP;
		if (due_ns > 0 && (uint64_t)due_ns > later_ns)
			later_ns = (uint64_t)due_ns;
		if (least_ns > later_ns)
			later_ns = least_ns;
	}
	return later_ns > now_ns ? later_ns : now_ns;
}

static void pass_step(struct pool *pool)
{
	struct scrub *s = pool->scrub;

	s->step_ns = loop_now_ns(pool->loop);
	s->step_bytes = 0;
	if (s->superblock < 2)
		scrub_superblock(pool);
	else if (!s->page_checked)
		scrub_page(pool);
	else
		scrub_grain(pool, s->place);
}

/* ---- what comes next ---- */

/* The application's I/O goes first, though not for ever. */
static bool scrub_yields(struct pool *pool)
{
	struct scrub *s = pool->scrub;

	if (pool->io_busy == 0 || s->yields == SCRUB_YIELDS) {
		s->yields = 0;
		return false;
	}
	s->yields++;
	loop_timer_set(pool->loop, &s->timer, loop_now_ns(pool->loop) + SCRUB_YIELD_NS);
	return true;
}

/* What is in hand should be settled by now. */
static void scrub_retry(struct pool *pool)
{
	struct scrub *s = pool->scrub;

	s->unsettled_ns = 0;
	if (s->again && !scrub_bad_stands(pool, s->again))
		scrub_step_done(pool);
	else if (s->stage == SCRUB_PAGE)
		scrub_page(pool);
	else
		scrub_grain(pool, s->grain);
}

static void scrub_go(void *arg)
{
	struct pool *pool = arg;
	struct scrub *s = pool->scrub;
	uint64_t now_ns = loop_now_ns(pool->loop), pass_ns = UINT64_MAX, bad_ns, due_ns;

	if (!scrub_goes_on(pool) || (s->stage != SCRUB_WAITING && s->unsettled_ns == 0))
		return;
	if (s->stage == SCRUB_WAITING && s->progress.began_wall_ns != 0 && pass_seek(pool))
		pass_end(pool);
	if (s->progress.began_wall_ns != 0)
		pass_ns = pass_due_ns(pool, now_ns);
	bad_ns = scrub_bad_next_ns(pool);
	due_ns = s->unsettled_ns != 0 ? s->unsettled_ns : bad_ns < pass_ns ? bad_ns : pass_ns;
	if (due_ns > now_ns) {
		if (due_ns != UINT64_MAX)
			loop_timer_set(pool->loop, &s->timer, due_ns);
		return;
	}
	if (scrub_yields(pool))
		return;
	if (s->unsettled_ns != 0)
		scrub_retry(pool);
	else if (bad_ns <= now_ns)
		scrub_bad_look(pool);
	else
		pass_step(pool);
}

bool scrub_goes_on(const struct pool *pool)
{
	return pool->open && !pool->opening && !pool->failed && !pool->closing;
}

void scrub_step_done(struct pool *pool)
{
	struct scrub *s = pool->scrub;
	bool own = s->again == NULL;

	switch (s->stage) {
	case SCRUB_WAITING:
		ASSERT(!"something is in hand");
		break;
	case SCRUB_SUPERBLOCK:
	case SCRUB_SUPERBLOCK_WRITE:
	case SCRUB_SUPERBLOCK_FLUSH:
		s->superblock++;
		break;
	case SCRUB_PAGE:
		s->page_checked = true;
		s->place = page_first_place(pool);
		break;
	case SCRUB_GRAIN:
	case SCRUB_BLOCK:
		s->place += own;
		break;
	}
	s->stage = SCRUB_WAITING;
	s->again = NULL;
	s->tries = 0;
	s->was_bad = false;
	s->unsettled_ns = 0;
	if (s->restart)
		pass_begin(pool, true, (int64_t)loop_now_ns(pool->loop));
	s->restart = false;
	loop_timer_set(pool->loop, &s->timer, loop_now_ns(pool->loop));
}

void scrub_step_again(struct pool *pool)
{
	struct scrub *s = pool->scrub;

	ASSERT(s->stage == SCRUB_PAGE || s->stage == SCRUB_GRAIN || s->stage == SCRUB_BLOCK);
	if (++s->tries >= SCRUB_SETTLE_MAX) {
		scrub_step_done(pool); /* the next pass sees it */
		return;
	}
	s->unsettled_ns = loop_now_ns(pool->loop) + SCRUB_SETTLE_NS;
	loop_timer_set(pool->loop, &s->timer, s->unsettled_ns);
}

/* ---- from outside ---- */

static void progress_resume(struct pool *pool, const struct pool_scrub_progress *resume)
{
	struct scrub *s = pool->scrub;
	uint64_t wall_ns = pool->loop->clock->wall_ns(pool->loop->clock), since_ns = 0;

	s->progress = *resume;
	if (s->progress.page >= geometry_pages(&pool->g))
		s->progress.page = 0;
	/* A clock that was set is no reason to hurry, or to wait for a year. */
	if (wall_ns > resume->began_wall_ns)
		since_ns = wall_ns - resume->began_wall_ns;
	if (since_ns > s->period_ns)
		since_ns = s->period_ns;
	s->base_ns = (int64_t)loop_now_ns(pool->loop) - (int64_t)since_ns;
	s->superblock = s->progress.page > 0 ? 2 : 0;
	s->page_checked = false;
	s->place = page_first_place(pool);
}

void pool_scrub_set(
	struct pool *pool, uint64_t period_ms, uint64_t bytes_per_s, const struct pool_scrub_progress *resume)
{
	struct scrub *s = pool->scrub;

	s->period_ns = period_ms * NS_PER_MS;
	s->budget.per_s = bytes_per_s;
	if (resume && s->stage == SCRUB_WAITING)
		progress_resume(pool, resume);
	if (s->progress.began_wall_ns == 0 && period_ms != 0)
		pass_begin(pool, false, (int64_t)loop_now_ns(pool->loop));
	else if (period_ms == 0 && !s->progress.asked)
		s->progress.began_wall_ns = 0;
	loop_timer_set(pool->loop, &s->timer, loop_now_ns(pool->loop));
}

void pool_scrub_now(struct pool *pool)
{
	struct scrub *s = pool->scrub;

	/* What is in hand doesn't count for the new pass, unless it is its first step. */
	if (s->stage == SCRUB_WAITING || s->again)
		pass_begin(pool, true, (int64_t)loop_now_ns(pool->loop));
	else
		s->restart = true;
	loop_timer_set(pool->loop, &s->timer, loop_now_ns(pool->loop));
}
