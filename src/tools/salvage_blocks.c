/* Block by block: what is proven to be the newest, and what is not. */
#include "tools/salvage.h"

/* What one replica's table says of the grain; none: nothing. */
struct statement {
	bool is_one;
	uint64_t as_of;
	const struct salvage_grain *grain; /* NULL: there is none, so all of it is zero */
};

static struct statement statement_of(struct salvage_copy *copy, uint32_t index)
{
	struct statement statement = { 0 };

	while (copy->at < copy->grain_count && copy->grains[copy->at].slot.index < index)
		copy->at++;
	if (copy->at < copy->grain_count && copy->grains[copy->at].slot.index == index)
		statement.grain = &copy->grains[copy->at];
	if (copy->is_whole)
		statement.as_of = copy->replica->record.applied.seq;
	if (statement.grain && statement.grain->slot.seq > statement.as_of)
		statement.as_of = statement.grain->slot.seq;
	statement.is_one = copy->is_whole || statement.grain;
	return statement;
}

enum block_read { BLOCK_ZERO, BLOCK_DATA, BLOCK_ROTTEN };

static enum block_read grain_block_read(
	struct salvage *s, unsigned c, const struct salvage_grain *grain, unsigned block)
{
	struct salvage_copy *copy = &s->copies[c];
	uint64_t place;

	if (!grain || !(grain->slot.present & 1u << block))
		return BLOCK_ZERO;
	if (grain->phys >= copy->image->g.grain_count)
		return BLOCK_ROTTEN;
	place = geometry_grain_offset(&copy->image->g, grain->phys) + (uint64_t)block * BLOCK_BYTES;
	image_read(copy->image, "grain", place, s->memory, BLOCK_BYTES);
	if (crc32c(s->memory, BLOCK_BYTES) != grain->slot.crc[block]) {
		copy->rotten_blocks++;
		return BLOCK_ROTTEN;
	}
	copy->taken_blocks++;
	return BLOCK_DATA;
}

/* Its grain may have been written again since: it is looked up in the record, and compared. */
static bool redirect_block_read(
	struct salvage *s, struct salvage_copy *copy, const struct image_entry *entry, uint32_t block)
{
	struct image *image = copy->image;
	struct batch_header h;
	struct reader records;
	struct record record;
	uint64_t place;

	image_read(image, "journal", geometry_ring_offset(&image->g, entry->header_block), s->memory,
		BLOCK_BYTES);
	if (batch_decode(&image->g, entry->header_block, s->memory, &h, &records) < 0)
		return false;
	for (unsigned i = 0; i < h.record_count && record_decode(&records, &record) == 0; i++) {
		if (record.dir != copy->replica->record.dir || record.seq != entry->seq ||
			!epoch_equal(record.epoch, entry->epoch) ||
			block / GRAIN_BLOCKS >= record_grains(&record) ||
			record.fresh[block / GRAIN_BLOCKS] >= image->g.grain_count)
			continue;
		place = geometry_grain_offset(&image->g, record.fresh[block / GRAIN_BLOCKS]) +
			(uint64_t)(block % GRAIN_BLOCKS) * BLOCK_BYTES;
		image_read(image, "grain", place, s->memory, BLOCK_BYTES);
		return crc32c(s->memory, BLOCK_BYTES) == record.crc[block];
	}
	return false;
}

static enum block_read entry_block_read(
	struct salvage *s, const struct salvage_entry *e, uint64_t offset_bytes)
{
	uint32_t block = (uint32_t)((offset_bytes - e->entry->offset_bytes) / BLOCK_BYTES);

	if (e->entry->op != ENTRY_WRITE)
		return BLOCK_ZERO;
	for (unsigned c = 0; c < s->copy_count; c++) {
		struct salvage_copy *copy = &s->copies[c];

		if (!e->copies[c])
			continue;
		if (e->copies[c]->rotten & UINT64_C(1) << block) {
			copy->rotten_blocks++;
			continue;
		}
		if (e->copies[c]->redirected) {
			if (!redirect_block_read(s, copy, e->copies[c], block)) {
				copy->rotten_blocks++;
				continue;
			}
			copy->taken_blocks++;
			return BLOCK_DATA;
		}
		image_read(copy->image, "journal",
			geometry_ring_offset(&copy->image->g, e->copies[c]->payload_block + block), s->memory,
			BLOCK_BYTES);
		copy->taken_blocks++;
		return BLOCK_DATA;
	}
	return BLOCK_ROTTEN;
}

static void near_find(struct salvage *s, uint32_t index)
{
	uint64_t from = (uint64_t)index * GRAIN_BYTES;

	s->near_count = 0;
	for (uint32_t i = 0; i < s->entry_count; i++) {
		const struct image_entry *entry = s->entries[i].entry;

		if ((entry->op == ENTRY_WRITE || entry->op == ENTRY_TRIM || entry->op == ENTRY_ZERO) &&
			entry->offset_bytes < from + GRAIN_BYTES &&
			entry->offset_bytes + entry->length_bytes > from)
			s->near[s->near_count++] = &s->entries[i];
	}
}

