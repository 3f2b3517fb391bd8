/* Scenes of the log: whose entries count, which log wins, what is promised. */
#include "sim/scene.h"
#include "store/store.h"

#include <errno.h>

static void restamped_entries(struct scene *s)
{
	struct attached *x = scene_begin(s, 8), *z;
	uint32_t first;

	GOES_ON();
	first = scene_written(s, x, 60, 1);
	(void)first;
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	scene_cut_both(s, X, B);
	scene_lose(s, X, B);
	scene_write_many(s, x, 8, 3); /* A and C have them; acknowledged */
	GOES_ON();
	scene_kill(s, X);
	scene_heal(s);
	scene_cut_both(s, Y, C);
	/* B gets the first of them from Y, then Y and A die. */
	scene_hold(s, Y, B, MESSAGE_APPEND, scene_position(s, B).seq + 2);
	scene_attach(s, Y);
	EXPECT(scene_is_held(s, Y, B), "Y did not adopt");
	scene_kill(s, Y);
	scene_kill(s, A);
	scene_heal(s);
	scene_back(s, X);
	z = scene_serve(s, X);
	GOES_ON();
	for (uint32_t i = 0; i < 11; i++)
		scene_seen(s, z, i);
}

static void equal_epoch(struct scene *s)
{
	struct attached *x = scene_begin(s, 3), *y;
	uint64_t number;

	GOES_ON();
	number = s->v->record.number;
	s->v->record.number--; /* a kvdb from a backup gives the number again */
	y = scene_attach(s, Y);
	EXPECT(scene_is_ended(s, y, SCENE_EVENTUALLY), "two sessions serve in one epoch");
	EXPECT(!y->ready, "two sessions have served in one epoch");
	EXPECT(y->promised.number >= number, "STALE did not tell the promised epoch");
	scene_written(s, x, 1, 1);
	/* The holder of the record raises it above what was promised. */
	attach(s->v, &s->c->nodes[Y], y->promised.number);
	y = attached_current(s->v);
	EXPECT(scene_is_ready(s, y, SCENE_EVENTUALLY), "the raised number did not serve");
	scene_seen(s, y, 1);
	EXPECT(scene_is_ended(s, x, SCENE_EVENTUALLY), "the fenced session goes on");
	EXPECT(x->outdated, "the volume is another session's, and that isn't told");
}

static void divergent_answer(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y, *z;
	struct scene_io *w;
	uint32_t number;

	GOES_ON();
	scene_leave_tail(s, x, C, 5, 4);
	scene_isolate(s, C);
	y = scene_serve(s, Y);
	GOES_ON();
	scene_slow_disk(s, B, 4000);
	scene_heal(s);
	scene_hold(s, Y, C, MESSAGE_MATCH, 0);
	EXPECT(scene_is_held(s, Y, C), "C did not come back");
	w = scene_write(s, y, 6, 1);
	number = w->write;
	EXPECT(!scene_is_answered(s, w, 1000), "the tail of a dead session was counted for the quorum");
	scene_fast_disk(s, B);
	scene_heal(s);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == 0, "the write was not answered");
	scene_kill(s, A);
	scene_kill(s, Y);
	scene_back(s, X);
	z = scene_serve(s, X);
	GOES_ON();
	EXPECT(scene_seen(s, z, 6) == number, "an acknowledged write is lost");
}

