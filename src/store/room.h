/* room.c: what a pool still takes. Part of store/pool.h. */
#ifndef QUOIN_STORE_ROOM_H
#define QUOIN_STORE_ROOM_H

#include <stdbool.h>
#include <stdint.h>

struct layer;
struct pool;
struct pool_replica;

uint32_t pool_replica_limit(const struct pool *pool);
/* Free ones that new writes may have. */
uint64_t pool_spare_grains(const struct pool *pool);
/* With fewer free grains than that the pool is full. */
uint64_t pool_least_grains(const struct pool *pool);
/* The same where a thick replica comes. */
uint64_t pool_least_thick_grains(const struct pool *pool);
/* Of that, what thin replicas may be sent before they have told that it is full. */
uint64_t pool_thick_slack_grains(const struct pool *pool);

/* ---- thick.c ---- */
/* After each change of what the replica has mapped in its top, of its size, and of its snapshots to come. */
void thick_count(struct pool_replica *replica);
/* At open: all are counted anew. */
void thick_begin(struct pool *pool);
/* So many grains may all thick replicas have together, mapped in their tops and kept: what others leave. */
uint64_t thick_limit_grains(const struct pool *pool);
/* Whether so many grains more can be kept. */
bool thick_fits(const struct pool *pool, uint64_t grains);
/* Each write of this replica has its grain, however full the pool is: it is thick, and the pool has all that
 * it keeps. */
bool thick_is_free(const struct pool_replica *replica);
/* The layer may have a fresh grain that no entry has asked for, as for what a resync copies: beside those
 * that are kept for thick replicas enough are left for the entries of thin ones. */
bool thick_spares(const struct pool *pool, const struct layer *layer);

#endif