static const struct salvage_entry *newest_about(const struct salvage *s, uint64_t offset_bytes)
{
	for (uint32_t i = s->near_count; i-- > 0;) {
		const struct image_entry *entry = s->near[i]->entry;

		if (offset_bytes >= entry->offset_bytes &&
			offset_bytes - entry->offset_bytes < entry->length_bytes)
			return s->near[i];
	}
	return NULL;
}

static int block_give(struct salvage *s, enum block_read read, uint64_t offset_bytes)
{
	if (read == BLOCK_ZERO) {
		s->zero_blocks++;
		return 0;
	}
	s->good_blocks++;
	return s->write(s->arg, offset_bytes, s->memory);
}

/* Into s->memory: the newest content that is intact at all; false: none is. */
static bool older_read(
	struct salvage *s, const struct statement *statements, unsigned block, uint64_t offset_bytes)
{
	const struct salvage_entry *entry = NULL;
	const struct salvage_grain *grain = NULL;
	unsigned owner = 0;

	for (uint32_t i = s->near_count; i-- > 0 && !entry;) {
		const struct image_entry *e = s->near[i]->entry;

		if (offset_bytes >= e->offset_bytes && offset_bytes - e->offset_bytes < e->length_bytes &&
			entry_block_read(s, s->near[i], offset_bytes) == BLOCK_DATA)
			entry = s->near[i];
	}
	for (unsigned c = 0; c < s->copy_count; c++) {
		const struct salvage_grain *g = statements[c].grain;

		if (!g || (grain && g->slot.seq <= grain->slot.seq) ||
			grain_block_read(s, c, g, block) != BLOCK_DATA)
			continue;
		grain = g;
		owner = c;
	}
	if (grain && (!entry || grain->slot.seq >= entry->entry->seq))
		return grain_block_read(s, owner, grain, block) == BLOCK_DATA;
	return entry && entry_block_read(s, entry, offset_bytes) == BLOCK_DATA;
}

/* Nothing proves its newest state. */
static int block_lost(
	struct salvage *s, const struct statement *statements, unsigned block, uint64_t offset_bytes)
{
	bool said = newest_about(s, offset_bytes) != NULL;

	for (unsigned c = 0; c < s->copy_count; c++)
		said |= statements[c].is_one;
	if (s->take_older && older_read(s, statements, block, offset_bytes)) {
		s->older_blocks++;
		s->told(s->arg, SALVAGE_OLDER, offset_bytes);
		return s->write(s->arg, offset_bytes, s->memory);
	}
	s->lost_blocks += said;
	s->unknown_blocks += !said;
	s->told(s->arg, said ? SALVAGE_LOST : SALVAGE_UNKNOWN, offset_bytes);
	return 0;
}

/*
 * A statement holds if nothing about the block can have come after it: no entry of the history that is newer,
 * and none that is missing. One of the very version of such a statement's grain says the same.
 */
static bool statement_holds(
	const struct salvage *s, const struct statement *statement, const struct salvage_entry *newest)
{
	return statement->is_one && statement->as_of >= (newest ? newest->entry->seq : s->low);
}

static bool is_same_version(const struct salvage_grain *a, const struct salvage_grain *b)
{
	return a && b && a->slot.seq == b->slot.seq && a->slot.epoch_number == b->slot.epoch_number &&
	       a->slot.epoch_restart == b->slot.epoch_restart;
}

static bool version_holds(const struct salvage *s, const struct statement *statements, unsigned c,
	const struct salvage_entry *newest)
{
	if (statement_holds(s, &statements[c], newest))
		return true;
	for (unsigned other = 0; other < s->copy_count; other++)
		if (statement_holds(s, &statements[other], newest) &&
			is_same_version(statements[c].grain, statements[other].grain))
			return true;
	return false;
}

static int block_salvage(
	struct salvage *s, const struct statement *statements, uint32_t index, unsigned block)
{
	uint64_t offset_bytes = (uint64_t)index * GRAIN_BYTES + (uint64_t)block * BLOCK_BYTES;
	const struct salvage_entry *newest = newest_about(s, offset_bytes);
	enum block_read read;

	for (unsigned c = 0; c < s->copy_count; c++) {
		if (!version_holds(s, statements, c, newest))
			continue;
		read = grain_block_read(s, c, statements[c].grain, block);
		if (read != BLOCK_ROTTEN)
			return block_give(s, read, offset_bytes);
	}
	if (newest) {
		read = entry_block_read(s, newest, offset_bytes);
		if (read != BLOCK_ROTTEN)
			return block_give(s, read, offset_bytes);
	}
	return block_lost(s, statements, block, offset_bytes);
}

int salvage_run(struct salvage *s)
{
	struct statement statements[SALVAGE_MAX_COPIES];
	int rc = 0;

	for (uint32_t index = 0; index < s->size_bytes / GRAIN_BYTES && rc == 0; index++) {
		for (unsigned c = 0; c < s->copy_count; c++)
			statements[c] = statement_of(&s->copies[c], index);
		near_find(s, index);
		for (unsigned block = 0; block < GRAIN_BLOCKS && rc == 0; block++)
			rc = block_salvage(s, statements, index, block);
	}
	return rc;
}
