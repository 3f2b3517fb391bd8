/*
 * Composing a batch from what waits, and what follows once it is durable.
 *
 * Room in the ring is given by class, so that what frees room never waits for what takes it: entries up to
 * 11/16, marks that only tell what is durable or committed up to 12/16, states up to 13/16, carried entries
 * up to 14/16, images up to 15/16, and all of it for marks that move the tail, or that its entries wait for.
 */
#include "store/pool.h"

#include <string.h>

enum room_class { ROOM_ENTRY, ROOM_NEWS, ROOM_CONTROL, ROOM_CARRY, ROOM_IMAGES, ROOM_MARK };

static uint64_t room_limit(const struct pool *pool, enum room_class class)
{
	static const uint64_t sixteenths[] = { 11, 12, 13, 14, 15, 16 };
	uint64_t part = MUTANT(no_room_for_control) && class == ROOM_CONTROL ? 11 : sixteenths[class];

	return pool->g.ring_blocks * part / 16;
}

/* Whether payload_blocks more fit; the first thing decides where the batch begins. */
static bool batch_room(struct pool *pool, struct batch *batch, uint32_t payload_blocks, enum room_class class)
{
	uint32_t ring = pool->g.ring_blocks, contiguous, blocks = batch->blocks;
	uint64_t position = batch->position;

	if (blocks == 0) {
		blocks = 1;
		position = pool->journal.head;
		contiguous = ring - (uint32_t)(position % ring);
		if (contiguous < 1 + payload_blocks)
			position += contiguous;
	}
	contiguous = ring - (uint32_t)(position % ring);
	if (blocks + payload_blocks > contiguous || blocks + payload_blocks > pool->journal.batch_max_blocks)
		return false;
	if (position + blocks + payload_blocks - pool->journal.tail_free > room_limit(pool, class))
		return false;
	if (batch->iov_count + 1 > DEVICE_MAX_IOV)
		return false;
	batch->position = position;
	batch->blocks = blocks;
	return true;
}

static struct batch_name *batch_name(struct batch *batch, const struct pool_replica *replica)
{
	struct batch_header *h = &batch->header;

	for (unsigned i = 0; i < h->name_count; i++)
		if (h->names[i].dir == replica->head.dir)
			return &h->names[i];
	if (h->name_count == HEADER_MAX_NAMED)
		return NULL;
	h->names[h->name_count] = (struct batch_name){ .dir = replica->head.dir };
	return &h->names[h->name_count++];
}

static void batch_payload(struct batch *batch, uint8_t *bytes, uint32_t blocks)
{
	batch->iov[batch->iov_count++] =
		(struct iovec){ .iov_base = bytes, .iov_len = (size_t)blocks * BLOCK_BYTES };
	batch->blocks += blocks;
}

/* ---- what goes in ---- */

static bool add_entry(struct pool *pool, struct batch *batch, struct log_entry *le, enum room_class class)
{
	struct record record;
	struct batch_name *name;
	uint32_t blocks, place;
	bool redirect = redirect_take(pool, batch, le);

	redirect_record(le, &record);
	blocks = record_payload_blocks(&record);
	if (!batch_room(pool, batch, blocks, class) || !(name = batch_name(batch, le->replica)) ||
		!batch_add(&batch->writer, &record)) {
		if (redirect)
			redirect_untake(pool, le);
		return false;
	}
	if (redirect)
		redirect_add(pool, batch, le);
	place = (uint32_t)((batch->position + batch->blocks) % pool->g.ring_blocks);
	if (blocks)
		batch_payload(batch, le->entry->payload->data, blocks);
	if (name->seq < le->seq)
		name->seq = le->seq;
	batch->has_records = true;
	if (le->carrying)
		le->carry_payload_block = place;
	else
		le->payload_block = place;
	return true;
}

static bool add_images(struct batch *batch, uint8_t *bytes, uint32_t units)
{
	struct record record = { .kind = RECORD_IMAGES, .units = units };
	uint32_t blocks = record_payload_blocks(&record);

	memset(bytes + (size_t)units * UNIT_BYTES, 0,
		(size_t)blocks * BLOCK_BYTES - (size_t)units * UNIT_BYTES);
	record.sum = crc32c(bytes, (size_t)blocks * BLOCK_BYTES);
	if (!batch_add(&batch->writer, &record))
		return false;
	batch_payload(batch, bytes, blocks);
	batch->has_records = true;
	return true;
}

