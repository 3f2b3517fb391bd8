/* A kvdb from a backup, accepted: what a node's view knows better is put back, nothing is taken away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "catalog/accept.h"
#include "catalog_world.h"

#define GIB (UINT64_C(1) << 30)

static int setup(void **state)
{
	struct world *world = world_new(12);

	for (unsigned i = 0; i < 3; i++)
		(void)world_start(world, i, 100 * GIB);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static char told[4096];

static void line(void *arg, const char *text)
{
	size_t len = strlen(told);

	(void)arg;
	snprintf(told + len, sizeof(told) - len, "%s\n", text);
}

static int accept_by(struct world *world, unsigned i, bool carry_out, struct world_answer *ret_answer)
{
	struct world_answer answer = { 0 };

	told[0] = '\0';
	catalog_accept_restore(
		world->nodes[i].catalog, carry_out, WORLD_TIMEOUT_MS, line, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	if (ret_answer)
		*ret_answer = answer;
	return answer.rc;
}

static const struct catalog_volume *volume_of(struct world *world, unsigned i, const char *name)
{
	const struct catalog_volume *volume = NULL;

	assert_int_equal(catalog_volume_find(world->nodes[i].catalog, name, &volume, NULL), 0);
	return volume;
}

static uint64_t provisioned(struct world *world, unsigned i, unsigned pool)
{
	const struct catalog_pool *record = NULL;

	assert_int_equal(catalog_pool_find(world->nodes[i].catalog, world_pool(pool), &record, NULL), 0);
	return record->provisioned_bytes;
}

/* v was there, is attached since, and has other members; w was made since; x has been removed. */
static void go_back(struct world *world)
{
	struct catalog_membership change = { .volume = world_uuid("v"), .attachment = world_uuid("a0") };
	struct world_answer answer = { 0 };
	const struct catalog_volume *v;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_create(world, 0, "x", GIB, 1, NULL), 0);
	world_sleep(world, 100);
	kvdb_sim_backup(world->sim);
	assert_int_equal(world_create(world, 0, "w", 2 * GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 0, "v", "a0", NULL, NULL), 0);
	assert_int_equal(world_delete(world, 0, "x", NULL), 0);
	assert_int_equal(world_removed(world, 0, "x", 0), 0);
	v = volume_of(world, 0, "v");
	catalog_replica_leave(world->nodes[0].catalog, v->volume, v->shards[0].voters[2], WORLD_TIMEOUT_MS,
		world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
	answer.done = false;
	v = volume_of(world, 0, "v");
	change.epoch_number = v->epoch_number;
	change.group = v->shards[0].group;
	change.number_before = v->shards[0].config_number;
	change.number = change.number_before + 1;
	change.voter_count = 3;
	memcpy(change.voters, v->shards[0].voters, 3 * sizeof(change.voters[0]));
	change.next_voter_count = 2;
	memcpy(change.next_voters, v->shards[0].voters, 2 * sizeof(change.next_voters[0]));
	catalog_membership_set(world->nodes[0].catalog, &change, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
	world_sleep(world, 100);
	kvdb_sim_restore(world->sim);
	world_sleep(world, 3000);
	for (unsigned i = 0; i < 3; i++)
		assert_true(catalog_is_frozen(world->nodes[i].catalog));
}

static void what_is_newer_is_put_back(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *v;

	go_back(world);
	assert_int_equal(accept_by(world, 1, true, NULL), 0);
	assert_non_null(strstr(told, "volume v: epoch 0 in the backup, 1 since"));
	assert_non_null(strstr(told, "volume w ("));
	assert_null(strstr(told, "volume x")); /* it didn't concern this node: another one's to tell */
	told[0] = 0;
	assert_int_equal(accept_by(world, 0, false, NULL), 0);
	assert_non_null(strstr(told, "volume x: moved away, or removed, after the backup"));
	world_sleep(world, 3000);
	assert_false(catalog_is_frozen(world->nodes[1].catalog));
	v = volume_of(world, 1, "v");
	assert_int_equal(v->epoch_number, 1);
	assert_int_equal(v->shards[0].config_number, 2);
	assert_int_equal(v->shards[0].next_voter_count, 2);
	assert_string_equal(v->holder.node, "n0");
	assert_int_equal(volume_of(world, 1, "w")->size_bytes, 2 * GIB);
	assert_int_equal(provisioned(world, 1, 0), 4 * GIB); /* v, w, and x again */
	assert_int_equal(provisioned(world, 1, 2), 3 * GIB);
	/* It is a node like any other again. */
	assert_true(catalog_node_lease_valid(world->nodes[1].catalog));
	assert_int_equal(world_create(world, 1, "y", GIB, 3, NULL), 0);
}

static void the_others_stay_frozen_until_they_accept_too(void **state)
{
	struct world *world = *state;

	go_back(world);
	assert_int_equal(accept_by(world, 1, true, NULL), 0);
	world_sleep(world, 3000);
	assert_int_equal(world_create(world, 0, "y", GIB, 3, NULL), -ESTALE);
	assert_int_equal(accept_by(world, 0, true, NULL), 0);
	assert_null(strstr(told, "volume v"));
	world_sleep(world, 3000);
	assert_int_equal(world_create(world, 0, "y", GIB, 3, NULL), 0);
	assert_int_equal(volume_of(world, 0, "v")->shards[0].config_number, 2);
}

static void a_newer_fact_in_the_kvdb_is_not_overwritten(void **state)
{
	struct world *world = *state;

	go_back(world);
	assert_int_equal(accept_by(world, 0, true, NULL), 0);
	world_sleep(world, 8000);
	assert_int_equal(world_attach(world, 0, "v", "a1", NULL, NULL), 0);
	assert_int_equal(accept_by(world, 2, true, NULL), 0);
	world_sleep(world, 3000);
	assert_int_equal(volume_of(world, 2, "v")->epoch_number, 2);
	assert_true(uuid_equal(volume_of(world, 2, "v")->holder.attachment, world_uuid("a1")));
}

static void asked_first_it_changes_nothing(void **state)
{
	struct world *world = *state;

	go_back(world);
	assert_int_equal(accept_by(world, 1, false, NULL), 0);
	assert_non_null(strstr(told, "volume w ("));
	assert_true(catalog_is_frozen(world->nodes[1].catalog));
	assert_int_equal(world_create(world, 1, "y", GIB, 3, NULL), -ESTALE);
}

static void what_has_not_gone_back_is_not_accepted(void **state)
{
	struct world *world = *state;
	struct world_answer answer;

	assert_int_equal(accept_by(world, 1, true, &answer), -EPERM);
	assert_non_null(strstr(answer.error, "nothing to accept"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_newer_is_put_back),
		TEST(the_others_stay_frozen_until_they_accept_too),
		TEST(a_newer_fact_in_the_kvdb_is_not_overwritten),
		TEST(asked_first_it_changes_nothing),
		TEST(what_has_not_gone_back_is_not_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
