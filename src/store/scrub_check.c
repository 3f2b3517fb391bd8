/*
 * What the scrub looks at: superblocks, table pages, grains. Nothing is bad before it was read twice, and
 * nothing is judged while it is being written to: a page that is swept, or a grain that a round has in hand,
 * is looked at again a little later.
 */
#include "store/scrub.h"

#include <errno.h>

static void read_begin(struct pool *pool, enum scrub_stage stage, uint64_t offset_bytes,
	uint32_t length_bytes, void (*ended)(struct device_io *io, int rc))
{
	struct scrub *s = pool->scrub;

	s->stage = stage;
	s->io.fn = ended;
	s->iov = (struct iovec){ .iov_base = s->buffer, .iov_len = length_bytes };
	s->step_bytes += length_bytes;
	budget_spend(&s->budget, length_bytes, loop_now_ns(pool->loop));
	scrub_count(pool, (struct pool_scrub_tally){ .checked_bytes = length_bytes });
	s->reading_bytes = offset_bytes;
	pool_io_began(pool, &s->io);
	pool->device->ops->read(pool->device, &s->io, &s->iov, 1, offset_bytes);
}

/* NULL: the pool is on its way out. */
static struct pool *io_ended(struct device_io *io, int rc)
{
	struct pool *pool = container_of(io, struct scrub, io)->pool;

	pool_io_ended(pool, io);
	if (rc < 0)
		failing_read(pool, pool->scrub->reading_bytes);
	if (scrub_goes_on(pool))
		return pool;
	pool->scrub->stage = SCRUB_WAITING;
	pool_pump_soon(pool);
	return NULL;
}

static void metadata_tell(struct pool *pool, enum pool_bad_kind kind, uint32_t page, bool device_error)
{
	struct pool_bad bad = { .kind = kind, .news = true, .device_error = device_error, .page = page };

	scrub_count(pool, (struct pool_scrub_tally){ .bad_pages = 1 });
	pool->scrub->was_bad = true;
	if (pool->options.bad)
		pool->options.bad(pool->options.arg, &bad);
}

/* ---- superblocks ---- */

static void superblock_flushed(struct flush_waiter *waiter)
{
	struct pool *pool = container_of(waiter, struct scrub, waiter)->pool;

	if (scrub_goes_on(pool))
		scrub_superblock(pool); /* read again */
}

static void superblock_written(struct device_io *io, int rc)
{
	struct pool *pool = container_of(io, struct scrub, io)->pool;

	pool_io_ended(pool, io);
	if (rc < 0)
		pool_fail(pool, rc, "superblock write");
	if (!scrub_goes_on(pool)) {
		pool->scrub->stage = SCRUB_WAITING;
		pool_pump_soon(pool);
		return;
	}
	pool->scrub->stage = SCRUB_SUPERBLOCK_FLUSH;
	pool->scrub->waiter.fn = superblock_flushed;
	journal_flush_want(pool, &pool->scrub->waiter);
}

/* Nothing else writes them while the pool is open, and the other one stands. */
static void superblock_write(struct pool *pool)
{
	struct scrub *s = pool->scrub;
	uint64_t offset_bytes = geometry_superblock_offset(pool->g.size_bytes, s->superblock);

	superblock_encode(&pool->sb, offset_bytes, s->buffer);
	s->stage = SCRUB_SUPERBLOCK_WRITE;
	s->io.fn = superblock_written;
	s->iov = (struct iovec){ .iov_base = s->buffer, .iov_len = BLOCK_BYTES };
	pool_io_began(pool, &s->io);
	pool->counters.device_write_bytes += BLOCK_BYTES;
	pool->device->ops->write(pool->device, &s->io, &s->iov, 1, offset_bytes);
}

static void superblock_read(struct device_io *io, int rc)
{
	struct pool *pool = io_ended(io, rc);
	struct superblock sb;
	struct scrub *s;
	int found;

	if (!pool)
		return;
	s = pool->scrub;
	found = rc < 0 ? rc
		       : superblock_decode(s->buffer,
				 geometry_superblock_offset(pool->g.size_bytes, s->superblock), &sb);
	if (found == 0 && (!uuid_equal(sb.pool, pool->sb.pool) || sb.generation > pool->sb.generation)) {
		/* Never written over: it is somebody's. */
		pool_fail(pool, -ESTALE, "somebody else has written a superblock to the device");
		return;
	}
	if (found == 0 && sb.generation == pool->sb.generation) {
		if (s->was_bad)
			scrub_count(pool, (struct pool_scrub_tally){ .repaired_pages = 1 });
		scrub_step_done(pool);
		return;
	}
	if (s->was_bad) {
		scrub_step_done(pool); /* it doesn't take it; the next pass tries again */
		return;
	}
	if (s->tries++ == 0) {
		scrub_superblock(pool);
		return;
	}
	metadata_tell(pool, POOL_BAD_SUPERBLOCK, s->superblock, rc < 0);
	superblock_write(pool);
}

void scrub_superblock(struct pool *pool)
{
	read_begin(pool, SCRUB_SUPERBLOCK,
		geometry_superblock_offset(pool->g.size_bytes, pool->scrub->superblock), BLOCK_BYTES,
		superblock_read);
}

/* ---- pages of the table ---- */

/* The page's newest copy is what stands here, or what a sweep has in hand. */
static bool page_is_sound(const struct pool *pool, int rc)
{
	const struct scrub *s = pool->scrub;
	uint64_t generation;

	if (MUTANT(scrub_trusts_table))
		return true;
	return rc == 0 &&
	       page_check(&pool->g, s->progress.page, pool->map.pages[s->progress.page].copy, s->buffer,
		       &generation) &&
	       generation == s->generation;
}