static void divergent_tail_stays(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;
	uint64_t seq = scene_last_seq(x);

	GOES_ON();
	scene_leave_tail(s, x, C, 5, 4);
	scene_isolate(s, C);
	y = scene_serve(s, Y);
	GOES_ON();
	/* C promises, and is cut off again before its log is compared. */
	scene_heal(s);
	scene_hold(s, Y, C, MESSAGE_MATCH, 0);
	EXPECT(scene_is_held(s, Y, C), "C did not come back");
	scene_lose(s, Y, C);
	scene_cut_both(s, Y, C);
	scene_write_many(s, y, 6, 6); /* committed, up to beyond the end of C's tail */
	scene_run(s, 8000);
	/* When it returns Y's heartbeats tell what is committed, while its answer to OPEN is on the way. */
	scene_heal(s);
	scene_hold(s, C, Y, MESSAGE_OPEN_ANSWER, 0);
	EXPECT(scene_is_held(s, C, Y), "C was not opened again");
	scene_run(s, 1500);
	EXPECT(scene_position(s, C).seq == seq + 4, "the scene is not what it says: C's tail is gone");
	EXPECT(pool_replica_commit_seq(scene_store(s, C)) <= seq,
		"a tail that was not compared is taken as committed");
	scene_heal(s);
	EXPECT(scene_is_level(s, y, 60000), "C did not come level");
	scene_run(s, 3000);
	scene_compare(s, 16);
}

static void answer_after_promise(struct scene *s)
{
	struct attached *x = scene_begin(s, 4), *y;
	struct scene_io *w;

	GOES_ON();
	scene_cut_both(s, X, C);
	scene_cut_both(s, Y, A);
	/* The entry is under way to B's disk while Y's OPEN comes, and ends the lease. */
	scene_slow_disk(s, B, 1900); /* longer than the lease, shorter than a silence */
	w = scene_write(s, x, 9, 1);
	scene_run(s, 10);
	scene_fast_disk(s, B);
	y = scene_attach(s, Y);
	scene_run(s, 3000);
	scene_cut(s, X, B); /* so that no STALE comes back before the answer does */
	scene_is_answered(s, w, SCENE_EVENTUALLY);
	EXPECT(scene_is_ready(s, y, 60000), "Y did not serve");
	scene_kill(s, A); /* what X has acknowledged must be on B and C, or must have been on B for Y */
	if (w->answered && w->rc == 0)
		EXPECT(scene_seen(s, y, 9) == w->write, "an acknowledged write is lost");
}

static void answer_goes_backwards(struct scene *s)
{
	struct attached *x = scene_begin(s, 8);
	uint64_t seq;
	struct scene_io *w;

	GOES_ON();
	seq = scene_last_seq(x) + 1;
	w = scene_write(s, x, 9, 1);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && scene_reaches(s, C, seq),
		"the write was not taken");
	scene_run(s, 1);
	/* Its newest batch rots before a mark tells that it was durable: it looks like a torn tail. */
	scene_power_off(s, C);
	disk_spoil_newest(s->c->nodes[C].pools[0].disk);
	scene_hold(s, X, C, MESSAGE_SYNC_START, 0);
	scene_back(s, C);
	GOES_ON();
	EXPECT(scene_position(s, C).seq == seq - 1, "the scene is not what it says: C still has s%llu",
		(unsigned long long)scene_position(s, C).seq);
	EXPECT(scene_is_held(s, X, C), "a voter that has lost what it acknowledged is trusted");
	EXPECT(scene_is_incomplete(s, C), "it must persist that it is incomplete first");
	/* Its word must not outvote what it has lost. */
	scene_kill(s, A);
	scene_heal(s);
	EXPECT(scene_seen(s, x, 9) == w->write, "an acknowledged write is lost");
	EXPECT(scene_is_answered(s, scene_write(s, x, 10, 1), 60000), "B and C did not go on");
}

