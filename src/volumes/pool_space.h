/* Warnings while a pool fills up, at set levels. Pure. */
#ifndef QUOIN_VOLUMES_POOL_SPACE_H
#define QUOIN_VOLUMES_POOL_SPACE_H

#include "store/store.h"
#include "volumes/config.h"

/* Of a pool's room in use: what is left the store keeps for trims and repair. */
#define POOL_FULL_PERCENT 97u

/* At which percentage it is full, or the last warning is due; 0: `level` is 0. Levels grow from 1. */
unsigned pool_space_level_percent(const struct space_warnings *warnings, unsigned level);
/* The level at which it is full: one beyond those of the warnings. */
unsigned pool_space_full_level(const struct space_warnings *warnings);
/*
 * How many of the levels are reached. One that was reached stays so until the use is two percent below it, so
 * that a pool at the edge does not warn every second.
 */
unsigned pool_space_level(
	const struct space_warnings *warnings, unsigned level, uint64_t used_bytes, uint64_t size_bytes);
/* What others than thick volumes can't have of a pool, for level and percent. */
uint64_t pool_space_taken_bytes(const struct pool_info *info);
unsigned pool_space_percent(uint64_t used_bytes, uint64_t size_bytes);

#endif
