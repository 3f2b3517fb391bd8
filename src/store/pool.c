/* The pool as a whole: memory, failing, and the pump that starts what can be started. */
#include "store/scrub.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

uint8_t *aligned_new(size_t bytes)
{
	void *memory = NULL;

	return posix_memalign(&memory, BLOCK_BYTES, bytes) == 0 ? memory : NULL;
}

/* ---- works ---- */

struct work *work_get(struct pool *pool, struct pool_replica *replica, enum work_kind kind)
{
	struct list *node = list_pop_front(&pool->work_free);
	struct work *work = node ? list_entry(node, struct work, item.node) : calloc(1, sizeof(*work));

	/* Control operations are few; without memory for one nothing of this process goes on. */
	ASSERT(work);
	work->item.kind = ITEM_WORK;
	list_init(&work->item.node);
	list_init(&work->entries);
	work->kind = kind;
	work->replica = replica;
	work->fn = NULL;
	work->create_fn = NULL;
	work->copy.data = NULL;
	work->rc = 0;
	return work;
}

void work_put(struct pool *pool, struct work *work)
{
	ASSERT(list_is_empty(&work->entries));
	buf_put(work->copy.data);
	work->copy.data = NULL;
	list_remove(&work->item.node);
	list_push_front(&pool->work_free, &work->item.node);
}

/* From an event of the loop: may call back at once. */
void work_finish(struct pool *pool, struct work *work, int rc)
{
	struct work told = *work;

	work_put(pool, work);
	if (told.create_fn)
		told.create_fn(told.arg, rc, rc == 0 ? told.replica : NULL);
	else if (told.fn)
		told.fn(told.arg, rc);
}

/* Perhaps inside the call that asked: calls back later. */
void work_answer(struct pool *pool, struct work *work, int rc)
{
	work->rc = rc;
	list_remove(&work->item.node);
	list_push_back(&pool->answer_works, &work->item.node);
	loop_defer(pool->loop, &pool->answers);
}

static void answers_run(void *arg)
{
	struct pool *pool = arg;
	struct list *node;

	while ((node = list_pop_front(&pool->answer_works)) != NULL) {
		struct work *work = list_entry(node, struct work, item.node);

		work_finish(pool, work, work->rc);
	}
	pool_pump_soon(pool);
}

/* ---- life ---- */

static void pump_run(void *arg)
{
	pool_pump(arg);
}

static void fail_told(void *arg)
{
	struct pool *pool = arg;

	if (pool->open && pool->options.failed)
		pool->options.failed(pool->options.arg, pool->fail_rc, pool->why);
}

int pool_new(struct loop *loop, struct device *device, const struct pool_open_options *options,
	struct pool **ret_pool)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	pool->loop = loop;
	pool->device = device;
	pool->options = *options;
	list_init(&pool->replicas);
	list_init(&pool->to_apply);
	list_init(&pool->commit_news);
	list_init(&pool->zombies);
	list_init(&pool->layers);
	list_init(&pool->le_free);
	list_init(&pool->work_free);
	list_init(&pool->answer_works);
	list_init(&pool->applied_waiters);
	list_init(&pool->round.puts);
	list_init(&pool->round.taken);
	list_init(&pool->run_free);
	list_init(&pool->read_wait);
	list_init(&pool->rollback_wait);
	list_init(&pool->read_done);
	loop_task_init(&pool->pump, pump_run, pool);
	loop_task_init(&pool->answers, answers_run, pool);
	loop_task_init(&pool->fail_task, fail_told, pool);
	watch_init(pool);
	reap_init(pool);
	close_init(pool);
	*ret_pool = pool;
	return 0;
}

/* All that depends on the geometry. */
int pool_size(struct pool *pool)
{
	int rc = map_init(pool);

	if (rc == 0)
		rc = sums_init(pool);
	pool->dir = calloc(pool->g.dir_pages, sizeof(struct pool_replica *));
	if (!pool->dir)
		return -ENOMEM;
	if (rc == 0)
		rc = index_init(pool);
	if (rc == 0)
		rc = journal_init(pool);
	if (rc == 0)
		rc = round_init(pool);
	if (rc == 0)
		rc = sweep_init(pool);
	if (rc == 0)
		rc = read_init(pool);
	if (rc == 0)
		rc = prepare_init(pool);
	if (rc == 0)
		rc = merge_init(pool);
	if (rc == 0)
		rc = scrub_init(pool);
	return rc;
}

void pool_free(struct pool *pool)
{
	struct list *node;

	ASSERT(list_is_empty(&pool->applied_waiters));
	ASSERT(!pool->dir || (list_is_empty(&pool->round.puts) && list_is_empty(&pool->round.taken)));
	/* Layers first: frozen ones stand on their replicas' lists. */
	while ((node = list_first(&pool->layers))) {
		list_entry(node, struct layer, node)->top_of = NULL;
		layer_free(pool, list_entry(node, struct layer, node));
	}
	/* Those that opening has found, and did not come to list. */
	for (uint32_t i = 0; pool->dir && i < pool->g.dir_pages; i++)
		if (pool->dir[i] && list_is_empty(&pool->dir[i]->node))
			pool_replica_free(pool->dir[i]);
	while ((node = list_first(&pool->replicas)) || (node = list_first(&pool->zombies)))
		pool_replica_free(list_entry(node, struct pool_replica, node));
	free(pool->layer_table);
	loop_task_cancel(&pool->pump);
	loop_task_cancel(&pool->answers);
	loop_task_cancel(&pool->fail_task);
	watch_done(pool);
	reap_done(pool);
	loop_timer_cancel(pool->loop, &pool->watch.leave);
	if (pool->dir) {
		journal_done(pool);
		round_done(pool);
		sweep_done(pool);
		merge_done(pool);
		read_done(pool);
		index_done(pool);
		scrub_done(pool);
	}
	sums_done(pool);
	map_done(pool);
	while ((node = list_pop_front(&pool->work_free)))
		free(list_entry(node, struct work, item.node));
	free(pool->prepare.zeroes);
	free(pool->dir);
	pool->device->ops->close(pool->device);
	free(pool);
}

