/* Scenes of a thick volume: X serves it, and Y a thin one that fills the pools of nodes B and C under it. */
#include <errno.h>

#include "sim/scene.h"
#include "store/usage.h"

#define GRAINS (SIM_VOLUME_BYTES / GRAIN_BYTES)
#define FROZEN 150u /* more than what is kept free beside them, less than what thin ones may have */

/* A thin volume: the first one's replicas are on nodes 1 to 3, those of the second on 2 to 4. */
static struct attached *serve(struct scene *s, unsigned thin)
{
	attach(&s->c->volumes[thin], &s->c->nodes[Y], 0);
	loop_sim_kick(&s->c->sim, Y);
	if (!scene_is_ready(s, attached_current(&s->c->volumes[thin]), SCENE_EVENTUALLY))
		cluster_violation(s->c, "the thin volume did not serve");
	return attached_current(&s->c->volumes[thin]);
}

static struct attached *serve_thin(struct scene *s)
{
	return serve(s, 1);
}

/* Writes grain after grain of the thin one until one is refused. */
static void fill(struct scene *s, struct attached *y)
{
	for (uint32_t grain = 0; grain < GRAINS; grain++) {
		struct scene_io *w = scene_write(s, y, grain * GRAIN_BLOCKS, GRAIN_BLOCKS);

		EXPECT(scene_is_answered(s, w, 20000), "a write to a full pool was not answered");
		if (w->rc == -ENOSPC)
			return;
		EXPECT(w->rc == 0, "a write to a full pool was answered with %d", w->rc);
	}
	EXPECT(MUTANT(thick_not_kept), "the scene is not what it says: the pools are not full");
}

static void write_whole(struct scene *s, struct attached *x, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to && !s->c->violation[0]; i++)
		scene_written(s, x, i * GRAIN_BLOCKS + i % 3, i % 5 ? GRAIN_BLOCKS - i % 3 : 1);
}

static void made(void *arg, int rc, struct pool_replica *replica)
{
	(void)replica;
	*(int *)arg = rc;
}

/* Of another thick one, in the pool of node B: what its making ends with. */
static int make_another(struct scene *s, uint64_t size_bytes)
{
	struct pool_replica_identity identity = { .replica = uuid_random(&s->c->random),
		.group = uuid_random(&s->c->random),
		.volume = uuid_random(&s->c->random),
		.size_bytes = size_bytes,
		.thick = true };
	int rc = 1;

	pool_replica_create(s->c->nodes[B].process->pools[0], &identity, made, &rc);
	loop_sim_kick(&s->c->sim, B);
	scene_run(s, 100);
	return rc;
}

/* Every block of it can be written, before and after restarts, whatever the thin one has taken. */
static void thick_beside_thin(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;

	GOES_ON();
	y = serve_thin(s);
	GOES_ON();
	fill(s, y);
	GOES_ON();
	EXPECT(make_another(s, 8 * GRAIN_BYTES) == -ENOSPC, "a thick replica was made without room");
	write_whole(s, x, 0, GRAINS / 2);
	GOES_ON();
	for (unsigned i = B; i <= C; i++) {
		scene_power_off(s, i);
		scene_back(s, i);
		EXPECT(scene_is_level(s, x, 60000), "the voters did not get level");
	}
	write_whole(s, x, 0, GRAINS);
	GOES_ON();
	/* And again, where it has all its grains and none is left for others. */
	write_whole(s, x, 0, GRAINS);
	EXPECT(scene_is_level(s, x, 60000), "the voters did not get level");
	scene_run(s, 3000);
	for (uint32_t i = 0; i < GRAINS; i += 7)
		scene_seen(s, x, i * GRAIN_BLOCKS + 2);
}

/* With a snapshot all of it can be written anew; where that needs more than there is, there is none. */
static void thick_snapshots(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;
	struct scene_io *io;

	GOES_ON();
	write_whole(s, x, 0, 40);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	GOES_ON();
	y = serve_thin(s);
	GOES_ON();
	fill(s, y);
	write_whole(s, x, 20, 60);
	GOES_ON();
	scene_run(s, 500);
	io = scene_snapshot_begin(s, x, REQUEST_SNAPSHOT, 2);
	EXPECT(scene_is_answered(s, io, 5000) && io->rc == -ENOSPC,
		"a snapshot took the room that is kept for its volume");
	write_whole(s, x, 0, GRAINS);
	GOES_ON();
	/* Of a thin one there is one, as ever: it takes nothing now. */
	scene_snapshot(s, y, REQUEST_SNAPSHOT, 3);
	/* What the first one held comes back. */
	scene_snapshot(s, x, REQUEST_SNAPSHOT_DELETE, 1);
	scene_run(s, 5000);
	EXPECT(scene_is_level(s, x, 60000), "the voters did not get level");
	scene_compare_levels(s);
}

/* It grows, is rolled back, and one replica is made anew from the others: what it lacks then is kept as well.
 */
static void thick_changes(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;

	GOES_ON();
	write_whole(s, x, 0, 20);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	write_whole(s, x, 0, 60);
	GOES_ON();
	s->v->size_bytes = SIM_VOLUME_GROWN;
	volume_grow(x->volume, SIM_VOLUME_GROWN);
	loop_sim_kick(&s->c->sim, x->node->index);
	scene_run(s, 1000);
	y = serve_thin(s);
	GOES_ON();
	fill(s, y);
	GOES_ON();
	scene_snapshot(s, x, REQUEST_ROLLBACK, 1);
	write_whole(s, x, 0, GRAINS);
	GOES_ON();
	/* The others write on while C is away, for so long that it is resynced. */
	scene_isolate(s, C);
	scene_lose(s, X, C);
	write_whole(s, x, GRAINS / 2, GRAINS * 3 / 2);
	GOES_ON();
	scene_run(s, 3000);
	EXPECT(scene_log_is_gone(s), "C can follow by the log");
	scene_heal(s);
	EXPECT(scene_is_level(s, x, 60000), "the voters did not get level");
	write_whole(s, x, 0, 2 * GRAINS);
	GOES_ON();
	EXPECT(scene_is_level(s, x, 60000), "the voters did not get level");
	scene_run(s, 3000);
	for (uint32_t i = 0; i < 2 * GRAINS; i += 7)
		scene_seen(s, x, i * GRAIN_BLOCKS + 2);
	scene_compare_levels(s);
}

