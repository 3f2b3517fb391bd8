/*
 * Scenes of a striped volume: the scene's three volumes are its shards, with voters on nodes 0 1 2, 1 2 3 and
 * 2 3 4. It is attached on node 0. Blocks 0 .. 63 are on shard 0, 64 .. 127 on shard 1, and so on.
 */
#include <stdlib.h>

#include "sim/scene.h"

#define STRIPE_BLOCKS (STRIPE_MIN_BYTES / BLOCK_BYTES)
#define HOLDER        0u

static void ready(void *user, struct volume *volume)
{
	(void)volume;
	((struct attached *)user)->ready = true;
}

static void ended(void *user, struct volume *volume, bool outdated, struct epoch promised, const char *why)
{
	(void)volume;
	(void)outdated;
	(void)promised;
	(void)why;
	((struct attached *)user)->ended = true;
}

static struct attached *striped_attach(struct scene *s, unsigned node, uint64_t epoch)
{
	struct attached *a = calloc(1, sizeof(*a));
	struct volume_events events = { .ready = ready, .ended = ended, .user = a };
	struct volume_spec specs[SIM_MAX_VOLUMES];

	ASSERT(a);
	a->node = &s->c->nodes[node];
	a->of = s->v;
	list_init(&a->idle);
	for (unsigned i = 0; i < s->c->plan.volumes; i++) {
		sim_spec_fill(&s->c->volumes[i], &specs[i]);
		specs[i].volume = s->v->volume;
		specs[i].epoch = (struct epoch){ .number = epoch };
		specs[i].session = 0;
		specs[i].attachment = (struct uuid){ { 0xa7, (uint8_t)epoch } };
	}
	ASSERT(volume_attach_striped(a->node->process->datapath, specs, s->c->plan.volumes, STRIPE_MIN_BYTES,
		       &events, &a->volume) == 0);
	loop_sim_kick(&s->c->sim, node);
	return a;
}

static struct attached *striped_serve(struct scene *s, unsigned node, uint64_t epoch)
{
	struct attached *a = striped_attach(s, node, epoch);

	if (!scene_is_ready(s, a, SCENE_EVENTUALLY))
		cluster_violation(s->c, "the striped volume did not serve within 20 s");
	return a;
}

/*
 * Shard 1 has no quorum for a moment, so the snapshot is on its way there while the other shards go on: W1,
 * on shard 0, isn't in it; W2, on shard 2, was asked for when W1 was answered.
 */
static void half_snapshot(struct scene *s)
{
	struct attached *x = striped_serve(s, HOLDER, 1);
	uint32_t first = scene_written(s, x, 3, 1), third = scene_written(s, x, 2 * STRIPE_BLOCKS + 3, 1);
	struct scene_io *snapshot;
	struct volume *view;

	GOES_ON();
	scene_cut_both(s, HOLDER, 1);
	scene_cut_both(s, HOLDER, 3);
	snapshot = scene_snapshot_begin(s, x, REQUEST_SNAPSHOT, 1);
	scene_run(s, 200);
	EXPECT(!snapshot->answered, "the scene is not what it says: shard 1 has a quorum");
	scene_written(s, x, 3, 1);
	scene_written(s, x, 2 * STRIPE_BLOCKS + 3, 1);
	scene_heal(s);
	EXPECT(scene_is_answered(s, snapshot, SCENE_EVENTUALLY) && snapshot->rc == 0, "no snapshot was made");
	view = scene_view_striped(s, 1);
	scene_sees(s, scene_look_at(s, view, 3), first);
	scene_sees(s, scene_look_at(s, view, 2 * STRIPE_BLOCKS + 3), third);
}

