/*
 * The ring, as a recovery would read it: where valid headers stand, how far the tail has moved, what is
 * called durable; then batch after batch from the tail. The first bad one that nothing calls durable is the
 * torn tail, which is no damage.
 */
#include "tools/tools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_BLOCKS 1024u

static uint64_t ring_offset(const struct image *image, uint32_t block)
{
	return geometry_ring_offset(&image->g, block);
}

static const uint8_t *window_get(struct image *image, uint32_t block, uint32_t count)
{
	uint32_t left = image->g.ring_blocks - block;

	ASSERT(count <= WINDOW_BLOCKS && count <= left);
	if (block < image->window_block || block + count > image->window_block + image->window_count) {
		image->window_block = block;
		image->window_count = left < WINDOW_BLOCKS ? left : WINDOW_BLOCKS;
		image_read(image, "journal", ring_offset(image, block), image->window,
			(uint64_t)image->window_count * BLOCK_BYTES);
	}
	return image->window + (size_t)(block - image->window_block) * BLOCK_BYTES;
}

/* ---- first reading ---- */

static bool is_leftover(const struct image *image, const struct image_batch *batch)
{
	return batch->number >= image->sb.first && batch->open_count < image->sb.open_count;
}

static void ring_scan(struct image *image)
{
	image->claim = image->sb.first - 1;
	for (uint32_t block = 0; block < image->g.ring_blocks; block++) {
		struct image_batch *batch = &image->batches[block];
		struct batch_header h;
		struct reader records;

		if (batch_decode(&image->g, block, window_get(image, block, 1), &h, &records) < 0)
			continue;
		*batch = (struct image_batch){ h.number, h.open_count, h.tail, h.durable, h.tail_block };
		if (is_leftover(image, batch)) {
			image->leftovers++;
			*batch = (struct image_batch){ 0 };
			continue;
		}
		if (h.durable > image->claim)
			image->claim = h.durable;
		if (h.tail > image->tail) {
			image->tail = h.tail;
			image->tail_block = h.tail_block;
		}
	}
}

/* ---- second reading ---- */

/*
 * Where batch `number` stands: behind the former one, or at the ring's beginning; of both the newer open's,
 * for the older is one that was never answered, and given up. UINT32_MAX: nowhere.
 */
static uint32_t batch_place(
	const struct image *image, uint64_t number, uint32_t expected, uint64_t open_count)
{
	uint32_t places[2] = { expected % image->g.ring_blocks, 0 }, best = UINT32_MAX;

	for (unsigned i = 0; i < 2; i++) {
		const struct image_batch *batch = &image->batches[places[i]];

		if (batch->number != number || batch->open_count < open_count)
			continue;
		if (best == UINT32_MAX || batch->open_count > image->batches[best].open_count)
			best = places[i];
	}
	return best;
}

static uint32_t batch_after(const struct image *image, uint64_t number)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t block = 0; block < image->g.ring_blocks; block++) {
		uint64_t found = image->batches[block].number;

		if (found > number && (best == UINT32_MAX || found < image->batches[best].number))
			best = block;
	}
	return best;
}

static bool grains_exist(const struct image *image, const struct record *record)
{
	for (uint32_t i = 0; i < record_grains(record); i++)
		if (record->fresh[i] >= image->g.grain_count)
			return false;
	return true;
}

/* Whether records and lengths agree, and, with `payloads`, every checksum. */
static bool batch_is_whole(struct image *image, const struct batch_header *h, struct reader records,
	const uint8_t *payload, bool payloads)
{
	uint32_t blocks = 1;
	struct record record;

	for (unsigned i = 0; i < h->record_count; i++) {
		uint32_t count;

		if (record_decode(&records, &record) < 0)
			return false;
		count = record_payload_blocks(&record);
		if (blocks + count > h->blocks)
			return false;
		if (payloads &&
			!image_payload_is_intact(&record, payload + (size_t)(blocks - 1) * BLOCK_BYTES))
			return false;
		if (!grains_exist(image, &record) || (payloads && !image_redirect_is_intact(image, &record)))
			return false;
		blocks += count;
	}
	return blocks == h->blocks;
}

static void all_damaged(struct image *image)
{
	for (uint32_t dir = 0; dir < image->g.dir_pages; dir++)
		if (image->dir[dir])
			image->dir[dir]->damaged = true;
}

