/*
 * scrub: a generated workload with snapshots and a clone on the simulated disk; then blocks of its grains,
 * pages of its table and its superblocks are damaged under the open pool. A pass of the scrub must find what
 * any reader could come across, mend table and superblocks by itself, and, as what it told is repaired from
 * an undamaged twin, end with nothing bad left. So must it be where a page and a grain of it are bad at once;
 * but a replica may be given up then to a resync, where a slot's blocks are not all seen from one place.
 *
 *     scrub [--workloads FROM..TO] [--mutant NAME]
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "damage.h"
#include "options.h"
#include "store/checksums.h"
#include "workload.h"

#define OPERATIONS 80u
#define DAMAGES    6u
#define TOLD_MAX   64u
#define PASS_NS    (60 * NS_PER_S)
#define ROUNDS     8u

struct told {
	struct uuid replica, snapshot;
	uint64_t index;
	uint16_t blocks;
};

struct scrub_test {
	struct workload work;
	struct bench bench, twin;
	struct random random;
	struct geometry geometry;
	uint64_t seed, violations, bad_blocks, bad_pages, lost, given_up;
	unsigned views; /* that showed a bad block */
	unsigned told_count;
	struct told told[TOLD_MAX];
	struct grain_copy copy; /* from the twin */
};

static void violation(struct scrub_test *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void violation(struct scrub_test *t, const char *format, ...)
{
	va_list args;

	t->violations++;
	printf("seed %" PRIu64 ": ", t->seed);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n  replay: build/tests/crash/scrub --workloads %" PRIu64 "..%" PRIu64 "\n", t->seed,
		t->seed);
}

/* ---- damage ---- */

static bool is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, BLOCK_BYTES - 1) == 0;
}

static void flip(struct scrub_test *t, uint64_t offset_bytes)
{
	uint8_t block[BLOCK_BYTES];

	sim_disk_peek(t->bench.disk, offset_bytes, block, BLOCK_BYTES);
	block[random_below(&t->random, BLOCK_BYTES)] ^= (uint8_t)(1u << random_below(&t->random, 8));
	sim_disk_poke(t->bench.disk, offset_bytes, block, BLOCK_BYTES);
}

/* The newest copy of a page; -1: neither is valid. */
static int page_newest(const struct scrub_test *t, uint32_t page, uint64_t *ret_generation)
{
	uint8_t block[BLOCK_BYTES];
	uint64_t generation;
	int newest = -1;

	*ret_generation = 0;
	for (unsigned copy = 0; copy < 2; copy++) {
		sim_disk_peek(
			t->bench.disk, geometry_page_offset(&t->geometry, page, copy), block, BLOCK_BYTES);
		if (!page_check(&t->geometry, page, copy, block, &generation) ||
			generation <= *ret_generation)
			continue;
		newest = (int)copy;
		*ret_generation = generation;
	}
	return newest;
}

static void damage_whole(struct scrub_test *t, uint64_t grain_bytes)
{
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		flip(t, grain_bytes + i * BLOCK_BYTES);
}

static void damage_copies(struct scrub_test *t, uint32_t page)
{
	for (unsigned copy = 0; copy < 2; copy++)
		flip(t, geometry_page_offset(&t->geometry, page, copy));
}

static void damage_grain(struct scrub_test *t)
{
	const struct geometry *g = &t->geometry;
	uint8_t block[BLOCK_BYTES];

	for (unsigned i = 0; i < 200; i++) {
		uint64_t at = g->grain_offset_bytes +
			      random_below(&t->random, (uint64_t)g->grain_count * GRAIN_BLOCKS) * BLOCK_BYTES;

		sim_disk_peek(t->bench.disk, at, block, BLOCK_BYTES);
		if (is_zero(block))
			continue;
		flip(t, at);
		/* Or all of its grain: the first block may be one that nobody sees any more. */
		if (random_chance(&t->random, 1, 4))
			damage_whole(t, at - (at - g->grain_offset_bytes) % GRAIN_BYTES);
		/* Both copies of its page, too: what its checksums were nobody here knows any more. */
		if (random_chance(&t->random, 1, 16))
			damage_copies(t, (uint32_t)((at - g->grain_offset_bytes) / GRAIN_BYTES / PAGE_SLOTS));
		return;
	}
}

