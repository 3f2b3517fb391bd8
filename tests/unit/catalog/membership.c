/* Members in the catalog: learners come by anybody's wish, voters change by the holder alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "catalog/policy.h"
#include "catalog_world.h"

#define GIB (UINT64_C(1) << 30)

static int setup(void **state)
{
	struct world *world = world_new(29);

	for (unsigned i = 0; i < 3; i++)
		(void)world_start(world, i, 10 * GIB);
	*state = world;
	assert_int_equal(world_create(world, 0, "v", GIB, 2, NULL), 0);
	assert_int_equal(world_attach(world, 0, "v", "att", NULL, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static const struct catalog_volume *volume_at(struct world *world)
{
	const struct catalog_volume *volume = NULL;

	world_sleep(world, 50);
	assert_int_equal(catalog_volume_find(world->nodes[0].catalog, "v", &volume, NULL), 0);
	return volume;
}

static int learner_add(struct world *world, const char *name, unsigned pool, const char *replaces)
{
	struct catalog_replica learner = { .replica = world_uuid(name), .pool = world_pool(pool) };
	struct world_answer answer = { 0 };

	char node[] = { 'n', (char)('0' + pool), '\0' };

	learner.node = text_intern(node);
	if (replaces)
		learner.replaces = world_uuid(replaces);
	catalog_learner_add(world->nodes[1].catalog, world_uuid("v"), volume_at(world)->shards[0].group,
		&learner, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static int set(struct world *world, const char *attachment, uint64_t before, unsigned next_count)
{
	struct catalog_membership change = { .volume = world_uuid("v"),
		.group = volume_at(world)->shards[0].group,
		.attachment = world_uuid(attachment),
		.epoch_number = volume_at(world)->epoch_number,
		.number_before = before,
		.number = before + 1,
		.voter_count = 2,
		.voters = { world_uuid("v-replica0"), world_uuid("v-replica1") },
		.next_voter_count = next_count,
		.next_voters = { world_uuid("v-replica0"), world_uuid("new") } };
	struct world_answer answer = { 0 };

	if (next_count == 0)
		change.voters[1] = world_uuid("new");
	for (unsigned i = next_count; i < 2; i++)
		change.next_voters[i] = (struct uuid){ 0 };
	catalog_membership_set(world->nodes[0].catalog, &change, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void a_learner_is_in_the_record_and_no_voter(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;
	const struct catalog_pool *pool;

	assert_int_equal(learner_add(world, "new", 2, "v-replica1"), 0);
	assert_int_equal(learner_add(world, "new", 2, "v-replica1"), 0); /* it is there */
	volume = volume_at(world);
	assert_int_equal(volume->shards[0].replica_count, 3);
	assert_int_equal(volume->shards[0].voter_count, 2);
	assert_true(volume->shards[0].config_number == 1);
	assert_false(catalog_is_voter(&volume->shards[0], world_uuid("new")));
	assert_true(uuid_equal(volume->shards[0].replicas[2].replaces, world_uuid("v-replica1")));
	assert_true(volume->shards[0].replicas[1].leaves);
	assert_int_equal(catalog_pool_find(world->nodes[0].catalog, world_pool(2), &pool, NULL), 0);
	assert_true(pool->provisioned_bytes == GIB);
}

static void one_wish_at_a_time(void **state)
{
	struct world *world = *state;
	struct world_answer answer = { 0 };

	assert_int_equal(learner_add(world, "other", 1, NULL), -EEXIST);
	assert_int_equal(learner_add(world, "new", 2, "nobody"), -ENOENT);
	assert_int_equal(learner_add(world, "new", 2, NULL), 0);
	assert_int_equal(learner_add(world, "other", 2, NULL), -EBUSY);
	catalog_replica_leave(world->nodes[0].catalog, world_uuid("v"), world_uuid("v-replica0"),
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, -EBUSY);
}