static void choice_is_final(struct scene *s)
{
	struct attached *x = scene_begin(s, 2), *y;
	uint64_t seq = scene_last_seq(x);
	struct position a, b;

	GOES_ON();
	scene_leave_tail(s, x, A, 5, 1); /* A's log is the greatest, by one entry that nobody else has */
	scene_heal(s);
	scene_hold(s, Y, B, MESSAGE_MATCH, 0);
	scene_cut_both(s, Y, C);
	y = scene_attach(s, Y);
	EXPECT(scene_reaches(s, A, seq + 2), "A did not get NEW_EPOCH");
	EXPECT(epoch_equal(scene_position(s, A).epoch, (struct epoch){ y->number, 0 }), "not Y's entry");
	scene_isolate(s, A);
	scene_lose(s, Y, A);
	for (unsigned i = B; i <= C; i++) {
		net_sim_cut(s->c->net, Y, i, false);
		net_sim_cut(s->c->net, i, Y, false);
	}
	scene_run(s, 10000);
	/* Y either waits for A, or has given this session up; it never chooses twice in one epoch. */
	a = scene_position(s, A);
	for (unsigned i = B; i <= C; i++) {
		b = scene_position(s, i);
		EXPECT(!epoch_equal(a.epoch, b.epoch), "two different entries of one name in one session");
	}
	EXPECT(y->ended, "a session whose log is lost must end, so that another can begin");
	scene_detach(s, y);
	y = scene_serve(s, Y);
	scene_written(s, y, 6, 1);
	scene_heal(s);
	EXPECT(scene_is_level(s, y, 60000), "A did not come level");
	scene_compare(s, 16);
}

static void stale_minority(struct scene *s)
{
	struct attached *x = scene_begin(s, 2), *y;

	GOES_ON();
	scene_cut_both(s, Y, A);
	scene_cut_both(s, Y, C);
	y = scene_attach(s, Y);
	scene_run(s, 8000);
	EXPECT(!y->ready, "one promise is no quorum");
	scene_written(s, x, 1, 1);
	scene_seen(s, x, 1);
	EXPECT(!x->ended, "a STALE minority has ended a healthy session");
	scene_heal(s);
	EXPECT(scene_is_ready(s, y, SCENE_EVENTUALLY), "Y did not serve");
	EXPECT(scene_is_ended(s, x, SCENE_EVENTUALLY), "the fenced session goes on");
}

static void parting_by_epochs(struct scene *s)
{
	struct attached *x = scene_begin(s, 7), *y;

	GOES_ON();
	scene_leave_tail(s, x, A, 20, 2); /* (e1, 9), (e1, 10) */
	scene_heal(s);
	scene_isolate(s, A);
	y = scene_serve(s, Y); /* (e2, 9) is NEW_EPOCH */
	scene_written(s, y, 30, 1);
	scene_heal(s);
	EXPECT(scene_is_level(s, y, SCENE_EVENTUALLY), "A did not come level");
	scene_run(s, 3000);
	EXPECT(epoch_equal(scene_position(s, A).epoch, scene_position(s, B).epoch), "the logs differ");
	scene_compare(s, 64);
	scene_kill(s, Y);
	scene_kill(s, C);
	scene_back(s, X);
	scene_seen(s, scene_serve(s, X), 30);
}

static void promise_survives(struct scene *s)
{
	struct attached *x = scene_begin(s, 3), *y;
	struct scene_io *w;

	GOES_ON();
	/* Y opens B and C; B forgets it; X has A, and asks B again. */
	scene_isolate(s, A);
	scene_cut_both(s, X, C);
	scene_cut_both(s, X, B);
	y = scene_serve(s, Y);
	scene_written(s, y, 1, 1);
	GOES_ON();
	scene_power_off(s, B);
	scene_back(s, B);
	scene_heal(s);
	scene_cut_both(s, Y, B);
	scene_cut_both(s, Y, A);
	scene_cut_both(s, X, C);
	w = scene_write(s, x, 1, 1);
	scene_is_answered(s, w, 15000);
	EXPECT(!(w->answered && w->rc == 0), "a replica has forgotten what it promised");
	scene_heal(s);
	scene_seen(s, y, 1);
}

