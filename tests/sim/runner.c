#include "sim/runner.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "sim/child.h"

#define MAX_JOBS 64u

struct slot {
	struct child child;
	uint64_t seed;
	const struct runner_options *options;
	struct seed_result *result; /* shared */
};

static void run_seed(void *arg)
{
	const struct slot *slot = arg;

	cluster_run(slot->seed, slot->options->liveness, slot->options->print, slot->result);
}

static void slot_start(struct slot *slot, const struct runner_options *options, uint64_t seed)
{
	memset(slot->result, 0, sizeof(*slot->result));
	slot->seed = seed;
	slot->options = options;
	child_start(&slot->child, run_seed, slot);
}

static void slot_finished(struct slot *slot, int status, struct runner_totals *totals)
{
	const struct runner_options *options = slot->options;
	struct seed_result *result = slot->result;
	char text[sizeof(result->violation)];

	child_ended(&slot->child, status, text, sizeof(text));
	if (text[0])
		memcpy(result->violation, text, sizeof(text));
	totals->seeds++;
	totals->simulated_ns += result->simulated_ns;
	totals->operations += result->operations;
	totals->reads += result->reads;
	totals->events += result->events;
	totals->hash +=
		hash_mix(hash_mix(slot->seed, slot->seed), result->hash); /* in whatever order they end */
	if (!result->violation[0])
		return;
	totals->violations++;
	if (totals->first_violation_after == 0)
		totals->first_violation_after = totals->seeds;
	if (options->failed)
		options->failed(slot->seed, result->violation);
}

void runner_run(const struct runner_options *options, struct runner_totals *ret_totals)
{
	struct seed_result *results = mmap(
		NULL, MAX_JOBS * sizeof(*results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct slot slots[MAX_JOBS] = { 0 };
	unsigned jobs = options->jobs > MAX_JOBS ? MAX_JOBS : options->jobs;
	uint64_t next = options->from;
	unsigned running = 0;

	ASSERT(results != MAP_FAILED && jobs > 0);
	*ret_totals = (struct runner_totals){ 0 };
	for (unsigned i = 0; i < jobs; i++)
		slots[i].result = &results[i];
	for (;;) {
		bool more = next <= options->to && !(options->stop_at_first && ret_totals->violations > 0);
		int status;
		pid_t pid;

		if (more && running < jobs) {
			unsigned i = 0;

			while (slots[i].child.pid != 0)
				i++;
			slot_start(&slots[i], options, next++);
			running++;
			continue;
		}
		if (running == 0)
			break;
		pid = wait(&status);
		for (unsigned i = 0; i < jobs; i++)
			if (slots[i].child.pid == pid) {
				slot_finished(&slots[i], status, ret_totals);
				running--;
			}
	}
	munmap(results, MAX_JOBS * sizeof(*results));
}
