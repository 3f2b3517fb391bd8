/*
 * mutants [--only NAME] [--seeds N] [--jobs N]: switches on one deliberate bug at a time and says whether the
 * simulator sees it, and after how many seeds. Exit status 1 when one is missed.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/runner.h"

#define DEFAULT_SEEDS 500u

static char example[512];

static void failed(uint64_t seed, const char *violation)
{
	snprintf(example, sizeof(example), "seed %" PRIu64 ": %s", seed, violation);
}

/* Half of the seeds in each mode: what is never lost may still never end. */
static bool mutant_is_caught(enum mutant which, uint64_t seeds, unsigned jobs)
{
	uint64_t tried = 0;

	mutant_chosen = which;
	for (uint64_t from = 1; from <= seeds; from += 100) {
		for (int liveness = 0; liveness < 2; liveness++) {
			struct runner_options run = {
				.from = from,
				.to = from + 49 < seeds ? from + 49 : seeds,
				.liveness = liveness == 1,
				.jobs = jobs,
				.stop_at_first = true,
				.failed = failed,
			};
			struct runner_totals totals;

			runner_run(&run, &totals);
			tried += totals.seeds;
			if (totals.violations == 0)
				continue;
			printf("%-24s caught after %" PRIu64 " seeds (%s, %s)\n", mutant_name(which), tried,
				liveness ? "liveness" : "safety", example);
			fflush(stdout);
			return true;
		}
	}
	printf("%-24s MISSED in %" PRIu64 " seeds: %s\n", mutant_name(which), tried, mutant_what(which));
	fflush(stdout);
	return false;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "only", required_argument, NULL, 'o' },
		{ "seeds", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },
		{ 0 },
	};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned jobs = cores > 0 ? (unsigned)cores : 1;
	uint64_t seeds = DEFAULT_SEEDS;
	int only = -1;
	unsigned caught = 0, missed = 0;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'o')
			only = mutant_find(optarg);
		if (c == 's')
			seeds = strtoull(optarg, NULL, 10);
		if (c == 'j')
			jobs = (unsigned)strtoul(optarg, NULL, 10);
		if (c == '?' || (c == 'o' && only <= MUTANT_NONE) || seeds == 0 || jobs == 0) {
			fprintf(stderr, "usage: %s [--only NAME] [--seeds N] [--jobs N]\n", argv[0]);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: what is \"%s\"? one mutant: --only %s\n", argv[0], argv[optind],
			argv[optind]);
		return 2;
	}
	for (int i = MUTANT_NONE + 1; i < MUTANT_COUNT; i++) {
		if (only > 0 && i != only)
			continue;
		if (mutant_is_caught((enum mutant)i, seeds, jobs))
			caught++;
		else
			missed++;
	}
	printf("mutants %u, caught %u, missed %u\n", caught + missed, caught, missed);
	return missed > 0;
}
