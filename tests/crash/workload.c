#include "workload.h"

#include <stdlib.h>
#include <string.h>

/* One at a time; the record that an answer is for. */
struct asked {
	struct model *model;
	unsigned record;
};

static void durable(void *arg, struct pool_replica *replica, uint64_t seq)
{
	struct workload *w = arg;

	for (unsigned i = 0; i < w->replica_count; i++)
		if (w->replicas[i] == replica)
			model_durable(&w->models[i], seq);
}

static void created(void *arg, int rc, struct pool_replica *replica)
{
	struct workload *w = arg;

	w->replicas[w->replica_count] = replica;
	bench_finished(&w->bench, rc);
}

static void replicas_create(struct workload *w)
{
	for (unsigned i = 0; i < MODEL_REPLICAS + MODEL_CLONES; i++) {
		struct model *m = &w->models[i];

		m->count = 0;
		m->answered = 0;
		m->commit_told = 0;
		memset(m->base, 0, sizeof(m->base));
		m->identity =
			(struct pool_replica_identity){ .size_bytes = MODEL_SIZE_BYTES, .thick = i == 1 };
		m->identity.replica.byte[0] = (uint8_t)(10 + i);
		m->identity.group.byte[0] = (uint8_t)(20 + i);
		m->identity.volume.byte[0] = (uint8_t)(30 + i);
		if (i >= MODEL_REPLICAS)
			continue; /* a clone, later */
		pool_replica_create(w->bench.pool, &m->identity, created, w);
		bench_wait(&w->bench);
		ASSERT(w->bench.rc == 0);
		w->replica_count++;
	}
}

/* ---- what is asked of a replica ---- */

static struct model_record *record_new(struct model *m, enum model_kind kind)
{
	struct model_record *r = &m->records[m->count++];

	ASSERT(m->count <= MODEL_RECORDS);
	memset(r, 0, sizeof(*r));
	r->kind = kind;
	return r;
}

static void answered(void *arg, int rc)
{
	struct asked *asked = arg;

	ASSERT(rc == 0);
	if (asked->record + 1 > asked->model->answered)
		asked->model->answered = asked->record + 1;
	free(asked);
}

static struct asked *asked_new(struct model *m)
{
	struct asked *asked = malloc(sizeof(*asked));

	ASSERT(asked != NULL);
	*asked = (struct asked){ m, m->count - 1 };
	return asked;
}

/* Mostly on few blocks, so that things overlap. */
static void pick_range(struct workload *w, struct model_record *r)
{
	uint64_t blocks = 1 + random_below(&w->random, random_chance(&w->random, 1, 4) ? 40 : 4);
	uint64_t at = random_below(&w->random, random_chance(&w->random, 3, 4) ? 48 : MODEL_BLOCKS);

	/* Whole grains, which are redirected when they are written. */
	if (random_chance(&w->random, 1, 4)) {
		blocks = random_chance(&w->random, 3, 4) ? GRAIN_BLOCKS : 2 * GRAIN_BLOCKS;
		at = at / GRAIN_BLOCKS * GRAIN_BLOCKS;
	}
	if (at + blocks > MODEL_BLOCKS)
		blocks = MODEL_BLOCKS - at;
	r->offset_bytes = at * BLOCK_BYTES;
	r->length_bytes = blocks * BLOCK_BYTES;
}

/* Now and then a snapshot is made, rolled back to, removed. */
static bool pick_structural(struct workload *w, const struct model *m, struct model_record *r)
{
	static struct model_view view;
	uint64_t seqs[MODEL_SNAPSHOTS];
	unsigned count;

	if (!w->layers || !random_chance(&w->random, 1, 6))
		return false;
	model_view(m, m->count - 1, &view);
	count = model_snapshots(m, &view, view.last_seq, seqs);
	if (count == 0 || (count < MODEL_SNAPSHOTS && random_chance(&w->random, 1, 2))) {
		r->op = ENTRY_SNAPSHOT;
		return true;
	}
	r->op = random_chance(&w->random, 1, 4) ? ENTRY_ROLLBACK : ENTRY_DELETE_SNAPSHOT;
	r->tag = m->records[view.log[seqs[random_below(&w->random, count)]]].tag;
	return true;
}

/* From a snapshot of the first replica that is there, once. */
static void clone_make(struct workload *w)
{
	static struct model_view view;
	struct model *m = &w->models[w->replica_count];
	const struct model *origin = &w->models[0];
	struct pool_snapshot found[MODEL_SNAPSHOTS];
	unsigned count = pool_replica_snapshots(w->replicas[0], found, MODEL_SNAPSHOTS);

	if (w->replica_count == MODEL_REPLICAS + MODEL_CLONES || count == 0)
		return;
	model_view(origin, origin->count, &view);
	model_image(origin, &view, found[count - 1].frozen.seq, m->base);
	pool_replica_clone(w->replicas[0], found[count - 1].snapshot, &m->identity, created, w);
	bench_wait(&w->bench);
	ASSERT(w->bench.rc == 0);
	w->replica_count++;
}

