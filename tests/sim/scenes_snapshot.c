/* Scenes of snapshots: what a replica that was away must be level by level once it is copied to. */
#include "sim/scene.h"
#include "store/store.h"

#define MANY 40u /* whole grains: far more than the ring keeps */

static void grains_written(struct scene *s, struct attached *x, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count && !s->c->violation[0]; i++)
		scene_written(s, x, (first + i) * GRAIN_BLOCKS, GRAIN_BLOCKS);
}

static void c_is_away(struct scene *s)
{
	scene_isolate(s, C);
	scene_lose(s, X, C); /* at once, not when it has been silent for long */
}

static void c_is_back(struct scene *s, struct attached *x)
{
	GOES_ON();
	scene_run(s, 3000);
	EXPECT(pool_replica_first_seq(scene_store(s, A)) > scene_position(s, C).seq + 1,
		"the scene is not what it says: the log still has everything");
	scene_heal(s);
	EXPECT(scene_is_level(s, x, 120000), "C was not made complete");
	scene_run(s, 3000);
}

/* All that is there to be seen is the same. */
static void all_is_same(struct scene *s, unsigned levels)
{
	GOES_ON();
	EXPECT(scene_levels(s, A) == levels, "there are %u snapshots, not %u", scene_levels(s, A), levels);
	scene_compare_levels(s);
	scene_compare(s, MANY * GRAIN_BLOCKS);
}

static void snapshots_while_away(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	grains_written(s, x, 0, 6);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 2);
	scene_written(s, x, 2, 3);
	GOES_ON();
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	c_is_away(s);
	scene_snapshot(s, x, REQUEST_SNAPSHOT_DELETE, 1);
	scene_is_answered(s, scene_trim(s, x, 2 * GRAIN_BLOCKS + 4, 20), SCENE_EVENTUALLY);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 3);
	grains_written(s, x, 4, 12);
	scene_is_answered(s, scene_trim(s, x, 5 * GRAIN_BLOCKS, GRAIN_BLOCKS), SCENE_EVENTUALLY);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 4);
	grains_written(s, x, 10, MANY - 10);
	c_is_back(s, x);
	all_is_same(s, 3);
}

static void trim_above_snapshot(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	grains_written(s, x, 0, 6);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	/* Of grain 1 a part, all of grain 2: what the snapshot holds of them must not be seen again. */
	scene_is_answered(s, scene_trim(s, x, GRAIN_BLOCKS + 3, 5), SCENE_EVENTUALLY);
	scene_is_answered(s, scene_trim(s, x, 2 * GRAIN_BLOCKS, GRAIN_BLOCKS), SCENE_EVENTUALLY);
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	/* C's copy of the trimmed blocks comes by a resync. */
	c_is_away(s);
	scene_is_answered(s, scene_trim(s, x, 3 * GRAIN_BLOCKS, GRAIN_BLOCKS), SCENE_EVENTUALLY);
	grains_written(s, x, 4, MANY - 4);
	c_is_back(s, x);
	GOES_ON();
	/* And what was applied is read by who starts anew. */
	for (unsigned n = A; n <= C; n++) {
		scene_power_off(s, n);
		scene_back(s, n);
		EXPECT(scene_is_level(s, x, 60000), "node %u did not come level", n);
	}
	for (uint32_t block = GRAIN_BLOCKS; block < 4 * GRAIN_BLOCKS; block++) {
		bool trimmed =
			block >= 2 * GRAIN_BLOCKS || (block >= GRAIN_BLOCKS + 3 && block < GRAIN_BLOCKS + 8);
		uint32_t seen = scene_seen(s, x, block);

		EXPECT((seen == 0) == trimmed, "block %u shows write %u after a trim above a snapshot", block,
			seen);
	}
	all_is_same(s, 1);
}

static void rollback_while_away(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	grains_written(s, x, 0, 8);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	scene_written(s, x, 2, 3);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 2);
	scene_written(s, x, GRAIN_BLOCKS, 7);
	GOES_ON();
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	c_is_away(s);
	/* Another branch, and another bottom of it than C has. */
	scene_snapshot(s, x, REQUEST_ROLLBACK, 1);
	scene_is_answered(s, scene_trim(s, x, 3 * GRAIN_BLOCKS + 2, 17), SCENE_EVENTUALLY);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 3);
	grains_written(s, x, 6, 6);
	scene_snapshot(s, x, REQUEST_SNAPSHOT_DELETE, 1);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 4);
	grains_written(s, x, 2, MANY - 2);
	c_is_back(s, x);
	all_is_same(s, 3);
}

/* The levels change under the copies. The history knows nothing of rollbacks, so what was written and dropped
 * is not read before it has been written again. */