static void damage_page(struct scrub_test *t)
{
	uint32_t page = (uint32_t)random_below(&t->random, geometry_pages(&t->geometry));
	uint64_t generation;
	int newest = page_newest(t, page, &generation);

	if (newest >= 0)
		flip(t, geometry_page_offset(&t->geometry, page, (unsigned)newest));
}

/* ---- the pass ---- */

static void told(void *arg, const struct pool_bad *bad)
{
	struct scrub_test *t = container_of(arg, struct scrub_test, bench);
	struct told *at = &t->told[t->told_count];

	if (bad->kind != POOL_BAD_GRAIN || !bad->replica || t->told_count == TOLD_MAX)
		return;
	t->told_count++;
	*at = (struct told){ pool_replica_identity(bad->replica)->replica, bad->snapshot, bad->index,
		bad->blocks };
}

static struct pool_scrub_info scrub_info(const struct scrub_test *t)
{
	struct pool_info info;

	pool_info_get(t->bench.pool, &info);
	return info.scrub;
}

static void pass_run(struct scrub_test *t)
{
	uint64_t until_ns = t->bench.now_ns + PASS_NS;

	pool_scrub_now(t->bench.pool);
	while (scrub_info(t).progress.whole_wall_ns == 0 && t->bench.now_ns < until_ns)
		bench_run(&t->bench, 100 * NS_PER_MS);
	if (scrub_info(t).progress.whole_wall_ns == 0)
		violation(t, "the pass does not end: page %u of %u", scrub_info(t).progress.page,
			scrub_info(t).pages);
}

/* ---- what readers see ---- */

struct grain_read {
	struct pool_read read;
	struct bench *bench;
};

static void read_ended(struct pool_read *read, int rc)
{
	bench_finished(container_of(read, struct grain_read, read)->bench, rc);
}

/* A grain as the volume or a snapshot of it shows it; the caller gives `into` back. */
static int grain_read(
	struct bench *b, struct uuid replica, struct uuid snapshot, uint64_t index, struct buf **ret_into)
{
	struct grain_read r = { .bench = b };

	*ret_into = buf_get(b->bufs, GRAIN_BYTES);
	ASSERT(*ret_into);
	r.read = (struct pool_read){ .fn = read_ended,
		.replica = pool_replica_find(b->pool, replica),
		.snapshot = snapshot,
		.offset_bytes = index * GRAIN_BYTES,
		.length_bytes = GRAIN_BYTES,
		.into = *ret_into };
	ASSERT(r.read.replica);
	pool_read(&r.read);
	bench_wait(b);
	return b->rc;
}

static bool is_given_up(struct pool_replica *replica)
{
	return pool_replica_state(replica)->incomplete;
}

/* What a resync would mend is bad still, for those, too, that stand on the same snapshots. */
static bool some_are_given_up(const struct scrub_test *t)
{
	for (struct pool_replica *r = pool_replica_next(t->bench.pool, NULL); r;
		r = pool_replica_next(t->bench.pool, r))
		if (is_given_up(r))
			return true;
	return false;
}

static void view_check(struct scrub_test *t, struct uuid replica, struct uuid snapshot, bool mended)
{
	for (uint64_t index = 0; index < MODEL_SIZE_BYTES / GRAIN_BYTES; index++) {
		struct buf *mine, *theirs;
		int rc = grain_read(&t->bench, replica, snapshot, index, &mine);
		int twin_rc = grain_read(&t->twin, replica, snapshot, index, &theirs);

		ASSERT(twin_rc == 0);
		t->views += rc == -EILSEQ;
		if (mended && rc != 0)
			violation(t, "grain %" PRIu64 " of a %s is bad after the scrub: it was %s", index,
				uuid_is_none(snapshot) ? "volume" : "snapshot",
				t->told_count > 0 ? "not mended" : "not found");
		else if (rc == 0 && memcmp(mine->data, theirs->data, GRAIN_BYTES) != 0)
			violation(t, "grain %" PRIu64 " reads as something else", index);
		buf_put(mine);
		buf_put(theirs);
	}
}

