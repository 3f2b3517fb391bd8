/* An agent's view has the volumes that concern its node; of others it reads what it wants. */
#include "catalog/pin.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "catalog/snapshots.h"
#include "catalog_world.h"

#define GIB   (UINT64_C(1) << 30)
#define NODES 4u

/* Nodes 0 to 3 with pools, and a volume "v" on nodes 0 and 1. */
static int setup(void **state)
{
	struct world *world = world_new(44);

	for (unsigned i = 0; i < NODES; i++)
		(void)world_start(world, i, 100 * GIB);
	assert_int_equal(world_create(world, 0, "v", GIB, 2, NULL), 0);
	world_sleep(world, 100);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static bool sees(struct world *world, unsigned node, const char *name)
{
	const struct catalog_volume *by_name = NULL, *by_uuid = NULL;
	bool named = catalog_volume_find(world->nodes[node].catalog, name, &by_name, NULL) == 0;
	bool there =
		catalog_volume_find_uuid(world->nodes[node].catalog, world_uuid(name), &by_uuid, NULL) == 0;

	assert_int_equal(named, there);
	assert_ptr_equal(by_name, by_uuid);
	return there;
}

/* The nodes that have a copy, as digits; each is the record's bytes, and in its node's view. */
static void copies_are(struct world *world, const char *expected)
{
	char uuid[UUID_TEXT_LEN + 1], key[128], found[NODES + 1] = "";
	size_t record_bytes, bytes;
	const uint8_t *record;

	world_sleep(world, 100);
	(void)snprintf(key, sizeof(key), "/quoin/test/volume/%s", uuid_format(world_uuid("v"), uuid));
	record = kvdb_sim_peek(world->sim, key, &record_bytes);
	for (unsigned i = 0; i < NODES; i++) {
		const uint8_t *copy;

		(void)snprintf(key, sizeof(key), "/quoin/test/at/n%u/%s", i, uuid);
		copy = kvdb_sim_peek(world->sim, key, &bytes);
		assert_int_equal(sees(world, i, "v"), copy != NULL);
		if (!copy)
			continue;
		assert_non_null(record);
		assert_int_equal(bytes, record_bytes);
		assert_memory_equal(copy, record, bytes);
		assert_true(world_find(world, i, "v")->revision == world_find(world, 0, "v")->revision);
		(void)snprintf(found + strlen(found), 2, "%u", i);
	}
	assert_string_equal(found, expected);
}

static const struct catalog_shard *shard_of(struct world *world)
{
	return &world_find(world, 0, "v")->shards[0];
}

static void members_set(struct world *world, unsigned next, const struct uuid *voters, unsigned count)
{
	const struct catalog_volume *v = world_find(world, 0, "v");
	struct catalog_membership change = { .volume = v->volume,
		.group = v->shards[0].group,
		.attachment = v->holder.attachment,
		.epoch_number = v->epoch_number,
		.number_before = v->shards[0].config_number,
		.number = v->shards[0].config_number + 1 };
	struct world_answer answer = { 0 };

	change.voter_count = next > 0 ? v->shards[0].voter_count : count;
	memcpy(change.voters, next > 0 ? v->shards[0].voters : voters,
		change.voter_count * sizeof(change.voters[0]));
	change.next_voter_count = next;
	memcpy(change.next_voters, voters, next * sizeof(change.next_voters[0]));
	catalog_membership_set(world->nodes[0].catalog, &change, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_string_equal(answer.error, "");
}

static void each_node_that_a_volume_concerns_has_a_copy_and_no_other(void **state)
{
	struct world *world = *state;
	struct catalog_replica learner = {
		.replica = world_uuid("new"), .pool = world_pool(3), .node = text_intern("n3")
	};
	struct uuid next[2];
	struct world_answer answer = { 0 };

	copies_are(world, "01");
	assert_int_equal(world_attach(world, 2, "v", "far", NULL, NULL), 0); /* the holder's */
	copies_are(world, "012");
	assert_int_equal(world_detach(world, 2, "v", "far"), 0);
	copies_are(world, "01");
	assert_int_equal(world_attach(world, 0, "v", "att", NULL, NULL), 0);
	learner.replaces = world_uuid("v-replica1");
	catalog_learner_add(world->nodes[2].catalog, world_uuid("v"), shard_of(world)->group, &learner,
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_string_equal(answer.error, "");
	copies_are(world, "013"); /* one that comes */
	next[0] = world_uuid("v-replica0");
	next[1] = world_uuid("new");
	members_set(world, 2, next, 2);
	copies_are(world, "013");
	members_set(world, 0, next, 2);
	copies_are(world, "013"); /* its node deletes the retired one, and says so */
	answer = (struct world_answer){ 0 };
	catalog_replica_removed(world->nodes[1].catalog, world_uuid("v"), world_uuid("v-replica1"),
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	copies_are(world, "03");
	assert_int_equal(world_detach(world, 0, "v", "att"), 0);
	assert_int_equal(world_delete(world, 2, "v", NULL), 0);
	world_sleep(world, 100);
	assert_int_equal(world_removed(world, 0, "v", 0), 0);
	answer = (struct world_answer){ 0 };
	catalog_replica_removed(world->nodes[3].catalog, world_uuid("v"), world_uuid("new"), WORLD_TIMEOUT_MS,
		world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	copies_are(world, "");
}

static int pin_wait(struct world *world, struct catalog_pin *pin, struct world_answer *answer)
{
	*answer = (struct world_answer){ 0 };
	catalog_pin_read(pin, 5000, world_done, answer);
	assert_true(world_wait(world, &answer->done));
	return answer->rc;
}

static void one_that_is_elsewhere_is_there_while_it_is_pinned(void **state)
{
	struct world *world = *state;
	struct catalog *catalog = world->nodes[3].catalog;
	struct catalog_pin *pin = catalog_pin_name(catalog, "v");
	struct world_answer answer;

	assert_false(sees(world, 3, "v"));
	assert_int_equal(pin_wait(world, pin, &answer), 0);
	assert_true(sees(world, 3, "v"));
	assert_true(world_find(world, 3, "v")->revision == world_find(world, 0, "v")->revision);
	/* What changes is seen, though it is not watched. */
	assert_int_equal(world_attach(world, 0, "v", "att", NULL, NULL), 0);
	world_sleep(world, 1000);
	assert_string_equal(world_find(world, 3, "v")->holder.node, "n0");
	/* From when it concerns this node until it doesn't any more, it is watched. */
	assert_int_equal(world_detach(world, 0, "v", "att"), 0);
	assert_int_equal(world_attach(world, 3, "v", "here", NULL, NULL), 0);
	assert_true(catalog_pin_is_known(pin));
	assert_int_equal(world_detach(world, 3, "v", "here"), 0);
	world_sleep(world, 1000);
	assert_false(catalog_pin_is_known(pin));
	assert_true(uuid_is_none(world_find(world, 3, "v")->holder.attachment));
	/* Its end is seen, too. */
	assert_int_equal(world_delete(world, 0, "v", NULL), 0);
	assert_int_equal(world_removed(world, 0, "v", 0), 0);
	assert_int_equal(world_removed(world, 1, "v", 1), 0);
	world_sleep(world, 1000);
	assert_false(sees(world, 3, "v"));
	catalog_unpin(pin);
}

static void it_is_gone_with_the_last_pin(void **state)
{
	struct world *world = *state;
	struct catalog *catalog = world->nodes[3].catalog;
	struct catalog_pin *by_name = catalog_pin_name(catalog, "v");
	struct catalog_pin *by_uuid = catalog_pin_volume(catalog, world_uuid("v"));
	struct catalog_pin *none = catalog_pin_name(catalog, "w");
	struct world_answer answer;

	assert_int_equal(pin_wait(world, by_name, &answer), 0);
	assert_int_equal(pin_wait(world, by_uuid, &answer), 0);
	assert_int_equal(pin_wait(world, none, &answer), 0);
	assert_false(sees(world, 3, "w"));
	catalog_unpin(by_name);
	assert_true(sees(world, 3, "v"));
	catalog_unpin(by_uuid);
	assert_false(sees(world, 3, "v"));
	catalog_unpin(none);
}

static void all_are_there_in_order_of_names_while_they_are_pinned(void **state)
{
	static const char *const names[] = { "a", "b", "c", "v" };
	struct world *world = *state;
	struct catalog *catalog = world->nodes[3].catalog;
	struct catalog_pin *pin = catalog_pin_all(catalog), *one = catalog_pin_name(catalog, "b");
	struct catalog_pin *of_node = catalog_pin_node(catalog, "n1");
	struct world_answer answer;

	assert_int_equal(world_create(world, 0, "c", GIB, 1, NULL), 0);
	assert_int_equal(world_create(world, 0, "a", GIB, 4, NULL), 0); /* this node's as well */
	assert_int_equal(world_create(world, 0, "b", GIB, 1, NULL), 0);
	world_sleep(world, 100);
	assert_int_equal(pin_wait(world, of_node, &answer), 0);
	assert_true(sees(world, 3, "v") && sees(world, 3, "a") && !sees(world, 3, "b"));
	assert_int_equal(pin_wait(world, pin, &answer), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_string_equal(catalog_volume_by_name_at(catalog, i)->name, names[i]);
	assert_null(catalog_volume_by_name_at(catalog, 4));
	assert_int_equal(pin_wait(world, one, &answer), 0);
	catalog_unpin(of_node);
	catalog_unpin(pin);
	assert_string_equal(catalog_volume_by_name_at(catalog, 0)->name, "a");
	assert_string_equal(catalog_volume_by_name_at(catalog, 1)->name, "b");
	assert_null(catalog_volume_by_name_at(catalog, 2));
	catalog_unpin(one);
	assert_false(sees(world, 3, "b"));
}

/* Somebody always looks at all: that keeps nothing as it was once. */
static void all_are_as_they_are_when_they_are_read_again(void **state)
{
	struct world *world = *state;
	struct catalog *catalog = world->nodes[3].catalog;
	struct catalog_pin *first = catalog_pin_all(catalog), *second = catalog_pin_all(catalog);
	struct world_answer answer;

	assert_int_equal(world_create(world, 0, "x", GIB, 1, NULL), 0);
	assert_int_equal(pin_wait(world, first, &answer), 0);
	assert_false(catalog_pin_is_known(first));
	assert_true(catalog_pin_is_told(first) && !catalog_pin_is_told(second));
	assert_true(sees(world, 3, "v") && sees(world, 3, "x"));
	assert_int_equal(world_attach(world, 0, "v", "att", NULL, NULL), 0);
	assert_int_equal(world_delete(world, 0, "x", NULL), 0);
	assert_int_equal(world_removed(world, 0, "x", 0), 0);
	assert_int_equal(world_create(world, 1, "w", GIB, 1, NULL), 0);
	assert_int_equal(pin_wait(world, second, &answer), 0);
	assert_string_equal(world_find(world, 3, "v")->holder.node, "n0");
	assert_true(sees(world, 3, "w") && !sees(world, 3, "x"));
	catalog_unpin(first);
	assert_true(sees(world, 3, "w"));
	catalog_unpin(second);
	assert_false(sees(world, 3, "w"));
	assert_int_equal(catalog_watched_count(catalog), 0);
}

static void a_kvdb_that_is_away_is_no_answer(void **state)
{
	struct world *world = *state;
	struct catalog_pin *pin = catalog_pin_name(world->nodes[3].catalog, "v");
	struct world_answer answer;

	kvdb_sim_cut(world->nodes[3].kvdb, true);
	assert_int_equal(pin_wait(world, pin, &answer), -EAGAIN);
	assert_non_null(strstr(answer.error, "can't read the record of volume v"));
	kvdb_sim_cut(world->nodes[3].kvdb, false);
	assert_int_equal(pin_wait(world, pin, &answer), 0);
	assert_true(sees(world, 3, "v"));
	catalog_unpin(pin);
}

static void operations_go_on_volumes_elsewhere(void **state)
{
	struct world *world = *state;
	struct world_answer answer;
	struct catalog_pin *pin;

	assert_int_equal(world_create(world, 3, "v", GIB, 1, NULL), 0); /* the same */
	assert_int_equal(world_attach(world, 3, "v", "far", NULL, &answer), 0);
	assert_true(answer.epoch_number == 1 && sees(world, 3, "v"));
	assert_int_equal(world_attach(world, 2, "v", "other", NULL, NULL), -EBUSY);
	assert_int_equal(world_detach(world, 3, "v", "far"), 0);
	world_sleep(world, 100);
	assert_false(sees(world, 3, "v"));
	assert_int_equal(world_delete(world, 3, "v", NULL), 0);
	assert_int_equal(world_delete(world, 3, "nothing", NULL), -ENOENT);
	pin = catalog_pin_all(world->nodes[3].catalog);
	catalog_unpin(pin);
	/* A catalog that is closed in the middle of a read. */
	pin = catalog_pin_name(world->nodes[2].catalog, "v");
	answer = (struct world_answer){ 0 };
	catalog_pin_read(pin, 5000, world_done, &answer);
	world_close(world, 2, false);
	assert_true(answer.done);
	assert_int_equal(answer.rc, -ECANCELED);
	catalog_unpin(pin);
}

static void a_name_is_another_nodes_at_the_same_moment(void **state)
{
	struct world *world = *state;
	struct world_answer answers[2] = { 0 };
	struct world_volume volumes[2];

	for (unsigned i = 0; i < 2; i++) {
		world_volume_fill(&volumes[i], "w", GIB, 1);
		volumes[i].volume.volume = world_uuid(i ? "one" : "other");
		catalog_volume_create(world->nodes[2 + i].catalog, &volumes[i].volume, WORLD_TIMEOUT_MS,
			world_volume_done, &answers[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_true(world_wait(world, &answers[i].done));
	assert_int_equal(answers[0].rc + answers[1].rc, -EEXIST);
}

static void a_group_is_seen_by_all(void **state)
{
	struct world *world = *state;
	struct world_answer answer = { 0 };
	const struct catalog_volume *fellow;
	struct world_volume volume;

	world_volume_fill(&volume, "g", GIB, 2);
	(void)snprintf(volume.volume.group_name, sizeof(volume.volume.group_name), "ring");
	catalog_volume_create(
		world->nodes[3].catalog, &volume.volume, WORLD_TIMEOUT_MS, world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_string_equal(answer.error, "");
	fellow = catalog_group_at(world->nodes[3].catalog, "ring", 0);
	assert_non_null(fellow);
	assert_string_equal(fellow->name, "g");
	assert_string_equal(fellow->shards[0].replicas[1].node, "n1");
	assert_null(catalog_group_at(world->nodes[3].catalog, "ring", 1));
	assert_null(catalog_group_at(world->nodes[3].catalog, "rin", 0));
	assert_int_equal(world_delete(world, 3, "g", NULL), 0);
	world_sleep(world, 100);
	assert_null(catalog_group_at(world->nodes[2].catalog, "ring", 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_node_that_a_volume_concerns_has_a_copy_and_no_other),
		TEST(one_that_is_elsewhere_is_there_while_it_is_pinned),
		TEST(it_is_gone_with_the_last_pin),
		TEST(all_are_there_in_order_of_names_while_they_are_pinned),
		TEST(all_are_as_they_are_when_they_are_read_again),
		TEST(a_kvdb_that_is_away_is_no_answer),
		TEST(operations_go_on_volumes_elsewhere),
		TEST(a_name_is_another_nodes_at_the_same_moment),
		TEST(a_group_is_seen_by_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
