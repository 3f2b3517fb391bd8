/* The writer: header, heads of records, end. */
#include "export/format.h"

static void name_write(struct writer *w, const char *name, size_t room_bytes)
{
	size_t len = strlen(name);

	ASSERT(len <= room_bytes);
	write_bytes(w, name, len);
	write_zeroes(w, room_bytes - len);
}

/* The checksum of all that stands before it; there is just room for it. */
static void crc_write(struct writer *w, const uint8_t *bytes, size_t len_bytes)
{
	write_u32(w, crc32c(bytes, len_bytes - EXPORT_CRC_BYTES));
	ASSERT(!w->failed && writer_left(w) == 0);
}

void export_begin(struct export_writer *writer, const struct export_header *header,
	uint8_t ret_bytes[static EXPORT_HEADER_BYTES])
{
	struct writer w = writer_init(ret_bytes, EXPORT_HEADER_BYTES);

	ASSERT(header->size_bytes > 0 && header->size_bytes % BLOCK_BYTES == 0);
	write_bytes(&w, EXPORT_MAGIC, EXPORT_MAGIC_BYTES);
	write_u32(&w, EXPORT_VERSION);
	write_u32(&w, EXPORT_HEADER_BYTES);
	write_u64(&w, header->size_bytes);
	write_u64(&w, header->created_ns);
	write_uuid(&w, header->volume);
	write_uuid(&w, header->snapshot);
	write_uuid(&w, header->since);
	name_write(&w, header->fs, EXPORT_FS_MAX_LEN);
	name_write(&w, header->volume_name, NAME_MAX_LEN);
	name_write(&w, header->snapshot_name, NAME_MAX_LEN);
	name_write(&w, header->since_name, NAME_MAX_LEN);
	write_zeroes(&w, writer_left(&w) - EXPORT_CRC_BYTES);
	crc_write(&w, ret_bytes, EXPORT_HEADER_BYTES);
	*writer = (struct export_writer){ .size_bytes = header->size_bytes,
		.crc = crc32c(ret_bytes, EXPORT_HEADER_BYTES - EXPORT_CRC_BYTES) };
}

static void head_write(struct export_writer *writer, enum export_kind kind, uint64_t offset_bytes,
	uint64_t length_bytes, uint32_t payload_crc, uint8_t ret_bytes[static EXPORT_RECORD_BYTES])
{
	struct writer w = writer_init(ret_bytes, EXPORT_RECORD_BYTES);

	write_u32(&w, EXPORT_HEAD_MAGIC);
	write_u32(&w, kind);
	write_u64(&w, offset_bytes);
	write_u64(&w, length_bytes);
	write_u32(&w, payload_crc);
	crc_write(&w, ret_bytes, EXPORT_RECORD_BYTES);
	if (kind == EXPORT_KIND_END)
		return;
	ASSERT(offset_bytes >= writer->next_offset && offset_bytes <= writer->size_bytes);
	ASSERT(length_bytes > 0 && length_bytes <= writer->size_bytes - offset_bytes);
	ASSERT(offset_bytes % BLOCK_BYTES == 0 && length_bytes % BLOCK_BYTES == 0);
	writer->next_offset = offset_bytes + length_bytes;
	writer->crc = crc32c_extend(writer->crc, ret_bytes, EXPORT_RECORD_BYTES - EXPORT_CRC_BYTES);
	writer->totals.records++;
}

void export_data(struct export_writer *writer, uint64_t offset_bytes, const uint8_t *payload,
	uint32_t length_bytes, uint8_t ret_bytes[static EXPORT_RECORD_BYTES])
{
	ASSERT(length_bytes <= EXPORT_DATA_MAX_BYTES);
	head_write(writer, EXPORT_KIND_DATA, offset_bytes, length_bytes, crc32c(payload, length_bytes),
		ret_bytes);
	writer->totals.data_bytes += length_bytes;
}

void export_zero(struct export_writer *writer, uint64_t offset_bytes, uint64_t length_bytes,
	uint8_t ret_bytes[static EXPORT_RECORD_BYTES])
{
	head_write(writer, EXPORT_KIND_ZERO, offset_bytes, length_bytes, 0, ret_bytes);
	writer->totals.zero_bytes += length_bytes;
}

void export_end(struct export_writer *writer, uint8_t ret_bytes[static EXPORT_END_BYTES])
{
	uint8_t *totals = ret_bytes + EXPORT_RECORD_BYTES;
	struct writer w = writer_init(totals, EXPORT_TOTALS_BYTES);

	write_u64(&w, writer->totals.records);
	write_u64(&w, writer->totals.data_bytes);
	write_u64(&w, writer->totals.zero_bytes);
	write_u32(&w, writer->crc);
	write_u32(&w, 0);
	ASSERT(!w.failed && writer_left(&w) == 0);
	head_write(writer, EXPORT_KIND_END, writer->size_bytes, EXPORT_TOTALS_BYTES,
		crc32c(totals, EXPORT_TOTALS_BYTES), ret_bytes);
}
