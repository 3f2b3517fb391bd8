/* Scenes of maps and copies: what they must hold, while the volume is written to. */
#include "sim/scene.h"
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

const struct scenario scenarios_maps[] = {
	{ "writes-before-the-window",
		"a map, and a copy, has what was sent to the target before; copies replace grains whole",
		"7, models 4, 5", { "copy_from_behind", "copy_dropped_for_partial" },
		.run = writes_before_the_window, .map_grains = 1, .map_copies = 1 },
	{ "compared-before-it-is-told",
		"a map has what was sent to the target before, told as committed or not", "model 4",
		{ "compare_without_wait" }, .run = compared_before_it_is_told, .map_grains = 1,
		.map_copies = 1 },
	{ "copies-outrun-the-log", "complete only when the log has reached the newest copy", "model 5",
		{ "complete_below_copy" }, .run = copies_outrun_the_log, .map_grains = 4, .map_copies = 4 },
	{ 0 },
};