void pool_pump_soon(struct pool *pool)
{
	if (pool->dir)
		loop_defer(pool->loop, &pool->pump);
}

void pool_fail(struct pool *pool, int rc, const char *why)
{
	if (pool->failed)
		return;
	pool->failed = true;
	pool->fail_rc = rc;
	(void)snprintf(pool->why, sizeof(pool->why), "%s: %s", why, strerror(-rc));
	loop_defer(pool->loop, &pool->fail_task);
	pool_pump_soon(pool);
}

/* ---- pump ---- */

void works_fail(struct pool *pool, struct list *works)
{
	struct list *node;

	while ((node = list_pop_front(works)) != NULL) {
		struct item *item = list_entry(node, struct item, node);
		struct work *work;

		if (item->kind == ITEM_ENTRY) {
			list_entry(&item->node, struct log_entry, item.node)->queued = false;
			continue;
		}
		work = container_of(item, struct work, item);
		while ((node = list_pop_front(&work->entries)) != NULL)
			continue;
		work_answer(pool, work, -EIO);
	}
}

/*
 * Nothing is durable any more: all that waits is told so. What stands in a batch that is being written, too:
 * the device may never answer, and has of a work only what was composed into the batch's own memory.
 */
static void pump_failed(struct pool *pool)
{
	works_fail(pool, &pool->journal.queue);
	pool->journal.queued = 0;
	for (unsigned i = 0; i < BATCHES_IN_FLIGHT; i++)
		if (pool->journal.batches[i].state != BATCH_WRITING || !MUTANT(works_wait_for_device))
			works_fail(pool, &pool->journal.batches[i].items);
	if (pool->probe)
		probe_fail(pool);
	works_fail(pool, &pool->round.puts);
	if (pool->round.ios_busy == 0) /* the data of those that a round has taken may be on its way */
		works_fail(pool, &pool->round.taken);
	works_fail(pool, &pool->applied_waiters);
	read_fail_waiting(pool);
	reads_leave(pool);
}

void pool_pump(struct pool *pool)
{
	if (!pool->open)
		return;
	sums_pump(pool);
	if (pool->failed) {
		pump_failed(pool);
	} else {
		map_release_settled(pool);
		replicas_finalize(pool);
		tail_pump(pool);
		merge_pump(pool);
		if (!pool->closing)
			apply_pump(pool);
		sweep_pump(pool);
		prepare_pump(pool);
		journal_pump(pool);
	}
	if (pool->opening) {
		opening_pump(pool);
		return;
	}
	if (pool->closing)
		close_pump(pool);
}

/* What is left when each replica has had its own. */
static uint64_t unowned_grains(const struct pool *pool)
{
	uint64_t grains = pool->map.used_count;

	list_for_each (node, &pool->replicas) {
		const struct pool_replica *replica = list_entry(node, struct pool_replica, node);

		ASSERT(grains >= replica->top->grains + replica->frozen);
		grains -= replica->top->grains + replica->frozen;
	}
	return grains;
}

void pool_info_get(const struct pool *pool, struct pool_info *ret_info)
{
	*ret_info = pool->counters;
	ret_info->cluster = pool->sb.cluster;
	ret_info->pool = pool->sb.pool;
	ret_info->size_bytes = (uint64_t)pool->g.grain_count * GRAIN_BYTES;
	ret_info->used_bytes = (uint64_t)pool->map.used_count * GRAIN_BYTES;
	ret_info->merging_bytes = merge_left(pool) * GRAIN_BYTES;
	ret_info->free_bytes = (uint64_t)pool->map.free_count * GRAIN_BYTES;
	ret_info->freeing_bytes = (uint64_t)pool->map.quarantine_count * GRAIN_BYTES;
	ret_info->thick_bytes = pool->thick_grains * GRAIN_BYTES;
	ret_info->thick_limit_bytes = thick_limit_grains(pool) * GRAIN_BYTES;
	ret_info->reserve_bytes = pool_least_grains(pool) * GRAIN_BYTES - ret_info->thick_bytes;
	ret_info->unowned_bytes = unowned_grains(pool) * GRAIN_BYTES;
	ret_info->journal_bytes = (uint64_t)pool->g.ring_blocks * BLOCK_BYTES;
	ret_info->journal_used_bytes = journal_used_blocks(pool) * BLOCK_BYTES;
	ret_info->replica_limit = pool_replica_limit(pool);
	ret_info->failed = pool->failed;
	memcpy(ret_info->why, pool->why, sizeof(ret_info->why));
	scrub_info_get(pool, &ret_info->scrub);
}