static void snapshots_during_copy(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	c_is_away(s);
	grains_written(s, x, 0, MANY);
	GOES_ON();
	scene_run(s, 3000);
	scene_slow_disk(s, A, 6);
	scene_slow_disk(s, C, 6);
	for (unsigned n = 2; n < 8; n++) {
		scene_hold(s, X, C, MESSAGE_GRAIN_WRITE, 0);
		scene_heal_keep(s);
		EXPECT(scene_is_held(s, X, C), "C was not copied to before snapshot %u", n);
		scene_written(s, x, n * GRAIN_BLOCKS + 1, 1);
		scene_snapshot(s, x, REQUEST_SNAPSHOT, (uint8_t)n);
		scene_written(s, x, n * GRAIN_BLOCKS + 9, 3);
		if (n % 3 == 0)
			scene_snapshot(s, x, REQUEST_SNAPSHOT_DELETE, (uint8_t)(n - 1));
		if (n == 5)
			scene_snapshot(s, x, REQUEST_ROLLBACK, 4);
		if (n == 5)
			grains_written(s, x, 0, 8);
		scene_heal(s);
		scene_run(s, 5 * n);
		GOES_ON();
	}
	scene_fast_disk(s, A);
	scene_fast_disk(s, C);
	EXPECT(scene_is_level(s, x, 120000), "C was not made complete");
	scene_run(s, 3000);
	all_is_same(s, 5);
}

/* C is still making its levels for the first list when that is void, and for the next one as well. */
static void levels_begun_anew(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	c_is_away(s);
	for (unsigned n = 1; n < 6; n++) {
		grains_written(s, x, 0, MANY / 4);
		scene_snapshot(s, x, REQUEST_SNAPSHOT, (uint8_t)n);
	}
	grains_written(s, x, 0, MANY);
	GOES_ON();
	scene_run(s, 3000);
	scene_hold(s, X, C, MESSAGE_MAP_COMPARE, 0);
	scene_heal_keep(s);
	EXPECT(scene_is_held(s, X, C), "C was not copied to");
	scene_slow_disk(s, C, 40);
	scene_heal(s);
	scene_run(s, 130);
	/* It goes on with the first list to its end, were it not told: the fifth would be there again. */
	scene_snapshot(s, x, REQUEST_SNAPSHOT_DELETE, 5);
	GOES_ON();
	scene_run(s, 8000);
	scene_fast_disk(s, C);
	EXPECT(scene_is_level(s, x, 120000), "C was not made complete");
	scene_run(s, 3000);
	all_is_same(s, 4);
}

static void crash_during_levels(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	for (unsigned n = 1; n < 4; n++) {
		scene_snapshot(s, x, REQUEST_SNAPSHOT, (uint8_t)n);
		grains_written(s, x, n, 3);
	}
	GOES_ON();
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	c_is_away(s);
	scene_snapshot(s, x, REQUEST_SNAPSHOT_DELETE, 2);
	for (unsigned n = 4; n < 7; n++) {
		scene_snapshot(s, x, REQUEST_SNAPSHOT, (uint8_t)n);
		grains_written(s, x, 3 * n, 12);
	}
	GOES_ON();
	scene_run(s, 3000);
	scene_slow_disk(s, C, 3);
	for (unsigned round = 0; round < 6; round++) {
		scene_heal(s);
		scene_run(s, 900 + 70 * round);
		scene_power_off(s, C);
		c_is_away(s);
		scene_back(s, C);
		GOES_ON();
	}
	scene_heal(s);
	scene_fast_disk(s, C);
	EXPECT(scene_is_level(s, x, 120000), "C was not made complete");
	scene_run(s, 3000);
	all_is_same(s, 5);
}

const struct scenario scenarios_snapshot[] = {
	{ "trim-above-snapshot",
		"what is trimmed above a snapshot shows zeroes, after a resync and a restart too", "20",
		{ "trim_falls_through" }, .run = trim_above_snapshot },
	{ "snapshots-while-away", "a replica that was away has each snapshot as the others", "5 (store)",
		{ "top_level_only" }, .run = snapshots_while_away },
	{ "rollback-while-away", "a replica that was away has the branches that the others have",
		"resync of levels", { "parents_ignored" }, .run = rollback_while_away },
	{ "snapshots-during-copy", "a resync under which the levels change is done again", "resync of levels",
		{ "sync_over_snapshot" }, .run = snapshots_during_copy },
	{ "levels-begun-anew", "a target makes its levels for the resync that is under way alone",
		"resync of levels", { "levels_of_two_resyncs" }, .run = levels_begun_anew },
	{ "crash-during-levels", "a resync of several levels that starts over ends the same",
		"resync of levels", { "top_level_only" }, .run = crash_during_levels },
	{ 0 },
};
