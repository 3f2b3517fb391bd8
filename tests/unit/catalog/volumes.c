/* Volumes in the catalog: made whole or not at all, attached by one, deleted in two steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "catalog_world.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static int setup(void **state)
{
	struct world *world = world_new(23);

	for (unsigned i = 0; i < 3; i++)
		(void)world_start(world, i, 10 * GIB);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static uint64_t provisioned(struct world *world, unsigned viewer, unsigned pool)
{
	const struct catalog_pool *record;

	assert_int_equal(catalog_pool_find(world->nodes[viewer].catalog, world_pool(pool), &record, NULL), 0);
	return record->provisioned_bytes;
}

/* ---- create ---- */

static void a_created_volume_is_seen_by_its_maker_at_once_and_by_all_soon(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(catalog_volume_find(world->nodes[0].catalog, "v", &volume, NULL), 0);
	assert_true(uuid_equal(volume->volume, world_uuid("v")));
	assert_true(provisioned(world, 0, 2) == GIB);
	world_sleep(world, 50);
	assert_int_equal(catalog_volume_find(world->nodes[2].catalog, "v", &volume, NULL), 0);
	assert_int_equal(volume->shard_count, 1);
	assert_int_equal(volume->shards[0].replica_count, 3);
	assert_int_equal(volume->shards[0].voter_count, 3);
	assert_true(volume->shards[0].config_number == 1);
	assert_string_equal(volume->shards[0].replicas[1].node, "n1");
	assert_ptr_equal(catalog_volume_by_name_at(world->nodes[2].catalog, 0), volume);
	assert_null(catalog_volume_by_name_at(world->nodes[2].catalog, 1));
}

static void the_same_volume_again_is_a_success_another_of_its_name_is_not(void **state)
{
	struct world *world = *state;
	struct world_answer answer = { 0 };
	struct world_volume other;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_create(world, 1, "v", GIB, 3, NULL), 0);
	assert_true(provisioned(world, 1, 0) == GIB);
	world_volume_fill(&other, "v", GIB, 3);
	other.volume.volume = world_uuid("other");
	catalog_volume_create(
		world->nodes[1].catalog, &other.volume, WORLD_TIMEOUT_MS, world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, -EEXIST);
	assert_true(provisioned(world, 1, 0) == GIB);
}

