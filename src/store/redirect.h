/* redirect.c: writes of whole grains go once, into fresh grains. Part of store/pool.h. */
#ifndef QUOIN_STORE_REDIRECT_H
#define QUOIN_STORE_REDIRECT_H

#include "store/pool.h"

/* Takes fresh grains for the entry where that can be done; false: it goes into the ring. */
bool redirect_take(struct pool *pool, const struct batch *batch, struct log_entry *le);
/* It does not go into this batch. */
void redirect_untake(struct pool *pool, struct log_entry *le);
/* The record of the entry, which is redirected or not. */
void redirect_record(const struct log_entry *le, struct record *ret_record);
/* The entry's content becomes part of the batch's writes. */
void redirect_add(struct pool *pool, struct batch *batch, struct log_entry *le);
void redirect_write(struct pool *pool, struct batch *batch);
/* All of the grain's content stands in the entry's fresh grain: only the map moves. */
void redirect_grain(struct pool *pool, struct round_grain *grain, const struct log_entry *le, unsigned piece);
/* Its grains may be mapped: a replay of its record won't look at their content any more. */
bool redirect_is_settled(const struct log_entry *le);
/* Those that no slot has are given back when `batch` is settled. */
void redirect_release(struct pool *pool, struct log_entry *le, uint64_t batch);
uint64_t redirect_block_offset(const struct log_entry *le, uint64_t block);
/* At open: the grains of entries that are not applied are taken. False: one is somebody else's. */
bool redirect_claim(struct pool *pool, const struct log_entry *le);
/* Where nothing else holds the entry up (NULL: there is none), headers are asked for that settle it. */
void redirect_settle_want(struct pool *pool, const struct log_entry *le);

#endif
