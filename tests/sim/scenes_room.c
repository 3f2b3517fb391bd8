/* Scenes of full pools: writes are refused before they get a seq, reads and trims go on, and room comes back.
 */
#include <errno.h>

#include "sim/disk.h"
#include "sim/scene.h"
#include "store/store.h"
#include "store/usage.h"

#define GRAINS (SIM_VOLUME_BYTES / GRAIN_BYTES)

static bool has_room(struct scene *s, const void *arg)
{
	(void)arg;
	for (unsigned i = A; i <= C; i++)
		if (pool_is_full(s->c->nodes[s->v->replicas[i].node].process->pools[0]))
			return false;
	return true;
}

/* Writes grain after grain until one is refused: returns how many were taken. */
static uint32_t fill(struct scene *s, struct attached *x)
{
	for (uint32_t grain = 0; grain < GRAINS; grain++) {
		struct scene_io *w = scene_write(s, x, grain * GRAIN_BLOCKS, GRAIN_BLOCKS);

		if (!scene_is_answered(s, w, 20000)) {
			cluster_violation(s->c, "a write to a full pool was not answered");
			return 0;
		}
		if (w->rc == -ENOSPC)
			return grain;
		if (w->rc != 0) {
			cluster_violation(s->c, "a write to a full pool was answered with %d", w->rc);
			return 0;
		}
	}
	cluster_violation(s->c, "the scene is not what it says: the pools are not full");
	return 0;
}

static void full_pools(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);
	struct scene_io *io;
	uint32_t grains;

	GOES_ON();
	for (unsigned round = 0; round < 3; round++) {
		grains = fill(s, x);
		GOES_ON();
		EXPECT(grains > 20, "%u grains are no more than were free", grains);
		/* It is known by now: at once. */
		io = scene_write(s, x, 3, 1);
		EXPECT(scene_is_answered(s, io, 100) && io->rc == -ENOSPC, "a write to a full pool waits");
		scene_seen(s, x, 3);
		/* What makes room isn't behind what needs it. */
		io = scene_trim(s, x, 4 * GRAIN_BLOCKS, (grains - 8) * GRAIN_BLOCKS);
		EXPECT(scene_is_answered(s, io, 2000) && io->rc == 0, "a trim waits for room");
		EXPECT(scene_until(s, 20000, has_room, NULL), "trims have made no room");
		scene_run(s, 250); /* the coordinator hears of it */
		io = scene_write(s, x, 6 * GRAIN_BLOCKS, GRAIN_BLOCKS);
		EXPECT(scene_is_answered(s, io, 3000) && io->rc == 0,
			"there is room, and a write is refused");
		scene_seen(s, x, 6 * GRAIN_BLOCKS);
		scene_seen(s, x, 4 * GRAIN_BLOCKS);
	}
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	scene_run(s, 3000);
	scene_compare(s, (uint32_t)GRAINS * GRAIN_BLOCKS);
}

/* Many writes at once, and the pools run full under them; what is refused isn't there, the rest is. */
static void full_while_busy(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);
	struct scene_io *ios[GRAINS / 2];
	unsigned taken = 0, refused = 0;

	GOES_ON();
	for (uint32_t i = 0; i < GRAINS / 2; i++)
		ios[i] = scene_write(s, x, i * GRAIN_BLOCKS + i % 7, 1 + i % 8);
	scene_run(s, 15000);
	for (uint32_t i = 0; i < GRAINS / 2; i++) {
		EXPECT(ios[i]->answered, "a write to a full pool was not answered");
		EXPECT(ios[i]->rc == 0 || ios[i]->rc == -ENOSPC, "it was answered with %d", ios[i]->rc);
		taken += ios[i]->rc == 0;
		refused += ios[i]->rc != 0;
	}
	EXPECT(taken > 0 && refused > 0, "the scene is not what it says: %u taken, %u refused", taken,
		refused);
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	for (uint32_t i = 0; i < GRAINS / 2; i += 5)
		scene_seen(s, x, i * GRAIN_BLOCKS + i % 7);
	scene_kill(s, A);
	scene_kill(s, X);
	x = scene_serve(s, Y);
	for (uint32_t i = 0; i < GRAINS / 2; i += 5)
		scene_seen(s, x, i * GRAIN_BLOCKS + i % 7);
}

