/*
 * The third reading of the ring, only where entries were short in the second: what a log entry says is needed
 * of those alone that are not applied in the end, and replay learns from later batches that most of them are.
 * So the others are looked up once more, by their batches' headers.
 */
#include "store/opening.h"

#include <errno.h>

/* A batch with such an entry; the ring's end where there is none. */
static uint64_t refill_next(struct opening *o)
{
	struct pool *pool = o->pool;
	uint64_t number = o->refill;

	for (; number < pool->journal.next; number++)
		list_for_each (node, &ring_batch(pool, number)->entries) {
			const struct log_entry *le = list_entry(node, struct log_entry, batch_node);

			if (le->bare && !le->applied)
				return number;
		}
	return number;
}

static void refill_record(struct opening *o, const struct record *record, uint64_t number)
{
	struct pool *pool = o->pool;
	struct pool_replica *replica = record->dir < pool->g.dir_pages ? pool->dir[record->dir] : NULL;
	struct log_entry *le = replica ? index_find(replica, record->seq) : NULL;

	if (!le || !le->bare || le->applied || le->batch != number || !epoch_equal(le->epoch, record->epoch))
		return;
	le->entry = entry_get(pool->options.entries);
	if (!le->entry) {
		(void)error_set(&o->error, -ENOMEM,
			"the pool's journal holds more entries that are not applied than there is memory "
			"for");
		o->rc = -ENOMEM;
		return;
	}
	entry_of_record(record, le->entry);
	index_fill(le);
}

/* The header stands in the window; false when it is not what it was. */
static bool refill_batch(struct opening *o, uint32_t block)
{
	struct batch_header h;
	struct reader records;
	struct record record;

	if (batch_decode(&o->pool->g, block, o->window + (size_t)(block - o->window_block) * BLOCK_BYTES, &h,
		    &records) < 0 ||
		h.number != o->refill)
		return false;
	for (unsigned i = 0; i < h.record_count && o->rc == 0; i++) {
		if (record_decode(&records, &record) < 0)
			return false;
		if (record_is_entry(&record))
			refill_record(o, &record, h.number);
	}
	return true;
}

void open_refill(struct opening *o)
{
	for (;;) {
		uint32_t block;

		o->refill = refill_next(o);
		if (o->refill >= o->pool->journal.next) {
			open_settle(o);
			return;
		}
		block = (uint32_t)(ring_batch(o->pool, o->refill)->position % o->pool->g.ring_blocks);
		if (!opening_window(o, block, 1, open_refill))
			return;
		if (!refill_batch(o, block)) {
			(void)error_set(&o->error, -EIO, "the journal reads differently each time");
			o->rc = -EIO;
		}
		if (o->rc < 0) {
			opening_fail(o, o->rc);
			return;
		}
		o->refill++;
	}
}
