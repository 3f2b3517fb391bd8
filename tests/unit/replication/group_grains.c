/*
 * The grains of a scenario's replicas: a grain's content is the seq of the newest entry in it. A payload
 * holds such numbers: a map's are (index, seq), a copy's is its seq.
 */
#include "group.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const uint32_t no_crc[ENTRY_MAX_BLOCKS];

/* As it will be once everything committed is applied. */
static uint64_t view(const struct group_replica *r, uint64_t grain)
{
	uint64_t seq = r->grain[grain];

	for (uint64_t s = r->applied + 1; s <= r->commit; s++)
		if (r->log[s].offset_bytes / GRAIN_BYTES == grain && r->log[s].op == ENTRY_WRITE)
			seq = s;
		else if (r->log[s].offset_bytes / GRAIN_BYTES == grain && r->log[s].op == ENTRY_TRIM)
			seq = 0;
	return seq;
}

static struct buf *page(struct group *g)
{
	struct buf *buf = buf_get(g->bufs, BLOCK_BYTES);

	assert_non_null(buf);
	buf->len_bytes = BLOCK_BYTES;
	memset(buf->data, 0, BLOCK_BYTES);
	return buf;
}

static void map_read(struct group *g, int i, struct replica_effect *e)
{
	struct group_replica *r = &g->replicas[i];
	struct message answer = e->message;
	struct buf *buf = page(g);
	uint64_t *records = (void *)buf->data;
	uint64_t grain = e->message.map.from;

	answer.type = MESSAGE_MAP_ANSWER;
	answer.seq = r->commit;
	answer.map.count = 0;
	/* Without snapshots. */
	if (e->message.map.layer == LAYER_TREE)
		grain = e->message.map.end;
	for (; grain < e->message.map.end; grain++) {
		if (!view(r, grain))
			continue;
		if (answer.map.count == e->message.map.count)
			break;
		records[answer.map.count * 2] = grain;
		records[answer.map.count++ * 2 + 1] = view(r, grain);
	}
	answer.map.end = grain;
	answer.payload = answer.map.count ? buf : NULL;
	answer.crc = no_crc;
	g->maps_read++;
	group_answer(g, i, (int)(e->to - 1) / 16, &answer);
	buf_put(buf);
}

static uint64_t record_find(const struct message *m, uint64_t grain)
{
	const uint64_t *records = m->payload ? (const void *)m->payload->data : NULL;

	for (uint32_t n = 0; n < m->map.count; n++)
		if (records[n * 2] == grain)
			return records[n * 2 + 1];
	return 0;
}

static void map_compare(struct group *g, int i, struct replica_effect *e)
{
	struct group_replica *r = &g->replicas[i];
	const struct message_map *map = &e->message.map;
	struct replica_compared compared = { .end = map->end };
	static uint32_t indices[MAP_MAX_COPIES];

	if (map->layer == LAYER_TREE) {
		replica_map_compared(r->machine, e->to, &e->message, &compared);
		return;
	}
	for (uint64_t grain = map->from; grain < map->end; grain++) {
		uint64_t theirs = record_find(&e->message, grain);

		if (theirs == r->grain[grain])
			continue;
		if (!map->survey && theirs && compared.copies == map->copies) {
			compared.end = grain;
			break;
		}
		if (theirs && !map->survey)
			indices[compared.copies] = (uint32_t)grain;
		if (theirs)
			compared.copies++;
		else if (!map->survey) {
			r->grain[grain] = 0;
			compared.freed++;
		}
	}
	if (!map->survey) {
		r->edge = compared.end;
		for (uint64_t s = r->hold + 1; s <= r->last; s++)
			r->edge_of[s] = compared.end;
		compared.indices = compared.copies ? indices : NULL;
	}
	replica_map_compared(r->machine, e->to, &e->message, &compared);
}

static void grain_read(struct group *g, int i, struct replica_effect *e)
{
	struct group_replica *r = &g->replicas[i];
	struct message answer = e->message;
	struct buf *buf = page(g);

	answer.type = MESSAGE_GRAIN_ANSWER;
	answer.rc = r->rotten[answer.grain.index] ? -EILSEQ : 0;
	answer.seq = r->commit;
	answer.grain.seq = view(r, answer.grain.index);
	answer.grain.found = answer.grain.seq != 0 && answer.rc == 0;
	answer.grain.present = answer.grain.found;
	answer.payload = answer.grain.found ? buf : NULL;
	answer.crc = no_crc;
	g->grains_read++;
	group_answer(g, i, (int)(e->to - 1) / 16, &answer);
	buf_put(buf);
}

static void grain_heal(struct group *g, int i, struct replica_effect *e)
{
	struct group_replica *r = &g->replicas[i];
	uint64_t grain = e->message.grain.index;
	bool same = r->grain[grain] == e->message.grain.seq;

	if (same)
		r->rotten[grain] = false;
	replica_grain_healed(r->machine, e->to, &e->message, same ? 0 : -EAGAIN, same);
}

void group_effect_grains(struct group *g, int i, struct replica_effect *e)
{
	struct group_replica *r = &g->replicas[i];

	group_apply(r);
	switch (e->type) {
	case REPLICA_MAP_READ:
		map_read(g, i, e);
		break;
	case REPLICA_MAP_COMPARE:
		map_compare(g, i, e);
		break;
	case REPLICA_GRAIN_READ:
		grain_read(g, i, e);
		break;
	case REPLICA_GRAIN_HEAL:
		grain_heal(g, i, e);
		break;
	default:
		r->grain[e->message.grain.index] = e->message.grain.found ? e->message.grain.seq : 0;
		replica_grain_written(r->machine, e->to, &e->message, 0, g->now_ns);
	}
}
