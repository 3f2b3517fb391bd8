/* Slots, directory records and the table pages that hold them. */
#include "store/ondisk.h"

#include <errno.h>
#include <string.h>

#define PAGE_MAGIC UINT64_C(0x3147415054555551) /* "QUUTPAG1" */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

/* ---- slots ---- */

void slot_encode(const struct slot *slot, uint32_t phys, uint8_t unit[static UNIT_BYTES])
{
	uint8_t *p = unit;

	p = store_u16(p, UNIT_SLOT); /* and flags */
	p = store_u16(p, 1);         /* units */
	p = store_u32(p, phys);
	p = store_u64(p, slot->layer);
	p = store_u64(p, slot->epoch_number);
	p = store_u64(p, slot->seq);
	p = store_u32(p, slot->index);
	p = store_u32(p, slot->epoch_restart);
	p = store_u16(p, slot->present);
	p = store_u16(p, slot->zero);
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		p = store_u32(p, slot->crc[i]);
	ASSERT(p <= unit + UNIT_BYTES);
	memset(p, 0, (size_t)(unit + UNIT_BYTES - p));
}

int slot_decode(const uint8_t unit[static UNIT_BYTES], uint32_t *ret_phys, struct slot *ret_slot)
{
	struct reader r = reader_init(unit, UNIT_BYTES);
	struct slot slot;
	uint8_t kind = read_u8(&r), flags = read_u8(&r);
	uint16_t units = read_u16(&r);
	uint32_t phys = read_u32(&r);

	slot.layer = read_u64(&r);
	slot.epoch_number = read_u64(&r);
	slot.seq = read_u64(&r);
	slot.index = read_u32(&r);
	slot.epoch_restart = read_u32(&r);
	slot.present = read_u16(&r);
	slot.zero = read_u16(&r);
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		slot.crc[i] = read_u32(&r);
	if (kind != UNIT_SLOT || flags != 0 || units != 1 || !read_zeroes(&r, reader_left(&r)))
		return -EILSEQ;
	*ret_phys = phys;
	*ret_slot = slot;
	return 0;
}

uint64_t slot_hash(const struct slot *slot, uint32_t phys)
{
	uint64_t hash = mix(phys, slot->layer);

	hash = mix(hash, slot->epoch_number);
	hash = mix(hash, slot->seq);
	hash = mix(hash, (uint64_t)slot->index << 32 | slot->epoch_restart);
	hash = mix(hash, (uint64_t)slot->present << 16 | slot->zero);
	for (unsigned i = 0; i < GRAIN_BLOCKS; i += 2)
		hash = mix(hash, (uint64_t)slot->crc[i] << 32 | slot->crc[i + 1]);
	return hash;
}

/* ---- layers ---- */

#define LAYER_IS_SNAPSHOT 1u

static void write_epoch(struct writer *w, struct epoch epoch)
{
	write_u64(w, epoch.number);
	write_u32(w, epoch.restart);
}

static struct epoch read_epoch(struct reader *r)
{
	struct epoch epoch;

	epoch.number = read_u64(r);
	epoch.restart = read_u32(r);
	return epoch;
}

void layer_encode(const struct layer_record *record, uint8_t unit[static UNIT_BYTES])
{
	struct writer w = writer_init(unit, UNIT_BYTES);

	write_u8(&w, UNIT_LAYER);
	write_u8(&w, 0);  /* flags */
	write_u16(&w, 1); /* units */
	write_u32(&w, record->place);
	write_u64(&w, record->number);
	write_u64(&w, record->parent);
	write_u64(&w, record->root);
	write_uuid(&w, record->snapshot);
	write_epoch(&w, record->frozen.epoch);
	write_u32(&w, record->is_snapshot ? LAYER_IS_SNAPSHOT : 0);
	write_u64(&w, record->frozen.seq);
	write_u64(&w, record->grain_count);
	write_u64(&w, record->grain_sum);
	write_zeroes(&w, writer_left(&w));
	ASSERT(!w.failed);
}

