/* The ring's first reading: where valid headers stand, how far the tail has moved, and what they call
 * durable. */
#include "store/opening.h"

#include <errno.h>

bool found_is_leftover(const struct opening *o, const struct found *found)
{
	const struct superblock *sb = &o->pool->sb;

	if (MUTANT(accept_leftover))
		return false;
	return found->number >= sb->first && found->open_count < sb->open_count;
}

static void block_look(struct opening *o, uint32_t block, const uint8_t *bytes)
{
	struct batch_header h;
	struct reader records;

	if (batch_decode(&o->pool->g, block, bytes, &h, &records) < 0)
		return;
	o->found[block] = (struct found){
		.number = h.number,
		.open_count = h.open_count,
		.tail = h.tail,
		.tail_block = h.tail_block,
		.durable = h.durable,
	};
}

/*
 * What any valid header of this history says of the tail and of durability is true, even one beyond a torn
 * batch: it was true when it was written.
 */
static void scan_end(struct opening *o)
{
	struct pool *pool = o->pool;
	uint64_t tail = 0;
	uint32_t tail_block = 0;

	o->claim = pool->sb.first - 1;
	for (uint32_t block = 0; block < pool->g.ring_blocks; block++) {
		const struct found *found = &o->found[block];

		if (found->number == 0 || found_is_leftover(o, found))
			continue;
		if (found->durable > o->claim)
			o->claim = found->durable;
		if (found->tail > tail) {
			tail = found->tail;
			tail_block = found->tail_block;
		}
	}
	if (tail == 0) {
		/* An empty ring is right only where nothing was ever durable. */
		tail = pool->sb.first;
		o->all_damaged = pool->sb.first > 1;
	}
	o->window_count = 0; /* the window holds the ring's end, not what replay asks for first */
	o->number = tail;
	o->position = tail_block;
	pool->journal.tail = tail;
	pool->journal.tail_free = tail_block;
	open_replay(o);
}

static void scan_chunk(struct opening *o)
{
	uint32_t count = o->window_count;

	for (uint32_t i = 0; i < count; i++)
		block_look(o, o->scanned + i, o->window + (size_t)i * BLOCK_BYTES);
	o->scanned += count;
	if (o->scanned < o->pool->g.ring_blocks)
		open_scan(o);
	else
		scan_end(o);
}

void open_scan(struct opening *o)
{
	uint32_t left = o->pool->g.ring_blocks - o->scanned;

	o->window_count = left < WINDOW_BLOCKS ? left : WINDOW_BLOCKS;
	opening_read(o, o->window, (uint64_t)o->window_count * BLOCK_BYTES,
		geometry_ring_offset(&o->pool->g, o->scanned), scan_chunk);
}
