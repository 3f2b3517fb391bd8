/* Private to fingerprint: the parts of device_check_empty(). */
#ifndef QUOIN_FINGERPRINT_EMPTY_H
#define QUOIN_FINGERPRINT_EMPTY_H

#include <stdint.h>

#include "base/base.h"

/* -EEXIST with the place where the first byte that is not zero was found; looks at 64 MiB at most. */
int zeroes_check(int fd, const char *path, uint64_t size_bytes, struct error *error) MUST_CHECK;

#endif
