/* Scenes of a log whose end its owner's disk has lost: written, answered, and nowhere to be read. */
#include "sim/scene.h"
#include "store/store.h"

#include <errno.h>

#define GRAIN 16u /* blocks */

/* A write of a whole grain, which goes once, into a fresh grain; `loser`'s disk drops it. */
static struct scene_io *lost_write(struct scene *s, struct attached *x, unsigned loser)
{
	disk_lose_grain(s->c->nodes[loser].pools[0].disk);
	return scene_write(s, x, GRAIN, GRAIN);
}

/* X's log ends in such an entry, which only A has, and another behind it; X is dead, and A's memory gone. */
static void leave_lost_tail(struct scene *s, struct attached *x)
{
	uint64_t seq = scene_last_seq(x);

	for (unsigned i = B; i < s->v->replica_count; i++)
		scene_cut(s, X, i);
	lost_write(s, x, A);
	EXPECT(scene_reaches(s, A, seq + 1), "A did not get the entry");
	scene_write(s, x, 1, 1);
	EXPECT(scene_reaches(s, A, seq + 2), "A did not get the tail");
	scene_kill(s, X);
	scene_kill(s, A);
	scene_heal(s);
	scene_back(s, A);
}

static void goes_on_without(struct scene *s, uint32_t first, uint32_t second)
{
	struct attached *y;

	/* A's log is the one to be chosen: C comes later, and only then it is certain. */
	if (s->v->replica_count > 2)
		scene_isolate(s, C);
	y = scene_attach(s, Y);
	scene_run(s, 8000);
	EXPECT(!y->ready, "served with an entry that nobody can give");
	scene_heal(s);
	EXPECT(scene_is_ended(s, y, SCENE_EVENTUALLY), "a log whose end nobody has is not given up");
	scene_detach(s, y);
	y = scene_serve(s, Y);
	GOES_ON();
	EXPECT(scene_seen(s, y, GRAIN) == first && scene_seen(s, y, 1) == second,
		"committed writes are lost");
	scene_written(s, y, GRAIN, GRAIN);
	GOES_ON();
	EXPECT(scene_is_level(s, y, 60000), "the voters did not get level");
	for (unsigned i = A; i < s->v->replica_count; i++)
		EXPECT(scene_voter_status(y, i) != REPLICA_SYNCING && !scene_is_incomplete(s, i),
			"a log was cut: nothing had to be copied");
	scene_run(s, 3000);
	scene_compare(s, 64);
}

static void lost_tail(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);
	uint32_t first, second;

	GOES_ON();
	first = scene_written(s, x, GRAIN, GRAIN);
	second = scene_written(s, x, 1, 1);
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	leave_lost_tail(s, x);
	GOES_ON();
	goes_on_without(s, first, second);
}

/* A and C have it, and it was acknowledged; A has lost it, and C isn't there. */
static void lost_but_committed(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;
	uint64_t seq = scene_last_seq(x) + 1;
	struct scene_io *w;

	GOES_ON();
	scene_cut(s, X, B);
	w = lost_write(s, x, A);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == 0, "the write was not answered");
	/* Neither hears that it is committed; a mark calls it durable. */
	scene_cut(s, X, A);
	scene_cut(s, X, C);
	scene_run(s, 20);
	scene_kill(s, X);
	scene_kill(s, A);
	scene_isolate(s, C);
	scene_back(s, A);
	y = scene_attach(s, Y);
	EXPECT(!scene_is_ready(s, y, 30000), "served without what was acknowledged");
	EXPECT(pool_replica_commit_seq(scene_store(s, A)) < seq, "the scene is not what it says");
	EXPECT(!scene_is_incomplete(s, A) && !scene_is_incomplete(s, B), "begun to be copied to, in vain");
	scene_heal(s);
	if (y->ended) {
		scene_detach(s, y);
		y = scene_attach(s, Y);
	}
	EXPECT(scene_is_ready(s, y, SCENE_EVENTUALLY), "it doesn't go on when C is back");
	EXPECT(scene_seen(s, y, GRAIN) == w->write, "an acknowledged write is lost");
}

/* The same, and another voter than the owner of the longest log has it still: it is fetched from there. */
static void lost_by_one_of_two(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;
	uint64_t seq = scene_last_seq(x);
	struct scene_io *w;

	GOES_ON();
	scene_cut(s, X, B);
	w = lost_write(s, x, A);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == 0, "the write was not answered");
	/* A's log is longer than C's. */
	scene_cut(s, X, C);
	scene_write(s, x, 1, 1);
	EXPECT(scene_reaches(s, A, seq + 2), "A did not get the tail");
	scene_kill(s, X);
	scene_kill(s, A);
	scene_kill(s, C);
	scene_heal(s);
	scene_back(s, A);
	scene_back(s, C);
	y = scene_serve(s, Y);
	GOES_ON();
	EXPECT(scene_seen(s, y, GRAIN) == w->write, "an acknowledged write is lost");
	EXPECT(scene_is_level(s, y, 60000), "the voters did not get level");
}

const struct scenario scenarios_cut[] = {
	{ "lost-tail",
		"an entry that only one has, uncommitted, and has lost, is cut off: nobody is copied to for "
		"it",
		"A lost end of a log", { "resync_for_uncommitted" }, .run = lost_tail },
	{ "lost-tail-of-two", "so it is with two voters", "A lost end of a log", { "resync_for_uncommitted" },
		.run = lost_tail, .voters = 2 },
	{ "lost-but-committed", "an entry that a quorum may have acknowledged is waited for, not cut off",
		"A lost end of a log", { "cut_unproven" }, .run = lost_but_committed },
	{ "lost-by-one-of-two", "who has it still is asked", "A lost end of a log", { "open_with_minority" },
		.run = lost_by_one_of_two },
	{ 0 },
};
