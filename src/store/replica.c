/* The directory: replicas come, change their state, and go. */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pool_replica *pool_replica_new(struct pool *pool, const struct directory_record *record)
{
	struct pool_replica *replica = calloc(1, sizeof(*replica));

	ASSERT(record->dir < pool->g.dir_pages && !pool->dir[record->dir]);
	if (!replica)
		return NULL;
	replica->grain_limit = record->identity.size_bytes / GRAIN_BYTES;
	replica->pool = pool;
	replica->head = *record;
	replica->state = record->state;
	replica->edge = replica->hold = UINT64_MAX;
	list_init(&replica->node);
	list_init(&replica->commit_node);
	list_init(&replica->apply_node);
	list_init(&replica->log);
	list_init(&replica->wide);
	list_init(&replica->layers);
	list_init(&replica->rollbacks);
	pool->dir[record->dir] = replica;
	pool->replica_count++;
	return replica;
}

void pool_replica_free(struct pool_replica *replica)
{
	list_remove(&replica->node);
	list_remove(&replica->commit_node);
	list_remove(&replica->apply_node);
	replica->pool->replica_count--;
	free(replica);
}

struct pool_replica *pool_replica_next(struct pool *pool, struct pool_replica *after)
{
	struct list *node = after ? after->node.next : pool->replicas.next;

	return node == &pool->replicas ? NULL : list_entry(node, struct pool_replica, node);
}

struct pool_replica *pool_replica_find(struct pool *pool, struct uuid replica)
{
	list_for_each (node, &pool->replicas) {
		struct pool_replica *found = list_entry(node, struct pool_replica, node);

		if (uuid_equal(found->head.identity.replica, replica))
			return found;
	}
	return NULL;
}

int replica_top_make(struct pool_replica *replica, struct layer *parent)
{
	struct pool *pool = replica->pool;

	replica->top = layer_new(pool, replica->head.layer, parent, replica->grain_limit);
	if (!replica->top)
		return -ENOMEM;
	replica->top->top_of = replica;
	layers_number(pool);
	return 0;
}

static void replica_create(struct pool *pool, const struct pool_replica_identity *identity,
	struct layer *parent, bool incomplete, void (*fn)(void *arg, int rc, struct pool_replica *replica),
	void *arg);

static uint32_t dir_find_free(const struct pool *pool)
{
	for (uint32_t dir = 0; dir < pool->g.dir_pages; dir++)
		if (!pool->dir[dir])
			return dir;
	return UINT32_MAX;
}

static bool replica_exists(const struct pool *pool, struct uuid replica)
{
	for (uint32_t dir = 0; dir < pool->g.dir_pages; dir++)
		if (pool->dir[dir] && !pool->dir[dir]->deleted &&
			uuid_equal(pool->dir[dir]->head.identity.replica, replica))
			return true;
	return false;
}

void pool_replica_create(struct pool *pool, const struct pool_replica_identity *identity,
	void (*fn)(void *arg, int rc, struct pool_replica *replica), void *arg)
{
	replica_create(pool, identity, NULL, false, fn, arg);
}

void pool_replica_create_incomplete(struct pool *pool, const struct pool_replica_identity *identity,
	void (*fn)(void *arg, int rc, struct pool_replica *replica), void *arg)
{
	replica_create(pool, identity, NULL, true, fn, arg);
}

void pool_replica_clone(struct pool_replica *origin, struct uuid snapshot,
	const struct pool_replica_identity *identity,
	void (*fn)(void *arg, int rc, struct pool_replica *replica), void *arg)
{
	struct layer *parent = layer_of_snapshot(origin, snapshot);
	struct work *work;

	if (parent && !origin->state.incomplete && identity->size_bytes >= pool_replica_size(origin)) {
		replica_create(origin->pool, identity, parent, false, fn, arg);
		return;
	}
	work = work_get(origin->pool, NULL, WORK_CREATE);
	work->create_fn = fn;
	work->arg = arg;
	work_answer(origin->pool, work, !parent ? -ENOENT : origin->state.incomplete ? -EAGAIN : -EINVAL);
}

