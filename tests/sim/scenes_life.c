/* Scenes of nodes and disks: power, full rings, dead processes, clean leaves, the kvdb away. */
#include <errno.h>

#include "sim/scene.h"
#include "store/store.h"

static void power_cut_of_all(struct scene *s)
{
	for (unsigned round = 0; round < 12; round++) {
		struct attached *x = scene_serve(s, X);

		GOES_ON();
		for (uint32_t i = 0; i < 6; i++)
			scene_write(s, x, i, 1 + i % 3);
		/* Valid records behind a hole are normal then, not damage. */
		scene_run_us(s, 30 + 40 * round);
		for (unsigned n = A; n <= C; n++)
			scene_power_off(s, n);
		scene_kill(s, X);
		for (unsigned n = A; n <= C; n++)
			scene_back(s, n);
		scene_back(s, X);
		GOES_ON();
		for (unsigned n = A; n <= C; n++)
			EXPECT(!scene_is_incomplete(s, n), "a torn tail was taken for damage, round %u",
				round);
	}
	{
		struct attached *x = scene_serve(s, X);

		for (uint32_t i = 0; i < 8; i++)
			scene_seen(s, x, i);
		EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
		scene_run(s, 3000);
		scene_compare(s, 16);
	}
}

/* v1's coordinator sees only node 1 of its voters 1, 2, 3: what it appends stays uncommitted there. */
static struct attached *pin_ring(struct scene *s)
{
	struct sim_volume *v1 = &s->c->volumes[1];
	struct attached *a;

