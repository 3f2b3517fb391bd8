#include "rot_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tools.h"

static void violate(struct rot_check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void violate(struct rot_check *c, const char *format, ...)
{
	va_list args;

	if (c->violation[0])
		return;
	va_start(args, format);
	(void)vsnprintf(c->violation, sizeof(c->violation), format, args);
	va_end(args);
}

/* ---- one answer after the other ---- */

struct log_read {
	struct bench *bench;
	struct entry *entry;
};

static void log_got(void *arg, int rc, struct entry *entry)
{
	struct log_read *read = arg;

	read->entry = entry;
	bench_finished(read->bench, rc);
}

struct data_read {
	struct pool_read read;
	struct bench *bench;
};

static void data_got(struct pool_read *read, int rc)
{
	bench_finished(container_of(read, struct data_read, read)->bench, rc);
}

/* ---- a replica that calls itself complete ---- */

static bool explain(
	const struct model *m, unsigned answered, struct pool_replica *replica, struct model_view *ret_view)
{
	struct position last = pool_replica_last(replica);

	for (unsigned prefix = m->count + 1; prefix-- > answered;) {
		model_view(m, prefix, ret_view);
		if (position_compare(ret_view->last, last) == 0 &&
			state_equal(&ret_view->state, pool_replica_state(replica)))
			return true;
	}
	return false;
}

static void log_check(struct rot_check *c, struct pool_replica *replica, const struct model *m,
	const struct model_view *view)
{
	for (uint64_t seq = pool_replica_first_seq(replica); seq <= view->last_seq && !c->violation[0];
		seq++) {
		const struct model_record *r = &m->records[view->log[seq]];
		struct log_read read = { .bench = c->bench };

		pool_replica_log_read(replica, seq, log_got, &read);
		bench_wait(c->bench);
		if (c->bench->rc != 0) {
			c->tally->entries_refused++;
			continue;
		}
		if (!epoch_equal(read.entry->epoch, r->position.epoch) || read.entry->op != r->op ||
			read.entry->offset_bytes != r->offset_bytes ||
			read.entry->length_bytes != r->length_bytes)
			violate(c, "entry %" PRIu64 " is not what was appended", seq);
		for (uint64_t at = 0; r->op == ENTRY_WRITE && !c->violation[0] && at < r->length_bytes;
			at += BLOCK_BYTES)
			if (!block_matches(read.entry->payload->data + at, r->tag,
				    (r->offset_bytes + at) / BLOCK_BYTES))
				violate(c, "entry %" PRIu64 " has another payload", seq);
		entry_put(read.entry);
	}
}

/* Block by block; returns how many were refused. */
static unsigned data_check(struct rot_check *c, struct pool_replica *replica,
	const uint64_t tags[static MODEL_BLOCKS], const char *when)
{
	unsigned refused = 0;

	for (uint64_t block = 0; block < MODEL_BLOCKS && !c->violation[0]; block++) {
		struct data_read d = { .bench = c->bench };

		d.read.fn = data_got;
		d.read.replica = replica;
		d.read.offset_bytes = block * BLOCK_BYTES;
		d.read.length_bytes = BLOCK_BYTES;
		d.read.into = buf_get(c->bench->bufs, BLOCK_BYTES);
		ASSERT(d.read.into != NULL);
		pool_read(&d.read);
		bench_wait(c->bench);
		if (c->bench->rc != 0)
			refused++;
		else if (!block_matches(d.read.into->data, tags[block], block))
			violate(c, "%s: block %" PRIu64 " is not what entry tag %" PRIu64 " wrote", when,
				block, tags[block]);
		buf_put(d.read.into);
	}
	c->tally->blocks_refused += refused;
	return refused;
}

static unsigned complete_check(struct rot_check *c, struct pool_replica *replica, const struct model *m)
{
	static struct model_view view;
	struct position last = pool_replica_last(replica);
	uint64_t tags[MODEL_BLOCKS], commit = pool_replica_commit_seq(replica);
	unsigned refused;

	if (c->journal_twice && !explain(m, m->answered, replica, &view))
		c->tally->cut++;
	if (!explain(m, c->journal_twice ? 0 : m->answered, replica, &view)) {
		const struct replica_state *state = pool_replica_state(replica);

		model_view(m, m->answered, &view);
		violate(c,
			"complete at e%" PRIu64 " s%" PRIu64 ", promise %" PRIu64 "; answered were e%" PRIu64
			" s%" PRIu64 ", promise %" PRIu64,
			last.epoch.number, last.seq, state->promise.number, view.last.epoch.number,
			view.last.seq, view.state.promise.number);
		return 0;
	}
	if (commit > view.last_seq || commit > m->commit_told) {
		violate(c, "commit %" PRIu64 ", but only %" PRIu64 " was ever told", commit, m->commit_told);
		return 0;
	}
	log_check(c, replica, m, &view);
	model_image(m, &view, commit, tags);
	refused = data_check(c, replica, tags, "as committed");
	pool_replica_commit_set(replica, view.last_seq);
	model_image(m, &view, view.last_seq, tags);
	refused += data_check(c, replica, tags, "with all committed");
	bench_run(c->bench, 3 * NS_PER_S); /* it may be applied now, or found rotten */
	if (!pool_replica_state(replica)->incomplete)
		refused += data_check(c, replica, tags, "when applied");
	return refused;
}

/* ---- one that is damaged: its group gives it everything ---- */

static void grain_repair(struct rot_check *c, struct pool_replica *replica, const struct model_view *view,
	const uint64_t tags[static MODEL_BLOCKS], uint64_t index)
{
	struct grain_copy copy = { .index = index,
		.state = { .epoch = view->last.epoch, .seq = view->last_seq } };

	copy.data = buf_get(c->bench->bufs, GRAIN_BYTES);
	ASSERT(copy.data != NULL);
	copy.data->len_bytes = GRAIN_BYTES;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++) {
		uint64_t block = index * GRAIN_BLOCKS + i;
		uint8_t *to = copy.data->data + (size_t)i * BLOCK_BYTES;

		if (tags[block] == 0)
			continue;
		block_fill(to, tags[block], block);
		copy.state.crc[i] = crc32c(to, BLOCK_BYTES);
		copy.state.present |= (uint16_t)(1u << i);
	}
	if (!copy.state.present) {
		buf_put(copy.data);
		copy.data = NULL;
	}
	pool_replica_grain_put(replica, &copy, bench_finished, c->bench);
	buf_put(copy.data);
	bench_wait(c->bench);
	if (c->bench->rc != 0)
		violate(c, "a repair of grain %" PRIu64 " ends with %d", index, c->bench->rc);
}

