/* A frame in words. */
#include <inttypes.h>
#include <stdio.h>

#include "datapath/wire.h"
#include "sim/trace.h"
#include "wire.pb-c.h"

static void hot_words(struct trace *trace, unsigned from, unsigned to, const struct frame *frame)
{
	struct reader r = reader_init(frame->body, frame->body_bytes);
	uint64_t number = read_u64(&r), a, b, c;
	uint32_t attempt;

	(void)read_u32(&r);
	attempt = read_u32(&r);
	(void)read_u64(&r);
	a = read_u64(&r);
	b = read_u64(&r);
	c = read_u64(&r);
	switch (frame->type) {
	case WIRE_HEARTBEAT:
		trace_words(trace,
			"n%u -> n%u heartbeat e%" PRIu64 " a%" PRIu32 " commit s%" PRIu64 " all s%" PRIu64,
			from, to, number, attempt, b, c);
		break;
	case WIRE_APPEND:
		trace_words(trace, "n%u -> n%u append e%" PRIu64 " a%" PRIu32 " s%" PRIu64 " commit %+d",
			from, to, number, attempt, b, (int32_t)(uint32_t)c);
		break;
	case WIRE_APPEND_ANSWER:
		trace_words(trace,
			"n%u -> n%u append-answer e%" PRIu64 " a%" PRIu32 " durable s%" PRIu64
			" commit s%" PRIu64 "%s",
			from, to, number, attempt, b, c, a ? " granted" : "");
		break;
	case WIRE_READ:
		trace_words(trace,
			"n%u -> n%u read e%" PRIu64 " a%" PRIu32 " at s%" PRIu64 " offset %" PRIu64, from, to,
			number, attempt, b, c);
		break;
	default:
		trace_words(trace, "n%u -> n%u read-answer e%" PRIu64 " a%" PRIu32 " rc %" PRId32, from, to,
			number, attempt, (int32_t)(uint32_t)b);
		break;
	}
}

static void cold_words(struct trace *trace, unsigned from, unsigned to, const struct frame *frame)
{
	Quoin__Wire__Message *m = quoin__wire__message__unpack(NULL, frame->body_bytes, frame->body);

	if (!m)
		return;
	trace_words(trace,
		"n%u -> n%u %s e%" PRIu64 " a%" PRIu32 " rc %" PRId32 " s%" PRIu64 " commit s%" PRIu64
		" position e%" PRIu64 " s%" PRIu64 "%s since e%" PRIu64 " s%" PRIu64 " promised e%" PRIu64
		"%s",
		from, to, message_name((enum message_type)frame->type), m->epoch->number, m->attempt, m->rc,
		m->seq, m->commit_seq, m->position->epoch->number, m->position->seq,
		m->incomplete ? " incomplete" : "", m->since->epoch->number, m->since->seq,
		m->promised->number, m->clock_ns ? " clock" : "");
	if (m->grain)
		trace_words(trace, "    grain %" PRIu64 "%s s%" PRIu64 " present %04x zero %04x",
			m->grain->index, m->grain->found ? " found" : "", m->grain->seq, m->grain->present,
			m->grain->zero);
	if (m->map)
		trace_words(trace,
			"    map from %" PRIu64 " to %" PRIu64 "%s, %" PRIu32 " grains, %" PRIu32
			" copies, %" PRIu32 " freed",
			m->map->from, m->map->end, m->map->survey ? " (survey)" : "", m->map->count,
			m->map->copies, m->map->freed);
	if (m->entry)
		trace_words(trace,
			"    entry e%" PRIu64 " s%" PRIu64 " op %" PRIu32 " offset %" PRIu64
			" length %" PRIu64,
			m->entry->epoch->number, m->entry->seq, m->entry->op, m->entry->offset_bytes,
			m->entry->length_bytes);
	quoin__wire__message__free_unpacked(m, NULL);
}

void trace_frame(struct trace *trace, unsigned from, unsigned to, const struct frame *frame)
{
	uint64_t check = frame->body_bytes ? crc32c(frame->body, frame->body_bytes) : 0;

	trace_hash(trace, "frame", from, to, (uint64_t)frame->type << 32 | check);
	if (!trace->print)
		return;
	if (frame->type >= WIRE_HEARTBEAT)
		hot_words(trace, from, to, frame);
	else
		cold_words(trace, from, to, frame);
}
