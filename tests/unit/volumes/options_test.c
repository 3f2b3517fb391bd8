/* Options of a new volume: every string here, and the exact words that a wrong one gets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "volumes/volumes.h"

static void good_options_are_set(void **state)
{
	struct volume_options options = { 0 };
	struct error error;

	(void)state;
	assert_int_equal(volume_options_set(&options, "size", "10G", &error), 0);
	assert_int_equal(volume_options_set(&options, "class", "high", &error), 0);
	assert_int_equal(volume_options_set(&options, "replicas", "5", &error), 0);
	assert_int_equal(volume_options_set(&options, "fs", "xfs", &error), 0);
	assert_int_equal(options.size_bytes, UINT64_C(10) << 30);
	assert_string_equal(options.class_name, "high");
	assert_int_equal(options.replicas, 5);
	assert_string_equal(options.fs, "xfs");
}

static void sizes_are_rounded_up_to_a_grain(void **state)
{
	struct volume_options options = { 0 };
	struct error error;

	(void)state;
	assert_int_equal(volume_options_set(&options, "size", "32769K", &error), 0);
	assert_int_equal(options.size_bytes, (UINT64_C(32) << 20) + 65536);
	assert_int_equal(volume_options_set(&options, "size", "32MiB", &error), 0);
	assert_int_equal(options.size_bytes, UINT64_C(32) << 20);
	assert_int_equal(volume_options_set(&options, "size", "64T", &error), 0);
	assert_int_equal(options.size_bytes, UINT64_C(64) << 40);
}

static void wrong_options_are_refused_with_words(void **state)
{
	static const struct {
		const char *key, *value, *text;
	} cases[] = {
		{ "sise", "10G",
			"unknown option \"sise\": did you mean \"size\"? There are size, class, replicas and "
			"fs" },
		{ "Size", "10G",
			"unknown option \"Size\": did you mean \"size\"? There are size, class, replicas and "
			"fs" },
		{ "replica", "3",
			"unknown option \"replica\": did you mean \"replicas\"? There are size, class, "
			"replicas and fs" },
		{ "clas", "x",
			"unknown option \"clas\": did you mean \"class\"? There are size, class, replicas "
			"and fs" },
		{ "io_priority", "high",
			"unknown option \"io_priority\": there are size, class, replicas and fs" },
		{ "size", "10 G", NULL },
		{ "size", "-1G", NULL },
		{ "size", "10", NULL },
		{ "size", "", NULL },
		{ "size", "31M", "option size=31M: a volume is at least 32 MiB" },
		{ "size", "0G", "option size=0G: a volume is at least 32 MiB" },
		{ "size", "65T", "option size=65T: a volume is at most 64 TiB" },
		{ "class", "", "option class is empty" },
		{ "class", "a/b",
			"option class 'a/b': character 2, '/', is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "replicas", "0", "option replicas=0: write a number from 1 to 5" },
		{ "replicas", "6", "option replicas=6: write a number from 1 to 5" },
		{ "replicas", "", "option replicas=: write a number from 1 to 5" },
		{ "replicas", "03", "option replicas=03: write a number from 1 to 5" },
		{ "replicas", "3 ", "option replicas=3 : write a number from 1 to 5" },
		{ "replicas", "three", "option replicas=three: write a number from 1 to 5" },
		{ "replicas", "-3", "option replicas=-3: write a number from 1 to 5" },
		{ "fs", "ext3", "option fs=ext3: did you mean fs=ext4? There are ext4 and xfs" },
		{ "fs", "XFS4", "option fs=XFS4: did you mean fs=ext4? There are ext4 and xfs" },
		{ "fs", "reiserfs", "option fs=reiserfs: there are ext4 and xfs" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct volume_options options = { 0 }, untouched = { 0 };
		struct error error = { "" };

		assert_int_equal(volume_options_set(&options, cases[i].key, cases[i].value, &error), -EINVAL);
		if (cases[i].text)
			assert_string_equal(error.text, cases[i].text);
		assert_true(strlen(error.text) > 0);
		assert_memory_equal(&options, &untouched, sizeof(options));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_options_are_set),
		cmocka_unit_test(sizes_are_rounded_up_to_a_grain),
		cmocka_unit_test(wrong_options_are_refused_with_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
