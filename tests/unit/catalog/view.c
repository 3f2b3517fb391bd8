/* The view: lost watches, damaged records, a database from a backup; and the records' bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "catalog/record.h"
#include "catalog_world.h"

#define GIB (UINT64_C(1) << 30)

static int setup(void **state)
{
	struct world *world = world_new(31);

	world->whole = true;

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

static void volume_key(char key[static 128], const char *name)
{
	char uuid[UUID_TEXT_LEN + 1];

	(void)snprintf(key, 128, "/quoin/test/volume/%s", uuid_format(world_uuid(name), uuid));
}

static void a_lost_watch_is_listed_anew_and_shows_what_was_missed(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;

	assert_int_equal(world_create(world, 0, "old", GIB, 3, NULL), 0);
	world_sleep(world, 100);
	kvdb_sim_cut(world->nodes[2].kvdb, true);
	assert_int_equal(world_create(world, 0, "new", GIB, 3, NULL), 0);
	assert_int_equal(world_delete(world, 0, "old", NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(world_removed(world, 0, "old", i), 0);
	kvdb_sim_compact(world->sim);
	kvdb_sim_cut(world->nodes[2].kvdb, false);
	world->nodes[2].changes = 0;
	world_sleep(world, 3000);
	assert_true(world->nodes[2].changes > 0);
	assert_int_equal(catalog_volume_find(world->nodes[2].catalog, "new", &volume, NULL), 0);
	assert_int_equal(catalog_volume_find(world->nodes[2].catalog, "old", &volume, NULL), -ENOENT);
	assert_int_equal(
		catalog_volume_find_uuid(world->nodes[2].catalog, world_uuid("old"), &volume, NULL), -ENOENT);
}

/* What one transaction writes is in the view together: a volume with its name, and with its room on each
 * pool. */
static bool is_of_one_revision(const struct catalog *catalog)
{
	const struct catalog_volume *volume, *by_name;
	const struct catalog_pool *pool;
	uint64_t promised[3] = { 0 };

	for (size_t i = 0; (volume = catalog_volume_at(catalog, i)); i++) {
		for (unsigned r = 0; r < volume->shards[0].replica_count; r++)
			for (unsigned p = 0; p < 3; p++)
				if (!volume->shards[0].replicas[r].removed &&
					uuid_equal(volume->shards[0].replicas[r].pool, world_pool(p)))
					promised[p] += volume->size_bytes;
		if (volume->state != CATALOG_VOLUME_DELETING &&
			(catalog_volume_find(catalog, volume->name, &by_name, NULL) != 0 ||
				by_name != volume))
			return false;
	}
	for (unsigned p = 0; p < 3; p++)
		if (catalog_pool_find(catalog, world_pool(p), &pool, NULL) != 0 ||
			pool->provisioned_bytes != promised[p])
			return false;
	return true;
}

static unsigned looks, torn;

static void look(struct world_node *node)
{
	looks++;
	torn += !is_of_one_revision(node->catalog);
}

static void volume_comes_and_goes(struct world *world, const char *name, bool goes)
{
	assert_int_equal(world_create(world, 0, name, GIB / 32, 3, NULL), 0);
	if (!goes)
		return;
	assert_int_equal(world_delete(world, 0, name, NULL), 0);
	for (unsigned r = 0; r < 3; r++)
		assert_int_equal(world_removed(world, 0, name, r), 0);
}

static void a_view_that_is_read_in_pages_beside_writes_is_of_one_revision(void **state)
{
	static const struct kvdb_sim_faults slow = {
		.delay_min_us = 100, .delay_max_us = 3000, .watch_revisions = 1
	};
	struct world *world = *state;
	const struct catalog_volume *volume;
	char name[16];

	kvdb_sim_faults_set(world->sim, &slow);
	for (unsigned round = 0; round < 10; round++) {
		if (round % 2 == 0) { /* read for the first time */
			if (world->nodes[3].catalog)
				world_close(world, 3, false);
			world_open_begin(world, 3, look);
		} else { /* read again */
			kvdb_sim_cut(world->nodes[3].kvdb, true);
			volume_comes_and_goes(world, "missed", true);
			kvdb_sim_compact(world->sim);
			kvdb_sim_cut(world->nodes[3].kvdb, false);
		}
		for (unsigned i = 0; i < 40; i++) {
			(void)snprintf(name, sizeof(name), "v%u-%u", round, i);
			volume_comes_and_goes(world, name, i % 10 != 0);
		}
		world_sleep(world, 1000);
		assert_int_equal(torn, 0);
		for (unsigned i = 0; i < 40; i++) {
			(void)snprintf(name, sizeof(name), "v%u-%u", round, i);
			assert_int_equal(catalog_volume_find(world->nodes[3].catalog, name, &volume, NULL),
				i % 10 == 0 ? 0 : -ENOENT);
		}
	}
	assert_true(looks > 100);
	world_close(world, 3, false);
}

