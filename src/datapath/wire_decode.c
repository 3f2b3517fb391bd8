#include "datapath/wire.h"

#include <errno.h>
#include <string.h>

#include "wire.pb-c.h"

/* ---- protobuf-c's allocations come from the arena ---- */

static void *arena_alloc(void *data, size_t size)
{
	struct wire_in *in = data;
	size_t need = (size + 15) & ~(size_t)15;

	if (need < size || need > sizeof(in->arena) - in->arena_used)
		return NULL;
	in->arena_used += (uint32_t)need;
	return in->arena + in->arena_used - need;
}

static void arena_free(void *data, void *pointer)
{
	(void)data;
	(void)pointer; /* the arena goes as a whole */
}

/* ---- the payload ---- */

static uint32_t payload_blocks(const struct frame *frame)
{
	return frame->payload ? frame->payload->len_bytes / BLOCK_BYTES : 0;
}

/* Every receiver compares every checksum: what goes on from here is what the coordinator was given. */
static bool payload_is_sound(const struct frame *frame)
{
	uint32_t crc[ENTRY_MAX_BLOCKS];
	uint32_t blocks = payload_blocks(frame);

	if (!frame->payload)
		return true;
	if (blocks == 0 || blocks > ENTRY_MAX_BLOCKS || frame->payload->len_bytes % BLOCK_BYTES ||
		!frame->crc)
		return false;
	if (MUTANT(skip_crc))
		return true;
	crc32c_blocks(frame->payload->data, blocks, crc);
	return memcmp(crc, frame->crc, blocks * sizeof(crc[0])) == 0;
}

/* ---- hot ---- */

static void common_decode(struct reader *r, struct message *m)
{
	m->epoch.number = read_u64(r);
	m->epoch.restart = read_u32(r);
	m->attempt = read_u32(r);
	m->session = read_u64(r);
}

static void entry_payload_take(struct wire_in *in, const struct frame *frame)
{
	struct entry *entry = in->entry;

	entry->payload = frame->payload ? buf_ref(frame->payload) : NULL;
	if (frame->payload && frame->crc)
		memcpy(entry->crc, frame->crc, payload_blocks(frame) * sizeof(entry->crc[0]));
	in->message.entry = entry;
}

static int append_decode(
	struct reader *r, struct wire_in *in, const struct frame *frame, struct entry_pool *entries)
{
	struct message *m = &in->message;
	struct entry *entry = entry_get(entries);
	uint64_t place, behind;
	int32_t delta;

	if (!entry)
		return -ENOBUFS;
	in->entry = entry;
	common_decode(r, m);
	m->type = MESSAGE_APPEND;
	m->clock_ns = read_u64(r);
	entry->epoch = m->epoch;
	entry->seq = read_u64(r);
	delta = (int32_t)read_u32(r);
	m->commit_seq = entry->seq + (uint64_t)(int64_t)delta;
	if ((m->commit_seq < entry->seq) != (delta < 0))
		return -EPROTO;
	behind = read_u32(r);
	m->all_seq = m->commit_seq > behind ? m->commit_seq - behind : 0;
	entry->op = ENTRY_WRITE;
	entry->request_id = read_u64(r);
	place = read_u64(r);
	entry->offset_bytes = (place & ((UINT64_C(1) << 36) - 1)) * BLOCK_BYTES;
	entry->request_part = (uint32_t)(place >> 36);
	entry->length_bytes = (uint64_t)payload_blocks(frame) * BLOCK_BYTES;
	entry_payload_take(in, frame);
	return 0;
}

static void heartbeat_decode(struct reader *r, struct message *m)
{
	common_decode(r, m);
	m->type = MESSAGE_APPEND;
	m->clock_ns = read_u64(r);
	m->commit_seq = read_u64(r);
	m->all_seq = read_u64(r);
}

/* Answers carry 0 or -errno, nothing else. */
static bool rc_is_sane(int32_t rc)
{
	return rc <= 0 && rc > -4096;
}

static int append_answer_decode(struct reader *r, struct message *m)
{
	uint32_t flags;

	common_decode(r, m);
	m->type = MESSAGE_APPEND_ANSWER;
	m->clock_ns = read_u64(r);
	m->seq = read_u64(r);
	m->commit_seq = read_u64(r);
	m->room_bytes = read_u64(r);
	m->rc = (int32_t)read_u32(r);
	flags = read_u32(r);
	m->incomplete = flags & 1;
	m->full = flags & 2;
	m->no_snapshot = flags & 4;
	return flags > 7 || !rc_is_sane(m->rc) ? -EPROTO : 0;
}

