#include "datapath/wire.h"

#include <limits.h>
#include <string.h>

#include "wire.pb-c.h"

static void common_encode(struct writer *w, const struct message *m)
{
	write_u64(w, m->epoch.number);
	write_u32(w, m->epoch.restart);
	write_u32(w, m->attempt);
	write_u64(w, m->session);
}

/* commit_seq - seq: a commit_seq told too low is harmless, so what is above is cut to what fits. */
static int32_t commit_delta(const struct message *m)
{
	uint64_t seq = m->entry->seq;

	if (m->commit_seq < seq)
		return -(int32_t)(seq - m->commit_seq);
	return m->commit_seq - seq > INT32_MAX ? INT32_MAX : (int32_t)(m->commit_seq - seq);
}

/* How far all_seq is behind the commit_seq that the fixed struct tells. */
static uint64_t all_behind(const struct message *m)
{
	uint64_t commit = m->entry->seq + (uint64_t)(int64_t)commit_delta(m);

	return commit > m->all_seq ? commit - m->all_seq : 0;
}

/* Whether the entry fits the fixed struct: it nearly always does. */
static bool append_is_hot(const struct message *m)
{
	const struct entry *e = m->entry;

	if (m->commit_seq < e->seq && e->seq - m->commit_seq > INT32_MAX)
		return false;
	return e->op == ENTRY_WRITE && epoch_equal(e->epoch, m->epoch) && e->request_part < (1u << 28) &&
	       e->offset_bytes / BLOCK_BYTES < (UINT64_C(1) << 36) && all_behind(m) <= UINT32_MAX;
}

static void append_encode(struct writer *w, const struct message *m)
{
	const struct entry *e = m->entry;

	common_encode(w, m);
	write_u64(w, m->clock_ns);
	write_u64(w, e->seq);
	write_u32(w, (uint32_t)commit_delta(m));
	write_u32(w, (uint32_t)all_behind(m));
	write_u64(w, e->request_id);
	write_u64(w, e->offset_bytes / BLOCK_BYTES | (uint64_t)e->request_part << 36);
}

static void heartbeat_encode(struct writer *w, const struct message *m)
{
	common_encode(w, m);
	write_u64(w, m->clock_ns);
	write_u64(w, m->commit_seq);
	write_u64(w, m->all_seq);
}

static void append_answer_encode(struct writer *w, const struct message *m)
{
	common_encode(w, m);
	write_u64(w, m->clock_ns);
	write_u64(w, m->seq);
	write_u64(w, m->commit_seq);
	write_u64(w, m->room_bytes);
	write_u32(w, (uint32_t)m->rc);
	write_u32(w, (m->incomplete ? 1u : 0) | (m->full ? 2u : 0) | (m->no_snapshot ? 4u : 0));
}

static void read_encode(struct writer *w, const struct message *m)
{
	common_encode(w, m);
	write_u64(w, m->token);
	write_u64(w, m->seq);
	write_u64(w, m->offset_bytes);
	write_u32(w, m->length_bytes);
	write_u32(w, 0);
}

static void read_answer_encode(struct writer *w, const struct message *m)
{
	common_encode(w, m);
	write_u64(w, m->token);
	write_u32(w, (uint32_t)m->rc);
	write_u32(w, 0);
}

/* ---- protobuf ---- */

struct packed {
	Quoin__Wire__Epoch epoch, promised, position_epoch, since_epoch, grain_epoch, entry_epoch;
	Quoin__Wire__Position position, since;
	Quoin__Wire__Grain grain;
	Quoin__Wire__Map map;
	Quoin__Wire__Entry entry;
	Quoin__Wire__EpochStart rows[EPOCHS_MAX];
	Quoin__Wire__Epoch row_epochs[EPOCHS_MAX];
	Quoin__Wire__EpochStart *row_list[EPOCHS_MAX];
	uint8_t attachment[16];
};

static Quoin__Wire__Epoch *epoch_fill(Quoin__Wire__Epoch *to, struct epoch epoch)
{
	quoin__wire__epoch__init(to);
	to->number = epoch.number;
	to->restart = epoch.restart;
	return to;
}

static Quoin__Wire__Position *position_fill(
	Quoin__Wire__Position *to, Quoin__Wire__Epoch *epoch, struct position position)
{
	quoin__wire__position__init(to);
	to->epoch = epoch_fill(epoch, position.epoch);
	to->seq = position.seq;
	return to;
}

static Quoin__Wire__Entry *entry_fill(struct packed *p, const struct entry *entry)
{
	Quoin__Wire__Entry *to = &p->entry;

	quoin__wire__entry__init(to);
	to->epoch = epoch_fill(&p->entry_epoch, entry->epoch);
	to->seq = entry->seq;
	to->op = (uint32_t)entry->op;
	to->offset_bytes = entry->offset_bytes;
	to->length_bytes = entry->length_bytes;
	to->request_id = entry->request_id;
	to->request_part = entry->request_part;
	to->steward = entry->steward;
	if (!uuid_is_none(entry->attachment)) {
		memcpy(p->attachment, entry->attachment.byte, sizeof(p->attachment));
		to->attachment.data = p->attachment;
		to->attachment.len = sizeof(p->attachment);
	}
	return to;
}

static Quoin__Wire__Grain *grain_fill(struct packed *p, const struct message_grain *grain)
{
	Quoin__Wire__Grain *to = &p->grain;

	quoin__wire__grain__init(to);
	to->layer = grain->layer;
	to->index = grain->index;
	to->found = grain->found;
	to->epoch = epoch_fill(&p->grain_epoch, grain->epoch);
	to->seq = grain->seq;
	to->present = grain->present;
	to->zero = grain->zero;
	return to;
}