/* The walk's place: the next number, where it is expected, and what the former one was. */
struct walk {
	uint64_t number, open_count;
	uint32_t expected;
	bool lost_former;
};

/* Batch walk->number is not there although it was durable. False: nothing follows. */
static bool walk_skip(struct image *image, struct walk *walk, bool quiet)
{
	uint32_t next = batch_after(image, walk->number);

	if (!quiet)
		finding_add(image, SEVERITY_DAMAGE, "journal", UINT64_MAX, NULL,
			"batch %llu was durable and is not there%s", (unsigned long long)walk->number,
			next == UINT32_MAX ? ", nor any behind it" : "");
	if (next == UINT32_MAX || image->batches[next].number > walk->number + 1)
		all_damaged(image);
	if (next == UINT32_MAX)
		return false;
	walk->number = image->batches[next].number;
	walk->expected = next;
	walk->lost_former = true;
	return true;
}

/* Takes the batch that stands at `block`; 1: it is the torn tail. */
static int walk_batch(
	struct image *image, struct walk *walk, uint32_t block, image_batch_fn fn, void *arg, bool quiet)
{
	struct batch_header h;
	struct reader records;
	const uint8_t *bytes = window_get(image, block, 1);
	int rc = 0;

	if (batch_decode(&image->g, block, bytes, &h, &records) < 0)
		return -EIO; /* it was valid when it was scanned */
	bytes = window_get(image, block, h.blocks);
	if (batch_decode(&image->g, block, bytes, &h, &records) < 0)
		return -EIO;
	if (batch_is_whole(image, &h, records, bytes + BLOCK_BYTES, h.number > image->claim)) {
		rc = fn(image, &h, records, block, bytes + BLOCK_BYTES, arg);
	} else if (h.number > image->claim) {
		return 1;
	} else if (!quiet) {
		finding_add(image, SEVERITY_DAMAGE, "journal", ring_offset(image, block), NULL,
			"batch %llu was durable and its records make no sense", (unsigned long long)h.number);
		image_names_damaged(image, h.names, h.name_count);
	}
	if (walk->lost_former && !quiet)
		image_names_damaged(image, h.former, h.former_count);
	walk->lost_former = false;
	walk->open_count = h.open_count;
	walk->number = h.number + 1;
	walk->expected = block + h.blocks;
	return rc;
}

static int ring_walk(struct image *image, image_batch_fn fn, void *arg, bool quiet)
{
	struct walk walk = { .number = image->tail, .expected = image->tail_block };
	int rc = 0;

	image->window_count = 0;
	while (rc == 0) {
		uint32_t block = batch_place(image, walk.number, walk.expected, walk.open_count);

		if (block != UINT32_MAX)
			rc = walk_batch(image, &walk, block, fn, arg, quiet);
		else if (walk.number > image->claim || !walk_skip(image, &walk, quiet))
			break;
	}
	image->end = walk.number;
	return rc < 0 ? rc : 0;
}

int image_batches(struct image *image, image_batch_fn fn, void *arg)
{
	return image->tail == 0 ? 0 : ring_walk(image, fn, arg, true);
}

static void torn_count(struct image *image)
{
	for (uint32_t block = 0; block < image->g.ring_blocks; block++)
		if (image->batches[block].number >= image->end)
			image->torn_batches++;
	if (image->torn_batches > 0)
		finding_add(image, SEVERITY_NOTE, "journal", UINT64_MAX, NULL,
			"%u batches from %llu on were never answered and are dropped by the next open",
			image->torn_batches, (unsigned long long)image->end);
}

int image_ring_load(struct image *image)
{
	int rc;

	image->batches = calloc(image->g.ring_blocks, sizeof(*image->batches));
	image->orphans = calloc(image->g.dir_pages, sizeof(*image->orphans));
	if (!image->batches || !image->orphans)
		return -ENOMEM;
	ring_scan(image);
	if (image->tail == 0) {
		image->tail = image->end = image->sb.first;
		if (image->sb.first > 1) {
			finding_add(image, SEVERITY_DAMAGE, "journal", ring_offset(image, 0), NULL,
				"there is not one valid batch, but there were %llu",
				(unsigned long long)image->sb.first - 1);
			all_damaged(image);
		}
		return 0;
	}
	rc = ring_walk(image, image_batch_take, NULL, false);
	if (rc == 0)
		torn_count(image);
	return rc;
}
