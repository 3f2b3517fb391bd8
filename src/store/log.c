/*
 * A replica's log: append, commit, truncate, reset, and its table of epochs. The functions change what is
 * asked for in memory at once; the journal makes it durable in the order of the calls.
 */
#include "store/pool.h"

#include <errno.h>
#include <string.h>

/* ---- table of epochs ---- */

void replica_rows_add(struct pool_replica *replica, struct epoch epoch, uint64_t seq)
{
	unsigned count = replica->row_count;

	if (count > 0 && epoch_equal(replica->rows[count - 1].epoch, epoch))
		return;
	if (count == EPOCHS_MAX) {
		/* The oldest is forgotten: nobody compares logs that far back. */
		memmove(replica->rows, replica->rows + 1, sizeof(replica->rows[0]) * (EPOCHS_MAX - 1));
		count--;
	}
	replica->rows[count] = (struct epoch_start){ .epoch = epoch, .first_seq = seq };
	replica->row_count = count + 1;
}

void replica_rows_cut(struct pool_replica *replica, uint64_t seq)
{
	while (replica->row_count > 0 && replica->rows[replica->row_count - 1].first_seq > seq)
		replica->row_count--;
}

struct epoch replica_epoch_at(const struct pool_replica *replica, uint64_t seq)
{
	for (unsigned i = replica->row_count; i > 0; i--)
		if (replica->rows[i - 1].first_seq <= seq)
			return replica->rows[i - 1].epoch;
	return (struct epoch){ 0 };
}

unsigned pool_replica_epochs(const struct pool_replica *replica, const struct epoch_start **ret_rows)
{
	*ret_rows = replica->rows;
	return replica->row_count;
}

/* ---- positions ---- */

struct position pool_replica_last(const struct pool_replica *replica)
{
	return replica->last;
}

uint64_t pool_replica_durable_seq(const struct pool_replica *replica)
{
	return replica->durable_seq;
}

uint64_t pool_replica_commit_seq(const struct pool_replica *replica)
{
	return replica->commit_seq;
}

uint64_t pool_replica_applied_seq(const struct pool_replica *replica)
{
	return replica->applied.seq;
}

uint64_t pool_replica_first_seq(const struct pool_replica *replica)
{
	struct list *node = list_first(&replica->log);
	uint64_t first = node ? list_entry(node, struct log_entry, log_node)->seq : replica->last.seq + 1;

	return first > replica->lost_seq ? first : replica->lost_seq + 1;
}

/* ---- append ---- */

void pool_replica_append(struct pool_replica *replica, struct entry *entry)
{
	struct pool *pool = replica->pool;
	struct log_entry *le;

	ASSERT(entry->seq == replica->last.seq + 1);
	ASSERT(epoch_compare(entry->epoch, replica->last.epoch) >= 0);
	ASSERT(!replica->deleted);
	if (pool->failed)
		return;
	le = le_get(pool);
	/* pool_replica_room() is 0 long before. */
	ASSERT(le);
	le->replica = replica;
	le->entry = entry_ref(entry);
	le->epoch = entry->epoch;
	le->seq = entry->seq;
	le->edge = MUTANT(copy_dropped_for_partial) ? UINT64_MAX : replica->edge;
	le->weight_bytes = BLOCK_BYTES + (entry->op == ENTRY_WRITE ? (uint32_t)entry->length_bytes : 0);
	le->queued = true;
	list_push_back(&replica->log, &le->log_node);
	index_add(le);
	if (list_is_empty(&replica->apply_node))
		list_push_back(&pool->to_apply, &replica->apply_node);
	replica->last = (struct position){ .epoch = entry->epoch, .seq = entry->seq };
	replica_rows_add(replica, entry->epoch, entry->seq);
	replica->uncommitted_bytes += le->weight_bytes;
	if (entry->op == ENTRY_WRITE)
		pool->counters.user_write_bytes += entry->length_bytes;
	journal_queue(pool, &le->item);
}

static void commit_move(struct pool_replica *replica, uint64_t seq)
{
	for (uint64_t s = replica->commit_seq + 1; s <= seq; s++) {
		struct log_entry *le = index_find(replica, s);

		if (le && !le->applied) {
			ASSERT(replica->uncommitted_bytes >= le->weight_bytes);
			replica->uncommitted_bytes -= le->weight_bytes;
			replica->pool->unapplied_bytes += le->weight_bytes;
		}
	}
	replica->commit_seq = seq;
}

