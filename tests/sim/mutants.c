/*
 * mutants [--only NAME] [--seeds N] [--first] [--jobs N] [--minutes N]: switches on one deliberate bug at a
 * time and says whether the simulator sees it: which scenario fails, and after how many seeds by chance
 * (--seeds 0: scenarios only); for those of the store, of placement and of the catalog, whether the test that
 * proves them does: crash enumeration, rot and scrub of tests/crash, the unit tests of tests/unit/mutants.
 * --first: no seeds for what one of those has caught. Seeds run in rounds, the first of which is short, so
 * that a campaign that is cut off, by --minutes, has tried every mutant. Last line: mutants N, caught C,
 * missed M, undecided U. Exit status 1 when one is missed by all, 3 when none is but one is undecided.
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/child.h"
#include "sim/runner.h"
#include "sim/scene.h"

#define DEFAULT_SEEDS 500u
#define FIRST_ROUND   200u /* seeds; each round has five times as many as the one before */
#define BATCH_SEEDS   50u

static char example[512];

static void failed(uint64_t seed, const char *violation)
{
	snprintf(example, sizeof(example), "seed %" PRIu64 ": %s", seed, violation);
}

/* What fails with it: a program, seen from tests/crash, and its arguments. */
static const struct {
	const char *mutant, *program, *arguments[6];
} proofs[] = {
	{ "truncate_not_logged", "enumerate", { "--workloads", "1..12", "--subsets", "4" } },
	{ "page_in_place", "enumerate", { "--workloads", "1..12", "--subsets", "4" } },
	{ "redirect_not_awaited", "enumerate", { "--workloads", "1..12", "--subsets", "4" } },
	{ "redirect_unverified", "enumerate", { "--workloads", "1..12", "--subsets", "4" } },
	{ "redirect_applied_unsettled", "enumerate", { "--workloads", "1..12", "--subsets", "4" } },
	{ "redirect_in_place", "enumerate", { "--workloads", "1..12", "--subsets", "4" } },
	{ "truncated_grain_reused", "enumerate", { "--workloads", "1..12", "--subsets", "4" } },
	{ "apply_before_commit_durable", "enumerate", { "--workloads", "1..4", "--subsets", "4" } },
	{ "no_flush_before_images", "enumerate", { "--workloads", "1..4", "--subsets", "4" } },
	{ "merge_parent_early", "enumerate", { "--workloads", "1..12", "--subsets", "1" } },
	{ "merge_over_child", "enumerate", { "--workloads", "1..12", "--subsets", "1" } },
	{ "merge_forgets_trims", "enumerate", { "--workloads", "1..12", "--subsets", "1" } },
	{ "merge_unflushed", "enumerate", { "--workloads", "1..12", "--subsets", "2" } },
	{ "given_up_comes_back", "enumerate", { "--workloads", "1..100", "--subsets", "50" } },
	{ "accept_leftover", "enumerate", { "--workloads", "38..400", "--subsets", "10" } },
	{ "freed_slot_kept", "enumerate", { "--workloads", "1..4", "--subsets", "1" } },
	{ "reuse_freed_grain", "enumerate", { "--workloads", "1..400", "--subsets", "10" } },
	{ "lost_slot_unnoticed", "rot", { "--flips", "20000", "--most", "4" } },
	{ "scrub_skips_frozen", "scrub", { "--workloads", "1..20" } },
	{ "scrub_trusts_table", "scrub", { "--workloads", "1..20" } },
	{ "sums_stay_old", "enumerate", { "--workloads", "1..12", "--subsets", "4" } },
	{ "sums_go_unflushed", "../unit/mutants", { NULL } },
	{ "replace_in_trim", "../unit/mutants", { NULL } },
	{ "segment_grows_unmoved", "../unit/mutants", { NULL } },
	{ "hole_ends_searches", "../unit/mutants", { NULL } },
	{ "close_waits_for_ever", "../unit/mutants", { NULL } },
	{ "open_waits_for_ever", "../unit/mutants", { NULL } },
	{ "works_wait_for_device", "../unit/mutants", { NULL } },
	{ "sums_unchecked", "scrub", { "--workloads", "1..40" } },
	{ "zone_not_strict", "../unit/mutants", { NULL } },
	{ "group_rule_ignored", "../unit/mutants", { NULL } },
	{ "selector_ignored", "../unit/mutants", { NULL } },
	{ "thick_placed_anywhere", "../unit/mutants", { NULL } },
	{ "damage_outlives_end", "../unit/mutants", { NULL } },
	{ "late_piece_first", "../unit/mutants", { NULL } },
	{ "load_read_once", "../unit/mutants", { NULL } },
	{ "turn_without_end", "../unit/mutants", { NULL } },
	{ "reap_at_once", "../unit/mutants", { NULL } },
	{ "thick_promised_twice", "../unit/mutants", { NULL } },
	{ "tier_ignored", "../unit/mutants", { NULL } },
	{ "takeover_after_outage", "../unit/mutants", { NULL } },
	{ "takeover_unprobed", "../unit/mutants", { NULL } },
	{ "reserve_without_compare", "../unit/mutants", { NULL } },
	{ "copy_not_of_learner", "../unit/mutants", { NULL } },
	{ "copy_not_deleted", "../unit/mutants", { NULL } },
	{ "copy_not_rewritten", "../unit/mutants", { NULL } },
	{ "drain_not_compared", "../unit/mutants", { NULL } },
	{ "half_import_attached", "../unit/mutants", { NULL } },
	{ "replaced_leaves_first", "../unit/mutants", { NULL } },
	{ "plans_unpaced", "../unit/mutants", { NULL } },
	{ "state_in_place", "../unit/mutants", { NULL } },
};

