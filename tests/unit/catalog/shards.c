/* A volume of several shards: each has members of its own, and they share pools, room and fate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "catalog/policy.h"
#include "catalog/shards.h"
#include "catalog_world.h"

#define GIB    (UINT64_C(1) << 30)
#define MIB    (UINT64_C(1) << 20)
#define SHARDS 3u

static struct catalog_shard shards[SHARDS];

/* Of three shards, with two voters each: on nodes 0 1, 1 2 and 2 0. */
static void fill(struct world_volume *to)
{
	world_volume_fill(to, "v", 3 * GIB, 2);
	to->volume.shards = shards;
	to->volume.shard_count = SHARDS;
	to->volume.stripe_bytes = MIB;
	for (unsigned s = 0; s < SHARDS; s++) {
		shards[s] = to->shard;
		shards[s].group.byte[15] = (uint8_t)s;
		for (unsigned i = 0; i < 2; i++) {
			char node[] = { 'n', (char)('0' + (s + i) % 3), '\0' };

			shards[s].replicas[i].replica.byte[15] = (uint8_t)(16 * s + i);
			shards[s].replicas[i].pool = world_pool((s + i) % 3);
			shards[s].replicas[i].node = text_intern(node);
			shards[s].voters[i] = shards[s].replicas[i].replica;
		}
	}
}

