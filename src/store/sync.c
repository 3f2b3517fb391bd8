/* What a resync and a repair ask of the store; waiting until something is applied. */
#include "store/checksums.h"
#include "store/pool.h"

#include <errno.h>

void applied_waiters_check(struct pool *pool)
{
	list_for_each_safe (node, &pool->applied_waiters) {
		struct work *work = list_entry(node, struct work, item.node);

		if (work->replica->applied.seq >= work->position.seq)
			work_answer(pool, work, 0);
	}
}

void pool_replica_applied_wait(struct pool_replica *replica, uint64_t seq, pool_done_fn fn, void *arg)
{
	struct pool *pool = replica->pool;
	struct work *work = work_get(pool, replica, WORK_APPLIED);

	work->fn = fn;
	work->arg = arg;
	work->position.seq = seq;
	list_push_back(&pool->applied_waiters, &work->item.node);
	if (pool->failed || pool->closing)
		work_answer(pool, work, -EIO);
	else
		applied_waiters_check(pool);
	pool_pump_soon(pool);
}

void pool_replica_sync_edge(struct pool_replica *replica, uint64_t edge_index)
{
	replica->edge = edge_index;
	/* Those that are held back have not been applied to anything yet. */
	for (struct list *node = replica->log.prev; node != &replica->log; node = node->prev) {
		struct log_entry *le = list_entry(node, struct log_entry, log_node);

		if (le->seq <= replica->hold)
			return;
		le->edge = edge_index;
	}
}

void pool_replica_sync_hold(struct pool_replica *replica, uint64_t seq)
{
	replica->hold = seq;
	pool_pump_soon(replica->pool);
}

static void round_work_queue(struct work *work)
{
	struct pool *pool = work->replica->pool;

	if (pool->failed || pool->closing) {
		work_answer(pool, work, -EIO);
		return;
	}
	list_push_back(&pool->round.puts, &work->item.node);
	pool_pump_soon(pool);
}

static void grain_work(struct work *work, const struct grain_copy *copy, pool_done_fn fn, void *arg)
{
	ASSERT(copy->index < work->replica->grain_limit);
	work->fn = fn;
	work->arg = arg;
	work->copy = *copy;
	work->copy.data = copy->state.present ? buf_ref(copy->data) : NULL;
	round_work_queue(work);
}

void pool_replica_structure(struct pool_replica *replica, enum entry_op op, struct uuid snapshot,
	struct position frozen, pool_done_fn fn, void *arg)
{
	struct work *work = work_get(replica->pool, replica, WORK_STRUCTURE);

	ASSERT(replica->state.incomplete && entry_op_is_structural(op));
	work->fn = fn;
	work->arg = arg;
	work->op = op;
	work->copy = (struct grain_copy){ .level = { .snapshot = snapshot } };
	work->position = frozen;
	round_work_queue(work);
}

void pool_replica_grain_put(
	struct pool_replica *replica, const struct grain_copy *copy, pool_done_fn fn, void *arg)
{
	ASSERT(replica->state.incomplete);
	grain_work(work_get(replica->pool, replica, WORK_PUT), copy, fn, arg);
}

void pool_replica_grain_heal(struct pool_replica *replica, const struct grain_copy *copy, uint16_t bad_blocks,
	pool_done_fn fn, void *arg)
{
	struct work *work = work_get(replica->pool, replica, WORK_HEAL);

	ASSERT((bad_blocks & ~copy->state.present) == 0);
	work->bad_blocks = bad_blocks;
	work->until_seq = 0;
	work->rewrite_blocks = 0;
	grain_work(work, copy, fn, arg);
}

void pool_replica_grain_rewrite(struct pool_replica *replica, const struct grain_copy *copy, uint16_t blocks,
	pool_done_fn fn, void *arg)
{
	struct work *work = work_get(replica->pool, replica, WORK_HEAL);

	ASSERT((blocks & ~copy->state.present) == 0);
	work->until_seq = 0;
	work->bad_blocks = work->rewrite_blocks = blocks;
	grain_work(work, copy, fn, arg);
}

void pool_replica_grain_replace(struct pool_replica *replica, const struct grain_copy *copy,
	uint64_t from_seq, uint64_t until_seq, pool_done_fn fn, void *arg)
{
	struct work *work = work_get(replica->pool, replica, WORK_HEAL);

	ASSERT(until_seq != 0);
	work->position.seq = from_seq;
	work->until_seq = until_seq;
	grain_work(work, copy, fn, arg);
}
