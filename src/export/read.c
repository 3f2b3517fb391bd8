/* The reader. All that comes from the file is checked here, and taken for granted behind it. */
#include <errno.h>

#include "export/format.h"

static int damaged(const struct export_reader *reader, struct error *error, const char *what)
{
	return error_set(error, -EBADMSG, "byte %llu: %s: the file is damaged",
		(unsigned long long)reader->part_at_bytes, what);
}

static bool crc_is_right(const uint8_t *bytes, size_t len_bytes)
{
	struct reader r = reader_init(bytes + len_bytes - EXPORT_CRC_BYTES, EXPORT_CRC_BYTES);

	return read_u32(&r) == crc32c(bytes, len_bytes - EXPORT_CRC_BYTES);
}

/* A text that is filled up with zeroes; whether it is a name, or empty where it may be. */
static bool name_read(struct reader *r, char *ret_name, size_t room_bytes, bool may_be_empty)
{
	size_t len;

	read_bytes(r, ret_name, room_bytes);
	ret_name[room_bytes] = '\0';
	len = strlen(ret_name);
	for (size_t i = len; i < room_bytes; i++)
		if (ret_name[i] != '\0')
			return false;
	return len == 0 ? may_be_empty : name_check("name", ret_name, NULL) == 0;
}

static int version_check(const struct export_reader *reader, struct reader *r, struct error *error)
{
	uint32_t version = read_u32(r), header_bytes = read_u32(r);

	if (version != EXPORT_VERSION)
		return error_set(error, -EPROTONOSUPPORT,
			"byte 8: the export is of version %u, and only version %u is known here", version,
			EXPORT_VERSION);
	return header_bytes == EXPORT_HEADER_BYTES ? 0
						   : damaged(reader, error, "the header has another length");
}

static int header_take(struct export_reader *reader, enum export_event *ret_event, struct error *error)
{
	struct reader r = reader_init(reader->bytes, EXPORT_HEADER_BYTES - EXPORT_CRC_BYTES);
	struct export_header *to = &reader->header;
	bool good;
	int rc;

	if (memcmp(reader_take(&r, EXPORT_MAGIC_BYTES), EXPORT_MAGIC, EXPORT_MAGIC_BYTES) != 0)
		return error_set(error, -EINVAL, "byte 0: this is no export of a Quoin volume");
	/* Another version may have its checksum elsewhere; a wrong one here is damage all the same. */
	if (!crc_is_right(reader->bytes, EXPORT_HEADER_BYTES)) {
		rc = version_check(reader, &r, error);
		return rc ? rc : damaged(reader, error, "the header's checksum is wrong");
	}
	rc = version_check(reader, &r, error);
	if (rc)
		return rc;
	to->size_bytes = read_u64(&r);
	to->created_ns = read_u64(&r);
	to->volume = read_uuid(&r);
	to->snapshot = read_uuid(&r);
	to->since = read_uuid(&r);
	good = name_read(&r, to->fs, EXPORT_FS_MAX_LEN, false);
	good = name_read(&r, to->volume_name, NAME_MAX_LEN, false) && good;
	good = name_read(&r, to->snapshot_name, NAME_MAX_LEN, uuid_is_none(to->since)) && good;
	good = name_read(&r, to->since_name, NAME_MAX_LEN, uuid_is_none(to->since)) && good;
	good = read_zeroes(&r, reader_left(&r)) && good;
	if (!good || to->size_bytes == 0 || to->size_bytes % BLOCK_BYTES != 0 ||
		to->size_bytes > VOLUME_MAX_BYTES || uuid_is_none(to->volume) || uuid_is_none(to->snapshot))
		return damaged(reader, error, "the header says what can't be");
	reader->crc = crc32c(reader->bytes, EXPORT_HEADER_BYTES - EXPORT_CRC_BYTES);
	reader->part = EXPORT_IN_HEAD;
	*ret_event = EXPORT_HEADER;
	return 0;
}

/* Whether it is a run of whole blocks of the volume, behind all that were before. */
static bool range_is_good(const struct export_reader *reader)
{
	return reader->offset_bytes % BLOCK_BYTES == 0 && reader->length_bytes % BLOCK_BYTES == 0 &&
	       reader->length_bytes > 0 && reader->offset_bytes >= reader->next_offset &&
	       reader->offset_bytes < reader->header.size_bytes &&
	       reader->length_bytes <= reader->header.size_bytes - reader->offset_bytes;
}

static int end_head_check(const struct export_reader *reader, struct error *error)
{
	if (reader->offset_bytes != reader->header.size_bytes || reader->length_bytes != EXPORT_TOTALS_BYTES)
		return damaged(reader, error, "the end's record says what can't be");
	return 0;
}

