/* Scenes of the scrub: what has rotted where nobody reads is found, and repaired from another replica. */
#include "sim/scene.h"
#include "store/store.h"

#define GRAINS_WRITTEN 8u
#define FLIPS          600u /* most of what was written is free grains, made ready */

static struct pool *pool_of(struct scene *s, unsigned node)
{
	return s->c->nodes[node].process->pools[0];
}

static void grains_written(struct scene *s, struct attached *x)
{
	for (uint32_t i = 0; i < GRAINS_WRITTEN && !s->c->violation[0]; i++)
		scene_written(s, x, i * GRAIN_BLOCKS, GRAIN_BLOCKS);
}

static void grains_rot(struct scene *s, unsigned node)
{
	struct random random;

	random_init(&random, 11);
	for (unsigned i = 0; i < FLIPS; i++)
		disk_rot(s->c->nodes[node].pools[0].disk, &random);
}

static bool pass_is_over(struct scene *s, const void *arg)
{
	struct pool_info info;

	pool_info_get(pool_of(s, *(const unsigned *)arg), &info);
	return info.scrub.progress.began_wall_ns == 0 && info.scrub.known_bad == 0;
}

/* A whole pass, until nothing that it has found is bad any more: how many blocks that were. */
static uint64_t scrubbed(struct scene *s, unsigned node)
{
	struct pool_info info;

	pool_scrub_now(pool_of(s, node));
	if (!scene_until(s, 60000, pass_is_over, &node))
		cluster_violation(s->c, "what the scrub has found is bad still");
	pool_info_get(pool_of(s, node), &info);
	return info.scrub.progress.whole.bad_blocks;
}

static void found_and_healed(struct scene *s)
{
	EXPECT(scrubbed(s, A) > 0, "the scene is not what it says: the scrub has found nothing");
	EXPECT(scrubbed(s, A) == 0, "the second pass finds something bad again");
	scene_compare(s, GRAINS_WRITTEN * GRAIN_BLOCKS);
}

static void scrub_heals_unread(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);

	GOES_ON();
	grains_written(s, x);
	scene_run(s, 5000);
	GOES_ON();
	grains_rot(s, A);
	found_and_healed(s);
}

/* The volume has other blocks in their place: only the snapshot's reader would see them. */
static void scrub_heals_snapshot(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);

	GOES_ON();
	grains_written(s, x);
	scene_snapshot(s, x, REQUEST_SNAPSHOT, 1);
	grains_written(s, x);
	scene_run(s, 5000);
	GOES_ON();
	grains_rot(s, A);
	found_and_healed(s);
	GOES_ON();
	scene_compare_levels(s);
}

/* Nobody coordinates the group: what was found is told to who comes. */
static void scrub_waits_for_session(struct scene *s)
{
	struct attached *x = scene_begin(s, 1);
	struct pool_info info;

	GOES_ON();
	grains_written(s, x);
	scene_run(s, 5000);
	GOES_ON();
	scene_detach(s, x);
	scene_run(s, 1000);
	grains_rot(s, A);
	pool_scrub_now(pool_of(s, A));
	scene_run(s, 10000);
	pool_info_get(pool_of(s, A), &info);
	EXPECT(info.scrub.known_bad > 0, "what nobody could repair is forgotten");
	scene_serve(s, X);
	GOES_ON();
	EXPECT(scene_until(s, 120000, pass_is_over, &(const unsigned){ A }),
		"what was found before the attach is bad still");
	scene_compare(s, GRAINS_WRITTEN * GRAIN_BLOCKS);
}

const struct scenario scenarios_scrub[] = {
	{ "scrub-heals-unread", "a rotten block that nobody reads is found by a scrub and repaired", "22",
		{ "scrub_tells_nobody" }, .run = scrub_heals_unread },
	{ "scrub-heals-snapshot", "so is one that only a snapshot has", "22",
		{ "scrub_tells_nobody", "scrub_heals_volume_only" }, .run = scrub_heals_snapshot },
	{ "scrub-waits-for-session",
		"what is found while nobody has the volume is repaired once somebody has", "22",
		{ "scrub_tells_nobody" }, .run = scrub_waits_for_session },
	{ 0 },
};
