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

static void every_good_string_is_taken(void **state)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
		{ "size", "32M" },
		{ "size", "512M" },
		{ "size", "1G" },
		{ "size", "10G" },
		{ "size", "10GiB" },
		{ "size", "64T" },
		{ "size", "33M" },
		{ "size", "100MiB" },
		{ "size", "1T" },
		{ "size", "32768K" },
		{ "class", "default" },
		{ "class", "high" },
		{ "class", "medium" },
		{ "class", "low" },
		{ "class", "scratch" },
		{ "class", "postgres" },
		{ "class", "cassandra" },
		{ "class", "kafka" },
		{ "class", "a" },
		{ "class", "A-b.c_d" },
		{ "class", "0" },
		{ "replicas", "1" },
		{ "replicas", "2" },
		{ "replicas", "3" },
		{ "replicas", "4" },
		{ "replicas", "5" },
		{ "repl", "1" },
		{ "repl", "2" },
		{ "repl", "3" },
		{ "fs", "ext4" },
		{ "fs", "xfs" },
		{ "tier", "high" },
		{ "tier", "medium" },
		{ "tier", "low" },
		{ "tier", "any" },
		{ "tier", ">=medium" },
		{ "tier", ">=high" },
		{ "tier", ">=low" },
		{ "tier", "high,low" },
		{ "io_priority", "high" },
		{ "io_priority", "medium" },
		{ "io_priority", "low" },
		{ "group", "ring" },
		{ "group", "pg-1" },
		{ "group", "a.b" },
		{ "nodes", "a" },
		{ "nodes", "a,b" },
		{ "nodes", "a,b,c" },
		{ "nodes", "node-1.example" },
		{ "zones", "a" },
		{ "zones", "eu-1a,eu-1b" },
		{ "racks", "r1" },
		{ "racks", "r1,r2,r3" },
		{ "selector", "zone=a" },
		{ "selector", "zone=a|b,node!=c" },
		{ "selector", "label.disk=nvme" },
		{ "sticky", "yes" },
		{ "sticky", "no" },
		{ "sticky", "true" },
		{ "sticky", "false" },
		{ "near", "node-1.example" },
		{ "from", "db" },
		{ "from", "db@before-upgrade" },
		{ "shards", "1" },
		{ "shards", "64" },
		{ "shards", "auto" },
		{ "aggregation_level", "3" },
		{ "aggregation_level", "auto" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct volume_options options = { 0 };
		struct error error = { "" };

		if (volume_options_set(&options, cases[i].key, cases[i].value, &error) != 0)
			fail_msg("%s=%s: %s", cases[i].key, cases[i].value, error.text);
	}
}

static void places_become_terms_of_a_selector(void **state)
{
	struct volume_options options = { 0 };
	struct error error;

	(void)state;
	assert_int_equal(volume_options_set(&options, "nodes", "a,b", &error), 0);
	assert_int_equal(volume_options_set(&options, "zones", "z1", &error), 0);
	assert_int_equal(volume_options_set(&options, "repl", "1", &error), 0);
	assert_int_equal(volume_options_set(&options, "io_priority", "high", &error), 0);
	assert_int_equal(volume_options_set(&options, "sticky", "yes", &error), 0);
	assert_string_equal(options.nodes, "node=a|b");
	assert_string_equal(options.zones, "zone=z1");
	assert_int_equal(options.replicas, 1);
	assert_string_equal(options.tier, "high");
	assert_true(options.sticky_given && options.sticky);
	assert_int_equal(volume_options_set(&options, "aggregation_level", "3", &error), 0);
	assert_int_equal(options.shards, 3);
	assert_int_equal(volume_options_set(&options, "shards", "auto", &error), -EINVAL); /* twice */
}

/* Longer than any field. */
static void what_is_too_long_is_refused(void **state)
{
	struct volume_options options, untouched = { 0 };
	struct error error;
	char text[1025];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (unsigned i = 0; i < VOLUME_OPTIONS_COUNT; i++) {
		options = untouched;
		assert_int_equal(volume_options_set(&options, volume_option_names[i], text, &error), -EINVAL);
		assert_memory_equal(&options, &untouched, sizeof(options));
	}
	assert_int_equal(volume_options_set(&options, text, "x", &error), -EINVAL);
}

