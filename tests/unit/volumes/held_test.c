/* What an agent notes of a volume that it holds: read back whole, or refused whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "volumes/held.h"
#include "volumes/state_file.h"

static char dir[64], path[128];
static struct error words;

static int dir_begin(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/quoin-held-XXXXXX");
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/held/pg.json", dir);
	return 0;
}

static int dir_end(void **state)
{
	char sub[96];

	(void)state;
	unlink(path);
	snprintf(sub, sizeof(sub), "%s/held", dir);
	rmdir(sub);
	return rmdir(dir);
}

static struct uuid uuid_of(uint8_t n)
{
	struct uuid uuid = { 0 };

	memset(uuid.byte, n, sizeof(uuid.byte));
	return uuid;
}

static void shard_fill(struct shard_members *shard, uint8_t group)
{
	*shard = (struct shard_members){
		.group = uuid_of(group), .config_number = 4, .voter_count = 3, .voter_mask = 7
	};
	for (unsigned i = 0; i < 3; i++) {
		shard->voters[i].replica = uuid_of((uint8_t)(10 * group + i));
		snprintf(shard->voters[i].node, sizeof(shard->voters[i].node), "%c", 'a' + (int)i);
		snprintf(shard->voters[i].address.text, sizeof(shard->voters[i].address.text),
			"127.0.0.%u:7420", i + 1);
	}
}

static void shards_compare(const struct volume_shards *out, const struct volume_shards *in)
{
	assert_int_equal(out->count, in->count);
	assert_true(out->stripe_bytes == in->stripe_bytes);
	for (unsigned s = 0; s < in->count; s++) {
		const struct shard_members *a = &out->members[s], *b = &in->members[s];

		assert_true(uuid_equal(a->group, b->group));
		assert_int_equal(a->config_number, 4);
		assert_int_equal(a->voter_mask, 7);
		assert_int_equal(a->next_mask, 0);
		assert_int_equal(a->voter_count, 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_true(uuid_equal(a->voters[i].replica, b->voters[i].replica));
			assert_string_equal(a->voters[i].node, b->voters[i].node);
			assert_string_equal(a->voters[i].address.text, b->voters[i].address.text);
		}
	}
}

static struct shard_members one_shard;

static struct held a_volume(void)
{
	struct held held = { .fs = "ext4", .mount_options = "commit=30,nosuid" };
	struct volume_spec *spec = &held.spec;
	struct shard_members *shard = &one_shard;

	held.shards = (struct volume_shards){ .count = 1, .members = shard };
	snprintf(spec->name, sizeof(spec->name), "pg");
	spec->volume = uuid_of(1);
	spec->attachment = uuid_of(3);
	spec->size_bytes = UINT64_C(10) << 30;
	spec->epoch = (struct epoch){ .number = 7, .restart = 2 };
	spec->reads_quorum = true;
	spec->error_after_ms = 30000;
	shard_fill(shard, 2);
	return held;
}

static void what_was_noted_is_read_back(void **state)
{
	struct held in = a_volume(), out;

	(void)state;
	assert_int_equal(held_write(dir, &in, &words), 0);
	assert_int_equal(held_read(dir, "pg", &out, &words), 0);
	assert_string_equal(out.spec.name, "pg");
	assert_true(uuid_equal(out.spec.volume, in.spec.volume));
	assert_true(uuid_equal(out.spec.attachment, in.spec.attachment));
	assert_true(epoch_equal(out.spec.epoch, in.spec.epoch));
	assert_int_equal(out.spec.size_bytes, in.spec.size_bytes);
	assert_true(out.spec.reads_quorum);
	assert_int_equal(out.spec.error_after_ms, 30000);
	assert_string_equal(out.fs, "ext4");
	assert_string_equal(out.mount_options, "commit=30,nosuid");
	assert_false(out.changing);
	shards_compare(&out.shards, &in.shards);
	volume_shards_done(&out.shards);
}

static void all_shards_of_a_striped_volume_are_read_back(void **state)
{
	struct shard_members members[3];
	struct held in = a_volume(), out;

	(void)state;
	for (uint8_t s = 0; s < 3; s++)
		shard_fill(&members[s], (uint8_t)(2 + s));
	in.shards = (struct volume_shards){ 3, UINT64_C(1) << 20, members };
	assert_int_equal(held_write(dir, &in, &words), 0);
	assert_int_equal(held_read(dir, "pg", &out, &words), 0);
	shards_compare(&out.shards, &in.shards);
	volume_shards_done(&out.shards);
}

static void a_raised_restart_and_a_change_under_way_are_kept(void **state)
{
	struct held in = a_volume(), out;

	(void)state;
	assert_int_equal(held_write(dir, &in, &words), 0);
	in.spec.epoch.restart++;
	in.changing = true;
	assert_int_equal(held_write(dir, &in, &words), 0);
	assert_int_equal(held_read(dir, "pg", &out, &words), 0);
	assert_int_equal(out.spec.epoch.restart, 3);
	assert_true(out.changing);
	volume_shards_done(&out.shards);
}

static void what_an_attach_noted_gives_way_to_a_raised_restart_and_back(void **state)
{
	struct held in = a_volume(), out;

	(void)state;
	assert_int_equal(held_write_for_boot(dir, &in, &words), 0);
	assert_int_equal(held_read(dir, "pg", &out, &words), 0);
	assert_int_equal(out.spec.epoch.restart, 2);
	volume_shards_done(&out.shards);
	in.spec.epoch.restart++;
	assert_int_equal(held_write(dir, &in, &words), 0);
	in.spec.epoch = (struct epoch){ .number = 8 };
	assert_int_equal(held_write_for_boot(dir, &in, &words), 0);
	assert_int_equal(held_read(dir, "pg", &out, &words), 0);
	assert_true(epoch_equal(out.spec.epoch, in.spec.epoch));
	volume_shards_done(&out.shards);
}

static void what_is_not_held_is_not_found(void **state)
{
	struct held in = a_volume(), out;

	(void)state;
	assert_int_equal(held_read(dir, "pg", &out, &words), -ENOENT);
	assert_int_equal(held_write(dir, &in, &words), 0);
	held_remove(dir, "pg");
	assert_int_equal(held_read(dir, "pg", &out, &words), -ENOENT);
	held_remove(dir, "pg");
}

/* Replaces `was` in the file and expects that the whole is refused. */
static void refused_with(const char *was, const char *is)
{
	struct held in = a_volume(), out;
	char *text, *at;
	char changed[8192];
	size_t len;

	assert_int_equal(held_write(dir, &in, &words), 0);
	assert_int_equal(state_file_read(path, &text, &len, &words), 0);
	at = strstr(text, was);
	assert_non_null(at);
	snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, is, at + strlen(was));
	free(text);
	assert_int_equal(state_file_write(path, changed, strlen(changed), &words), 0);
	assert_int_equal(held_read(dir, "pg", &out, &words), -EINVAL);
	assert_non_null(strstr(words.text, path));
}

