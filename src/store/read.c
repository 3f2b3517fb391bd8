/*
 * Reads: for each block the newest committed version, from an entry in memory, from the ring, or from its
 * grain; every checksum is compared. A block whose ground moved while it was read (applied, freed,
 * overwritten) is planned anew.
 */
#include "store/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READ_ATTEMPTS 16u

enum source_kind { SOURCE_ZERO, SOURCE_MEMORY, SOURCE_DEVICE };

struct source {
	enum source_kind kind;
	const uint8_t *data;
	uint64_t offset_bytes; /* on the device */
	uint32_t crc;
	uint32_t lacking; /* the place whose checksums are not at hand; PHYS_NONE: none */
};

static void run_ended(struct device_io *io, int rc);
static void read_tell(void *arg);
static void read_plan(struct pool *pool, struct pool_read *read);

int read_init(struct pool *pool)
{
	uint8_t *zeroes = aligned_new(BLOCK_BYTES);

	if (!zeroes)
		return -ENOMEM;
	memset(zeroes, 0, BLOCK_BYTES);
	pool->zero_crc = crc32c(zeroes, BLOCK_BYTES);
	free(zeroes);
	loop_task_init(&pool->read_task, read_tell, pool);
	pool->runs = calloc(READ_RUNS, sizeof(*pool->runs));
	if (!pool->runs)
		return -ENOMEM;
	for (unsigned i = 0; i < READ_RUNS; i++) {
		pool->runs[i].pool = pool;
		pool->runs[i].io.fn = run_ended;
		list_push_back(&pool->run_free, &pool->runs[i].node);
	}
	pool->run_free_count = READ_RUNS;
	return 0;
}

void read_done(struct pool *pool)
{
	loop_task_cancel(&pool->read_task);
	free(pool->runs);
}

/* ---- where a block is ---- */

static void source_find(const struct pool_replica *replica, const struct layer *view, uint64_t block,
	uint64_t commit_seq, struct source *ret)
{
	struct pool *pool = replica->pool;
	/* A snapshot's view is older than all that waits. */
	const struct log_entry *le =
		view != replica->top
			? NULL
			: index_block(replica, block, MUTANT(read_uncommitted) ? UINT64_MAX : commit_seq);
	unsigned in_grain = (unsigned)(block % GRAIN_BLOCKS);
	const uint32_t *crcs;
	uint32_t phys;

	*ret = (struct source){ .kind = SOURCE_ZERO, .crc = pool->zero_crc, .lacking = PHYS_NONE };
	if (le && le->entry->op == ENTRY_WRITE) {
		uint64_t at = block - le->entry->offset_bytes / BLOCK_BYTES;

		ret->crc = le->entry->crc[at];
		ret->kind = le->entry->payload ? SOURCE_MEMORY : SOURCE_DEVICE;
		if (le->entry->payload)
			ret->data = le->entry->payload->data + at * BLOCK_BYTES;
		else if (le->redirects > 0)
			ret->offset_bytes = redirect_block_offset(le, block);
		else
			ret->offset_bytes =
				geometry_ring_offset(&pool->g, le->payload_block) + at * BLOCK_BYTES;
		return;
	}
	if (le)
		return;
	phys = layer_block_find(pool, view, block / GRAIN_BLOCKS, in_grain);
	if (phys == PHYS_NONE)
		return;
	ret->kind = SOURCE_DEVICE;
	crcs = sums_get(pool, phys);
	if (crcs)
		ret->crc = crcs[in_grain];
	else
		ret->lacking = phys;
	ret->offset_bytes = geometry_grain_offset(&pool->g, phys) + (uint64_t)in_grain * BLOCK_BYTES;
}

/* The volume is about to be another: what is in the layers now is not what was committed. */
static bool rollback_is_due(const struct pool_replica *replica)
{
	list_for_each (node, &replica->rollbacks)
		if (list_entry(node, struct log_entry, wide_node)->seq <= replica->commit_seq)
			return true;
	return false;
}

uint16_t pool_replica_grain_present(const struct pool_replica *replica, uint64_t index)
{
	struct log_entry *blocks[GRAIN_BLOCKS];
	uint16_t present;

	if (rollback_is_due(replica))
		return UINT16_MAX; /* soon another: nothing is promised to be a hole */
	present = layer_masks_at(replica->pool, replica->top, NULL, index).present;
	if (!index_grain(replica, index, replica->commit_seq, blocks))
		return present;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		uint16_t bit = (uint16_t)(1u << i);

		if (blocks[i])
			present = (uint16_t)(blocks[i]->entry->op == ENTRY_WRITE ? present | bit
										 : present & ~bit);
	}
	return present;
}

