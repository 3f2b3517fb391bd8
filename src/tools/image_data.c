/*
 * Every mapped grain against the checksums of its slot. A block that a committed entry in the ring will write
 * again is not damage: the crash came between the data of an apply round and its images.
 */
#include "tools/tools.h"

#include <errno.h>
#include <stdlib.h>

struct data_walk {
	uint8_t *grain;
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *arg;
	uint64_t done;
};

static bool entry_will_write(const struct image_replica *replica, uint64_t offset_bytes)
{
	for (uint32_t i = 0; i < replica->entry_count; i++) {
		const struct image_entry *entry = &replica->entries[i];

		if (entry->seq > replica->record.applied.seq && entry->seq <= replica->commit_seq &&
			offset_bytes >= entry->offset_bytes &&
			offset_bytes - entry->offset_bytes < entry->length_bytes)
			return true;
	}
	return false;
}

static int grain_verify(struct image *image, uint32_t phys, const struct slot *slot, void *arg)
{
	struct data_walk *walk = arg;
	struct image_replica *replica = image_replica_of_layer(image, slot->layer);
	uint64_t place;

	if (!replica || slot->present == 0 || phys >= image->g.grain_count)
		return 0;
	place = geometry_grain_offset(&image->g, phys);
	image_read(image, "grain", place, walk->grain, GRAIN_BYTES);
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		uint64_t offset_bytes = (uint64_t)slot->index * GRAIN_BYTES + (uint64_t)i * BLOCK_BYTES;

		if (!(slot->present & 1u << i))
			continue;
		image->blocks_checked++;
		if (crc32c(walk->grain + (size_t)i * BLOCK_BYTES, BLOCK_BYTES) == slot->crc[i] ||
			entry_will_write(replica, offset_bytes))
			continue;
		image->blocks_rotten++;
		finding_add(image, SEVERITY_DAMAGE, "grain", place + (uint64_t)i * BLOCK_BYTES, replica,
			"the block at %llu of the volume does not match its checksum",
			(unsigned long long)offset_bytes);
	}
	if (walk->progress)
		walk->progress(walk->arg, ++walk->done, image->mapped_count);
	return 0;
}

int image_verify_data(
	struct image *image, void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg)
{
	struct data_walk walk = { .progress = progress, .arg = arg };
	void *memory = NULL;
	int rc;

	if (posix_memalign(&memory, BLOCK_BYTES, GRAIN_BYTES) != 0)
		return -ENOMEM;
	walk.grain = memory;
	rc = image_slots(image, grain_verify, &walk);
	free(memory);
	image->data_checked = rc == 0;
	return rc;
}
