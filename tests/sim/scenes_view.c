/* Scenes of snapshots that are read without a coordinator: only from who is complete and has applied them. */
#include "sim/scene.h"

#define FIRST_GRAINS 40u /* far more than the ring keeps */

/* C was cut off from the coordinator before the snapshot, Y reaches it all the same. */
static void view_of_laggard(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);
	uint32_t kept;
	struct volume *view;
	struct scene_look *look;

	GOES_ON();
	scene_cut_both(s, X, C);
	kept = scene_written(s, x, 0, 1);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	scene_written(s, x, 0, 1);
	GOES_ON();
	scene_power_off(s, A);
	scene_power_off(s, B);
	view = scene_view(s, 1);
	look = scene_look_at(s, view, 0);
	scene_run(s, 3000);
	EXPECT(!look->answered, "C has no such snapshot, and answered with write %u (%d)", look->write,
		look->rc);
	scene_back(s, B);
	scene_heal(s);
	scene_sees(s, look, kept);
}

/* C is made level: it has the snapshot's name, and nothing of its content yet. */
static void view_of_incomplete(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);
	uint32_t kept = 0;
	struct volume *view;
	struct scene_look *look;

	GOES_ON();
	scene_isolate(s, C);
	scene_lose(s, X, C);
	kept = scene_written(s, x, 0, GRAIN_BLOCKS);
	for (uint32_t i = 1; i < FIRST_GRAINS && !s->c->violation[0]; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	for (uint32_t i = 0; i < FIRST_GRAINS && !s->c->violation[0]; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	GOES_ON();
	scene_run(s, 3000);
	scene_hold(s, X, C, MESSAGE_GRAIN_WRITE, 0);
	scene_heal_keep(s);
	EXPECT(scene_is_held(s, X, C), "C is not copied to");
	scene_run(s, 100);
	scene_power_off(s, A);
	scene_power_off(s, B);
	view = scene_view(s, 1);
	look = scene_look_at(s, view, 0);
	scene_run(s, 3000);
	EXPECT(!look->answered, "C is incomplete, and answered with write %u (%d)", look->write, look->rc);
	scene_back(s, A);
	scene_heal(s);
	scene_sees(s, look, kept);
}

/* Nobody serves the volume, and no quorum is up. */
static void view_without_quorum(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);
	uint32_t kept;
	struct volume *view;

	kept = scene_written(s, x, 0, 1);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	scene_written(s, x, 0, 1);
	GOES_ON();
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	view = scene_view(s, 1);
	scene_run(s, 3000);
	scene_sees(s, scene_look_at(s, view, 0), kept);
	scene_kill(s, X);
	scene_power_off(s, B);
	scene_power_off(s, A);
	scene_sees(s, scene_look_at(s, view, 0), kept);
	/* The other one takes over while C is asked. */
	scene_back(s, A);
	GOES_ON();
	scene_cut_both(s, Y, C);
	scene_sees(s, scene_look_at(s, view, 0), kept);
}

#define MAP_FIRST (8 * GRAIN_BLOCKS) /* nobody else writes there */

/* Its blocks 0 and 16 in the first snapshot, 1 and 32 since; 16 trimmed since. */
static void view_map(struct scene *s)
{
	static const uint32_t blocks[] = { 0, 1, 2, GRAIN_BLOCKS, 2 * GRAIN_BLOCKS, 3 * GRAIN_BLOCKS };
	static const enum block_state all[] = { BLOCK_DATA, BLOCK_DATA, BLOCK_SAME, BLOCK_SAME, BLOCK_DATA,
		BLOCK_SAME };
	static const enum block_state since[] = { BLOCK_SAME, BLOCK_DATA, BLOCK_SAME, BLOCK_TRIMMED,
		BLOCK_DATA, BLOCK_SAME };
	struct attached *x = scene_begin(s, 4);
	const struct buf *map = NULL;
	struct volume *view;

	scene_written(s, x, MAP_FIRST, 1);
	scene_written(s, x, MAP_FIRST + GRAIN_BLOCKS, 1);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	scene_written(s, x, MAP_FIRST + 1, 1);
	scene_written(s, x, MAP_FIRST + 2 * GRAIN_BLOCKS, 1);
	EXPECT(scene_is_answered(s, scene_trim(s, x, MAP_FIRST + GRAIN_BLOCKS, 1), SCENE_EVENTUALLY),
		"no trim");
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 2);
	scene_written(s, x, MAP_FIRST + 3 * GRAIN_BLOCKS, 1);
	GOES_ON();
	view = scene_view(s, 2);
	scene_map(s, view, 0, &map);
	GOES_ON();
	for (unsigned i = 0; i < 6; i++)
		EXPECT(volume_map_block(map, MAP_FIRST + blocks[i]) == all[i], "block %u is told as %d",
			blocks[i], volume_map_block(map, MAP_FIRST + blocks[i]));
	scene_map(s, view, 1, &map);
	GOES_ON();
	for (unsigned i = 0; i < 6; i++)
		EXPECT(volume_map_block(map, MAP_FIRST + blocks[i]) == since[i],
			"block %u is told as %d since the first snapshot", blocks[i],
			volume_map_block(map, MAP_FIRST + blocks[i]));
}

const struct scenario scenarios_view[] = {
	{ "view-of-laggard", "a snapshot is not read from a replica that hasn't applied it",
		"reading snapshots", { "snapshot_not_applied" }, .run = view_of_laggard },
	{ "view-of-incomplete", "a snapshot is not read from a replica that is being copied to",
		"reading snapshots", { "snapshot_from_incomplete" }, .run = view_of_incomplete },
	{ "view-without-quorum", "a snapshot is read from one replica, without a coordinator",
		"reading snapshots", { "write_into_frozen" }, .run = view_without_quorum },
	{ "view-map", "what has changed between two snapshots is told, and nothing else", "reading snapshots",
		{ "changes_of_all" }, .run = view_map },
	{ 0 },
};