int layer_decode(const uint8_t unit[static UNIT_BYTES], struct layer_record *ret_record)
{
	struct reader r = reader_init(unit, UNIT_BYTES);
	struct layer_record record = { 0 };
	uint8_t kind = read_u8(&r), unit_flags = read_u8(&r);
	uint16_t units = read_u16(&r);
	uint32_t flags;

	record.place = read_u32(&r);
	record.number = read_u64(&r);
	record.parent = read_u64(&r);
	record.root = read_u64(&r);
	record.snapshot = read_uuid(&r);
	record.frozen.epoch = read_epoch(&r);
	flags = read_u32(&r);
	record.is_snapshot = flags & LAYER_IS_SNAPSHOT;
	record.frozen.seq = read_u64(&r);
	record.grain_count = read_u64(&r);
	record.grain_sum = read_u64(&r);
	if (kind != UNIT_LAYER || unit_flags != 0 || units != 1 || (flags & ~LAYER_IS_SNAPSHOT) != 0 ||
		record.number == 0 || record.number == UINT64_MAX || record.parent >= record.number ||
		!read_zeroes(&r, reader_left(&r)))
		return -EILSEQ;
	*ret_record = record;
	return 0;
}

uint64_t layer_hash(const struct layer_record *record)
{
	uint8_t unit[UNIT_BYTES];
	struct reader r;
	uint64_t hash = 0;

	layer_encode(record, unit);
	r = reader_init(unit, UNIT_BYTES);
	while (reader_left(&r) > 0)
		hash = mix(hash, read_u64(&r));
	return hash;
}

/* ---- directory records ---- */

#define STATE_INCOMPLETE 1u
#define STATE_RETIRED    2u
#define STATE_THICK      4u
#define STATE_ALL        (STATE_INCOMPLETE | STATE_RETIRED | STATE_THICK)

unsigned directory_encode(
	const struct directory_record *record, uint8_t bytes[static DIRECTORY_MAX_UNITS * UNIT_BYTES])
{
	const struct replica_state *state = &record->state;
	struct writer w = writer_init(bytes, DIRECTORY_MAX_UNITS * UNIT_BYTES), units_w;
	unsigned units;

	ASSERT(record->row_count <= EPOCHS_MAX);
	write_u8(&w, UNIT_DIRECTORY);
	write_u8(&w, 0);  /* flags */
	write_u16(&w, 0); /* units */
	write_u32(&w, record->dir);
	write_u64(&w, record->layer);
	write_uuid(&w, record->identity.replica);
	write_uuid(&w, record->identity.group);
	write_uuid(&w, record->identity.volume);
	write_u64(&w, record->identity.size_bytes);
	write_epoch(&w, state->promise);
	write_u32(&w, state->longest_lease_ms);
	write_u64(&w, state->promise_session);
	write_u64(&w, state->config_number);
	write_u32(&w, (state->incomplete ? STATE_INCOMPLETE : 0) | (state->retired ? STATE_RETIRED : 0) |
			      (record->identity.thick ? STATE_THICK : 0));
	write_epoch(&w, state->since.epoch);
	write_u64(&w, state->since.seq);
	write_epoch(&w, record->applied.epoch);
	write_u32(&w, record->row_count);
	write_u64(&w, record->applied.seq);
	write_u64(&w, record->grain_count);
	write_u64(&w, record->grain_sum);
	write_u64(&w, record->parent);
	write_u64(&w, record->root);
	for (unsigned i = 0; i < record->row_count; i++) {
		write_epoch(&w, record->rows[i].epoch);
		write_u64(&w, record->rows[i].first_seq);
	}
	ASSERT(!w.failed);
	units = (unsigned)((size_t)(w.at - bytes) + UNIT_BYTES - 1) / UNIT_BYTES;
	write_zeroes(&w, (size_t)(bytes + (size_t)units * UNIT_BYTES - w.at));
	units_w = writer_init(bytes + 2, 2);
	write_u16(&units_w, (uint16_t)units);
	return units;
}

