/* Private to fingerprint: reads at depth. */
#ifndef QUOIN_FINGERPRINT_MEASURE_DEPTH_H
#define QUOIN_FINGERPRINT_MEASURE_DEPTH_H

#include "fingerprint/fingerprint.h"

/* Random reads of 4 KiB by MEASURE_DEPTH threads until `until_ns`: how many a second. */
int measure_depth(int fd, uint64_t span_bytes, uint64_t until_ns, uint32_t *ret_iops) MUST_CHECK;
/* measure.c: all of it, or -errno. */
int measure_read(int fd, void *to, uint32_t length_bytes, uint64_t offset_bytes) MUST_CHECK;

#endif