static bool add_round(struct pool *pool, struct batch *batch)
{
	struct round *round = &pool->round;
	uint32_t units_max = round->grain_count * 3 + round->replica_count * (DIRECTORY_MAX_UNITS + 1);
	uint32_t blocks_max = (units_max * UNIT_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES;

	if (round->state != ROUND_IMAGES || round->images_batch != 0)
		return true;
	if (!batch_room(pool, batch, blocks_max, ROOM_IMAGES))
		return false;
	for (unsigned i = 0; i < round->replica_count; i++)
		ASSERT(batch_name(batch, round->replicas[i].replica));
	ASSERT(add_images(batch, round->images, images_of_round(pool, batch)));
	round->images_batch = batch->header.number;
	batch->has_round = true;
	return true;
}

static bool add_truncate(struct batch *batch, const struct work *work, uint64_t seq)
{
	struct record record = { .kind = RECORD_TRUNCATE, .dir = work->replica->head.dir, .seq = seq };

	if (!batch_add(&batch->writer, &record))
		return false;
	batch->has_records = true;
	if (work->replica->composed_seq > seq)
		work->replica->composed_seq = seq;
	return true;
}

static bool add_work(struct pool *pool, struct batch *batch, struct work *work)
{
	uint8_t *bytes = batch->images + (size_t)batch->images_used * BLOCK_BYTES;

	/* Two records at most: room for both is made sure of before the first. */
	if (batch->images_used == STATES_PER_BATCH || !batch_room(pool, batch, 1, ROOM_CONTROL))
		return false;
	if (batch->writer.record_bytes + 64 > batch->writer.limit_bytes || !batch_name(batch, work->replica))
		return false;
	if (work->kind == WORK_TRUNCATE)
		return MUTANT(truncate_not_logged) || add_truncate(batch, work, work->position.seq);
	if (work->kind == WORK_RESET)
		ASSERT(add_truncate(batch, work, 0));
	ASSERT(add_images(batch, bytes, images_of_work(pool, work, bytes)));
	batch->images_used++;
	if (work->kind == WORK_LAYER)
		work->layer->head_batch = batch->header.number;
	else
		work->replica->head_batch = batch->header.number;
	return true;
}

static bool add_carried(struct pool *pool, struct batch *batch)
{
	struct list *node;

	while ((node = list_first(&pool->journal.carry)) != NULL) {
		struct log_entry *le = list_entry(node, struct log_entry, item.node);

		if (!add_entry(pool, batch, le, ROOM_CARRY))
			return false;
		le->carry_batch = batch->header.number;
		list_remove(node);
		list_push_back(&batch->carried, node);
	}
	return true;
}

static void ring_hold(struct pool *pool, struct log_entry *le, uint64_t number)
{
	struct ring_batch *rb = ring_batch(pool, number);

	le->batch = number;
	rb->live++;
	list_remove(&le->batch_node);
	list_push_back(&rb->entries, &le->batch_node);
}

static void add_queue(struct pool *pool, struct batch *batch)
{
	struct list *node;

	while ((node = list_first(&pool->journal.queue)) != NULL) {
		struct item *item = list_entry(node, struct item, node);

		if (item->kind == ITEM_ENTRY) {
			struct log_entry *le = container_of(item, struct log_entry, item);

			if (!add_entry(pool, batch, le, ROOM_ENTRY))
				return;
			if (le->replica->composed_seq < le->seq)
				le->replica->composed_seq = le->seq;
			ring_hold(pool, le, batch->header.number);
			pool->counters.batch_entries++;
		} else if (!add_work(pool, batch, container_of(item, struct work, item))) {
			return;
		}
		journal_unqueue(pool, item, batch);
	}
}

/* Names replicas whose commit_seq has risen, and says of all that are named what is committed. */
static void add_commits(struct pool *pool, struct batch *batch)
{
	list_for_each_safe (node, &pool->commit_news) {
		struct pool_replica *replica = list_entry(node, struct pool_replica, commit_node);

		if (!batch_name(batch, replica))
			break;
	}
	for (unsigned i = 0; i < batch->header.name_count; i++) {
		struct batch_name *name = &batch->header.names[i];
		struct pool_replica *replica = pool->dir[name->dir];
		uint64_t known = replica->commit_seq;

		/* Never beyond what stands in the ring up to here: it might be of another epoch. */
		name->commit_seq = known < replica->composed_seq ? known : replica->composed_seq;
		if (replica->commit_written < name->commit_seq)
			replica->commit_written = name->commit_seq;
		if (replica->commit_written >= replica->commit_seq)
			list_remove(&replica->commit_node);
	}
}

/* A mark alone. Nothing but room for it is waited for, so it may not take what others free room with. */
static bool mark_may_go(struct pool *pool, struct batch *batch)
{
	struct journal *j = &pool->journal;
	bool frees = j->tail > j->tail_written || j->tail_waits;

	if (!j->mark_wanted)
		return false;
	if (batch_room(pool, batch, 0, frees ? ROOM_MARK : ROOM_NEWS))
		return true;
	if (pool->closing)
		j->mark_wanted = false; /* replay finds out without it */
	return false;
}

bool batch_compose(struct pool *pool, struct batch *batch)
{
	struct journal *j = &pool->journal;
	struct batch_header *h = &batch->header;

	*h = (struct batch_header){ .number = j->next, .open_count = pool->sb.open_count };
	batch->position = 0;
	batch->blocks = 0;
	batch->images_used = 0;
	batch->redirect_count = batch->item_count = 0;
	batch->has_round = batch->has_records = false;
	batch->iov_count = 1;
	batch_begin(&batch->writer, batch->block, j->former_count);
	/* The place is made before anything is added: entries count themselves in. */
	*ring_batch(pool, h->number) = (struct ring_batch){ 0 };
	list_init(&ring_batch(pool, h->number)->entries);
	if (add_round(pool, batch) && add_carried(pool, batch))
		add_queue(pool, batch);
	j->stalled = !list_is_empty(&j->queue) && batch->blocks == 0;
	if (batch->blocks == 0 && !mark_may_go(pool, batch))
		return false;
	j->mark_wanted = false;
	add_commits(pool, batch);
	h->blocks = batch->blocks;
	h->tail = j->tail == j->next ? h->number : j->tail;
	batch->tail_position = h->tail == h->number ? batch->position : ring_batch(pool, h->tail)->position;
	h->tail_block = (uint32_t)(batch->tail_position % pool->g.ring_blocks);
	h->durable = j->durable;
	h->directory_sum = pool->directory_sum;
	if (pool->layer_sum_stale)
		pool->layer_sum = layers_sum(pool);
	pool->layer_sum_stale = false;
	h->layer_sum = pool->layer_sum;
	h->former_count = j->former_count;
	memcpy(h->former, j->former, sizeof(h->former[0]) * j->former_count);
	batch_seal(&batch->writer, &pool->g, (uint32_t)(batch->position % pool->g.ring_blocks), h);
	batch->iov[0] = (struct iovec){ .iov_base = batch->block, .iov_len = BLOCK_BYTES };
	return true;
}

/* ---- once it is durable ---- */

static void work_durable(struct pool *pool, struct work *work, uint64_t batch)
{
	struct pool_replica *replica = work->replica;
	struct list *node;

	while ((node = list_pop_front(&work->entries)) != NULL) {
		/* A round may be writing what a reset has cut off. */
		if (work->kind == WORK_RESET && pool->round.state != ROUND_IDLE)
			list_push_back(&pool->round.leftovers, node);
		else
			le_release(list_entry(node, struct log_entry, log_node));
	}
	if (work->kind == WORK_LAYER)
		map_page_dirty(pool, geometry_place_page(&pool->g, work->layer->record.place), batch);
	else if (work->kind != WORK_TRUNCATE)
		map_page_dirty(pool, pool->g.grain_pages + replica->head.dir, batch);
	switch (work->kind) {
	case WORK_CREATE:
		replica->creating = false;
		if (!replica->deleted)
			list_push_back(&pool->replicas, &replica->node);
		break;
	case WORK_RESET:
		replica->applied = work->position;
		if (pool->round.state != ROUND_IDLE) {
			/* The round may still put entries or copies of before into grains: it is told with
			 * its end. */
			list_push_back(&pool->round.taken, &work->item.node);
			return;
		}
		break;
	case WORK_DELETE:
		replica->gone_batch = batch;
		break;
	case WORK_TOP:
		replica_top_moved(replica, work->layer);
		break;
	case WORK_LAYER:
		map_layer_put(pool, work->layer);
		break;
	case WORK_STATE:
	case WORK_TRUNCATE:
	case WORK_STRUCTURE:
	case WORK_PUT:
	case WORK_HEAL:
	case WORK_APPLIED:
		break;
	}
	work_finish(pool, work, 0);
}

static void entry_durable(struct pool *pool, struct batch *batch, struct log_entry *le)
{
	struct pool_replica *replica = le->replica;
	struct list *next = list_first(&batch->items);

	le->queued = false;
	if (le->truncated || replica->deleted)
		return;
	replica->durable_seq = le->seq;
	/* Told once for a row of entries of one replica. */
	if (next && list_entry(next, struct item, node)->kind == ITEM_ENTRY) {
		struct log_entry *after = list_entry(next, struct log_entry, item.node);

		if (after->replica == replica && !after->truncated)
			return;
	}
	if (pool->options.durable)
		pool->options.durable(pool->options.arg, replica, replica->durable_seq);
}

void batch_durable(struct pool *pool, struct batch *batch)
{
	struct journal *j = &pool->journal;
	const struct batch_header *h = &batch->header;
	struct list *node;

	ASSERT(h->number == j->durable + 1);
	j->durable = h->number;
	j->settled = j->claimed;
	j->claimed = h->durable;
	if (j->tail_free != batch->tail_position) {
		j->tail_free = batch->tail_position;
		pool->change++;
	}
	for (unsigned i = 0; i < h->name_count; i++) {
		struct pool_replica *replica = pool->dir[h->names[i].dir];

		if (replica && replica->commit_durable < h->names[i].commit_seq)
			replica->commit_durable = h->names[i].commit_seq;
	}
	carry_durable(pool, batch);
	if (batch->has_round)
		apply_images_durable(pool, h->number);
	while ((node = list_pop_front(&batch->items)) != NULL) {
		struct item *item = list_entry(node, struct item, node);

		if (item->kind == ITEM_ENTRY)
			entry_durable(pool, batch, container_of(item, struct log_entry, item));
		else
			work_durable(pool, container_of(item, struct work, item), h->number);
	}
	batch->state = BATCH_FREE;
	journal_mark_arm(pool);
}