static void append(struct workload *w, unsigned i, const struct model_record *wanted)
{
	struct model *m = &w->models[i];
	struct position last = pool_replica_last(w->replicas[i]);
	struct model_record *r;
	struct entry *entry;

	if (pool_replica_room(w->replicas[i]) < (wanted ? wanted->length_bytes : GRAIN_BYTES))
		return;
	r = record_new(m, MODEL_APPEND);
	r->op = random_chance(&w->random, 1, 5) ? ENTRY_TRIM : ENTRY_WRITE;
	r->tag = ++w->tag;
	if (wanted) {
		r->op = wanted->op;
		r->offset_bytes = wanted->offset_bytes;
		r->length_bytes = wanted->length_bytes;
		if (wanted->tag)
			r->tag = wanted->tag;
	} else if (!pick_structural(w, m, r)) {
		pick_range(w, r);
	}
	r->position.seq = last.seq + 1;
	r->position.epoch = last.epoch;
	if (r->position.epoch.number == 0 || random_chance(&w->random, 1, 10))
		r->position.epoch.number += 1 + random_below(&w->random, 3);
	/* A truncated epoch is never used again: entries that share a name are the same entry. */
	for (unsigned k = 0; k + 1 < m->count; k++)
		if (m->records[k].kind == MODEL_APPEND &&
			position_compare(m->records[k].position, r->position) == 0)
			r->position.epoch.restart++;
	entry = entry_get(w->bench.entries);
	ASSERT(entry != NULL);
	entry->epoch = r->position.epoch;
	entry->seq = r->position.seq;
	entry->op = r->op;
	entry->offset_bytes = r->offset_bytes;
	entry->length_bytes = r->length_bytes;
	if (r->op > ENTRY_NEW_EPOCH)
		entry->attachment = model_snapshot_name(r->tag);
	if (r->op == ENTRY_WRITE) {
		entry->payload = buf_get(w->bench.bufs, (uint32_t)r->length_bytes);
		ASSERT(entry->payload != NULL);
		entry->payload->len_bytes = (uint32_t)r->length_bytes;
		for (uint64_t k = 0; k < r->length_bytes / BLOCK_BYTES; k++)
			block_fill(entry->payload->data + k * BLOCK_BYTES, r->tag,
				r->offset_bytes / BLOCK_BYTES + k);
		crc32c_blocks(entry->payload->data, r->length_bytes / BLOCK_BYTES, entry->crc);
	}
	pool_replica_append(w->replicas[i], entry);
	entry_put(entry);
}

static void commit(struct workload *w, unsigned i, bool all)
{
	struct model *m = &w->models[i];
	uint64_t last = pool_replica_last(w->replicas[i]).seq;
	uint64_t seq = m->commit_told + random_below(&w->random, last - m->commit_told + 1);

	if (all)
		seq = last;
	if (last == 0 || seq <= m->commit_told)
		return;
	m->commit_told = seq;
	pool_replica_commit_set(w->replicas[i], seq);
	if (random_chance(&w->random, 1, 2))
		pool_replica_all_set(w->replicas[i], seq);
}

static void truncate_log(struct workload *w, unsigned i)
{
	struct model *m = &w->models[i];
	uint64_t last = pool_replica_last(w->replicas[i]).seq;
	struct model_record *r;

	if (last <= m->commit_told)
		return;
	r = record_new(m, MODEL_TRUNCATE);
	r->keep_seq = m->commit_told + random_below(&w->random, last - m->commit_told);
	pool_replica_truncate(w->replicas[i], r->keep_seq, answered, asked_new(m));
}

/* Whole grains, and close behind them what would like to have the same place. */
static void redirect_burst(struct workload *w, unsigned i)
{
	uint64_t grain = random_below(&w->random, 4), dice = random_below(&w->random, 2);
	const struct model_record whole = {
		.op = ENTRY_WRITE, .offset_bytes = grain * GRAIN_BYTES, .length_bytes = GRAIN_BYTES
	};
	const struct model_record part = { .op = ENTRY_WRITE,
		.offset_bytes = whole.offset_bytes + BLOCK_BYTES,
		.length_bytes = BLOCK_BYTES };

	append(w, i, &whole);
	if (dice == 0) {
		/* In one round, which is due at once. */
		commit(w, i, true);
		append(w, i, &whole);
		commit(w, i, true);
		append(w, i, &part);
		commit(w, i, true);
		return;
	}
	bench_run(&w->bench, random_below(&w->random, 60 * NS_PER_US));
	truncate_log(w, i);
	for (unsigned k = 0; k < 5; k++) {
		bench_run(&w->bench, random_below(&w->random, 100 * NS_PER_US));
		append(w, i, &whole);
		commit(w, i, true);
	}
}

