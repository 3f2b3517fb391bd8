/*
 * Data buffers: 4096-aligned, reference-counted, from a bounded pool that is sized once at start.
 * A pool and its buffers belong to one thread; counts are not atomic.
 */
#ifndef QUOIN_BASE_BUF_H
#define QUOIN_BASE_BUF_H

#include <stdint.h>

#include "base/assert.h"
#include "base/list.h"

struct buf_pool;

struct buf {
	uint8_t *data;      /* aligned to 4096 */
	uint32_t cap_bytes; /* multiple of 4096 */
	uint32_t len_bytes; /* set by who fills it */
	uint32_t refs;
	struct buf_pool *pool;
	struct list free;
};

/*
 * One mapping of budget_bytes, cut into size classes (4, 16, 64, 256 KiB) on demand in slabs of 1 MiB.
 * -ENOMEM. What is not used is not resident.
 */
int buf_pool_new(uint64_t budget_bytes, struct buf_pool **ret_pool) MUST_CHECK;
/* All buffers must have been put. NULL is fine. */
void buf_pool_free(struct buf_pool *pool);
/*
 * A buffer with room for at least cap_bytes (1 .. ENTRY_MAX_BYTES), one reference, len_bytes 0, content
 * undefined. NULL when the budget is spent: the caller waits (back-pressure), it never falls back to malloc.
 */
struct buf *buf_get(struct buf_pool *pool, uint32_t cap_bytes);
struct buf *buf_ref(struct buf *buf);
/* Drops one reference; NULL is fine. */
void buf_put(struct buf *buf);
uint64_t buf_pool_used_bytes(const struct buf_pool *pool);

#endif
