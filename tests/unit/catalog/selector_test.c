/* Selectors: what is taken, what is refused and with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "catalog/catalog.h"

static const struct catalog_label labels[] = { { "disk", "nvme" }, { "site", "east" } };

static const struct selector_subject subject = {
	.pool = "p1",
	.node = "n1",
	.region = "eu",
	.zone = "a",
	.rack = "r1",
	.host = "h1",
	.labels = labels,
	.label_count = 2,
};

static void terms_hold_or_not(void **state)
{
	static const struct {
		const char *text;
		bool matches;
	} cases[] = {
		{ "", true },
		{ "zone=a", true },
		{ "zone=b", false },
		{ "zone=b|a", true },
		{ "zone!=a", false },
		{ "zone!=b|c", true },
		{ "zone!=b|a", false },
		{ "region=eu,rack=r1,host=h1,node=n1,pool=p1", true },
		{ "region=eu,rack=r1,host=h1,node=n1,pool=p2", false },
		{ "label.disk=nvme", true },
		{ "label.disk=nvm", false },
		{ "label.disk!=hdd", true },
		{ "label.none=x", false },
		{ "label.none!=x", true },
		{ "label.site=west|east,label.disk!=hdd", true },
	};
	struct selector selector;
	char text[SELECTOR_TEXT_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(selector_parse(cases[i].text, &selector, NULL), 0);
		assert_int_equal(selector_matches(&selector, &subject), cases[i].matches);
		assert_int_equal(selector_failed(&selector, &subject, text)[0] == 0, cases[i].matches);
	}
	assert_int_equal(selector_parse("zone=a,label.disk!=x|nvme", &selector, NULL), 0);
	assert_string_equal(selector_failed(&selector, &subject, text), "label.disk!=x|nvme");
}

static void what_is_no_selector_is_refused_with_words(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "zone", "selector: \"zone\": write FIELD=VALUE, as in zone=a|b" },
		{ "=a", "selector: \"=a\": write FIELD=VALUE, as in zone=a|b" },
		{ "zone=a,", "selector: \"\": write FIELD=VALUE, as in zone=a|b" },
		{ "zone=", "selector: zone has an empty value" },
		{ "zone=a||b", "selector: zone has an empty value" },
		{ "zone=a=b", "selector: zone has a value with '='" },
		{ "zone = a", "selector: a blank or control character at character 5" },
		{ "zones=a",
			"selector: \"zones\": did you mean \"zone\"? there are region, zone, rack, host, "
			"node, pool and label.NAME" },
		{ "label.=a",
			"selector: \"label.\" is no field: there are region, zone, rack, host, node, pool "
			"and label.NAME" },
		{ "!=a", "selector: \"\" is no field: there are region, zone, rack, host, node, pool and "
			 "label.NAME" },
	};
	struct selector selector;
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(selector_parse(cases[i].text, &selector, &error), -EINVAL);
		assert_string_equal(error.text, cases[i].words);
	}
}

static void its_bounds_are_kept(void **state)
{
	char text[SELECTOR_TEXT_LEN + 2];
	struct selector selector;
	struct error error;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "zone=", 5);
	text[SELECTOR_TEXT_LEN + 1] = 0;
	assert_int_equal(selector_parse(text, &selector, &error), -EINVAL);
	text[SELECTOR_TEXT_LEN] = 0;
	assert_int_equal(selector_parse(text, &selector, &error), 0);
	for (size_t i = 0; i < SELECTOR_MAX_TERMS + 1; i++)
		memcpy(text + 7 * i, "zone=a,", 7);
	text[7 * SELECTOR_MAX_TERMS + 6] = 0;
	assert_int_equal(selector_parse(text, &selector, &error), -EINVAL);
	text[7 * SELECTOR_MAX_TERMS - 1] = 0;
	assert_int_equal(selector_parse(text, &selector, &error), 0);
	assert_int_equal(selector.term_count, SELECTOR_MAX_TERMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms_hold_or_not),
		cmocka_unit_test(what_is_no_selector_is_refused_with_words),
		cmocka_unit_test(its_bounds_are_kept),
	};

	return cmocka_run_group_tests_name("selector", tests, NULL, NULL);
}
