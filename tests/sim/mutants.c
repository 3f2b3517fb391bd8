/*
 * mutants [--only NAME] [--seeds N] [--jobs N]: switches on one deliberate bug at a time and says whether the
 * simulator sees it: which scenario fails, and after how many seeds by chance (--seeds 0: scenarios only);
 * for some of the store's, whether its own tests beside this program do, which end in a minute or two. Exit
 * status 1 when one is missed by all.
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/child.h"
#include "sim/runner.h"
#include "sim/scene.h"

#define DEFAULT_SEEDS 500u

static char example[512];

static void failed(uint64_t seed, const char *violation)
{
	snprintf(example, sizeof(example), "seed %" PRIu64 ": %s", seed, violation);
}

/* What fails with it in tests/crash: a program, and its arguments. */
static const struct {
	const char *mutant, *program, *arguments[6];
} store_tests[] = {
	{ "apply_before_commit_durable", "enumerate", { "--workloads", "1..4", "--subsets", "4" } },
	{ "no_flush_before_images", "enumerate", { "--workloads", "1..4", "--subsets", "4" } },
	{ "merge_parent_early", "enumerate", { "--workloads", "1..12", "--subsets", "1" } },
	{ "merge_over_child", "enumerate", { "--workloads", "1..12", "--subsets", "1" } },
	{ "merge_forgets_trims", "enumerate", { "--workloads", "1..12", "--subsets", "1" } },
	{ "merge_unflushed", "enumerate", { "--workloads", "1..12", "--subsets", "2" } },
	{ "given_up_comes_back", "enumerate", { "--workloads", "18..18", "--subsets", "50" } },
	{ "accept_leftover", "enumerate", { "--workloads", "38..40", "--subsets", "10" } },
	{ "reuse_freed_grain", "enumerate", { "--workloads", "30..30", "--subsets", "10" } },
	{ "lost_slot_unnoticed", "rot", { "--flips", "1500", "--most", "4", "--seed", "9" } },
	{ "scrub_skips_frozen", "scrub", { "--workloads", "1..20" } },
	{ "scrub_trusts_table", "scrub", { "--workloads", "1..20" } },
};

static char crash_dir[256];

struct verdict {
	const char *store_test;
	const char *scenario; /* that fails with it; NULL: none */
	uint64_t seeds;       /* run until one failed; 0: none did */
	bool liveness;
};

static void run_scenario(const void *arg, char text[static 512])
{
	scenario_run(arg, false, text);
}

static bool names(const struct scenario *scenario, enum mutant which)
{
	for (unsigned i = 0; i < 4 && scenario->mutants[i]; i++)
		if (mutant_find(scenario->mutants[i]) == (int)which)
			return true;
	return false;
}

static const char *failing_scenario(enum mutant which)
{
	char text[512];

	for (unsigned k = 0; scenario_lists[k]; k++)
		for (const struct scenario *at = scenario_lists[k]; at->name; at++) {
			if (!names(at, which))
				continue;
			child_run(run_scenario, at, text);
			if (text[0])
				return at->name;
		}
	return NULL;
}

static int store_test_run(const char *program, const char *const arguments[static 6], const char *mutant)
{
	char path[512];
	char *argv[10] = { path };
	int status, null, count = 1;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", crash_dir, program);
	for (unsigned i = 0; i < 6 && arguments[i]; i++)
		argv[count++] = (char *)(uintptr_t)arguments[i];
	argv[count++] = (char *)(uintptr_t) "--mutant";
	argv[count++] = (char *)(uintptr_t)mutant;
	pid = fork();
	if (pid == 0) {
		null = open("/dev/null", O_WRONLY);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execv(path, argv);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : 127 << 8;
}

static const char *failing_store_test(enum mutant which)
{
	for (size_t i = 0; i < sizeof(store_tests) / sizeof(store_tests[0]); i++) {
		int status;

		if (mutant_find(store_tests[i].mutant) != (int)which)
			continue;
		status = store_test_run(
			store_tests[i].program, store_tests[i].arguments, store_tests[i].mutant);
		/* Violations, or an assertion; not: no such program. */
		if (WIFSIGNALED(status) || WEXITSTATUS(status) == 1)
			return store_tests[i].program;
	}
	return NULL;
}

/* Half of the seeds in each mode: what is never lost may still never end. */
static void run_seeds(struct verdict *verdict, uint64_t seeds, unsigned jobs)
{
	uint64_t tried = 0;

	for (uint64_t from = 1; tried < seeds; from += 50) {
		for (int liveness = 0; liveness < 2 && tried < seeds; liveness++) {
			struct runner_options run = {
				.from = from,
				.to = from + 49,
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
			verdict->seeds = tried;
			verdict->liveness = liveness == 1;
			return;
		}
	}
}

static bool mutant_is_caught(enum mutant which, uint64_t seeds, unsigned jobs)
{
	struct verdict verdict = { 0 };

	mutant_chosen = which;
	verdict.scenario = failing_scenario(which);
	verdict.store_test = failing_store_test(which);
	run_seeds(&verdict, seeds, jobs);
	printf("%-26s %-7s", mutant_name(which),
		verdict.scenario || verdict.seeds || verdict.store_test ? "caught" : "MISSED");
	if (verdict.seeds)
		printf(" after %4" PRIu64 " seeds", verdict.seeds);
	else
		printf(" in no seed of %" PRIu64, seeds);
	if (verdict.scenario)
		printf("; scenario %s", verdict.scenario);
	if (verdict.store_test)
		printf("; tests/crash/%s", verdict.store_test);
	if (verdict.seeds)
		printf("; %s, %s", verdict.liveness ? "liveness" : "safety", example);
	else if (!verdict.scenario && !verdict.store_test)
		printf(": %s", mutant_what(which));
	putchar('\n');
	fflush(stdout);
	return verdict.scenario || verdict.seeds || verdict.store_test;
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

	snprintf(crash_dir, sizeof(crash_dir), "%.*s/../crash",
		strrchr(argv[0], '/') ? (int)(strrchr(argv[0], '/') - argv[0]) : 1,
		strrchr(argv[0], '/') ? argv[0] : ".");
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'o')
			only = mutant_find(optarg);
		if (c == 's')
			seeds = strtoull(optarg, NULL, 10);
		if (c == 'j')
			jobs = (unsigned)strtoul(optarg, NULL, 10);
		if (c == '?' || (c == 'o' && only <= MUTANT_NONE) || jobs == 0) {
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
