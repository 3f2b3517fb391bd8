/*
 * The log's entries in memory: found by (replica, seq), and, until they are applied, by the grains they
 * touch. An entry that touches more than ENTRY_MAX_PIECES grains (a long trim) stands on its replica's `wide`
 * list.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>

#define LES_MIN 256u

static uint64_t hash_of(uint64_t a, uint64_t b)
{
	uint64_t hash = (a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);

	return hash ^ (hash >> 32);
}

int index_init(struct pool *pool)
{
	uint32_t buckets = 1024;

	/* An entry takes at least 4 KiB of the ring, except that trims share a header. */
	pool->le_count = pool->g.ring_blocks < LES_MIN ? LES_MIN : pool->g.ring_blocks;
	while (buckets < pool->le_count)
		buckets *= 2;
	pool->index_mask = buckets - 1;
	pool->les = calloc(pool->le_count, sizeof(*pool->les));
	pool->piece_heads = calloc(buckets, sizeof(struct piece *));
	pool->seq_heads = calloc(buckets, sizeof(struct log_entry *));
	list_init(&pool->le_free);
	return pool->les && pool->piece_heads && pool->seq_heads ? 0 : -ENOMEM;
}

void index_done(struct pool *pool)
{
	for (uint32_t i = 0; pool->les && i < pool->le_touched; i++)
		entry_put(pool->les[i].entry);
	free(pool->les);
	free(pool->piece_heads);
	free(pool->seq_heads);
}

struct log_entry *le_get(struct pool *pool)
{
	struct list *node = list_pop_front(&pool->le_free);
	struct log_entry *le;

	if (node)
		le = list_entry(node, struct log_entry, log_node);
	else if (pool->le_touched < pool->le_count)
		le = &pool->les[pool->le_touched++];
	else
		return NULL;
	*le = (struct log_entry){ .item.kind = ITEM_ENTRY };
	list_init(&le->item.node);
	list_init(&le->log_node);
	list_init(&le->batch_node);
	list_init(&le->wide_node);
	pool->le_used++;
	return le;
}

void le_put(struct pool *pool, struct log_entry *le)
{
	ASSERT(!le->indexed && list_is_empty(&le->log_node));
	ASSERT(!le->queued && list_is_empty(&le->batch_node));
	if (le->load)
		le->load->le = NULL;
	entry_put(le->entry);
	le->entry = NULL;
	le->replica = NULL;
	list_push_front(&pool->le_free, &le->log_node);
	ASSERT(pool->le_used > 0);
	pool->le_used--;
}

static struct log_entry **seq_bucket(const struct pool_replica *replica, uint64_t seq)
{
	return &replica->pool->seq_heads[hash_of(replica->head.dir, seq) & replica->pool->index_mask];
}

static struct piece **piece_bucket(const struct pool_replica *replica, uint64_t index)
{
	return &replica->pool->piece_heads[hash_of(replica->head.dir, index) & replica->pool->index_mask];
}

/* Pieces stand in their entries, and these in one array. */
static struct log_entry *piece_entry(const struct pool *pool, const struct piece *piece)
{
	return &pool->les[(size_t)((const char *)piece - (const char *)pool->les) / sizeof(pool->les[0])];
}

static bool piece_is_of(const struct piece *piece, const struct pool_replica *replica, uint64_t index)
{
	return piece->index == index && piece_entry(replica->pool, piece)->replica == replica;
}

/* Behind the newer ones of its grain: there are none but for what an open reads late. */
static void piece_add(struct piece *piece, const struct log_entry *le, uint64_t index)
{
	struct piece **at = piece_bucket(le->replica, index);

	for (struct piece **walk = at; *walk && !MUTANT(late_piece_first); walk = &(*walk)->next) {
		if (!piece_is_of(*walk, le->replica, index))
			continue;
		if (piece_entry(le->replica->pool, *walk)->seq < le->seq)
			break;
		at = &(*walk)->next;
	}
	*piece = (struct piece){ .next = *at, .at = at, .index = (uint32_t)index, .fresh = piece->fresh };
	if (*at)
		(*at)->at = &piece->next;
	*at = piece;
}