static char crash_dir[256];
static uint64_t end_s; /* of the campaign; 0: none */

static bool is_over(void)
{
	return end_s != 0 && (uint64_t)time(NULL) >= end_s;
}

struct verdict {
	const char *proof;
	const char *scenario; /* that fails with it; NULL: none */
	uint64_t tried;       /* seeds */
	bool by_seed, liveness, ended;
};

static struct verdict verdicts[MUTANT_COUNT];

static bool is_caught(const struct verdict *verdict)
{
	return verdict->scenario || verdict->proof || verdict->by_seed;
}

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

static int proof_run(const char *program, const char *const arguments[static 6], const char *mutant)
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

static const char *failing_proof(enum mutant which)
{
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
		int status;

		if (mutant_find(proofs[i].mutant) != (int)which)
			continue;
		status = proof_run(proofs[i].program, proofs[i].arguments, proofs[i].mutant);
		/* Violations, or an assertion; not: no such program. */
		if (WIFSIGNALED(status) || WEXITSTATUS(status) == 1)
			return proofs[i].program;
	}
	return NULL;
}

/* Half of the seeds in each mode: what is never lost may still never end. */
static void run_seeds(struct verdict *verdict, uint64_t seeds, unsigned jobs)
{
	while (verdict->tried < seeds && !verdict->by_seed && !is_over()) {
		uint64_t batch = verdict->tried / BATCH_SEEDS, from = batch / 2 * BATCH_SEEDS + 1;
		struct runner_options run = {
			.from = from,
			.to = from + BATCH_SEEDS - 1,
			.liveness = batch % 2 == 1,
			.jobs = jobs,
			.stop_at_first = true,
			.failed = failed,
		};
		struct runner_totals totals;

		runner_run(&run, &totals);
		verdict->by_seed = totals.violations > 0;
		verdict->tried += verdict->by_seed ? totals.first_violation_after : totals.seeds;
		verdict->liveness = run.liveness;
	}
}

static void print(enum mutant which, const struct verdict *verdict)
{
	printf("%-26s %-7s", mutant_name(which), is_caught(verdict) ? "caught" : "MISSED");
	if (verdict->by_seed)
		printf(" after %4" PRIu64 " seeds", verdict->tried);
	else
		printf(" in no seed of %" PRIu64, verdict->tried);
	if (verdict->scenario)
		printf("; scenario %s", verdict->scenario);
	if (verdict->proof)
		printf("; tests/%s%s", verdict->proof[0] == '.' ? "" : "crash/",
			verdict->proof + (verdict->proof[0] == '.' ? strlen("../") : 0));
	if (verdict->by_seed)
		printf("; %s, %s", verdict->liveness ? "liveness" : "safety", example);
	else if (!is_caught(verdict))
		printf(": %s", mutant_what(which));
	putchar('\n');
	fflush(stdout);
}