static void sizes_are_rounded_up_to_a_grain(void **state)
{
	struct volume_options options = { 0 };
	struct error error;

	(void)state;
	assert_int_equal(volume_options_set(&options, "size", "32769K", &error), 0);
	assert_int_equal(options.size_bytes, (UINT64_C(32) << 20) + 65536);
	options.given = 0;
	assert_int_equal(volume_options_set(&options, "size", "32MiB", &error), 0);
	assert_int_equal(options.size_bytes, UINT64_C(32) << 20);
	options.given = 0;
	assert_int_equal(volume_options_set(&options, "size", "64T", &error), 0);
	assert_int_equal(options.size_bytes, UINT64_C(64) << 40);
}

#define THERE                                                                                                \
	"There are size, class, replicas, fs, tier, group, nodes, zones, racks, selector, sticky, near, "    \
	"from, "                                                                                             \
	"shards and thick"
#define THERE_LOWER                                                                                          \
	"there are size, class, replicas, fs, tier, group, nodes, zones, racks, selector, sticky, near, "    \
	"from, "                                                                                             \
	"shards and thick"

static void wrong_options_are_refused_with_words(void **state)
{
	static const struct {
		const char *key, *value, *text;
	} cases[] = {
		{ "sise", "10G", "unknown option \"sise\": did you mean \"size\"? " THERE },
		{ "Size", "10G", "unknown option \"Size\": did you mean \"size\"? " THERE },
		{ "SIZE", "10G", "unknown option \"SIZE\": did you mean \"size\"? " THERE },
		{ "siz", "10G", "unknown option \"siz\": did you mean \"size\"? " THERE },
		{ "replica", "3", "unknown option \"replica\": did you mean \"replicas\"? " THERE },
		{ "Replicas", "3", "unknown option \"Replicas\": did you mean \"replicas\"? " THERE },
		{ "clas", "x", "unknown option \"clas\": did you mean \"class\"? " THERE },
		{ "klass", "x", "unknown option \"klass\": did you mean \"class\"? " THERE },
		{ "fss", "xfs", "unknown option \"fss\": did you mean \"fs\"? " THERE },
		{ "filesystem", "xfs", "unknown option \"filesystem\": " THERE_LOWER },
		{ "node", "a", "unknown option \"node\": did you mean \"nodes\"? " THERE },
		{ "zone", "a", "unknown option \"zone\": did you mean \"zones\"? " THERE },
		{ "rack", "a", "unknown option \"rack\": did you mean \"racks\"? " THERE },
		{ "tiers", "high", "unknown option \"tiers\": did you mean \"tier\"? " THERE },
		{ "groups", "a", "unknown option \"groups\": did you mean \"group\"? " THERE },
		{ "selektor", "zone=a", "unknown option \"selektor\": did you mean \"selector\"? " THERE },
		{ "stick", "yes", "unknown option \"stick\": did you mean \"sticky\"? " THERE },
		{ "", "", "unknown option \"\": " THERE_LOWER },
		{ "name", "v", "unknown option \"name\": " THERE_LOWER },
		{ "force", "yes", "unknown option \"force\": " THERE_LOWER },
		{ "sice", "1G", "unknown option \"sice\": did you mean \"size\"? " THERE },
		{ "io_profile", "db",
			"option io_profile is not offered: data is committed by a quorum in any case" },
		{ "shards", "0", "option shards=0: write a number from 1 to 64, or auto" },
		{ "shards", "65", "option shards=65: write a number from 1 to 64, or auto" },
		{ "shards", "Auto", "option shards=Auto: write a number from 1 to 64, or auto" },
		{ "shards", "2x", "option shards=2x: write a number from 1 to 64, or auto" },
		{ "aggregation_level", "none",
			"option aggregation_level=none: write a number from 1 to 64, or auto" },
		{ "thick", "always", "option thick=always: write yes or no" },
		{ "snap_schedule", "daily",
			"option snap_schedule is not offered: a class has the schedule: `quoin class set "
			"CLASS "
			"snapshots=\"hourly keep 24\"`" },
		{ "label", "a=b",
			"option label is not offered: labels belong to nodes; `selector` chooses by them" },
		{ "shared", "true",
			"option shared is not offered: a volume is attached on one node at a time" },
		{ "sharedv4", "true",
			"option sharedv4 is not offered: a volume is attached on one node at a time" },
		{ "secure", "true", "option secure is not offered: volumes are not encrypted" },
		{ "nodiscard", "true",
			"option nodiscard is not offered: space that is discarded is given back in any "
			"case" },
		{ "io_prio", "high", "unknown option \"io_prio\": " THERE_LOWER },
		{ "repls", "3", "unknown option \"repls\": did you mean \"replicas\"? " THERE },
		{ "size", "", "size '' is not a number with a unit, such as 10G or 512M" },
		{ "size", "10", "size '10' has no unit: it could be 10 bytes or 10 GiB; write 10G for GiB" },
		{ "size", "10 G",
			"size '10 G' has the unit ' G'; known are K, M, G, T (or KiB, MiB, GiB, TiB)" },
		{ "size", "-1G", "size '-1G' is not a number with a unit, such as 10G or 512M" },
		{ "size", "0", "size '0' has no unit: it could be 0 bytes or 0 GiB; write 0G for GiB" },
		{ "size", "0G", "option size=0G: a volume is at least 32 MiB" },
		{ "size", "31M", "option size=31M: a volume is at least 32 MiB" },
		{ "size", "65T", "option size=65T: a volume is at most 64 TiB" },
		{ "size", "G", "size 'G' is not a number with a unit, such as 10G or 512M" },
		{ "size", "1.5G",
			"size '1.5G' is not a whole number; use the next smaller unit, such as 1536M" },
		{ "size", "10GB",
			"size '10GB' has the unit 'GB'; known are K, M, G, T (or KiB, MiB, GiB, TiB)" },
		{ "size", "10X",
			"size '10X' has the unit 'X'; known are K, M, G, T (or KiB, MiB, GiB, TiB)" },
		{ "size", "9999999999999999999G", "size '9999999999999999999G' is too large" },
		{ "size", "1e3M",
			"size '1e3M' has the unit 'e3M'; known are K, M, G, T (or KiB, MiB, GiB, TiB)" },
		{ "size", "0x10G",
			"size '0x10G' has the unit 'x10G'; known are K, M, G, T (or KiB, MiB, GiB, TiB)" },
		{ "size", " 10G", "size ' 10G' is not a number with a unit, such as 10G or 512M" },
		{ "size", "10G ",
			"size '10G ' has the unit 'G '; known are K, M, G, T (or KiB, MiB, GiB, TiB)" },
		{ "size", "+5G", "size '+5G' is not a number with a unit, such as 10G or 512M" },
		{ "class", "", "option class is empty" },
		{ "class", "a/b",
			"option class 'a/b': character 2, '/', is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "class", "-a",
			"option class '-a': character 1, '-', is not allowed; the first one is a letter or a "
			"digit" },
		{ "class", ".a",
			"option class '.a': character 1, '.', is not allowed; the first one is a letter or a "
			"digit" },
		{ "class", "a b",
			"option class 'a b': character 2, ' ', is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "class", "a,b",
			"option class 'a,b': character 2, ',', is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "class", "ä",
			"option class: character 1 (byte 0xc3) is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "replicas", "", "option replicas=: write a number from 1 to 5" },
		{ "replicas", "0", "option replicas=0: write a number from 1 to 5" },
		{ "replicas", "6", "option replicas=6: write a number from 1 to 5" },
		{ "replicas", "03", "option replicas=03: write a number from 1 to 5" },
		{ "replicas", "3 ", "option replicas=3 : write a number from 1 to 5" },
		{ "replicas", "three", "option replicas=three: write a number from 1 to 5" },
		{ "replicas", "-3", "option replicas=-3: write a number from 1 to 5" },
		{ "replicas", "3.0", "option replicas=3.0: write a number from 1 to 5" },
		{ "replicas", "10", "option replicas=10: write a number from 1 to 5" },
		{ "repl", "0", "option repl=0: write a number from 1 to 5" },
		{ "repl", "x", "option repl=x: write a number from 1 to 5" },
		{ "fs", "", "option fs=: there are ext4 and xfs" },
		{ "fs", "ext3", "option fs=ext3: did you mean fs=ext4? There are ext4 and xfs" },
		{ "fs", "EXT4", "option fs=EXT4: did you mean fs=ext4? There are ext4 and xfs" },
		{ "fs", "XFS4", "option fs=XFS4: did you mean fs=xfs? There are ext4 and xfs" },
		{ "fs", "reiserfs", "option fs=reiserfs: there are ext4 and xfs" },
		{ "fs", "btrfs", "option fs=btrfs: there are ext4 and xfs" },
		{ "fs", "zfs", "option fs=zfs: did you mean fs=xfs? There are ext4 and xfs" },
		{ "fs", "ext4 ", "option fs=ext4 : did you mean fs=ext4? There are ext4 and xfs" },
		{ "tier", "", "option tier=: write high, >=medium, any or high,low" },
		{ "io_priority", "", "option io_priority=: write high, >=medium, any or high,low" },
		{ "group", "", "option group is empty" },
		{ "group", "a b",
			"option group 'a b': character 2, ' ', is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "group", "../x",
			"option group '../x': character 1, '.', is not allowed; the first one is a letter or "
			"a digit" },
		{ "nodes", "", "option nodes is empty" },
		{ "nodes", "a,", "option nodes is empty" },
		{ "nodes", "a,,b", "option nodes is empty" },
		{ "nodes", ",a", "option nodes is empty" },
		{ "nodes", "a b",
			"option nodes 'a b': character 2, ' ', is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "nodes", "a|b",
			"option nodes 'a|b': character 2, '|', is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "zones", "", "option zones is empty" },
		{ "zones", "a,", "option zones is empty" },
		{ "zones", "a=b",
			"option zones 'a=b': character 2, '=', is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "racks", "", "option racks is empty" },
		{ "racks", "r1, r2",
			"option racks ' r2': character 1, ' ', is not allowed; the first one is a letter or "
			"a digit" },
		{ "near", "a,b",
			"option near 'a,b': character 2, ',', is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "selector", "", "option selector: from 1 to 255 characters, as in zone=a|b" },
		{ "sticky", "", "option sticky=: write yes or no" },
		{ "sticky", "maybe", "option sticky=maybe: write yes or no" },
		{ "sticky", "1", "option sticky=1: write yes or no" },
		{ "sticky", "Yes", "option sticky=Yes: write yes or no" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct volume_options options = { 0 }, untouched = { 0 };
		struct error error = { "" };

		assert_int_equal(volume_options_set(&options, cases[i].key, cases[i].value, &error), -EINVAL);
		assert_string_equal(error.text, cases[i].text);
		assert_memory_equal(&options, &untouched, sizeof(options));
	}
}

static void an_option_is_given_once(void **state)
{
	struct volume_options options = { 0 };
	struct error error;

	(void)state;
	assert_int_equal(volume_options_set(&options, "replicas", "3", &error), 0);
	assert_int_equal(volume_options_set(&options, "repl", "1", &error), -EINVAL);
	assert_string_equal(error.text, "option repl is given twice");
	assert_int_equal(options.replicas, 3);
	/* What was refused may be given right. */
	assert_int_equal(volume_options_set(&options, "fs", "ext3", &error), -EINVAL);
	assert_int_equal(volume_options_set(&options, "fs", "ext4", &error), 0);
}

/* ---- names with options in them ---- */

static void names_with_options_mean_their_volume(void **state)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
		{ "pgdata", "pgdata" },
		{ "name=pgdata", "pgdata" },
		{ "size=10G,class=postgres,name=pgdata", "pgdata" },
		{ "name=pgdata,size=10G", "pgdata" },
		{ "nodes=a,b,c,name=v,zones=z1,z2", "v" },
		{ "repl=1,io_priority=high,name=v", "v" },
		{ "tier=high,low,name=v", "v" },
		{ "tier=>=medium,name=v", "v" },
		{ "selector=zone=a|b,name=v", "v" },
		{ "sticky=yes,group=ring,fs=xfs,name=A-b.c_d", "A-b.c_d" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct volume_options options;
		char name[NAME_MAX_LEN + 1];
		struct error error = { "" };

		if (volume_name_parse(cases[i].text, name, &options, &error) != 0)
			fail_msg("%s: %s", cases[i].text, error.text);
		assert_string_equal(name, cases[i].name);
	}
}

static void options_in_a_name_are_set(void **state)
{
	struct volume_options options;
	char name[NAME_MAX_LEN + 1];
	struct error error;

	(void)state;
	assert_int_equal(volume_name_parse("size=2G,nodes=a,b,repl=2,name=v,tier=high,low,selector=zone!=c",
				 name, &options, &error),
		0);
	assert_int_equal(options.size_bytes, UINT64_C(2) << 30);
	assert_string_equal(options.nodes, "node=a|b");
	assert_int_equal(options.replicas, 2);
	assert_string_equal(options.tier, "high,low");
	assert_string_equal(options.selector, "zone!=c");
}

static void wrong_names_with_options_are_refused_with_words(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "", "volume name is empty" },
		{ "size=10G", "a volume name with options needs the name among them: size=10G,name=NAME" },
		{ "size=10G,name=", "volume name is empty" },
		{ "name=a,name=b", "name= stands there twice: a volume has one" },
		{ "name=a,name=a", "name= stands there twice: a volume has one" },
		{ "size=10G,size=10G,name=a", "option size is given twice" },
		{ "repl=1,replicas=1,name=a", "option replicas is given twice" },
		{ "Name=a", "unknown option \"Name\": " THERE_LOWER },
		{ "sise=1G,name=a", "unknown option \"sise\": did you mean \"size\"? " THERE },
		{ " size=1G,name=a", "unknown option \" size\": did you mean \"size\"? " THERE },
		{ "size=1G, name=a", "unknown option \" name\": " THERE_LOWER },
		{ "size=10,name=a",
			"size '10' has no unit: it could be 10 bytes or 10 GiB; write 10G for GiB" },
		{ "size=1G,xfs,name=a",
			"size '1G,xfs' has the unit 'G,xfs'; known are K, M, G, T (or KiB, MiB, GiB, TiB)" },
		{ "pgdata,size=1G", "volume name: \"pgdata\" is not KEY=VALUE, as in size=10G,name=db" },
		{ "name=a,", "volume name: \"\" is not KEY=VALUE, as in size=10G,name=db" },
		{ ",name=a", "volume name: \"\" is not KEY=VALUE, as in size=10G,name=db" },
		{ "name=a,,size=1G", "volume name: \"\" is not KEY=VALUE, as in size=10G,name=db" },
		{ "=a", "unknown option \"\": " THERE_LOWER },
		{ "name=a,b",
			"volume name 'a,b': character 2, ',', is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "name=a=b",
			"volume name 'a=b': character 2, '=', is not allowed; letters, digits, '_', '.' and "
			"'-' are" },
		{ "name=../a",
			"volume name '../a': character 1, '.', is not allowed; the first one is a letter or "
			"a digit" },
		{ "io_profile=db,name=a",
			"option io_profile is not offered: data is committed by a quorum in any case" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct volume_options options = { .size_bytes = 7 };
		char name[NAME_MAX_LEN + 1] = "untouched";
		struct error error = { "" };

		assert_int_equal(volume_name_parse(cases[i].text, name, &options, &error), -EINVAL);
		assert_string_equal(error.text, cases[i].words);
		assert_string_equal(name, "untouched");
		assert_int_equal(options.size_bytes, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_options_are_set),
		cmocka_unit_test(every_good_string_is_taken),
		cmocka_unit_test(places_become_terms_of_a_selector),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(sizes_are_rounded_up_to_a_grain),
		cmocka_unit_test(wrong_options_are_refused_with_words),
		cmocka_unit_test(an_option_is_given_once),
		cmocka_unit_test(names_with_options_mean_their_volume),
		cmocka_unit_test(options_in_a_name_are_set),
		cmocka_unit_test(wrong_names_with_options_are_refused_with_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