static void append_op(struct workload *w, unsigned i, enum entry_op op, uint64_t block, uint64_t tag)
{
	const struct model_record r = { .op = op,
		.offset_bytes = block * BLOCK_BYTES,
		.length_bytes = entry_op_is_structural(op) ? 0 : BLOCK_BYTES,
		.tag = tag };

	append(w, i, &r);
	commit(w, i, true);
	bench_run(&w->bench, random_below(&w->random, 2 * NS_PER_MS));
}

/*
 * Of two snapshots the newer is removed while something stands below, in, and above it: blocks of it go over
 * into the grain of what comes after, and marks too.
 */
static void merge_burst(struct workload *w, unsigned i)
{
	static struct model_view view;
	const struct model *m = &w->models[i];
	uint64_t block = random_below(&w->random, 3) * GRAIN_BLOCKS, seqs[MODEL_SNAPSHOTS];
	uint64_t tag;

	model_view(m, m->count, &view);
	if (model_snapshots(m, &view, view.last_seq, seqs) + 2 > MODEL_SNAPSHOTS ||
		pool_replica_room(w->replicas[i]) < 4 * BLOCK_BYTES)
		return;
	append_op(w, i, ENTRY_WRITE, block, 0);
	append_op(w, i, ENTRY_WRITE, block + 1, 0);
	append_op(w, i, ENTRY_SNAPSHOT, 0, 0);
	append_op(w, i, ENTRY_TRIM, block, 0);
	append_op(w, i, ENTRY_WRITE, block + 2, 0);
	append_op(w, i, ENTRY_WRITE, block + 3, 0);
	append_op(w, i, ENTRY_SNAPSHOT, 0, 0);
	tag = w->tag;
	append_op(w, i, ENTRY_WRITE, block + 3, 0);
	append_op(w, i, ENTRY_WRITE, block + 4, 0);
	append_op(w, i, ENTRY_DELETE_SNAPSHOT, 0, tag);
	/* A round for each of the three, then a merge: beside a write or two. */
	for (unsigned k = 0; k < 6; k++) {
		pool_replica_levels_move(w->replicas[i]);
		bench_run(&w->bench, random_below(&w->random, 20 * NS_PER_MS));
	}
	append_op(w, i, ENTRY_WRITE, block + 5, 0);
	bench_run(&w->bench, random_below(&w->random, 100 * NS_PER_MS));
}

static void promise(struct workload *w, unsigned i)
{
	struct model *m = &w->models[i];
	struct model_record *r = record_new(m, MODEL_STATE);

	r->state = *pool_replica_state(w->replicas[i]);
	r->state.promise.number += 1;
	r->state.promise_session = random_u64(&w->random);
	r->state.longest_lease_ms = 3000;
	pool_replica_state_write(w->replicas[i], &r->state, answered, asked_new(m));
}

void workload_step(struct workload *w)
{
	unsigned i = (unsigned)random_below(&w->random, w->replica_count);
	uint64_t dice = random_below(&w->random, 100);

	if (dice < 10)
		redirect_burst(w, i);
	else if (dice < 60)
		append(w, i, NULL);
	else if (dice < 85)
		commit(w, i, false);
	else if (dice < 90)
		truncate_log(w, i);
	else if (dice < 94)
		promise(w, i);
	else if (dice < 96 && w->layers)
		clone_make(w);
	else if (w->layers)
		merge_burst(w, i);
	dice = random_below(&w->random, 100);
	if (dice < 50)
		return; /* together with the next */
	if (dice < 90)
		bench_run(&w->bench, random_below(&w->random, 100 * NS_PER_US));
	else if (dice < 98)
		bench_run(&w->bench, random_below(&w->random, 20 * NS_PER_MS));
	else
		bench_run(&w->bench, 2 * NS_PER_S);
}

void workload_begin(struct workload *w, uint64_t seed)
{
	w->tag = 0;
	w->replica_count = 0;
	random_init(&w->random, seed);
	w->bench.disk = sim_disk_new(WORKLOAD_DISK_BYTES, seed);
	w->bench.durable = NULL;
	w->bench.cache_bytes = seed % 4 != 0; /* mostly one page of the table: a miss each time */
	ASSERT(bench_format(&w->bench, WORKLOAD_JOURNAL_BYTES) == 0);
	ASSERT(bench_open(&w->bench) == 0);
	w->bench.durable = durable;
	w->bench.arg = w;
	replicas_create(w);
}

void workload_end(struct workload *w)
{
	bench_run(&w->bench, 3 * NS_PER_S);
	bench_close(&w->bench);
	for (unsigned i = 0; i < w->replica_count; i++)
		w->models[i].answered = w->models[i].count;
}