static int head_take(struct export_reader *reader, enum export_event *ret_event, struct error *error)
{
	struct reader r = reader_init(reader->bytes, EXPORT_RECORD_BYTES);
	uint32_t magic = read_u32(&r), kind = read_u32(&r);

	if (magic != EXPORT_HEAD_MAGIC)
		return damaged(reader, error, "no record begins here");
	if (!crc_is_right(reader->bytes, EXPORT_RECORD_BYTES))
		return damaged(reader, error, "a record's checksum is wrong");
	reader->offset_bytes = read_u64(&r);
	reader->length_bytes = read_u64(&r);
	reader->payload_crc = read_u32(&r);
	if (kind == EXPORT_KIND_END) {
		reader->part = EXPORT_IN_TOTALS;
		return end_head_check(reader, error);
	}
	if (kind != EXPORT_KIND_DATA && kind != EXPORT_KIND_ZERO)
		return damaged(reader, error, "a record of an unknown kind");
	if (!range_is_good(reader))
		return damaged(reader, error,
			"a record's blocks lie before those of the one before it, or outside of the volume");
	reader->next_offset = reader->offset_bytes + reader->length_bytes;
	reader->crc = crc32c_extend(reader->crc, reader->bytes, EXPORT_RECORD_BYTES - EXPORT_CRC_BYTES);
	reader->totals.records++;
	if (kind == EXPORT_KIND_ZERO) {
		if (reader->payload_crc != 0)
			return damaged(reader, error, "a record of zeroes has a payload's checksum");
		reader->totals.zero_bytes += reader->length_bytes;
		*ret_event = EXPORT_ZERO;
		return 0;
	}
	if (reader->length_bytes > EXPORT_DATA_MAX_BYTES)
		return damaged(reader, error, "a record's data is longer than it may be");
	reader->part = EXPORT_IN_PAYLOAD;
	return 0;
}

static int payload_take(struct export_reader *reader, enum export_event *ret_event, struct error *error)
{
	if (crc32c(reader->payload, reader->length_bytes) != reader->payload_crc)
		return damaged(reader, error, "the checksum of a record's data is wrong");
	reader->totals.data_bytes += reader->length_bytes;
	reader->part = EXPORT_IN_HEAD;
	*ret_event = EXPORT_DATA;
	return 0;
}

static int totals_take(struct export_reader *reader, enum export_event *ret_event, struct error *error)
{
	struct reader r = reader_init(reader->bytes, EXPORT_TOTALS_BYTES);
	const struct export_totals *have = &reader->totals;

	if (crc32c(reader->bytes, EXPORT_TOTALS_BYTES) != reader->payload_crc)
		return damaged(reader, error, "the checksum of the end is wrong");
	if (read_u64(&r) != have->records || read_u64(&r) != have->data_bytes ||
		read_u64(&r) != have->zero_bytes || read_u32(&r) != reader->crc || read_u32(&r) != 0)
		return damaged(reader, error, "the records are not those that the end counts");
	reader->part = EXPORT_AT_END;
	*ret_event = EXPORT_END;
	return 0;
}

static uint32_t part_bytes(const struct export_reader *reader)
{
	switch (reader->part) {
	case EXPORT_IN_HEADER:
		return EXPORT_HEADER_BYTES;
	case EXPORT_IN_HEAD:
		return EXPORT_RECORD_BYTES;
	case EXPORT_IN_PAYLOAD:
		return (uint32_t)reader->length_bytes;
	case EXPORT_IN_TOTALS:
		return EXPORT_TOTALS_BYTES;
	case EXPORT_AT_END:
		break;
	}
	return 0;
}

/* A part is there. */
static int part_take(struct export_reader *reader, enum export_event *ret_event, struct error *error)
{
	switch (reader->part) {
	case EXPORT_IN_HEADER:
		return header_take(reader, ret_event, error);
	case EXPORT_IN_HEAD:
		return head_take(reader, ret_event, error);
	case EXPORT_IN_PAYLOAD:
		return payload_take(reader, ret_event, error);
	case EXPORT_IN_TOTALS:
		return totals_take(reader, ret_event, error);
	case EXPORT_AT_END:
		break;
	}
	return damaged(reader, error, "something stands behind the end");
}

void export_reader_init(struct export_reader *reader, uint8_t *payload)
{
	memset(reader, 0, sizeof(*reader));
	reader->payload = payload;
}

int export_read(struct export_reader *reader, const uint8_t *bytes, size_t len_bytes, size_t *ret_used_bytes,
	enum export_event *ret_event, struct error *error)
{
	enum export_event event = EXPORT_MORE;
	size_t used = 0;

	while (used < len_bytes && event == EXPORT_MORE) {
		uint32_t missing = part_bytes(reader) - reader->filled_bytes;
		size_t count = len_bytes - used < missing ? len_bytes - used : missing;
		uint8_t *to = reader->part == EXPORT_IN_PAYLOAD ? reader->payload : reader->bytes;
		int rc;

		ASSERT(reader->part == EXPORT_IN_PAYLOAD || part_bytes(reader) <= sizeof(reader->bytes));
		memcpy(to + reader->filled_bytes, bytes + used, count);
		used += count;
		reader->filled_bytes += (uint32_t)count;
		reader->at_bytes += count;
		if (count < missing)
			break;
		rc = part_take(reader, &event, error);
		if (rc)
			return rc;
		reader->filled_bytes = 0;
		reader->part_at_bytes = reader->at_bytes;
	}
	*ret_used_bytes = used;
	*ret_event = event;
	return 0;
}

int export_read_end(const struct export_reader *reader, struct error *error)
{
	if (reader->part == EXPORT_AT_END)
		return 0;
	if (reader->at_bytes == 0)
		return error_set(error, -EINVAL, "byte 0: the file is empty: this is no export");
	if (reader->part == EXPORT_IN_HEADER &&
		memcmp(reader->bytes, EXPORT_MAGIC,
			reader->filled_bytes < EXPORT_MAGIC_BYTES ? reader->filled_bytes
								  : EXPORT_MAGIC_BYTES) != 0)
		return error_set(error, -EINVAL, "byte 0: this is no export of a Quoin volume");
	return error_set(error, -EBADMSG,
		"byte %llu: the file ends here, and its end is missing: it was cut off",
		(unsigned long long)reader->at_bytes);
}