int directory_decode(
	const uint8_t *bytes, unsigned unit_count, struct directory_record *ret_record, unsigned *ret_units)
{
	struct reader r = reader_init(bytes, (size_t)unit_count * UNIT_BYTES);
	struct directory_record record = { 0 };
	struct replica_state *state = &record.state;
	uint8_t kind = read_u8(&r), unit_flags = read_u8(&r);
	uint16_t units = read_u16(&r);
	uint32_t flags;

	if (kind != UNIT_DIRECTORY || unit_flags != 0 || units == 0 || units > unit_count ||
		units > DIRECTORY_MAX_UNITS)
		return -EILSEQ;
	r.end = bytes + (size_t)units * UNIT_BYTES;
	record.dir = read_u32(&r);
	record.layer = read_u64(&r);
	record.identity.replica = read_uuid(&r);
	record.identity.group = read_uuid(&r);
	record.identity.volume = read_uuid(&r);
	record.identity.size_bytes = read_u64(&r);
	state->promise = read_epoch(&r);
	state->longest_lease_ms = read_u32(&r);
	state->promise_session = read_u64(&r);
	state->config_number = read_u64(&r);
	flags = read_u32(&r);
	state->incomplete = flags & STATE_INCOMPLETE;
	state->retired = flags & STATE_RETIRED;
	record.identity.thick = flags & STATE_THICK;
	state->since.epoch = read_epoch(&r);
	state->since.seq = read_u64(&r);
	record.applied.epoch = read_epoch(&r);
	record.row_count = read_u32(&r);
	record.applied.seq = read_u64(&r);
	record.grain_count = read_u64(&r);
	record.grain_sum = read_u64(&r);
	record.parent = read_u64(&r);
	record.root = read_u64(&r);
	if (record.row_count > EPOCHS_MAX || (flags & ~STATE_ALL) != 0)
		return -EILSEQ;
	for (unsigned i = 0; i < record.row_count; i++) {
		record.rows[i].epoch = read_epoch(&r);
		record.rows[i].first_seq = read_u64(&r);
	}
	if (r.failed || (record.layer != 0 && record.parent >= record.layer) ||
		record.identity.size_bytes > VOLUME_MAX_BYTES ||
		record.identity.size_bytes % GRAIN_BYTES != 0)
		return -EILSEQ;
	*ret_record = record;
	*ret_units = units;
	return 0;
}

uint64_t directory_hash(const struct directory_record *record)
{
	uint8_t bytes[DIRECTORY_MAX_UNITS * UNIT_BYTES];
	unsigned units;
	uint64_t hash = 0;
	struct reader r;

	if (record->layer == 0)
		return 0;
	units = directory_encode(record, bytes);
	r = reader_init(bytes, (size_t)units * UNIT_BYTES);
	while (reader_left(&r) > 0)
		hash = mix(hash, read_u64(&r));
	return hash;
}

/* ---- table pages ---- */

void page_seal(const struct geometry *g, uint32_t page, unsigned copy, uint64_t generation,
	uint8_t block[static BLOCK_BYTES])
{
	struct writer w = writer_init(block, PAGE_HEAD_BYTES), sum;

	write_u64(&w, PAGE_MAGIC);
	write_u32(&w, 0);
	write_u32(&w, 0); /* the checksum */
	write_u64(&w, generation);
	write_u32(&w, page);
	write_zeroes(&w, writer_left(&w));
	sum = writer_init(block + 12, 4);
	write_u32(&sum, block_sum(g->salt, geometry_page_offset(g, page, copy), block));
}

bool page_check(const struct geometry *g, uint32_t page, unsigned copy,
	const uint8_t block[static BLOCK_BYTES], uint64_t *ret_generation)
{
	struct reader r = reader_init(block, PAGE_HEAD_BYTES);
	uint64_t magic = read_u64(&r), generation;
	uint32_t reserved = read_u32(&r), sum = read_u32(&r);

	generation = read_u64(&r);
	if (magic != PAGE_MAGIC || reserved != 0 || read_u32(&r) != page)
		return false;
	if (sum != block_sum(g->salt, geometry_page_offset(g, page, copy), block))
		return false;
	*ret_generation = generation;
	return true;
}
