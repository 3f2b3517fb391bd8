/*
 * Scenes of the comparison: a replica lacks a grain that the others have, has an older version of it, or one
 * too many, with right checksums: it gets what a quorum has, and nothing that was written meanwhile is lost
 * by it.
 */
#include "sim/scene.h"
#include "store/checksums.h"
#include "store/store.h"

#include <string.h>

#define GRAINS SCENE_GRAINS

static struct grain_copy taken;
static bool is_over;
static int over_rc;

static void copy_got(void *arg, int rc, struct grain_copy *copy)
{
	(void)arg;
	over_rc = rc;
	taken = *copy;
	is_over = true;
}

static void put_over(void *arg, int rc)
{
	(void)arg;
	over_rc = rc;
	is_over = true;
}

static bool is_set(struct scene *s, const void *arg)
{
	(void)s;
	return *(const bool *)arg;
}

static void wait_over(struct scene *s, unsigned voter, const char *what)
{
	loop_sim_kick(&s->c->sim, voter);
	EXPECT(scene_until(s, 10000, is_set, &is_over) && over_rc == 0, "%s: %d", what, over_rc);
}

/* What the voter has of the grain, into `taken`: of the top level, or as it reads. */
static void take(struct scene *s, unsigned voter, uint64_t index, bool whole)
{
	const struct grain_level level = { .whole = whole };

	GOES_ON();
	is_over = false;
	pool_replica_grain_get(scene_store(s, voter), level, index, copy_got, NULL);
	wait_over(s, voter, "no copy is given");
}

/* From now on the voter has what was taken, as grain `index`. */
static void give(struct scene *s, unsigned voter, uint64_t index)
{
	GOES_ON();
	is_over = false;
	taken.index = index;
	pool_replica_grain_replace(scene_store(s, voter), &taken, 0, UINT64_MAX, put_over, NULL);
	wait_over(s, voter, "nothing is put");
	buf_put(taken.data);
}

/* The record of the grain is lost, and nobody has noticed. */
static void lose(struct scene *s, unsigned voter, uint64_t index)
{
	taken = (struct grain_copy){ 0 };
	give(s, voter, index);
}

static void expect_found(struct scene *s, struct compare_tally found, uint64_t differing, uint64_t rewritten)
{
	EXPECT(found.differing == differing && found.rewritten == rewritten, "%u differ, %u were rewritten",
		(unsigned)found.differing, (unsigned)found.rewritten);
}

/* All voters read the same, and have it in the same levels. */
static void expect_same(struct scene *s)
{
	GOES_ON();
	scene_compare(s, (GRAINS + 1) * GRAIN_BLOCKS);
	GOES_ON();
	scene_compare_levels(s);
}

static void missing_is_replaced(struct scene *s)
{
	struct attached *x = scene_begin_grains(s);
	struct compare_tally found;

	GOES_ON();
	take(s, C, 5, false);
	scene_written(s, x, 5 * GRAIN_BLOCKS + 3, 1);
	scene_run(s, 5000);
	give(s, C, 5); /* as before that write */
	lose(s, A, 3);
	take(s, B, 4, false);
	give(s, B, GRAINS); /* nobody has written there */
	GOES_ON();
	found = scene_compare_pass(s, x, B);
	/* What was too many is gone when it is looked at once more. */
	EXPECT(found.grains == GRAINS, "%u grains were compared", (unsigned)found.grains);
	expect_found(s, found, 3, 3);
	expect_same(s);
}

/* What is under the volume's grains must be seen where the others see it, and nowhere else. */
static void replaced_over_snapshot(struct scene *s)
{
	struct attached *x = scene_begin_grains(s);

	GOES_ON();
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	for (uint32_t i = 0; i < 6 && !s->c->violation[0]; i++)
		scene_written(s, x, i * GRAIN_BLOCKS + 2, 3);
	EXPECT(scene_is_answered(s, scene_trim(s, x, 6 * GRAIN_BLOCKS, GRAIN_BLOCKS), SCENE_EVENTUALLY),
		"the trim is not answered");
	scene_run(s, 5000);
	lose(s, A, 3);
	lose(s, C, 6); /* the trim */
	take(s, B, 4, false);
	give(s, B, 7); /* nobody has written there since the snapshot */
	GOES_ON();
	expect_found(s, scene_compare_pass(s, x, B), 3, 3);
	expect_same(s);
}

/* B's copy is on its way to A when the grain is written to, and A applies that. */
static void overtaken_replace(struct scene *s)
{
	struct attached *x = scene_begin_grains(s);
	struct scene_io *io;

	lose(s, A, 3);
	GOES_ON();
	scene_hold(s, B, X, MESSAGE_GRAIN_ANSWER, 0);
	scene_compare_ask(s, C);
	EXPECT(scene_is_held(s, B, X), "B is not asked for its copy");
	io = scene_write(s, x, 3 * GRAIN_BLOCKS + 7, 1);
	EXPECT(scene_is_answered(s, io, SCENE_EVENTUALLY) && io->rc == 0, "the write is not answered");
	scene_run(s, 2500);
	EXPECT(pool_replica_applied_seq(scene_store(s, A)) == scene_last_seq(x),
		"the scene is not what it says: A has not applied the write");
	scene_heal(s);
	EXPECT(scene_until(s, 60000, scene_is_compared, x), "the comparison doesn't end");
	/* Once: what was put over the write would have been found, and replaced again. */
	expect_found(s, scene_compared(x).last, 1, 1);
	GOES_ON();
	EXPECT(scene_seen(s, x, 3 * GRAIN_BLOCKS + 7) == io->write, "a newer write is lost");
	expect_same(s);
}

