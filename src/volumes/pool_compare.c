#include "volumes/pool_compare.h"

#include "volumes/manager.h"

static bool has_replica_in(
	const struct snapshot *snapshot, const struct volume_stats *stats, struct uuid pool)
{
	for (unsigned i = 0; i < stats->voter_count; i++) {
		const struct snapshot_replica *replica =
			snapshot_replica_find(snapshot, stats->voters[i].replica);

		if (replica && uuid_equal(replica->pool, pool))
			return true;
	}
	return false;
}

static void group_add(struct pool_compare_view *view, const struct volume_stats *stats)
{
	const struct compare_status *compare = &stats->compare;

	view->groups++;
	if (compare->under_way && (view->under_way == 0 || compare->percent < view->percent))
		view->percent = compare->percent;
	view->under_way += compare->under_way;
	view->asked += compare->asked;
	if (compare->passes == 0) {
		view->never++;
		return;
	}
	view->last.grains += compare->last.grains;
	view->last.differing += compare->last.differing;
	view->last.rewritten += compare->last.rewritten;
	view->last.undecided += compare->last.undecided;
	if (stats->compared_ms > view->oldest_ms)
		view->oldest_ms = stats->compared_ms;
}

void pool_compare_fill(const struct volumes *volumes, struct uuid pool, struct pool_compare_view *ret_view)
{
	const struct snapshot *snapshot = &volumes->snapshot;

	*ret_view = (struct pool_compare_view){ 0 };
	for (unsigned k = 0; k < snapshot->rows.volume_count && k < snapshot->rows.volume_room; k++)
		if (has_replica_in(snapshot, &snapshot->rows.stats[k], pool))
			group_add(ret_view, &snapshot->rows.stats[k]);
}