static int read_decode(struct reader *r, struct message *m)
{
	common_decode(r, m);
	m->type = MESSAGE_READ;
	m->token = read_u64(r);
	m->seq = read_u64(r);
	m->offset_bytes = read_u64(r);
	m->length_bytes = read_u32(r);
	return read_zeroes(r, 4) ? 0 : -EPROTO;
}

static int read_answer_decode(struct reader *r, struct message *m, const struct frame *frame)
{
	common_decode(r, m);
	m->type = MESSAGE_READ_ANSWER;
	m->token = read_u64(r);
	m->rc = (int32_t)read_u32(r);
	m->payload = frame->payload;
	m->crc = frame->crc;
	return read_zeroes(r, 4) && rc_is_sane(m->rc) ? 0 : -EPROTO;
}

static int hot_decode(struct wire_in *in, const struct frame *frame, struct entry_pool *entries)
{
	struct reader r = reader_init(frame->body, frame->body_bytes);
	int rc = 0;

	switch (frame->type) {
	case WIRE_HEARTBEAT:
		heartbeat_decode(&r, &in->message);
		break;
	case WIRE_APPEND:
		rc = append_decode(&r, in, frame, entries);
		break;
	case WIRE_APPEND_ANSWER:
		rc = append_answer_decode(&r, &in->message);
		break;
	case WIRE_READ:
		rc = read_decode(&r, &in->message);
		break;
	case WIRE_READ_ANSWER:
		rc = read_answer_decode(&r, &in->message, frame);
		break;
	default:
		return -EPROTO;
	}
	if (rc == 0 && (r.failed || reader_left(&r) != 0))
		rc = -EPROTO;
	return rc;
}

/* ---- protobuf ---- */

static struct epoch epoch_take(const Quoin__Wire__Epoch *from)
{
	return from ? (struct epoch){ from->number, from->restart } : (struct epoch){ 0 };
}

static struct position position_take(const Quoin__Wire__Position *from)
{
	return from ? (struct position){ epoch_take(from->epoch), from->seq } : (struct position){ 0 };
}

static int rows_take(struct wire_in *in, const Quoin__Wire__Message *from)
{
	if (from->n_rows > EPOCHS_MAX)
		return -EPROTO;
	for (size_t i = 0; i < from->n_rows; i++) {
		in->rows[i].epoch = epoch_take(from->rows[i]->epoch);
		in->rows[i].first_seq = from->rows[i]->first_seq;
		if (i > 0 && (epoch_compare(in->rows[i - 1].epoch, in->rows[i].epoch) >= 0 ||
				     in->rows[i - 1].first_seq > in->rows[i].first_seq))
			return -EPROTO;
	}
	in->message.rows = in->rows;
	in->message.row_count = (uint32_t)from->n_rows;
	return 0;
}

static int grain_take(struct message *m, const Quoin__Wire__Grain *from)
{
	if (!from)
		return 0;
	if (from->present > UINT16_MAX || from->zero > UINT16_MAX || (from->present & from->zero))
		return -EPROTO;
	m->grain.layer = from->layer;
	m->grain.index = from->index;
	m->grain.found = from->found;
	m->grain.epoch = epoch_take(from->epoch);
	m->grain.seq = from->seq;
	m->grain.present = (uint16_t)from->present;
	m->grain.zero = (uint16_t)from->zero;
	return 0;
}

static int map_take(struct wire_in *in, const Quoin__Wire__Message *from)
{
	struct message *m = &in->message;

	if (from->map) {
		m->map.layer = from->map->layer;
		m->map.from = from->map->from;
		m->map.end = from->map->end;
		m->map.count = from->map->count;
		m->map.copies = from->map->copies;
		m->map.freed = from->map->freed;
		m->map.survey = from->map->survey;
		m->map.reset = from->map->reset;
	}
	if (from->n_indices == 0)
		return 0;
	if (from->n_indices > MAP_MAX_COPIES || from->n_indices != m->map.copies)
		return -EPROTO;
	for (size_t i = 0; i < from->n_indices; i++) {
		in->indices[i] = from->indices[i];
		if (i > 0 && in->indices[i - 1] >= in->indices[i])
			return -EPROTO;
	}
	m->indices = in->indices;
	return 0;
}

static int entry_take(struct wire_in *in, const Quoin__Wire__Entry *from, const struct frame *frame,
	struct entry_pool *entries)
{
	struct entry *entry;