static void a_damaged_note_is_refused_whole(void **state)
{
	(void)state;
	refused_with("{", "");
	refused_with("\"version\": 1", "\"version\": 2");
	refused_with("\"name\": \"pg\"", "\"name\": \"other\"");
	refused_with("\"epoch\": 7", "\"epoch\": 0");
	refused_with("\"restart\": 2", "\"restart\": -1");
	refused_with("\"config_number\": 4", "\"config_number\": 0");
	refused_with("\"voters\": 7", "\"voters\": 15"); /* a voter that is no member */
	refused_with("\"voters\": 7", "\"voters\": 0");
	refused_with("\"node\": \"b\"", "\"node\": \"../b\"");
	refused_with("\"members\"", "\"nobody\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_noted_is_read_back, dir_begin, dir_end),
		cmocka_unit_test_setup_teardown(
			all_shards_of_a_striped_volume_are_read_back, dir_begin, dir_end),
		cmocka_unit_test_setup_teardown(
			a_raised_restart_and_a_change_under_way_are_kept, dir_begin, dir_end),
		cmocka_unit_test_setup_teardown(
			what_an_attach_noted_gives_way_to_a_raised_restart_and_back, dir_begin, dir_end),
		cmocka_unit_test_setup_teardown(what_is_not_held_is_not_found, dir_begin, dir_end),
		cmocka_unit_test_setup_teardown(a_damaged_note_is_refused_whole, dir_begin, dir_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
