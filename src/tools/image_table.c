/*
 * The table: of each page the newer valid copy. Directory pages are read before the ring, whose images go on
 * from them; grain pages after it, in one pass, so that memory holds only what the ring has and the table has
 * not.
 */
#include "tools/tools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_PAGES 256u

typedef int (*page_fn)(struct image *image, uint32_t page, const uint8_t *block, void *arg);

static bool block_is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, BLOCK_BYTES - 1) == 0;
}

/* The newer valid copy; NULL: none. Bad ones are counted, once. */
static const uint8_t *page_choose(
	struct image *image, uint32_t page, const uint8_t *const copies[2], bool quiet)
{
	const uint8_t *best = NULL;
	uint64_t best_generation = 0, generation;
	bool bad = false;

	for (unsigned copy = 0; copy < 2; copy++) {
		if (page_check(&image->g, page, copy, copies[copy], &generation)) {
			if (!best || generation > best_generation) {
				best = copies[copy];
				best_generation = generation;
			}
		} else if (!block_is_zero(copies[copy])) {
			bad = true;
			image->pages_bad += !quiet;
			if (!quiet)
				finding_add(image, SEVERITY_NOTE, "table",
					geometry_page_offset(&image->g, page, copy), NULL,
					"copy %c of page %u is torn or rotten", copy ? 'B' : 'A', page);
		}
	}
	if (!best && !bad)
		image->pages_empty += !quiet;
	return best;
}

/* Each page of [first, end) that has a valid copy; block NULL where there is none. */
static int pages_walk(struct image *image, uint32_t first, uint32_t end, page_fn fn, void *arg, bool quiet)
{
	uint8_t *buffers[2] = { NULL, NULL };
	void *memory = NULL;
	int rc = 0;

	if (posix_memalign(&memory, BLOCK_BYTES, 2 * (size_t)CHUNK_PAGES * BLOCK_BYTES) != 0)
		return -ENOMEM;
	buffers[0] = memory;
	buffers[1] = buffers[0] + (size_t)CHUNK_PAGES * BLOCK_BYTES;
	for (uint32_t page = first; page < end && rc == 0; page += CHUNK_PAGES) {
		uint32_t count = end - page < CHUNK_PAGES ? end - page : CHUNK_PAGES;

		for (unsigned copy = 0; copy < 2; copy++)
			image_read(image, "table", geometry_page_offset(&image->g, page, copy), buffers[copy],
				(uint64_t)count * BLOCK_BYTES);
		for (uint32_t i = 0; i < count && rc == 0; i++) {
			const uint8_t *copies[2] = { buffers[0] + (size_t)i * BLOCK_BYTES,
				buffers[1] + (size_t)i * BLOCK_BYTES };

			rc = fn(image, page + i, page_choose(image, page + i, copies, quiet), arg);
		}
	}
	free(memory);
	return rc;
}

/* ---- directory ---- */

static int directory_page(struct image *image, uint32_t page, const uint8_t *block, void *arg)
{
	struct directory_record record;
	struct image_replica *replica;
	unsigned units;

	(void)arg;
	if (!block || block[PAGE_HEAD_BYTES] == UNIT_NONE)
		return 0;
	if (directory_decode(block + PAGE_HEAD_BYTES, PAGE_SLOTS, &record, &units) < 0 ||
		record.dir != page - image->g.grain_pages) {
		finding_add(image, SEVERITY_DAMAGE, "directory", geometry_page_offset(&image->g, page, 0),
			NULL, "page %u is valid and its record makes no sense", page);
		return 0;
	}
	if (record.layer == 0)
		return 0;
	replica = image_replica_new(image, &record);
	if (!replica)
		return -ENOMEM;
	replica->in_table = true;
	return 0;
}

int image_directory_load(struct image *image)
{
	image->dir = calloc(image->g.dir_pages, sizeof(struct image_replica *));
	if (!image->dir)
		return -ENOMEM;
	return pages_walk(image, image->g.grain_pages, image->g.grain_pages + image->g.dir_pages,
		directory_page, NULL, false);
}

/* ---- slots ---- */

struct slots_walk {
	image_slot_fn fn;
	void *arg;
	bool quiet;
};

/* The layer's record that a unit holds is not looked at yet; its slots are free as far as this program sees.
 */