static void a_damaged_record_is_an_error_with_words_and_hurts_no_other(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;
	struct error error;
	char key[128];
	uint8_t bytes[4096];
	const uint8_t *value;
	size_t len;

	assert_int_equal(world_create(world, 0, "good", GIB, 3, NULL), 0);
	assert_int_equal(world_create(world, 0, "bad", GIB, 3, NULL), 0);
	volume_key(key, "bad");
	value = kvdb_sim_peek(world->sim, key, &len);
	assert_true(value && len < sizeof(bytes));
	memcpy(bytes, value, len);
	bytes[len / 2] ^= 4;
	world->nodes[1].troubles = 0;
	kvdb_sim_scribble(world->sim, key, bytes, len);
	world_sleep(world, 100);
	assert_int_equal(world->nodes[1].troubles, 1);
	assert_int_equal(world->nodes[1].trouble_rc, -EBADMSG);
	assert_non_null(strstr(world->nodes[1].trouble, "checksum"));
	assert_int_equal(catalog_volume_find(world->nodes[1].catalog, "bad", &volume, &error), -EBADMSG);
	assert_non_null(strstr(error.text, "damaged"));
	assert_int_equal(catalog_volume_find(world->nodes[1].catalog, "good", &volume, NULL), 0);
	assert_ptr_equal(catalog_volume_by_name_at(world->nodes[1].catalog, 0), volume);
	assert_null(catalog_volume_by_name_at(world->nodes[1].catalog, 1));
	assert_ptr_equal(catalog_volume_at(world->nodes[1].catalog, 0), volume);
	assert_null(catalog_volume_at(world->nodes[1].catalog, 1));
	assert_int_equal(world_attach(world, 0, "bad", "a", NULL, NULL), -EBADMSG);
	assert_int_equal(world_delete(world, 0, "bad", NULL), -EBADMSG);
	assert_int_equal(world_attach(world, 0, "good", "a", NULL, NULL), 0);
}

static void a_record_under_another_key_is_damaged(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;
	struct error error;
	char from[128];
	char to[128];
	const uint8_t *value;
	uint8_t bytes[4096];
	size_t len;

	assert_int_equal(world_create(world, 0, "a", GIB, 3, NULL), 0);
	assert_int_equal(world_create(world, 0, "b", GIB, 3, NULL), 0);
	volume_key(from, "a");
	volume_key(to, "b");
	value = kvdb_sim_peek(world->sim, from, &len);
	memcpy(bytes, value, len);
	kvdb_sim_scribble(world->sim, to, bytes, len);
	world_sleep(world, 100);
	assert_int_equal(catalog_volume_find(world->nodes[0].catalog, "b", &volume, &error), -EBADMSG);
	assert_non_null(strstr(error.text, "it is the record of"));
}

static void a_database_from_a_backup_changes_nothing_and_is_told(void **state)
{
	struct world *world = *state;
	const struct catalog_volume *volume;
	struct world_answer answer;
	const char *why;

	assert_int_equal(world_create(world, 0, "v", GIB, 3, NULL), 0);
	kvdb_sim_backup(world->sim);
	assert_int_equal(world_create(world, 0, "w", GIB, 3, NULL), 0);
	assert_int_equal(world_attach(world, 0, "v", "a0", NULL, NULL), 0);
	world_sleep(world, 100);
	kvdb_sim_restore(world->sim);
	world_sleep(world, 3000);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(world->nodes[i].trouble_rc, -ESTALE);
		assert_false(catalog_kvdb_ok(world->nodes[i].catalog, &why));
		assert_non_null(strstr(why, "went back"));
		assert_int_equal(catalog_volume_find(world->nodes[i].catalog, "w", &volume, NULL), 0);
	}
	assert_int_equal(world_attach(world, 1, "v", "a1", NULL, &answer), -ESTALE);
	assert_non_null(strstr(answer.error, "backup"));
}

static void closing_ends_pending_operations(void **state)
{
	struct world *world = *state;
	struct world_answer answers[4] = { 0 };

	kvdb_sim_down(world->sim, true);
	for (unsigned i = 0; i < 4; i++)
		catalog_volume_delete(
			world->nodes[0].catalog, world_uuid("v"), 20000, world_done, &answers[i]);
	world_sleep(world, 500);
	world_close(world, 0, true);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(answers[i].done);
		assert_int_equal(answers[i].rc, -ECANCELED);
	}
}

/* ---- bytes ---- */

static struct record_bytes sample(void)
{
	struct world_volume volume;
	struct catalog_label label = { .name = "app", .value = "db" };
	struct record_bytes bytes;

