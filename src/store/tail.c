/*
 * The tail: the oldest batch that is still needed. It moves only when the ring is more than half full (above
 * a quarter, past what all voters have), so that laggards find what they lack.
 *
 *   batch at the tail holds ...          until ...
 *   an entry that is applied             nothing: it is let go
 *   an entry that may be applied         a round
 *   an entry without quorum, or held     it is carried: written once more at the head
 *   an entry of a damaged replica        nothing: it vouches for nothing
 *   images                               a sweep has put them into the table
 */
#include "store/pool.h"

static uint64_t used_behind(const struct pool *pool, uint64_t tail)
{
	const struct journal *j = &pool->journal;

	return tail >= j->next ? 0 : j->head - j->ring[tail % pool->g.ring_blocks].position;
}

/* An applied entry goes, and all older ones of its log with it, so that the log has no gap. */
static bool entry_let_go(struct log_entry *le)
{
	struct pool_replica *replica = le->replica;

	for (;;) {
		struct log_entry *first = list_entry(list_first(&replica->log), struct log_entry, log_node);

		ASSERT(first->applied);
		if (first->carrying)
			return false;
		if (first == le) {
			le_release(first);
			return true;
		}
		le_release(first);
	}
}

static void entry_forget(struct log_entry *le)
{
	struct pool_replica *replica = le->replica;

	if (le->seq > replica->commit_seq)
		replica->uncommitted_bytes -= le->weight_bytes;
	else
		replica->pool->unapplied_bytes -= le->weight_bytes;
	le_release(le);
}

static void entry_carry(struct pool *pool, struct log_entry *le)
{
	if (le->entry->op == ENTRY_WRITE && !le->entry->payload && le->redirects == 0) {
		load_start(pool, le);
		return;
	}
	le->carrying = true;
	le->carry_batch = 0;
	list_push_back(&pool->journal.carry, &le->item.node);
}

/* Does what lets the batch's entry go; true when it is gone. */
static bool entry_clear(struct pool *pool, struct log_entry *le)
{
	struct pool_replica *replica = le->replica;

	if (le->truncated || replica->deleted || le->carrying || le->queued)
		return false;
	if (le->applied)
		return entry_let_go(le);
	if (replica->state.incomplete && !replica->syncing) {
		if (pool->round.state != ROUND_IDLE)
			return false;
		entry_forget(le);
		return true;
	}
	if (le->seq <= replica->commit_seq && le->seq <= replica->hold) {
		pool->round.wanted = true;
		if (le->seq > replica->commit_durable || !redirect_is_settled(le))
			pool->journal.mark_wanted = pool->journal.tail_waits = true;
		else
			pool->journal.tail_applies = true;
		return false;
	}
	if (!MUTANT(no_carry_forward))
		entry_carry(pool, le);
	return false;
}

static bool batch_clear(struct pool *pool, struct ring_batch *rb)
{
	list_for_each_safe (node, &rb->entries) {
		/* Letting one go may take the next along. */
		if (rb->live == 0)
			break;
		if (!entry_clear(pool, list_entry(node, struct log_entry, batch_node)))
			continue;
		node_next = rb->entries.next;
	}
	return rb->live == 0;
}

/* Whether all that the batch holds is applied and everywhere. */
static bool batch_is_spent(const struct ring_batch *rb)
{
	for (struct list *node = rb->entries.next; node != &rb->entries; node = node->next) {
		const struct log_entry *le = list_entry(node, struct log_entry, batch_node);

		if (!le->applied || le->seq > le->replica->all_seq)
			return false;
	}
	return true;
}

static bool images_are_swept(struct pool *pool, uint64_t number)
{
	if (pool->sweep.running && pool->sweep.oldest <= number)
		return false;
	if (map_dirty_oldest(&pool->map) > number)
		return true;
	pool->sweep.wanted = true;
	return false;
}

/* Short of grains, the quarantine ends sooner: two headers more will say that it may. */
static void settle_if_short(struct pool *pool)
{
	const struct map *map = &pool->map;

	if (map->quarantine_first != PHYS_NONE && map->free_count < pool->g.grain_count / 64 + 1)
		pool->journal.mark_wanted = true;
}

/* A round waits until two headers say that a redirected grain's batch is durable. */
static void settle_for_round(struct pool *pool)
{
	struct journal *j = &pool->journal;

	if (j->settle_goal == 0 || pool->closing)
		return;
	ASSERT(j->settle_goal < j->next);
	if (j->settled < j->settle_goal) {
		/* Usually the next batches do it: who is waited for has no time for that. */
		if (round_is_awaited(pool))
			j->mark_wanted = true;
		else if (!loop_timer_is_set(&j->mark_timer))
			journal_mark_arm(pool);
		return;
	}
	j->settle_goal = 0;
	pool->round.wanted = true;
}

/* How many blocks the next header would give back. */
static uint64_t tail_gain(const struct pool *pool)
{
	const struct journal *j = &pool->journal;

	return j->head - used_behind(pool, j->tail) - j->tail_free;
}

void tail_pump(struct pool *pool)
{
	struct journal *j = &pool->journal;
	uint64_t worth = pool->g.ring_blocks / 64 < 8 ? 8 : pool->g.ring_blocks / 64;

	j->tail_waits = j->tail_applies = false;
	while (j->tail < j->durable) {
		struct ring_batch *rb = ring_batch(pool, j->tail);
		uint64_t used = used_behind(pool, j->tail);

		if (used <= pool->g.ring_blocks / 4)
			break;
		if (used <= pool->g.ring_blocks / 2 && !(j->stalled || batch_is_spent(rb)))
			break;
		if (!images_are_swept(pool, j->tail) || !batch_clear(pool, rb))
			break;
		j->tail++;
	}
	if (j->stalled && j->tail > j->tail_written)
		j->mark_wanted = true;
	/* Nothing may come before there is room, and there is none before a header says so. */
	if (journal_used_blocks(pool) > pool->g.ring_blocks / 2 && j->tail > j->tail_written &&
		tail_gain(pool) >= worth)
		j->mark_wanted = true;
	settle_if_short(pool);
	settle_for_round(pool);
}

void carry_durable(struct pool *pool, struct batch *batch)
{
	struct list *node;

	while ((node = list_pop_front(&batch->carried)) != NULL) {
		struct log_entry *le = list_entry(node, struct log_entry, item.node);
		struct ring_batch *to = ring_batch(pool, le->carry_batch),
				  *from = ring_batch(pool, le->batch);

		le->carrying = false;
		if (!le->truncated) {
			ASSERT(from->live > 0);
			from->live--;
			to->live++;
			list_remove(&le->batch_node);
			list_push_back(&to->entries, &le->batch_node);
			le->batch = le->carry_batch;
			le->payload_block = le->carry_payload_block;
		}
		le->carry_batch = 0;
	}
}
