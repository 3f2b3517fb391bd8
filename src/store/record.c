/*
 * A batch: one header block, then the payload of its records in their order.
 *
 *   header: magic, sum, number, open count, length, tail, durable, directory sum | names | former names |
 * records
 *
 * The header is checked by its own sum, a write's payload by its block checksums, images by a sum in their
 * record.
 */
#include "store/ondisk.h"

#include <errno.h>
#include <string.h>

#define BATCH_MAGIC        UINT64_C(0x3148435442555551) /* "QUUBTCH1" */
#define HEADER_FIXED_BYTES 80u
#define NAME_BYTES         20u
#define RECORD_MAX_BYTES   (64u + 16u + 4u * ENTRY_MAX_BLOCKS + 4u * REDIRECT_MAX_GRAINS)

#define ENTRY_STEWARD 1u

void batch_begin(struct batch_writer *w, uint8_t block[static BLOCK_BYTES], unsigned former_count)
{
	ASSERT(former_count <= HEADER_MAX_NAMED);
	w->block = block;
	w->record_bytes = 0;
	w->record_count = 0;
	/* Room for all names is kept, so that adding one never overflows. */
	w->limit_bytes = BLOCK_BYTES - HEADER_FIXED_BYTES - NAME_BYTES * (former_count + HEADER_MAX_NAMED);
}

bool record_is_entry(const struct record *record)
{
	return record->kind == RECORD_WRITE || record->kind == RECORD_REDIRECT || record->kind == RECORD_OP;
}

uint32_t record_grains(const struct record *record)
{
	return record->kind == RECORD_REDIRECT ? (uint32_t)(record->length_bytes / GRAIN_BYTES) : 0;
}

uint32_t record_payload_blocks(const struct record *record)
{
	switch (record->kind) {
	case RECORD_WRITE:
		return (uint32_t)(record->length_bytes / BLOCK_BYTES);
	case RECORD_IMAGES:
		return (uint32_t)(((uint64_t)record->units * UNIT_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES);
	case RECORD_REDIRECT:
	case RECORD_OP:
	case RECORD_TRUNCATE:
		return 0;
	}
	return 0;
}

void record_of_entry(const struct entry *entry, uint32_t dir, struct record *ret_record)
{
	ret_record->kind = entry->op == ENTRY_WRITE ? RECORD_WRITE : RECORD_OP;
	ret_record->dir = dir;
	ret_record->seq = entry->seq;
	ret_record->epoch = entry->epoch;
	ret_record->op = entry->op;
	ret_record->offset_bytes = entry->offset_bytes;
	ret_record->length_bytes = entry->length_bytes;
	ret_record->request_id = entry->request_id;
	ret_record->request_part = entry->request_part;
	ret_record->steward = entry->steward;
	ret_record->attachment = entry->attachment;
	if (entry->op == ENTRY_WRITE)
		memcpy(ret_record->crc, entry->crc,
			entry->length_bytes / BLOCK_BYTES * sizeof(entry->crc[0]));
}

void entry_of_record(const struct record *record, struct entry *entry)
{
	entry->op = record->op;
	entry->epoch = record->epoch;
	entry->seq = record->seq;
	entry->offset_bytes = record->offset_bytes;
	entry->length_bytes = record->length_bytes;
	entry->request_id = record->request_id;
	entry->request_part = record->request_part;
	entry->steward = record->steward;
	entry->attachment = record->attachment;
	if (record->op == ENTRY_WRITE)
		memcpy(entry->crc, record->crc, record->length_bytes / BLOCK_BYTES * sizeof(entry->crc[0]));
}

/* Checksums in a record: of the blocks of a write. */
static uint32_t record_crc_count(const struct record *record)
{
	return record->op == ENTRY_WRITE ? (uint32_t)(record->length_bytes / BLOCK_BYTES) : 0;
}

static void entry_encode(struct writer *w, const struct record *record)
{
	uint32_t crc_count = record_crc_count(record);

	write_u64(w, record->seq);
	write_u64(w, record->epoch.number);
	write_u32(w, record->epoch.restart);
	write_u32(w, record->request_part);
	write_u64(w, record->offset_bytes);
	write_u64(w, record->length_bytes);
	write_u64(w, record->request_id);
	write_u32(w, record->steward ? ENTRY_STEWARD : 0);
	if (entry_op_has_uuid(record->op))
		write_uuid(w, record->attachment);
	for (uint32_t i = 0; i < crc_count; i++)
		write_u32(w, record->crc[i]);
	for (uint32_t i = 0; i < record_grains(record); i++)
		write_u32(w, record->fresh[i]);
}

bool batch_add(struct batch_writer *w, const struct record *record)
{
	uint8_t bytes[RECORD_MAX_BYTES];
	struct writer rw = writer_init(bytes, sizeof(bytes)), size_w;
	uint32_t size;

	write_u8(&rw, (uint8_t)record->kind);
	write_u8(&rw, record_is_entry(record) ? (uint8_t)record->op : 0);
	write_u16(&rw, 0); /* the size */
	write_u32(&rw, record->dir);
	switch (record->kind) {
	case RECORD_WRITE:
	case RECORD_REDIRECT:
	case RECORD_OP:
		entry_encode(&rw, record);
		break;
	case RECORD_TRUNCATE:
		write_u64(&rw, record->seq);
		break;
	case RECORD_IMAGES:
		write_u32(&rw, record->units);
		write_u32(&rw, record->sum);
		break;
	}
	ASSERT(!rw.failed);
	size = (uint32_t)(rw.at - bytes);
	if (w->record_bytes + size > w->limit_bytes)
		return false;
	size_w = writer_init(bytes + 2, 2);
	write_u16(&size_w, (uint16_t)size);
	memcpy(w->records + w->record_bytes, bytes, size);
	w->record_bytes += size;
	w->record_count++;
	return true;
}

static void names_encode(struct writer *w, const struct batch_name *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		write_u32(w, names[i].dir);
		write_u64(w, names[i].seq);
		write_u64(w, names[i].commit_seq);
	}
}

