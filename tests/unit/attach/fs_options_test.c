/* Options of filesystems: a closed table; what isn't in it reaches neither mkfs nor mount. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "attach/attach.h"
#include "attach/fs_options.h"

static void what_is_known_is_taken(void **state)
{
	static const struct {
		enum fs_options_kind kind;
		const char *fs, *text;
	} cases[] = {
		{ FS_MAKE_OPTIONS, "ext4", "" },
		{ FS_MAKE_OPTIONS, "ext4", "inode_ratio=16384" },
		{ FS_MAKE_OPTIONS, "ext4", "inode_size=256,journal_size=64" },
		{ FS_MAKE_OPTIONS, "xfs", "inode_size=1024,log_size=64,reflink=0" },
		{ FS_MOUNT_OPTIONS, "ext4", "data=writeback,commit=30,nosuid,nodev,noexec,lazytime" },
		{ FS_MOUNT_OPTIONS, "xfs", "largeio,swalloc,logbsize=256k" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(fs_options_check(cases[i].kind, cases[i].fs, cases[i].text, NULL), 0);
}

static void all_else_is_refused_with_words(void **state)
{
	static const struct {
		enum fs_options_kind kind;
		const char *fs, *text, *words;
	} cases[] = {
		{ FS_MAKE_OPTIONS, "ext4", "inode_rato=16384",
			"mkfs_options: no option \"inode_rato\" for ext4; did you mean \"inode_ratio\"?: "
			"there are "
			"inode_ratio, inode_size, journal_size" },
		{ FS_MAKE_OPTIONS, "xfs", "journal_size=64",
			"mkfs_options: no option \"journal_size\" for xfs: there are inode_size, log_size, "
			"reflink" },
		{ FS_MAKE_OPTIONS, "ext4", "inode_ratio=1",
			"option inode_ratio=1: it is a number from 4096 to 67108864" },
		{ FS_MAKE_OPTIONS, "ext4", "inode_ratio",
			"option inode_ratio=: it is a number from 4096 to 67108864" },
		{ FS_MAKE_OPTIONS, "ext4", "inode_size=12",
			"option inode_size=12: it is one of 256|512|1024" },
		{ FS_MAKE_OPTIONS, "ext4", "inode_size=25",
			"option inode_size=25: it is one of 256|512|1024" },
		{ FS_MAKE_OPTIONS, "ext4", "inode_size=256|512",
			"option inode_size=256|512: it is one of 256|512|1024" },
		{ FS_MAKE_OPTIONS, "ext4", "journal_size=8,journal_size=9",
			"option journal_size is given twice" },
		{ FS_MOUNT_OPTIONS, "ext4", "nosuid=1", "option nosuid takes no value" },
		{ FS_MOUNT_OPTIONS, "ext4", "data=", "option data=: it is one of ordered|writeback|journal" },
		{ FS_MOUNT_OPTIONS, "ext4", "nosuid,,nodev",
			"mount_options: no option \"\" for ext4: there are lazytime, nosuid, nodev, noexec, "
			"data, "
			"commit" },
	};
	static const char *const never[] = { "discard", "remount", "ro", "errors=continue", "nosuid ",
		" nosuid", "nosuid;reboot", "-o", "loop", "offset=0", "nobarrier", "barrier=0", "commit=0",
		"commit=301", "context=x", "nosuid,$(x)" };
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			fs_options_check(cases[i].kind, cases[i].fs, cases[i].text, &error), -EINVAL);
		assert_string_equal(error.text, cases[i].words);
	}
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		assert_int_equal(fs_options_check(FS_MOUNT_OPTIONS, "ext4", never[i], &error), -EINVAL);
		assert_int_equal(fs_options_check(FS_MAKE_OPTIONS, "ext4", never[i], &error), -EINVAL);
	}
}

static void they_become_arguments_of_mkfs(void **state)
{
	static const char *const expected[] = { "-J", "size=64", "-i", "16384" };
	struct fs_make_arguments to;

	(void)state;
	assert_int_equal(fs_make_arguments_get("ext4", "journal_size=64,inode_ratio=16384", &to, NULL), 0);
	assert_int_equal(to.count, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_string_equal(to.arguments[i], expected[i]);
	assert_int_equal(fs_make_arguments_get("xfs", "log_size=100", &to, NULL), 0);
	assert_int_equal(to.count, 2);
	assert_string_equal(to.arguments[1], "size=100m");
	assert_int_equal(fs_make_arguments_get("ext4", "", &to, NULL), 0);
	assert_int_equal(to.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_known_is_taken),
		cmocka_unit_test(all_else_is_refused_with_words),
		cmocka_unit_test(they_become_arguments_of_mkfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
