/* What a snapshot has, and what it has that an older one hasn't: out of the map alone, nothing is read. */
#include "store/changes.h"
#include "store/pool.h"

#include <errno.h>

int pool_replica_snapshot_changes(const struct pool_replica *replica, struct uuid snapshot, struct uuid since,
	uint64_t from, uint32_t count, struct grain_change *ret_changes)
{
	const struct layer *view = layer_of_snapshot(replica, snapshot);
	const struct layer *older = uuid_is_none(since) ? NULL : layer_of_snapshot(replica, since);
	const struct tree *tree;

	if (!view)
		return -ENOENT;
	if (!uuid_is_none(since) && (!older || older->tree != view->tree || !layer_sees(view, older)))
		return -EINVAL;
	tree = view->tree;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t index = from + i;
		struct layer_masks masks = { 0, 0 };

		/* A bit that isn't set: no layer of the tree has anything there. */
		if (index < tree->limit && (tree->bits[index / 64] & UINT64_C(1) << index % 64))
			masks = layer_masks_at(
				replica->pool, view, MUTANT(changes_of_all) ? NULL : older, index);
		ret_changes[i].present = masks.present;
		ret_changes[i].zero = older ? masks.zero : 0;
	}
	return 0;
}
