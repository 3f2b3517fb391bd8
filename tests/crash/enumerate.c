/*
 * enumerate: a generated workload on the simulated disk; after every single operation of the disk the power
 * is cut, several times over, with other subsets of what was not flushed kept, lost or torn; each time the
 * pool is recovered and compared with what was answered.
 *
 *     enumerate --workloads FROM..TO [--subsets N] [--operations N] [--mutant NAME]
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recover.h"
#include "workload.h"

struct enumeration {
	struct workload work;
	struct bench crashed, crashed_again;
	uint64_t seed, crash;
	unsigned subsets;
	bool watching;
	struct violation violation;
	uint64_t states;
};

static void crash(void *arg)
{
	struct enumeration *w = arg;

	if (!w->watching || w->violation.found)
		return;
	w->watching = false;
	/* With nothing unflushed there is one outcome. */
	for (unsigned i = 0;
		i < (sim_disk_is_flushed(w->work.bench.disk) ? 1 : w->subsets) && !w->violation.found; i++) {
		bool again = random_chance(&w->work.random, 1, 64);

		w->crash++;
		recover_check(&w->crashed, again ? &w->crashed_again : NULL,
			sim_disk_crashed_copy(w->work.bench.disk, w->seed * 1000003 + w->crash),
			w->work.models, w->work.replica_count, w->seed * 7919 + w->crash, &w->violation,
			&w->states);
	}
	w->watching = true;
}

static void workload_run(struct enumeration *w, uint64_t seed, unsigned operations)
{
	struct workload *work = &w->work;

	w->seed = seed;
	w->crash = 0;
	w->violation.found = false;
	work->layers = true;
	workload_begin(work, seed);
	sim_disk_watch(work->bench.disk, crash, w);
	w->watching = true;
	for (unsigned k = 0; k < operations && !w->violation.found; k++)
		workload_step(work);
	bench_run(&work->bench, 3 * NS_PER_S);
	w->watching = false;
	sim_disk_watch(work->bench.disk, NULL, NULL);
	/* After a clean stop everything is there. */
	workload_end(work);
	if (!w->violation.found)
		recover_check(&w->crashed, NULL, sim_disk_crashed_copy(work->bench.disk, seed), work->models,
			work->replica_count, seed, &w->violation, &w->states);
	sim_disk_free(work->bench.disk);
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
	static struct enumeration w;
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
	/* Pools come and go a thousand times a second: their memory is kept. */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
	bench_init(&w.work.bench);
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
	bench_done(&w.work.bench);
	printf("workloads %" PRIu64 ", states %" PRIu64 ", violations %" PRIu64 "\n", to - from + 1, w.states,
		violations);
	return violations == 0 ? 0 : 1;
}
