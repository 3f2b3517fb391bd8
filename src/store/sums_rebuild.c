/*
 * A page of the table that can't be read: its newest copy has rotted, or the device gives an error. The map
 * has all of its slots but the checksums, and a check of those. Slots that have not changed since are on the
 * page's older copy. The others' are made anew from the data, grain by grain; the page is written anew by the
 * next sweep.
 *
 * Where they don't agree with the check, data and page are bad at the same time. The slot is lost then: it is
 * given checksums that agree with nothing, so readers and the scrub find its blocks bad, and a repair from
 * another replica brings its own (round_copies.c). Until then the layer's sum is of what is lost, so a
 * restart makes the replica incomplete, as any slot does that an open doesn't find.
 *
 * A round that is under way may be writing into these grains, so nothing is read before it ends; those that
 * begin afterwards take no slot without checksums.
 */
#include "store/pool.h"

#include <errno.h>

static bool place_lacks(const struct pool *pool, const struct sums_line *line, uint32_t place)
{
	return map_is_slot(&pool->map, place) &&
	       !(line->known & UINT32_C(1) << geometry_place_unit(&pool->g, place));
}

static void rebuild_end(struct pool *pool, int rc)
{
	struct sums_rebuild *rebuild = &pool->sums.rebuild;
	struct sums_fetch *fetch = rebuild->fetch;
	uint32_t page = fetch->line->page;
	/* Who has changed meanwhile is not what was asked for. */
	uint32_t came = rebuild->change == pool->change ? rebuild->came : 0;

	rebuild->fetch = NULL;
	if (rc == 0) {
		map_page_dirty(pool, page, pool->journal.durable);
		pool->sweep.wanted = true;
	}
	sums_fetch_done(fetch, came, rc);
}

/* Its data is bad, too, or can't be read: a block's checksum is none that its content can have. */
static void place_lose(struct pool *pool, uint32_t place, uint32_t crc[static GRAIN_BLOCKS])
{
	unsigned i = (unsigned)__builtin_ctz(pool->map.places[place].present | 1u << (GRAIN_BLOCKS - 1));

	for (unsigned k = 0; k < GRAIN_BLOCKS; k++)
		crc[k] = pool->map.places[place].present & 1u << k ? ~crc[k] : 0;
	while (map_slot_check(pool, place, crc))
		crc[i]++;
	pool->sums.lost++;
	sums_put(pool, place, crc);
}

/* data: NULL: it can't be read. */
static void place_take(struct pool *pool, uint32_t place, const uint8_t *data)
{
	struct sums_rebuild *rebuild = &pool->sums.rebuild;
	uint32_t crc[GRAIN_BLOCKS] = { 0 };

	for (unsigned i = 0; data && i < GRAIN_BLOCKS; i++)
		if (pool->map.places[place].present & 1u << i)
			crc[i] = crc32c(data + (size_t)i * BLOCK_BYTES, BLOCK_BYTES);
	if (!data || !(map_slot_check(pool, place, crc) || MUTANT(sums_unchecked))) {
		place_lose(pool, place, crc);
		return;
	}
	rebuild->came |= UINT32_C(1) << geometry_place_unit(&pool->g, place);
	sums_put(pool, place, crc);
}

static void rebuild_more(struct pool *pool);

static struct pool *rebuild_read_ended(struct device_io *io, int rc)
{
	struct pool *pool = container_of(io, struct pool, sums.rebuild.io);

	pool_io_ended(pool, io);
	pool->sums.rebuild.reading = false;
	if (rc < 0)
		failing_read(pool, pool->sums.rebuild.offset_bytes);
	if (!pool->failed)
		return pool;
	rebuild_end(pool, -EIO);
	return NULL;
}

static void rebuild_read(struct pool *pool, uint64_t offset_bytes, uint32_t length_bytes,
	void (*ended)(struct device_io *io, int rc))
{
	struct sums_rebuild *rebuild = &pool->sums.rebuild;

	rebuild->reading = true;
	rebuild->iov.iov_len = length_bytes;
	rebuild->io.fn = ended;
	rebuild->offset_bytes = offset_bytes;
	pool_io_began(pool, &rebuild->io);
	pool->device->ops->read(pool->device, &rebuild->io, &rebuild->iov, 1, offset_bytes);
}

static void grain_read(struct device_io *io, int rc)
{
	struct pool *pool = rebuild_read_ended(io, rc);
	struct sums_rebuild *rebuild;

	if (!pool)
		return;
	rebuild = &pool->sums.rebuild;
	if (place_lacks(pool, rebuild->fetch->line, rebuild->place))
		place_take(pool, rebuild->place, rc < 0 ? NULL : rebuild->iov.iov_base);
	rebuild_more(pool);
}

/* The older copy has what did not change with the newest. */
static void page_read(struct device_io *io, int rc)
{
	struct pool *pool = rebuild_read_ended(io, rc);
	struct sums_rebuild *rebuild;
	uint64_t generation;
	uint32_t page;

	if (!pool)
		return;
	rebuild = &pool->sums.rebuild;
	page = rebuild->fetch->line->page;
	if (rc == 0 && page_check(&pool->g, page, rebuild->copy, rebuild->iov.iov_base, &generation)) {
		rc = sums_page_take(pool, rebuild->fetch->line, rebuild->iov.iov_base, false, &rebuild->came);
		ASSERT(rc == 0); /* it takes what agrees */
	}
	rebuild_more(pool);
}

static void rebuild_more(struct pool *pool)
{
	struct sums_rebuild *rebuild = &pool->sums.rebuild;
	uint32_t end;

	(void)map_page_places(pool, rebuild->fetch->line->page, &end);
	for (; rebuild->place < end; rebuild->place++) {
		if (!place_lacks(pool, rebuild->fetch->line, rebuild->place))
			continue;
		if (pool->map.places[rebuild->place].present != 0)
			break;
		place_take(pool, rebuild->place, rebuild->iov.iov_base);
	}
	if (rebuild->place == end)
		rebuild_end(pool, 0);
	else
		rebuild_read(pool, geometry_grain_offset(&pool->g, rebuild->place), GRAIN_BYTES, grain_read);
}

void sums_pump(struct pool *pool)
{
	struct sums *sums = &pool->sums;
	uint32_t end;

	if (sums->fetches_busy == 0 || sums->rebuild.fetch)
		return;
	for (unsigned i = 0; i < SUMS_FETCHES && !sums->rebuild.fetch; i++)
		if (sums->fetches[i].line && sums->fetches[i].broken)
			sums->rebuild.fetch = &sums->fetches[i];
	if (!sums->rebuild.fetch)
		return;
	if (pool->failed || pool->closing) {
		rebuild_end(pool, -EIO);
		return;
	}
	if (pool->round.state != ROUND_IDLE) {
		sums->rebuild.fetch = NULL;
		return;
	}
	sums->rebuild.place = map_page_places(pool, sums->rebuild.fetch->line->page, &end);
	sums->rebuild.came = 0;
	sums->rebuild.change = pool->change;
	sums->rebuild.copy = pool->map.pages[sums->rebuild.fetch->line->page].copy ^ 1u;
	rebuild_read(pool,
		geometry_page_offset(&pool->g, sums->rebuild.fetch->line->page, sums->rebuild.copy),
		BLOCK_BYTES, page_read);
}
