/*
 * After replay: slots find their replicas, sums are compared, logs are judged. Absent is never guessed to be
 * zero: a layer whose slots don't agree with its number and sum makes its replica incomplete.
 */
#include "store/opening.h"

#include <errno.h>

/* ---- directory ---- */

/*
 * The records don't agree with the sum in the last header: promises may be old. Those are unsure whose page
 * has a bad copy, or whom a lost batch named; all, where there is none such.
 */
static void directory_settle(struct opening *o)
{
	struct pool *pool = o->pool;
	bool some = false;

	pool->directory_sum = 0;
	for (uint32_t dir = 0; dir < pool->g.dir_pages; dir++)
		if (pool->dir[dir])
			pool->directory_sum += directory_hash(&pool->dir[dir]->head);
	if (!o->all_damaged && (!o->sum_known || pool->directory_sum == o->directory_sum))
		return;
	for (uint32_t dir = 0; dir < pool->g.dir_pages; dir++) {
		bool bad = pool->map.pages[pool->g.grain_pages + dir].bad || o->suspects[dir].damaged;

		o->suspects[dir].unsure = bad;
		some = some || bad;
	}
	for (uint32_t dir = 0; dir < pool->g.dir_pages && (!some || o->all_damaged); dir++)
		o->suspects[dir].unsure = true;
}

/* ---- logs ---- */

/* Entries at or below the applied position stay only as far as they reach down without a gap. */
static void log_settle_applied(struct pool_replica *replica)
{
	uint64_t expected = replica->head.applied.seq;

	for (struct list *node = replica->log.prev, *prev; node != &replica->log; node = prev) {
		struct log_entry *le = list_entry(node, struct log_entry, log_node);

		prev = node->prev;
		if (le->seq > replica->head.applied.seq)
			continue;
		if (le->seq == expected)
			expected--;
		else
			le_release(le);
	}
}

/* Returns whether there was a gap. */
static bool log_settle_pending(struct pool_replica *replica)
{
	bool gap = false;

	replica->last = replica->applied;
	list_for_each_safe (node, &replica->log) {
		struct log_entry *le = list_entry(node, struct log_entry, log_node);

		if (le->seq <= replica->applied.seq)
			continue;
		if (le->seq != replica->last.seq + 1 || epoch_compare(le->epoch, replica->last.epoch) < 0) {
			gap = true;
			le_release(le);
			continue;
		}
		replica->last = (struct position){ .epoch = le->epoch, .seq = le->seq };
		replica_rows_add(replica, le->epoch, le->seq);
	}
	return gap;
}

/*
 * Fresh grains of entries that are not applied are taken. One that is somebody else's can have happened only
 * to a log that was given up: from there on nothing of it is left. Returns whether that was so.
 */
static bool log_settle_redirects(struct pool_replica *replica)
{
	struct list *node = replica->log.next;

	while (node != &replica->log) {
		struct log_entry *le = list_entry(node, struct log_entry, log_node);

		if (!le->applied && !redirect_claim(replica->pool, le))
			break;
		node = node->next;
	}
	if (node == &replica->log)
		return false;
	replica->last.seq = list_entry(node, struct log_entry, log_node)->seq - 1;
	replica_rows_cut(replica, replica->last.seq);
	replica->last.epoch = replica_epoch_at(replica, replica->last.seq);
	while (node != &replica->log) {
		struct log_entry *le = list_entry(node, struct log_entry, log_node);

		node = node->next;
		le_release(le);
	}
	return true;
}

static void log_settle_weights(struct pool_replica *replica)
{
	list_for_each (node, &replica->log) {
		struct log_entry *le = list_entry(node, struct log_entry, log_node);

		if (le->seq > replica->commit_seq)
			replica->uncommitted_bytes += le->weight_bytes;
		else if (le->seq > replica->applied.seq)
			replica->pool->unapplied_bytes += le->weight_bytes;
	}
}

static void log_settle(struct opening *o, struct pool_replica *replica)
{
	struct suspect *s = &o->suspects[replica->head.dir];

	replica->applied = replica->head.applied;
	replica->row_count = replica->head.row_count;
	for (unsigned i = 0; i < replica->row_count; i++)
		replica->rows[i] = replica->head.rows[i];
	log_settle_applied(replica);
	if (log_settle_pending(replica) || s->rotten_seq > replica->applied.seq)
		s->damaged = true;
	if (log_settle_redirects(replica))
		s->damaged = true;
	if (replica->commit_seq < replica->applied.seq)
		replica->commit_seq = replica->applied.seq;
	if (replica->commit_seq > replica->last.seq) {
		/* What is known to be committed and is not here is lost. */
		s->damaged = true;
		replica->commit_seq = replica->last.seq;
	}
	replica->commit_written = replica->commit_durable = replica->commit_seq;
	replica->composed_seq = replica->durable_seq = replica->last.seq;
	log_settle_weights(replica);
}

void open_settle(struct opening *o)
{
	struct pool *pool = o->pool;

	if (layers_settle(o) < 0) {
		opening_fail(o, -ENOMEM);
		return;
	}
	directory_settle(o);
	thick_begin(pool);
	for (uint32_t dir = 0; dir < pool->g.dir_pages; dir++) {
		struct pool_replica *replica = pool->dir[dir];
		struct suspect *s = &o->suspects[dir];

		if (!replica)
			continue;
		log_settle(o, replica);
		thick_count(replica);
		list_push_back(&pool->replicas, &replica->node);
		list_push_back(&pool->to_apply, &replica->apply_node);
		if (o->all_damaged)
			s->damaged = true;
		if (!s->damaged)
			continue;
		/* The state that says so takes over what is found: the same damage must not come twice. */
		replica->recount = true;
		replica->found_count = replica->top->found_count;
		replica->found_sum = replica->top->found_sum;
	}
	prepare_begin(pool);
	open_superblocks_write(o);
}