	attach(v1, &s->c->nodes[Y], 0);
	a = attached_current(v1);
	loop_sim_kick(&s->c->sim, Y);
	if (!scene_is_ready(s, a, SCENE_EVENTUALLY)) {
		cluster_violation(s->c, "the other volume did not serve");
		return a;
	}
	scene_cut_both(s, Y, 2);
	scene_cut_both(s, Y, 3);
	for (uint32_t i = 0; i < 30; i++)
		scene_write(s, a, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	scene_run(s, 2000);
	return a;
}

static void pinned_ring(struct scene *s)
{
	struct attached *x = scene_serve(s, X), *other;
	uint64_t committed;

	GOES_ON();
	other = pin_ring(s);
	GOES_ON();
	committed = scene_commit_seq(other);
	scene_isolate(s, A);               /* so that node 1 is needed */
	for (uint32_t i = 0; i < 150; i++) /* some five times round the ring: whole grains go past it */
		scene_written(s, x, i % 20 * GRAIN_BLOCKS, GRAIN_BLOCKS - 1);
	GOES_ON();
	EXPECT(scene_commit_seq(other) == committed, "the scene is not what it says: it has a quorum");
	scene_heal(s);
	EXPECT(scene_is_level(s, other, 60000), "the pinned volume did not go on");
	scene_seen(s, other, 0);
}

static void clean_leave(struct scene *s)
{
	struct attached *x = scene_begin(s, 4), *y;
	struct scene_io *w;
	uint32_t last = 0;

	GOES_ON();
	/* C leaves cleanly: its pool is closed in order, then its process ends. Writes go on. */
	node_reopen_pool(&s->c->nodes[C], 0);
	scene_run(s, 2);
	scene_kill(s, C);
	for (uint32_t i = 0; i < 5; i++)
		last = scene_written(s, x, i, 1);
	GOES_ON();
	/* The group loses its quorum during that shutdown. */
	scene_kill(s, B);
	w = scene_write(s, x, 6, 1);
	EXPECT(!scene_is_answered(s, w, 5000), "one of three is no quorum");
	scene_kill(s, A);
	scene_kill(s, X);
	/* C rejoins first: it is behind, and known to be. */
	scene_back(s, C);
	y = scene_attach(s, Y);
	EXPECT(!scene_is_ready(s, y, 10000), "a replica that left cleanly is taken for the newest");
	scene_back(s, B);
	EXPECT(scene_is_ready(s, y, 60000), "B and C are a quorum");
	EXPECT(scene_seen(s, y, 4) == last, "writes after the leave are lost");
	EXPECT(scene_is_level(s, y, 60000) || scene_voter_status(y, A) == REPLICA_AWAY, "C is not level");
	scene_back(s, A);
	EXPECT(scene_is_level(s, y, 60000), "A did not come level");
	scene_run(s, 3000);
	scene_compare(s, 16);
}

static void restart_without_kvdb(struct scene *s)
{
	struct attached *x = scene_begin(s, 4), *late;
	struct record old = s->v->record;

	GOES_ON();
	/* The agent dies and starts again with the kvdb away: it raises `restart`, from its own disk. */
	scene_kill(s, X);
	scene_back(s, X);
	s->c->kvdb_back_ns = UINT64_MAX;
	x = scene_serve(s, X);
	s->c->kvdb_back_ns = 0;
	scene_written(s, x, 1, 1);
	GOES_ON();
	/* Whoever still carries the former epoch is fenced by it. */
	s->v->record = old;
	s->v->record.number--;
	s->v->record.holder = Y;
	late = scene_attach(s, Y);
	EXPECT(scene_is_ended(s, late, SCENE_EVENTUALLY), "the epoch before the restart is taken");
	scene_seen(s, x, 1);
}

static void kvdb_outage(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	GOES_ON();
	/* Nobody asks the kvdb for anything here: replicas come, go, lag and catch up all the same. */
	for (unsigned n = A; n <= C; n++) {
		scene_kill(s, n);
		scene_write_many(s, x, 8 * n, 6);
		scene_run(s, 60000);
		scene_back(s, n);
		EXPECT(scene_is_level(s, x, 60000), "the voters did not get level");
	}
	EXPECT(!x->ended, "the attachment must live on");
	scene_run(s, 3000);
	scene_compare(s, 32);
}

static void failover(struct scene *s)
{
	struct attached *x = scene_begin(s, 8), *y;
	uint64_t from_ns;

	GOES_ON();
	(void)x;
	scene_power_off(s, X); /* without a word */
	from_ns = s->c->sim.now_ns;
	y = scene_serve(s, Y);
	scene_written(s, y, 0, 1);
	/* Of the bound of 15 s this part is the group lease with its margin, and the open. */
	EXPECT(s->c->sim.now_ns - from_ns < 5 * NS_PER_S, "the takeover took %llu ms",
		(unsigned long long)((s->c->sim.now_ns - from_ns) / NS_PER_MS));
	for (uint32_t i = 1; i < 8; i++)
		scene_seen(s, y, i);
}

static void released_is_followed_at_once(struct scene *s)
{
	struct attached *x = scene_begin(s, 2), *y;
	uint64_t from_ns;

	GOES_ON();
	scene_detach(s, x);
	from_ns = s->c->sim.now_ns;
	y = scene_serve(s, Y);
	EXPECT(s->c->sim.now_ns - from_ns < NS_PER_S, "leases that were released were waited for");
	scene_seen(s, y, 1);
}

static void no_quorum_queues(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);
	struct scene_io *w, *r;

	GOES_ON();
	scene_kill(s, A);
	scene_kill(s, B);
	w = scene_write(s, x, 1, 1);
	scene_run(s, 5000);
	r = scene_read(s, x, 2, 1);
	scene_run(s, 60000);
	EXPECT(!w->answered && !r->answered, "one of three is no quorum");
	scene_back(s, A);
	EXPECT(scene_is_answered(s, w, SCENE_EVENTUALLY) && w->rc == 0, "the write did not go on by itself");
	EXPECT(scene_is_answered(s, r, SCENE_EVENTUALLY) && r->rc == 0, "the read did not go on by itself");
}

static void choice_source_lost(struct scene *s)
{
	struct attached *x = scene_begin(s, 2), *y;
	uint64_t seq = scene_last_seq(x);

	GOES_ON();
	/* A has one entry more than the others; Y adopts its log, sends its first entry, and A dies for ever.
	 */
	scene_leave_tail(s, x, A, 5, 1);
	scene_heal(s);
	scene_hold(s, Y, B, MESSAGE_MATCH, 0);
	scene_cut_both(s, Y, C);
	y = scene_attach(s, Y);
	EXPECT(scene_reaches(s, A, seq + 2), "A did not get NEW_EPOCH");
	scene_power_off(s, A);
	scene_heal(s);
	EXPECT(scene_is_ended(s, y, 30000),
		"B and C have all that was acknowledged, and wait for A for ever");
	EXPECT(!y->outdated, "its session alone is over: the next may open by what this one did");
	scene_detach(s, y);
	y = scene_serve(s, Y);
	GOES_ON();
	scene_seen(s, y, 1);
	scene_written(s, y, 3, 1);
}