static void fenced_queue(struct scene *s)
{
	struct attached *x = scene_begin(s, 3), *y;
	struct scene_io *w;
	uint32_t newer;

	GOES_ON();
	scene_isolate(s, X);
	w = scene_write(s, x, 1, 1); /* waits: policy queue */
	y = scene_serve(s, Y);
	newer = scene_written(s, y, 1, 1);
	scene_detach(s, y);
	GOES_ON();
	EXPECT(!w->answered, "it must wait");
	scene_heal(s);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == -EIO,
		"the fenced device must answer EIO");
	EXPECT(scene_is_ended(s, x, SCENE_EVENTUALLY), "the fenced session goes on");
	y = scene_serve(s, Y);
	EXPECT(scene_seen(s, y, 1) == newer, "a fenced device's queue has landed on another's data");
}

static void failed_write_once(struct scene *s)
{
	struct attached *x = scene_begin(s, 3);
	struct scene_io *w;
	uint32_t newer, seen;

	GOES_ON();
	scene_cut_both(s, X, B);
	scene_cut_both(s, X, C);
	w = scene_write(s, x, 1, 1);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == -EIO, "policy error answers EIO");
	scene_heal(s);
	seen = scene_seen(s, x, 1); /* it may have committed */
	newer = scene_written(s, x, 1, 1);
	GOES_ON();
	EXPECT(seen <= w->write, "the reads are out of order");
	for (unsigned i = 0; i < 3; i++) {
		scene_run(s, 3000);
		EXPECT(scene_seen(s, x, 1) == newer, "a failed write has come back");
	}
	scene_detach(s, x);
	x = scene_serve(s, Y);
	EXPECT(scene_seen(s, x, 1) == newer, "a failed write has come back");
}

static void own_epoch_commits(struct scene *s)
{
	struct attached *x = scene_begin(s, 2), *z;
	uint64_t seq = scene_last_seq(x);

	GOES_ON();
	/* Raft's figure 8: an older entry on a quorum is not committed until one of the own epoch is. */
	scene_leave_tail(s, x, A, 5, 1);
	scene_heal(s);
	scene_isolate(s, A);
	scene_attach(s, Y); /* NEW_EPOCH on B only */
	scene_hold(s, Y, C, MESSAGE_APPEND, seq + 1);
	EXPECT(scene_reaches(s, B, seq + 1), "B did not get NEW_EPOCH");
	scene_kill(s, Y);
	scene_heal(s);
	scene_isolate(s, B);
	scene_back(s, X);
	/* A's (e1) tail reaches C; NEW_EPOCH of e3 does not. */
	scene_hold(s, X, C, MESSAGE_APPEND, seq + 2);
	scene_hold(s, X, A, MESSAGE_MATCH, 0);
	x = scene_attach(s, X);
	EXPECT(scene_is_held(s, X, A), "A was not matched");
	scene_slow_disk(s, A, 4900);
	scene_heal_keep(s);
	scene_isolate(s, B);
	EXPECT(scene_reaches(s, C, seq + 1), "C did not get the tail");
	scene_run(s, 500);
	EXPECT(!x->ready && pool_replica_commit_seq(scene_store(s, C)) <= seq,
		"an entry of an older epoch was committed by itself");
	scene_kill(s, X);
	scene_kill(s, A);
	scene_heal(s);
	scene_back(s, Y);
	z = scene_serve(s, Y);
	scene_written(s, z, 7, 1);
}

static void damage_is_told(struct scene *s)
{
	struct attached *x = scene_begin(s, 8);
	uint64_t first = disk_newest(s->c->nodes[C].pools[0].disk);

	GOES_ON();
	scene_written(s, x, 9, 1);
	scene_run_us(s, 300);
	EXPECT(disk_newest(s->c->nodes[C].pools[0].disk) != first, "the scene is not what it says");
	first = disk_newest(s->c->nodes[C].pools[0].disk);
	scene_run(s, 20); /* a mark calls it durable */
	scene_power_off(s, C);
	disk_spoil_at(s->c->nodes[C].pools[0].disk, first);
	scene_isolate(s, C);
	scene_back(s, C);
	GOES_ON();
	EXPECT(scene_is_incomplete(s, C), "a damaged batch that was durable is taken for a torn tail");
	scene_heal(s);
	EXPECT(scene_is_level(s, x, 60000), "C was not made complete");
}