static void bad_fields_are_einval_and_named(void **state)
{
	struct world *world = *state;
	struct world_volume volume;
	static const struct {
		const char *word;
		unsigned which;
	} rows[] = { { "bytes", 0 }, { "bytes", 1 }, { "btrfs", 2 }, { "voters", 3 }, { "volume name", 4 },
		{ "share", 5 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world_answer answer = { 0 };

		world_volume_fill(&volume, "v", GIB, 3);
		if (rows[i].which == 0)
			volume.volume.size_bytes = 31 * MIB;
		else if (rows[i].which == 1)
			volume.volume.size_bytes = GIB + 4096;
		else if (rows[i].which == 2)
			memcpy(volume.volume.fs, "btrfs", 6);
		else if (rows[i].which == 3)
			volume.shard.voter_count = 0;
		else if (rows[i].which == 4)
			memcpy(volume.volume.name, "-x", 3);
		else
			volume.shard.replicas[1].pool = volume.shard.replicas[0].pool;
		catalog_volume_create(world->nodes[0].catalog, &volume.volume, WORLD_TIMEOUT_MS,
			world_volume_done, &answer);
		assert_true(world_wait(world, &answer.done));
		assert_int_equal(answer.rc, -EINVAL);
		assert_non_null(strstr(answer.error, rows[i].word));
	}
}

/* Creates at once from all nodes, names and pools in conflict. */
static void racing_creators_never_oversubscribe_and_never_share_a_name(void **state)
{
	struct world *world = *state;
	static struct world_answer answers[60];
	unsigned made = 0;

	memset(answers, 0, sizeof(answers));
	/* 20 GiB may be provisioned on each pool: 20 of 40 different names fit, each asked for by two nodes.
	 */
	for (unsigned i = 0; i < 60; i++) {
		struct world_volume volume;
		char name[16];

		(void)snprintf(name, sizeof(name), "v%u", i / 2);
		world_volume_fill(&volume, name, GIB, 3);
		(void)snprintf(name, sizeof(name), "u%u", i);
		volume.volume.volume = world_uuid(name); /* two makers of one name make two volumes */
		catalog_volume_create(
			world->nodes[i % 3].catalog, &volume.volume, 30000, world_volume_done, &answers[i]);
	}
	for (unsigned i = 0; i < 60; i++) {
		assert_true(world_wait(world, &answers[i].done));
		assert_true(answers[i].rc == 0 || answers[i].rc == -EEXIST || answers[i].rc == -ENOSPC);
		made += answers[i].rc == 0;
	}
	world_sleep(world, 100);
	assert_int_equal(made, 20);
	for (unsigned i = 0; i < 3; i++)
		assert_true(provisioned(world, 0, i) == 20 * GIB);
	for (unsigned i = 0; i < 20; i++)
		assert_non_null(catalog_volume_by_name_at(world->nodes[1].catalog, i));
	assert_null(catalog_volume_by_name_at(world->nodes[1].catalog, 20));
}

static void no_room_is_enospc_with_the_numbers(void **state)
{
	struct world *world = *state;
	struct world_answer answer;

	assert_int_equal(world_create(world, 0, "big", 19 * GIB, 3, NULL), 0);
	assert_int_equal(world_create(world, 0, "more", 2 * GIB, 3, &answer), -ENOSPC);
	assert_non_null(strstr(answer.error, "19 GiB"));
	assert_non_null(strstr(answer.error, "20 GiB"));
	assert_int_equal(world_create(world, 0, "fits", GIB, 3, NULL), 0);
}

/* Creates at once, from all nodes, on a pool whose journal has shares for three replicas. */
static void racing_creators_never_pass_a_pools_replica_limit(void **state)
{
	struct world *world = *state;
	static struct world_answer answers[9];
	struct world_answer registered = { 0 };
	const struct catalog_pool *known;
	struct catalog_pool record;
	unsigned made = 0;

	memset(answers, 0, sizeof(answers));
	assert_int_equal(catalog_pool_find(world->nodes[1].catalog, world_pool(1), &known, NULL), 0);
	record = *known;
	record.replica_limit = 3;
	catalog_pool_put(world->nodes[1].catalog, &record, 30000, world_done, &registered);
	assert_true(world_wait(world, &registered.done));
	assert_int_equal(registered.rc, 0);
	world_sleep(world, 100);
	for (unsigned i = 0; i < 9; i++) {
		struct world_volume volume;
		char name[16];

		(void)snprintf(name, sizeof(name), "v%u", i);
		world_volume_fill(&volume, name, GIB, 3);
		catalog_volume_create(
			world->nodes[i % 3].catalog, &volume.volume, 30000, world_volume_done, &answers[i]);
	}
	for (unsigned i = 0; i < 9; i++) {
		assert_true(world_wait(world, &answers[i].done));
		made += answers[i].rc == 0;
		if (answers[i].rc != 0) {
			assert_int_equal(answers[i].rc, -ENOSPC);
			assert_non_null(strstr(answers[i].error, "holds 3 replicas, and takes at most 3"));
		}
	}
	assert_int_equal(made, 3);
}

static void a_create_whose_answer_is_lost_happens_once(void **state)
{
	struct world *world = *state;
	struct world_answer answer = { 0 };
	struct world_volume volume;
	struct kvdb_sim_faults faults = { .delay_min_us = 100, .delay_max_us = 500, .fail_after = 400 };
	char name[16];

	for (unsigned i = 0; i < 8; i++) {
		(void)snprintf(name, sizeof(name), "v%u", i);
		world_volume_fill(&volume, name, GIB, 3);
		kvdb_sim_faults_set(world->sim, &faults);
		answer = (struct world_answer){ 0 };
		catalog_volume_create(
			world->nodes[0].catalog, &volume.volume, 30000, world_volume_done, &answer);
		world_sleep(world, 300);
		kvdb_sim_faults_set(world->sim, &(struct kvdb_sim_faults){ .delay_max_us = 100 });
		assert_true(world_wait(world, &answer.done));
		assert_int_equal(answer.rc, 0);
		assert_true(provisioned(world, 0, 0) == (i + 1) * GIB);
	}
}

static void without_the_kvdb_a_change_is_eagain_soon_and_lookups_go_on(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;
	struct world_answer answer;
	uint64_t from_ns;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	kvdb_sim_down(world->sim, true);
	from_ns = world_now_ns();
	assert_int_equal(world_create(world, 0, "w", GIB, 3, &answer), -EAGAIN);
	assert_true(world_now_ns() - from_ns < 5 * NS_PER_S);
	assert_non_null(strstr(answer.error, "out of reach"));
	assert_int_equal(catalog_volume_find(world->nodes[0].catalog, "v", &volume, NULL), 0);
	kvdb_sim_down(world->sim, false);
	assert_int_equal(world_create(world, 0, "w", GIB, 3, NULL), 0);
}

/* ---- attach ---- */

static int hold(struct world *world, unsigned i, const char *attachment)
{
	struct world_answer answer = { 0 };

	catalog_volume_hold(world->nodes[i].catalog, world_uuid("v"), world_uuid(attachment),
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

/* n1 has taken it by force, could not open it, and has given it up; n0's session serves all the while. */
static void who_serves_what_nobody_holds_holds_it_again(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 0, "v", "a0", NULL, NULL), 0);
	assert_int_equal(world_detach(world, 0, "v", "a0"), 0);
	assert_int_equal(world_attach(world, 1, "v", "a1", NULL, NULL), 0);
	assert_int_equal(hold(world, 0, "a0"), -ESTALE); /* another's */
	assert_int_equal(world_detach(world, 1, "v", "a1"), 0);
	assert_int_equal(hold(world, 0, "a0"), 0);
	assert_int_equal(hold(world, 0, "a0"), 0);
	assert_int_equal(catalog_volume_find(world->nodes[0].catalog, "v", &volume, NULL), 0);
	assert_string_equal(volume->holder.node, "n0");
	assert_true(uuid_equal(volume->holder.attachment, world_uuid("a0")));
	assert_true(volume->epoch_number == 2); /* it never goes back */
	assert_int_equal(world_attach(world, 1, "v", "a2", NULL, NULL), -EBUSY);
}

static void attach_raises_the_epoch_and_a_second_node_is_refused_with_the_holder_named(void **state)
{
	struct world *world = *state;
	struct world_answer answer;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 0, "v", "a0", NULL, &answer), 0);
	assert_true(answer.epoch_number == 1);
	assert_string_equal(answer.holder.node, "n0");
	assert_int_equal(world_attach(world, 1, "v", "a1", NULL, &answer), -EBUSY);
	assert_non_null(strstr(answer.error, "n0"));
	assert_non_null(strstr(answer.error, "since 1970-01-12T"));
	assert_int_equal(world_detach(world, 1, "v", "a1"), 0); /* not the holder: nothing happens */
	assert_int_equal(world_attach(world, 1, "v", "a1", NULL, NULL), -EBUSY);
	assert_int_equal(world_detach(world, 0, "v", "a0"), 0);
	assert_int_equal(world_attach(world, 1, "v", "a1", NULL, &answer), 0);
	assert_true(answer.epoch_number == 2);
}