static void rotten_block_elsewhere(struct scene *s)
{
	struct attached *x = scene_serve(s, A);
	struct random random;

	GOES_ON();
	random_init(&random, 7);
	for (uint32_t i = 0; i < 8; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	scene_run(s, 5000);
	for (unsigned i = 0; i < 60; i++)
		disk_rot(s->c->nodes[A].pools[0].disk, &random);
	for (uint32_t i = 0; i < 8 * GRAIN_BLOCKS; i++)
		scene_seen(s, x, i);
}

static void failed_pool(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	GOES_ON();
	s->c->nodes[B].may_fail = true;
	disk_fail(s->c->nodes[B].pools[0].disk, 1, -EIO);
	scene_write_many(s, x, 4, 8);
	GOES_ON();
	EXPECT(scene_voter_status(x, B) == REPLICA_AWAY, "a pool whose flush has failed still answers");
	scene_kill(s, B);
	disk_fail(s->c->nodes[B].pools[0].disk, 0, 0);
	scene_back(s, B);
	EXPECT(scene_is_level(s, x, 60000), "B did not come level");
	scene_run(s, 3000);
	scene_compare(s, 16);
}

/* It is there, and has answered since it came. */
static bool voter_answers(struct attached *a, unsigned voter)
{
	struct volume_stats stats;

	volume_stats_get(a->volume, &stats);
	return stats.voters[voter].status != REPLICA_AWAY;
}

static void hanging_pool(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);

	GOES_ON();
	s->c->nodes[B].may_fail = true;
	disk_hang(s->c->nodes[B].pools[0].disk, 1);
	scene_write_many(s, x, 4, 8);
	GOES_ON();
	scene_run(s, DEVICE_WAIT_MS + 2000);
	/* Nor does it seem to, each time that its node is connected to again: who looks replaces it in the
	 * end. */
	for (unsigned i = 0; i < 40; i++) {
		EXPECT(!voter_answers(x, B), "a pool whose device hangs still answers");
		scene_run(s, 500);
	}
	scene_written(s, x, 2, 1);
	scene_kill(s, B);
	disk_hang(s->c->nodes[B].pools[0].disk, 0);
	scene_back(s, B);
	EXPECT(scene_is_level(s, x, 60000), "B did not come level");
	scene_run(s, 3000);
	scene_compare(s, 16);
}

/* The disk under the holder's own replica hangs with a read in it: it is had from elsewhere, all the same. */
static void hanging_read(struct scene *s)
{
	struct attached *x = scene_serve(s, A);
	uint32_t newest = scene_written(s, x, 1, 2);
	struct scene_io *io;

	scene_run(s, 5000);
	s->c->nodes[A].may_fail = true;
	disk_hang(s->c->nodes[A].pools[0].disk, 1);
	io = scene_read(s, x, 0, 4);
	EXPECT(scene_is_answered(s, io, DEVICE_WAIT_MS + 5000) && io->rc == 0,
		"a read waits for a disk that hangs");
	EXPECT(scene_seen(s, x, 1) == newest, "another write was read");
	/* What the disk had to put somewhere comes late. */
	disk_hang(s->c->nodes[A].pools[0].disk, 0);
	scene_run(s, 1000);
	EXPECT(scene_seen(s, x, 2) == newest, "another write was read");
}

/* What A reads itself it can't read; it is had from elsewhere, until A's pool is given up. */
static void many_bad_reads(struct scene *s)
{
	struct attached *x = scene_begin(s, 4);
	const uint32_t grains = 34;

	for (uint32_t i = 0; i < grains; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, 1);
	scene_run(s, 5000);
	s->c->nodes[A].may_fail = true;
	disk_fail_reads(s->c->nodes[A].pools[0].disk, true);
	for (uint32_t i = 0; i < grains; i++)
		scene_seen(s, x, i * GRAIN_BLOCKS);
	scene_run(s, 1000);
	EXPECT(!voter_answers(x, A), "a pool that fails reads everywhere still answers");
	GOES_ON();
	for (uint32_t i = 0; i < grains; i++)
		scene_seen(s, x, i * GRAIN_BLOCKS);
}