/* ---- runs ---- */

static void run_add(struct pool_read *read, const struct source *source, uint32_t i)
{
	struct pool *pool = read->replica->pool;
	struct list *last_node = list_last(&read->runs);
	struct read_run *run = last_node ? list_entry(last_node, struct read_run, node) : NULL;
	uint8_t *to = read->into->data + (size_t)i * BLOCK_BYTES;

	if (run && run->offset_bytes + run->iov.iov_len == source->offset_bytes &&
		(uint8_t *)run->iov.iov_base + run->iov.iov_len == to) {
		run->iov.iov_len += BLOCK_BYTES;
		return;
	}
	run = list_entry(list_pop_front(&pool->run_free), struct read_run, node);
	pool->run_free_count--;
	run->read = read;
	run->offset_bytes = source->offset_bytes;
	run->iov = (struct iovec){ .iov_base = to, .iov_len = BLOCK_BYTES };
	list_push_back(&read->runs, &run->node);
}

static void runs_free(struct pool *pool, struct pool_read *read)
{
	struct list *node;

	while ((node = list_pop_front(&read->runs)) != NULL) {
		list_push_front(&pool->run_free, node);
		pool->run_free_count++;
	}
}

/* Needs no device: answers from the loop all the same. */
void read_finish(struct pool *pool, struct pool_read *read, int rc)
{
	read->rc = rc;
	list_push_back(&pool->read_done, &read->node);
	loop_defer(pool->loop, &pool->read_task);
}

void read_wake(struct pool *pool)
{
	struct list waiting;
	struct list *node;

	list_init(&waiting);
	while ((node = list_pop_front(&pool->rollback_wait)) != NULL)
		list_push_back(&waiting, node);
	while ((node = list_pop_front(&waiting)) != NULL)
		read_plan(pool, list_entry(node, struct pool_read, node));
}

static void read_plan(struct pool *pool, struct pool_read *read)
{
	uint32_t blocks = read->length_bytes / BLOCK_BYTES;
	const struct layer *view;

	if (pool->run_free_count < blocks || !read_sums_have_room(pool, blocks)) {
		list_push_back(&pool->read_wait, &read->node);
		return;
	}
	if (uuid_is_none(read->snapshot) && rollback_is_due(read->replica)) {
		list_push_back(&pool->rollback_wait, &read->node);
		pool->round.wanted = true;
		pool_pump_soon(pool);
		return;
	}
	view = uuid_is_none(read->snapshot) ? read->replica->top
					    : layer_of_snapshot(read->replica, read->snapshot);
	if (!view && MUTANT(snapshot_not_applied))
		view = read->replica->top;
	if (!view) {
		read_finish(pool, read, -ENOENT);
		return;
	}
	read->commit_seq = read->replica->commit_seq;
	read->change = pool->change;
	read->bad_blocks = 0;
	read->lacking = 0;
	read->moved = false;
	read->rc = 0;
	for (uint32_t i = 0; i < blocks; i++) {
		struct source source;

		source_find(
			read->replica, view, read->offset_bytes / BLOCK_BYTES + i, read->commit_seq, &source);
		read->crc[i] = source.crc;
		if (source.lacking != PHYS_NONE)
			read_lacks(pool, read, i, source.lacking);
		if (source.kind == SOURCE_DEVICE)
			run_add(read, &source, i);
		else if (source.kind == SOURCE_MEMORY)
			memcpy(read->into->data + (size_t)i * BLOCK_BYTES, source.data, BLOCK_BYTES);
		else
			memset(read->into->data + (size_t)i * BLOCK_BYTES, 0, BLOCK_BYTES);
	}
	if (list_is_empty(&read->runs)) {
		read_finish(pool, read, 0);
		return;
	}
	list_for_each (node, &read->runs) {
		read->pending++;
		pool_io_began(pool, &list_entry(node, struct read_run, node)->io);
	}
	read_sums_wait(pool, read);
	list_for_each (node, &read->runs) {
		struct read_run *run = list_entry(node, struct read_run, node);

		pool->device->ops->read(pool->device, &run->io, &run->iov, 1, run->offset_bytes);
	}
}

/* ---- afterwards ---- */

static uint32_t run_first(const struct read_run *run)
{
	return (uint32_t)((size_t)((uint8_t *)run->iov.iov_base - run->read->into->data) / BLOCK_BYTES);
}