static void of_nodes_that_attach_at_once_one_gets_it(void **state)
{
	struct world *world = *state;
	static const char *const attachments[] = { "a0", "a1", "a2" };

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	for (unsigned round = 0; round < 10; round++) {
		struct world_answer answers[3] = { 0 };
		unsigned won = 0;

		for (unsigned i = 0; i < 3; i++) {
			struct catalog_attach attach = { .volume = world_uuid("v"),
				.attachment = world_uuid(attachments[i]) };

			catalog_volume_attach(
				world->nodes[i].catalog, &attach, 10000, world_volume_done, &answers[i]);
		}
		for (unsigned i = 0; i < 3; i++) {
			assert_true(world_wait(world, &answers[i].done));
			assert_true(answers[i].rc == 0 || answers[i].rc == -EBUSY);
			won += answers[i].rc == 0;
			if (answers[i].rc == 0)
				assert_true(answers[i].epoch_number == round + 1);
		}
		assert_int_equal(won, 1);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(world_detach(world, i, "v", attachments[i]), 0);
	}
}

static void a_dead_holder_is_succeeded_only_after_the_replicas_were_probed(void **state)
{
	struct world *world = *state;
	struct world_answer answer;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 0, "v", "a0", NULL, NULL), 0);
	world_sleep(world, 10000);
	world_kill(world, 0);
	assert_int_equal(world_attach(world, 1, "v", "a1", "a0", NULL), -EBUSY);
	world_sleep(world, 7000);
	assert_int_equal(world_attach(world, 1, "v", "a1", NULL, &answer), -EOWNERDEAD);
	assert_int_equal(world_attach(world, 1, "v", "a1", "somebody", &answer), -EOWNERDEAD);
	assert_int_equal(world_attach(world, 1, "v", "a1", "a0", &answer), 0);
	assert_true(answer.epoch_number == 2);
	assert_string_equal(answer.holder.node, "n1");
	/* The former holder comes back: it may neither detach nor raise what isn't its own. */
	kvdb_sim_cut(world->nodes[0].kvdb, false);
	world_sleep(world, 3000);
	assert_int_equal(world_detach(world, 0, "v", "a0"), 0);
	assert_int_equal(world_attach(world, 0, "v", "a0", NULL, NULL), -EBUSY);
	answer = (struct world_answer){ 0 };
	catalog_volume_epoch_raise(world->nodes[0].catalog, world_uuid("v"), world_uuid("a0"), 7, 5000,
		world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, -ESTALE);
}

