/* index.c: log entries by seq, and by the grains they touch. Part of store/pool.h. */
#ifndef QUOIN_STORE_INDEX_H
#define QUOIN_STORE_INDEX_H

#include "store/pool.h"

int index_init(struct pool *pool) MUST_CHECK;
void index_done(struct pool *pool);
struct log_entry *le_get(struct pool *pool);
void le_put(struct pool *pool, struct log_entry *le);
void index_add(struct log_entry *le);
/* A bare one has got its entry. */
void index_fill(struct log_entry *le);
void index_remove(struct log_entry *le);
/* What it was to take it has taken, or never will. */
void index_unreserve(struct log_entry *le);
struct log_entry *index_find(const struct pool_replica *replica, uint64_t seq);
/* The newest entry up to `seq` that says something of this block; NULL: none. */
struct log_entry *index_block(const struct pool_replica *replica, uint64_t block, uint64_t seq);
/* Whether an entry that isn't applied says something of this grain: long trims aside, which the other tells.
 */
bool index_has_grain(const struct pool_replica *replica, uint64_t index);
bool index_has_trim(const struct pool_replica *replica, uint64_t index);
/* For each of the grain's blocks the newest entry up to `seq` that says something of it; returns the newest
 * of all that touch the grain, NULL: none does. */
struct log_entry *index_grain(const struct pool_replica *replica, uint64_t index, uint64_t seq,
	struct log_entry *blocks[static GRAIN_BLOCKS]);
/* Its hold on the batch ends, and it leaves the log. */
void le_release(struct log_entry *le);
void le_drop_payload(struct log_entry *le);

#endif
