/* Sizes as people write them: 10G, 10GiB, 512M; powers of 1024. A bare number is refused, naming both
 * readings. */
#ifndef QUOIN_BASE_SIZE_H
#define QUOIN_BASE_SIZE_H

#include <stdint.h>

#include "base/error.h"

/* -EINVAL with words. The result is what was written, in bytes, not rounded. Suffixes K M G T (and KiB …). */
int size_parse(const char *text, uint64_t *ret_bytes, struct error *error) MUST_CHECK;
#define SIZE_TEXT_LEN 23
/* "10 GiB", "1.5 MiB", "512 B". Returns `text`. */
char *size_format(uint64_t bytes, char text[static SIZE_TEXT_LEN + 1]);

/* A plain number of things, 0 to 999999999, digits alone. -EINVAL, without words: each place has its own. */
int count_parse(const char *text, uint64_t *ret_count) MUST_CHECK;

#endif