	world_volume_fill(&volume, "sample", GIB, 3);
	volume.volume.labels = &label;
	volume.volume.label_count = 1;
	volume.volume.epoch_number = 7;
	volume.volume.holder.attachment = world_uuid("att");
	volume.volume.holder.session = world_uuid("ses");
	memcpy(volume.volume.holder.node, "n1", 3);
	volume.volume.shards[0].next_voter_count = 1;
	volume.volume.shards[0].next_voters[0] = volume.volume.shards[0].voters[2];
	assert_int_equal(record_encode(RECORD_VOLUME, &volume.volume, &bytes), 0);
	return bytes;
}

static void a_volumes_record_comes_back_as_it_was(void **state)
{
	struct record_bytes bytes = sample();
	struct catalog_volume *volume;
	struct world_volume was;
	void *record;

	(void)state;
	world_volume_fill(&was, "sample", GIB, 3);
	assert_int_equal(
		catalog_record_decode(RECORD_VOLUME, bytes.bytes, bytes.len_bytes, &record, NULL), 0);
	volume = record;
	assert_string_equal(volume->name, "sample");
	assert_true(volume->epoch_number == 7);
	assert_string_equal(volume->holder.node, "n1");
	assert_string_equal(volume->labels[0].value, "db");
	assert_true(uuid_equal(volume->shards[0].group, was.shard.group));
	assert_int_equal(volume->shards[0].next_voter_count, 1);
	assert_true(uuid_equal(volume->shards[0].next_voters[0], was.shard.voters[2]));
	assert_memory_equal(volume->shards[0].replicas, was.shard.replicas, sizeof(was.shard.replicas));
	record_free(RECORD_VOLUME, record);
	free(bytes.bytes);
}

static void every_cut_and_every_flipped_bit_is_ebadmsg(void **state)
{
	struct record_bytes bytes = sample();
	struct error error;
	void *record;

	(void)state;
	for (size_t len = 0; len < bytes.len_bytes; len++)
		assert_int_equal(
			catalog_record_decode(RECORD_VOLUME, bytes.bytes, len, &record, &error), -EBADMSG);
	for (size_t bit = 0; bit < bytes.len_bytes * 8; bit++) {
		bytes.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(
			catalog_record_decode(RECORD_VOLUME, bytes.bytes, bytes.len_bytes, &record, &error),
			-EBADMSG);
		bytes.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (enum record_kind kind = RECORD_CLUSTER; kind < RECORD_KINDS; kind++) {
		if (record_form(kind) != RECORD_VOLUME)
			assert_int_equal(
				catalog_record_decode(kind, bytes.bytes, bytes.len_bytes, &record, &error),
				-EBADMSG);
	}
	free(bytes.bytes);
}

/* With a right checksum: what a writer that is mad, or hostile, could leave there. */
static void junk_with_a_right_checksum_never_crashes(void **state)
{
	struct record_bytes good = sample();
	struct random random;
	struct error error;
	unsigned refused = 0;

	(void)state;
	random_init(&random, 5);
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t bytes[1024];
		size_t len = good.len_bytes;
		struct writer w;
		void *record;
		uint32_t crc;

		assert_true(len <= sizeof(bytes));
		memcpy(bytes, good.bytes, len);
		for (unsigned j = 0; j < 1 + i % 4; j++)
			bytes[8 + random_below(&random, len - 8)] = (uint8_t)random_u64(&random);
		if (i % 3 == 0)
			len = 8 + random_below(&random, len - 8);
		crc = crc32c_extend(crc32c(bytes, 4), bytes + 8, len - 8);
		w = writer_init(bytes + 4, 4);
		write_u32(&w, crc);
		if (catalog_record_decode(RECORD_VOLUME, bytes, len, &record, &error) == 0) {
			record_free(RECORD_VOLUME, record);
		} else {
			assert_true(strnlen(error.text, sizeof(error.text)) > 0);
			refused++;
		}
	}
	assert_true(refused > 1000);
	free(good.bytes);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_lost_watch_is_listed_anew_and_shows_what_was_missed),
		TEST(a_view_that_is_read_in_pages_beside_writes_is_of_one_revision),
		TEST(a_damaged_record_is_an_error_with_words_and_hurts_no_other),
		TEST(a_record_under_another_key_is_damaged),
		TEST(a_database_from_a_backup_changes_nothing_and_is_told),
		TEST(closing_ends_pending_operations),
		cmocka_unit_test(a_volumes_record_comes_back_as_it_was),
		cmocka_unit_test(every_cut_and_every_flipped_bit_is_ebadmsg),
		cmocka_unit_test(junk_with_a_right_checksum_never_crashes),
	};

	return cmocka_run_group_tests_name("catalog: view", tests, NULL, NULL);
}