static void views_check(struct scrub_test *t, bool mended)
{
	for (struct pool_replica *r = pool_replica_next(t->twin.pool, NULL); r;
		r = pool_replica_next(t->twin.pool, r)) {
		struct uuid replica = pool_replica_identity(r)->replica, snapshot = { 0 };

		view_check(t, replica, snapshot, mended);
		for (unsigned n = 0; pool_replica_snapshot_at(r, n, &snapshot); n++)
			view_check(t, replica, snapshot, mended);
	}
}

/* ---- repair from the twin ---- */

static void copy_got(void *arg, int rc, struct grain_copy *copy)
{
	struct scrub_test *t = container_of(arg, struct scrub_test, twin);

	t->copy = *copy;
	bench_finished(arg, rc);
}

static void repair(struct scrub_test *t, const struct told *told)
{
	struct grain_level level = { .snapshot = told->snapshot, .whole = true };
	uint16_t blocks;

	pool_replica_grain_get(
		pool_replica_find(t->twin.pool, told->replica), level, told->index, copy_got, &t->twin);
	bench_wait(&t->twin);
	ASSERT(t->twin.rc == 0);
	blocks = told->blocks & t->copy.state.present;
	if (blocks != 0 && t->copy.data) {
		pool_replica_grain_heal(pool_replica_find(t->bench.pool, told->replica), &t->copy, blocks,
			bench_finished, &t->bench);
		bench_wait(&t->bench);
		if (t->bench.rc != 0 && !is_given_up(pool_replica_find(t->bench.pool, told->replica)))
			violation(t, "what was told can't be repaired: %d", t->bench.rc);
	}
	buf_put(t->copy.data);
}

/* What was told is repaired, until nothing is told any more. */
static void repair_all(struct scrub_test *t)
{
	for (unsigned round = 0; round < ROUNDS && scrub_info(t).known_bad > 0; round++) {
		unsigned count = t->told_count;

		t->told_count = 0;
		for (unsigned i = 0; i < count && t->violations == 0; i++) {
			struct told told = t->told[i];

			repair(t, &told);
		}
		bench_run(&t->bench, 70 * NS_PER_S);
	}
	if (scrub_info(t).known_bad > 0)
		violation(t, "%u grains are known to be bad still", scrub_info(t).known_bad);
}

/* ---- table and superblocks ---- */

static void metadata_check(struct scrub_test *t, const uint64_t *generations)
{
	uint8_t block[BLOCK_BYTES];
	struct superblock sb;
	uint64_t generation;

	for (uint32_t page = 0; page < geometry_pages(&t->geometry); page++)
		if (generations[page] > 0 &&
			(page_newest(t, page, &generation) < 0 || generation < generations[page]))
			violation(t, "page %" PRIu32 " of the table is bad after the scrub", page);
	for (unsigned copy = 0; copy < 2; copy++) {
		uint64_t at = geometry_superblock_offset(t->geometry.size_bytes, copy);

		sim_disk_peek(t->bench.disk, at, block, BLOCK_BYTES);
		if (superblock_decode(block, at, &sb) != 0)
			violation(t, "superblock %u is bad after the scrub", copy);
	}
}

/* ---- a workload ---- */

