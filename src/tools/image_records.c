/*
 * What the records of a batch say, in ring order: images replace slots and replicas' records, entries join
 * logs.
 */
#include "tools/tools.h"

#include <errno.h>

void image_names_damaged(struct image *image, const struct batch_name *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (names[i].dir < image->g.dir_pages && image->dir[names[i].dir])
			image->dir[names[i].dir]->damaged = true;
}

_Static_assert(ENTRY_MAX_BLOCKS <= 64, "a bit for each block of a payload");

/* A bit for each block that doesn't match. */
static uint64_t payload_rotten(const struct record *record, const uint8_t *payload)
{
	uint32_t blocks = record_payload_blocks(record);
	uint64_t rotten = 0;

	for (uint32_t i = 0; record->kind == RECORD_WRITE && i < blocks; i++)
		if (crc32c(payload + (size_t)i * BLOCK_BYTES, BLOCK_BYTES) != record->crc[i])
			rotten |= UINT64_C(1) << i;
	return rotten;
}

bool image_payload_is_intact(const struct record *record, const uint8_t *payload)
{
	uint32_t blocks = record_payload_blocks(record);

	if (record->kind == RECORD_IMAGES)
		return crc32c(payload, (size_t)blocks * BLOCK_BYTES) == record->sum;
	return payload_rotten(record, payload) == 0;
}

/* ---- what a batch says ---- */

/*
 * An end comes as a record of its own before another replica takes the place. So where entries came without a
 * record, or another replica's record stands there, and no end, a page was lost, and entries with it: told of
 * who is there at the ring's end, for the page may only be newer than this part of the ring.
 */
static struct image_replica *take_new_replica(struct image *image, const struct directory_record *record)
{
	bool lost = image->orphans[record->dir] || image->dir[record->dir];
	struct image_replica *replica;

	image_replica_free(image->dir[record->dir]);
	image->dir[record->dir] = NULL;
	image->orphans[record->dir] = false;
	if (record->layer == 0)
		return NULL;
	replica = image_replica_new(image, record);
	if (replica && lost)
		replica->page_lost = replica->damaged = true;
	return replica;
}

static int take_directory(struct image *image, const struct directory_record *record)
{
	struct image_replica *replica;

	if (record->dir >= image->g.dir_pages)
		return 0;
	replica = image->dir[record->dir];
	if (!replica || record->layer == 0 ||
		!uuid_equal(replica->record.identity.replica, record->identity.replica)) {
		replica = take_new_replica(image, record);
		if (!replica)
			return record->layer == 0 ? 0 : -ENOMEM;
	}
	if (replica->record.state.incomplete && !record->state.incomplete) {
		/* Its group has made it whole since: what was found further back is no damage any more. */
		replica->damaged = replica->page_lost = false;
		replica->rotten_seq = 0;
	}
	replica->record = *record;
	replica->in_table = false;
	return 0;
}

static int take_images(struct image *image, const struct record *record, const uint8_t *payload)
{
	int rc = 0;

	for (uint32_t unit = 0; unit < record->units && rc == 0;) {
		const uint8_t *at = payload + (size_t)unit * UNIT_BYTES;
		struct directory_record directory;
		struct layer_record layer;
		struct slot slot;
		uint32_t phys;
		unsigned units = 1;

		if (at[0] == UNIT_SLOT && slot_decode(at, &phys, &slot) == 0 &&
			phys < geometry_places(&image->g))
			rc = image_slot_set(image, phys, &slot);
		else if (at[0] == UNIT_LAYER && layer_decode(at, &layer) == 0 &&
			 layer.place < geometry_places(&image->g))
			rc = image_slot_set(image, layer.place, &(struct slot){ 0 });
		else if (at[0] == UNIT_DIRECTORY &&
			 directory_decode(at, record->units - unit, &directory, &units) == 0)
			rc = take_directory(image, &directory);
		unit += units;
	}
	return rc;
}

static int take_entry(struct image *image, const struct record *record, uint64_t batch, uint32_t header_block,
	uint32_t payload_block, uint64_t rotten)
{
	struct image_replica *replica = image->dir[record->dir];
	struct image_entry entry = { .epoch = record->epoch,
		.seq = record->seq,
		.op = record->op,
		.offset_bytes = record->offset_bytes,
		.length_bytes = record->length_bytes,
		.batch = batch,
		.payload_block = payload_block,
		.header_block = header_block,
		.redirected = record_grains(record) > 0,
		.rotten = rotten };

	if (!replica)
		image->orphans[record->dir] = true;
	if (!replica || record->offset_bytes + record->length_bytes > replica->record.identity.size_bytes)
		return 0;
	return image_entry_add(image, replica, &entry);
}

static void take_truncate(struct image *image, const struct record *record)
{
	struct image_replica *replica = image->dir[record->dir];

	if (!replica) {
		image->orphans[record->dir] = true;
		return;
	}
	image_entries_cut(replica, record->seq);
	if (replica->commit_seq > record->seq)
		replica->commit_seq = record->seq;
	if (replica->rotten_seq > record->seq)
		replica->rotten_seq = 0;
}

static void take_rotten(
	struct image *image, const struct batch_header *h, const struct record *record, uint32_t block)
{
	struct image_replica *replica = image->dir[record->dir];

	if (record->kind == RECORD_IMAGES) {
		finding_add(image, SEVERITY_DAMAGE, "journal", geometry_ring_offset(&image->g, block), NULL,
			"images of batch %llu are rotten", (unsigned long long)h->number);
		image_names_damaged(image, h->names, h->name_count);
	} else if (replica && replica->rotten_seq < record->seq) {
		replica->rotten_seq = record->seq;
	}
}

int image_batch_take(struct image *image, const struct batch_header *h, struct reader records, uint32_t block,
	const uint8_t *payload, void *arg)
{
	uint32_t at = 0;
	struct record record;
	int rc = 0;

	(void)arg;
	for (unsigned i = 0; i < h->record_count && rc == 0; i++) {
		const uint8_t *bytes = payload + (size_t)at * BLOCK_BYTES;
		uint32_t place = block + 1 + at;
		bool intact;

		if (record_decode(&records, &record) < 0)
			break;
		at += record_payload_blocks(&record);
		if (record.dir >= image->g.dir_pages)
			continue;
		intact = image_payload_is_intact(&record, bytes);
		if (!intact)
			take_rotten(image, h, &record, place);
		if (record.kind == RECORD_IMAGES && intact)
			rc = take_images(image, &record, bytes);
		else if (record.kind == RECORD_TRUNCATE)
			take_truncate(image, &record);
		else if (record_is_entry(&record))
			rc = take_entry(image, &record, h->number, block, place,
				intact ? 0 : payload_rotten(&record, bytes));
	}
	for (unsigned i = 0; i < h->name_count; i++) {
		struct image_replica *replica =
			h->names[i].dir < image->g.dir_pages ? image->dir[h->names[i].dir] : NULL;

		if (replica && replica->commit_seq < h->names[i].commit_seq)
			replica->commit_seq = h->names[i].commit_seq;
	}
	image->directory_sum = h->directory_sum;
	image->sum_known = true;
	return rc;
}
