/*
 * Checksums of grains stay on the disk, behind a bounded cache. Who looks at grains' states may have to ask
 * again a little later. Thread rule: the pool's loop.
 */
#ifndef QUOIN_STORE_CHECKSUMS_H
#define QUOIN_STORE_CHECKSUMS_H

#include "store/store.h"

/*
 * The grain's checksums are on the disk, and being read: what pool_replica_grain_view() and _applied() say of
 * it is of use a little later. What was asked for since a turn began stays in memory until the next one has
 * ended.
 */
bool pool_replica_grain_loads(struct pool_replica *replica, struct grain_level level, uint64_t index);
void pool_replica_grains_turn(struct pool_replica *replica, bool begins);
/*
 * The turn has taken its time, of which all else on the thread waits for the end: who looks through grains
 * ends here and goes on in another turn, one grain further at least.
 */
bool pool_replica_grains_enough(const struct pool_replica *replica);

/*
 * pool_replica_grain_heal() of blocks that are good by their checksums, and are not what others have: they
 * and their checksums are the copy's afterwards. -EAGAIN also where other blocks differ from the copy's.
 */
void pool_replica_grain_rewrite(struct pool_replica *replica, const struct grain_copy *copy, uint16_t blocks,
	pool_done_fn fn, void *arg);

/*
 * The top's grain becomes the copy, whole, whatever stands there; without blocks and marks: nothing stands
 * there any more. The copy must be what a replica holds of the grain that has applied up to anything from
 * from_seq to until_seq: it is done only while this one has, so that entries that touch the grain and aren't
 * in the copy come behind it. The caller knows that no entry between them changes the levels. Errors:
 * -EAGAIN: not now; -ENOTSUP: what lies below isn't what the copy's marks were made for; -ENOSPC: no grain is
 * free.
 */
void pool_replica_grain_replace(struct pool_replica *replica, const struct grain_copy *copy,
	uint64_t from_seq, uint64_t until_seq, pool_done_fn fn, void *arg);

struct pool_checksums_info {
	uint64_t bytes;   /* of memory that they take now, ... */
	uint64_t limit;   /* ... and that the cache may take; what isn't written yet may be beyond it */
	uint64_t waiting; /* pages of the table that a sweep has to write */
	uint64_t misses;  /* pages of the table that were read for them */
	uint64_t lost;    /* slots whose page and data were bad at once */
};
void pool_checksums_info_get(const struct pool *pool, struct pool_checksums_info *ret_info);

#endif
