/*
 * A resync's way through the levels of a volume: which one comes next, and what is done when they change
 * under it. docs/protocol.md, "Resync".
 */
#include "replication/coordinator_copy.h"

static uint64_t grain_count(const struct coordinator *co)
{
	return co->config.size_bytes / GRAIN_BYTES;
}

static uint64_t first_level(const struct voter_sync *sync)
{
	return sync->levels > 0 && !MUTANT(top_level_only) ? 1 : LAYER_TOP;
}

/* The tree first, then each snapshot's level and the top's: all are surveyed, then all are compared. False:
 * that was the last. */
bool sync_level_next(struct coordinator *co, struct voter *v)
{
	struct voter_sync *sync = &v->sync;

	sync->cursor = 0;
	if (sync->layer == LAYER_TREE) {
		sync->layer = first_level(sync);
	} else if (sync->layer != LAYER_TOP) {
		sync->layer = sync->layer < sync->levels ? sync->layer + 1 : LAYER_TOP;
	} else if (sync->survey) {
		sync->layer = first_level(sync);
		sync->survey = false;
		co->changed = true;
	} else {
		sync->cursor = grain_count(co);
		return false;
	}
	return true;
}

/* Nothing is done about a survey, and entries don't change a snapshot: such maps need no place in the stream.
 */
bool sync_is_still(const struct voter_sync *sync)
{
	return sync->survey || sync->layer != LAYER_TOP;
}

bool sync_is_survey(const struct voter_sync *sync)
{
	return sync->survey && sync->layer != LAYER_TREE;
}

uint32_t sync_map_most(const struct coordinator *co, const struct voter_sync *sync)
{
	bool is_small = co->config.map_grains != 0 && sync->layer != LAYER_TREE;

	return is_small ? co->config.map_grains : MAP_MAX_GRAINS;
}

void coordinator_sync_again(struct coordinator *co, int i, bool reset)
{
	struct voter *v = &co->voters[i];

	ASSERT(v->stage == VOTER_SYNCING || v->stage == VOTER_SYNC_FINISHING);
	v->sync_reset |= reset;
	coordinator_copies_reset(co, i);
	v->due &= ~(uint32_t)(DUE_SYNC_WINDOW | DUE_MAP_READ | DUE_MAP_COMPARE | DUE_SYNC_FINISH);
	v->sync.source = -1;
	v->sync.token = 0;
	coordinator_sync_wanted(co, i);
}

bool coordinator_sync_is_overtaken(struct coordinator *co, int i, const struct entry *entry)
{
	const struct voter *v = &co->voters[i];

	if (!entry_op_is_structural(entry->op) || MUTANT(sync_over_snapshot) ||
		(v->stage != VOTER_SYNCING && v->stage != VOTER_SYNC_FINISHING))
		return false;
	/* Behind all that was compared and copied it is an entry like others. */
	if (v->stage == VOTER_SYNC_FINISHING && entry->seq > v->sync.finish_seq)
		return false;
	/* An earlier session may have committed it: this one will soon. */
	if (entry->seq <= co->commit_seq)
		coordinator_sync_again(co, i, false);
	return true;
}