static bool unit_is_layer(const uint8_t *unit, uint32_t place)
{
	struct layer_record record;

	return unit[0] == UNIT_LAYER && layer_decode(unit, &record) == 0 && record.place == place;
}

static int slot_page(struct image *image, uint32_t page, const uint8_t *block, void *arg)
{
	const struct slots_walk *walk = arg;
	bool extra = page >= image->g.grain_pages;
	uint32_t first =
		extra ? image->g.grain_count + (page - image->g.grain_pages - image->g.dir_pages) * PAGE_SLOTS
		      : page * PAGE_SLOTS;
	int rc = 0;

	for (uint32_t i = 0; i < PAGE_SLOTS && rc == 0; i++) {
		const uint8_t *unit = block ? block + PAGE_HEAD_BYTES + (size_t)i * UNIT_BYTES : NULL;
		uint32_t phys = first + i, said = 0;
		const struct slot *image_slot;
		struct slot slot = { 0 };

		if (!extra && phys >= image->g.grain_count)
			break;
		image_slot = image_slot_find(image, phys);
		if (image_slot)
			slot = *image_slot;
		else if (unit && unit[0] != UNIT_NONE && !unit_is_layer(unit, phys) &&
			 (slot_decode(unit, &said, &slot) < 0 || said != phys)) {
			if (!walk->quiet)
				finding_add(image, SEVERITY_DAMAGE, "table",
					geometry_page_offset(&image->g, page, 0), NULL,
					"page %u is valid and its slot %u makes no sense", page, i);
			continue;
		}
		if (slot.layer != 0)
			rc = walk->fn(image, phys, &slot, walk->arg);
	}
	return rc;
}

static int slots_walk(struct image *image, struct slots_walk *walk, bool quiet)
{
	int rc = pages_walk(image, 0, image->g.grain_pages, slot_page, walk, quiet);

	return rc ? rc
		  : pages_walk(image, image->g.grain_pages + image->g.dir_pages, geometry_pages(&image->g),
			    slot_page, walk, quiet);
}

int image_slots(struct image *image, image_slot_fn fn, void *arg)
{
	struct slots_walk walk = { fn, arg, true };

	return slots_walk(image, &walk, true);
}

/* Whether the replica has this index for the first time; 1: yes, 0: no. */
static int index_is_new(struct image_replica *replica, uint64_t index)
{
	uint64_t bit = UINT64_C(1) << index % 64;

	if (!replica->seen)
		replica->seen = calloc(
			replica->record.identity.size_bytes / GRAIN_BYTES / 64 + 1, sizeof(*replica->seen));
	if (!replica->seen)
		return -ENOMEM;
	if (replica->seen[index / 64] & bit)
		return 0;
	replica->seen[index / 64] |= bit;
	return 1;
}

static int slot_count(struct image *image, uint32_t phys, const struct slot *slot, void *arg)
{
	struct image_replica **cached = arg;
	struct image_replica *replica = *cached;
	int rc;

	if (!replica || replica->record.layer != slot->layer)
		*cached = replica = image_replica_of_layer(image, slot->layer);
	if (!replica) {
		image->stale_slots++; /* of a replica that is gone: free */
		return 0;
	}
	rc = slot->index < replica->record.identity.size_bytes / GRAIN_BYTES
		     ? index_is_new(replica, slot->index)
		     : 2;
	if (rc < 0)
		return rc;
	if (rc != 1) {
		finding_add(image, SEVERITY_DAMAGE, "table",
			geometry_page_offset(&image->g, geometry_place_page(&image->g, phys), 0), replica,
			rc == 0 ? "grain %u of the pool says it is grain %u of the replica, and so does "
				  "another"
				: "grain %u of the pool says it is grain %u of the replica, beyond its end",
			phys, slot->index);
		replica->damaged = true;
		return 0;
	}
	image->mapped_count += phys < image->g.grain_count;
	replica->found_count++;
	replica->found_sum += slot_hash(slot, phys);
	replica->block_count += (unsigned)__builtin_popcount(slot->present);
	return 0;
}

int image_slots_load(struct image *image)
{
	struct image_replica *cached = NULL;
	struct slots_walk walk = { slot_count, &cached, false };

	return slots_walk(image, &walk, false);
}
