/* Scenes of reads and leases: nothing old is ever returned, whatever clocks, queues and pauses do. */
#include <errno.h>

#include "sim/scene.h"
#include "store/store.h"

/* Y serves on two voters while X still sees the third, and writes block 0 anew. Its number. */
static uint32_t succeed_unseen(struct scene *s, unsigned one, unsigned other)
{
	struct attached *y;

	scene_cut_both(s, Y, A + B + C - one - other);
	y = scene_attach(s, Y);
	if (!scene_is_ready(s, y, 60000)) {
		cluster_violation(s->c, "Y did not serve");
		return 0;
	}
	return scene_written(s, y, 0, 1);
}

static void lease_from_question(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);
	struct scene_io *r;

	GOES_ON();
	/* B's answer lies in a queue; B grants until 3.3 s after it gave it. */
	scene_cut_both(s, X, C);
	scene_hold(s, B, X, MESSAGE_APPEND_ANSWER, 0);
	EXPECT(scene_is_held(s, B, X), "no answer came");
	scene_cut(s, X, B);
	succeed_unseen(s, B, C);
	GOES_ON();
	r = scene_read(s, x, 0, 1);
	scene_run(s, 100);
	net_sim_cut(s->c->net, B, X, false); /* now it arrives */
	scene_run(s, 100);
	EXPECT(!r->answered || r->rc != 0, "a lease that had ended let a stale read through");
}

static void lease_checked_with_data(struct scene *s)
{
	struct attached *x = scene_serve(s, A);
	struct scene_io *r;

	GOES_ON();
	scene_written(s, x, 0, 1);
	scene_run(s, 5000); /* applied */
	scene_slow_disk(s, A, 4900);
	scene_cut_both(s, A, B);
	scene_cut_both(s, A, C);
	scene_run(s, 10);
	r = scene_read(s, x, 0, 1); /* valid now; from A's slow disk, which it can't be turned away from */
	succeed_unseen(s, B, C);
	GOES_ON();
	EXPECT(!r->answered, "the scene is not what it says: the disk was not slow enough");
	scene_is_answered(s, r, 30000);
	EXPECT(!r->answered || r->rc != 0, "a lease that was valid when the read began let it through");
}

static void fenced_read(struct scene *s)
{
	struct attached *x = scene_serve(s, A), *y;
	struct scene_io *r;

	GOES_ON();
	scene_written(s, x, 0, 1);
	scene_run(s, 5000); /* applied */
	scene_slow_disk(s, A, 4900);
	r = scene_read(s, x, 0, 1);
	scene_run(s, 10);
	scene_fast_disk(s, A);
	scene_isolate(s, A);
	y = scene_attach(s, Y);
	EXPECT(scene_is_ready(s, y, 10000), "Y did not serve");
	scene_written(s, y, 0, 1);
	scene_heal(s);
	EXPECT(scene_is_ended(s, x, 10000), "the fenced session goes on");
	EXPECT(!r->answered || r->rc != 0, "the scene is not what it says: the disk was not slow enough");
	scene_is_answered(s, r, 90000);
	EXPECT(!r->answered || r->rc == -EIO, "a session that has ended answers a read");
}

static void lease_survives_restart(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);
	struct scene_io *r;

	GOES_ON();
	/* X holds leases of B and C, who restart at once and are asked by Y. */
	scene_cut_both(s, X, B);
	scene_cut_both(s, X, C);
	scene_kill(s, B);
	scene_kill(s, C);
	scene_back(s, B);
	scene_back(s, C);
	succeed_unseen(s, B, C);
	GOES_ON();
	r = scene_read(s, x, 0, 1);
	scene_run(s, 200);
	EXPECT(!r->answered || r->rc != 0, "a restarted replica has forgotten the leases that it granted");
}

/* The agent of X is killed, and is back at once: nobody waits for leases of a session that is dead. */
static void dead_session_is_named(struct scene *s)
{
	struct attached *x = scene_begin(s, 2);
	uint32_t last;

	GOES_ON();
	last = scene_written(s, x, 1, 1);
	scene_kill(s, X);
	scene_back(s, X);
	x = scene_attach(s, X);
	EXPECT(s->v->record.dead_session != 0, "the scene is not what it says: no session was named");
	EXPECT(scene_is_ready(s, x, 500), "a dead session's leases were waited for");
	EXPECT(scene_seen(s, x, 1) == last, "an acknowledged write is lost");
}

