/*
 * enumerate: a generated workload on the simulated disk; after every single operation of the disk the power
 * is cut, several times over, with other subsets of what was not flushed kept, lost or torn; each time the
 * pool is recovered and compared with what was answered.
 *
 *     enumerate --workloads FROM..TO [--subsets N] [--operations N] [--mutant NAME]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recover.h"

#define DISK_BYTES    (UINT64_C(8) << 20)
#define JOURNAL_BYTES (UINT64_C(1) << 20)

struct workload {
	struct bench bench, crashed, crashed_again;
	struct random random;
	struct model models[MODEL_REPLICAS];
	struct pool_replica *replicas[MODEL_REPLICAS];
	unsigned replica_count;
	uint64_t tag, seed, crash;
	unsigned subsets;
	bool watching;
	struct violation violation;
	uint64_t states;
};

/* One at a time; the record that an answer is for. */
struct asked {
	struct model *model;
	unsigned record;
};

static void crash(void *arg)
{
	struct workload *w = arg;

	if (!w->watching || w->violation.found)
		return;
	w->watching = false;
	for (unsigned i = 0; i < w->subsets && !w->violation.found; i++) {
		bool again = random_chance(&w->random, 1, 64);

		w->crash++;
		recover_check(&w->crashed, again ? &w->crashed_again : NULL,
			sim_disk_crashed_copy(w->bench.disk, w->seed * 1000003 + w->crash), w->models,
			w->replica_count, w->seed * 7919 + w->crash, &w->violation, &w->states);
	}
	w->watching = true;
}

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
	for (unsigned i = 0; i < MODEL_REPLICAS; i++) {
		struct model *m = &w->models[i];

		m->count = 0;
		m->answered = 0;
		m->commit_told = 0;
		m->identity = (struct pool_replica_identity){ .size_bytes = MODEL_SIZE_BYTES };
		m->identity.replica.byte[0] = (uint8_t)(10 + i);
		m->identity.group.byte[0] = (uint8_t)(20 + i);
		m->identity.volume.byte[0] = (uint8_t)(30 + i);
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

	if (random_chance(&w->random, 1, 6)) {
		blocks = GRAIN_BLOCKS;
		at = at / GRAIN_BLOCKS * GRAIN_BLOCKS;
	}
	if (at + blocks > MODEL_BLOCKS)
		blocks = MODEL_BLOCKS - at;
	r->offset_bytes = at * BLOCK_BYTES;
	r->length_bytes = blocks * BLOCK_BYTES;
}

static void append(struct workload *w, unsigned i)
{
	struct model *m = &w->models[i];
	struct position last = pool_replica_last(w->replicas[i]);
	struct model_record *r;
	struct entry *entry;

	if (pool_replica_room(w->replicas[i]) < GRAIN_BYTES)
		return;
	r = record_new(m, MODEL_APPEND);
	r->op = random_chance(&w->random, 1, 5) ? ENTRY_TRIM : ENTRY_WRITE;
	r->tag = ++w->tag;
	pick_range(w, r);
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

static void commit(struct workload *w, unsigned i)
{
	struct model *m = &w->models[i];
	uint64_t last = pool_replica_last(w->replicas[i]).seq;
	uint64_t seq = m->commit_told + random_below(&w->random, last - m->commit_told + 1);

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

static void step(struct workload *w)
{
	unsigned i = (unsigned)random_below(&w->random, w->replica_count);
	uint64_t dice = random_below(&w->random, 100);

	if (dice < 60)
		append(w, i);
	else if (dice < 85)
		commit(w, i);
	else if (dice < 90)
		truncate_log(w, i);
	else if (dice < 94)
		promise(w, i);
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

static void workload_run(struct workload *w, uint64_t seed, unsigned operations)
{
	w->seed = seed;
	w->tag = 0;
	w->crash = 0;
	w->replica_count = 0;
	w->violation.found = false;
	random_init(&w->random, seed);
	w->bench.disk = sim_disk_new(DISK_BYTES, seed);
	w->bench.durable = NULL;
	ASSERT(bench_format(&w->bench, JOURNAL_BYTES) == 0);
	ASSERT(bench_open(&w->bench) == 0);
	w->bench.durable = durable;
	w->bench.arg = w;
	replicas_create(w);
	sim_disk_watch(w->bench.disk, crash, w);
	w->watching = true;
	for (unsigned k = 0; k < operations && !w->violation.found; k++)
		step(w);
	bench_run(&w->bench, 3 * NS_PER_S);
	w->watching = false;
	sim_disk_watch(w->bench.disk, NULL, NULL);
	bench_close(&w->bench);
	/* After a clean stop everything is there. */
	for (unsigned i = 0; i < w->replica_count; i++)
		w->models[i].answered = w->models[i].count;
	if (!w->violation.found)
		recover_check(&w->crashed, NULL, sim_disk_crashed_copy(w->bench.disk, seed), w->models,
			w->replica_count, seed, &w->violation, &w->states);
	sim_disk_free(w->bench.disk);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: enumerate --workloads FROM..TO [--subsets N] [--operations N] [--mutant NAME]\n");
	return 2;
}

#ifdef QUOIN_MUTANTS
static bool mutant_set(const char *name)
{
	int found = mutant_find(name);

	if (found >= 0)
		mutant_chosen = (enum mutant)found;
	return found >= 0;
}
#else
static bool mutant_set(const char *name)
{
	(void)name;
	return false;
}
#endif

int main(int argc, char **argv)
{
	static struct workload w;
	uint64_t from = 1, to = 1, violations = 0;
	unsigned operations = 120;

	w.subsets = 3;
	for (int i = 1; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--workloads") == 0 &&
			sscanf(value, "%" SCNu64 "..%" SCNu64, &from, &to) == 2 && from <= to)
			continue;
		if (strcmp(argv[i], "--subsets") == 0 && sscanf(value, "%u", &w.subsets) == 1)
			continue;
		if (strcmp(argv[i], "--operations") == 0 && sscanf(value, "%u", &operations) == 1 &&
			operations <= MODEL_RECORDS)
			continue;
		if (strcmp(argv[i], "--mutant") == 0 && mutant_set(value))
			continue;
		return usage();
	}
	bench_init(&w.bench);
	bench_init(&w.crashed);
	bench_init(&w.crashed_again);
	for (uint64_t seed = from; seed <= to; seed++) {
		workload_run(&w, seed, operations);
		if (!w.violation.found)
			continue;
		violations++;
		printf("workload %" PRIu64 ", crash %" PRIu64
		       ": %s\n  replay: build/tests/crash/enumerate --workloads %" PRIu64 "..%" PRIu64
		       " --subsets %u --operations %u\n",
			seed, w.crash, w.violation.text, seed, seed, w.subsets, operations);
	}
	bench_done(&w.crashed_again);
	bench_done(&w.crashed);
	bench_done(&w.bench);
	printf("workloads %" PRIu64 ", states %" PRIu64 ", violations %" PRIu64 "\n", to - from + 1, w.states,
		violations);
	return violations == 0 ? 0 : 1;
}
