/* Classes as text: what is written is read back, and what is wrong is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "catalog/catalog.h"

struct seen {
	unsigned count;
	struct catalog_class classes[16];
};

static int class_see(void *arg, const struct catalog_class *class, struct error *error)
{
	struct seen *seen = arg;

	if (strcmp(class->name, "refused") == 0)
		return error_set(error, -EBUSY, "not this one");
	assert_true(seen->count < 16);
	seen->classes[seen->count++] = *class;
	return 0;
}

static void shipped_classes_survive_their_text(void **state)
{
	static struct seen seen;
	static char text[CLASS_TEXT_MAX_LEN + 1], again[CLASS_TEXT_MAX_LEN + 1];

	(void)state;
	for (unsigned i = 0; i < catalog_classes_shipped_count; i++) {
		const struct catalog_class *class = &catalog_classes_shipped[i];

		seen.count = 0;
		class_text_format(class, text);
		assert_int_equal(class_text_parse(text, strlen(text), class_see, &seen, NULL), 0);
		assert_int_equal(seen.count, 1);
		class_text_format(&seen.classes[0], again);
		assert_string_equal(text, again);
		assert_int_equal(seen.classes[0].tiers, class->tiers);
		assert_int_equal(seen.classes[0].error_after_ms, class->error_after_ms);
		assert_string_equal(seen.classes[0].comment, class->comment);
		assert_true(class->comment[0] != 0);
	}
}

static void the_longest_class_has_a_text(void **state)
{
	static struct catalog_class class;
	static char text[CLASS_TEXT_MAX_LEN + 1];

	(void)state;
	class_init(&class);
	memset(class.name, 'n', NAME_MAX_LEN);
	memset(class.description, 'd', CATALOG_REASON_MAX_LEN);
	for (size_t i = 0; i < CATALOG_COMMENT_MAX_LEN; i += 2)
		memcpy(class.comment + i, "c\n", i + 1 < CATALOG_COMMENT_MAX_LEN ? 2 : 1);
	memset(class.selector, 's', CLASS_SELECTOR_LEN);
	class.number = UINT64_MAX;
	assert_int_equal(schedule_parse("every 1439m keep 100, every 1437m keep 100, every 1433m keep 100, "
					"every 1431m keep 100",
				 &class.snapshots, NULL),
		0);
	class.rebuild_after_ms = UINT32_MAX;
	class.error_after_ms = UINT32_MAX;
	class.limit_iops = class.limit_bytes_per_s = UINT64_MAX;
	class.shards = SHARDS_AUTO;
	class_text_format(&class, text);
}

static void empty_lines_around_a_comment_are_none(void **state)
{
	static const char text[] = "[class x]\n# \n# one\n#\n# two\n# \n#\n";
	static struct seen seen;
	struct error error;

	(void)state;
	assert_int_equal(class_text_parse(text, strlen(text), class_see, &seen, &error), 0);
	assert_string_equal(seen.classes[0].comment, "one\n\ntwo");
}

static void sections_and_comments_are_kept_apart(void **state)
{
	static const char text[] =
		"# about the file\n\n[class a]\n# one\n#  two\nreplicas=5\ntier = high, low\r\n"
		"[class b]\nspread = rack\nselector = zone=a|b\nrebuild_after = 90s\niops_limit = "
		"500\nbandwidth_limit = 100M\nshards = 4\n"
		"on_no_quorum = error 1500ms\nversion = 7";
	static struct seen seen;

	(void)state;
	assert_int_equal(class_text_parse(text, sizeof(text) - 1, class_see, &seen, NULL), 0);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.classes[0].comment, "one\n two");
	assert_int_equal(seen.classes[0].replicas, 5);
	assert_int_equal(seen.classes[0].tiers, CLASS_TIER(TIER_HIGH) | CLASS_TIER(TIER_LOW));
	assert_int_equal(seen.classes[0].number, 0);
	assert_int_equal(seen.classes[0].shards, 0);
	assert_int_equal(seen.classes[1].shards, 4);
	assert_string_equal(seen.classes[1].comment, "");
	assert_int_equal(seen.classes[1].spread, CLASS_SPREAD_RACK);
	assert_string_equal(seen.classes[1].selector, "zone=a|b");
	assert_int_equal(seen.classes[1].rebuild_after_ms, 90000);
	assert_int_equal(seen.classes[1].limit_iops, 500);
	assert_int_equal(seen.classes[1].limit_bytes_per_s, 100u << 20);
	assert_int_equal(seen.classes[1].error_after_ms, 1500);
	assert_int_equal(seen.classes[1].number, 7);
}

static void what_is_wrong_is_named_with_its_line(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "replicas = 3", "line 1: \"replicas = 3\" stands before any [class NAME]" },
		{ "[class]", "line 1: \"[class]\": a class begins with [class NAME]" },
		{ "[pool a]", "line 1: \"[pool a]\": a class begins with [class NAME]" },
		{ "\n[class a\n", "line 2: \"[class a\": a class begins with [class NAME]" },
		{ "[class a]\nreplicas", "line 2: \"replicas\": write key = value" },
		{ "[class a]\nreplicas = 6", "line 2: replicas = 6: write a number from 1 to 5" },
		{ "[class a]\nreplicas = 1\nreplicas = 1", "line 3: replicas is given twice" },
		{ "[class a]\ntier = hihg",
			"line 2: tier = hihg: did you mean \"high\"? there are any, high, medium, low, "
			">=medium, or a list as high,medium" },
		{ "[class a]\ntier = >=high,low",
			"line 2: tier = >=high,low: there are any, high, medium, low, >=medium, or a list as "
			"high,medium" },
		{ "[class a]\nspread = zones",
			"line 2: spread = zones: did you mean \"zone\"? there are zone (distinct "
			"zones, or refused), zone-preferred, rack and host" },
		{ "[class a]\ngroup_rule = sideways",
			"line 2: group_rule = sideways: there are none, apart (volumes of one group "
			"share no node) and together" },
		{ "[class a]\nselector = zoen=a",
			"line 2: selector: \"zoen\": did you mean \"zone\"? there are region, "
			"zone, rack, host, node, pool and label.NAME" },
		{ "[class a]\nsize = 1M", "line 2: size = 1M: a volume has 32 MiB to 64 TiB" },
		{ "[class a]\nfs = btrfs", "line 2: fs = btrfs: there are ext4 and xfs" },
		{ "[class a]\nreads = leese",
			"line 2: reads = leese: did you mean \"lease\"? there are lease and quorum" },
		{ "[class a]\non_no_quorum = error 25h", "line 2: on_no_quorum = error 25h: there are queue, "
							 "error (after 30 s) and error TIME, as in "
							 "`error 10s`; up to an hour" },
		{ "[class a]\nrebuild_after = 10", "line 2: rebuild_after = 10: write `default` (the nodes' "
						   "configuration) or a time from 1s to 30d, as in 10m" },
		{ "[class a]\nversion = 0",
			"line 2: version = 0: the number that `quoin class show` has told" },
		{ "[class a]\nshards = 65", "line 2: shards = 65: write a number from 1 to 64, or `auto`" },
		{ "[class a]\nshards = 0", "line 2: shards = 0: write a number from 1 to 64, or `auto`" },
		{ "[class a]\nsnapshots = hurly keep 4",
			"line 2: snapshots: \"hurly keep 4\": did you mean \"hourly\"?" },
		{ "[class a]\ntrim = hourly", "line 2: trim = hourly: write daily, weekly, never or a time "
					      "from 1m to 30d, as in 12h" },
		{ "[class a]\nthick = maybe", "line 2: thick = maybe: write yes or no" },
		{ "[class a]\nreplica = 1",
			"line 2: unknown key \"replica\": did you mean \"replicas\"?; "
			"there are description, replicas, "
			"tier, spread, group_rule, selector, size, fs, mkfs_options, mount_options, reads, "
			"on_no_quorum, rebuild_after, snapshots, trim, iops_limit, bandwidth_limit, "
			"shards, thick and version" },
		{ "[class a]\nmount_options = nosuid;reboot", "line 2: mount_options = nosuid;reboot: write "
							      "`none` or options as in commit=30,nosuid, at "
							      "most 127 characters" },
		{ "[class a]\niops_limit = lots",
			"line 2: iops_limit = lots: write `none` or a number of requests a second" },
		{ "[class a]\niops_limit = 0",
			"line 2: iops_limit = 0: write `none` or a number of requests a second" },
		{ "[class a]\nbandwidth_limit = 100",
			"line 2: bandwidth_limit = 100: write `none` or a size a second, as in 100M" },
		{ "[class a]\ndescription = \x01", "line 2: a control character: this is not a text file" },
		{ "[class refused]\n", "class refused: not this one" },
	};
	static struct seen seen;
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(
			class_text_parse(cases[i].text, strlen(cases[i].text), class_see, &seen, &error) < 0);
		assert_string_equal(error.text, cases[i].words);
		seen.count = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_classes_survive_their_text),
		cmocka_unit_test(the_longest_class_has_a_text),
		cmocka_unit_test(empty_lines_around_a_comment_are_none),
		cmocka_unit_test(sections_and_comments_are_kept_apart),
		cmocka_unit_test(what_is_wrong_is_named_with_its_line),
	};

	return cmocka_run_group_tests_name("class-text", tests, NULL, NULL);
}
