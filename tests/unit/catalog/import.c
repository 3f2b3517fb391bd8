/* A volume whose import has not ended: who may do what with it, and what ends that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "catalog/import.h"
#include "catalog/record.h"
#include "catalog/snapshots.h"
#include "catalog_world.h"

static const struct uuid ours = { .byte = { 0x11 } }, other = { .byte = { 0x22 } }, none;
static const struct uuid base = { .byte = { 1 } };

static int setup(void **state)
{
	*state = world_with_volume(41);
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

/* A volume "new" that an import has made. */
static void make_new(struct world *world)
{
	struct world_answer answer = { 0 };
	struct world_volume volume;

	world_volume_fill(&volume, "new", UINT64_C(1) << 30, 3);
	volume.volume.import = ours;
	catalog_volume_create(
		world->nodes[0].catalog, &volume.volume, WORLD_TIMEOUT_MS, world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	assert_int_equal(answer.rc, 0);
}

static struct world_answer attach(
	struct world *world, unsigned by, const char *name, const struct catalog_attach *how)
{
	struct catalog_attach attach = *how;
	struct world_answer answer = { 0 };

	attach.volume = world_uuid(name);
	attach.attachment = world_uuid("attachment");
	catalog_volume_attach(
		world->nodes[by].catalog, &attach, WORLD_TIMEOUT_MS, world_volume_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer;
}

static int begin(struct world *world, unsigned by, const char *attachment, struct uuid import)
{
	struct world_answer answer = { 0 };

	catalog_import_begin(world->nodes[by].catalog, world_uuid("v"), world_uuid(attachment), import, base,
		WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static int end(struct world *world, unsigned by, const char *name, struct uuid import)
{
	struct world_answer answer = { 0 };

	catalog_import_end(
		world->nodes[by].catalog, world_uuid(name), import, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static int snapshot(struct world *world, const char *name, struct uuid uuid, struct uuid import_of)
{
	struct catalog_snapshot record = { .snapshot = uuid, .import_of = import_of, .name = "mon" };
	struct world_answer answer = { 0 };

	catalog_snapshot_begin(
		world->nodes[0].catalog, world_uuid(name), &record, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static int snapshot_step(struct world *world, const char *name,
	void (*fn)(struct catalog *catalog, struct uuid volume, struct uuid snapshot, uint32_t timeout_ms,
		catalog_done_fn fn, void *arg))
{
	struct world_answer answer = { 0 };

	fn(world->nodes[0].catalog, world_uuid(name), base, WORLD_TIMEOUT_MS, world_done, &answer);
	assert_true(world_wait(world, &answer.done));
	return answer.rc;
}

static void half_of_an_import_is_nobody_elses(void **state)
{
	struct world *world = *state;
	struct world_answer answer;

	make_new(world);
	assert_true(catalog_import_is_unfinished(world_find(world, 0, "new")));
	answer = attach(world, 1, "new", &(struct catalog_attach){ 0 });
	assert_int_equal(answer.rc, -EBUSY);
	assert_string_equal(answer.error, "volume new is not whole: its import did not finish; unless it is "
					  "still under way, `quoin volume "
					  "rm new` removes it");
	assert_int_equal(attach(world, 1, "new", &(struct catalog_attach){ .force = true }).rc, -EBUSY);
	assert_int_equal(attach(world, 1, "new", &(struct catalog_attach){ .import = other }).rc, -EBUSY);
	assert_int_equal(snapshot(world, "new", base, none), -EBUSY);
	/* Repair goes on, and so does what concerns its snapshots alone; the import has it, also from a
	 * steward. */
	assert_int_equal(attach(world, 1, "new", &(struct catalog_attach){ .steward = true }).rc, 0);
	assert_int_equal(attach(world, 1, "new", &(struct catalog_attach){ .for_snapshots = true }).rc, 0);
	assert_int_equal(world_detach(world, 1, "new", "attachment"), 0);
	assert_int_equal(attach(world, 0, "new", &(struct catalog_attach){ .import = ours }).rc, 0);
	answer = attach(world, 1, "new", &(struct catalog_attach){ 0 });
	assert_int_equal(answer.rc, -EBUSY);
	assert_non_null(strstr(answer.error, "attached on node n0")); /* it may be under way */
	assert_int_equal(world_detach(world, 0, "new", "attachment"), 0);
	assert_int_equal(world_delete(world, 2, "new", NULL), 0);
}

static void an_import_that_ends_leaves_a_volume_like_others(void **state)
{
	struct world *world = *state;

	make_new(world);
	assert_int_equal(attach(world, 0, "new", &(struct catalog_attach){ .import = ours }).rc, 0);
	assert_int_equal(snapshot(world, "new", base, other), 0); /* the copy that it ends with */
	assert_int_equal(snapshot_step(world, "new", catalog_snapshot_ready), 0);
	assert_true(catalog_import_is_unfinished(world_find(world, 0, "new")));
	assert_int_equal(end(world, 0, "new", other), -EBUSY);
	assert_int_equal(end(world, 0, "new", ours), 0);
	assert_int_equal(end(world, 0, "new", ours), 0); /* the same again */
	assert_int_equal(world_detach(world, 0, "new", "attachment"), 0);
	assert_int_equal(attach(world, 1, "new", &(struct catalog_attach){ 0 }).rc, 0);
}

/* "v" with a snapshot, attached by node 0, an increment begun. */
static void begin_increment(struct world *world)
{
	assert_int_equal(snapshot(world, "v", base, other), 0);
	assert_int_equal(snapshot_step(world, "v", catalog_snapshot_ready), 0);
	assert_int_equal(begin(world, 0, "attachment", ours), -ESTALE); /* attached nowhere */
	assert_int_equal(attach(world, 0, "v", &(struct catalog_attach){ .import = ours }).rc, 0);
	assert_int_equal(begin(world, 0, "another", ours), -ESTALE);
	assert_int_equal(begin(world, 0, "attachment", ours), 0);
	assert_int_equal(begin(world, 0, "attachment", ours), 0);
	assert_int_equal(begin(world, 0, "attachment", other), -EBUSY);
	assert_int_equal(world_detach(world, 0, "v", "attachment"), 0);
}

static void half_of_an_increment_is_told_with_its_base(void **state)
{
	struct world *world = *state;
	struct world_answer answer;

	begin_increment(world);
	answer = attach(world, 1, "v", &(struct catalog_attach){ 0 });
	assert_int_equal(answer.rc, -EBUSY);
	assert_non_null(strstr(answer.error, "volume v has a part of an increment only"));
	assert_non_null(strstr(answer.error, "`quoin snapshot rollback v@mon`"));
	/* Rolled back, as a striped volume is, and as one with a single shard. */
	assert_int_equal(snapshot_step(world, "v", catalog_snapshot_restore), 0);
	assert_true(catalog_import_is_unfinished(world_find(world, 0, "v")));
	assert_int_equal(snapshot_step(world, "v", catalog_snapshot_ready), 0);
	assert_false(catalog_import_is_unfinished(world_find(world, 0, "v")));
	assert_int_equal(attach(world, 0, "v", &(struct catalog_attach){ .import = ours }).rc, 0);
	assert_int_equal(begin(world, 0, "attachment", ours), 0);
	assert_int_equal(end(world, 1, "v", none), 0);
	assert_int_equal(end(world, 1, "v", none), 0);
	assert_false(catalog_import_is_unfinished(world_find(world, 1, "v")));
}

static void half_of_an_increment_without_its_base_can_be_removed(void **state)
{
	struct world *world = *state;
	struct world_answer answer;

	begin_increment(world);
	assert_int_equal(snapshot_step(world, "v", catalog_snapshot_remove), 0);
	assert_int_equal(snapshot_step(world, "v", catalog_snapshot_gone), 0);
	answer = attach(world, 1, "v", &(struct catalog_attach){ 0 });
	assert_int_equal(answer.rc, -EBUSY);
	assert_non_null(strstr(answer.error, "`quoin volume rm v`"));
	assert_int_equal(world_delete(world, 2, "v", NULL), 0);
}

static void a_record_keeps_it(void **state)
{
	struct world_volume volume;
	struct record_bytes bytes = { 0 };
	struct catalog_volume *read = NULL;
	struct error error;
	void *record = NULL;

	(void)state;
	world_volume_fill(&volume, "v", UINT64_C(1) << 30, 3);
	for (unsigned i = 0; i < 3; i++) {
		volume.volume.import = i > 0 ? ours : none;
		volume.volume.import_base = i > 1 ? base : none;
		assert_int_equal(record_encode(RECORD_VOLUME, &volume.volume, &bytes), 0);
		assert_int_equal(
			catalog_record_decode(RECORD_VOLUME, bytes.bytes, bytes.len_bytes, &record, &error),
			0);
		read = record;
		assert_int_equal(catalog_import_is_unfinished(read), i > 0);
		assert_true(uuid_equal(read->import, volume.volume.import));
		assert_true(uuid_equal(read->import_base, volume.volume.import_base));
		record_free(RECORD_VOLUME, record);
		free(bytes.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(half_of_an_import_is_nobody_elses, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_import_that_ends_leaves_a_volume_like_others, setup, teardown),
		cmocka_unit_test_setup_teardown(half_of_an_increment_is_told_with_its_base, setup, teardown),
		cmocka_unit_test_setup_teardown(
			half_of_an_increment_without_its_base_can_be_removed, setup, teardown),
		cmocka_unit_test(a_record_keeps_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
