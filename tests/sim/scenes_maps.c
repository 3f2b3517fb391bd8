/* Scenes of maps and copies: what they must hold, while the volume is written to. */
#include "sim/scene.h"

#include <errno.h>

#include "store/store.h"

/* One grain is one window: it is the next one to be compared. */
static uint32_t grains_copied(const struct attached *a)
{
	struct volume_stats stats;

	volume_stats_get(a->volume, &stats);
	return (uint32_t)(stats.voters[C].sync_done_bytes / GRAIN_BYTES);
}

/* C's log grows more slowly than the copies that it gets are new. */
static void copies_outrun_the_log(struct scene *s)
{
	struct attached *x = scene_behind(s, 1);

	GOES_ON();
	scene_slow_disk(s, C, 20);
	scene_heal(s);
	for (uint32_t i = 0; i < 3000 && !s->c->violation[0] && !scene_is_incomplete(s, C); i++)
		scene_run(s, 1);
	EXPECT(scene_is_incomplete(s, C), "C was not copied to");
	for (uint32_t i = 0; i < 1500 && scene_is_incomplete(s, C) && !s->c->violation[0]; i++) {
		if (grains_copied(x) + 20 > SCENE_MANY)
			scene_write(s, x, i % SCENE_MANY * GRAIN_BLOCKS, GRAIN_BLOCKS - 1);
		scene_run(s, 1);
	}
	scene_fast_disk(s, C);
	EXPECT(scene_is_level(s, x, 60000), "C was not made complete");
	scene_run(s, 3000);
	scene_compare(s, SCENE_MANY * GRAIN_BLOCKS);
}

/*
 * Window after window of one grain, and always a write that has just been committed: to the grain that is
 * compared next, or the one behind. The source knows of the commit by the question alone.
 */
static void writes_before_the_window(struct scene *s)
{
	struct attached *x = scene_behind(s, 2);

	GOES_ON();
	EXPECT(scene_log_is_gone(s), "the scene is not what it says: the log still has everything");
	scene_slow_disk(s, C, 1); /* a copy takes as long as a commit is not told */
	scene_heal(s);
	for (uint32_t i = 0; i < 3000 && !s->c->violation[0] && !scene_is_incomplete(s, C); i++)
		scene_run(s, 1);
	EXPECT(scene_is_incomplete(s, C), "C was not copied to");
	for (uint32_t i = 0; i < 4000 && scene_is_incomplete(s, C) && !s->c->violation[0]; i++) {
		uint32_t grain = 2 * grains_copied(x) + 1 + i % 3;

		scene_write(s, x, grain % (2 * SCENE_MANY) * GRAIN_BLOCKS + i % 16, 1);
		/* A source's apply round takes about as long: often the write before is not applied yet. */
		scene_run_us(s, 800 + i * 137 % 5000);
	}
	EXPECT(scene_is_level(s, x, 60000), "C was not made complete");
	scene_run(s, 3000);
	scene_compare(s, 2 * SCENE_MANY * GRAIN_BLOCKS);
}

/* The first of the even grains that isn't on C yet as it is on A. */
static uint32_t being_copied(struct scene *s)
{
	const struct grain_level now = { 0 };
	struct grain_state a, c;

	for (uint32_t grain = 0; grain < 2 * SCENE_MANY; grain += 2)
		if (!pool_replica_grain_applied(scene_store(s, A), now, grain, &a) ||
			!pool_replica_grain_applied(scene_store(s, C), now, grain, &c) || a.seq != c.seq)
			return grain;
	return 2 * SCENE_MANY;
}

/*
 * Each second grain is the same on both. While the one before it is copied it is written to, once: the source
 * has that in its log, and has not heard that it is committed. Its map must tell all the same.
 */
