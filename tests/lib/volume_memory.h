/*
 * A volume in memory behind datapath/volume.h: volume_submit() and its like, for tests of fronts.
 * Thread rule: volume_memory_new() and _free() anywhere; the knobs anywhere (atomics); the rest on the loop's
 * thread.
 */
#ifndef QUOIN_TEST_VOLUME_MEMORY_H
#define QUOIN_TEST_VOLUME_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/volume.h"

struct uring_loop;

/* Reads as zeroes; what is never written takes no memory. `bufs` belongs to the loop's thread. */
struct volume *volume_memory_new(struct uring_loop *loop, struct buf_pool *bufs, uint64_t size_bytes);
/* Nothing is in flight. */
void volume_memory_free(struct volume *volume);

/* Its content; look at it when nothing is in flight. */
const uint8_t *volume_memory_bytes(const struct volume *volume);
/* To at most four times its first size. */
void volume_memory_grow(struct volume *volume, uint64_t size_bytes);
/* Fronts are told so; it takes writes all the same. */
void volume_memory_read_only(struct volume *volume, bool read_only);
/* Requests wait (no quorum) until held is false again. */
void volume_memory_hold(struct volume *volume, bool held);
/* Every request from here on, waiting ones included, ends with rc (fenced: -EIO). 0: no more. */
void volume_memory_fail(struct volume *volume, int rc);
/* Each request takes this long. */
void volume_memory_delay(struct volume *volume, uint64_t delay_ns);

struct volume_memory_stats {
	uint64_t reads, writes, trims, zeroes;
	uint64_t largest_bytes, in_flight, most_in_flight;
};
void volume_memory_get_stats(const struct volume *volume, struct volume_memory_stats *ret_stats);

#endif
