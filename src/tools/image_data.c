/*
 * Every mapped grain against the checksums of its slot. A block that a committed entry in the ring will write
 * again is not damage: the crash came between the data of an apply round and its images.
 */
#include "tools/tools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct data_walk {
	uint8_t *grain;
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *arg;
	uint64_t done;
};

/* A committed entry that is newer than `seq` and not applied. */
static bool entry_will_write(const struct image_replica *replica, uint64_t offset_bytes, uint64_t seq)
{
	for (uint32_t i = 0; i < replica->entry_count; i++) {
		const struct image_entry *entry = &replica->entries[i];

		if (entry->seq > replica->record.applied.seq && entry->seq > seq &&
			entry->seq <= replica->commit_seq && offset_bytes >= entry->offset_bytes &&
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
			entry_will_write(replica, offset_bytes, 0))
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

/* ---- redirected grains of entries that are not applied ---- */

static void redirect_verify(
	struct image *image, const struct image_replica *replica, const struct record *record, uint32_t grain)
{
	uint64_t place = geometry_grain_offset(&image->g, record->fresh[grain]);

	image_read(image, "grain", place, image->grain, GRAIN_BYTES);
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		uint32_t block = grain * GRAIN_BLOCKS + i;
		uint64_t offset_bytes = record->offset_bytes + (uint64_t)block * BLOCK_BYTES;

		image->blocks_checked++;
		if (crc32c(image->grain + (size_t)i * BLOCK_BYTES, BLOCK_BYTES) == record->crc[block] ||
			entry_will_write(replica, offset_bytes, record->seq))
			continue;
		image->blocks_rotten++;
		finding_add(image, SEVERITY_DAMAGE, "grain", place + (uint64_t)i * BLOCK_BYTES, replica,
			"the block of entry %llu at %llu of the volume does not match its checksum",
			(unsigned long long)record->seq, (unsigned long long)offset_bytes);
	}
}

/* Whether the log has it still: neither applied, nor cut off, nor carried on to a later batch. */
static bool entry_waits(const struct image_replica *replica, const struct record *record, uint64_t batch)
{
	if (!replica || record->seq <= replica->record.applied.seq)
		return false;
	for (uint32_t i = 0; i < replica->entry_count; i++)
		if (replica->entries[i].seq == record->seq)
			return replica->entries[i].batch == batch &&
			       epoch_equal(replica->entries[i].epoch, record->epoch);
	return false;
}

static int batch_verify(struct image *image, const struct batch_header *h, struct reader records,
	uint32_t block, const uint8_t *payload, void *arg)
{
	struct record record;

	(void)block;
	(void)payload;
	(void)arg;
	for (unsigned i = 0; i < h->record_count && record_decode(&records, &record) == 0; i++) {
		if (record.dir >= image->g.dir_pages ||
			!entry_waits(image->dir[record.dir], &record, h->number))
			continue;
		for (uint32_t grain = 0; grain < record_grains(&record); grain++)
			redirect_verify(image, image->dir[record.dir], &record, grain);
	}
	return 0;
}

bool image_redirect_is_intact(struct image *image, const struct record *record)
{
	uint32_t crcs[GRAIN_BLOCKS];
	bool intact = true;

	for (uint32_t i = 0; i < record_grains(record) && intact; i++) {
		image_read(image, "grain", geometry_grain_offset(&image->g, record->fresh[i]), image->grain,
			GRAIN_BYTES);
		crc32c_blocks(image->grain, GRAIN_BLOCKS, crcs);
		intact = memcmp(crcs, record->crc + (size_t)i * GRAIN_BLOCKS, sizeof(crcs)) == 0;
	}
	return intact;
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
	if (rc == 0)
		rc = image_batches(image, batch_verify, NULL);
	free(memory);
	image->data_checked = rc == 0;
	return rc;
}