static void lost_count(struct scrub_test *t)
{
	struct pool_checksums_info info;
	uint64_t given_up = 0;

	pool_checksums_info_get(t->bench.pool, &info);
	t->lost += info.lost;
	for (struct pool_replica *r = pool_replica_next(t->bench.pool, NULL); r;
		r = pool_replica_next(t->bench.pool, r))
		given_up += is_given_up(r);
	t->given_up += given_up;
	if (info.lost == 0 && given_up > 0)
		violation(t, "a replica was given up, and no slot is lost");
}

static void open_copy(struct bench *b, const struct sim_disk *disk, uint64_t seed)
{
	b->disk = sim_disk_crashed_copy(disk, seed);
	ASSERT(bench_open(b) == 0);
	bench_run(b, 5 * NS_PER_S); /* what is committed is applied */
}

static void damage(struct scrub_test *t)
{
	for (unsigned i = 0; i < DAMAGES; i++)
		damage_grain(t);
	for (unsigned i = 0; i < 2; i++)
		damage_page(t);
	if (random_chance(&t->random, 1, 2))
		flip(t, geometry_superblock_offset(
				t->geometry.size_bytes, (unsigned)random_below(&t->random, 2)));
}

static void workload_run(struct scrub_test *t)
{
	uint8_t block[BLOCK_BYTES];
	struct superblock sb;
	uint64_t *generations;

	random_init(&t->random, t->seed * 1000003);
	t->work.layers = true;
	t->told_count = t->views = 0;
	workload_begin(&t->work, t->seed);
	for (unsigned k = 0; k < OPERATIONS; k++)
		workload_step(&t->work);
	workload_end(&t->work);
	sim_disk_peek(t->work.bench.disk, 0, block, BLOCK_BYTES);
	ASSERT(superblock_decode(block, 0, &sb) == 0);
	t->geometry = sb.geometry;
	t->bench.bad = told;
	t->bench.cache_bytes = t->seed % 4 != 0;
	open_copy(&t->twin, t->work.bench.disk, t->seed);
	open_copy(&t->bench, t->work.bench.disk, t->seed);
	generations = calloc(geometry_pages(&t->geometry), sizeof(*generations));
	ASSERT(generations);
	for (uint32_t page = 0; page < geometry_pages(&t->geometry); page++)
		(void)page_newest(t, page, &generations[page]);
	damage(t);
	pass_run(t);
	if (t->violations == 0)
		metadata_check(t, generations);
	free(generations);
	views_check(t, false);
	if (t->violations == 0)
		repair_all(t);
	t->bad_blocks += scrub_info(t).since_open.bad_blocks;
	t->bad_pages += scrub_info(t).since_open.bad_pages;
	lost_count(t);
	views_check(t, !some_are_given_up(t));
	bench_close(&t->bench);
	bench_close(&t->twin);
	sim_disk_free(t->bench.disk);
	sim_disk_free(t->twin.disk);
	sim_disk_free(t->work.bench.disk);
}

int main(int argc, char **argv)
{
	static struct scrub_test t;
	uint64_t from = 1, to = 10;
	const struct crash_option options[] = {
		{ "--workloads", &from, &to, 1, UINT64_MAX - 1 },
		{ 0 },
	};

	if (!crash_options_take(argc, argv, options)) {
		fprintf(stderr, "usage: scrub [--workloads FROM..TO] [--mutant NAME]\n");
		return 2;
	}
	crash_memory_keep();
	bench_init(&t.work.bench);
	bench_init(&t.bench);
	bench_init(&t.twin);
	for (t.seed = from; t.seed <= to && t.violations == 0; t.seed++)
		workload_run(&t);
	bench_done(&t.twin);
	bench_done(&t.bench);
	bench_done(&t.work.bench);
	printf("workloads %" PRIu64 ", bad blocks found %" PRIu64 ", bad pages and superblocks %" PRIu64
	       ", slots lost %" PRIu64 ", replicas given up %" PRIu64 ", violations %" PRIu64 "\n",
		t.seed - from, t.bad_blocks, t.bad_pages, t.lost, t.given_up, t.violations);
	return t.violations == 0 ? 0 : 1;
}
