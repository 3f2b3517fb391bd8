/*
 * simulate --seeds FROM..TO [--mode safety|liveness] [--mutant NAME] [--trace] [--jobs N] [--alone]
 * simulate --list-mutants
 *
 * Last line: seeds N, violations V, excused E, simulated HOURS h, hash H. Exit status 1 on a violation.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/runner.h"

static const char *program, *mode = "safety", *mutant;

static int usage(void)
{
	fprintf(stderr,
		"usage: %s --seeds FROM..TO [--mode safety|liveness] [--mutant NAME] [--trace] [--jobs N] "
		"[--alone]\n"
		"       %s --list-mutants\n",
		program, program);
	return 2;
}

static void list_mutants(void)
{
	for (int i = MUTANT_NONE + 1; i < MUTANT_COUNT; i++)
		printf("%-24s %s\n", mutant_name((enum mutant)i), mutant_what((enum mutant)i));
}

static bool parse_seeds(const char *text, struct runner_options *options)
{
	char *end;

	options->from = strtoull(text, &end, 10);
	options->to = options->from;
	if (end == text)
		return false;
	if (*end == '\0')
		return true;
	if (strncmp(end, "..", 2) != 0)
		return false;
	text = end + 2;
	options->to = strtoull(text, &end, 10);
	return end != text && *end == '\0' && options->to >= options->from;
}

static void failed(uint64_t seed, const char *violation)
{
	printf("seed %" PRIu64 ": %s\n  replay: %s --seeds %" PRIu64 "..%" PRIu64 " --mode %s%s%s --trace\n",
		seed, violation, program, seed, seed, mode, mutant ? " --mutant " : "", mutant ? mutant : "");
}

static bool choose_mutant(const char *name)
{
	int found = mutant_find(name);

	if (found <= MUTANT_NONE) {
		fprintf(stderr, "%s: there is no mutant \"%s\" (--list-mutants)\n", program, name);
		return false;
	}
	mutant = name;
	mutant_chosen = (enum mutant)found;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seeds", required_argument, NULL, 's' },
		{ "mode", required_argument, NULL, 'm' },
		{ "mutant", required_argument, NULL, 'u' },
		{ "trace", no_argument, NULL, 't' },
		{ "alone", no_argument, NULL, 'a' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "list-mutants", no_argument, NULL, 'l' },
		{ 0 },
	};
	struct runner_options run = { .failed = failed };
	struct runner_totals totals;
	bool has_seeds = false;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	program = argv[0];
	run.jobs = cores > 0 ? (unsigned)cores : 1;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 's')
			has_seeds = parse_seeds(optarg, &run);
		else if (c == 'm')
			mode = optarg;
		else if (c == 'u' && !choose_mutant(optarg))
			return 2;
		else if (c == 't')
			run.print = true;
		else if (c == 'a')
			run.alone = true; /* each seed in a process of its own: the hash must be the same */
		else if (c == 'j')
			run.jobs = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'l')
			return list_mutants(), 0;
		else if (c == '?')
			return usage();
	}
	if (!has_seeds || optind != argc || run.jobs == 0 ||
		(strcmp(mode, "safety") != 0 && strcmp(mode, "liveness") != 0))
		return usage();
	run.liveness = strcmp(mode, "liveness") == 0;
	if (run.print)
		run.jobs = 1;
	runner_run(&run, &totals);
	printf("operations %" PRIu64 ", reads checked %" PRIu64 ", events %" PRIu64 "\n", totals.operations,
		totals.reads, totals.events);
	printf("seeds %" PRIu64 ", violations %" PRIu64 ", excused %" PRIu64
	       ", simulated %.2f h, hash %016" PRIx64 "\n",
		totals.seeds, totals.violations, totals.excused, (double)totals.simulated_ns / 3.6e12,
		totals.hash);
	return totals.violations > 0;
}