static void one_that_was_cut_off_itself_may_not_take_over_at_once(void **state)
{
	struct world *world = *state;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 0, "v", "a0", NULL, NULL), 0);
	world_sleep(world, 10000);
	world_kill(world, 0);
	world_kill(world, 1);
	world_sleep(world, 20000);
	kvdb_sim_cut(world->nodes[1].kvdb, false);
	world_sleep(world, 2500);
	assert_int_equal(world_attach(world, 1, "v", "a1", "a0", NULL), -EHOSTDOWN);
	assert_int_equal(world_attach(world, 2, "v", "a2", "a0", NULL), 0);
}

static void a_metadata_outage_that_ends_moves_nothing(void **state)
{
	struct world *world = *state;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 0, "v", "a0", NULL, NULL), 0);
	kvdb_sim_down(world->sim, true);
	world_sleep(world, 30000);
	kvdb_sim_down(world->sim, false);
	for (unsigned i = 0; i < 20; i++) {
		int rc = world_attach(world, 1, "v", "a1", "a0", NULL);

		/* At first its own lease may not be renewed yet. */
		assert_true(rc == -EBUSY || (i < 2 && rc == -ESTALE));
		world_sleep(world, 500);
	}
}

static void the_same_node_attaches_again_with_a_new_epoch(void **state)
{
	struct world *world = *state;
	struct world_answer answer;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 0, "v", "a0", NULL, NULL), 0);
	world_close(world, 0, false);
	(void)world_start(world, 0, 10 * GIB);
	assert_int_equal(world_attach(world, 0, "v", "b0", NULL, &answer), 0);
	assert_true(answer.epoch_number == 2);
	assert_true(uuid_equal(answer.holder.session, world->nodes[0].session));
}

static void a_node_without_its_lease_attaches_nothing(void **state)
{
	struct world *world = *state;

	(void)world_open(world, 3);
	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 3, "v", "a3", NULL, NULL), -ESTALE);
}

static void an_epoch_is_raised_above_what_the_replicas_promised(void **state)
{
	struct world *world = *state;
	struct world_answer answer = { 0 };

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 0, "v", "a0", NULL, NULL), 0);
	catalog_volume_epoch_raise(world->nodes[0].catalog, world_uuid("v"), world_uuid("a0"), 41, 5000,
		world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
	assert_true(answer.epoch_number == 42);
	answer = (struct world_answer){ 0 };
	catalog_volume_epoch_raise(world->nodes[0].catalog, world_uuid("v"), world_uuid("a0"), 3, 5000,
		world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_true(answer.epoch_number == 43);
}

static void attaches_of_unknown_outcome_never_share_an_epoch(void **state)
{
	struct world *world = *state;
	struct kvdb_sim_faults faults = {
		.delay_min_us = 100, .delay_max_us = 3000, .fail_after = 200, .refuse = 100
	};
	uint64_t last = 0;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	kvdb_sim_faults_set(world->sim, &faults);
	for (unsigned i = 0; i < 50; i++) {
		struct world_answer answer;
		char attachment[16];

		(void)snprintf(attachment, sizeof(attachment), "a%u", i);
		if (world_attach(world, 0, "v", attachment, NULL, &answer) != 0)
			continue;
		assert_true(answer.epoch_number > last);
		assert_true(uuid_equal(answer.holder.attachment, world_uuid(attachment)));
		last = answer.epoch_number;
	}
	assert_true(last > 10);
}

static void the_filesystem_is_noted_by_the_holder_only(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;
	struct world_answer answer = { 0 };

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 0, "v", "a0", NULL, NULL), 0);
	catalog_volume_fs_made(
		world->nodes[1].catalog, world_uuid("v"), world_uuid("a1"), 5000, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, -ESTALE);
	answer = (struct world_answer){ 0 };
	catalog_volume_fs_made(
		world->nodes[0].catalog, world_uuid("v"), world_uuid("a0"), 5000, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
	assert_int_equal(catalog_volume_find(world->nodes[0].catalog, "v", &volume, NULL), 0);
	assert_true(volume->fs_made);
}

