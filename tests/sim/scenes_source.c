/* Scenes of what a resync's source knows, and of what a coordinator may give a seq. */
#include <errno.h>

#include "sim/scene.h"
#include "store/store.h"
#include "store/usage.h"

/* ---- a source that hasn't heard of a commit ---- */

static bool is_committed(struct scene *s, const void *arg)
{
	(void)s;
	return scene_commit_seq((struct attached *)(uintptr_t)arg) ==
	       scene_last_seq((struct attached *)(uintptr_t)arg);
}

static bool is_asked(struct scene *s, const void *arg)
{
	(void)arg;
	return s->holds[0].has_struck || s->holds[1].has_struck;
}

/*
 * C has been given the copy of `grain`, and its answer is held; the grain behind is the same on all. It is
 * written to, and in the moment when that is committed C's answer goes on: the coordinator asks for the next
 * map at once, of a source that has the entry in its log and hasn't heard of the commit. True when it was so.
 */
static bool ask_before_it_is_told(struct scene *s, struct attached *x, uint32_t grain)
{
	uint64_t seq;
	unsigned source;

	scene_write(s, x, (grain + 1) * GRAIN_BLOCKS + 3, 1);
	seq = scene_last_seq(x);
	if (!scene_until(s, 1000, is_committed, x)) {
		cluster_violation(s->c, "A and B did not take a write");
		return false;
	}
	scene_heal(s);
	scene_hold(s, X, A, MESSAGE_MAP_READ, 0);
	scene_hold(s, X, B, MESSAGE_MAP_READ, 0);
	if (!scene_until(s, 1000, is_asked, NULL))
		return false;
	source = s->holds[0].has_struck ? A : B;
	return pool_replica_commit_seq(scene_store(s, source)) < seq;
}

static void asked_before_it_is_told(struct scene *s)
{
	struct attached *x = scene_behind(s, 2);
	unsigned ordered = 0;

	GOES_ON();
	EXPECT(scene_log_is_gone(s), "the scene is not what it says: the log still has everything");
	scene_heal_keep(s);
	for (uint32_t grain = 0; grain < 2 * SCENE_MANY && ordered < 3; grain += 2) {
		scene_hold(s, C, X, MESSAGE_GRAIN_WRITTEN, 0);
		EXPECT(scene_is_held(s, C, X), "C is not copied to");
		ordered += ask_before_it_is_told(s, x, grain);
		scene_heal(s);
		GOES_ON();
	}
	EXPECT(ordered == 3, "the scene is not what it says: the sources were told in time");
	EXPECT(scene_is_level(s, x, 60000), "C was not made complete");
	scene_run(s, 3000);
	scene_compare(s, 2 * SCENE_MANY * GRAIN_BLOCKS);
}

/* ---- a long trim that isn't applied ---- */

static void stall(struct scene *s, unsigned node, bool is)
{
	disk_stall(s->c->nodes[node].pools[0].disk, is);
}

/*
 * A snapshot holds all grains. While C is copied to, a trim hides most of them in the top; the sources have
 * it in their logs, and can't apply it: their disks take no writes of grains.
 */
static void long_trim_during_copy(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	GOES_ON();
	for (uint32_t i = 0; i < SCENE_MANY; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	scene_isolate(s, C);
	scene_lose(s, X, C);
	for (uint32_t i = 0; i < SCENE_MANY; i++)
		scene_written(s, x, i % 4 * GRAIN_BLOCKS, GRAIN_BLOCKS);
	scene_run(s, 3000);
	EXPECT(scene_log_is_gone(s), "the scene is not what it says: the log still has everything");
	scene_hold(s, X, C, MESSAGE_GRAIN_WRITE, 0);
	scene_heal_keep(s);
	EXPECT(scene_is_held(s, X, C), "C was not copied to");
	stall(s, A, true);
	stall(s, B, true);
	/* Something that is written to a grain: the trim waits behind it. */
	scene_written(s, x, 3, 1);
	scene_run(s, 20);
	EXPECT(scene_is_answered(s, scene_trim(s, x, 8 * GRAIN_BLOCKS, (SCENE_MANY - 8) * GRAIN_BLOCKS),
		       SCENE_EVENTUALLY),
		"a trim was not taken");
	EXPECT(pool_replica_applied_seq(scene_store(s, A)) < scene_last_seq(x),
		"the scene is not what it says: A has applied the trim");
	scene_heal(s);
	scene_run(s, 1000);
	EXPECT(pool_replica_applied_seq(scene_store(s, A)) < scene_last_seq(x),
		"the scene is not what it says: A has applied the trim");
	stall(s, A, false);
	stall(s, B, false);
	EXPECT(scene_is_level(s, x, 60000), "C was not made complete");
	scene_run(s, 5000);
	scene_compare_levels(s);
	scene_compare(s, SCENE_MANY * GRAIN_BLOCKS);
}

/* ---- no seq without a quorum ---- */

/*
 * Without a quorum many writes wait; B comes back, and its pool has no room for them. Were they in the log,
 * the trim that makes room would be behind them for ever.
 */
static void room_of_the_returned(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);
	struct scene_io *io;
	uint32_t grain = 0;

	GOES_ON();
	/* Until a few grains are left before they are full. */
	for (struct pool_info info = { .size_bytes = UINT64_MAX };
		info.size_bytes - info.used_bytes > 60 * GRAIN_BYTES; grain++) {
		scene_written(s, x, grain * GRAIN_BLOCKS, GRAIN_BLOCKS);
		GOES_ON();
		pool_info_get(s->c->nodes[A].process->pools[0], &info);
	}
	EXPECT(!pool_is_full(s->c->nodes[A].process->pools[0]), "the scene is not what it says: it is full");
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	scene_isolate(s, B);
	scene_isolate(s, C);
	scene_lose(s, X, B);
	scene_lose(s, X, C);
	for (uint32_t i = 0; i < 120; i++)
		scene_write(s, x, (300 + i) * GRAIN_BLOCKS, 1);
	scene_run(s, 2000);
	scene_heal(s);
	io = scene_trim(s, x, 0, grain * GRAIN_BLOCKS);
	EXPECT(scene_is_answered(s, io, SCENE_EVENTUALLY) && io->rc == 0, "a trim waits for room");
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	scene_written(s, x, 5, 1);
}

const struct scenario scenarios_source[] = {
	{ "asked-before-it-is-told",
		"a map has what was sent to the target before, also where its source hasn't heard of the "
		"commit",
		"model 4", { "copy_from_behind", "compare_without_wait" }, .run = asked_before_it_is_told,
		.map_grains = 1, .map_copies = 1 },
	{ "long-trim-during-copy", "a map has what a long trim hides that its source has not applied yet",
		"7", { "long_trim_in_no_map" }, .run = long_trim_during_copy, .map_grains = 1,
		.map_copies = 1 },
	{ "room-of-the-returned", "what waits for a quorum has no seq: the one that comes may have no room",
		"24 (store)", { "seq_without_quorum" }, .run = room_of_the_returned,
		.disk_bytes = UINT64_C(12) << 20 },
	{ 0 },
};
