/* Scenes of lag and resync: what a copy must not lose, and when a replica may call itself complete. */
#include "sim/scene.h"
#include "store/store.h"

struct attached *scene_behind(struct scene *s, uint32_t step)
{
	struct attached *x = scene_begin(s, 4);

	for (uint32_t i = 0; i < SCENE_MANY * step && step > 1 && !s->c->violation[0]; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	if (!s->c->violation[0] && !scene_is_level(s, x, SCENE_EVENTUALLY))
		cluster_violation(s->c, "the voters did not get level");
	scene_isolate(s, C);
	scene_lose(s, X, C); /* at once, not when it has been silent for long */
	for (uint32_t i = 0; i < SCENE_MANY && !s->c->violation[0]; i++)
		scene_written(s, x, i * step * GRAIN_BLOCKS, GRAIN_BLOCKS);
	scene_run(s, 3000);
	return x;
}

bool scene_log_is_gone(struct scene *s)
{
	return pool_replica_first_seq(scene_store(s, A)) > scene_position(s, C).seq + 1;
}

/* C returns and is copied to; it stands at the copy of a grain. */
static bool copying(struct scene *s)
{
	scene_hold(s, X, C, MESSAGE_GRAIN_WRITE, 0);
	scene_heal_keep(s);
	return scene_is_held(s, X, C);
}

/* The source is A, beside the coordinator, and slow: entries overtake the copies of their grains. */
static void writes_during_copy(struct scene *s)
{
	struct attached *x = scene_serve(s, A);

	GOES_ON();
	scene_isolate(s, C);
	scene_lose(s, A, C);
	for (uint32_t i = 0; i < SCENE_MANY; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	GOES_ON();
	scene_run(s, 3000);
	EXPECT(scene_log_is_gone(s), "the scene is not what it says: the log still has everything");
	scene_slow_disk(s, A, 6);
	scene_heal(s);
	for (uint32_t i = 0; i < 3000 && !s->c->violation[0] && !scene_is_incomplete(s, C); i++)
		scene_run(s, 1);
	EXPECT(scene_is_incomplete(s, C), "C was not copied to");
	for (uint32_t i = 0; i < 400 && scene_is_incomplete(s, C) && !s->c->violation[0]; i++) {
		uint32_t grain = i * 7 % SCENE_MANY;

		if (i % 5 == 0)
			scene_trim(s, x, grain * GRAIN_BLOCKS + 5, 2);
		else if (i % 17 == 0)
			scene_trim(s, x, grain * GRAIN_BLOCKS, GRAIN_BLOCKS);
		else
			scene_write(s, x, grain * GRAIN_BLOCKS + i % 16, 1);
		scene_run(s, 1);
	}
	EXPECT(scene_is_level(s, x, 60000), "C was not made complete");
	scene_fast_disk(s, A);
	scene_run(s, 3000);
	scene_compare(s, SCENE_MANY * GRAIN_BLOCKS);
}

static void trims_while_away(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	GOES_ON();
	for (uint32_t i = 0; i < 8; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	scene_isolate(s, C);
	scene_lose(s, X, C); /* at once, not when it has been silent for long */
	scene_is_answered(s, scene_trim(s, x, 2 * GRAIN_BLOCKS, 3 * GRAIN_BLOCKS), SCENE_EVENTUALLY);
	scene_is_answered(s, scene_trim(s, x, 6 * GRAIN_BLOCKS + 4, 4), SCENE_EVENTUALLY);
	for (uint32_t i = 8; i < SCENE_MANY; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	scene_run(s, 3000);
	EXPECT(scene_log_is_gone(s), "the scene is not what it says: the log still has everything");
	scene_heal(s);
	EXPECT(scene_is_level(s, x, 60000), "C was not made complete");
	scene_run(s, 3000);
	scene_compare(s, SCENE_MANY * GRAIN_BLOCKS);
}

static void crash_during_copy(struct scene *s)
{
	struct attached *x = scene_behind(s, 1);

	GOES_ON();
	scene_slow_disk(s, C, 5); /* so that the copy takes its time */
	for (unsigned round = 0; round < 3; round++) {
		EXPECT(copying(s), "C was not copied to");
		scene_written(s, x, round * GRAIN_BLOCKS + 1, 1);
		scene_written(s, x, (SCENE_MANY - 1 - round) * GRAIN_BLOCKS + 1, 1);
		scene_heal(s);
		scene_run(s, 20 + 30 * round);
		scene_power_off(s, C);
		scene_written(s, x, (4 + round) * GRAIN_BLOCKS + 9, 1);
		scene_isolate(s, C);
		scene_lose(s, X, C); /* at once, not when it has been silent for long */
		scene_back(s, C);
		GOES_ON();
		EXPECT(scene_is_incomplete(s, C), "half a copy is no complete replica");
	}
	scene_heal(s);
	scene_fast_disk(s, C);
	EXPECT(scene_is_level(s, x, 60000), "C was not made complete");
	scene_run(s, 3000);
	scene_compare(s, SCENE_MANY * GRAIN_BLOCKS);
}

static void short_is_complete(struct scene *s)
{
	struct attached *x = scene_behind(s, 1), *y;

	GOES_ON();
	EXPECT(!scene_is_incomplete(s, C), "a long-absent replica is complete");
	scene_kill(s, A);
	scene_kill(s, X);
	scene_heal(s);
	y = scene_serve(s, Y); /* B and C */
	GOES_ON();
	scene_seen(s, y, (SCENE_MANY - 1) * GRAIN_BLOCKS);
	scene_written(s, y, 2, 1);
	(void)x;
}

static void syncing_one_votes(struct scene *s)
{
	struct attached *x = scene_behind(s, 1), *y;

	GOES_ON();
	EXPECT(copying(s), "C was not copied to");
	EXPECT(scene_is_incomplete(s, C), "a replica that is copied to is incomplete");
	scene_kill(s, A);
	scene_kill(s, X);
	scene_heal(s);
	y = scene_serve(s, Y); /* B is complete, C promises and tells since */
	GOES_ON();
	scene_seen(s, y, (SCENE_MANY - 1) * GRAIN_BLOCKS);
	EXPECT(scene_is_answered(s, scene_write(s, y, 2, 1), 60000), "B and C did not go on");
	(void)x;
}

static bool c_is_incomplete(struct scene *s, const void *arg)
{
	(void)arg;
	return scene_is_incomplete(s, C);
}

static void complete_at_since(struct scene *s)
{
	struct attached *x = scene_behind(s, 1), *y;
	struct scene_io *w;

	GOES_ON();
	/* C has the quorum's word on a write, then loses its disk's newest part: since is above what B has.
	 */
	scene_heal(s);
	EXPECT(scene_is_level(s, x, 60000), "C was not made complete");
	scene_cut_both(s, X, B);
	w = scene_write(s, x, 1, 1);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == 0, "A and C did not take it");
	scene_run(s, 1);
	scene_power_off(s, C);
	disk_spoil_newest(s->c->nodes[C].pools[0].disk);
	scene_hold(s, X, C, MESSAGE_SYNC_START, 0);
	scene_back(s, C);
	EXPECT(scene_is_held(s, X, C), "C was trusted");
	scene_kill(s, A); /* the write is on no replica but A; B and C must not serve without it */
	scene_kill(s, X);
	scene_heal(s);
	y = scene_attach(s, Y);
	EXPECT(!scene_is_ready(s, y, 30000), "B and C serve without an acknowledged write");
	scene_back(s, A);
	EXPECT(scene_is_ready(s, y, 60000), "with A it must go on");
	EXPECT(scene_seen(s, y, 1) == w->write, "an acknowledged write is lost");
}

static void copy_not_older(struct scene *s)
{
	struct attached *x = scene_behind(s, 1);

	GOES_ON();
	/* The source's copy must have every entry that the target has left out: A is slow to apply. */
	scene_hold(s, A, X, MESSAGE_GRAIN_ANSWER, 0);
	scene_heal_keep(s);
	EXPECT(scene_is_held(s, A, X), "no copy was taken");
	for (uint32_t i = 0; i < SCENE_MANY; i += 3)
		scene_written(s, x, i * GRAIN_BLOCKS + 2, 1);
	scene_slow_disk(s, A, 50);
	scene_heal(s);
	for (uint32_t i = 1; i < SCENE_MANY; i += 3)
		scene_written(s, x, i * GRAIN_BLOCKS + 4, 1);
	EXPECT(scene_is_level(s, x, 120000), "C was not made complete");
	scene_fast_disk(s, A);
	scene_run(s, 3000);
	scene_compare(s, SCENE_MANY * GRAIN_BLOCKS);
}

/*
 * A write w is acknowledged by A and C. C loses it, and is incomplete, since w. A session of A and C copies
 * to C from a base below w, for A doesn't know that w is committed; before w arrives, A is lost.
 */
static void complete_below_since(struct scene *s)
{
	struct attached *x = scene_begin(s, 8), *y, *z;
	struct scene_io *w;
	uint64_t seq;

	GOES_ON();
	scene_run(s, 3000);
	seq = scene_last_seq(x) + 1;
	scene_cut_both(s, X, B);
	w = scene_write(s, x, 1, 1);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == 0, "A and C did not take it");
	scene_cut_both(s, X, A); /* A hears of no commit */
	scene_run(s, 1);
	scene_power_off(s, C);
	disk_spoil_newest(s->c->nodes[C].pools[0].disk);
	scene_hold(s, X, C, MESSAGE_SYNC_START, 0);
	scene_back(s, C);
	EXPECT(scene_is_incomplete(s, C) || scene_until(s, 5000, c_is_incomplete, NULL), "C was trusted");
	scene_kill(s, X);
	scene_heal(s);
	scene_isolate(s, B);
	scene_hold(s, Y, C, MESSAGE_APPEND, seq);
	y = scene_attach(s, Y);
	EXPECT(scene_is_held(s, Y, C), "C was not copied to");
	scene_run(s, 500);
	EXPECT(!y->ready, "the scene is not what it says: Y serves");
	scene_kill(s, Y);
	scene_kill(s, A);
	scene_heal(s);
	scene_back(s, X);
	z = scene_attach(s, X); /* B and C: neither has w */
	EXPECT(!scene_is_ready(s, z, 30000), "B and C serve without an acknowledged write");
	scene_back(s, A);
	EXPECT(scene_is_ready(s, z, 60000), "with A it must go on");
	EXPECT(scene_seen(s, z, 1) == w->write, "an acknowledged write is lost");
}

static void complete_above_copies(struct scene *s)
{
	struct attached *x = scene_behind(s, 1), *y;
	struct scene_io *w;

	GOES_ON();
	/* All is copied; the entries behind the copies are held: it must not call itself complete yet. */
	scene_hold(s, X, C, MESSAGE_SYNC_FINISH, 0);
	scene_heal_keep(s);
	EXPECT(scene_is_held(s, X, C), "the copy did not end");
	EXPECT(scene_is_incomplete(s, C), "complete before the log has reached the newest copy");
	w = scene_write(s, x, 1, 1);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == 0, "A and B did not take it");
	scene_kill(s, X);
	scene_kill(s, A);
	scene_heal(s);
	y = scene_serve(s, Y);
	GOES_ON();
	EXPECT(scene_seen(s, y, 1) == w->write, "an acknowledged write is lost");
}

static void laggard_is_waited_for(struct scene *s)
{
	struct attached *x = scene_begin(s, 4), *y;
	struct scene_io *w;

	GOES_ON();
	/* C is away, B behind but in the log: B gets entries, not a copy; then A dies. */
	scene_isolate(s, C);
	scene_lose(s, X, C); /* at once, not when it has been silent for long */
	scene_slow_disk(s, B, 300);
	for (uint32_t i = 0; i < 6; i++)
		scene_write(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	scene_run(s, 200);
	EXPECT(!scene_is_incomplete(s, B), "a voter that the quorum needs was made incomplete");
	scene_fast_disk(s, B);
	w = scene_write(s, x, 9, 1);
	EXPECT(scene_is_answered(s, w, 60000) && w->rc == 0, "A and B did not take it");
	EXPECT(!scene_is_incomplete(s, B), "a voter that the quorum needs was made incomplete");
	scene_kill(s, A);
	scene_kill(s, X);
	scene_heal(s);
	y = scene_serve(s, Y);
	GOES_ON();
	EXPECT(scene_seen(s, y, 9) == w->write, "an acknowledged write is lost");
}

const struct scenario scenarios_sync[] = {
	{ "writes-during-copy", "partial writes and trims that overtake a grain's copy are kept", "7",
		{ "sync_ignores_hold" }, .run = writes_during_copy },
	{ "trims-while-away", "what was trimmed while a replica was away does not come back", "7",
		{ "sync_forgets_trims" }, .run = trims_while_away },
	{ "crash-during-copy", "a resync that starts over takes nothing of the former one for granted",
		"8, model 6", { "incomplete_forgotten", "replay_while_incomplete", "old_sync_base" },
		.run = crash_during_copy },
	{ "short-is-complete", "a replica that was away for long is complete, and votes", "23",
		{ "short_never_votes" }, .run = short_is_complete },
	{ "syncing-one-votes", "an incomplete replica promises and tells `since`", "24",
		{ "incomplete_never_votes" }, .run = syncing_one_votes },
	{ "complete-at-since", "an incomplete replica is not outvoted below its `since`", "model 1",
		{ "since_ignored" }, .run = complete_at_since },
	{ "laggard-is-waited-for", "a voter that the quorum needs gets entries, not a copy", "model 3",
		{ "open_with_minority" }, .run = laggard_is_waited_for },
	{ "copy-not-older", "a copy is taken after its source has applied what the target left out",
		"model 4", { "old_sync_base" }, .run = copy_not_older },
	{ "complete-below-since", "a resynced replica is complete only at its `since`", "model 1",
		{ "complete_without_since" }, .run = complete_below_since },
	{ "complete-above-copies", "complete only when the log has reached the newest copy", "model 5",
		{ "incomplete_never_votes" }, .run = complete_above_copies },
	{ 0 },
};
