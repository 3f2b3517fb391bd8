/* The plan of `quoin rebalance`: by the volume's own rules, as the moves that follow from it are placed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "catalog_world.h"
#include "volumes/manager.h"

#define GIB (UINT64_C(1) << 30)

static struct volumes volumes;
static char moved[VOLUMES_REBALANCE_MAX][NAME_MAX_LEN + 1];
static unsigned moved_count;

/* Three nodes have all, a fourth is empty. */
static int setup(void **state)
{
	struct world *world = world_new(53);

	for (unsigned i = 0; i < 4; i++)
		(void)world_start(world, i, 100 * GIB);
	volumes = (struct volumes){ .catalog = world->nodes[0].catalog };
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static void make(struct world *world, const char *name, const char *selector, unsigned tiers)
{
	struct world_volume volume;
	struct world_answer answer = { 0 };

	world_volume_fill(&volume, name, 20 * GIB, 3);
	snprintf(volume.volume.selector, sizeof(volume.volume.selector), "%s", selector);
	volume.volume.tiers = tiers;
	catalog_volume_create(
		world->nodes[0].catalog, &volume.volume, WORLD_TIMEOUT_MS, world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
}

static void note(void *arg, const struct rebalance_view *view)
{
	(void)arg;
	assert_string_equal(view->to_node, "n3");
	snprintf(moved[moved_count++], sizeof(moved[0]), "%s", view->volume);
}

static void plan(void)
{
	struct error error;

	moved_count = 0;
	assert_int_equal(volumes_rebalance(&volumes, note, NULL, &error), 0);
}

static void volumes_move_that_may(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f" };

	for (unsigned i = 0; i < 6; i++)
		make(*state, names[i], "", 0);
	plan();
	assert_true(moved_count > 0);
}

/* Each breaks one rule of its own where the class would let it go. */
static void what_a_volume_of_its_own_asks_for_binds_the_plan(void **state)
{
	make(*state, "bound", "zone=z0|z1|z2", 0);
	make(*state, "bound2", "zone=z0|z1|z2", 0);
	make(*state, "low", "", CLASS_TIER(TIER_LOW));
	make(*state, "low2", "", CLASS_TIER(TIER_LOW));
	make(*state, "named", "node!=n3", 0);
	make(*state, "named2", "node!=n3", 0);
	plan();
	assert_int_equal(moved_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(volumes_move_that_may, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_a_volume_of_its_own_asks_for_binds_the_plan, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