static void neighbour_made(void *arg, int rc, struct pool_replica *replica)
{
	unsigned *made = arg;

	(void)replica;
	ASSERT(rc == 0);
	++*made;
}

/* So many groups share the pool's ring from now on. */
static void add_neighbours(struct scene *s, unsigned node, unsigned count)
{
	struct process *p = s->c->nodes[node].process;
	unsigned made = 0;

	for (unsigned i = 0; i < count; i++) {
		struct pool_replica_identity identity = { .replica = uuid_random(&s->c->random),
			.group = uuid_random(&s->c->random),
			.volume = uuid_random(&s->c->random),
			.size_bytes = GRAIN_BYTES };

		pool_replica_create(p->pools[0], &identity, neighbour_made, &made);
		loop_sim_kick(&s->c->sim, node);
		scene_run(s, 100);
	}
	EXPECT(made == count, "the scene is not what it says: the neighbours were not made");
}

/* What A took for its part, alone, is more than B and C have as their share by then. */
static void adopted_beyond_share(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;
	uint64_t seq = scene_last_seq(x);

	GOES_ON();
	for (unsigned i = B; i <= C; i++)
		scene_cut(s, X, i);
	scene_write(s, x, 0, GRAIN_BLOCKS);
	EXPECT(scene_reaches(s, A, seq + 1), "A did not get the tail");
	scene_kill(s, X);
	for (unsigned i = B; i <= C; i++)
		add_neighbours(s, i, 3);
	GOES_ON();
	scene_heal(s);
	EXPECT(pool_replica_room(scene_store(s, B)) < GRAIN_BYTES,
		"the scene is not what it says: there is room");
	/* Without A the others would go on without its tail. */
	scene_isolate(s, C);
	y = scene_serve(s, Y);
	GOES_ON();
	scene_heal(s);
	EXPECT(scene_is_level(s, y, 60000), "C did not come level");
	scene_run(s, 3000);
	scene_compare(s, 64);
}

/* The second volume, whose replicas are on nodes 1 to 3, served by Y. */
static struct attached *serve_other(struct scene *s)
{
	attach(&s->c->volumes[1], &s->c->nodes[Y], 0);
	loop_sim_kick(&s->c->sim, Y);
	if (!scene_is_ready(s, attached_current(&s->c->volumes[1]), SCENE_EVENTUALLY))
		cluster_violation(s->c, "the other volume did not serve");
	return attached_current(&s->c->volumes[1]);
}

static void write_grains(struct scene *s, struct attached *a, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count && !s->c->violation[0]; i++)
		scene_written(s, a, (first + i) * GRAIN_BLOCKS, GRAIN_BLOCKS);
}

/*
 * While C hears nothing of it the other volume grows, is trimmed, and grows anew below that; X's volume then
 * takes the room that this gave back elsewhere. C has none for the first of what it missed, and the trim is
 * behind it.
 */
static void trim_behind_writes(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;
	struct pool *pool = s->c->nodes[C].process->pools[0];
	uint32_t grains = 0;

	GOES_ON();
	y = serve_other(s);
	GOES_ON();
	write_grains(s, y, 100, 30);
	EXPECT(scene_is_level(s, y, SCENE_EVENTUALLY), "the voters did not get level");
	scene_cut_both(s, Y, C);
	write_grains(s, y, 130, 40);
	EXPECT(scene_is_answered(s, scene_trim(s, y, 100 * GRAIN_BLOCKS, 70 * GRAIN_BLOCKS), 2000),
		"a trim was not answered");
	write_grains(s, y, 0, 25);
	while (!pool_is_full(pool) && grains < GRAINS && !s->c->violation[0])
		write_grains(s, x, grains++, 1);
	scene_run(s, 2000);
	scene_heal(s);
	scene_run(s, 3000);
	EXPECT(scene_voter_status(y, 1) == REPLICA_COMPLETE && !scene_is_level(s, y, 1),
		"the scene is not what it says: C had room for what it missed");
	EXPECT(scene_is_level(s, y, 60000), "C waits for the room that a trim behind it makes");
	EXPECT(scene_is_level(s, x, 60000), "C did not come level with the volume that filled it");
	scene_run(s, 3000);
	s->c->volumes[1].hot_blocks = (uint32_t)GRAINS * GRAIN_BLOCKS;
	scene_compare(s, (uint32_t)GRAINS * GRAIN_BLOCKS);
}