static void piece_remove(struct piece *piece)
{
	*piece->at = piece->next;
	if (piece->next)
		piece->next->at = piece->at;
}

/* Above a snapshot that is to come nothing is mapped yet. At open, all of them do. */
static bool needs_grain(const struct pool_replica *replica, uint64_t index)
{
	const struct pool *pool = replica->pool;

	if (!replica->top || replica->structural > 0)
		return true;
	return !index_has_grain(replica, index) && map_find(pool, replica->top, index) >= pool->g.grain_count;
}

/* A thick replica's come out of what is kept for it. */
static uint64_t *reserved_of(struct pool_replica *replica)
{
	return replica->head.identity.thick ? &replica->thick_due : &replica->pool->grains_reserved;
}

/* In the order of the log; at open one may come late. */
static void rollback_add(struct log_entry *le)
{
	struct list *after = le->replica->rollbacks.prev;

	while (after != &le->replica->rollbacks &&
		list_entry(after, struct log_entry, wide_node)->seq > le->seq)
		after = after->prev;
	list_insert_between(&le->wide_node, after, after->next);
}

static void pieces_add(struct log_entry *le)
{
	const struct entry *entry = le->entry;
	uint64_t first, last;

	if (entry->op == ENTRY_SNAPSHOT || entry->op == ENTRY_ROLLBACK) {
		le->structural = true;
		le->replica->structural++;
		le->replica->snapshots_due += entry->op == ENTRY_SNAPSHOT;
		thick_count(le->replica);
	}
	if (entry_op_is_structural(entry->op)) {
		le->shapes = true;
		le->replica->shapes++;
	}
	if (entry->op == ENTRY_ROLLBACK)
		rollback_add(le);
	if (entry->length_bytes == 0)
		return;
	first = entry->offset_bytes / GRAIN_BYTES;
	last = (entry->offset_bytes + entry->length_bytes - 1) / GRAIN_BYTES;
	if (last - first >= ENTRY_MAX_PIECES) {
		list_push_back(&le->replica->wide, &le->wide_node);
		return;
	}
	for (uint64_t index = first; index <= last; index++) {
		if (entry->op == ENTRY_WRITE && needs_grain(le->replica, index))
			le->reserved++;
		piece_add(&le->pieces[le->piece_count++], le, index);
		if (entry->op == ENTRY_WRITE && le->replica->top)
			replica_grain_mark(le->replica, index);
	}
	*reserved_of(le->replica) += le->reserved;
}

static void pieces_remove(struct log_entry *le)
{
	list_remove(&le->wide_node);
	for (unsigned i = 0; i < le->piece_count; i++)
		piece_remove(&le->pieces[i]);
	le->piece_count = 0;
	if (le->structural) {
		le->replica->structural--;
		le->replica->snapshots_due -= le->entry->op == ENTRY_SNAPSHOT;
		thick_count(le->replica);
	}
	le->structural = false;
	if (le->shapes)
		le->replica->shapes--;
	le->shapes = false;
	index_unreserve(le);
}

void index_unreserve(struct log_entry *le)
{
	*reserved_of(le->replica) -= le->reserved;
	le->reserved = 0;
}

void index_add(struct log_entry *le)
{
	struct log_entry **head = seq_bucket(le->replica, le->seq);

	ASSERT(!le->indexed);
	le->seq_next = *head;
	*head = le;
	le->indexed = true;
	if (!le->applied && !le->bare)
		pieces_add(le);
}

void index_fill(struct log_entry *le)
{
	ASSERT(le->bare && le->indexed && le->entry && le->piece_count == 0);
	le->bare = false;
	pieces_add(le);
}

void index_remove(struct log_entry *le)
{
	struct log_entry **at;

	if (!le->indexed)
		return;
	at = seq_bucket(le->replica, le->seq);
	while (*at != le)
		at = &(*at)->seq_next;
	*at = le->seq_next;
	le->indexed = false;
	pieces_remove(le);
}

struct log_entry *index_find(const struct pool_replica *replica, uint64_t seq)
{
	struct log_entry *le = *seq_bucket(replica, seq);

