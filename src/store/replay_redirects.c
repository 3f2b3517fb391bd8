/*
 * Redirected grains of a batch that no header calls durable: its record may have reached the disk without
 * them. One grain after the other is read and compared; replay comes back for the batch after each.
 */
#include "store/opening.h"

#include <string.h>

/* The grain with this number among those that the batch redirects to; false: there are fewer. */
static bool grain_find(const struct batch_header *h, struct reader records, unsigned wanted,
	struct record *ret_record, unsigned *ret_grain)
{
	for (unsigned i = 0; i < h->record_count; i++) {
		if (record_decode(&records, ret_record) < 0)
			return false;
		if (wanted < record_grains(ret_record)) {
			*ret_grain = wanted;
			return true;
		}
		wanted -= record_grains(ret_record);
	}
	return false;
}

static void grain_read(struct opening *o)
{
	struct batch_header h;
	struct reader records;
	struct record record;
	uint32_t block = (uint32_t)(o->position % o->pool->g.ring_blocks), crcs[GRAIN_BLOCKS];
	unsigned grain;

	ASSERT(batch_decode(&o->pool->g, block, o->window + (size_t)(block - o->window_block) * BLOCK_BYTES,
		       &h, &records) == 0);
	ASSERT(h.number == o->redirect_batch && grain_find(&h, records, o->redirect_next, &record, &grain));
	crc32c_blocks(o->grain, GRAIN_BLOCKS, crcs);
	if (memcmp(crcs, record.crc + (size_t)grain * GRAIN_BLOCKS, sizeof(crcs)) != 0)
		o->redirect_rotten = true;
	o->redirect_next++;
	open_replay(o);
}

bool replay_redirects(struct opening *o, const struct batch_header *h, struct reader records)
{
	struct record record;
	unsigned grain;

	if (o->redirect_batch != h->number) {
		o->redirect_batch = h->number;
		o->redirect_next = 0;
		o->redirect_rotten = false;
	}
	if (o->redirect_rotten || !grain_find(h, records, o->redirect_next, &record, &grain))
		return true;
	if (record.fresh[grain] >= o->pool->g.grain_count) {
		o->redirect_rotten = true;
		return true;
	}
	if (!o->grain)
		o->grain = aligned_new(GRAIN_BYTES);
	ASSERT(o->grain);
	opening_read(o, o->grain, GRAIN_BYTES, geometry_grain_offset(&o->pool->g, record.fresh[grain]),
		grain_read);
	return false;
}