void pool_replica_commit_set(struct pool_replica *replica, uint64_t seq)
{
	struct pool *pool = replica->pool;

	if (seq > replica->last.seq)
		seq = replica->last.seq;
	if (seq <= replica->commit_seq || replica->deleted)
		return;
	commit_move(replica, seq);
	if (list_is_empty(&replica->commit_node))
		list_push_back(&pool->commit_news, &replica->commit_node);
	if (!loop_timer_is_set(&pool->journal.mark_timer))
		journal_mark_arm(pool);
	pool_pump_soon(pool);
}

void pool_replica_all_set(struct pool_replica *replica, uint64_t seq)
{
	if (seq > replica->all_seq)
		replica->all_seq = seq;
}

/* ---- truncate, reset ---- */

/* Takes all entries above seq out of the log; they keep their room in the ring until `work` is durable. */
static void log_cut(struct pool_replica *replica, uint64_t seq, struct work *work)
{
	struct list *node;

	while ((node = list_last(&replica->log)) != NULL) {
		struct log_entry *le = list_entry(node, struct log_entry, log_node);

		if (le->seq <= seq)
			return;
		if (le->seq > replica->commit_seq && !le->applied) {
			ASSERT(replica->uncommitted_bytes >= le->weight_bytes);
			replica->uncommitted_bytes -= le->weight_bytes;
		} else if (!le->applied) {
			replica->pool->unapplied_bytes -= le->weight_bytes;
		}
		if (le->carrying && le->carry_batch == 0) {
			list_remove(&le->item.node);
			le->carrying = false;
		}
		index_remove(le);
		le->truncated = true;
		list_remove(&le->log_node);
		list_push_back(&work->entries, &le->log_node);
	}
}

void pool_replica_truncate(struct pool_replica *replica, uint64_t seq, pool_done_fn fn, void *arg)
{
	struct pool *pool = replica->pool;
	struct work *work = work_get(pool, replica, WORK_TRUNCATE);

	ASSERT(seq >= replica->commit_seq && seq >= replica->applied.seq && seq <= replica->last.seq);
	work->fn = fn;
	work->arg = arg;
	work->position.seq = seq;
	if (pool->failed) {
		work_answer(pool, work, -EIO);
		return;
	}
	log_cut(replica, seq, work);
	replica_rows_cut(replica, seq);
	replica->last = (struct position){ .epoch = replica_epoch_at(replica, seq), .seq = seq };
	if (replica->durable_seq > seq)
		replica->durable_seq = seq;
	pool->change++;
	journal_queue(pool, &work->item);
}

void pool_replica_log_reset(struct pool_replica *replica, struct position last,
	const struct epoch_start *rows, unsigned row_count, pool_done_fn fn, void *arg)
{
	struct pool *pool = replica->pool;
	struct work *work = work_get(pool, replica, WORK_RESET);

	ASSERT(replica->state.incomplete);
	ASSERT(row_count <= EPOCHS_MAX);
	work->fn = fn;
	work->arg = arg;
	work->position = last;
	work->row_count = row_count;
	memcpy(work->rows, rows, sizeof(rows[0]) * row_count);
	if (pool->failed) {
		work_answer(pool, work, -EIO);
		return;
	}
	/* Copies of an earlier resync that wait for a round must not land behind the next comparison. */
	replica_cancel_works(replica);
	log_cut(replica, 0, work);
	memcpy(replica->rows, rows, sizeof(rows[0]) * row_count);
	replica->row_count = row_count;
	replica->last = last;
	replica->applied = last;
	replica->durable_seq = replica->commit_seq = replica->commit_written = replica->commit_durable =
		last.seq;
	replica->composed_seq = 0;
	replica->lost_seq = 0;
	replica->trim_cursor = 0;
	replica->serial++;
	replica->syncing = true;
	replica->damaged = false;
	replica->edge = 0; /* what comes before the first comparison is left out: that will have it */
	replica->hold = UINT64_MAX;
	list_remove(&replica->commit_node);
	pool->change++;
	journal_queue(pool, &work->item);
}
