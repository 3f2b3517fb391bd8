/* How many shards a volume may have, and how large they are: docs/protocol.md, "Shards". */
#ifndef QUOIN_BASE_STRIPE_SIZE_H
#define QUOIN_BASE_STRIPE_SIZE_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "base/size.h"

#define SHARDS_AUTO UINT32_MAX /* as many as its size asks for: docs/striping.md */

/* "auto", or 1 .. VOLUME_MAX_SHARDS. -EINVAL without words. */
static inline int shards_parse(const char *text, unsigned *ret_shards)
{
	uint64_t number = 0;

	if (strcmp(text, "auto") == 0) {
		*ret_shards = SHARDS_AUTO;
		return 0;
	}
	if (count_parse(text, &number) != 0 || number == 0 || number > VOLUME_MAX_SHARDS)
		return -EINVAL;
	*ret_shards = (unsigned)number;
	return 0;
}

/* What each shard, and each of its replicas, of a volume of so many bytes holds; with one shard: all. */
static inline uint64_t shard_size_bytes(uint64_t size_bytes, unsigned shard_count, uint64_t stripe_bytes)
{
	uint64_t row_bytes = stripe_bytes * shard_count;

	if (shard_count <= 1)
		return size_bytes;
	return (size_bytes + row_bytes - 1) / row_bytes * stripe_bytes;
}

#endif