/* ---- delete ---- */

static void an_attached_volume_is_not_deleted(void **state)
{
	struct world *world = *state;
	struct world_answer answer;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 1, "v", "a1", NULL, NULL), 0);
	assert_int_equal(world_delete(world, 0, "v", &answer), -EBUSY);
	assert_non_null(strstr(answer.error, "n1"));
	assert_int_equal(world_detach(world, 1, "v", "a1"), 0);
	assert_int_equal(world_delete(world, 0, "v", &answer), 0);
	assert_int_equal(world_attach(world, 1, "v", "a1", NULL, NULL), -ENOENT);
}

static void a_deleted_volume_frees_its_name_at_once_and_its_room_with_its_replicas(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	assert_int_equal(world_removed(world, 0, "v", 0), -EINVAL);
	assert_int_equal(world_delete(world, 0, "v", NULL), 0);
	assert_int_equal(world_delete(world, 1, "v", NULL), 0);
	assert_int_equal(catalog_volume_find(world->nodes[0].catalog, "v", &volume, NULL), -ENOENT);
	assert_int_equal(
		catalog_volume_find_uuid(world->nodes[0].catalog, world_uuid("v"), &volume, NULL), 0);
	assert_int_equal(volume->state, CATALOG_VOLUME_DELETING);
	assert_null(catalog_volume_by_name_at(world->nodes[0].catalog, 0));
	assert_true(provisioned(world, 0, 0) == GIB);
	assert_int_equal(world_removed(world, 0, "v", 0), 0);
	assert_true(provisioned(world, 0, 0) == 0);
	assert_true(provisioned(world, 0, 1) == GIB);
	assert_int_equal(world_removed(world, 1, "v", 1), 0);
	assert_int_equal(world_removed(world, 1, "v", 1), 0);
	assert_int_equal(world_removed(world, 2, "v", 2), 0);
	assert_int_equal(world_removed(world, 2, "v", 2), 0);
	assert_int_equal(
		catalog_volume_find_uuid(world->nodes[2].catalog, world_uuid("v"), &volume, NULL), -ENOENT);
	for (unsigned i = 0; i < 3; i++)
		assert_true(provisioned(world, 2, i) == 0);
	assert_int_equal(world_delete(world, 0, "v", NULL), -ENOENT);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_created_volume_is_seen_by_its_maker_at_once_and_by_all_soon),
		TEST(the_same_volume_again_is_a_success_another_of_its_name_is_not),
		TEST(bad_fields_are_einval_and_named),
		TEST(racing_creators_never_oversubscribe_and_never_share_a_name),
		TEST(no_room_is_enospc_with_the_numbers),
		TEST(racing_creators_never_pass_a_pools_replica_limit),
		TEST(a_create_whose_answer_is_lost_happens_once),
		TEST(without_the_kvdb_a_change_is_eagain_soon_and_lookups_go_on),
		TEST(who_serves_what_nobody_holds_holds_it_again),
		TEST(attach_raises_the_epoch_and_a_second_node_is_refused_with_the_holder_named),
		TEST(of_nodes_that_attach_at_once_one_gets_it),
		TEST(a_dead_holder_is_succeeded_only_after_the_replicas_were_probed),
		TEST(one_that_was_cut_off_itself_may_not_take_over_at_once),
		TEST(a_metadata_outage_that_ends_moves_nothing),
		TEST(the_same_node_attaches_again_with_a_new_epoch),
		TEST(a_node_without_its_lease_attaches_nothing),
		TEST(an_epoch_is_raised_above_what_the_replicas_promised),
		TEST(attaches_of_unknown_outcome_never_share_an_epoch),
		TEST(the_filesystem_is_noted_by_the_holder_only),
		TEST(an_attached_volume_is_not_deleted),
		TEST(a_deleted_volume_frees_its_name_at_once_and_its_room_with_its_replicas),
	};

	return cmocka_run_group_tests_name("catalog: volumes", tests, NULL, NULL);
}
