/* Where a device has failed reads lately; see failing.c. Private to store. */
#ifndef QUOIN_STORE_FAILING_H
#define QUOIN_STORE_FAILING_H

#include "base/base.h"

#define FAILING_PLACES    32u /* of 64 KiB; so many within the window, and the pool fails */
#define FAILING_WINDOW_NS (3600 * NS_PER_S)

struct pool;

struct failing_place {
	uint64_t place;
	uint64_t failed_ns; /* last; 0: free */
};

struct failing {
	struct failing_place places[FAILING_PLACES];
};

/* A read that begins there has failed: it is counted, and may fail the pool. */
void failing_read(struct pool *pool, uint64_t offset_bytes);

#endif
