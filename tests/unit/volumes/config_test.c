/* quoind.conf: what is taken, and that every mistake is told with its line and the nearest valid word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "volumes/config.h"

static struct volumes_config config;
static struct error words;

static int parse(const char *text)
{
	words.text[0] = '\0';
	return config_parse(text, strlen(text), "quoind.conf", &config, &words);
}

static void assert_refused(const char *text, const char *part)
{
	assert_int_equal(parse(text), -EINVAL);
	if (!strstr(words.text, part))
		fail_msg("\"%s\" lacks \"%s\"", words.text, part);
}

static void whole_file_is_taken(void **state)
{
	(void)state;
	assert_int_equal(parse("# a node\n"
			       "[node]\n"
			       "  name = a\n" /* an indented key is a key, no continuation */
			       "  zone = z1 ; eastern hall\n"
			       "listen = 127.0.0.1:7421\n"
			       "[cluster]\nkvdb = sqlite:/var/lib/q/kvdb\nkey=/etc/q/key\nnode_lease = "
			       "6s\ngroup_lease = 1500ms\n"
			       "[pool one]\npath = /var/lib/q/one.pool\nsize = 20G\ntier = high\n"
			       "[pool two]\npath = /dev/sdx\n"
			       "[docker]\nenabled = no\n"
			       "[admin]\nsocket = /run/q/admin.sock\n"
			       "[metrics]\nlisten = none\n"),
		0);
	assert_string_equal(config.node, "a");
	assert_string_equal(config.host, "");
	assert_string_equal(config.zone, "z1");
	assert_string_equal(config.listen.text, "127.0.0.1:7421");
	assert_string_equal(config.address.text, "127.0.0.1:7421");
	assert_string_equal(config.kvdb_path, "/var/lib/q/kvdb");
	assert_int_equal(config.group_lease_ms, 1500);
	assert_int_equal(config.pool_count, 2);
	assert_string_equal(config.pools[0].tier, "high");
	assert_int_equal(config.pools[0].size_bytes, UINT64_C(20) << 30);
	assert_string_equal(config.pools[1].tier, "auto");
	assert_int_equal(config.pools[1].size_bytes, 0);
	assert_false(config.docker_enabled);
	assert_string_equal(config.metrics_listen.text, "");
}

static void empty_file_gives_the_documented_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_string_equal(config.state_dir, "/var/lib/quoin");
	assert_string_equal(config.listen.text, "127.0.0.1:7420");
	assert_string_equal(config.metrics_listen.text, "127.0.0.1:9742");
	assert_string_equal(config.key_path, "/etc/quoin/cluster.key");
	assert_int_equal(config.node_lease_ms, 6000);
	assert_int_equal(config.group_lease_ms, 3000);
	assert_true(config.docker_enabled);
}

static void unknown_words_name_line_and_nearest(void **state)
{
	(void)state;
	assert_refused("[node]\nname = a\nzoone = b\n",
		"quoind.conf:3: unknown key \"zoone\" in [node]: did you mean \"zone\"?");
	assert_refused("\n[nod]\n", "quoind.conf:2: unknown section [nod]: did you mean [node]?");
	assert_refused("[pool p]\npath=/x\nwhatever = 1\n", "known are path, size, faults, tier");
	assert_refused("[pool p]\npath=/x\nfaults = delay:write=soon\n", "delay:write=soon");
	assert_refused("[pool p]\npath=/x\ntier = hihg\n", "did you mean \"high\"?");
	assert_refused("[pool]\npath=/x\n", "needs its name");
	assert_refused("[node]\nlabels = a=b, c\n", "is not NAME=VALUE");
	assert_refused("[node]\nspace_warnings = 80, 97\n", "wants percentages of 1 to 96");
	assert_refused("[node]\nspace_warnings = 90, 80\n", "don't ascend");
	assert_refused("[node]\nspace_warnings = 80 90\n", "is no list of percentages");
	assert_int_equal(parse("[node]\nspace_warnings = none\n"), 0);
	assert_int_equal(config.space_warnings.count, 0);
	assert_int_equal(parse("[node]\nspace_warnings = 70 %,96%\n"), 0);
	assert_int_equal(config.space_warnings.count, 2);
	assert_int_equal(config.space_warnings.percents[1], 96);
	assert_int_equal(parse("[node]\nlabels = a=b, c=d\n"), 0);
	assert_string_equal(config.labels, "a=b, c=d");
}

