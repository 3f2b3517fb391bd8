/* The snapshots in a volume's record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "catalog/snapshots.h"
#include "catalog_world.h"

static int setup(void **state)
{
	*state = world_with_volume(31);
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static int begin(struct world *world, unsigned by, const char *name, uint8_t uuid)
{
	struct catalog_snapshot snapshot = { .snapshot = { .byte[0] = uuid } };
	struct world_answer answer = { 0 };

	snprintf(snapshot.name, sizeof(snapshot.name), "%s", name);
	catalog_snapshot_begin(world->nodes[by].catalog, world_find(world, by, "v")->volume, &snapshot,
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static int begin_copy(struct world *world, const char *name, uint8_t uuid, uint8_t import_of)
{
	struct catalog_snapshot snapshot = { .snapshot = { .byte[0] = uuid },
		.import_of = { .byte[0] = import_of } };
	struct world_answer answer = { 0 };

	snprintf(snapshot.name, sizeof(snapshot.name), "%s", name);
	catalog_snapshot_begin(world->nodes[0].catalog, world_find(world, 0, "v")->volume, &snapshot,
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static uint8_t copy_of(struct world *world, const char *name)
{
	return catalog_snapshot_find(world_find(world, 0, "v"), name)->import_of.byte[0];
}

typedef void (*step_fn)(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);

static int step(struct world *world, unsigned by, step_fn fn, uint8_t uuid)
{
	struct world_answer answer = { 0 };

	fn(world->nodes[by].catalog, world_find(world, by, "v")->volume, (struct uuid){ .byte[0] = uuid },
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void what_a_snapshot_is_a_copy_of_is_said_at_its_beginning_only(void **state)
{
	struct world *world = *state;

	assert_int_equal(begin_copy(world, "copy", 1, 77), 0);
	assert_int_equal(begin_copy(world, "copy", 2, 77), 0); /* the same again */
	assert_int_equal(copy_of(world, "copy"), 77);
	assert_int_equal(begin_copy(world, "copy", 3, 78), -EBUSY);
	/* Whoever ends it as a snapshot like others has made no copy. */
	assert_int_equal(begin(world, 0, "copy", 4), 0);
	assert_int_equal(copy_of(world, "copy"), 0);
	assert_int_equal(catalog_snapshot_find(world_find(world, 0, "v"), "copy")->snapshot.byte[0], 1);
	assert_int_equal(begin_copy(world, "copy", 5, 77), -EBUSY);
	assert_int_equal(copy_of(world, "copy"), 0);
	assert_int_equal(begin_copy(world, "other", 6, 79), 0);
	assert_int_equal(step(world, 0, catalog_snapshot_ready, 6), 0);
	assert_int_equal(copy_of(world, "other"), 79);
}

static void a_snapshot_comes_and_goes(void **state)
{
	struct world *world = *state;
	const struct catalog_snapshot *one;

	assert_int_equal(begin(world, 0, "one", 1), 0);
	one = catalog_snapshot_find(world_find(world, 0, "v"), "one");
	assert_non_null(one);
	assert_int_equal(one->state, CATALOG_SNAPSHOT_MAKING);
	assert_true(one->created_ns != 0);
	/* Begun again, on another node: it keeps its UUID. */
	assert_int_equal(begin(world, 1, "one", 2), 0);
	assert_int_equal(world_find(world, 1, "v")->snapshot_count, 1);
	assert_int_equal(catalog_snapshot_find(world_find(world, 1, "v"), "one")->snapshot.byte[0], 1);
	assert_int_equal(step(world, 1, catalog_snapshot_ready, 1), 0);
	assert_int_equal(begin(world, 1, "one", 2), -EEXIST);
	assert_int_equal(begin(world, 1, "two", 2), 0);
	assert_int_equal(step(world, 1, catalog_snapshot_ready, 3), -ENOENT);

	assert_int_equal(world_delete(world, 0, "v", NULL), -EBUSY);

	assert_int_equal(step(world, 0, catalog_snapshot_remove, 1), 0);
	assert_int_equal(begin(world, 0, "one", 4), -EBUSY);
	assert_int_equal(step(world, 0, catalog_snapshot_gone, 1), 0);
	assert_int_equal(step(world, 0, catalog_snapshot_gone, 1), 0);
	assert_null(catalog_snapshot_find(world_find(world, 0, "v"), "one"));
	assert_int_equal(catalog_snapshot_find(world_find(world, 0, "v"), "two")->snapshot.byte[0], 2);
	assert_int_equal(begin(world, 0, "one", 5), 0);
}