void read_block_is_bad(struct pool_read *read, uint32_t i)
{
	if (read->bad_blocks == 0 || read->offset_bytes + (uint64_t)i * BLOCK_BYTES < read->bad_offset_bytes)
		read->bad_offset_bytes = read->offset_bytes + (uint64_t)i * BLOCK_BYTES;
	ASSERT(i < ENTRY_MAX_BLOCKS && i < read->length_bytes / BLOCK_BYTES);
	read->bad_blocks |= UINT64_C(1) << i;
}

/* Compares all of them, also behind a bad one: what is to be repaired is wanted whole. */
static int run_check(const struct read_run *run)
{
	struct pool_read *read = run->read;
	uint32_t first = run_first(run);
	int rc = 0;

	for (uint32_t i = 0; i < run->iov.iov_len / BLOCK_BYTES; i++) {
		uint32_t crc = crc32c((uint8_t *)run->iov.iov_base + (size_t)i * BLOCK_BYTES, BLOCK_BYTES);

		if (crc == read->crc[first + i] || MUTANT(skip_crc))
			continue;
		read_block_is_bad(read, first + i);
		rc = -EILSEQ;
	}
	return rc;
}

void read_check(struct pool *pool, struct pool_read *read)
{
	int rc = read->rc;

	for (struct list *node = read->runs.next; read->rc == 0 && !read->moved && node != &read->runs;
		node = node->next) {
		int run_rc = run_check(list_entry(node, struct read_run, node));

		rc = rc ? rc : run_rc;
	}
	runs_free(pool, read);
	if (rc == 0 && read->moved) {
		read_plan(pool, read); /* a checksum is of another moment */
		return;
	}
	if (rc == -EILSEQ && read->change != pool->change && read->attempts < READ_ATTEMPTS) {
		read->attempts++;
		read_plan(pool, read);
		return;
	}
	if (rc == -EILSEQ)
		pool->counters.checksum_errors++;
	read_finish(pool, read, rc);
}

static void run_ended(struct device_io *io, int rc)
{
	struct read_run *run = container_of(io, struct read_run, io);
	struct pool_read *read = run->read;
	struct pool *pool = run->pool;

	pool_io_ended(pool, io);
	pool->counters.reads++;
	pool->counters.read_bytes += run->iov.iov_len;
	if (rc < 0)
		failing_read(pool, run->offset_bytes);
	if (rc < 0 && read->rc == 0)
		read->rc = rc;
	for (uint32_t i = 0; rc < 0 && i < run->iov.iov_len / BLOCK_BYTES; i++)
		read_block_is_bad(read, run_first(run) + i);
	ASSERT(read->pending > 0);
	if (--read->pending > 0)
		return;
	read_check(pool, read);
}

static void read_tell(void *arg)
{
	struct pool *pool = arg;
	struct list *node;

	while ((node = list_pop_front(&pool->read_done)) != NULL) {
		struct pool_read *read = list_entry(node, struct pool_read, node);

		read->replica->reads--;
		read->fn(read, pool->failed ? -EIO : read->rc);
	}
	while (!pool->failed && (node = list_first(&pool->read_wait)) != NULL) {
		struct pool_read *read = list_entry(node, struct pool_read, node);

		uint32_t blocks = read->length_bytes / BLOCK_BYTES;

		if (pool->run_free_count < blocks || !read_sums_have_room(pool, blocks))
			break;
		list_remove(node);
		read_plan(pool, read);
	}
	if (pool->closing || pool->failed || !list_is_empty(&pool->zombies))
		pool_pump_soon(pool);
}

void read_fail_rollbacks(struct pool *pool)
{
	struct list *node;

	while ((node = list_pop_front(&pool->rollback_wait)) != NULL)
		read_finish(pool, list_entry(node, struct pool_read, node), -EIO);
}

void read_fail_waiting(struct pool *pool)
{
	struct list *node;

	read_fail_rollbacks(pool);
	while ((node = list_pop_front(&pool->read_wait)) != NULL)
		read_finish(pool, list_entry(node, struct pool_read, node), -EIO);
}

void pool_read(struct pool_read *read)
{
	struct pool *pool = read->replica->pool;

	ASSERT(read->offset_bytes % BLOCK_BYTES == 0 && read->length_bytes % BLOCK_BYTES == 0);
	ASSERT(read->length_bytes > 0 && read->length_bytes <= ENTRY_MAX_BYTES);
	ASSERT(read->into->cap_bytes >= read->length_bytes);
	ASSERT(read->offset_bytes + read->length_bytes <= pool_replica_size(read->replica));
	list_init(&read->node);
	list_init(&read->runs);
	read->pending = 0;
	read->attempts = 0;
	read->replica->reads++;
	if (pool->failed)
		read_finish(pool, read, -EIO);
	else
		read_plan(pool, read);
}