static void malformed_lines_are_refused(void **state)
{
	(void)state;
	assert_refused("name = a\n", "quoind.conf:1: \"name\" stands before the first [section]");
	assert_refused("[node]\nname\n", "quoind.conf:2: neither");
	assert_refused("[node\nname = a\n", "quoind.conf:1: a section's name ends");
	assert_int_equal(config_parse("[node]\nna\0me = a\n", 17, "f", &config, &words), -EINVAL);
	assert_non_null(strstr(words.text, "f:2: a zero byte"));
}

static void long_line_is_refused_not_cut(void **state)
{
	char text[600] = "[node]\nstate_dir = /";

	(void)state;
	memset(text + strlen(text), 'x', 400);
	assert_refused(text, "quoind.conf:2: the line is longer");
}

static void duplicates_are_refused(void **state)
{
	(void)state;
	assert_refused("[node]\nname = a\nname = b\n", "quoind.conf:3: \"name\" is set twice");
	assert_refused("[node]\n[docker]\n[node]\n", "quoind.conf:3: [node] stands at line 1 already");
	assert_refused("[pool p]\npath=/x\n[pool p]\npath=/y\n", "[pool p] stands at line 1 already");
	assert_refused("[pool p]\npath=/x\n[pool q]\npath=/x\n", "have the same path /x");
}

static void bad_values_are_refused(void **state)
{
	static const char *const texts[][2] = {
		{ "[node]\nname = a/b\n", "quoind.conf:2: name" },
		{ "[node]\nname =\n", "has no value" },
		{ "[node]\nlisten = 127.0.0.1\n", "ADDRESS:PORT" },
		{ "[node]\nlisten = 127.0.0.1:70000\n", "port" },
		{ "[node]\nlisten = localhost:7420\n", "numeric" },
		{ "[node]\nlisten = 0.0.0.0:7420\n", "write address =" },
		{ "[node]\nstate_dir = var\n", "absolute" },
		{ "[node]\nthreads = 0\n", "between 1 and 16: 0" },
		{ "[node]\nthreads = two\n", "not a number" },
		{ "[cluster]\nkvdb = etc:/x\n", "sqlite:PATH" },
		{ "[cluster]\nnode_lease = 6\n", "duration" },
		{ "[cluster]\nnode_lease = 1ms\n", "between" },
		{ "[pool p]\npath=/x\nsize = 20\n", "size" },
		{ "[pool p]\npath=/x\nsize = 1M\n", "between" },
		{ "[pool p]\nsize = 1G\n", "quoind.conf:1: [pool p] has no path" },
		{ "[docker]\nenabled = maybe\n", "neither yes nor no" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_refused(texts[i][0], texts[i][1]);
}

static void threads_follow_cores_and_pools(void **state)
{
	(void)state;
	assert_int_equal(
		parse("[node]\nname = a\n[pool p]\npath = /p\n[pool q]\npath = /q\n[pool r]\npath = /r\n"),
		0);
	assert_int_equal(config_threads(&config, 1), 1);
	assert_int_equal(config_threads(&config, 4), 1);
	assert_int_equal(config_threads(&config, 8), 2);
	assert_int_equal(config_threads(&config, 64), 3);
	config.pool_count = 20;
	assert_int_equal(config_threads(&config, 128), 8);
	assert_int_equal(parse("[node]\nname = a\nthreads = 16\n"), 0);
	assert_int_equal(config_threads(&config, 1), 16);
}

static void key_that_others_may_read_is_refused(void **state)
{
	char dir[] = "/tmp/quoin-key-XXXXXX", path[64];
	uint8_t first[NET_KEY_BYTES], second[NET_KEY_BYTES];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	assert_int_equal(config_key_load(path, first, &words), -ENOENT);
	assert_int_equal(config_key_make(path, &words), 0);
	assert_int_equal(config_key_make(path, &words), -EEXIST);
	assert_int_equal(config_key_load(path, first, &words), 0);
	assert_int_equal(config_key_load(path, second, &words), 0);
	assert_memory_equal(first, second, sizeof(first));
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(config_key_load(path, first, &words), -EPERM);
	assert_non_null(strstr(words.text, "chmod 0600"));
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 10), 0);
	assert_int_equal(config_key_load(path, first, &words), -EINVAL);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file_is_taken),
		cmocka_unit_test(empty_file_gives_the_documented_defaults),
		cmocka_unit_test(unknown_words_name_line_and_nearest),
		cmocka_unit_test(malformed_lines_are_refused),
		cmocka_unit_test(long_line_is_refused_not_cut),
		cmocka_unit_test(duplicates_are_refused),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(threads_follow_cores_and_pools),
		cmocka_unit_test(key_that_others_may_read_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
