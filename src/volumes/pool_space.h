/* Warnings while a pool fills up, at set levels. Pure. */
#ifndef QUOIN_VOLUMES_POOL_SPACE_H
#define QUOIN_VOLUMES_POOL_SPACE_H

#include <stdint.h>

#define POOL_SPACE_LEVELS 4u
/* In percent of a pool's room; the last is what the store keeps for trims and repair. */
extern const unsigned pool_space_percents[POOL_SPACE_LEVELS];

/*
 * How many of the levels are reached. One that was reached stays so until the use is two percent below it, so
 * that a pool at the edge does not warn every second.
 */
unsigned pool_space_level(unsigned level, uint64_t used_bytes, uint64_t size_bytes);
unsigned pool_space_percent(uint64_t used_bytes, uint64_t size_bytes);

#endif