/* Y names a session of its own as dead, which may well be so; X lives, and still has leases. */
static void another_is_not_dead(struct scene *s)
{
	struct attached *x, *y = scene_serve(s, Y);
	struct scene_io *r;

	GOES_ON();
	scene_kill(s, Y);
	scene_back(s, Y);
	x = scene_begin(s, 1);
	GOES_ON();
	scene_cut_both(s, X, B);
	scene_cut_both(s, X, C);
	scene_cut_both(s, Y, A);
	y = scene_attach(s, Y);
	EXPECT(s->v->record.dead_session != 0, "the scene is not what it says: no session was named");
	EXPECT(scene_is_ready(s, y, 60000), "Y did not serve");
	scene_written(s, y, 0, 1);
	r = scene_read(s, x, 0, 1);
	scene_run(s, 200);
	EXPECT(!r->answered || r->rc != 0, "Y was served while X's lease still ran");
}

static void lease_is_waited_for(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);
	struct scene_io *r;

	GOES_ON();
	scene_cut_both(s, X, B);
	scene_cut_both(s, X, C);
	succeed_unseen(s, B, C);
	GOES_ON();
	r = scene_read(s, x, 0, 1);
	scene_run(s, 200);
	EXPECT(!r->answered || r->rc != 0, "Y was served while X's lease still ran");
}

/* The same with X's clock slow, as far as the margin allows: it believes in its lease longer. */
static void lease_with_drift(struct scene *s)
{
	lease_is_waited_for(s);
}

/* A's replica has promised Y nothing: it is what A's session finds beside it when it wakes up. */
static void pause_of_the_holder(struct scene *s)
{
	struct attached *x = scene_serve(s, A), *y;
	struct scene_io *r, *w, *late;

	GOES_ON();
	scene_written(s, x, 0, 1);
	scene_run(s, 5000); /* applied */
	r = scene_read(s, x, 0, 1);
	w = scene_write(s, x, 1, 1);
	scene_pause(s, A, 15000); /* SIGSTOP with both in flight */
	y = scene_serve(s, Y);
	GOES_ON();
	scene_written(s, y, 0, 1);
	scene_written(s, y, 1, 1);
	late = scene_read(s, x, 0, 1); /* the first thing that is done after the pause */
	scene_run(s, 16000);
	EXPECT(r->answered && w->answered && late->answered, "the fenced session left requests unanswered");
	EXPECT(late->rc == -EIO, "a session that slept through its lease answers a read");
	EXPECT(w->rc == -EIO || w->rc == 0, "it was answered with something else");
	EXPECT(x->ended, "the fenced session goes on");
	scene_seen(s, y, 0);
	scene_seen(s, y, 1);
}

static void local_replica_behind(struct scene *s)
{
	struct attached *x = scene_serve(s, A);
	uint32_t last[12];

	GOES_ON();
	scene_written(s, x, 0, 12 * GRAIN_BLOCKS > 16 ? 16 : 1);
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	for (uint32_t i = 0; i < 12; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	scene_slow_disk(s, A, 4000);
	for (uint32_t i = 0; i < 12; i++)
		last[i] = scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	GOES_ON();
	EXPECT(scene_position(s, A).seq < scene_last_seq(x),
		"the scene is not what it says: A is not behind");
	for (uint32_t i = 0; i < 12; i++)
		EXPECT(scene_seen(s, x, i * GRAIN_BLOCKS) == last[i], "a read from a replica that is behind");
}

static void one_way_partition(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);

	GOES_ON();
	/* X's frames arrive, the answers don't: the voters renew nothing that X can count. */
	scene_cut(s, B, X);
	scene_cut(s, C, X);
	succeed_unseen(s, B, C);
	GOES_ON();
	(void)scene_read(s, x, 0, 1);
	scene_run(s, 5000);
	scene_heal(s);
	EXPECT(scene_is_ended(s, x, SCENE_EVENTUALLY), "the fenced session goes on");
}

static void uncommitted_is_not_read(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;
	struct scene_io *w, *r;
	uint32_t seen;

	GOES_ON();
	scene_cut(s, X, B);
	scene_cut(s, X, C);
	w = scene_write(s, x, 0, 1); /* on A only */
	EXPECT(scene_reaches(s, A, scene_last_seq(x)), "A did not get it");
	r = scene_read(s, x, 0, 1);
	scene_is_answered(s, r, 1000);
	seen = r->answered && r->rc == 0 ? r->write : 0;
	EXPECT(seen != w->write, "a read saw what may yet be rolled back");
	scene_kill(s, X);
	scene_kill(s, A);
	y = scene_serve(s, Y);
	scene_seen(s, y, 0);
}