/* Until one is refused; the grains that were written. */
static uint32_t write_until_refused(struct scene *s, struct attached *x)
{
	for (uint32_t i = 0; i < GRAINS; i++) {
		struct scene_io *w = scene_write(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);

		if (!scene_is_answered(s, w, 20000) || w->rc != 0)
			return i;
	}
	return GRAINS;
}

/*
 * The one thing that is excepted: between the word of its replicas that there is room for a snapshot and the
 * entry a thin one fills the pools. They are short of it then: nobody fails, the thin one gets nothing, and
 * all is well when the snapshot is gone.
 */
static void thick_snapshot_raced(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;
	struct scene_io *io;
	uint32_t written;

	GOES_ON();
	write_whole(s, x, 0, FROZEN);
	y = serve_thin(s);
	GOES_ON();
	scene_run(s, 500);
	for (unsigned i = A; i <= C; i++)
		scene_hold(s, X, i, MESSAGE_APPEND, 0);
	io = scene_snapshot_begin(s, x, REQUEST_SNAPSHOT, 1);
	for (unsigned i = A; i <= C; i++)
		EXPECT(scene_is_held(s, X, i),
			"the scene is not what it says: the snapshot is not under way");
	fill(s, y);
	GOES_ON();
	scene_heal(s);
	EXPECT(scene_is_answered(s, io, 20000) && io->rc == 0, "the snapshot that had room was not made");
	scene_run(s, 1000);
	io = scene_write(s, y, (GRAINS - 1) * GRAIN_BLOCKS, 1);
	EXPECT(scene_is_answered(s, io, 20000) && io->rc == -ENOSPC,
		"a thin write found room in a short pool");
	written = write_until_refused(s, x);
	EXPECT(written < GRAINS, "the scene is not what it says: the pools are not short");
	EXPECT(written + FROZEN > GRAINS, "only %u grains of the thick volume could be written", written);
	scene_snapshot(s, x, REQUEST_SNAPSHOT_DELETE, 1);
	scene_run(s, 5000);
	write_whole(s, x, 0, GRAINS);
	GOES_ON();
	EXPECT(scene_is_level(s, x, 60000), "the voters did not get level");
	scene_compare_levels(s);
}

/* C has no room for all of a thin one, of which the two others of its replicas go on, and is resynced. What
 * is copied leaves room for the entries of the other thin one there. */
static void thick_beside_copies(struct scene *s)
{
	struct attached *x = scene_begin(s, 1), *y;
	struct pool_info info;

	GOES_ON();
	y = serve(s, 2);
	GOES_ON();
	write_whole(s, y, 0, GRAINS);
	scene_trim(s, y, 0, GRAIN_BLOCKS);
	scene_run(s, 60000);
	GOES_ON();
	pool_info_get(s->c->nodes[C].process->pools[0], &info);
	EXPECT(info.used_bytes > GRAIN_BYTES * 20, "the scene is not what it says: nothing was copied");
	EXPECT(info.free_bytes + info.freeing_bytes > info.thick_bytes + 20 * GRAIN_BYTES,
		"what was copied leaves nothing for the entries of thin volumes");
	write_whole(s, x, 0, GRAINS);
}

const struct scenario scenarios_thick[] = {
	{ "thick-beside-thin", "a thick volume is written whole in pools that a thin one fills", "24 (store)",
		{ "thick_not_kept", "thick_without_room" }, .run = thick_beside_thin, .volumes = 2,
		.thick = true, .disk_bytes = SIM_VOLUME_BYTES + (UINT64_C(10) << 20) },
	{ "thick-snapshots",
		"a snapshot of a thick volume is refused where what it freezes can't be kept anew",
		"24 (store)", { "thick_not_kept", "thick_snapshot_unasked" }, .run = thick_snapshots,
		.volumes = 2, .thick = true, .disk_bytes = SIM_VOLUME_BYTES + (UINT64_C(14) << 20) },
	{ "thick-changes",
		"a thick volume grows, is rolled back, and a replica of it is resynced, in full pools",
		"24 (store)", { "thick_not_kept" }, .run = thick_changes, .volumes = 2, .thick = true,
		.disk_bytes = SIM_VOLUME_GROWN + (UINT64_C(14) << 20) },
	{ "thick-snapshot-raced",
		"thin writes take what a snapshot of a thick volume was said to have room for: its pools are "
		"short, and "
		"nothing else is",
		"24 (store)", { "thick_not_kept" }, .run = thick_snapshot_raced, .volumes = 2, .thick = true,
		.disk_bytes = SIM_VOLUME_BYTES + (UINT64_C(18) << 20) },
	{ "thick-beside-copies",
		"a resync leaves what is kept for a thick volume, and room for what is under way",
		"24 (store)", { "copies_leave_what_is_kept" }, .run = thick_beside_copies, .volumes = 3,
		.thick = true, .journal_bytes = UINT64_C(4) << 20,
		.disk_bytes = SIM_VOLUME_BYTES + (UINT64_C(24) << 20) },
	{ 0 },
};
