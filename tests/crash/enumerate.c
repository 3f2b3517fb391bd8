/*
 * enumerate: a generated workload on the simulated disk; after every single operation of the disk the power
 * is cut, several times over, with other subsets of what was not flushed kept, lost or torn; each time the
 * pool is recovered and compared with what was answered.
 *
 *     enumerate --workloads FROM..TO [--subsets N] [--operations N] [--mutant NAME]
 *
 * With a mutant it ends at the first violation: that there is one is all that is asked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
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

int main(int argc, char **argv)
{
	static struct enumeration w;
	uint64_t from = 1, to = 1, workloads = 0, violations = 0, subsets = 3, operations = 120;
	const struct crash_option options[] = {
		{ "--workloads", &from, &to, 0, UINT64_MAX },
		{ "--subsets", &subsets, NULL, 0, UINT32_MAX },
		{ "--operations", &operations, NULL, 0, MODEL_RECORDS },
		{ 0 },
	};

	if (!crash_options_take(argc, argv, options)) {
		fprintf(stderr, "usage: enumerate --workloads FROM..TO [--subsets N] [--operations N] "
				"[--mutant NAME]\n");
		return 2;
	}
	w.subsets = (unsigned)subsets;
	crash_memory_keep();
	bench_init(&w.work.bench);
	bench_init(&w.crashed);
	bench_init(&w.crashed_again);
	for (uint64_t seed = from; seed <= to && (mutant_chosen == MUTANT_NONE || violations == 0); seed++) {
		workload_run(&w, seed, (unsigned)operations);
		workloads++;
		if (!w.violation.found)
			continue;
		violations++;
		printf("workload %" PRIu64 ", crash %" PRIu64
		       ": %s\n  replay: build/tests/crash/enumerate --workloads %" PRIu64 "..%" PRIu64
		       " --subsets %u --operations %" PRIu64 "\n",
			seed, w.crash, w.violation.text, seed, seed, w.subsets, operations);
	}
	bench_done(&w.crashed_again);
	bench_done(&w.crashed);
	bench_done(&w.work.bench);
	printf("workloads %" PRIu64 ", states %" PRIu64 ", violations %" PRIu64 "\n", workloads, w.states,
		violations);
	return violations == 0 ? 0 : 1;
}