/* Each of these trims needs a mark, for the snapshot's content must not shine through; places for some are
 * left. */
static void marks_in_full_pool(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);
	uint32_t grains = fill(s, x);

	GOES_ON();
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	EXPECT(scene_is_answered(s, scene_trim(s, x, 0, grains * GRAIN_BLOCKS), 5000),
		"a trim waits for room");
	scene_run(s, 10000);
	for (uint32_t i = 0; i < grains; i += 9)
		EXPECT(scene_seen(s, x, i * GRAIN_BLOCKS) == 0 || s->c->violation[0],
			"what was trimmed shows the snapshot's content");
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
}

/* B's disk takes no grains: what is committed stays in its ring, to the limit of entries. */
static void promise_in_full_ring(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;

	GOES_ON();
	disk_stall(s->c->nodes[B].pools[0].disk, true);
	for (uint32_t i = 0; i < 8; i++)
		scene_write(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS - 1);
	for (uint32_t i = 0; i < 100; i++)
		scene_write(s, x, i * GRAIN_BLOCKS, 1);
	scene_run(s, 3000);
	EXPECT(pool_replica_room(scene_store(s, B)) < BLOCK_BYTES,
		"the scene is not what it says: B's ring has room for an entry");
	scene_kill(s, X);
	scene_isolate(s, A);
	scene_hold(s, B, Y, MESSAGE_OPEN_ANSWER, 0);
	y = scene_attach(s, Y);
	EXPECT(scene_is_held(s, B, Y), "a full ring has no room for a promise");
	disk_stall(s->c->nodes[B].pools[0].disk, false);
	scene_heal(s);
	EXPECT(scene_is_ready(s, y, 60000) && scene_is_level(s, y, 60000), "the voters did not get level");
	scene_run(s, 3000);
	scene_compare(s, (uint32_t)GRAINS * GRAIN_BLOCKS);
}

const struct scenario scenarios_room[] = {
	{ "full-pools", "writes are refused while no quorum has room; reads and trims go on, and make room",
		"24 (store)", { "full_pool_unnoticed" }, .run = full_pools,
		.disk_bytes = UINT64_C(12) << 20 },
	{ "full-while-busy", "pools that run full under many writes: each is taken or refused, none waits",
		"24 (store)", { "full_pool_unnoticed" }, .run = full_while_busy,
		.disk_bytes = UINT64_C(12) << 20 },
	{ "adopted-beyond-share", "what is in the chosen log is taken beyond a replica's share of the ring",
		"32", { "adopted_within_share" }, .run = adopted_beyond_share },
	{ "marks-in-full-pool", "trims above a snapshot in a full pool take no more places than there are",
		"24 (store)", { "marks_take_what_is_left" }, .run = marks_in_full_pool,
		.disk_bytes = UINT64_C(18) << 20 },
	{ "promise-in-full-ring", "a ring that is full of entries has room for a promise", "32",
		{ "no_room_for_control" }, .run = promise_in_full_ring },
	{ "trim-behind-writes",
		"a full voter is brought past writes that it has no room for, to the trim that makes it",
		"24 (store)", { "full_waits_in_order", "copies_before_frees" }, .run = trim_behind_writes,
		.volumes = 2, .journal_bytes = UINT64_C(2) << 20, .disk_bytes = UINT64_C(12) << 20,
		.map_grains = 8, .map_copies = 4 },
	{ 0 },
};
