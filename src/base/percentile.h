/* Medians and the like of a handful of samples. Any thread. */
#ifndef QUOIN_BASE_PERCENTILE_H
#define QUOIN_BASE_PERCENTILE_H

#include <stdint.h>

/* Sorts the samples, and takes the one in the middle and the one at 99 %. Of none it says nothing. */
void percentiles(uint32_t *samples, uint32_t count, uint32_t *ret_p50, uint32_t *ret_p99);

#endif