	if (!from)
		return 0;
	if (from->attachment.len != 0 && from->attachment.len != sizeof(entry->attachment.byte))
		return -EPROTO;
	entry = entry_get(entries);
	if (!entry)
		return -ENOBUFS;
	in->entry = entry;
	entry->epoch = epoch_take(from->epoch);
	entry->seq = from->seq;
	entry->op = (enum entry_op)from->op;
	entry->offset_bytes = from->offset_bytes;
	entry->length_bytes = from->length_bytes;
	entry->request_id = from->request_id;
	entry->request_part = from->request_part;
	entry->steward = from->steward;
	if (from->attachment.len)
		memcpy(entry->attachment.byte, from->attachment.data, sizeof(entry->attachment.byte));
	entry_payload_take(in, frame);
	return 0;
}

static int uuid_take(struct uuid *to, const ProtobufCBinaryData *from)
{
	if (from->len != 0 && from->len != sizeof(to->byte))
		return -EPROTO;
	if (from->len)
		memcpy(to->byte, from->data, sizeof(to->byte));
	return 0;
}

static void fields_take(struct message *m, const Quoin__Wire__Message *from)
{
	m->epoch = epoch_take(from->epoch);
	m->session = from->session;
	m->attempt = from->attempt;
	m->rc = from->rc;
	m->token = from->token;
	m->clock_ns = from->clock_ns;
	m->lease_ms = from->lease_ms;
	m->config_number = from->config_number;
	m->dead_session = from->dead_session;
	m->steward = from->steward;
	m->promised = epoch_take(from->promised);
	m->heard_ms = from->heard_ms;
	m->position = position_take(from->position);
	m->first_seq = from->first_seq;
	m->seq = from->seq;
	m->commit_seq = from->commit_seq;
	m->all_seq = from->all_seq;
	m->room_bytes = from->room_bytes;
	m->incomplete = from->incomplete;
	m->full = from->full;
	m->no_snapshot = from->no_snapshot;
	m->damaged = from->damaged;
	m->retired = from->retired;
	m->since = position_take(from->since);
	m->regressed = from->regressed;
	m->offset_bytes = from->offset_bytes;
	m->length_bytes = from->length_bytes;
	m->blocks = from->blocks;
	m->size_bytes = from->size_bytes;
	m->map_wanted = from->map_wanted;
}

static int cold_decode(struct wire_in *in, const struct frame *frame, struct entry_pool *entries)
{
	ProtobufCAllocator allocator = { .alloc = arena_alloc, .free = arena_free, .allocator_data = in };
	Quoin__Wire__Message *from;
	int rc;

	if (frame->body_bytes > WIRE_BODY_MAX)
		return -EPROTO;
	from = quoin__wire__message__unpack(&allocator, frame->body_bytes, frame->body);
	if (!from || !rc_is_sane(from->rc))
		return -EPROTO;
	in->message.type = (enum message_type)frame->type;
	fields_take(&in->message, from);
	rc = uuid_take(&in->message.snapshot, &from->snapshot);
	if (rc == 0)
		rc = uuid_take(&in->message.older, &from->older);
	if (rc == 0)
		rc = rows_take(in, from);
	if (rc == 0)
		rc = grain_take(&in->message, from->grain);
	if (rc == 0)
		rc = map_take(in, from);
	if (rc == 0)
		rc = entry_take(in, from->entry, frame, entries);
	if (rc == 0 && !in->message.entry) {
		in->message.payload = frame->payload;
		in->message.crc = frame->crc;
	}
	return rc;
}

/* ---- the whole ---- */

int wire_decode(struct wire_in *in, const struct frame *frame, struct entry_pool *entries,
	uint64_t size_bytes, const char **ret_why)
{
	int rc;

	memset(&in->message, 0, sizeof(in->message));
	in->entry = NULL;
	in->arena_used = 0;
	if (frame->type >= MESSAGE_OPEN && frame->type < MESSAGE_TYPE_END)
		rc = cold_decode(in, frame, entries);
	else
		rc = hot_decode(in, frame, entries);
	if (rc == -ENOBUFS)
		*ret_why = "no entry is free";
	else if (rc)
		*ret_why = "a malformed message";
	if (rc == 0 && !in->message.entry && !payload_is_sound(frame)) { /* an entry's is compared below */
		*ret_why = "a block's checksum differs";
		rc = -EILSEQ;
	}
	if (rc == 0) {
		const char *complaint = wire_complaint(&in->message, frame, size_bytes);

		if (complaint) {
			*ret_why = complaint;
			rc = -EPROTO;
		}
	}
	if (rc)
		wire_in_done(in);
	return rc;
}

void wire_in_done(struct wire_in *in)
{
	entry_put(in->entry);
	in->entry = NULL;
	in->message.entry = NULL;
}
