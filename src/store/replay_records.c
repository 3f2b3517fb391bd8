/* What the records of a batch do, in ring order. An entry is judged at the end only: carried copies come
 * late. */
#include "store/opening.h"

#include <errno.h>
#include <string.h>

void replay_damage_names(struct opening *o, const struct batch_name *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (names[i].dir < o->pool->g.dir_pages)
			o->suspects[names[i].dir].damaged = true;
}

static bool payload_is_intact(const struct record *record, const uint8_t *payload)
{
	uint32_t blocks = record_payload_blocks(record);

	if (record->kind == RECORD_IMAGES)
		return crc32c(payload, (size_t)blocks * BLOCK_BYTES) == record->sum;
	for (uint32_t i = 0; record->kind == RECORD_WRITE && i < blocks; i++)
		if (crc32c(payload + (size_t)i * BLOCK_BYTES, BLOCK_BYTES) != record->crc[i])
			return false;
	return true;
}

/* Whether the whole batch can be taken: headers, lengths and, above what is called durable, every payload. */
static int batch_check(
	struct opening *o, const struct batch_header *h, struct reader records, const uint8_t *payload)
{
	uint32_t blocks = 1;
	struct record record;

	for (unsigned i = 0; i < h->record_count; i++) {
		uint32_t count;

		if (record_decode(&records, &record) < 0)
			return -EILSEQ;
		count = record_payload_blocks(&record);
		if (blocks + count > h->blocks)
			return -EILSEQ;
		for (uint32_t k = 0; k < record_grains(&record); k++)
			if (record.fresh[k] >= o->pool->g.grain_count)
				return -EILSEQ;
		if (h->number > o->claim &&
			!payload_is_intact(&record, payload + (size_t)(blocks - 1) * BLOCK_BYTES))
			return -EILSEQ;
		blocks += count;
	}
	return blocks == h->blocks ? 0 : -EILSEQ;
}

/* ---- entries ---- */

static void log_insert(struct pool_replica *replica, struct log_entry *le)
{
	struct list *after = replica->log.prev;

	while (after != &replica->log && list_entry(after, struct log_entry, log_node)->seq > le->seq)
		after = after->prev;
	list_insert_between(&le->log_node, after, after->next);
}

static void entry_hold(struct opening *o, struct log_entry *le, uint64_t number, uint32_t payload_block)
{
	struct ring_batch *rb = ring_batch(o->pool, number);

	if (le->batch) {
		ring_batch(o->pool, le->batch)->live--;
		list_remove(&le->batch_node);
	}
	le->batch = number;
	le->payload_block = payload_block;
	rb->live++;
	list_push_back(&rb->entries, &le->batch_node);
}

static void replay_entry(
	struct opening *o, const struct record *record, uint64_t number, uint32_t payload_block)
{
	struct pool *pool = o->pool;
	struct pool_replica *replica = pool->dir[record->dir];
	struct log_entry *le;

	if (!replica) {
		o->suspects[record->dir].orphans = true;
		return;
	}
	if (record->offset_bytes + record->length_bytes > replica->head.identity.size_bytes)
		return;
	le = index_find(replica, record->seq);
	if (le && !epoch_equal(le->epoch, record->epoch)) {
		/* It was cut off, and the record that said so is lost. */
		o->suspects[record->dir].damaged = true;
		le_release(le);
		le = NULL;
	}
	if (le) {
		entry_hold(o, le, number, payload_block); /* carried */
		return;
	}
	le = le_get(pool);
	if (!le) {
		o->rc = -ENOMEM;
		return;
	}
	le->replica = replica;
	le->epoch = record->epoch;
	le->seq = record->seq;
	le->edge = UINT64_MAX;
	le->weight_bytes = BLOCK_BYTES + (record->op == ENTRY_WRITE ? (uint32_t)record->length_bytes : 0);
	le->applied = record->seq <= replica->head.applied.seq;
	if (!le->applied) {
		le->entry = entry_get(pool->options.entries);
		le->bare = !le->entry; /* a later batch may say that it is applied: see replay_refill.c */
		if (le->entry)
			entry_of_record(record, le->entry);
	}
	log_insert(replica, le);
	index_add(le);
	entry_hold(o, le, number, payload_block);
	le->redirects = le->applied ? 0 : (uint8_t)record_grains(record);
	for (unsigned k = 0; k < le->redirects; k++)
		le->pieces[k].fresh = record->fresh[k];
}

static void log_cut_above(struct pool_replica *replica, uint64_t seq)
{
	struct list *node;

	while ((node = list_last(&replica->log)) && list_entry(node, struct log_entry, log_node)->seq > seq)
		le_release(list_entry(node, struct log_entry, log_node));
}

static void replay_truncate(struct opening *o, const struct record *record)
{
	struct pool_replica *replica = o->pool->dir[record->dir];

	if (!replica) {
		o->suspects[record->dir].orphans = true;
		return;
	}
	log_cut_above(replica, record->seq);
	if (replica->commit_seq > record->seq)
		replica->commit_seq = record->seq;
	if (o->suspects[record->dir].rotten_seq > record->seq)
		o->suspects[record->dir].rotten_seq = 0;
}

/* ---- images ---- */

static void directory_drop(struct pool *pool, uint32_t dir)
{
	struct pool_replica *replica = pool->dir[dir];

	if (!replica)
		return;
	log_cut_above(replica, 0);
	pool->dir[dir] = NULL;
	pool_replica_free(replica);
}

