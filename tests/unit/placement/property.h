/* What placement_property.c and fill.c share. */
#ifndef QUOIN_TESTS_UNIT_PLACEMENT_PROPERTY_H
#define QUOIN_TESTS_UNIT_PLACEMENT_PROPERTY_H

#include "placement/placement.h"

#define GIB (UINT64_C(1) << 30)

extern unsigned violations;
void violation(uint64_t seed, const char *what);

/* `volumes` of random sizes on random pools of many sizes: all are as full as the mean, by 5 %. */
void spread_check(uint64_t seed, unsigned volumes);
/*
 * How long a choice takes, and one that fails, with words and advice; limit_ms is what a volume may take on
 * an idle machine, of which a busy one, or a sanitizer, takes up to LOADED times as much.
 */
void scale_check(uint64_t seed, unsigned nodes, unsigned pools, unsigned limit_ms);

#endif
