/*
 * The scrub's inside. One operation at a time:
 *
 *   scrub.c        when: pace, rate, yielding, what comes next; begin and end of a pass
 *   scrub_check.c  what: superblocks, table pages, grains: read, verified, pages and superblocks written anew
 *   scrub_bad.c    grains that are known to be bad: told, looked at again, forgotten
 *
 * Private to store.
 */
#ifndef QUOIN_STORE_SCRUB_H
#define QUOIN_STORE_SCRUB_H

#include "store/pool.h"

/* Told at the same time; what is found beyond is told by a later pass. */
#define SCRUB_BADS       256u
#define SCRUB_TELL_NS    NS_PER_S /* a bad grain is looked at again so soon, then after twice as long, ... */
#define SCRUB_TELL_MOST  64u      /* ... up to so many times that */
#define SCRUB_YIELD_NS   (5 * NS_PER_MS)
#define SCRUB_YIELDS     4u /* so often it lets the application's I/O go first; then it takes its turn */
#define SCRUB_CATCH_UP   4u /* so many times faster than the period asks for, where it is behind */
#define SCRUB_SETTLE_NS  (20 * NS_PER_MS)
#define SCRUB_SETTLE_MAX 500u /* what is being written to is looked at again so often */

struct scrub_bad {
	uint32_t place;
	uint32_t index;
	uint64_t layer; /* 0: free */
	uint16_t blocks;
	bool device_error;
	uint32_t pass; /* in which it was found */
	unsigned wait; /* times SCRUB_TELL_NS */
	uint64_t due_ns;
};

enum scrub_stage {
	SCRUB_WAITING,
	SCRUB_SUPERBLOCK,       /* being read, ... */
	SCRUB_SUPERBLOCK_WRITE, /* ... written anew */
	SCRUB_SUPERBLOCK_FLUSH,
	SCRUB_PAGE,
	SCRUB_GRAIN, /* all its blocks at once, ... */
	SCRUB_BLOCK, /* ... and one after the other, where something was wrong */
};

struct scrub {
	struct pool *pool;
	struct loop_timer timer;
	struct device_io io;
	uint64_t reading_bytes; /* where */
	struct iovec iov;
	struct flush_waiter waiter;
	uint8_t *buffer; /* GRAIN_BYTES */

	uint64_t period_ns; /* 0: none */
	struct budget budget;
	struct pool_scrub_progress progress;
	struct pool_scrub_tally since_open;
	struct pool_scrub_found newest;
	int64_t base_ns;       /* when the pass began, by the loop's clock; may lie before its beginning */
	uint64_t step_ns;      /* of the last step */
	uint64_t step_bytes;   /* read in it */
	uint64_t unsettled_ns; /* what is in hand is looked at again then; 0: it isn't */
	uint32_t pass;         /* counts them */
	unsigned yields;

	/* What is next in the pass. */
	unsigned superblock; /* 2: both are through */
	bool page_checked;
	bool restart;   /* with what is in hand the pass is over: a new one was asked for */
	uint32_t place; /* of progress.page */

	/* What is in hand. */
	enum scrub_stage stage;
	unsigned tries;
	bool was_bad;
	uint64_t generation; /* of the page */
	struct slot slot;    /* as it was when its grain was read */
	uint32_t grain;      /* its place */
	unsigned block;
	uint16_t bad_blocks;
	bool device_error;
	struct scrub_bad *again; /* NULL: the pass's own */

	struct scrub_bad bads[SCRUB_BADS];
	unsigned bad_count;
};

int scrub_init(struct pool *pool) MUST_CHECK;
void scrub_done(struct pool *pool);
void scrub_info_get(const struct pool *pool, struct pool_scrub_info *ret_info);

bool scrub_goes_on(const struct pool *pool);
/* scrub.c: what was in hand is through, or is to be looked at again a little later. */
void scrub_step_done(struct pool *pool);
void scrub_step_again(struct pool *pool);
/* Counted in the pass under way, and since the pool was opened. */
void scrub_count(struct pool *pool, struct pool_scrub_tally more);

/* scrub_check.c: each begins an operation, or is through at once. */
void scrub_superblock(struct pool *pool);
void scrub_page(struct pool *pool);
/* The place holds a grain with blocks (of a layer that lives). */
bool scrub_has_grain(const struct pool *pool, uint32_t place);
void scrub_grain(struct pool *pool, uint32_t place);

/* scrub_bad.c */
/* The grain in hand has been looked at: what is bad in it. */
void scrub_grain_verdict(struct pool *pool);
/* Looks again at one that is due. */
void scrub_bad_look(struct pool *pool);
/* Whether it is still there to be looked at; if not, it is forgotten. */
bool scrub_bad_stands(struct pool *pool, struct scrub_bad *bad);
uint64_t scrub_bad_next_ns(const struct pool *pool);

#endif