/* As if it lacked an image: the next sweep writes it, whole, into its other place. */
static void page_rewrite(struct pool *pool)
{
	uint32_t page = pool->scrub->progress.page;

	map_page_dirty(pool, page, pool->journal.durable);
	pool->sweep.wanted = true;
	pool_pump_soon(pool);
}

static void page_read(struct device_io *io, int rc)
{
	struct pool *pool = io_ended(io, rc);
	struct page_state *state;
	struct scrub *s;

	if (!pool)
		return;
	s = pool->scrub;
	state = &pool->map.pages[s->progress.page];
	if (state->generation != s->generation) {
		scrub_page(pool); /* a sweep was faster */
		return;
	}
	if (page_is_sound(pool, rc)) {
		if (s->was_bad)
			scrub_count(pool, (struct pool_scrub_tally){ .repaired_pages = 1 });
		scrub_step_done(pool);
		return;
	}
	if (s->tries++ == 0) {
		scrub_page(pool);
		return;
	}
	if (!s->was_bad)
		metadata_tell(pool, POOL_BAD_PAGE, s->progress.page, rc < 0);
	page_rewrite(pool);
	scrub_step_again(pool);
}

void scrub_page(struct pool *pool)
{
	struct scrub *s = pool->scrub;
	const struct page_state *state = &pool->map.pages[s->progress.page];

	s->stage = SCRUB_PAGE;
	s->generation = state->generation;
	if (state->generation == 0) {
		scrub_step_done(pool); /* never written */
		return;
	}
	read_begin(pool, SCRUB_PAGE, geometry_page_offset(&pool->g, s->progress.page, state->copy),
		BLOCK_BYTES, page_read);
}

/* ---- grains ---- */

bool scrub_has_grain(const struct pool *pool, uint32_t place)
{
	if (!map_is_slot(&pool->map, place) || pool->map.places[place].present == 0 ||
		place >= pool->g.grain_count)
		return false;
	return !MUTANT(scrub_skips_frozen) || map_layer(&pool->map, place)->top_of;
}

/* A round writes into it now, or has done so since it was read. */
static bool grain_has_moved(const struct pool *pool)
{
	const struct scrub *s = pool->scrub;
	const struct map *map = &pool->map;
	struct position at;

	for (uint32_t i = 0; pool->round.state != ROUND_IDLE && i < pool->round.grain_count; i++)
		if (pool->round.grains[i].phys == s->grain || pool->round.grains[i].to == s->grain)
			return true;
	if (!map_is_slot(map, s->grain))
		return true;
	at = map_position(map, s->grain);
	return map_number(map, s->grain) != s->slot.layer || map->places[s->grain].index != s->slot.index ||
	       at.seq != s->slot.seq || at.epoch.number != s->slot.epoch_number ||
	       at.epoch.restart != s->slot.epoch_restart || map->places[s->grain].present != s->slot.present;
}

static void block_read(struct device_io *io, int rc);

/* The next block, one by one; behind the last: the verdict. */
static void block_next(struct pool *pool)
{
	struct scrub *s = pool->scrub;

	while (s->block < GRAIN_BLOCKS && !(s->slot.present & 1u << s->block))
		s->block++;
	if (s->block < GRAIN_BLOCKS) {
		read_begin(pool, SCRUB_BLOCK,
			geometry_grain_offset(&pool->g, s->grain) + (uint64_t)s->block * BLOCK_BYTES,
			BLOCK_BYTES, block_read);
		return;
	}
	if (s->bad_blocks != 0 && grain_has_moved(pool))
		scrub_step_again(pool);
	else
		scrub_grain_verdict(pool);
}

static void block_read(struct device_io *io, int rc)
{
	struct pool *pool = io_ended(io, rc);
	struct scrub *s;

	if (!pool)
		return;
	s = pool->scrub;
	if (rc < 0 || crc32c(s->buffer, BLOCK_BYTES) != s->slot.crc[s->block])
		s->bad_blocks = (uint16_t)(s->bad_blocks | 1u << s->block);
	s->device_error = s->device_error || rc < 0;
	s->block++;
	block_next(pool);
}

static void grain_read(struct device_io *io, int rc)
{
	struct pool *pool = io_ended(io, rc);
	unsigned wrong = rc < 0;
	struct scrub *s;

	if (!pool)
		return;
	s = pool->scrub;
	for (unsigned i = 0; rc == 0 && i < GRAIN_BLOCKS; i++)
		if (s->slot.present & 1u << i)
			wrong += crc32c(s->buffer + (size_t)i * BLOCK_BYTES, BLOCK_BYTES) != s->slot.crc[i];
	if (wrong == 0)
		scrub_grain_verdict(pool);
	else
		block_next(pool);
}

void scrub_grain(struct pool *pool, uint32_t place)
{
	struct scrub *s = pool->scrub;

	s->stage = SCRUB_GRAIN;
	s->grain = place;
	s->block = 0;
	s->bad_blocks = 0;
	s->device_error = false;
	if (!scrub_has_grain(pool, place)) {
		scrub_step_done(pool); /* it has gone meanwhile */
		return;
	}
	if (!sums_get(pool, place)) {
		(void)sums_fetch(pool, place, SUMS_FOR_READ);
		scrub_step_again(pool);
		return;
	}
	map_slot_get(pool, place, &s->slot);
	read_begin(pool, SCRUB_GRAIN, geometry_grain_offset(&pool->g, place), GRAIN_BYTES, grain_read);
}
