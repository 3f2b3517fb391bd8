/* What of a volume takes space, as the local replica knows it: for fronts that tell their clients. */
#include "datapath/stripe.h"

/* Grains that one call looks at: a moment's work. */
#define EXTENT_MAX_GRAINS 4096u

/* The local replica, if what it shows now is the volume's newest state; else NULL. */
static struct host *local_view(struct volume *volume)
{
	uint64_t now_ns = datapath_now_ns(volume->datapath);
	struct coordinator_status status;

	if (!volume->coordinator || volume->state != VOLUME_SERVING || volume->spec.reads_quorum)
		return NULL;
	coordinator_status_get(volume->coordinator, now_ns, &status);
	if (!status.has_quorum)
		return NULL;
	for (unsigned i = 0; i < volume->spec.voter_count; i++) {
		struct host *host = volume->voters[i].host;

		if (!volume->voters[i].link || !host || host->failed)
			continue;
		if (replica_may_read(
			    host->machine, volume->spec.epoch, volume->spec.session, status.commit_seq) != 0)
			return NULL;
		host_poll(host); /* what may be read is told to the store first */
		return host;
	}
	return NULL;
}

static bool block_is_hole(const struct pool_replica *store, uint64_t block)
{
	uint16_t present = pool_replica_grain_present(store, block / GRAIN_BLOCKS);

	return (present & 1u << block % GRAIN_BLOCKS) == 0;
}

/* The end of the blocks from `block` on that are like it, in whole grains where all of one is. */
static uint64_t run_end(const struct pool_replica *store, uint64_t block, uint64_t end, bool is_hole)
{
	uint16_t same = is_hole ? 0 : UINT16_MAX;

	for (unsigned looked = 0; looked < EXTENT_MAX_GRAINS && block < end; looked++) {
		uint64_t index = block / GRAIN_BLOCKS;
		uint16_t present;

		if (is_hole && block % GRAIN_BLOCKS == 0) {
			uint64_t next = pool_replica_grain_next(store, index);

			if (next > index) {
				block = next < end / GRAIN_BLOCKS + 1 ? next * GRAIN_BLOCKS : end;
				continue;
			}
		}
		present = pool_replica_grain_present(store, index);
		if (present == same && block % GRAIN_BLOCKS == 0) {
			block += GRAIN_BLOCKS;
			continue;
		}
		for (; block / GRAIN_BLOCKS == index; block++)
			if (((present & 1u << block % GRAIN_BLOCKS) == 0) != is_hole)
				return block < end ? block : end;
	}
	return block < end ? block : end;
}

struct extent volume_extent(struct volume *volume, uint64_t offset_bytes, uint64_t max_bytes)
{
	struct extent extent = { .length_bytes = max_bytes };
	uint64_t block = offset_bytes / BLOCK_BYTES;
	struct host *host;

	ASSERT(offset_bytes % BLOCK_BYTES == 0 && max_bytes % BLOCK_BYTES == 0 && max_bytes > 0);
	ASSERT(offset_bytes < volume->spec.size_bytes && max_bytes <= volume->spec.size_bytes - offset_bytes);
	if (volume->stripe)
		return stripe_extent(volume, offset_bytes, max_bytes);
	host = local_view(volume);
	if (!host)
		return extent;
	extent.is_hole = block_is_hole(host->store, block);
	extent.length_bytes =
		(run_end(host->store, block, block + max_bytes / BLOCK_BYTES, extent.is_hole) - block) *
		BLOCK_BYTES;
	return extent;
}