static void repair(struct rot_check *c, struct pool_replica *replica, const struct model *m)
{
	static struct model_view view;
	struct replica_state state = *pool_replica_state(replica);
	uint64_t tags[MODEL_BLOCKS];
	struct epoch_start row;

	if (state.retired)
		return; /* its promise is not known: a new replica takes its place */
	model_view(m, m->count, &view);
	model_image(m, &view, view.last_seq, tags);
	row = (struct epoch_start){ .epoch = view.last.epoch, .first_seq = 1 };
	pool_replica_log_reset(replica, view.last, &row, view.last_seq ? 1 : 0, bench_finished, c->bench);
	bench_wait(c->bench);
	for (uint64_t index = 0; index < MODEL_SIZE_BYTES / GRAIN_BYTES && !c->violation[0]; index++)
		grain_repair(c, replica, &view, tags, index);
	state.incomplete = false;
	state.since = (struct position){ 0 };
	pool_replica_state_write(replica, &state, bench_finished, c->bench);
	bench_wait(c->bench);
	if (!c->violation[0] && data_check(c, replica, tags, "after the repair") > 0)
		violate(c, "a block is refused after the repair");
	c->tally->repaired++;
}

/* ---- the pool ---- */

static int disk_read(void *arg, uint64_t offset_bytes, void *to, uint64_t length_bytes)
{
	sim_disk_peek(arg, offset_bytes, to, length_bytes);
	return 0;
}