static void replica_create(struct pool *pool, const struct pool_replica_identity *identity,
	struct layer *parent, bool incomplete, void (*fn)(void *arg, int rc, struct pool_replica *replica),
	void *arg)
{
	struct work *work = work_get(pool, NULL, WORK_CREATE);
	struct directory_record record = { .identity = *identity, .state.incomplete = incomplete };

	work->create_fn = fn;
	work->arg = arg;
	record.dir = dir_find_free(pool);
	if (pool->failed) {
		work_answer(pool, work, -EIO);
		return;
	}
	if (identity->size_bytes == 0 || identity->size_bytes % GRAIN_BYTES ||
		identity->size_bytes > VOLUME_MAX_BYTES) {
		work_answer(pool, work, -EINVAL);
		return;
	}
	if (replica_exists(pool, identity->replica)) {
		work_answer(pool, work, -EEXIST);
		return;
	}
	if (record.dir == UINT32_MAX || pool->replica_count >= pool_replica_limit(pool)) {
		work_answer(pool, work, -ENOSPC);
		return;
	}
	if (identity->thick && !thick_fits(pool, identity->size_bytes / GRAIN_BYTES)) {
		work_answer(pool, work, -ENOSPC);
		return;
	}
	record.layer = record.root = layer_number_new(pool);
	record.parent = parent ? parent->record.number : 0;
	work->replica = pool_replica_new(pool, &record);
	if (!work->replica || replica_top_make(work->replica, parent) < 0) {
		if (work->replica) {
			pool->dir[record.dir] = NULL;
			pool_replica_free(work->replica);
		}
		work_answer(pool, work, -ENOMEM);
		return;
	}
	work->replica->creating = true;
	thick_count(work->replica);
	journal_queue(pool, &work->item);
}

void pool_replica_delete(struct pool_replica *replica, pool_done_fn fn, void *arg)
{
	struct pool *pool = replica->pool;
	struct work *work = work_get(pool, replica, WORK_DELETE);

	ASSERT(!replica->deleted);
	work->fn = fn;
	work->arg = arg;
	replica->deleted = true;
	thick_count(replica);
	list_remove(&replica->node);
	list_remove(&replica->commit_node);
	list_remove(&replica->apply_node);
	list_push_back(&pool->zombies, &replica->node);
	replica_cancel_works(replica);
	if (pool->failed) {
		work_answer(pool, work, -EIO);
		return;
	}
	journal_queue(pool, &work->item);
}

static void works_cancel(struct pool_replica *replica, struct list *works)
{
	list_for_each_safe (node, works) {
		struct work *work = list_entry(node, struct work, item.node);

		if (work->replica == replica)
			work_answer(replica->pool, work, -ECANCELED);
	}
}

void replica_cancel_works(struct pool_replica *replica)
{
	works_cancel(replica, &replica->pool->round.puts);
	works_cancel(replica, &replica->pool->applied_waiters);
}

/* Its end is durable: its grains are free after quarantine, its entries leave the ring. */
static void replica_finalize(struct pool_replica *replica)
{
	struct pool *pool = replica->pool;
	struct list *node;

	while ((node = list_first(&replica->log)) != NULL)
		le_release(list_entry(node, struct log_entry, log_node));
	while ((node = list_first(&replica->layers)) != NULL)
		layer_own(list_entry(node, struct layer, owned), NULL);
	replica->top->top_of = NULL;
	pool->dir[replica->head.dir] = NULL;
	pool_replica_free(replica);
	layers_reap(pool);
}

/* When neither a round nor a read can hold anything of them; and layers that nothing reaches any more. */
void replicas_finalize(struct pool *pool)
{
	if (pool->round.state != ROUND_IDLE)
		return;
	if (pool->reap.wanted)
		layers_reap(pool);
	pool->reap.wanted = false;
	list_for_each_safe (node, &pool->zombies) {
		struct pool_replica *replica = list_entry(node, struct pool_replica, node);

		if (replica->gone_batch != 0 && replica->reads == 0)
			replica_finalize(replica);
	}
	reap_pump(pool);
}

const struct pool_replica_identity *pool_replica_identity(const struct pool_replica *replica)
{
	return &replica->head.identity;
}

const struct replica_state *pool_replica_state(const struct pool_replica *replica)
{
	return &replica->state;
}

#ifdef QUOIN_ASSERT_EXPENSIVE
/* No grain is of a version beyond the log: a complete replica is a prefix. */
static bool grains_are_of_the_log(const struct pool_replica *replica)
{
	const struct pool *pool = replica->pool;

	for (uint32_t phys = 0; phys < pool->g.grain_count; phys++)
		if (map_is_slot(&pool->map, phys) && map_number(&pool->map, phys) == replica->head.layer &&
			pool->map.places[phys].seq > replica->last.seq)
			return false;
	return true;
}
#endif

void pool_replica_state_write(
	struct pool_replica *replica, const struct replica_state *state, pool_done_fn fn, void *arg)
{
	struct pool *pool = replica->pool;
	struct work *work = work_get(pool, replica, WORK_STATE);

	work->fn = fn;
	work->arg = arg;
	work->state = *state;
	if (replica->damaged) {
		work->state.incomplete = true;
		work->state.since = replica->state.since;
	}
	work->size_bytes = pool_replica_size(replica);
	if (pool->failed) {
		work_answer(pool, work, -EIO);
		return;
	}
	ASSERT_EXPENSIVE(
		work->state.incomplete || !replica->state.incomplete || grains_are_of_the_log(replica));
	replica->state = work->state;
	pool->merge.wanted = true;
	journal_queue(pool, &work->item);
}

void pool_replica_user_set(struct pool_replica *replica, void *user)
{
	replica->user = user;
}

void *pool_replica_user(const struct pool_replica *replica)
{
	return replica->user;
}
