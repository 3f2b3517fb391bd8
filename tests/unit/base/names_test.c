#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/names.h"

static void ordinary_names_pass(void **state)
{
	static const char *const good[] = { "a", "0", "db-1", "My_Volume.2026", "x..", "A-_." };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(name_check("volume name", good[i], NULL), 0);
}

static void a_snapshots_name_is_two_names(void **state)
{
	static const char *const bad[] = { "db", "@s", "db@", "db@@s", "db@s@t", "d/b@s", "db@-s", "@", "" };
	char volume[NAME_MAX_LEN + 1] = "untouched", snapshot[NAME_MAX_LEN + 1], longest[300];
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(snapshot_name_split(bad[i], volume, snapshot, &error), -EINVAL);
		assert_true(error.text[0]);
	}
	assert_string_equal(volume, "untouched");
	assert_int_equal(snapshot_name_split("db@monday", volume, snapshot, &error), 0);
	assert_string_equal(volume, "db");
	assert_string_equal(snapshot, "monday");
	memset(longest, 'a', sizeof(longest));
	longest[NAME_MAX_LEN] = '@';
	longest[SNAPSHOT_NAME_MAX_LEN] = '\0';
	assert_int_equal(snapshot_name_split(longest, volume, snapshot, &error), 0);
	assert_int_equal(strlen(snapshot), NAME_MAX_LEN);
	longest[NAME_MAX_LEN] = 'a';
	longest[NAME_MAX_LEN + 1] = '@';
	assert_int_equal(snapshot_name_split(longest, volume, snapshot, &error), -EINVAL);
	assert_int_equal(device_name_check("db", &error), 0);
	assert_int_equal(device_name_check("db@s", &error), 0);
	assert_int_equal(device_name_check("db@", &error), -EINVAL);
	assert_int_equal(device_name_check("d b", &error), -EINVAL);
}

static void a_bad_character_is_named_with_its_place(void **state)
{
	struct error error;

	(void)state;
	assert_int_equal(name_check("volume name", "ab/c", &error), -EINVAL);
	assert_non_null(strstr(error.text, "volume name"));
	assert_non_null(strstr(error.text, "character 3, '/'"));
	assert_int_equal(name_check("node name", "-a", &error), -EINVAL);
	assert_non_null(strstr(error.text, "character 1, '-'"));
	assert_int_equal(name_check("node name", "a\nb", &error), -EINVAL);
	assert_non_null(strstr(error.text, "byte 0x0a"));
	assert_null(strchr(error.text, '\n'));
	assert_int_equal(name_check("node name", "\xc3\xa4", &error), -EINVAL);
	assert_non_null(strstr(error.text, "byte 0xc3"));
	assert_int_equal(name_check("node name", "..", &error), -EINVAL);
	assert_int_equal(name_check("node name", "", &error), -EINVAL);
	assert_non_null(strstr(error.text, "empty"));
}

static void a_name_has_at_most_128_characters(void **state)
{
	char name[NAME_MAX_LEN + 2];
	struct error error;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[NAME_MAX_LEN] = '\0';
	assert_int_equal(name_check("pool name", name, NULL), 0);
	name[NAME_MAX_LEN] = 'n';
	name[NAME_MAX_LEN + 1] = '\0';
	assert_int_equal(name_check("pool name", name, &error), -EINVAL);
	assert_non_null(strstr(error.text, "128"));
}

static void the_nearest_word_is_found_up_to_three_edits_away(void **state)
{
	static const char *const options[] = { "size", "class", "replicas", "fs" };
	char longer[NAME_MAX_LEN + 2];

	(void)state;
	assert_string_equal(name_nearest("sise", options, 4), "size");
	assert_string_equal(name_nearest("replica", options, 4), "replicas");
	assert_string_equal(name_nearest("clas", options, 4), "class");
	assert_string_equal(name_nearest("fs", options, 4), "fs");
	assert_string_equal(name_nearest("eplicsa", options, 4), "replicas");
	assert_string_equal(name_nearest("SIZE", options, 4), "size");
	assert_null(name_nearest("encryption", options, 4));
	/* Three edits of four are another word. */
	assert_null(name_nearest("name", options, 4));
	assert_null(name_nearest("", options, 4));
	assert_null(name_nearest("size", options, 0));
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_null(name_nearest(longer, options, 4));
}

static void a_devices_file_is_never_longer_than_a_file_name_may_be(void **state)
{
	char name[2 * NAME_MAX_LEN + 2], other[2 * NAME_MAX_LEN + 2];
	char file[DEVICE_FILE_MAX_LEN + 1], again[DEVICE_FILE_MAX_LEN + 1];

	(void)state;
	assert_string_equal(device_file_name("db@before", file), "db@before");
	memset(name, 'a', sizeof(name) - 1);
	name[NAME_MAX_LEN] = '@';
	name[DEVICE_FILE_MAX_LEN] = '\0';
	assert_string_equal(device_file_name(name, file), name);
	name[DEVICE_FILE_MAX_LEN] = 'a';
	name[sizeof(name) - 1] = '\0';
	memcpy(other, name, sizeof(name));
	other[sizeof(other) - 2] = 'b';
	assert_int_equal(strlen(device_file_name(name, file)), DEVICE_FILE_MAX_LEN);
	assert_string_equal(device_file_name(name, again), file);
	assert_memory_equal(file, name, 200);
	/* No name has a '~', and another long one has another hash. */
	assert_non_null(strchr(file, '~'));
	assert_string_not_equal(device_file_name(other, again), file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_names_pass),
		cmocka_unit_test(a_snapshots_name_is_two_names),
		cmocka_unit_test(a_bad_character_is_named_with_its_place),
		cmocka_unit_test(a_name_has_at_most_128_characters),
		cmocka_unit_test(a_devices_file_is_never_longer_than_a_file_name_may_be),
		cmocka_unit_test(the_nearest_word_is_found_up_to_three_edits_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