static void applied_raise(struct pool_replica *replica)
{
	list_for_each (node, &replica->log) {
		struct log_entry *le = list_entry(node, struct log_entry, log_node);

		if (le->seq > replica->head.applied.seq)
			return;
		if (!le->applied)
			le_drop_payload(le);
	}
}

/*
 * An end comes as a record of its own before another replica takes the place. So where entries came without a
 * record, or another replica's record stands there, and no end, a page was lost: entries before this record
 * are not in the log. Unless its end comes after all: then the page was only newer than this part of the
 * ring, and says already who has the place since; what was suspected of it went with it.
 */
static void directory_begin(struct opening *o, const struct directory_record *record)
{
	struct suspect *s = &o->suspects[record->dir];

	if (record->layer == 0 && !MUTANT(damage_outlives_end))
		*s = (struct suspect){ 0 };
	if (record->layer != 0 && (s->orphans || o->pool->dir[record->dir]))
		s->damaged = true;
	s->orphans = false;
	directory_drop(o->pool, record->dir);
}

static void replay_directory(struct opening *o, const struct directory_record *record, uint64_t number)
{
	struct pool *pool = o->pool;
	struct pool_replica *replica;

	if (record->dir >= pool->g.dir_pages)
		return;
	replica = pool->dir[record->dir];
	map_page_dirty(pool, pool->g.grain_pages + record->dir, number);
	if (!replica || record->layer == 0 ||
		!uuid_equal(replica->head.identity.replica, record->identity.replica)) {
		directory_begin(o, record);
		replica = NULL;
	}
	if (record->layer == 0)
		return;
	if (!replica)
		replica = pool_replica_new(pool, record);
	if (!replica) {
		o->rc = -ENOMEM;
		return;
	}
	if (replica->head.state.incomplete && !record->state.incomplete) {
		/* Its group has made it whole since: what was found further back is no damage any more. */
		o->suspects[record->dir].damaged = false;
		o->suspects[record->dir].rotten_seq = 0;
	}
	replica->head = *record;
	replica->grain_limit = record->identity.size_bytes / GRAIN_BYTES;
	replica->state = record->state;
	applied_raise(replica);
}

static void replay_images(
	struct opening *o, const struct record *record, const uint8_t *payload, uint64_t number)
{
	struct pool *pool = o->pool;

	for (uint32_t unit = 0; unit < record->units;) {
		const uint8_t *at = payload + (size_t)unit * UNIT_BYTES;
		struct directory_record directory;
		struct layer_record layer;
		struct slot slot;
		uint32_t phys;
		unsigned units = 1;

		if (at[0] == UNIT_SLOT && slot_decode(at, &phys, &slot) == 0 &&
			phys < geometry_places(&pool->g)) {
			o->hashes[phys] = slot_hash(&slot, phys);
			map_slot_set(pool, phys, &slot, o->hashes[phys], NULL);
			map_page_dirty(pool, geometry_place_page(&pool->g, phys), number);
		} else if (at[0] == UNIT_LAYER && layer_decode(at, &layer) == 0 &&
			   layer.place < geometry_places(&pool->g)) {
			if (opening_layer(o, &layer) < 0)
				o->rc = -ENOMEM;
			map_page_dirty(pool, geometry_place_page(&pool->g, layer.place), number);
		} else if (at[0] == UNIT_DIRECTORY &&
			   directory_decode(at, record->units - unit, &directory, &units) == 0) {
			replay_directory(o, &directory, number);
		}
		unit += units;
	}
}

/* ---- a batch ---- */

static void replay_rotten(struct opening *o, const struct batch_header *h, const struct record *record)
{
	struct suspect *s = &o->suspects[record->dir];

	if (record->kind == RECORD_IMAGES)
		replay_damage_names(o, h->names, h->name_count);
	else if (s->rotten_seq < record->seq)
		s->rotten_seq =
			record->seq; /* the lowest would do as well: any one above the applied is damage */
}

static void replay_commits(struct opening *o, const struct batch_header *h)
{
	for (unsigned i = 0; i < h->name_count; i++) {
		struct pool_replica *replica =
			h->names[i].dir < o->pool->g.dir_pages ? o->pool->dir[h->names[i].dir] : NULL;

		if (replica && replica->commit_seq < h->names[i].commit_seq)
			replica->commit_seq = h->names[i].commit_seq;
	}
}

int replay_batch(struct opening *o, const struct batch_header *h, struct reader *records, uint32_t block)
{
	const uint8_t *payload = o->window + (size_t)(block - o->window_block + 1) * BLOCK_BYTES;
	struct record record;
	uint32_t at = 0;
	int rc = batch_check(o, h, *records, payload);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < h->record_count && o->rc == 0; i++) {
		ASSERT(record_decode(records, &record) == 0);
		if (record.dir >= o->pool->g.dir_pages)
			continue;
		if (!payload_is_intact(&record, payload + (size_t)at * BLOCK_BYTES))
			replay_rotten(o, h, &record);
		else if (record.kind == RECORD_IMAGES)
			replay_images(o, &record, payload + (size_t)at * BLOCK_BYTES, h->number);
		else if (record.kind == RECORD_TRUNCATE)
			replay_truncate(o, &record);
		if (record_is_entry(&record))
			replay_entry(o, &record, h->number, block + 1 + at);
		at += record_payload_blocks(&record);
	}
	replay_commits(o, h);
	return 0;
}