void batch_seal(
	struct batch_writer *bw, const struct geometry *g, uint32_t ring_block, const struct batch_header *h)
{
	struct writer w = writer_init(bw->block, BLOCK_BYTES), sum;

	ASSERT(h->name_count <= HEADER_MAX_NAMED);
	ASSERT(h->durable < h->number);
	write_u64(&w, BATCH_MAGIC);
	write_u32(&w, 0);
	write_u32(&w, 0); /* the checksum */
	write_u64(&w, h->number);
	write_u64(&w, h->open_count);
	write_u32(&w, h->blocks);
	write_u32(&w, h->tail_block);
	write_u64(&w, h->tail);
	write_u64(&w, h->durable);
	write_u64(&w, h->directory_sum);
	write_u16(&w, (uint16_t)h->name_count);
	write_u16(&w, (uint16_t)h->former_count);
	write_u16(&w, (uint16_t)bw->record_count);
	write_u16(&w, 0);
	write_u64(&w, h->layer_sum);
	ASSERT(w.at == bw->block + HEADER_FIXED_BYTES);
	names_encode(&w, h->names, h->name_count);
	names_encode(&w, h->former, h->former_count);
	write_bytes(&w, bw->records, bw->record_bytes);
	ASSERT(!w.failed);
	write_zeroes(&w, writer_left(&w));
	sum = writer_init(bw->block + 12, 4);
	write_u32(&sum, block_sum(g->salt, geometry_ring_offset(g, ring_block), bw->block));
}

static void names_decode(struct reader *r, struct batch_name *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		names[i].dir = read_u32(r);
		names[i].seq = read_u64(r);
		names[i].commit_seq = read_u64(r);
	}
}

int batch_decode(const struct geometry *g, uint32_t ring_block, const uint8_t block[static BLOCK_BYTES],
	struct batch_header *ret_header, struct reader *ret_records)
{
	struct reader r = reader_init(block, BLOCK_BYTES);
	struct batch_header *h = ret_header;
	uint64_t magic = read_u64(&r);
	uint32_t sum;