/* A is asked first, and is cut off: that its connection is dead shows after seconds. */
static void read_turns_away(struct scene *s)
{
	struct attached *x = scene_begin(s, 2);
	struct scene_io *r;

	GOES_ON();
	scene_cut_both(s, X, A);
	r = scene_read(s, x, 0, 1);
	EXPECT(scene_is_answered(s, r, 500) && r->rc == 0, "a read waits for a replica that is cut off");
	r = scene_read(s, x, 1, 1);
	EXPECT(scene_is_answered(s, r, 20) && r->rc == 0, "the next read asks it first again");
	scene_heal(s);
	scene_run(s, 6000);
	scene_seen(s, x, 0);
}

/* B's and C's answers are late, but come: patience grows until one is in time. */
static void all_are_slow(struct scene *s)
{
	struct attached *x = scene_begin(s, 2);
	struct scene_io *r;

	GOES_ON();
	scene_run(s, 5000); /* applied */
	for (unsigned i = A; i <= C; i++)
		scene_slow_disk(s, i, 1500);
	r = scene_read(s, x, 0, 1);
	EXPECT(scene_is_answered(s, r, 8000) && r->rc == 0, "a read was turned away for ever");
}

static void quorum_reads(struct scene *s)
{
	struct attached *x = scene_begin(s, 2);
	struct scene_io *r;

	GOES_ON();
	EXPECT(scene_seen(s, x, 1) != 0, "it reads");
	scene_cut_both(s, X, B);
	scene_cut_both(s, X, C);
	r = scene_read(s, x, 1, 1); /* X's clock may stand still: no lease helps it */
	EXPECT(!scene_is_answered(s, r, 1500), "a read without a quorum's answer");
	scene_heal(s);
	EXPECT(scene_is_answered(s, r, SCENE_EVENTUALLY) && r->rc == 0,
		"it waits for the quorum, and goes on");
}

const struct scenario scenarios_lease[] = {
	{ "lease-from-question",
		"a lease counts from the sending of the question, not from the answer's arrival", "15",
		{ "lease_from_receipt" }, .run = lease_from_question },
	{ "lease-checked-with-data", "a lease is checked when the data is in hand", "16",
		{ "check_before_read" }, .run = lease_checked_with_data },
	{ "fenced-read", "a read that is under way when its session ends is not answered with data", "16",
		{ "fenced_still_reads" }, .run = fenced_read },
	{ "pause-of-the-holder", "a stopped process (SIGSTOP) that wakes up reads nothing old", "16",
		{ "expired_lease" }, .run = pause_of_the_holder },
	{ "read-turns-away", "a read doesn't wait for a replica that is cut off", "Reads",
		{ "reads_wait_for_silence" }, .run = read_turns_away },
	{ "all-are-slow", "a read that nobody answers in time is not turned away for ever", "Reads",
		{ "patience_never_grows" }, .run = all_are_slow },
	{ "quorum-reads", "reads = quorum asks a quorum before each answer", "16",
		{ "quorum_reads_by_lease" }, .run = quorum_reads, .reads_quorum = true },
	{ "local-replica-behind", "the local replica serves only what it has", "17", { "read_from_laggard" },
		.run = local_replica_behind },
	{ "lease-survives-restart", "a restarted replica waits for the longest lease that it ever granted",
		"18", { "no_lease_wait", "restart_forgets_lease" }, .run = lease_survives_restart },
	{ "lease-is-waited-for", "a replica promises only when its leases have run out", "15 (Open, step 2)",
		{ "no_lease_wait", "expired_lease" }, .run = lease_is_waited_for },
	{ "dead-session-is-named",
		"an agent that restarts names its dead session: its leases are not waited for", "19",
		{ "dead_claim_ignored" }, .run = dead_session_is_named },
	{ "another-is-not-dead", "who names a dead session waits for the leases of every other one", "19",
		{ "dead_claim_believed" }, .run = another_is_not_dead },
	{ "lease-with-drift", "the same with clocks that drift as far as the margin", "15",
		{ "lease_without_margin" }, .run = lease_with_drift, .drift_ppm = 40000 },
	{ "one-way-partition", "answers that don't arrive grant nothing", "15", { "lease_without_answer" },
		.run = one_way_partition },
	{ "uncommitted-is-not-read", "reads see committed entries only", "21", { "read_uncommitted" },
		.run = uncommitted_is_not_read },
	{ 0 },
};
