/* Scenes of a volume that grows: docs/protocol.md, "Resize". */
#include "sim/scene.h"
#include "store/store.h"

#define OLD_BLOCKS  ((uint32_t)(SIM_VOLUME_BYTES / BLOCK_BYTES))
#define LAST_GRAIN  ((uint32_t)(SIM_VOLUME_GROWN / BLOCK_BYTES) - GRAIN_BLOCKS)
#define BEYOND_MANY 40u /* whole grains: far more than the ring keeps */

static void record_grows(struct scene *s)
{
	s->v->size_bytes = SIM_VOLUME_GROWN;
}

static void grow(struct scene *s, struct attached *a)
{
	record_grows(s);
	volume_grow(a->volume, SIM_VOLUME_GROWN);
	loop_sim_kick(&s->c->sim, a->node->index);
}

/* The first block behind the old end, a write across it, and the very last grain. */
static void write_beyond(struct scene *s, struct attached *a)
{
	scene_written(s, a, OLD_BLOCKS, 1);
	scene_written(s, a, OLD_BLOCKS - 2, 5);
	scene_written(s, a, LAST_GRAIN, GRAIN_BLOCKS);
}

static void c_is_away(struct scene *s)
{
	scene_isolate(s, C);
	scene_lose(s, X, C);
}

static void all_is_same(struct scene *s)
{
	GOES_ON();
	for (unsigned i = A; i <= C; i++)
		EXPECT(pool_replica_size(scene_store(s, i)) == SIM_VOLUME_GROWN, "voter %u has not grown", i);
	scene_compare_levels(s);
}

/* One that was away learns it when it is opened, before the entries come. */
static void grown_while_away(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	c_is_away(s);
	grow(s, x);
	write_beyond(s, x);
	GOES_ON();
	scene_heal(s);
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "C did not follow");
	scene_run(s, 3000);
	all_is_same(s);
}

/* All lose their power before anything is applied: replay finds entries beyond the old end. */
static void grown_and_power_cut(struct scene *s)
{
	struct attached *x = scene_begin(s, 4), *y;
	uint32_t write;

	grow(s, x);
	write_beyond(s, x);
	write = scene_written(s, x, LAST_GRAIN + 3, 1);
	GOES_ON();
	for (unsigned i = A; i <= X; i++)
		scene_power_off(s, i);
	for (unsigned i = A; i <= C; i++)
		scene_back(s, i);
	GOES_ON();
	y = scene_serve(s, Y);
	EXPECT(scene_seen(s, y, LAST_GRAIN + 3) == write, "what was acknowledged beyond the old end is gone");
	EXPECT(scene_seen(s, y, OLD_BLOCKS) != 0, "the first block beyond the old end is gone");
	EXPECT(scene_is_level(s, y, SCENE_EVENTUALLY), "the voters did not get level");
	scene_run(s, 3000);
	all_is_same(s);
}

/* The coordinator dies between the record and the replicas: its successor tells them. */
static void record_alone(struct scene *s)
{
	struct attached *x = scene_begin(s, 4), *y;

	(void)x;
	GOES_ON();
	record_grows(s);
	scene_kill(s, X);
	y = scene_serve(s, Y);
	GOES_ON();
	write_beyond(s, y);
	EXPECT(scene_is_level(s, y, SCENE_EVENTUALLY), "the voters did not get level");
	scene_run(s, 3000);
	all_is_same(s);
}

/* The last message of a resync is on its way; the copies know nothing of what is beyond, the entries do. */
static void grown_under_a_copy(struct scene *s, enum message_type held)
{
	struct attached *x = scene_behind(s, 1);

	GOES_ON();
	EXPECT(scene_log_is_gone(s), "the scene is not what it says: the log still has everything");
	scene_hold(s, X, C, held, 0);
	scene_heal_keep(s);
	EXPECT(scene_is_held(s, X, C), "C was not copied to");
	grow(s, x);
	write_beyond(s, x);
	scene_heal(s);
	EXPECT(scene_is_level(s, x, 120000), "C was not made complete");
	scene_run(s, 3000);
	all_is_same(s);
}

static void grown_at_the_first_window(struct scene *s)
{
	grown_under_a_copy(s, MESSAGE_MAP_COMPARE);
}

static void grown_at_the_end_of_a_copy(struct scene *s)
{
	grown_under_a_copy(s, MESSAGE_SYNC_FINISH);
}

/*
 * An agent that restarts without the kvdb may know the old size only. Its resync must copy what is beyond all
 * the same: it is committed.
 */
static void old_size_in_a_note(struct scene *s)
{
	struct attached *x = scene_begin(s, 4), *y;

	grow(s, x);
	c_is_away(s);
	for (uint32_t i = 0; i < BEYOND_MANY && !s->c->violation[0]; i++)
		scene_written(s, x, OLD_BLOCKS + i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	GOES_ON();
	scene_run(s, 3000);
	EXPECT(pool_replica_first_seq(scene_store(s, A)) > scene_position(s, C).seq + 1,
		"the scene is not what it says: the log still has everything");
	scene_kill(s, X);
	s->v->size_bytes = SIM_VOLUME_BYTES;
	scene_heal(s);
	y = scene_serve(s, Y);
	EXPECT(scene_is_level(s, y, 120000), "C was not made complete");
	scene_run(s, 3000);
	all_is_same(s);
}

const struct scenario scenarios_grow[] = {
	{ "grown-while-away",
		"a replica that was away learns the new size before the first entry that needs it", "Resize",
		{ "open_without_size" }, .run = grown_while_away },
	{ "grown-and-power-cut", "a replica has the new size on the disk before any entry that needs it",
		"Resize", { "grow_not_kept" }, .run = grown_and_power_cut },
	{ "record-alone", "a successor tells the size that its predecessor didn't", "Resize",
		{ "open_without_size" }, .run = record_alone },
	{ "grown-at-the-first-window", "a volume grows under a resync: windows go on to the new end",
		"Resize", { "resync_stale_map" }, .run = grown_at_the_first_window },
	{ "grown-at-the-end-of-a-copy", "a volume grows when a resync is all but over", "Resize",
		{ "old_sync_base" }, .run = grown_at_the_end_of_a_copy },
	{ "old-size-in-a-note", "a session that knows an old size takes the replicas' word", "Resize",
		{ "size_not_learned" }, .run = old_size_in_a_note },
	{ 0 },
};