/* A shard that can't be opened, for a newer session has it: nothing of the others is served. */
static void one_shard_is_fenced(struct scene *s)
{
	struct attached *x = striped_serve(s, HOLDER, 1), *y;
	struct scene_io *late;

	scene_write_many(s, x, STRIPE_BLOCKS - 2, 4);
	GOES_ON();
	/* X hears nobody but itself and node 2, so it keeps shards 0 and 2, and not 1. */
	scene_cut_both(s, HOLDER, 1);
	scene_cut_both(s, HOLDER, 3);
	y = striped_attach(s, Y, 2);
	EXPECT(scene_is_ready(s, y, SCENE_EVENTUALLY), "the successor does not serve");
	EXPECT(scene_is_ended(s, x, SCENE_EVENTUALLY), "the older session has not ended");
	for (uint32_t block = 0; block < 3 * STRIPE_BLOCKS; block += STRIPE_BLOCKS) {
		late = scene_write(s, x, block, 1);
		EXPECT(scene_is_answered(s, late, SCENE_EVENTUALLY) && late->rc != 0,
			"the older session still writes block %u", block);
	}
	scene_written(s, y, STRIPE_BLOCKS - 1, 2);
	scene_seen(s, y, STRIPE_BLOCKS - 1);
	scene_seen(s, y, STRIPE_BLOCKS);
}

/* What lies across the end of a stripe, and what covers many stripes, is as with one shard. */
static void across_stripes(struct scene *s)
{
	struct attached *x = striped_serve(s, HOLDER, 1);

	for (uint32_t i = 1; i < 8 && !s->c->violation[0]; i++)
		scene_written(s, x, i * STRIPE_BLOCKS - i, 2 * i);
	for (uint32_t i = 1; i < 8 && !s->c->violation[0]; i++) {
		struct scene_io *io = scene_read(s, x, i * STRIPE_BLOCKS - 2 * i, 4 * i);

		EXPECT(scene_is_answered(s, io, SCENE_EVENTUALLY) && io->rc == 0, "a read has failed");
	}
	GOES_ON();
	EXPECT(scene_is_answered(s, scene_trim(s, x, STRIPE_BLOCKS - 1, 4 * STRIPE_BLOCKS), SCENE_EVENTUALLY),
		"a trim was not answered");
	for (uint32_t i = 0; i < 8 * STRIPE_BLOCKS && !s->c->violation[0]; i += 7)
		scene_seen(s, x, i);
}

/* Both halves are read anew from elsewhere, into other memory than the disk was given. */
static void hanging_read_across_stripes(struct scene *s)
{
	struct attached *x = striped_serve(s, HOLDER, 1);
	struct scene_io *io;

	scene_written(s, x, STRIPE_BLOCKS - 2, 4);
	scene_run(s, 5000);
	s->c->nodes[HOLDER].may_fail = true;
	disk_hang(s->c->nodes[HOLDER].pools[0].disk, 1);
	for (uint32_t i = 1; i <= 2; i++) {
		io = scene_read(s, x, STRIPE_BLOCKS - 2 * i, 4 * i);
		EXPECT(scene_is_answered(s, io, DEVICE_WAIT_MS + 5000) && io->rc == 0,
			"a read waits for a disk that hangs");
	}
	disk_hang(s->c->nodes[HOLDER].pools[0].disk, 0);
	scene_run(s, 1000);
	for (uint32_t i = STRIPE_BLOCKS - 2; i < STRIPE_BLOCKS + 2; i++)
		scene_seen(s, x, i);
}

const struct scenario scenarios_stripe[] = {
	{ "half-snapshot", "a snapshot of several shards is one point in time", "12",
		{ "snapshot_shard_by_shard" }, .run = half_snapshot, .volumes = 3, .hot_blocks = 1024 },
	{ "one-shard-is-fenced", "a striped volume ends with the first shard that ends", "12",
		{ "ignore_epoch" }, .run = one_shard_is_fenced, .volumes = 3, .hot_blocks = 1024 },
	{ "across-stripes", "requests across stripes are as those within", "12", { "crossing_in_one_shard" },
		.run = across_stripes, .volumes = 3, .hot_blocks = 1024 },
	{ "hanging-read-across-stripes", "a read across stripes isn't held up by a disk that hangs", "12",
		{ "failed_reads_wait" }, .run = hanging_read_across_stripes, .volumes = 3,
		.hot_blocks = 1024 },
	{ 0 },
};
