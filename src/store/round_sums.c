/*
 * Checksums that a round lacks: they are read for what waits and for what follows it, so that the next round
 * is not a small one. What has been read stays until that round is built.
 */
#include "store/round.h"

#define SUMS_AHEAD 128u /* entries, or grains, whose checksums are read at once */

void round_sums_entry(struct pool *pool, const struct layer *layer, struct log_entry *le)
{
	for (unsigned n = 0; n < SUMS_AHEAD && le && le->seq <= le->replica->commit_durable; n++) {
		for (unsigned i = 0; i < le->piece_count; i++)
			(void)sums_want(pool, map_find(pool, layer, le->pieces[i].index), SUMS_ROUND);
		le = index_find(le->replica, le->seq + 1);
	}
}

void round_sums_trim(struct pool *pool, const struct layer *layer, const struct log_entry *le, uint64_t index)
{
	uint64_t end = (le->entry->offset_bytes + le->entry->length_bytes) / BLOCK_BYTES;

	for (unsigned n = 0; n < SUMS_AHEAD; n++, index++) {
		index = pool_replica_grain_next(le->replica, index);
		if (index == UINT64_MAX || index * GRAIN_BLOCKS >= end)
			return;
		(void)sums_want(pool, map_find(pool, layer, index), SUMS_ROUND);
	}
}

/* What those that follow will need is read at once. */
void round_sums_puts(struct pool *pool, struct list *node)
{
	for (unsigned n = 0; n < SUMS_AHEAD && node != &pool->round.puts; n++, node = node->next) {
		const struct work *work = list_entry(node, struct work, item.node);
		const struct layer *level = level_upper(work->replica, work->copy.level);

		if (level && work->kind != WORK_STRUCTURE)
			(void)sums_want_versions(pool, level->tree, work->copy.index, SUMS_ROUND);
	}
}