static void steward_gives_way(struct scene *s)
{
	struct attached *x = scene_begin(s, 4), *y;
	uint32_t last;
	uint64_t from_ns;

	GOES_ON();
	/* C misses what is written last, and comes back when nobody has the volume. */
	scene_kill(s, C);
	last = scene_written(s, x, 2, 1);
	scene_detach(s, x);
	scene_back(s, C);
	s->v->as_steward = true;
	y = scene_serve(s, Y);
	EXPECT(scene_is_level(s, y, 20000), "a steward does not bring C up to the others");
	/* It hangs; whoever wants the volume waits for nothing. */
	scene_pause(s, Y, 20000);
	scene_power_off(s, A);
	from_ns = s->c->sim.now_ns;
	x = scene_serve(s, X);
	EXPECT(s->c->sim.now_ns - from_ns < NS_PER_S, "a steward's leases were waited for: %llu ms",
		(unsigned long long)((s->c->sim.now_ns - from_ns) / NS_PER_MS));
	EXPECT(scene_seen(s, x, 2) == last, "an acknowledged write is lost");
	last = scene_written(s, x, 3, 1);
	EXPECT(scene_is_ended(s, y, 60000), "a steward that was succeeded goes on");
	EXPECT(scene_seen(s, x, 3) == last, "a steward has undone a write");
}

const struct scenario scenarios_life[] = {
	{ "power-cut-of-all",
		"power lost everywhere at once: torn tails, no damage, nothing acknowledged lost", "25",
		{ "ack_before_durable" }, .run = power_cut_of_all },
	{ "pinned-ring", "a group without quorum holds up no other group of its pools", "26",
		{ "no_carry_forward" }, .run = pinned_ring, .volumes = 2,
		.journal_bytes = UINT64_C(4) << 20 },
	{ "kvdb-outage", "with the kvdb away replicas come, go and catch up", "27", { "away_for_good" },
		.run = kvdb_outage },
	{ "restart-without-kvdb", "an agent that restarts with the kvdb away raises `restart`", "31",
		{ "restart_ignored" }, .run = restart_without_kvdb },
	{ "choice-source-lost", "a session whose chosen log is lost ends, so that another can begin",
		"model 2", { "lost_is_outdated" }, .run = choice_source_lost },
	{ "clean-leave", "a replica that left cleanly is behind, and known to be behind", "clean leave",
		{ "quorum_of_one" }, .run = clean_leave },
	{ "failover", "the holder dies without a word: the next serves within the bound", "27",
		{ "question_renews" }, .run = failover },
	{ "steward-gives-way", "a steward repairs, and whoever wants the volume waits for nothing", "29",
		{ "steward_takes_leases" }, .run = steward_gives_way },
	{ "released-is-followed-at-once", "a released session's leases are not waited for", "40",
		{ "release_unheard" }, .run = released_is_followed_at_once },
	{ "no-quorum-queues", "queued requests go on by themselves when the quorum returns", "policy queue",
		{ "quorum_of_one" }, .run = no_quorum_queues },
	{ "rotten-block-elsewhere", "a rotten block is read from another replica", "22", { "skip_crc" },
		.run = rotten_block_elsewhere },
	{ "failed-pool", "a pool whose write has failed answers nobody, and comes back whole", "store 17",
		{ "failed_write_ignored" }, .run = failed_pool },
	{ "hanging-pool", "a pool whose device does not answer is away in time, and comes back whole",
		"store 17", { "hang_unnoticed", "silence_is_health" }, .run = hanging_pool },
	{ "hanging-read", "a read that a disk does not answer is had from elsewhere when its pool has failed",
		"store 17", { "failed_reads_wait" }, .run = hanging_read },
	{ "many-bad-reads", "a pool whose device fails reads in many places is away, and nothing is lost",
		"store 17", { "bad_reads_unnoticed" }, .run = many_bad_reads },
	{ 0 },
};