static void only_the_holder_changes_voters_and_only_from_its_number(void **state)
{
	struct world *world = *state;

	assert_int_equal(learner_add(world, "new", 2, "v-replica1"), 0);
	assert_int_equal(set(world, "another", 1, 2), -ESTALE);
	assert_int_equal(set(world, "att", 2, 2), -ESTALE);
	assert_int_equal(set(world, "att", 1, 2), 0);
	assert_int_equal(set(world, "att", 1, 2), 0); /* said again: it reads so already */
	assert_int_equal(volume_at(world)->shards[0].next_voter_count, 2);
	assert_true(volume_at(world)->shards[0].config_number == 2);
}

static void who_is_in_neither_list_is_retired_then_deleted_and_its_room_given_back(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;
	const struct catalog_pool *pool;

	assert_int_equal(learner_add(world, "new", 2, "v-replica1"), 0);
	assert_int_equal(set(world, "att", 1, 2), 0);
	assert_false(volume_at(world)->shards[0].replicas[1].retired);
	assert_int_equal(world_removed(world, 1, "v", 1), -EINVAL); /* still a voter */
	assert_int_equal(set(world, "att", 2, 0), 0);
	volume = volume_at(world);
	assert_true(volume->shards[0].replicas[1].retired);
	assert_true(uuid_is_none(volume->shards[0].replicas[2].replaces));
	assert_int_equal(world_removed(world, 1, "v", 1), 0);
	volume = volume_at(world);
	assert_int_equal(volume->shards[0].replica_count, 2);
	assert_null(catalog_volume_replica(volume, world_uuid("v-replica1"), NULL));
	assert_int_equal(catalog_pool_find(world->nodes[0].catalog, world_pool(1), &pool, NULL), 0);
	assert_true(pool->provisioned_bytes == 0);
}

