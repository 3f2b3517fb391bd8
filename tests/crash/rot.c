/*
 * rot: a generated workload on the simulated disk; now and then, when all is durable, copies of the disk are
 * damaged: a bit flips, a block or grain has its old content, or another's. Each is opened and asked for
 * everything: never wrong data, never a crash, and what is lost is said to be lost.
 *
 *     rot --flips N [--seed S] [--most N] [--mutant NAME]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "damage.h"
#include "options.h"
#include "rot_check.h"
#include "workload.h"

#define OPERATIONS  120u
#define COPIES      24u
#define DAMAGES_MAX 4u
#define QUIET_NS    (50 * NS_PER_MS) /* longer than a mark takes */

struct rot {
	struct workload work;
	struct bench bench;
	struct random random;
	struct geometry geometry;
	struct sim_disk *older;
	uint64_t seed, copy, flips, goal, states, violations;
	unsigned most;
	struct rot_tally tally;
};

static void report(
	const struct rot *r, const struct rot_check *check, const struct damage *damages, unsigned count)
{
	char text[128];

	printf("seed %" PRIu64 ", copy %" PRIu64 ": %s\n", r->seed, r->copy, check->violation);
	for (unsigned i = 0; i < count; i++)
		printf("  %s\n", damage_text(&damages[i], text));
	printf("  replay: build/tests/crash/rot --seed %" PRIu64 " --flips %" PRIu64 " --most %u\n", r->seed,
		r->goal, r->most);
}

/* Whether neither superblock is valid any more. */
static bool superblocks_are_lost(const struct sim_disk *disk)
{
	uint8_t block[BLOCK_BYTES];
	struct superblock sb;
	bool lost = true;

	for (unsigned copy = 0; copy < 2; copy++) {
		uint64_t offset = geometry_superblock_offset(sim_disk_size(disk), copy);

		sim_disk_peek(disk, offset, block, BLOCK_BYTES);
		lost = lost && superblock_decode(block, offset, &sb) < 0;
	}
	return lost;
}

/* A redirected grain is its entry's payload: one hit there is as good as one in the ring. */
static bool journal_is_hit_twice(const struct damage *damages, unsigned count)
{
	unsigned journal = 0, grains = 0;

	for (unsigned i = 0; i < count; i++) {
		journal += damages[i].area == AREA_JOURNAL;
		grains += damages[i].area == AREA_GRAINS;
	}
	return journal > 1 || (journal == 1 && grains > 0);
}

static void damaged_copy(struct rot *r)
{
	struct rot_check check = { .bench = &r->bench,
		.models = r->work.models,
		.count = r->work.replica_count,
		.random = &r->random,
		.tally = &r->tally };
	struct sim_disk *disk = sim_disk_crashed_copy(r->work.bench.disk, ++r->copy);
	struct damage damages[DAMAGES_MAX];
	unsigned want = random_chance(&r->random, 3, 4) ? 1 : 1 + (unsigned)random_below(&r->random, r->most);
	unsigned count = 0;

	if (random_chance(&r->random, 1, 200)) {
		damage_superblock(disk, 0, &r->random);
		damage_superblock(disk, 1, &r->random);
		r->flips += 2;
	} else {
		while (count < want && damage_one(disk, r->older, &r->geometry, &r->random, &damages[count]))
			count++;
		check.journal_twice = journal_is_hit_twice(damages, count);
		r->flips += count;
	}
	check.superblocks_lost = superblocks_are_lost(disk);
	r->states++;
	rot_check(&check, disk);
	if (check.violation[0]) {
		r->violations++;
		report(r, &check, damages, count);
	}
}

static void quiet_moment(struct rot *r)
{
	bench_run(&r->work.bench, QUIET_NS);
	for (unsigned i = 0; i < COPIES && r->flips < r->goal && r->violations == 0; i++)
		damaged_copy(r);
	sim_disk_free(r->older);
	r->older = sim_disk_crashed_copy(r->work.bench.disk, r->seed);
}

static void geometry_find(struct rot *r)
{
	uint8_t block[BLOCK_BYTES];
	struct superblock sb;

	sim_disk_peek(r->work.bench.disk, 0, block, BLOCK_BYTES);
	ASSERT(superblock_decode(block, 0, &sb) == 0);
	r->geometry = sb.geometry;
}

static void workload_run(struct rot *r)
{
	random_init(&r->random, r->seed * 1000003);
	r->copy = 0;
	workload_begin(&r->work, r->seed);
	geometry_find(r);
	for (unsigned k = 0; k < OPERATIONS && r->flips < r->goal && r->violations == 0; k++) {
		workload_step(&r->work);
		if (random_chance(&r->random, 1, 8))
			quiet_moment(r);
	}
	workload_end(&r->work);
	for (unsigned i = 0; i < COPIES && r->flips < r->goal && r->violations == 0; i++)
		damaged_copy(r);
	sim_disk_free(r->older);
	r->older = NULL;
	sim_disk_free(r->work.bench.disk);
}

int main(int argc, char **argv)
{
	static struct rot r = { .seed = 1, .goal = 10000 };
	uint64_t most = DAMAGES_MAX;
	const struct crash_option options[] = {
		{ "--flips", &r.goal, NULL, 0, UINT64_MAX },
		{ "--seed", &r.seed, NULL, 0, UINT64_MAX },
		{ "--most", &most, NULL, 1, DAMAGES_MAX },
		{ 0 },
	};

	if (!crash_options_take(argc, argv, options)) {
		fprintf(stderr, "usage: rot [--flips N] [--seed S] [--most 1..%u] [--mutant NAME]\n",
			DAMAGES_MAX);
		return 2;
	}
	r.most = (unsigned)most;
	crash_memory_keep();
	bench_init(&r.work.bench);
	bench_init(&r.bench);
	for (; r.flips < r.goal && r.violations == 0; r.seed++)
		workload_run(&r);
	bench_done(&r.bench);
	bench_done(&r.work.bench);
	printf("opened %" PRIu64 ", refused %" PRIu64 "; replicas whole %" PRIu64 ", damaged %" PRIu64
	       ", gone %" PRIu64 ", repaired %" PRIu64 "; blocks refused %" PRIu64
	       ", entries refused %" PRIu64 "; reopened %" PRIu64 ", checked offline %" PRIu64
	       ", cut short by two faults %" PRIu64 "\n",
		r.tally.opened, r.tally.refused, r.tally.whole, r.tally.damaged, r.tally.gone,
		r.tally.repaired, r.tally.blocks_refused, r.tally.entries_refused, r.tally.reopened,
		r.tally.offline, r.tally.cut);
	printf("flips %" PRIu64 ", states %" PRIu64 ", violations %" PRIu64 "\n", r.flips, r.states,
		r.violations);
	return r.violations == 0 ? 0 : 1;
}
