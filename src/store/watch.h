/* Whether the device still answers; see watch.c. Private to store. */
#ifndef QUOIN_STORE_WATCH_H
#define QUOIN_STORE_WATCH_H

#include "loop/loop.h"

struct pool;

struct watch {
	struct loop_timer timer;
	uint64_t looks;
	uint64_t ended;      /* operations */
	uint64_t seen_ended; /* at the last look that saw one more, ... */
	uint64_t seen_look;  /* ... which was this one */
};

void watch_init(struct pool *pool);
void watch_done(struct pool *pool);
/* Something is on its way to the device. */
void watch_arm(struct pool *pool);
/* An operation of the pool has ended: one less is busy. */
void pool_io_ended(struct pool *pool);

#endif
