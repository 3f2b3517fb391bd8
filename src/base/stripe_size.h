/* How large the shards of a volume are: docs/protocol.md, "Shards". */
#ifndef QUOIN_BASE_STRIPE_SIZE_H
#define QUOIN_BASE_STRIPE_SIZE_H

#include <stdint.h>

/* What each shard, and each of its replicas, of a volume of so many bytes holds; with one shard: all. */
static inline uint64_t shard_size_bytes(uint64_t size_bytes, unsigned shard_count, uint64_t stripe_bytes)
{
	uint64_t row_bytes = stripe_bytes * shard_count;

	if (shard_count <= 1)
		return size_bytes;
	return (size_bytes + row_bytes - 1) / row_bytes * stripe_bytes;
}

#endif