static void mutant_try(enum mutant which, uint64_t seeds, bool is_last, unsigned jobs, bool first)
{
	struct verdict *verdict = &verdicts[which];

	mutant_chosen = which;
	if (verdict->tried == 0 && !is_caught(verdict)) {
		verdict->scenario = failing_scenario(which);
		if (!first || !verdict->scenario)
			verdict->proof = failing_proof(which);
	}
	if (!first || !is_caught(verdict))
		run_seeds(verdict, seeds, jobs);
	verdict->ended = verdict->by_seed || (first && is_caught(verdict)) ||
			 (is_last && (verdict->tried >= seeds || is_caught(verdict)));
	mutant_chosen = MUTANT_NONE;
	if (verdict->ended)
		print(which, verdict);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The last lines; returns the exit status. `only`: 0 or less, all of them. */
static int summary(int only)
{
	unsigned scenarios = 0, proofs_only = 0, missed = 0, undecided = 0, by_seed = 0, count = 0;
	uint64_t seeds[MUTANT_COUNT];

	for (int i = MUTANT_NONE + 1; i < MUTANT_COUNT; i++) {
		const struct verdict *verdict = &verdicts[i];

		if (only > 0 && i != only)
			continue;
		count++;
		if (!verdict->ended && !is_caught(verdict)) {
			undecided++;
			printf("%-26s undecided: in no seed of %" PRIu64 "\n", mutant_name((enum mutant)i),
				verdict->tried);
			continue;
		}
		scenarios += verdict->scenario != NULL;
		proofs_only += verdict->proof && !verdict->scenario && !verdict->by_seed;
		missed += !is_caught(verdict);
		if (verdict->by_seed)
			seeds[by_seed++] = verdict->tried;
	}
	qsort(seeds, by_seed, sizeof(seeds[0]), compare);
	printf("by scenarios %u, by seeds %u", scenarios, by_seed);
	if (by_seed > 0)
		printf(" (median after %" PRIu64 ", worst %" PRIu64 ")", seeds[by_seed / 2],
			seeds[by_seed - 1]);
	printf(", by nothing but tests beside the simulator %u\n", proofs_only);
	printf("mutants %u, caught %u, missed %u, undecided %u\n", count, count - missed - undecided, missed,
		undecided);
	return missed > 0 ? 1 : undecided > 0 ? 3 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "only", required_argument, NULL, 'o' },
		{ "seeds", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "first", no_argument, NULL, 'f' },
		{ "minutes", required_argument, NULL, 'm' },
		{ 0 },
	};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned jobs = cores > 0 ? (unsigned)cores : 1;
	uint64_t seeds = DEFAULT_SEEDS;
	int only = -1;
	bool first = false;

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
		if (c == 'f')
			first = true;
		if (c == 'm')
			end_s = (uint64_t)time(NULL) + strtoull(optarg, NULL, 10) * 60;
		if (c == '?' || (c == 'o' && only <= MUTANT_NONE) || jobs == 0) {
			fprintf(stderr,
				"usage: %s [--only NAME] [--seeds N] [--first] [--jobs N] [--minutes N]\n",
				argv[0]);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: what is \"%s\"? one mutant: --only %s\n", argv[0], argv[optind],
			argv[optind]);
		return 2;
	}
	for (uint64_t round = FIRST_ROUND, last = false; !last; round *= 5) {
		last = round >= seeds;
		for (int i = MUTANT_NONE + 1; i < MUTANT_COUNT; i++)
			if ((only <= 0 || i == only) && !verdicts[i].ended)
				mutant_try((enum mutant)i, last ? seeds : round, last, jobs, first);
	}
	return summary(only);
}
