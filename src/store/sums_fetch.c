/*
 * Reading checksums that are not at hand: the newest copy of a page of the table. What has changed since it
 * was written is at hand already, and stays as it is.
 */
#include "store/pool.h"

#include <errno.h>
#include <string.h>

static void fetch_read(struct sums_fetch *fetch);

/* The slot on the page is the one that the map has. */
static bool slot_agrees(const struct pool *pool, uint32_t place, const struct slot *slot)
{
	const struct map *map = &pool->map;
	const struct mapped *mapped = &map->places[place];
	struct position at = map_position(map, place);

	return slot->layer == map_number(map, place) && slot->index == mapped->index && slot->seq == at.seq &&
	       slot->epoch_number == at.epoch.number && slot->epoch_restart == at.epoch.restart &&
	       slot->present == mapped->present && slot->zero == mapped->zero;
}

int sums_page_take(
	struct pool *pool, struct sums_line *line, const uint8_t *block, bool all, uint32_t *ret_came)
{
	uint32_t end, first = map_page_places(pool, line->page, &end), came = 0;

	for (uint32_t i = 0; first + i < end; i++) {
		struct slot slot;
		uint32_t place;

		if (line->known & UINT32_C(1) << i || !map_is_slot(&pool->map, first + i))
			continue;
		if (slot_decode(block + PAGE_HEAD_BYTES + (size_t)i * UNIT_BYTES, &place, &slot) < 0 ||
			place != first + i || !slot_agrees(pool, place, &slot)) {
			if (all)
				return -EILSEQ;
			continue;
		}
		memcpy(line->crcs[i], slot.crc, sizeof(slot.crc));
		came |= UINT32_C(1) << i;
	}
	line->known |= came;
	*ret_came = came;
	return 0;
}

static void fetch_free(struct sums_fetch *fetch)
{
	struct sums *sums = &fetch->pool->sums;

	fetch->line->fetching = false;
	for (unsigned i = 0; i < SUMS_REASONS; i++)
		sums->waits[i] -= fetch->reasons >> i & 1u;
	sums->fetches_busy--;
	fetch->line = NULL;
}

void sums_fetch_done(struct sums_fetch *fetch, uint32_t came, int rc)
{
	struct pool *pool = fetch->pool;
	uint32_t page = fetch->line->page;
	unsigned reasons = fetch->reasons;

	fetch_free(fetch);
	read_sums_came(pool, page, came, rc);
	if ((reasons & 1u << SUMS_FOR_ROUND) && pool->sums.waits[SUMS_FOR_ROUND] == 0)
		pool->round.wanted = true;
	if ((reasons & 1u << SUMS_FOR_SWEEP) && pool->sums.waits[SUMS_FOR_SWEEP] == 0)
		pool->sweep.wanted = true;
	pool_pump_soon(pool);
}

static void fetch_ended(struct device_io *io, int rc)
{
	struct sums_fetch *fetch = container_of(io, struct sums_fetch, io);
	struct pool *pool = fetch->pool;
	struct sums_line *line = fetch->line;
	const struct page_state *state = &pool->map.pages[line->page];
	uint32_t came = 0, page = line->page;
	uint64_t generation;

	pool_io_ended(pool, io);
	if (rc < 0)
		failing_read(pool, fetch->offset_bytes);
	if (rc == 0 && state->generation != fetch->generation) {
		fetch_read(fetch); /* a sweep was faster */
		return;
	}
	if (rc == 0 && !page_check(&pool->g, page, state->copy, fetch->iov.iov_base, &generation))
		rc = -EILSEQ;
	if (rc == 0 && generation != fetch->generation)
		rc = -EILSEQ;
	if (rc == 0)
		rc = sums_page_take(pool, line, fetch->iov.iov_base, true, &came);
	if (rc < 0 && ++fetch->tries < SUMS_TRIES && !pool->failed) {
		fetch_read(fetch);
		return;
	}
	fetch->broken = rc < 0 && !pool->failed;
	if (!fetch->broken)
		sums_fetch_done(fetch, came, rc);
	pool_pump_soon(pool);
}

static void fetch_read(struct sums_fetch *fetch)
{
	struct pool *pool = fetch->pool;
	uint32_t page = fetch->line->page;

	fetch->generation = pool->map.pages[page].generation;
	fetch->offset_bytes = geometry_page_offset(&pool->g, page, pool->map.pages[page].copy);
	pool_io_began(pool, &fetch->io);
	pool->device->ops->read(pool->device, &fetch->io, &fetch->iov, 1, fetch->offset_bytes);
}

static void reason_add(struct sums *sums, struct sums_fetch *fetch, enum sums_reason reason)
{
	sums->waits[reason] += !(fetch->reasons & 1u << reason);
	fetch->reasons |= 1u << reason;
}

bool sums_fetch(struct pool *pool, uint32_t place, enum sums_reason reason)
{
	struct sums *sums = &pool->sums;
	uint32_t page = geometry_place_page(&pool->g, place), at = 0;
	struct sums_line *line = pool->map.pages[page].line;
	struct sums_fetch *fetch;

	if (line && line->fetching) {
		while (sums->fetches[at].line != line)
			at++;
		reason_add(sums, &sums->fetches[at], reason);
		return true;
	}
	if (sums->fetches_busy == SUMS_FETCHES)
		return false;
	while (sums->fetches[at].line)
		at++;
	fetch = &sums->fetches[at];
	*fetch = (struct sums_fetch){ .pool = pool };
	reason_add(sums, fetch, reason);
	fetch->line = sums_line_get(pool, page);
	fetch->line->fetching = true;
	fetch->iov =
		(struct iovec){ .iov_base = sums->blocks + (size_t)at * BLOCK_BYTES, .iov_len = BLOCK_BYTES };
	fetch->io.fn = fetch_ended;
	sums->fetches_busy++;
	sums->misses++;
	fetch_read(fetch);
	return true;
}