static void map_fill(struct packed *p, Quoin__Wire__Message *to, const struct message *m)
{
	Quoin__Wire__Map *map = &p->map;

	quoin__wire__map__init(map);
	map->layer = m->map.layer;
	map->from = m->map.from;
	map->end = m->map.end;
	map->count = m->map.count;
	map->copies = m->map.copies;
	map->freed = m->map.freed;
	map->survey = m->map.survey;
	map->reset = m->map.reset;
	to->map = map;
	if (!m->indices)
		return;
	ASSERT(m->map.copies <= MAP_MAX_COPIES);
	to->n_indices = m->map.copies;
	to->indices = (uint32_t *)(uintptr_t)m->indices;
}

static void rows_fill(struct packed *p, Quoin__Wire__Message *to, const struct message *m)
{
	ASSERT(m->row_count <= EPOCHS_MAX);
	for (uint32_t i = 0; i < m->row_count; i++) {
		quoin__wire__epoch_start__init(&p->rows[i]);
		p->rows[i].epoch = epoch_fill(&p->row_epochs[i], m->rows[i].epoch);
		p->rows[i].first_seq = m->rows[i].first_seq;
		p->row_list[i] = &p->rows[i];
	}
	to->n_rows = m->row_count;
	to->rows = p->row_list;
}

static void flags_fill(Quoin__Wire__Message *to, const struct message *m)
{
	to->steward = m->steward;
	to->incomplete = m->incomplete;
	to->full = m->full;
	to->no_snapshot = m->no_snapshot;
	to->damaged = m->damaged;
	to->retired = m->retired;
	to->regressed = m->regressed;
}

static size_t cold_encode(uint8_t body[static WIRE_BODY_MAX], const struct message *m)
{
	struct packed p;
	Quoin__Wire__Message to = QUOIN__WIRE__MESSAGE__INIT;

	to.epoch = epoch_fill(&p.epoch, m->epoch);
	to.session = m->session;
	to.attempt = m->attempt;
	to.rc = m->rc;
	to.token = m->token;
	to.clock_ns = m->clock_ns;
	to.lease_ms = m->lease_ms;
	to.config_number = m->config_number;
	to.dead_session = m->dead_session;
	to.promised = epoch_fill(&p.promised, m->promised);
	to.heard_ms = m->heard_ms;
	to.position = position_fill(&p.position, &p.position_epoch, m->position);
	to.first_seq = m->first_seq;
	to.seq = m->seq;
	to.commit_seq = m->commit_seq;
	to.all_seq = m->all_seq;
	to.room_bytes = m->room_bytes;
	to.since = position_fill(&p.since, &p.since_epoch, m->since);
	to.offset_bytes = m->offset_bytes;
	to.length_bytes = m->length_bytes;
	to.blocks = m->blocks;
	if (!uuid_is_none(m->snapshot)) {
		to.snapshot.data = (uint8_t *)(uintptr_t)m->snapshot.byte;
		to.snapshot.len = sizeof(m->snapshot.byte);
	}
	if (!uuid_is_none(m->older)) {
		to.older.data = (uint8_t *)(uintptr_t)m->older.byte;
		to.older.len = sizeof(m->older.byte);
	}
	to.map_wanted = m->map_wanted;
	to.size_bytes = m->size_bytes;
	flags_fill(&to, m);
	rows_fill(&p, &to, m);
	if (message_has_grain(m->type))
		to.grain = grain_fill(&p, &m->grain);
	if (message_has_map(m->type))
		map_fill(&p, &to, m);
	if (m->entry)
		to.entry = entry_fill(&p, m->entry);
	ASSERT(quoin__wire__message__get_packed_size(&to) <= WIRE_BODY_MAX);
	return quoin__wire__message__pack(&to, body);
}

typedef void (*hot_encode_fn)(struct writer *w, const struct message *m);

/* The fixed form of a message, where it has one. */
static hot_encode_fn hot_encoder(const struct message *m, uint16_t *ret_type)
{
	switch (m->type) {
	case MESSAGE_APPEND:
		if (!m->entry) {
			*ret_type = WIRE_HEARTBEAT;
			return heartbeat_encode;
		}
		*ret_type = WIRE_APPEND;
		return append_is_hot(m) ? append_encode : NULL;
	case MESSAGE_APPEND_ANSWER:
		*ret_type = WIRE_APPEND_ANSWER;
		return append_answer_encode;
	case MESSAGE_READ:
		*ret_type = WIRE_READ;
		return read_encode;
	case MESSAGE_READ_ANSWER:
		*ret_type = WIRE_READ_ANSWER;
		return read_answer_encode;
	default:
		return NULL;
	}
}

void wire_encode(const struct message *message, struct uuid target, struct wire_out *out)
{
	struct frame *frame = &out->frame;
	uint16_t hot_type = 0;
	hot_encode_fn encode = hot_encoder(message, &hot_type);

	ASSERT(message->type >= MESSAGE_OPEN && message->type < MESSAGE_TYPE_END);
	*frame = (struct frame){ .type = (uint16_t)message->type, .target = target, .body = out->body };
	if (encode) {
		struct writer w = writer_init(out->body, sizeof(out->body));

		encode(&w, message);
		ASSERT(!w.failed);
		frame->type = hot_type;
		frame->body_bytes = (uint32_t)(w.at - out->body);
	} else {
		frame->body_bytes = (uint32_t)cold_encode(out->body, message);
	}
	frame->payload = message->entry ? message->entry->payload : message->payload;
	frame->crc = message->entry ? message->entry->crc : message->crc;
	if (!frame->payload)
		frame->crc = NULL;
}
