/*
 * Scenes of the comparison: a replica that has something else than the others, with right checksums, as a
 * write that was misapplied leaves it, is found, and written anew where a quorum agrees; nothing else is.
 */
#include "sim/scene.h"
#include "store/checksums.h"
#include "store/store.h"

#include <string.h>

#define GRAINS SCENE_GRAINS

static struct pool *pool_of(struct scene *s, unsigned node)
{
	return s->c->nodes[node].process->pools[0];
}

/* ---- a write that was misapplied ---- */

static struct grain_copy misapplied;
static bool has_copy, is_written;
static int written_rc;

static void copy_got(void *arg, int rc, struct grain_copy *copy)
{
	(void)arg;
	ASSERT(rc == 0 && copy->data);
	misapplied = *copy;
	has_copy = true;
}

static void written(void *arg, int rc)
{
	(void)arg;
	written_rc = rc;
	is_written = true;
}

static bool is_set(struct scene *s, const void *arg)
{
	(void)s;
	return *(const bool *)arg;
}

/* From now on this voter's block is another one, and its checksum with it. Everything is applied before. */
static void misapply(
	struct scene *s, unsigned voter, struct grain_level level, uint64_t index, unsigned block)
{
	uint8_t *data;

	has_copy = is_written = false;
	pool_replica_grain_get(scene_store(s, voter), level, index, copy_got, NULL);
	loop_sim_kick(&s->c->sim, voter);
	EXPECT(scene_until(s, 1000, is_set, &has_copy), "no copy is given");
	data = misapplied.data->data + (size_t)block * BLOCK_BYTES;
	memset(data + BLOCK_BYTES / 2, 0x5a, 64);
	crc32c_blocks(data, 1, &misapplied.state.crc[block]);
	pool_replica_grain_rewrite(
		scene_store(s, voter), &misapplied, (uint16_t)(1u << block), written, NULL);
	loop_sim_kick(&s->c->sim, voter);
	EXPECT(scene_until(s, 10000, is_set, &is_written), "nothing is written");
	buf_put(misapplied.data);
	EXPECT(written_rc == 0, "the block is not written: %d", written_rc);
}

/* ---- comparisons ---- */

struct compare_status scene_compared(struct attached *a)
{
	struct volume_stats stats;

	volume_stats_get(a->volume, &stats);
	return stats.compare;
}

bool scene_is_compared(struct scene *s, const void *arg)
{
	(void)s;
	return scene_compared((struct attached *)(uintptr_t)arg).passes > 0;
}

void scene_compare_ask(struct scene *s, unsigned node)
{
	datapath_pool_compare(s->c->nodes[node].process->datapath, pool_of(s, node));
	loop_sim_kick(&s->c->sim, node);
}

struct compare_tally scene_compare_pass(struct scene *s, struct attached *a, unsigned node)
{
	scene_compare_ask(s, node);
	if (!scene_until(s, 120000, scene_is_compared, a))
		cluster_violation(s->c, "the comparison doesn't end");
	return scene_compared(a).last;
}

struct attached *scene_begin_grains(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);

	for (uint32_t i = 0; i < GRAINS && !s->c->violation[0]; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
	scene_run(s, 5000);
	return x;
}

static void differing_is_rewritten(struct scene *s)
{
	const struct grain_level now = { 0 };
	struct attached *x = scene_begin_grains(s);
	struct compare_tally found;

	GOES_ON();
	misapply(s, A, now, 3, 7);
	GOES_ON();
	misapply(s, C, now, 5, 0);
	GOES_ON();
	found = scene_compare_pass(s, x, B);
	EXPECT(found.grains == GRAINS, "%u grains were compared", (unsigned)found.grains);
	EXPECT(found.differing == 2 && found.rewritten == 2, "%u differ, %u were rewritten",
		(unsigned)found.differing, (unsigned)found.rewritten);
	scene_compare(s, GRAINS * GRAIN_BLOCKS);
	GOES_ON();
	scene_compare_levels(s);
}

/* The volume has other blocks in their place. */
static void differing_snapshot(struct scene *s)
{
	struct attached *x = scene_begin_grains(s);
	struct grain_level level = { 0 };
	struct compare_tally found;

	GOES_ON();
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	for (uint32_t i = 0; i < GRAINS && !s->c->violation[0]; i++)
		scene_written(s, x, i * GRAIN_BLOCKS + 2, 3);
	scene_run(s, 5000);
	GOES_ON();
	EXPECT(pool_replica_snapshot_at(scene_store(s, B), 0, &level.snapshot), "there is no snapshot");
	misapply(s, B, level, 3, 2);
	GOES_ON();
	found = scene_compare_pass(s, x, A);
	EXPECT(found.grains == 2 * GRAINS, "%u grains were compared", (unsigned)found.grains);
	EXPECT(found.differing == 1 && found.rewritten == 1, "%u differ, %u were rewritten",
		(unsigned)found.differing, (unsigned)found.rewritten);
	scene_compare_levels(s);
	GOES_ON();
	scene_compare(s, GRAINS * GRAIN_BLOCKS);
}

