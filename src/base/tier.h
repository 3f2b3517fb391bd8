/* A pool's tier, by its fingerprint or by the operator's word. In order: the higher, the faster. */
#ifndef QUOIN_BASE_TIER_H
#define QUOIN_BASE_TIER_H

#include "base/error.h"

enum tier { TIER_UNKNOWN, TIER_LOW, TIER_MEDIUM, TIER_HIGH };

/* "low", "medium", "high"; "unknown". */
const char *tier_name(enum tier tier);
/* -EINVAL for anything but low, medium, high, with words that name the nearest (error may be NULL). */
int tier_parse(const char *text, enum tier *ret_tier, struct error *error) MUST_CHECK;

#endif
