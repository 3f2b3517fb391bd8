/*
 * The ring's second reading: batch after batch from the tail. The first bad one that nothing calls durable is
 * the torn tail: what follows it is dropped. A bad one that is called durable is damage: whom it names is
 * incomplete.
 */
#include "store/opening.h"

#include <errno.h>
#include <string.h>

/* Whether what was found at a block is batch `number` behind the former one. */
static bool replay_stands(const struct opening *o, uint32_t block)
{
	const struct found *found = &o->found[block];

	return found->number == o->number && !found_is_leftover(o, found) &&
	       (found->open_count >= o->former_open_count || MUTANT(accept_leftover));
}

/*
 * The place of batch `number`: where the former one ends, or the ring's beginning. UINT32_MAX: neither. Where
 * both have one, the newer open's counts: an open that gave the other up, unanswered, wrote a larger one in
 * its place, which did not fit before the ring's end. By the superblock the other is no leftover any more
 * once a later open begins behind it.
 */
static uint32_t replay_place(struct opening *o)
{
	uint32_t ring = o->pool->g.ring_blocks, block = (uint32_t)(o->position % ring);
	bool here = replay_stands(o, block), start = replay_stands(o, 0);

	if (here && start && o->found[0].open_count > o->found[block].open_count &&
		!MUTANT(given_up_comes_back))
		here = false;
	if (here)
		return block;
	if (!start)
		return UINT32_MAX;
	if (block != 0)
		o->position += ring - block;
	return 0;
}

static void replay_end(struct opening *o)
{
	struct journal *j = &o->pool->journal;

	/* A number that anybody called durable is never given again. */
	j->next = o->number > o->claim ? o->number : o->claim + 1;
	for (uint64_t number = o->number; number < j->next; number++) {
		*ring_batch(o->pool, number) = (struct ring_batch){ .position = o->position };
		list_init(&ring_batch(o->pool, number)->entries);
	}
	j->head = o->position;
	j->durable = j->claimed = j->settled = j->next - 1;
	j->tail_written = j->tail;
	if (j->tail > j->durable && j->durable > 0) {
		/* All was lost: the tail stands at the last number. */
		j->tail = j->durable;
		ring_batch(o->pool, j->tail)->position = o->position;
	}
	j->last_records = j->next - 1;
	o->refill = j->tail;
	open_refill(o);
}

/* Batch o->number is lost: goes on with the next one that is there. */
static void replay_skip(struct opening *o)
{
	struct pool *pool = o->pool;
	uint32_t ring = pool->g.ring_blocks, best = UINT32_MAX;

	for (uint32_t block = 0; block < ring; block++) {
		const struct found *found = &o->found[block];

		if (found->number > o->number && !found_is_leftover(o, found) &&
			(best == UINT32_MAX || found->number < o->found[best].number))
			best = block;
	}
	if (MUTANT(damage_is_tail)) {
		replay_end(o);
		return;
	}
	if (best == UINT32_MAX) {
		o->all_damaged = true;
		replay_end(o);
		return;
	}
	if (o->found[best].number > o->number + 1)
		o->all_damaged = true; /* nobody says whom the one in between named */
	for (uint64_t number = o->number; number < o->found[best].number; number++) {
		*ring_batch(pool, number) = (struct ring_batch){ .position = o->position };
		list_init(&ring_batch(pool, number)->entries);
	}
	o->lost_former = true;
	o->number = o->found[best].number;
	o->position += (best + ring - (uint32_t)(o->position % ring)) % ring;
	open_replay(o);
}

static bool window_has(const struct opening *o, uint32_t block, uint32_t count)
{
	return block >= o->window_block && block + count <= o->window_block + o->window_count;
}

bool opening_window(struct opening *o, uint32_t block, uint32_t count, void (*next)(struct opening *o))
{
	uint32_t left = o->pool->g.ring_blocks - block;

	if (window_has(o, block, count))
		return true;
	o->window_block = block;
	o->window_count = left < WINDOW_BLOCKS ? left : WINDOW_BLOCKS;
	opening_read(o, o->window, (uint64_t)o->window_count * BLOCK_BYTES,
		geometry_ring_offset(&o->pool->g, block), next);
	return false;
}

/* One batch that stands in the window; false when replay is over or goes on by itself. */
static bool replay_one(struct opening *o, uint32_t block)
{
	struct pool *pool = o->pool;
	struct batch_header h;
	struct reader records;
	struct ring_batch *rb = ring_batch(pool, o->number);

	if (batch_decode(&pool->g, block, o->window + (size_t)(block - o->window_block) * BLOCK_BYTES, &h,
		    &records) < 0) {
		/* It was valid when it was scanned: the device changes its mind. */
		(void)error_set(&o->error, -EIO, "the journal reads differently each time");
		opening_fail(o, -EIO);
		return false;
	}
	if (!opening_window(o, block, h.blocks, open_replay))
		return false;
	if (h.number > o->claim && !MUTANT(redirect_unverified) && !replay_redirects(o, &h, records))
		return false;
	*rb = (struct ring_batch){ .position = o->position, .blocks = h.blocks };
	list_init(&rb->entries);
	if ((h.number > o->claim && o->redirect_rotten) || replay_batch(o, &h, &records, block) < 0) {
		if (h.number > o->claim) {
			replay_end(o);
			return false;
		}
		replay_damage_names(o, h.names, h.name_count);
	}
	if (o->rc < 0) {
		opening_fail(o, o->rc);
		return false;
	}
	if (o->lost_former)
		replay_damage_names(o, h.former, h.former_count);
	o->lost_former = false;
	o->former_open_count = h.open_count;
	o->directory_sum = h.directory_sum;
	o->layer_sum = h.layer_sum;
	o->sum_known = true;
	pool->journal.former_count = h.name_count;
	memcpy(pool->journal.former, h.names, sizeof(h.names[0]) * h.name_count);
	o->number++;
	o->position += h.blocks;
	return true;
}

void open_replay(struct opening *o)
{
	for (;;) {
		uint32_t block = replay_place(o);

		if (block == UINT32_MAX && o->number > o->claim) {
			replay_end(o);
			return;
		}
		if (block == UINT32_MAX) {
			replay_skip(o);
			return;
		}
		if (!opening_window(o, block, 1, open_replay) || !replay_one(o, block))
			return;
	}
}
