/* What a message of each type must and must not have, whatever form it came in. */
#include "datapath/wire.h"

static uint32_t payload_blocks(const struct frame *frame)
{
	return frame->payload ? frame->payload->len_bytes / BLOCK_BYTES : 0;
}

static bool size_is_valid(uint64_t size_bytes)
{
	return size_bytes % GRAIN_BYTES == 0 && size_bytes <= VOLUME_MAX_BYTES;
}

static bool range_is_valid(uint64_t offset_bytes, uint32_t length_bytes, uint64_t size_bytes)
{
	return length_bytes > 0 && length_bytes <= ENTRY_MAX_BYTES && length_bytes % BLOCK_BYTES == 0 &&
	       offset_bytes % BLOCK_BYTES == 0 && offset_bytes <= size_bytes &&
	       length_bytes <= size_bytes - offset_bytes;
}

/* It tells the volume's size, as OPEN does: the replica may know an older one. */
static bool snapshot_range_is_valid(const struct message *m, uint64_t size_bytes)
{
	if (!size_is_valid(m->size_bytes))
		return false;
	if (m->size_bytes > size_bytes)
		size_bytes = m->size_bytes;
	if (!m->map_wanted)
		return range_is_valid(m->offset_bytes, m->length_bytes, size_bytes);
	return m->length_bytes > 0 && m->length_bytes <= SNAPSHOT_MAP_MAX_GRAINS * GRAIN_BYTES &&
	       m->length_bytes % GRAIN_BYTES == 0 && m->offset_bytes % GRAIN_BYTES == 0 &&
	       m->offset_bytes <= size_bytes && m->length_bytes <= size_bytes - m->offset_bytes;
}

static bool grain_is_valid(const struct message *m, const struct frame *frame, uint64_t size_bytes)
{
	const struct message_grain *grain = &m->grain;
	uint64_t grains = (size_bytes + GRAIN_BYTES - 1) / GRAIN_BYTES;
	uint32_t blocks = (uint32_t)__builtin_popcount(grain->present);

	if (grain->index >= grains && size_bytes != 0)
		return false;
	/* A copy is of one level. */
	if (m->type == MESSAGE_GRAIN_WRITE && grain->layer == LAYER_WHOLE)
		return false;
	if (m->type == MESSAGE_GRAIN_READ || m->type == MESSAGE_GRAIN_WRITTEN ||
		m->type == MESSAGE_GRAIN_HEALED || m->type == MESSAGE_GRAIN_BAD ||
		(m->type == MESSAGE_GRAIN_ANSWER && m->rc))
		return !frame->payload;
	return payload_blocks(frame) == (grain->found ? blocks : 0);
}

static bool map_is_valid(const struct message *m, const struct frame *frame, uint64_t size_bytes)
{
	const struct message_map *map = &m->map;
	uint64_t bytes = (uint64_t)map->count * (map->layer == LAYER_TREE ? MAP_LEVEL_BYTES
							: map->survey     ? MAP_SURVEY_BYTES
									  : MAP_RECORD_BYTES);

	if (map->from > map->end || map->count > MAP_MAX_GRAINS ||
		(size_bytes != 0 && map->end > size_bytes / GRAIN_BYTES))
		return false;
	if (m->type == MESSAGE_MAP_READ || m->type == MESSAGE_MAP_COMPARED || m->rc)
		return !frame->payload;
	return payload_blocks(frame) == (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

const char *wire_complaint(const struct message *m, const struct frame *frame, uint64_t size_bytes)
{
	/* Its payload would be the entry's: never compared with its checksums, and taken for an answer's. */
	if (m->entry && m->type != MESSAGE_APPEND && m->type != MESSAGE_LOG_ANSWER)
		return "an entry where none belongs";
	switch (m->type) {
	case MESSAGE_APPEND:
	case MESSAGE_LOG_ANSWER:
		if (m->entry)
			return entry_is_valid(m->entry, size_bytes) ? NULL : "an entry that makes no sense";
		if (m->type == MESSAGE_LOG_ANSWER && m->rc == 0)
			return "an answer without its entry";
		break;
	case MESSAGE_OPEN:
	case MESSAGE_OPEN_ANSWER:
	case MESSAGE_GROW:
		if (!size_is_valid(m->size_bytes))
			return "a size that no volume has";
		break;
	case MESSAGE_READ:
		if (!range_is_valid(m->offset_bytes, m->length_bytes, size_bytes))
			return "a read outside the volume";
		break;
	case MESSAGE_SNAPSHOT_READ:
		if (uuid_is_none(m->snapshot))
			return "a read of no snapshot";
		if (!snapshot_range_is_valid(m, size_bytes))
			return "a read outside the volume";
		break;
	case MESSAGE_READ_ANSWER:
		return m->rc == 0 && !frame->payload ? "an answer without data" : NULL;
	case MESSAGE_GRAIN_READ:
	case MESSAGE_GRAIN_ANSWER:
	case MESSAGE_GRAIN_WRITE:
	case MESSAGE_GRAIN_WRITTEN:
	case MESSAGE_GRAIN_HEAL:
	case MESSAGE_GRAIN_HEALED:
	case MESSAGE_GRAIN_BAD:
		return grain_is_valid(m, frame, size_bytes) ? NULL : "a grain that makes no sense";
	case MESSAGE_MAP_READ:
	case MESSAGE_MAP_ANSWER:
	case MESSAGE_MAP_COMPARE:
	case MESSAGE_MAP_COMPARED:
		return map_is_valid(m, frame, size_bytes) ? NULL : "a map that makes no sense";
	default:
		break;
	}
	if (frame->payload)
		return "a payload where none belongs";
	return NULL;
}
