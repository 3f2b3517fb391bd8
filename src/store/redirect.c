/*
 * Redirects: a write of whole grains goes once, into fresh grains; the journal gets only its record.
 *
 *   redirect_take (composing) -> grains and batch written side by side, one flush -> durable, answered
 *     -> settled: two durable headers call the batch durable -> a round maps the grains, and frees the old
 * ones
 *
 * A replay takes a batch that no header calls durable only when its redirected grains have the content that
 * the record says. So such a grain must not change before the batch is settled: no round maps it until then.
 * For as long as an entry is not applied its grains are its own; they are in no slot, and not free.
 */
#include "store/pool.h"

/* ---- taking ---- */

/* Free grains that are left for what can't do without one: a redirect always can. */
static uint64_t headroom(const struct pool *pool)
{
	uint64_t some = pool->g.grain_count / 16;

	return (some < 512 ? some : 512) + pool->g.grain_count / 100 + 1 + pool->grains_reserved +
	       pool->thick_grains;
}

/* Old and new would lie far apart: on a disk with heads grains stay where they are. */
static bool would_scatter(const struct pool *pool, const struct log_entry *le)
{
	for (unsigned i = 0; pool->device->rotational && i < le->piece_count; i++)
		if (map_find(pool, le->replica->top, le->pieces[i].index) != PHYS_NONE)
			return true;
	return false;
}

static uint32_t grain_take(struct pool *pool, const struct log_entry *le, uint32_t index)
{
	uint32_t old = MUTANT(redirect_in_place) && le->replica->structural == 0 && !le->replica->top->parent
			       ? map_find(pool, le->replica->top, index)
			       : PHYS_NONE;

	return old < pool->g.grain_count ? old : map_alloc(pool);
}

bool redirect_take(struct pool *pool, const struct batch *batch, struct log_entry *le)
{
	const struct entry *entry = le->entry;
	uint64_t count = entry->length_bytes / GRAIN_BYTES;
	const struct map *map = &pool->map;

	if (entry->op != ENTRY_WRITE || entry->offset_bytes % GRAIN_BYTES ||
		entry->length_bytes % GRAIN_BYTES || !entry->payload)
		return false;
	if (le->redirects > 0 || batch->redirect_count + REDIRECT_MAX_GRAINS > REDIRECTS_PER_BATCH)
		return false;
	if (le->carrying || le->truncated || le->edge < UINT64_MAX || would_scatter(pool, le))
		return false;
	if (map->ready_count < count + 1 || map->free_count < count + headroom(pool))
		return false;
	ASSERT(count <= REDIRECT_MAX_GRAINS && count == le->piece_count);
	for (uint64_t i = 0; i < count; i++) {
		le->pieces[i].fresh = grain_take(pool, le, le->pieces[i].index);
		ASSERT(le->pieces[i].fresh < pool->g.grain_count);
	}
	le->redirects = (uint8_t)count;
	return true;
}

void redirect_untake(struct pool *pool, struct log_entry *le)
{
	for (unsigned i = 0; i < le->redirects && !MUTANT(redirect_in_place); i++)
		map_unalloc(pool, le->pieces[i].fresh);
	le->redirects = 0;
}

/* ---- writing ---- */

void redirect_record(const struct log_entry *le, struct record *ret_record)
{
	record_of_entry(le->entry, le->replica->head.dir, ret_record);
	if (le->redirects == 0)
		return;
	ASSERT(ret_record->kind == RECORD_WRITE && le->redirects == ret_record->length_bytes / GRAIN_BYTES);
	ret_record->kind = RECORD_REDIRECT;
	for (unsigned i = 0; i < le->redirects; i++)
		ret_record->fresh[i] = le->pieces[i].fresh;
}

void redirect_add(struct pool *pool, struct batch *batch, struct log_entry *le)
{
	struct redirect_io *rio = NULL;

	index_unreserve(le);
	for (unsigned i = 0; i < le->redirects; i++) {
		/* The next grain of the pool: one write. */
		if (rio && le->pieces[i].fresh == le->pieces[i - 1].fresh + 1) {
			rio->iov.iov_len += GRAIN_BYTES;
			continue;
		}
		ASSERT(batch->redirect_count < REDIRECTS_PER_BATCH);
		rio = &batch->redirects[batch->redirect_count++];
		rio->batch = batch;
		rio->offset_bytes = geometry_grain_offset(&pool->g, le->pieces[i].fresh);
		rio->iov = (struct iovec){ .iov_base = le->entry->payload->data + (size_t)i * GRAIN_BYTES,
			.iov_len = GRAIN_BYTES };
	}
}

static void redirect_ended(struct device_io *io, int rc)
{
	batch_write_ended(container_of(io, struct redirect_io, io)->batch, io, rc, "grain write");
}

void redirect_write(struct pool *pool, struct batch *batch)
{
	for (unsigned i = 0; i < batch->redirect_count; i++) {
		struct redirect_io *rio = &batch->redirects[i];

		rio->io.fn = redirect_ended;
		pool_io_began(pool, &rio->io);
		pool->counters.device_write_bytes += rio->iov.iov_len;
		pool->device->ops->write(pool->device, &rio->io, &rio->iov, 1, rio->offset_bytes);
	}
}

/* ---- afterwards ---- */

bool redirect_is_settled(const struct log_entry *le)
{
	return le->redirects == 0 || MUTANT(redirect_applied_unsettled) ||
	       (!le->carrying && le->batch <= le->replica->pool->journal.settled);
}

void redirect_settle_want(struct pool *pool, const struct log_entry *le)
{
	if (!le || redirect_is_settled(le) || le->carrying || le->queued ||
		le->seq > le->replica->commit_durable || le->seq > le->replica->hold)
		return;
	if (pool->journal.settle_goal < le->batch)
		pool->journal.settle_goal = le->batch;
}

void redirect_grain(struct pool *pool, struct round_grain *grain, const struct log_entry *le, unsigned piece)
{
	/* What an earlier entry of this round was to be written to, or marked in. */
	if (grain->to != PHYS_NONE && grain->to != grain->phys && !grain->redirected)
		map_unalloc(pool, grain->to);
	grain->redirected = true;
	grain->to = le->pieces[piece].fresh;
	grain->slot.present = UINT16_MAX;
	grain->slot.zero = 0;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		grain->slot.crc[i] = le->entry->crc[piece * GRAIN_BLOCKS + i];
		grain->source[i] = NULL;
	}
}

void redirect_release(struct pool *pool, struct log_entry *le, uint64_t batch)
{
	for (unsigned i = 0; i < le->redirects; i++) {
		uint32_t fresh = le->pieces[i].fresh;

		if (!map_is_free(&pool->map, fresh) || MUTANT(redirect_in_place))
			continue; /* mapped: the layer's now */
		if (MUTANT(truncated_grain_reused))
			map_unalloc(pool, fresh);
		else
			map_quarantine(pool, fresh, batch);
	}
	le->redirects = 0;
}

uint64_t redirect_block_offset(const struct log_entry *le, uint64_t block)
{
	uint64_t i = block / GRAIN_BLOCKS - le->entry->offset_bytes / GRAIN_BYTES;

	ASSERT(i < le->redirects);
	return geometry_grain_offset(&le->replica->pool->g, le->pieces[i].fresh) +
	       block % GRAIN_BLOCKS * BLOCK_BYTES;
}

bool redirect_claim(struct pool *pool, const struct log_entry *le)
{
	for (unsigned i = 0; i < le->redirects; i++)
		if (!map_claim(pool, le->pieces[i].fresh))
			return false;
	return true;
}
