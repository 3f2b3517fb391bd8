#include "base/percentile.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void percentiles(uint32_t *samples, uint32_t count, uint32_t *ret_p50, uint32_t *ret_p99)
{
	if (count == 0)
		return;
	qsort(samples, count, sizeof(samples[0]), compare);
	*ret_p50 = samples[count / 2];
	*ret_p99 = samples[(uint64_t)count * 99 / 100];
}
