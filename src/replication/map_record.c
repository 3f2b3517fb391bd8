#include "replication/map_record.h"

#include <string.h>

#define FLAG_LOST 1u

void map_record_encode(uint8_t bytes[static MAP_RECORD_BYTES], const struct map_record *record)
{
	struct writer w = writer_init(bytes, MAP_RECORD_BYTES);

	write_u32(&w, record->index);
	write_u32(&w, record->epoch.restart);
	write_u64(&w, record->epoch.number);
	write_u64(&w, record->seq);
	write_u16(&w, record->present);
	write_u16(&w, record->zero);
	write_u32(&w, record->lost ? FLAG_LOST : 0);
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		write_u32(&w, record->present & 1u << i ? record->crc[i] : 0);
	ASSERT(!w.failed && writer_left(&w) == 0);
}

void map_record_decode(const uint8_t bytes[static MAP_RECORD_BYTES], struct map_record *ret_record)
{
	struct reader r = reader_init(bytes, MAP_RECORD_BYTES);

	ret_record->index = read_u32(&r);
	ret_record->epoch.restart = read_u32(&r);
	ret_record->epoch.number = read_u64(&r);
	ret_record->seq = read_u64(&r);
	ret_record->present = read_u16(&r);
	ret_record->zero = read_u16(&r);
	ret_record->lost = (read_u32(&r) & FLAG_LOST) != 0;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		ret_record->crc[i] = read_u32(&r);
	ASSERT(!r.failed && reader_left(&r) == 0);
}

uint32_t map_record_index(const uint8_t bytes[static MAP_RECORD_BYTES])
{
	struct reader r = reader_init(bytes, MAP_RECORD_BYTES);

	return read_u32(&r);
}

bool map_record_is_of_version(const struct map_record *record, struct epoch epoch, uint64_t seq)
{
	return epoch_equal(record->epoch, epoch) && record->seq == seq;
}

bool map_record_same_content(const struct map_record *a, const struct map_record *b)
{
	if (a->present != b->present || a->zero != b->zero)
		return false;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if ((a->present & 1u << i) && a->crc[i] != b->crc[i])
			return false;
	return true;
}