/* The others have nothing there, so A waits with it until the newest entry is applied: with it newer ones
 * are. */
static void overtaken_at_target(struct scene *s)
{
	struct attached *x = scene_begin_grains(s);
	struct scene_io *io = NULL;

	GOES_ON();
	take(s, A, 4, false);
	give(s, A, GRAINS);
	GOES_ON();
	scene_slow_disk(s, A, 20);
	scene_written(s, x, 0, 1);
	scene_compare_ask(s, C);
	for (uint32_t i = 0; i < GRAIN_BLOCKS && !s->c->violation[0]; i++) {
		scene_run(s, 7);
		io = scene_write(s, x, GRAINS * GRAIN_BLOCKS + i, 1);
	}
	EXPECT(scene_is_answered(s, io, SCENE_EVENTUALLY) && io->rc == 0, "a write is not answered");
	scene_fast_disk(s, A);
	EXPECT(scene_until(s, 60000, scene_is_compared, x), "the comparison doesn't end");
	scene_run(s, 5000);
	EXPECT(scene_compared(x).all.rewritten <= 1, "what was written meanwhile was replaced");
	expect_same(s);
}

static bool is_repaired(struct scene *s, const void *arg)
{
	struct compare_status status = scene_compared((struct attached *)(uintptr_t)arg);

	(void)s;
	return status.passes > 1 && status.last.differing + status.last.undecided == 0;
}

/* One after the other they lose grains that are being written to, and one pass follows the other. */
static void replaced_while_written(struct scene *s)
{
	struct attached *x = scene_begin_grains(s);
	uint64_t repaired;

	for (unsigned i = 0; i < 30 && !s->c->violation[0]; i++) {
		uint32_t index = i % GRAINS, block = index * GRAIN_BLOCKS;

		lose(s, i % 3, index);
		for (unsigned k = 0; k < 40 && !s->c->violation[0]; k++) {
			uint32_t at = block + (i * 7 + k * 5) % GRAIN_BLOCKS;

			if (k % 7 == 6)
				scene_trim(s, x, at, 1);
			else
				scene_write(
					s, x, k % 4 == 0 ? at : (at + k * 37) % (GRAINS * GRAIN_BLOCKS), 1);
			scene_run_us(s, (i * 613 + k * 211) % 9000);
		}
		EXPECT(scene_until(s, 60000, is_repaired, x), "a grain isn't replaced");
	}
	GOES_ON();
	repaired = scene_compared(x).all.rewritten;
	EXPECT(repaired >= 20, "the scene is not what it says: %u were replaced", (unsigned)repaired);
	EXPECT(scene_compared(x).all.differing == repaired, "%u were only told",
		(unsigned)(scene_compared(x).all.differing - repaired));
	scene_run(s, 5000);
	expect_same(s);
}

/* Who is right nobody knows. */
static void missing_of_two(struct scene *s)
{
	struct attached *x = scene_begin_grains(s);

	lose(s, B, 3);
	GOES_ON();
	expect_found(s, scene_compare_pass(s, x, A), 1, 0);
	EXPECT(scene_compared(x).agreed == 0, "somebody is said to be right");
	scene_written(s, x, 3 * GRAIN_BLOCKS, GRAIN_BLOCKS); /* for the last look */
	scene_run(s, 5000);
	expect_same(s);
}

/*
 * A's snapshot has a grain too many, and its trim of the volume hides it; the others have no mark of that
 * trim, over nothing. It is told. Without the mark A would show the grain.
 */
static void snapshot_is_left(struct scene *s)
{
	struct attached *x = scene_begin_grains(s);

	GOES_ON();
	take(s, A, 4, false);
	give(s, A, GRAINS);
	GOES_ON();
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	GOES_ON();
	EXPECT(scene_is_answered(s, scene_trim(s, x, GRAINS * GRAIN_BLOCKS, GRAIN_BLOCKS), SCENE_EVENTUALLY),
		"the trim is not answered");
	scene_run(s, 5000);
	expect_found(s, scene_compare_pass(s, x, B), 2, 0);
	take(s, A, GRAINS, true);
	EXPECT(taken.state.present == 0, "A shows what lies below");
	/* For the last look: what was hidden goes with it. */
	scene_snapshot(s, x, REQUEST_SNAPSHOT_DELETE, 1);
	scene_run(s, 10000);
	expect_same(s);
}

const struct scenario scenarios_replace[] = {
	{ "missing-is-replaced", "a grain that one replica lacks, has an older version of, or has too many",
		"comparison", { "compare_never", "replace_never" }, .run = missing_is_replaced },
	{ "replaced-over-snapshot", "so it is over a snapshot: marks of trims are part of the grain",
		"comparison", { "replace_never" }, .run = replaced_over_snapshot },
	{ "overtaken-replace", "a grain that is written to meanwhile is not replaced", "comparison",
		{ "replace_unwatched" }, .run = overtaken_replace },
	{ "overtaken-at-target", "nor where the target has applied that before the copy", "comparison",
		{ "replace_overtaken" }, .run = overtaken_at_target },
	{ "replaced-while-written",
		"lost grains come back while they are written to, and nothing is lost by it", "comparison",
		{ "replace_never" }, .run = replaced_while_written, .compare_ms = 10 },
	{ "missing-of-two", "what one of two replicas lacks is told, and left as it is", "comparison",
		{ "rewrite_without_quorum" }, .run = missing_of_two, .voters = 2 },
	{ "snapshot-is-left", "what differs in a snapshot is told, and so is what lies above it",
		"comparison", { "replace_over_differing" }, .run = snapshot_is_left },
	{ 0 },
};