static void one_that_its_volume_goes_back_to_stays_until_that_is_done(void **state)
{
	struct world *world = *state;

	assert_int_equal(begin(world, 0, "one", 1), 0);
	assert_int_equal(step(world, 0, catalog_snapshot_restore, 1), -EBUSY);
	assert_int_equal(step(world, 0, catalog_snapshot_ready, 1), 0);
	assert_null(catalog_snapshot_restored(world_find(world, 0, "v")));
	assert_int_equal(step(world, 0, catalog_snapshot_restore, 2), -ENOENT);
	assert_int_equal(step(world, 0, catalog_snapshot_restore, 1), 0);
	assert_int_equal(step(world, 0, catalog_snapshot_restore, 1), 0); /* again, by who finishes it */
	assert_int_equal(catalog_snapshot_restored(world_find(world, 1, "v"))->snapshot.byte[0], 1);
	assert_int_equal(step(world, 1, catalog_snapshot_remove, 1), -EBUSY);
	assert_int_equal(step(world, 1, catalog_snapshot_look, 1), -EBUSY);
	assert_int_equal(begin(world, 1, "one", 3), -EBUSY);
	assert_int_equal(step(world, 1, catalog_snapshot_ready, 1), 0);
	assert_null(catalog_snapshot_restored(world_find(world, 0, "v")));
	assert_int_equal(step(world, 1, catalog_snapshot_remove, 1), 0);
	assert_int_equal(step(world, 1, catalog_snapshot_restore, 1), -EBUSY);
}