	if (magic != BATCH_MAGIC || read_u32(&r) != 0)
		return -EILSEQ;
	sum = read_u32(&r);
	if (sum != block_sum(g->salt, geometry_ring_offset(g, ring_block), block))
		return -EILSEQ;
	h->number = read_u64(&r);
	h->open_count = read_u64(&r);
	h->blocks = read_u32(&r);
	h->tail_block = read_u32(&r);
	h->tail = read_u64(&r);
	h->durable = read_u64(&r);
	h->directory_sum = read_u64(&r);
	h->name_count = read_u16(&r);
	h->former_count = read_u16(&r);
	h->record_count = read_u16(&r);
	if (read_u16(&r) != 0)
		return -EILSEQ;
	h->layer_sum = read_u64(&r);
	if (h->name_count > HEADER_MAX_NAMED || h->former_count > HEADER_MAX_NAMED)
		return -EILSEQ;
	if (h->number == 0 || h->durable >= h->number || h->tail > h->number || h->tail == 0 ||
		h->tail_block >= g->ring_blocks || h->blocks == 0 || h->blocks > BATCH_MAX_BLOCKS ||
		h->blocks > g->ring_blocks - ring_block)
		return -EILSEQ;
	names_decode(&r, h->names, h->name_count);
	names_decode(&r, h->former, h->former_count);
	if (r.failed)
		return -EILSEQ;
	*ret_records = r;
	return 0;
}

static int entry_decode(struct reader *r, struct record *record)
{
	uint32_t flags, crc_count;

	record->seq = read_u64(r);
	record->epoch = (struct epoch){ .number = read_u64(r) };
	record->epoch.restart = read_u32(r);
	record->request_part = read_u32(r);
	record->offset_bytes = read_u64(r);
	record->length_bytes = read_u64(r);
	record->request_id = read_u64(r);
	flags = read_u32(r);
	record->steward = flags & ENTRY_STEWARD;
	if (flags & ~ENTRY_STEWARD)
		return -EILSEQ;
	record->attachment = entry_op_has_uuid(record->op) ? read_uuid(r) : (struct uuid){ 0 };
	if ((record->kind == RECORD_OP) == (record->op == ENTRY_WRITE))
		return -EILSEQ;
	if (record->op == ENTRY_WRITE &&
		(record->length_bytes == 0 || record->length_bytes > ENTRY_MAX_BYTES))
		return -EILSEQ;
	if (record->offset_bytes % BLOCK_BYTES || record->length_bytes % BLOCK_BYTES ||
		record->offset_bytes > VOLUME_MAX_BYTES || record->length_bytes > VOLUME_MAX_BYTES)
		return -EILSEQ;
	if (record->kind == RECORD_REDIRECT &&
		(record->offset_bytes % GRAIN_BYTES || record->length_bytes % GRAIN_BYTES))
		return -EILSEQ;
	crc_count = record_crc_count(record);
	for (uint32_t i = 0; i < crc_count; i++)
		record->crc[i] = read_u32(r);
	for (uint32_t i = 0; i < record_grains(record); i++)
		record->fresh[i] = read_u32(r);
	return 0;
}

int record_decode(struct reader *records, struct record *ret_record)
{
	struct reader r = *records;
	struct record *record = ret_record;
	const uint8_t *start = r.at;
	uint8_t kind = read_u8(&r), op = read_u8(&r);
	uint16_t size = read_u16(&r);
	int rc = 0;

	if (r.failed || size < 8 || size > RECORD_MAX_BYTES || size > reader_left(records))
		return -EILSEQ;
	r.end = start + size;
	record->kind = (enum record_kind)kind;
	record->op = (enum entry_op)op;
	record->dir = read_u32(&r);
	switch (kind) {
	case RECORD_WRITE:
	case RECORD_REDIRECT:
	case RECORD_OP:
		if (!entry_op_is_known(op))
			return -EILSEQ;
		rc = entry_decode(&r, record);
		break;
	case RECORD_TRUNCATE:
		record->seq = read_u64(&r);
		break;
	case RECORD_IMAGES:
		record->units = read_u32(&r);
		record->sum = read_u32(&r);
		if (record->units > (BATCH_MAX_BLOCKS - 1) * (BLOCK_BYTES / UNIT_BYTES))
			return -EILSEQ;
		break;
	default:
		return -EILSEQ;
	}
	if (rc < 0 || r.failed || reader_left(&r) != 0)
		return -EILSEQ;
	records->at = start + size;
	return 0;
}
