#include "recover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/usage.h"
#include "tools/tools.h"

#define CRASHES_IN_RECOVERY 24u
#define OFFLINE_EVERY       16u /* states that quoin-pool's reader looks at too */

static void violate(struct violation *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void violate(struct violation *v, const char *format, ...)
{
	va_list list;

	if (v->found)
		return;
	v->found = true;
	va_start(list, format);
	vsnprintf(v->text, sizeof(v->text), format, list);
	va_end(list);
}

/* ---- the log ---- */

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

static bool entry_matches(const struct entry *entry, const struct model_record *r)
{
	if (!epoch_equal(entry->epoch, r->position.epoch) || entry->seq != r->position.seq ||
		entry->op != r->op || entry->offset_bytes != r->offset_bytes ||
		entry->length_bytes != r->length_bytes)
		return false;
	if (r->op > ENTRY_NEW_EPOCH && !uuid_equal(entry->attachment, model_snapshot_name(r->tag)))
		return false;
	for (uint64_t at = 0; r->op == ENTRY_WRITE && at < r->length_bytes; at += BLOCK_BYTES)
		if (!block_matches(entry->payload->data + at, r->tag, (r->offset_bytes + at) / BLOCK_BYTES))
			return false;
	return true;
}

static void log_check(struct bench *b, struct pool_replica *replica, const struct model *m,
	const struct model_view *view, struct violation *v)
{
	for (uint64_t seq = pool_replica_first_seq(replica); seq <= view->last_seq && !v->found; seq++) {
		struct log_read read = { .bench = b };

		pool_replica_log_read(replica, seq, log_got, &read);
		bench_wait(b);
		if (b->rc == -ENOENT && seq < pool_replica_first_seq(replica))
			continue; /* the tail went on meanwhile */
		if (b->rc != 0)
			violate(v, "entry %" PRIu64 " can't be read: %d", seq, b->rc);
		else if (!entry_matches(read.entry, &m->records[view->log[seq]]))
			violate(v, "entry %" PRIu64 " is not what was appended", seq);
		if (b->rc == 0)
			entry_put(read.entry);
	}
}

/* ---- the data ---- */

struct data_read {
	struct pool_read read;
	struct bench *bench;
};

static void data_got(struct pool_read *read, int rc)
{
	bench_finished(container_of(read, struct data_read, read)->bench, rc);
}

/* Reads one entry's length at a time, where tags differ from `known` (NULL: everywhere). */
static void data_check(struct bench *b, struct pool_replica *replica, struct uuid snapshot,
	const uint64_t tags[static MODEL_BLOCKS], const uint64_t *known, const char *when,
	struct violation *v)
{
	for (uint64_t at = 0; at < MODEL_SIZE_BYTES && !v->found; at += ENTRY_MAX_BYTES) {
		struct data_read d = { .bench = b };
		uint64_t first = at / BLOCK_BYTES;

		if (known && memcmp(tags + first, known + first, ENTRY_MAX_BLOCKS * sizeof(tags[0])) == 0)
			continue;
		d.read.fn = data_got;
		d.read.replica = replica;
		d.read.snapshot = snapshot;
		d.read.offset_bytes = at;
		d.read.length_bytes = ENTRY_MAX_BYTES;
		d.read.into = buf_get(b->bufs, ENTRY_MAX_BYTES);
		ASSERT(d.read.into != NULL);
		pool_read(&d.read);
		bench_wait(b);
		if (b->rc != 0)
			violate(v, "%s: a read at %" PRIu64 " ends with %d", when, at, b->rc);
		for (uint64_t block = first; block < first + ENTRY_MAX_BLOCKS && !v->found; block++)
			if (!block_matches(
				    d.read.into->data + (block - first) * BLOCK_BYTES, tags[block], block))
				violate(v, "%s: block %" PRIu64 " is not what entry tag %" PRIu64 " wrote",
					when, block, tags[block]);
		buf_put(d.read.into);
	}
}

/* ---- a replica ---- */

/* The longest prefix of what was asked that explains what is there; false where none does. */
static bool explain(const struct model *m, struct pool_replica *replica, struct model_view *ret_view)
{
	struct position last = pool_replica_last(replica);

	for (unsigned prefix = m->count + 1; prefix-- > m->answered;) {
		model_view(m, prefix, ret_view);
		if (position_compare(ret_view->last, last) == 0 &&
			state_equal(&ret_view->state, pool_replica_state(replica)))
			return true;
	}
	return false;
}

/* What there is of snapshots once the entries up to `seq` are applied, and each one's content. */
static void snapshots_check(struct bench *b, struct pool_replica *replica, const struct model *m,
	const struct model_view *view, uint64_t seq, struct violation *v)
{
	struct pool_snapshot found[MODEL_SNAPSHOTS];
	uint64_t seqs[MODEL_SNAPSHOTS], tags[MODEL_BLOCKS];
	unsigned count = model_snapshots(m, view, seq, seqs);

	if (pool_replica_snapshots(replica, found, MODEL_SNAPSHOTS) != count) {
		violate(v, "after entry %" PRIu64 " there are %u snapshots instead of %u", seq,
			pool_replica_snapshots(replica, found, MODEL_SNAPSHOTS), count);
		return;
	}
	for (unsigned i = 0; i < count && !v->found; i++) {
		model_image(m, view, seqs[i], tags);
		if (found[i].frozen.seq != seqs[i])
			violate(v, "a snapshot of entry %" PRIu64 " says %" PRIu64, seqs[i],
				found[i].frozen.seq);
		data_check(b, replica, model_snapshot_name(m->records[view->log[seqs[i]]].tag), tags, NULL,
			"a snapshot", v);
	}
}

/* What is kept for a thick one makes up its size; from a snapshot's entry on, all of it is kept. */
static void kept_check(const struct pool_replica *replica, const struct model *m, struct violation *v)
{
	const struct pool_replica_identity *identity = pool_replica_identity(replica);
	uint64_t kept = pool_replica_kept_bytes(replica), used = pool_replica_used_bytes(replica);

	if (identity->thick != m->identity.thick)
		violate(v, "a replica is not thick any more, or has become it");
	else if (kept != (identity->thick ? MODEL_SIZE_BYTES - used : 0) &&
		 (!identity->thick || kept != MODEL_SIZE_BYTES))
		violate(v, "%" PRIu64 " bytes are kept beside %" PRIu64 " used ones", kept, used);
}

static void replica_check(struct bench *b, const struct model *m, struct violation *v)
{
	const struct uuid head = { 0 };
	static struct model_view view;
	struct pool_replica *replica = pool_replica_find(b->pool, m->identity.replica);
	uint64_t tags[MODEL_BLOCKS], committed[MODEL_BLOCKS];
	uint64_t commit;

	if (!replica) {
		violate(v, "a replica is gone");
		return;
	}
	if (pool_replica_state(replica)->incomplete) {
		violate(v, "a crash alone has made a replica incomplete");
		return;
	}
	kept_check(replica, m, v);
	if (!explain(m, replica, &view)) {
		struct position last = pool_replica_last(replica);

		model_view(m, m->answered, &view);
		violate(v,
			"last is e%" PRIu64 " s%" PRIu64 ", promise %" PRIu64 "; answered were e%" PRIu64
			" s%" PRIu64 ", promise %" PRIu64,
			last.epoch.number, last.seq, pool_replica_state(replica)->promise.number,
			view.last.epoch.number, view.last.seq, view.state.promise.number);
		return;
	}
	commit = pool_replica_commit_seq(replica);
	if (commit > view.last_seq || commit > m->commit_told) {
		violate(v, "commit %" PRIu64 " of last %" PRIu64 ", but only %" PRIu64 " was ever told",
			commit, view.last_seq, m->commit_told);
		return;
	}
	log_check(b, replica, m, &view, v);
	if (v->found)
		return;
	model_image(m, &view, commit, committed);
	data_check(b, replica, head, committed, NULL, "as committed", v);
	if (v->found)
		return;
	pool_replica_commit_set(replica, view.last_seq);
	model_image(m, &view, view.last_seq, tags);
	data_check(b, replica, head, tags, committed, "with all committed", v);
	if (v->found || m->count % 2 == 0)
		return;
	pool_replica_applied_wait(replica, view.last_seq, bench_finished, b);
	bench_wait(b);
	data_check(b, replica, head, tags, NULL, "with all applied", v);
	snapshots_check(b, replica, m, &view, view.last_seq, v);
}

/* ---- crashes during a recovery ---- */

struct again {
	struct bench *bench;
	struct sim_disk *disk;
	const struct model *models;
	unsigned count;
	uint64_t seed;
	unsigned crashes;
	struct violation *violation;
	uint64_t *states;
};

static void crash_again(void *arg)
{
	struct again *a = arg;

	if (a->crashes >= CRASHES_IN_RECOVERY || a->violation->found)
		return;
	a->crashes++;
	recover_check(a->bench, NULL, sim_disk_crashed_copy(a->disk, a->seed + a->crashes), a->models,
		a->count, a->seed, a->violation, a->states);
}

/* ---- what the offline check says, which shares only the codecs with the store ---- */

static int disk_read(void *arg, uint64_t offset_bytes, void *to, uint64_t length_bytes)
{
	sim_disk_peek(arg, offset_bytes, to, length_bytes);
	return 0;
}

static bool offline_load(struct image *image, struct image_source *source, struct sim_disk *disk,
	const char *when, struct violation *v)
{
	struct error error;

	*source = (struct image_source){ .read = disk_read, .arg = disk, .size_bytes = sim_disk_size(disk) };
	if (image_load(image, source, &error) < 0 || image_verify_data(image, NULL, NULL) < 0) {
		violate(v, "%s, quoin-pool check: %s", when, error.text);
		return false;
	}
	for (uint32_t i = 0; i < image->finding_count; i++)
		if (image->findings[i].severity == SEVERITY_DAMAGE)
			violate(v, "%s, quoin-pool check: %s: %s", when, image->findings[i].area,
				image->findings[i].text);
	return !v->found;
}

/* It must call what a crash has left clean, and see the same logs as the recovery, which may have applied
 * more. */
static void offline_compare(const struct image *image, struct bench *b, struct violation *v)
{
	for (uint32_t i = 0; i < image->replica_count && !v->found; i++) {
		const struct image_replica *seen = image->by_layer[i];
		struct pool_replica *replica = pool_replica_find(b->pool, seen->record.identity.replica);

		if (!replica)
			violate(v, "quoin-pool check sees a replica that the pool has not");
		else if (position_compare(seen->last, pool_replica_last(replica)) != 0 ||
			 seen->record.applied.seq > pool_replica_applied_seq(replica) ||
			 seen->commit_seq != pool_replica_commit_seq(replica) ||
			 !state_equal(&seen->record.state, pool_replica_state(replica)))
			violate(v,
				"quoin-pool check sees last %" PRIu64 ", applied %" PRIu64 ", commit %" PRIu64
				", the pool %" PRIu64 ", %" PRIu64 ", %" PRIu64,
				seen->last.seq, seen->record.applied.seq, seen->commit_seq,
				pool_replica_last(replica).seq, pool_replica_applied_seq(replica),
				pool_replica_commit_seq(replica));
	}
}

static void offline_check(struct sim_disk *disk, struct violation *v)
{
	struct image image;
	struct image_source source;

	(void)offline_load(&image, &source, disk, "after a clean stop", v);
	image_done(&image);
}

/* A clean stop, and once more open: what the recovery has left is there, no more and no less. */
static void reopen_check(struct bench *b, struct violation *violation)
{
	struct {
		struct uuid replica;
		struct position last;
		bool incomplete;
	} left[MODEL_REPLICAS + MODEL_CLONES];
	struct pool_replica *replica = NULL;
	unsigned count = 0;
	int rc;

	while ((replica = pool_replica_next(b->pool, replica)) != NULL) {
		ASSERT(count < MODEL_REPLICAS + MODEL_CLONES);
		left[count].replica = pool_replica_identity(replica)->replica;
		left[count].last = pool_replica_last(replica);
		left[count++].incomplete = pool_replica_state(replica)->incomplete;
	}
	bench_close(b);
	rc = bench_open(b);
	if (rc != 0) {
		violate(violation, "after a clean stop it can't be opened: %s (%d)", b->error.text, rc);
		return;
	}
	for (unsigned i = 0; i < count && !violation->found; i++) {
		replica = pool_replica_find(b->pool, left[i].replica);
		if (!replica)
			violate(violation, "after a clean stop a replica is gone");
		else if (position_compare(pool_replica_last(replica), left[i].last) != 0 ||
			 pool_replica_state(replica)->incomplete != left[i].incomplete)
			violate(violation,
				"after a clean stop a replica's log ends with %" PRIu64 ", not %" PRIu64 "%s",
				pool_replica_last(replica).seq, left[i].last.seq,
				pool_replica_state(replica)->incomplete ? ", and it is incomplete" : "");
	}
}

void recover_check(struct bench *b, struct bench *again, struct sim_disk *crashed, const struct model *models,
	unsigned count, uint64_t seed, struct violation *violation, uint64_t *states)
{
	struct again a = { again, crashed, models, count, seed, 0, violation, states };
	struct image image = { 0 };
	struct image_source source;
	bool offline = (*states)++ % OFFLINE_EVERY == 0;
	int rc;

	b->disk = crashed;
	b->cache_bytes = seed % 4 != 1;
	if (offline)
		offline = offline_load(&image, &source, crashed, "after the crash", violation);
	if (again)
		sim_disk_watch(crashed, crash_again, &a);
	rc = bench_open(b);
	sim_disk_watch(crashed, NULL, NULL);
	if (rc != 0) {
		violate(violation, "the pool can't be opened: %s (%d)", b->error.text, rc);
		image_done(&image);
		sim_disk_free(crashed);
		return;
	}
	if (offline)
		offline_compare(&image, b, violation);
	image_done(&image);
	for (unsigned i = 0; i < count && !violation->found; i++)
		replica_check(b, &models[i], violation);
	if (b->failed)
		violate(violation, "the pool has failed: %s", b->error.text);
	if (offline && !violation->found)
		reopen_check(b, violation);
	if (b->pool)
		bench_close(b);
	if (offline && !violation->found)
		offline_check(crashed, violation);
	sim_disk_free(crashed);
	b->disk = NULL;
}
