/* Reads: read.c plans them and compares what has come, read_sums.c waits for checksums. Private to the two.
 */
#ifndef QUOIN_STORE_READ_H
#define QUOIN_STORE_READ_H

#include "store/pool.h"

#define READ_RUNS 2048u

struct read_run {
	struct device_io io;
	struct list node;
	struct iovec iov;
	uint64_t offset_bytes;
	struct pool_read *read;
	struct pool *pool;
};

/* All that was waited for is here. */
void read_check(struct pool *pool, struct pool_read *read);
/* Answers it from the loop. */
void read_finish(struct pool *pool, struct pool_read *read, int rc);
void read_block_is_bad(struct pool_read *read, uint32_t i);

/* ---- read_sums.c ---- */
/* A page for each of so many blocks may be asked for. */
bool read_sums_have_room(const struct pool *pool, uint32_t blocks);
/* The block's checksum is asked for. */
void read_lacks(struct pool *pool, struct pool_read *read, uint32_t i, uint32_t place);
/* One more is waited for, if any was asked for. */
void read_sums_wait(struct pool *pool, struct pool_read *read);

#endif
