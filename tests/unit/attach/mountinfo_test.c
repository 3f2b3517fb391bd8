/* Lines of /proc/PID/mountinfo, and paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "attach/mountinfo.h"

static void a_line_is_taken_apart(void **state)
{
	struct mount_entry entry;

	(void)state;
	assert_true(mount_entry_parse("44 23 7:3 / /var/lib/quoin/mnt/v1 rw,noatime shared:3 master:1 - ext4 "
				      "/dev/loop3 rw,discard\n",
		&entry));
	assert_int_equal(entry.id, 44);
	assert_int_equal(entry.dev, makedev(7, 3));
	assert_string_equal(entry.point, "/var/lib/quoin/mnt/v1");
	assert_string_equal(entry.type, "ext4");
	assert_string_equal(entry.source, "/dev/loop3");
	/* No optional fields. */
	assert_true(mount_entry_parse("1 2 0:41 / /a rw - fuse.quoin quoin:v1 rw\n", &entry));
	assert_string_equal(entry.type, "fuse.quoin");
}

static void blanks_in_paths_come_back(void **state)
{
	struct mount_entry entry;

	(void)state;
	assert_true(mount_entry_parse("1 2 0:41 / /a\\040b\\134c\\011 rw - tmpfs none rw", &entry));
	assert_string_equal(entry.point, "/a b\\c\t");
}

static void what_is_no_line_is_refused(void **state)
{
	static const char *const lines[] = { "", "\n", "44 23 7:3", "44 23 7:3 / /x rw",
		"44 23 7:3 / /x rw -", "44 23 7:3 / /x rw - ext4", "a b c:d / /x rw - ext4 y rw" };
	char longer[3 * ATTACH_PATH_MAX];
	struct mount_entry entry;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(mount_entry_parse(lines[i], &entry));
	(void)snprintf(longer, sizeof(longer), "1 2 0:41 / /%02000d rw - tmpfs none rw", 0);
	assert_false(mount_entry_parse(longer, &entry));
}

static void below_means_a_whole_component(void **state)
{
	(void)state;
	assert_true(path_is_below("/a/b/c", "/a/b"));
	assert_false(path_is_below("/a/bc", "/a/b"));
	assert_false(path_is_below("/a/b", "/a/b"));
	assert_false(path_is_below("/a/b/", "/a/b"));
	assert_false(path_is_below("/x/a/b/c", "/a/b"));
}

static void the_root_is_mounted(void **state)
{
	struct mount_search search = { .path = "/proc" };
	char holder[HOLDER_TEXT_MAX];
	struct stat st;

	(void)state;
	mount_search_run(&search);
	assert_true(search.found);
	assert_int_equal(stat("/", &st), 0);
	assert_true(holder_find(st.st_dev, holder));
	assert_non_null(strstr(holder, "process"));
	assert_false(holder_find(makedev(4000, 77), holder));
	assert_string_equal(holder, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_taken_apart),
		cmocka_unit_test(blanks_in_paths_come_back),
		cmocka_unit_test(what_is_no_line_is_refused),
		cmocka_unit_test(below_means_a_whole_component),
		cmocka_unit_test(the_root_is_mounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