static void compared_before_it_is_told(struct scene *s)
{
	struct attached *x = scene_behind(s, 2);
	uint32_t cursor = 0;

	GOES_ON();
	EXPECT(scene_log_is_gone(s), "the scene is not what it says: the log still has everything");
	scene_slow_disk(s, C, 1);
	scene_heal(s);
	for (uint32_t i = 0; i < 3000 && !s->c->violation[0] && !scene_is_incomplete(s, C); i++)
		scene_run(s, 1);
	EXPECT(scene_is_incomplete(s, C), "C was not copied to");
	for (uint32_t i = 0; i < 20000 && scene_is_incomplete(s, C) && !s->c->violation[0]; i++) {
		uint32_t next = being_copied(s);

		if (next > cursor && next < 2 * SCENE_MANY) {
			cursor = next;
			scene_run_us(s, cursor * 613 % 4000);
			scene_write(s, x, (cursor + 1) * GRAIN_BLOCKS + 3, 1);
		}
		scene_run_us(s, 100);
	}
	EXPECT(scene_is_level(s, x, 60000), "C was not made complete");
	scene_run(s, 3000);
	scene_compare(s, 2 * SCENE_MANY * GRAIN_BLOCKS);
}

/* ---- repair ---- */

static struct grain_copy healed_from; /* of the scene's one repair */
static int heal_rc;
static bool has_copy, heal_is_over;

static void copy_got(void *arg, int rc, struct grain_copy *copy)
{
	(void)arg;
	ASSERT(rc == 0);
	healed_from = *copy;
	has_copy = true;
}

static bool copy_is_there(struct scene *s, const void *arg)
{
	(void)s;
	(void)arg;
	return has_copy;
}

static void heal_ended(void *arg, int rc)
{
	(void)arg;
	heal_rc = rc;
	heal_is_over = true;
}

static bool heal_has_ended(struct scene *s, const void *arg)
{
	(void)s;
	(void)arg;
	return heal_is_over;
}

/*
 * A bad block of C's is to be repaired from B's copy; while that is under way the block is written to, and C
 * applies it. What the coordinator and the host ask first is left out: the last look is the grain's own.
 */
static void heal_not_older(struct scene *s)
{
	const struct grain_level now = { 0 };
	struct attached *x = scene_begin(s, 2 * GRAIN_BLOCKS);
	uint32_t last;

	GOES_ON();
	scene_run(s, 5000);
	pool_replica_grain_get(scene_store(s, B), now, 1, copy_got, NULL);
	EXPECT(scene_until(s, 1000, copy_is_there, NULL) && healed_from.data, "B gives no copy");
	last = scene_written(s, x, GRAIN_BLOCKS + 5, 1);
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	scene_run(s, 5000);
	EXPECT(pool_replica_applied_seq(scene_store(s, C)) == scene_last_seq(x),
		"the scene is not what it says");
	pool_replica_grain_heal(scene_store(s, C), &healed_from, 1u << 5, heal_ended, NULL);
	loop_sim_kick(&s->c->sim, C);
	EXPECT(scene_until(s, 5000, heal_has_ended, NULL), "the repair does not end");
	buf_put(healed_from.data);
	EXPECT(heal_rc == -EAGAIN, "a block is repaired from an older copy: %d", heal_rc);
	scene_compare(s, 2 * GRAIN_BLOCKS);
	EXPECT(scene_seen(s, x, GRAIN_BLOCKS + 5) == last, "a newer write is lost");
}

const struct scenario scenarios_maps[] = {
	{ "heal-not-older", "a repair that a newer write has overtaken leaves it alone", "22",
		{ "heal_older_over_newer" }, .run = heal_not_older },
	{ "writes-before-the-window",
		"a map, and a copy, has what was sent to the target before; copies replace grains whole",
		"7, models 4, 5", { "copy_dropped_for_partial" }, .run = writes_before_the_window,
		.map_grains = 1, .map_copies = 1 },
	{ "compared-before-it-is-told",
		"a map has what was sent to the target before, told as committed or not", "model 4",
		{ "compare_without_wait" }, .run = compared_before_it_is_told, .map_grains = 1,
		.map_copies = 1 },
	{ "copies-outrun-the-log", "complete only when the log has reached the newest copy", "model 5",
		{ "complete_below_copy" }, .run = copies_outrun_the_log, .map_grains = 4, .map_copies = 4 },
	{ 0 },
};
