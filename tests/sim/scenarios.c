/*
 * scenarios --list
 * scenarios [--trace] [--mutant MUTANT] [NAME...]     without a name, all
 * scenarios --prove                                   each scenario has mutants, and each makes it fail
 *
 * Last line: scenarios N, failed F. Exit status 1 when one has failed.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/child.h"
#include "sim/scene.h"

static bool print;

static int usage(const char *program)
{
	fprintf(stderr,
		"usage: %s --list\n"
		"       %s [--trace] [--mutant MUTANT] [NAME...]\n"
		"       %s --prove\n",
		program, program, program);
	return 2;
}

static void run_in_child(const void *arg, char text[static 512])
{
	scenario_run(arg, print, text);
}

/* Empty text: it passed. */
static void run(const struct scenario *scenario, char text[static 512])
{
	child_run(run_in_child, scenario, text);
}

static bool passes(const struct scenario *scenario)
{
	char text[512];

	run(scenario, text);
	printf("%-26s %s%s\n", scenario->name, text[0] ? "FAILED: " : "passed", text);
	if (text[0] && !print)
		printf("  replay: build/tests/sim/scenarios --trace %s%s%s%s\n",
			mutant_chosen ? "--mutant " : "", mutant_chosen ? mutant_name(mutant_chosen) : "",
			mutant_chosen ? " " : "", scenario->name);
	fflush(stdout);
	return !text[0];
}

/* Whether it has mutants, and each makes it fail: a scene that nothing breaks shows nothing. */
static bool proves(const struct scenario *scenario, unsigned *count)
{
	bool all = scenario->mutants[0] != NULL;

	if (!all)
		printf("%-26s MISSED: no mutant is named that it catches\n", scenario->name);
	for (unsigned i = 0; i < 4 && scenario->mutants[i]; i++) {
		int mutant = mutant_find(scenario->mutants[i]);
		char text[512] = "there is no such mutant";

		++*count;
		if (mutant > MUTANT_NONE) {
			mutant_chosen = (enum mutant)mutant;
			run(scenario, text);
			mutant_chosen = MUTANT_NONE;
			if (!text[0])
				snprintf(text, sizeof(text), "it passes all the same");
			else
				mutant = 0;
		}
		printf("%-26s %-28s %s%s\n", scenario->name, scenario->mutants[i],
			mutant == 0 ? "caught: " : "MISSED: ", text);
		fflush(stdout);
		all &= mutant == 0;
	}
	return all;
}

static int each(bool prove)
{
	unsigned count = 0, failed = 0;

	for (unsigned k = 0; scenario_lists[k]; k++)
		for (const struct scenario *at = scenario_lists[k]; at->name; at++) {
			count += !prove;
			if (prove ? !proves(at, &count) : !passes(at))
				failed++;
		}
	printf("%s %u, %s %u\n", prove ? "mutants" : "scenarios", count, prove ? "missed by" : "failed",
		failed);
	return failed > 0;
}

static void list(void)
{
	for (unsigned k = 0; scenario_lists[k]; k++)
		for (const struct scenario *at = scenario_lists[k]; at->name; at++)
			printf("%-26s %-10s %s\n", at->name, at->case_of, at->what);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "list", no_argument, NULL, 'l' },
		{ "trace", no_argument, NULL, 't' }, { "prove", no_argument, NULL, 'p' },
		{ "mutant", required_argument, NULL, 'm' }, { 0 } };
	bool prove = false;
	unsigned failed = 0;
	int mutant;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'l':
			list();
			return 0;
		case 't':
			print = true;
			break;
		case 'p':
			prove = true;
			break;
		case 'm':
			mutant = mutant_find(optarg);
			if (mutant < 0) {
				fprintf(stderr, "%s: no mutant \"%s\"; simulate --list-mutants\n", argv[0],
					optarg);
				return 2;
			}
			mutant_chosen = (enum mutant)mutant;
			break;
		default:
			return usage(argv[0]);
		}
	}
	if (optind == argc)
		return each(prove);
	for (int i = optind; i < argc; i++) {
		const struct scenario *scenario = scenario_find(argv[i]);

		if (!scenario) {
			fprintf(stderr, "%s: no scenario \"%s\"; --list names them\n", argv[0], argv[i]);
			return 2;
		}
		failed += prove ? !proves(scenario, &(unsigned){ 0 }) : !passes(scenario);
	}
	return failed > 0;
}