/* Users' own hold a volume; what a schedule has made goes with it, unless somebody reads it. */
static void a_schedules_snapshots_do_not_hold_a_volume(void **state)
{
	struct catalog_snapshot snapshot = { .snapshot.byte[0] = 1, .name = "hourly-1", .period_s = 3600 };
	struct world *world = *state;
	struct world_answer answer = { 0 };

	catalog_snapshot_begin(world->nodes[0].catalog, world_find(world, 0, "v")->volume, &snapshot,
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
	assert_int_equal(step(world, 0, catalog_snapshot_ready, 1), 0);
	/* The record says so on every node. */
	assert_int_equal(catalog_snapshot_find(world_find(world, 1, "v"), "hourly-1")->period_s, 3600);
	assert_int_equal(begin(world, 0, "mine", 2), 0);
	assert_int_equal(world_delete(world, 0, "v", NULL), -EBUSY);
	assert_int_equal(step(world, 0, catalog_snapshot_remove, 2), 0);
	assert_int_equal(step(world, 0, catalog_snapshot_gone, 2), 0);
	assert_int_equal(step(world, 1, catalog_snapshot_look, 1), 0);
	assert_true(catalog_snapshot_is_used(world->nodes[0].catalog, world_find(world, 0, "v"),
		catalog_snapshot_find(world_find(world, 0, "v"), "hourly-1")));
	assert_int_equal(world_delete(world, 0, "v", NULL), -EBUSY);
	assert_int_equal(step(world, 1, catalog_snapshot_leave, 1), 0);
	assert_int_equal(world_delete(world, 0, "v", NULL), 0);
}

static void one_that_a_living_node_looks_at_is_not_removed(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *v;

	assert_int_equal(begin(world, 0, "one", 1), 0);
	assert_int_equal(step(world, 1, catalog_snapshot_look, 1), -EBUSY); /* not ready */
	assert_int_equal(step(world, 0, catalog_snapshot_ready, 1), 0);
	assert_int_equal(step(world, 1, catalog_snapshot_look, 9), -ENOENT);
	assert_int_equal(step(world, 1, catalog_snapshot_look, 1), 0);
	assert_int_equal(step(world, 1, catalog_snapshot_look, 1), 0); /* once */
	assert_int_equal(step(world, 2, catalog_snapshot_look, 1), 0);
	v = world_find(world, 2, "v");
	assert_int_equal(v->viewer_count, 2);

	assert_int_equal(step(world, 0, catalog_snapshot_remove, 1), -EBUSY);
	assert_int_equal(
		catalog_snapshot_find(world_find(world, 0, "v"), "one")->state, CATALOG_SNAPSHOT_READY);
	assert_int_equal(step(world, 1, catalog_snapshot_leave, 1), 0);
	assert_int_equal(step(world, 1, catalog_snapshot_leave, 1), 0);
	assert_int_equal(step(world, 0, catalog_snapshot_remove, 1), -EBUSY);
	/* One that has died, and whose lease is over, doesn't count, nor does its former session. */
	world_kill(world, 2);
	world_sleep(world, 60000);
	assert_int_equal(step(world, 0, catalog_snapshot_remove, 1), 0);
	assert_int_equal(step(world, 1, catalog_snapshot_look, 1), -EBUSY);
}

static void of_a_look_and_a_removal_at_once_one_is_refused(void **state)
{
	static const struct uuid one = { .byte[0] = 1 };
	struct world *world = *state;

	assert_int_equal(begin(world, 0, "one", 1), 0);
	assert_int_equal(step(world, 0, catalog_snapshot_ready, 1), 0);
	for (unsigned i = 0; i < 8; i++) {
		struct uuid volume = world_find(world, 0, "v")->volume;
		struct world_answer look = { 0 }, removal = { 0 };

		catalog_snapshot_look(
			world->nodes[i % 2].catalog, volume, one, WORLD_TIMEOUT_MS, world_done, &look);
		catalog_snapshot_remove(
			world->nodes[1 - i % 2].catalog, volume, one, WORLD_TIMEOUT_MS, world_done, &removal);
		assert_true(world_wait(world, &look.done) && world_wait(world, &removal.done));
		assert_true((look.rc == 0) != (removal.rc == 0));
		if (removal.rc == 0)
			break;
		assert_int_equal(step(world, i % 2, catalog_snapshot_leave, 1), 0);
	}
}

static void a_volume_has_so_many_at_most(void **state)
{
	struct world *world = *state;
	char name[16];

	for (unsigned i = 0; i < CATALOG_MAX_SNAPSHOTS; i++) {
		struct catalog_snapshot snapshot = { .snapshot = {
							     .byte = { 7, (uint8_t)i, (uint8_t)(i >> 8) } } };
		struct world_answer answer = { 0 };

		snprintf(snapshot.name, sizeof(snapshot.name), "s%u", i);
		catalog_snapshot_begin(world->nodes[0].catalog, world_find(world, 0, "v")->volume, &snapshot,
			WORLD_TIMEOUT_MS, world_done, &answer);
		assert_true(world_wait(world, &answer.done));
		assert_int_equal(answer.rc, 0);
	}
	assert_int_equal(begin(world, 0, "more", 9), -ENOSPC);
	snprintf(name, sizeof(name), "s%u", CATALOG_MAX_SNAPSHOTS - 1);
	assert_non_null(catalog_snapshot_find(world_find(world, 0, "v"), name));
}

static int clone_make(
	struct world *world, unsigned by, const char *name, uint8_t snapshot, uint64_t size_bytes)
{
	struct world_answer answer = { 0 };
	struct world_volume clone;

	world_volume_fill(&clone, name, size_bytes, 3);
	clone.volume.origin = world_find(world, by, "v")->volume;
	clone.volume.origin_snapshot.byte[0] = snapshot;
	catalog_volume_create(
		world->nodes[by].catalog, &clone.volume, WORLD_TIMEOUT_MS, world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void a_clone_holds_its_origin_and_the_snapshot(void **state)
{
	struct world *world = *state;
	uint64_t size_bytes = world_find(world, 0, "v")->size_bytes;
	struct world_answer answer = { 0 };

	assert_int_equal(begin(world, 0, "one", 1), 0);
	assert_int_equal(clone_make(world, 0, "c", 1, size_bytes), -EBUSY); /* it isn't ready */
	assert_int_equal(step(world, 0, catalog_snapshot_ready, 1), 0);
	assert_int_equal(clone_make(world, 1, "c", 2, size_bytes), -ENOENT);
	assert_int_equal(clone_make(world, 1, "c", 1, size_bytes - GRAIN_BYTES), -EINVAL);
	assert_int_equal(clone_make(world, 1, "c", 1, size_bytes), 0);
	world_sleep(world, 100);
	assert_true(uuid_equal(world_find(world, 0, "c")->origin, world_find(world, 0, "v")->volume));
	assert_int_equal(world_find(world, 0, "c")->origin_snapshot.byte[0], 1);
	assert_int_equal(world_find(world, 0, "c")->fs_made, world_find(world, 0, "v")->fs_made);

	assert_int_equal(step(world, 0, catalog_snapshot_remove, 1), -EBUSY);
	assert_int_equal(world_delete(world, 2, "v", &answer), -EBUSY);
	assert_int_equal(world_delete(world, 2, "c", NULL), 0);
	assert_int_equal(step(world, 0, catalog_snapshot_remove, 1), 0);
	assert_int_equal(clone_make(world, 1, "d", 1, size_bytes), -EBUSY); /* it is being removed */
}

/* Both are begun before either is seen: one of them sees the other. */
static void a_clone_and_the_end_of_its_snapshot_never_cross(void **state)
{
	struct world *world = *state;
	struct world_answer made = { 0 }, removed = { 0 };
	struct uuid snapshot = { .byte[0] = 1 };
	struct world_volume clone;

	assert_int_equal(begin(world, 0, "one", 1), 0);
	assert_int_equal(step(world, 0, catalog_snapshot_ready, 1), 0);
	world_volume_fill(&clone, "c", world_find(world, 0, "v")->size_bytes, 3);
	clone.volume.origin = world_find(world, 0, "v")->volume;
	clone.volume.origin_snapshot = snapshot;
	catalog_volume_create(
		world->nodes[1].catalog, &clone.volume, WORLD_TIMEOUT_MS, world_volume_done, &made);
	catalog_snapshot_remove(world->nodes[0].catalog, clone.volume.origin, snapshot, WORLD_TIMEOUT_MS,
		world_done, &removed);
	assert_true(world_wait(world, &made.done));
	assert_true(world_wait(world, &removed.done));
	assert_int_equal((made.rc == 0) + (removed.rc == 0), 1);
	assert_int_equal(made.rc == 0 ? removed.rc : made.rc, -EBUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_snapshot_comes_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_its_volume_goes_back_to_stays_until_that_is_done, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_a_snapshot_is_a_copy_of_is_said_at_its_beginning_only, setup, teardown),
		cmocka_unit_test_setup_teardown(a_schedules_snapshots_do_not_hold_a_volume, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_a_living_node_looks_at_is_not_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			of_a_look_and_a_removal_at_once_one_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_volume_has_so_many_at_most, setup, teardown),
		cmocka_unit_test_setup_teardown(a_clone_holds_its_origin_and_the_snapshot, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_clone_and_the_end_of_its_snapshot_never_cross, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