/* Who is right nobody knows. */
static void differing_of_two(struct scene *s)
{
	const struct grain_level now = { 0 };
	struct attached *x = scene_begin_grains(s);
	struct compare_tally found;

	GOES_ON();
	misapply(s, B, now, 3, 7);
	GOES_ON();
	found = scene_compare_pass(s, x, A);
	EXPECT(found.differing == 1 && found.rewritten == 0, "%u differ, %u were rewritten",
		(unsigned)found.differing, (unsigned)found.rewritten);
	EXPECT(scene_compared(x).agreed == 0, "somebody is said to be right");
	scene_written(s, x, 3 * GRAIN_BLOCKS + 7, 1); /* for the last look */
	scene_run(s, 5000);
	scene_compare(s, GRAINS * GRAIN_BLOCKS);
}

/* Writes, trims, reads and snapshots go on, and one pass after the other: nothing differs. */
static void compared_while_written(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);

	scene_slow_disk(s, C, 20);
	for (unsigned i = 0; i < 400 && !s->c->violation[0]; i++) {
		uint32_t block = i * 7 % (GRAINS * GRAIN_BLOCKS - 16);

		if (i % 5 == 4)
			scene_trim(s, x, block, 1 + i % 16);
		else
			scene_write(s, x, block, 1 + i % 3);
		scene_run_us(s, i * 613 % 9000);
		scene_read(s, x, block, 1);
		if (i % 40 == 39)
			scene_snapshot_begin(s, x, i % 80 == 79 ? REQUEST_SNAPSHOT_DELETE : REQUEST_SNAPSHOT,
				(uint8_t)(1 + i / 80));
		scene_run_us(s, i * 211 % 3000);
	}
	scene_fast_disk(s, C);
	EXPECT(scene_is_level(s, x, SCENE_EVENTUALLY), "the voters did not get level");
	EXPECT(scene_compared(x).all.differing == 0, "what is written to differs: %u grains",
		(unsigned)scene_compared(x).all.differing);
	EXPECT(scene_compared(x).passes > 3, "the scene is not what it says: %u passes",
		(unsigned)scene_compared(x).passes);
	scene_run(s, 5000);
	scene_compare(s, GRAINS * GRAIN_BLOCKS);
}

/* B's copy is on its way to A when the block is written to, and A applies that. */
static void overtaken_rewrite(struct scene *s)
{
	const struct grain_level now = { 0 };
	struct attached *x = scene_begin_grains(s);
	struct scene_io *io;
	uint32_t last;

	GOES_ON();
	misapply(s, A, now, 3, 7);
	GOES_ON();
	scene_hold(s, B, X, MESSAGE_GRAIN_ANSWER, 0);
	scene_compare_ask(s, C);
	EXPECT(scene_is_held(s, B, X), "B is not asked for its copy");
	io = scene_write(s, x, 3 * GRAIN_BLOCKS + 7, 1);
	EXPECT(scene_is_answered(s, io, SCENE_EVENTUALLY) && io->rc == 0, "the write is not answered");
	last = io->write;
	scene_run(s, 2500);
	EXPECT(pool_replica_applied_seq(scene_store(s, A)) == scene_last_seq(x),
		"the scene is not what it says: A has not applied the write");
	scene_heal(s);
	EXPECT(scene_until(s, 60000, scene_is_compared, x), "the comparison doesn't end");
	/* The write has put the block right; the copy of before must not have been written over it. */
	EXPECT(scene_compared(x).last.differing == 0, "an older block was written over a newer one");
	EXPECT(scene_seen(s, x, 3 * GRAIN_BLOCKS + 7) == last, "a newer write is lost");
	scene_run(s, 5000);
	scene_compare(s, GRAINS * GRAIN_BLOCKS);
}

const struct scenario scenarios_compare[] = {
	{ "differing-is-rewritten",
		"what a replica has beside the others, with right checksums, is found and written anew",
		"comparison", { "compare_never" }, .run = differing_is_rewritten },
	{ "differing-snapshot", "so it is where a snapshot alone has it", "comparison",
		{ "compare_never", "top_level_only" }, .run = differing_snapshot },
	{ "differing-of-two", "two replicas that differ are told, and left as they are", "comparison",
		{ "rewrite_without_quorum" }, .run = differing_of_two, .voters = 2 },
	{ "compared-while-written",
		"replicas are compared at one commit point: what is written to is the same", "comparison",
		{ "compare_at_any_point", "resync_stale_map" }, .run = compared_while_written,
		.compare_ms = 10 },
	{ "overtaken-rewrite", "what a newer write has overtaken is not written anew", "comparison",
		{ "rewrite_unchecked" }, .run = overtaken_rewrite },
	{ 0 },
};