/* C has an entry in its ring alone, and doesn't know yet that it is committed, when it rots: that is found
 * when it is applied, in the middle of a session. */
static void ring_rots(struct scene *s)
{
	struct attached *x = scene_begin(s, 8);
	struct disk *disk = s->c->nodes[C].pools[0].disk;
	uint64_t entry, seq = scene_last_seq(x) + 1;
	struct scene_io *io;

	GOES_ON();
	io = scene_write(s, x, 9, 1);
	EXPECT(scene_reaches(s, C, seq), "C has no entry");
	entry = disk_newest(disk);
	scene_isolate(s, C);
	EXPECT(scene_is_answered(s, io, SCENE_EVENTUALLY), "no write");
	scene_run(s, 20); /* a mark calls it durable */
	scene_power_off(s, C);
	scene_back(s, C);
	EXPECT(!scene_is_incomplete(s, C), "the scene is not what it says");
	disk_spoil_at(disk, entry + BLOCK_BYTES);
	scene_heal(s);
	scene_run(s, 5000);
	EXPECT(scene_is_level(s, x, 60000), "C was not made complete");
	EXPECT(!scene_is_incomplete(s, C), "C knows that it is damaged, and its session doesn't");
}

const struct scenario scenarios_log[] = {
	{ "restamped-entries", "adopted entries keep their birth: a longer old log is not beaten by a stamp",
		"1", { "restamp" }, .run = restamped_entries },
	{ "equal-epoch", "no two sessions ever serve in one epoch", "2", { "equal_epoch" },
		.run = equal_epoch },
	{ "divergent-answer", "the tail of a dead session does not count for the quorum", "3",
		{ "count_unmatched" }, .run = divergent_answer },
	{ "divergent-tail-stays", "commit_seq says nothing of a log that was not compared with the session's",
		"4", { "commit_beyond_matched" }, .run = divergent_tail_stays },
	{ "answer-after-promise", "what is acknowledged in the old epoch is in the position that is promised",
		"5", { "ack_after_promise" }, .run = answer_after_promise },
	{ "fenced-queue", "what waited on a fenced device never lands on its successor's data", "9",
		{ "ignore_epoch" }, .run = fenced_queue },
	{ "answer-goes-backwards", "a voter that has lost what it acknowledged becomes incomplete first",
		"11", { "forget_regress" }, .run = answer_goes_backwards },
	{ "damage-is-told", "damage below what is durable makes the replica incomplete", "11, 25",
		{ "damage_is_tail" }, .run = damage_is_told },
	{ "ring-rots", "an entry that can't be read when it is applied makes the replica incomplete, at once",
		"11, 25", { "damage_untold" }, .run = ring_rots },
	{ "promise-survives", "a promise survives the loss of power", "14", { "forget_promise" },
		.run = promise_survives },
	{ "stale-minority", "STALE from a minority does not end a healthy session", "28",
		{ "stale_minority_ends" }, .run = stale_minority },
	{ "failed-write-once", "a write that was answered EIO may commit once, and never comes back", "37",
		{ "failed_write_again" }, .run = failed_write_once, .error_after_ms = 2000 },
	{ "parting-by-epochs", "logs part where their epochs do, not at the shorter one's end", "38",
		{ "parting_by_position" }, .run = parting_by_epochs },
	{ "choice-is-final", "a session that has sent an entry never chooses another log", "model 2",
		{ "choose_twice" }, .run = choice_is_final },
	{ "own-epoch-commits", "an older epoch's entry commits only with one of the own epoch",
		"3 (Raft, figure 8)", { "commit_old_epoch" }, .run = own_epoch_commits },
	{ 0 },
};
