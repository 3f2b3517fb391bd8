/*
 * Checksums of blocks stay on the disk, in their slots; a bounded cache has those that are used, by page of
 * the table: 31 slots a line. sums.c: lines; sums_fetch.c: reading them. Part of store/pool.h.
 *
 *   nowhere --fetch--> at hand <--a round's images are durable: the new ones, whatever else is known--
 *
 * A line may know some of its slots alone: those that have changed since the page was written. They must not
 * go before a sweep has written them and its flush has ended; until then the disk has older ones. A page is
 * swept once all of its slots are known.
 */
#ifndef QUOIN_STORE_SUMS_H
#define QUOIN_STORE_SUMS_H

#include "store/device.h"
#include "store/ondisk.h"

#define SUMS_BYTES   (UINT64_C(64) << 20) /* covers 64 GiB of data */
#define SUMS_FETCHES 256u
#define SUMS_HELD    256u
#define SUMS_TRIES   3u
#define SUMS_DIRTY   16u /* so many pages may wait for a sweep, however small the cache is */

struct pool;
struct page_state;

struct sums_line {
	uint32_t page;
	uint32_t known; /* of which slots */
	uint32_t pins;
	bool fetching;
	bool used;  /* since the hand came by */
	bool extra; /* beyond the cache's size: goes as soon as it can */
	uint32_t crcs[PAGE_SLOTS][GRAIN_BLOCKS];
};

/* Who waits for a fetch: beside a read, the next round, or the next sweep. */
enum sums_reason { SUMS_FOR_READ, SUMS_FOR_ROUND, SUMS_FOR_SWEEP, SUMS_REASONS };

struct sums_fetch {
	struct device_io io;
	struct iovec iov;
	struct pool *pool;
	struct sums_line *line; /* NULL: not in use */
	uint64_t offset_bytes, generation;
	unsigned tries;
	unsigned reasons; /* a bit each */
	bool broken;      /* the page can't be read: its checksums are made anew, from the data */
};

/* One page at a time, grain by grain. */
struct sums_rebuild {
	struct device_io io;
	struct iovec iov;
	struct sums_fetch *fetch; /* NULL: idle */
	uint32_t place, came;
	uint64_t offset_bytes; /* of what is being read */
	unsigned copy;         /* the older one */
	uint64_t change;       /* of the pool, when it began */
	bool reading;
};

/* Lines that stay because somebody is about to look at them: a round, a merge, a resync's map. */
enum sums_holder { SUMS_ROUND, SUMS_MERGE, SUMS_MAP, SUMS_HOLDERS };

struct sums_hold {
	struct sums_line *lines[2][SUMS_HELD]; /* of this turn, and of the last */
	unsigned counts[2];
	unsigned now;
};

struct sums {
	struct sums_line *lines; /* as many as the cache is large; untouched ones take no memory */
	struct sums_line **all;  /* in use, and extra ones */
	uint32_t line_max, used, all_count, all_size, hand;
	uint32_t *free; /* of lines */
	uint32_t free_count;
	struct sums_fetch *fetches;
	uint8_t *blocks;
	unsigned fetches_busy, waits[SUMS_REASONS];
	struct sums_rebuild rebuild;
	struct sums_hold holds[SUMS_HOLDERS];
	struct list reads;     /* that lack checksums */
	uint64_t misses, lost; /* fetches; slots whose page and data were bad at once */
};

int sums_init(struct pool *pool) MUST_CHECK;
void sums_done(struct pool *pool);
/* The checksums of a slot; NULL: they are not at hand. */
const uint32_t *sums_get(struct pool *pool, uint32_t place);
/* The slot has them now. The page becomes dirty with the images; until it is swept they stay. */
void sums_put(struct pool *pool, uint32_t place, const uint32_t crc[static GRAIN_BLOCKS]);
/* The place has no slot any more: what a fetch under way brings of it is void. */
void sums_drop(struct pool *pool, uint32_t place);
/*
 * Whether a round may begin: what waits for a sweep is no more than the cache is large. From half of it on a
 * sweep is wanted. So beyond it there are only the lines of one round, of fetches, and of what is held.
 */
bool sums_have_room(struct pool *pool);
/* Whether all of a page's slots are at hand; if not, they are fetched; then a sweep is wanted. */
bool sums_page_ready(struct pool *pool, uint32_t page);
/*
 * True: the slot's checksums are at hand, and stay until the holder's next turn is over. Else they are being
 * fetched; then a round is wanted, unless it is a map that asks. PHYS_NONE is always at hand.
 */
bool sums_want(struct pool *pool, uint32_t place, enum sums_holder holder);
/* The same for all versions of a grain. */
struct tree;
bool sums_want_versions(struct pool *pool, const struct tree *tree, uint64_t index, enum sums_holder holder);
/* A turn begins, and ends: what was held for it goes. */
void sums_turn_begin(struct pool *pool, enum sums_holder holder);
void sums_turn_end(struct pool *pool, enum sums_holder holder);
/* Fetches the page of the place; false: too many are under way. */
bool sums_fetch(struct pool *pool, uint32_t place, enum sums_reason reason);
/* sums_rebuild.c: goes on with pages that can't be read. */
void sums_pump(struct pool *pool);
/* Of sums_fetch.c: who waits is told. */
void sums_fetch_done(struct sums_fetch *fetch, uint32_t came, int rc);
/*
 * Takes from a page's copy what the line doesn't know; returns which slots came. -EILSEQ: with `all`, one of
 * them is not as the map has it.
 */
int sums_page_take(struct pool *pool, struct sums_line *line, const uint8_t *block, bool all,
	uint32_t *ret_came) MUST_CHECK;
/* Of sums.c, for sums_fetch.c: the line of a page, made where there is none. */
struct sums_line *sums_line_get(struct pool *pool, uint32_t page);

/* of read.c: a page has come; `known` are the slots that came with it, rc < 0: none. */
void read_sums_came(struct pool *pool, uint32_t page, uint32_t known, int rc);

#endif
