/* The end of a pool, and of what waits for a device that has failed. Private to store. */
#ifndef QUOIN_STORE_CLOSE_H
#define QUOIN_STORE_CLOSE_H

#include "base/base.h"

struct pool;

/* ---- close.c ---- */
void close_init(struct pool *pool);
void close_pump(struct pool *pool);
/* Nobody hears of it any more; it goes once nothing is in flight. */
void pool_leave(struct pool *pool);

/* ---- when it has failed ---- */
/* pool.c: what waits there is told so. */
void works_fail(struct pool *pool, struct list *works);
/* read.c: reads that wait for anything; those that wait for a round. */
void read_fail_waiting(struct pool *pool);
void read_fail_rollbacks(struct pool *pool);
/* read_leave.c: those that the device has not answered. */
void reads_leave(struct pool *pool);
/* probe.c: who measures it; what of that is in flight keeps its memory. */
void probe_fail(struct pool *pool);

#endif