static int create(struct world *world, const struct world_volume *volume)
{
	struct world_answer answer = { 0 };

	catalog_volume_create(
		world->nodes[0].catalog, &volume->volume, WORLD_TIMEOUT_MS, world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static int setup(void **state)
{
	struct world *world = world_new(31);
	struct world_volume volume;

	for (unsigned i = 0; i < 4; i++)
		(void)world_start(world, i, 10 * GIB);
	*state = world;
	fill(&volume);
	assert_int_equal(create(world, &volume), 0);
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
	world_sleep(world, 50);
	return world_find(world, 0, "v");
}

static const struct catalog_pool *pool_at(struct world *world, unsigned i)
{
	const struct catalog_pool *pool = NULL;

	world_sleep(world, 50);
	assert_int_equal(catalog_pool_find(world->nodes[0].catalog, world_pool(i), &pool, NULL), 0);
	return pool;
}

static void each_pool_has_room_reserved_for_its_shards(void **state)
{
	struct world *world = *state;
	struct world_answer answer = { 0 };

	assert_true(catalog_replica_bytes(volume_at(world)) == GIB);
	assert_true(volume_at(world)->stripe_bytes == MIB);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(pool_at(world, i)->provisioned_bytes == 2 * GIB);
		assert_int_equal(pool_at(world, i)->replica_count, 2);
	}
	/* A shard's size is a multiple of the stripe: 1 MiB more for each. */
	catalog_volume_resize(world->nodes[1].catalog, world_uuid("v"), 3 * GIB + 65536, WORLD_TIMEOUT_MS,
		world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true(pool_at(world, i)->provisioned_bytes == 2 * (GIB + MIB));
}

static void what_is_no_striped_volume_is_refused(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < 6; i++) {
		struct world_volume volume;

		fill(&volume);
		(void)snprintf(volume.volume.name, sizeof(volume.volume.name), "w");
		volume.volume.volume = world_uuid("w");
		if (i == 0)
			volume.volume.stripe_bytes = 0;
		else if (i == 1)
			volume.volume.stripe_bytes = 65536; /* less than the largest entry */
		else if (i == 2)
			volume.volume.stripe_bytes = MIB + 4096;
		else if (i == 3)
			shards[1].group = shards[0].group;
		else if (i == 4)
			shards[2].replicas[1].replica = shards[0].replicas[0].replica;
		else
			volume.volume.shard_count = 1; /* with stripes */
		assert_int_equal(create(world, &volume), -EINVAL);
	}
}

/* Each on a pool of its own, of a node of its own. */
static int create_wide(struct world *world, unsigned count)
{
	static struct catalog_shard wide[CATALOG_MAX_SHARDS];
	struct world_volume volume;

	world_volume_fill(&volume, "wide", 64 * GIB, 1);
	volume.volume.shards = wide;
	volume.volume.shard_count = count;
	volume.volume.stripe_bytes = MIB;
	for (unsigned s = 0; s < count; s++) {
		char node[8];

		(void)snprintf(node, sizeof(node), "w%u", s);
		wide[s] = volume.shard;
		wide[s].group.byte[15] = (uint8_t)s;
		wide[s].replicas[0].replica.byte[15] = (uint8_t)s;
		wide[s].replicas[0].pool.byte[15] = (uint8_t)s;
		wide[s].replicas[0].node = text_intern(node);
		wide[s].voters[0] = wide[s].replicas[0].replica;
	}
	return create(world, &volume);
}

static void a_volume_on_more_pools_and_nodes_than_a_transaction_can_name_is_refused(void **state)
{
	assert_int_equal(create_wide(*state, 57), -EINVAL);
	assert_int_equal(
		create_wide(*state, 56), -ENOENT); /* there are no such pools, but they were looked for */
}

static int learner_add(struct world *world, const char *name, unsigned shard, unsigned pool)
{
	char node[] = { 'n', (char)('0' + pool), '\0' };
	struct catalog_replica learner = {
		.replica = world_uuid(name), .pool = world_pool(pool), .node = text_intern(node)
	};
	struct world_answer answer = { 0 };

	catalog_learner_add(world->nodes[1].catalog, world_uuid("v"), volume_at(world)->shards[shard].group,
		&learner, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static int cancel(struct world *world, const char *learner)
{
	struct world_answer answer = { 0 };

	catalog_change_cancel(world->nodes[2].catalog, world_uuid("v"),
		learner ? world_uuid(learner) : (struct uuid){ { 0 } }, WORLD_TIMEOUT_MS, world_done,
		&answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

/* Of shard 1: `goes` and all others, and then `new` beside them. */
static int set(struct world *world, uint64_t before, bool joint)
{
	const struct catalog_shard *shard = &volume_at(world)->shards[1];
	struct catalog_membership change = { .volume = world_uuid("v"),
		.group = shard->group,
		.attachment = world_uuid("att"),
		.epoch_number = volume_at(world)->epoch_number,
		.number_before = before,
		.number = before + 1,
		.voter_count = joint ? 2 : 3,
		.next_voter_count = joint ? 3 : 0 };
	struct uuid all[3] = { shard->replicas[0].replica, shard->replicas[1].replica, world_uuid("new") };
	struct world_answer answer = { 0 };

	memcpy(change.voters, all, change.voter_count * sizeof(all[0]));
	memcpy(change.next_voters, all, change.next_voter_count * sizeof(all[0]));
	catalog_membership_set(world->nodes[0].catalog, &change, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void a_shards_members_change_alone(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;

	assert_int_equal(learner_add(world, "new", 1, 0), 0);
	assert_int_equal(learner_add(world, "more", 1, 3), -EBUSY); /* one change at a time, of a shard */
	assert_int_equal(learner_add(world, "other", 2, 3), 0);     /* another shard's is none of that */
	assert_int_equal(learner_add(world, "third", 0, 0), -EEXIST);
	assert_true(pool_at(world, 0)->provisioned_bytes == 3 * GIB);
	assert_int_equal(set(world, 1, true), 0);
	assert_int_equal(cancel(world, "new"), -EBUSY); /* joint */
	assert_int_equal(cancel(world, "other"), 0);    /* not this one */
	assert_int_equal(set(world, 2, false), 0);
	volume = volume_at(world);
	assert_int_equal(volume->shards[1].voter_count, 3);
	assert_true(volume->shards[1].config_number == 3);
	for (unsigned s = 0; s < SHARDS; s += 2) {
		assert_int_equal(volume->shards[s].voter_count, 2);
		assert_true(volume->shards[s].config_number == 1);
	}
	assert_true(volume->shards[2].replicas[2].retired);
}

static void all_that_is_asked_for_is_given_up_at_once(void **state)
{
	struct world *world = *state;

	assert_int_equal(cancel(world, NULL), -ENOENT);
	assert_int_equal(learner_add(world, "new", 1, 0), 0);
	assert_int_equal(learner_add(world, "other", 2, 3), 0);
	assert_int_equal(cancel(world, NULL), 0);
	assert_true(volume_at(world)->shards[1].replicas[2].retired);
	assert_true(volume_at(world)->shards[2].replicas[2].retired);
}

static int removed(struct world *world, struct uuid replica)
{
	struct world_answer answer = { 0 };

	catalog_replica_removed(
		world->nodes[1].catalog, world_uuid("v"), replica, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void it_is_gone_when_the_replicas_of_all_shards_are(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;

	assert_int_equal(world_detach(world, 0, "v", "att"), 0);
	assert_int_equal(world_delete(world, 0, "v", NULL), 0);
	for (unsigned s = 0; s < SHARDS; s++)
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(catalog_volume_find_uuid(
						 world->nodes[0].catalog, world_uuid("v"), &volume, NULL),
				0);
			assert_int_equal(removed(world, shards[s].replicas[i].replica), 0);
			world_sleep(world, 50);
		}
	assert_int_equal(
		catalog_volume_find_uuid(world->nodes[0].catalog, world_uuid("v"), &volume, NULL), -ENOENT);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(pool_at(world, i)->provisioned_bytes == 0);
		assert_int_equal(pool_at(world, i)->replica_count, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_pool_has_room_reserved_for_its_shards),
		TEST(what_is_no_striped_volume_is_refused),
		TEST(a_volume_on_more_pools_and_nodes_than_a_transaction_can_name_is_refused),
		TEST(a_shards_members_change_alone),
		TEST(all_that_is_asked_for_is_given_up_at_once),
		TEST(it_is_gone_when_the_replicas_of_all_shards_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
