/* Whether the device still answers; see watch.c. Private to store. */
#ifndef QUOIN_STORE_WATCH_H
#define QUOIN_STORE_WATCH_H

#include "loop/loop.h"
#include "store/failing.h"

#define WATCH_EVERY_NS NS_PER_S
/* More than the looks that the oldest operation may live through. */
#define WATCH_SLOTS 64u

struct device_io;
struct pool;

struct watch {
	struct loop_timer timer;
	struct loop_timer leave; /* close.c: when the answers are waited for no longer */
	uint64_t looks;
	uint64_t ended;      /* operations */
	uint64_t seen_ended; /* at the last look that saw one more, ... */
	uint64_t seen_look;  /* ... which was this one */
	/* In flight, by the look that they began after, modulo: what is oldest is known without a list of
	 * all. */
	uint32_t busy[WATCH_SLOTS];
	uint8_t slot; /* of what begins now */
	struct failing failing;
};

void watch_init(struct pool *pool);
void watch_done(struct pool *pool);
/* An operation is about to be given to the device: one more is busy. */
void pool_io_began(struct pool *pool, struct device_io *io);
/* It has ended. */
void pool_io_ended(struct pool *pool, struct device_io *io);

#endif