	while (le && (le->replica != replica || le->seq != seq))
		le = le->seq_next;
	return le;
}

static bool entry_covers(const struct log_entry *le, uint64_t block)
{
	uint64_t offset_bytes = block * BLOCK_BYTES;

	return offset_bytes >= le->entry->offset_bytes &&
	       offset_bytes - le->entry->offset_bytes < le->entry->length_bytes &&
	       block / GRAIN_BLOCKS < le->edge;
}

struct log_entry *index_block(const struct pool_replica *replica, uint64_t block, uint64_t seq)
{
	uint64_t index = block / GRAIN_BLOCKS;
	struct log_entry *best = NULL;

	for (struct piece *piece = *piece_bucket(replica, index); piece && !best; piece = piece->next) {
		struct log_entry *le = piece_entry(replica->pool, piece);

		if (piece_is_of(piece, replica, index) && le->seq <= seq && entry_covers(le, block))
			best = le;
	}
	list_for_each (node, &replica->wide) {
		struct log_entry *le = list_entry(node, struct log_entry, wide_node);

		if (le->seq <= seq && (!best || le->seq > best->seq) && entry_covers(le, block))
			best = le;
	}
	return best;
}

/* What this entry says of the grain's blocks; it touches the grain. */
static unsigned grain_cover(struct log_entry *le, uint64_t index, struct log_entry **blocks)
{
	unsigned count = 0;

	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		if (!entry_covers(le, index * GRAIN_BLOCKS + i) || (blocks[i] && le->seq < blocks[i]->seq))
			continue;
		count += !blocks[i];
		blocks[i] = le;
	}
	return count;
}

struct log_entry *index_grain(const struct pool_replica *replica, uint64_t index, uint64_t seq,
	struct log_entry *blocks[static GRAIN_BLOCKS])
{
	struct log_entry *newest = NULL;
	unsigned open = GRAIN_BLOCKS;

	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		blocks[i] = NULL;
	for (struct piece *piece = *piece_bucket(replica, index); piece && open > 0; piece = piece->next)
		if (piece_is_of(piece, replica, index) && piece_entry(replica->pool, piece)->seq <= seq)
			open -= grain_cover(piece_entry(replica->pool, piece), index, blocks);
	list_for_each (node, &replica->wide) {
		struct log_entry *le = list_entry(node, struct log_entry, wide_node);

		if (le->seq <= seq)
			(void)grain_cover(le, index, blocks);
	}
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		if (blocks[i] && (!newest || blocks[i]->seq > newest->seq))
			newest = blocks[i];
	return newest;
}

bool index_has_grain(const struct pool_replica *replica, uint64_t index)
{
	for (struct piece *piece = *piece_bucket(replica, index); piece; piece = piece->next)
		if (piece_is_of(piece, replica, index))
			return true;
	return false;
}

bool index_has_trim(const struct pool_replica *replica, uint64_t index)
{
	list_for_each (node, &replica->wide) {
		const struct entry *entry = list_entry(node, struct log_entry, wide_node)->entry;

		if (index >= entry->offset_bytes / GRAIN_BYTES &&
			index * GRAIN_BYTES < entry->offset_bytes + entry->length_bytes)
			return !MUTANT(long_trim_in_no_map);
	}
	return false;
}

/* Applied: reads no longer need it, others get it from the ring. */
void le_drop_payload(struct log_entry *le)
{
	pieces_remove(le);
	le->redirects = 0;
	le->applied = true;
	le->bare = false;
	entry_put(le->entry);
	le->entry = NULL;
}

void le_release(struct log_entry *le)
{
	struct pool *pool = le->replica->pool;

	ASSERT(!le->queued && !le->carrying);
	/* What is read at open owns nothing before it is claimed. */
	if (!le->applied && pool->open)
		redirect_release(pool, le, pool->journal.next);
	index_remove(le);
	list_remove(&le->log_node);
	if (le->batch) {
		struct ring_batch *rb = ring_batch(pool, le->batch);

		ASSERT(rb->live > 0);
		rb->live--;
		list_remove(&le->batch_node);
	}
	le_put(pool, le);
}