/* Whether quoin-pool calls the disk clean. */
static bool offline_is_clean(struct sim_disk *disk)
{
	struct image_source source = { .read = disk_read, .arg = disk, .size_bytes = sim_disk_size(disk) };
	struct image image;
	struct error error;
	bool clean = image_load(&image, &source, &error) == 0 && image_verify_data(&image, NULL, NULL) == 0 &&
		     image.damages == 0;

	image_done(&image);
	return clean;
}

/* Returns how much was refused or damaged. */
static unsigned replicas_check(struct rot_check *c, bool *damaged)
{
	unsigned harm = 0;

	for (unsigned i = 0; i < c->count && !c->violation[0]; i++) {
		struct pool_replica *replica =
			pool_replica_find(c->bench->pool, c->models[i].identity.replica);

		damaged[i] = !replica || pool_replica_state(replica)->incomplete;
		if (!replica) {
			c->tally->gone++;
		} else if (damaged[i]) {
			c->tally->damaged++;
		} else {
			c->tally->whole++;
			harm += complete_check(c, replica, &c->models[i]);
		}
		harm += damaged[i];
	}
	return harm;
}

/* What was damaged at the first open may not be whole at the second, unless it was repaired. */
static void reopen_check(struct rot_check *c, const bool *damaged, bool repaired)
{
	bench_close(c->bench);
	c->tally->reopened++;
	if (bench_open(c->bench) != 0) {
		violate(c, "the pool can't be opened again: %s", c->bench->error.text);
		return;
	}
	for (unsigned i = 0; i < c->count; i++) {
		struct pool_replica *replica =
			pool_replica_find(c->bench->pool, c->models[i].identity.replica);
		bool incomplete = !replica || pool_replica_state(replica)->incomplete;

		if (damaged[i] && !incomplete && !repaired)
			violate(c, "replica %u was damaged, and calls itself complete at the next open", i);
		if (damaged[i] && incomplete && repaired && replica && !pool_replica_state(replica)->retired)
			violate(c, "replica %u was repaired, and is damaged at the next open", i);
	}
}

static void opened_check(struct rot_check *c, bool offline_clean)
{
	bool damaged[MODEL_REPLICAS] = { false }, again = random_chance(c->random, 1, 3);
	bool mend = random_chance(c->random, 1, 2);
	unsigned harm = replicas_check(c, damaged);

	if (offline_clean && harm > 0 && !c->journal_twice)
		violate(c, "quoin-pool calls it clean; %u blocks or replicas are not", harm);
	for (unsigned i = 0; i < c->count && mend && !c->violation[0]; i++) {
		struct pool_replica *replica =
			pool_replica_find(c->bench->pool, c->models[i].identity.replica);

		if (replica && pool_replica_state(replica)->incomplete)
			repair(c, replica, &c->models[i]);
	}
	if (again && !c->violation[0])
		reopen_check(c, damaged, mend);
	if (c->bench->failed)
		violate(c, "the pool has failed: %s", c->bench->error.text);
	if (c->bench->rc == 0 || c->bench->pool)
		bench_close(c->bench);
}

void rot_check(struct rot_check *c, struct sim_disk *disk)
{
	bool offline = random_chance(c->random, 1, 4), clean;

	c->bench->disk = disk;
	clean = offline && offline_is_clean(disk);
	c->tally->offline += offline;
	if (bench_open(c->bench) == 0) {
		c->tally->opened++;
		if (c->superblocks_lost)
			violate(c, "the pool opens without a superblock");
		opened_check(c, clean);
	} else {
		c->tally->refused++;
		if (!c->superblocks_lost)
			violate(c, "the pool can't be opened: %s (%d)", c->bench->error.text, c->bench->rc);
		if (c->bench->rc != -EILSEQ || !strstr(c->bench->error.text, "superblock"))
			violate(c, "no clear refusal: %s (%d)", c->bench->error.text, c->bench->rc);
	}
	sim_disk_free(disk);
	c->bench->disk = NULL;
}
