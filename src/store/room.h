/* room.c: what a pool still takes. Part of store/pool.h. */
#ifndef QUOIN_STORE_ROOM_H
#define QUOIN_STORE_ROOM_H

#include <stdint.h>

struct pool;

uint32_t pool_replica_limit(const struct pool *pool);
/* Free ones that new writes may have. */
uint64_t pool_spare_grains(const struct pool *pool);
/* With fewer free grains than that the pool is full. */
uint64_t pool_least_grains(const struct pool *pool);

#endif