static int cancel(struct world *world, const char *learner)
{
	struct world_answer answer = { 0 };

	catalog_change_cancel(world->nodes[2].catalog, world_uuid("v"),
		learner ? world_uuid(learner) : (struct uuid){ 0 }, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void a_change_that_is_given_up_leaves_all_as_it_was(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;

	assert_int_equal(cancel(world, NULL), -ENOENT);
	assert_int_equal(learner_add(world, "new", 2, "v-replica1"), 0);
	assert_int_equal(cancel(world, "another"), 0); /* it is no learner (any more) */
	assert_false(volume_at(world)->shards[0].replicas[2].retired);
	assert_int_equal(cancel(world, "new"), 0);
	volume = volume_at(world);
	assert_true(volume->shards[0].replicas[2].retired);
	assert_false(volume->shards[0].replicas[1].leaves);
	assert_int_equal(volume->shards[0].voter_count, 2);
	/* It holds up nothing: its node deletes it whenever it comes back. */
	assert_int_equal(learner_add(world, "newer", 0, NULL), -EEXIST); /* n0 has one */
	assert_int_equal(cancel(world, NULL), -ENOENT);
}

static void what_has_been_given_up_never_becomes_a_voter(void **state)
{
	struct world *world = *state;
	struct world_answer answer = { 0 };

	assert_int_equal(learner_add(world, "new", 2, "v-replica1"), 0);
	assert_int_equal(cancel(world, NULL), 0);
	assert_int_equal(set(world, "att", 1, 2), -EPERM);
	assert_true(volume_at(world)->shards[0].config_number == 1);
	/* Nor goes a voter that is to stay. */
	catalog_replica_leave(world->nodes[0].catalog, world_uuid("v"), world_uuid("v-replica1"),
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
	assert_int_equal(cancel(world, NULL), 0);
	assert_int_equal(set(world, "att", 1, 1), -EPERM);
}

static void a_joint_record_is_not_given_up(void **state)
{
	struct world *world = *state;

	assert_int_equal(learner_add(world, "new", 2, "v-replica1"), 0);
	assert_int_equal(set(world, "att", 1, 2), 0);
	assert_int_equal(cancel(world, NULL), -EBUSY);
	assert_int_equal(cancel(world, "new"), -EBUSY);
	assert_false(volume_at(world)->shards[0].replicas[2].retired);
}

static int want(
	struct world *world, unsigned replicas, const struct catalog_replica *learner, const char *leaving)
{
	struct world_answer answer = { 0 };

	catalog_replicas_want(world->nodes[2].catalog,
		&(struct catalog_replicas_want){ world_uuid("v"), replicas, volume_at(world)->shards[0].group,
			learner, leaving ? world_uuid(leaving) : (struct uuid){ { 0 } } },
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void a_users_number_is_noted_with_its_first_step_or_not_at_all(void **state)
{
	struct world *world = *state;
	struct catalog_replica learner = {
		.replica = world_uuid("new"), .pool = world_pool(2), .node = "n2"
	};

	assert_int_equal(volume_at(world)->replicas, 0);
	assert_int_equal(want(world, 3, &learner, NULL), 0);
	assert_int_equal(volume_at(world)->replicas, 3);
	assert_int_equal(volume_at(world)->shards[0].replica_count, 3);
	assert_int_equal(want(world, 3, &learner, NULL), 0);          /* the same again */
	assert_int_equal(want(world, 1, NULL, "v-replica1"), -EBUSY); /* another change is under way ... */
	assert_int_equal(volume_at(world)->replicas, 3);              /* ... and nothing is noted */
	assert_int_equal(cancel(world, NULL), 0);
	assert_int_equal(volume_at(world)->replicas, 2); /* what there is will do */
	assert_int_equal(want(world, 1, NULL, "v-replica1"), 0);
	assert_int_equal(volume_at(world)->replicas, 1);
	assert_true(volume_at(world)->shards[0].replicas[1].leaves);
	assert_int_equal(want(world, 2, NULL, NULL), 0); /* the number alone */
	assert_int_equal(volume_at(world)->replicas, 2);
}

static int drop(struct world *world, uint64_t before, const char *stays)
{
	struct catalog_membership change = { .volume = world_uuid("v"),
		.group = volume_at(world)->shards[0].group,
		.attachment = world_uuid("att"),
		.epoch_number = volume_at(world)->epoch_number,
		.number_before = before,
		.number = before + 1,
		.voter_count = 1,
		.voters = { world_uuid(stays) } };
	struct world_answer answer = { 0 };

	catalog_membership_set(world->nodes[0].catalog, &change, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void of_two_one_is_dropped_retired_and_wanted_again(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;

	assert_int_equal(learner_add(world, "new", 2, "v-replica1"), 0);
	assert_int_equal(drop(world, 1, "new"), -EINVAL); /* no voter */
	assert_int_equal(drop(world, 1, "v-replica0"), 0);
	assert_int_equal(drop(world, 1, "v-replica0"), 0); /* said again */
	volume = volume_at(world);
	assert_int_equal(volume->shards[0].voter_count, 1);
	assert_int_equal(volume->shards[0].wanted_voters, 2);
	assert_true(volume->shards[0].replicas[1].retired);
	assert_true(uuid_is_none(volume->shards[0].replicas[2].replaces)); /* it comes all the same */
	assert_int_equal(drop(world, 2, "v-replica0"), -EINVAL);           /* the last one */
	assert_true(set(world, "att", 2, 2) != 0); /* the dropped one is no voter any more */
	assert_int_equal(world_removed(world, 1, "v", 1), 0);
	assert_int_equal(volume_at(world)->shards[0].wanted_voters, 2);
	assert_int_equal(cancel(world, NULL), 0);
	assert_int_equal(volume_at(world)->shards[0].wanted_voters, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_learner_is_in_the_record_and_no_voter),
		TEST(one_wish_at_a_time),
		TEST(only_the_holder_changes_voters_and_only_from_its_number),
		TEST(who_is_in_neither_list_is_retired_then_deleted_and_its_room_given_back),
		TEST(a_change_that_is_given_up_leaves_all_as_it_was),
		TEST(a_users_number_is_noted_with_its_first_step_or_not_at_all),
		TEST(what_has_been_given_up_never_becomes_a_voter),
		TEST(a_joint_record_is_not_given_up),
		TEST(of_two_one_is_dropped_retired_and_wanted_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
