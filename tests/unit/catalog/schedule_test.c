/* Snapshots by schedule: the text, the names of periods, and what is due first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "catalog/snapshots.h"

/* 2026-11-26 15:42:10 UTC, a Thursday. */
#define NOW_S UINT64_C(1795707730)
#define HOUR  UINT32_C(3600)
#define DAY   UINT32_C(86400)

static struct catalog_snapshot snapshots[16];
static unsigned count;

static void have(const char *name, uint32_t period_s, enum catalog_snapshot_state state)
{
	struct catalog_snapshot *snapshot = &snapshots[count++];

	*snapshot = (struct catalog_snapshot){ .period_s = period_s, .state = state };
	snprintf(snapshot->name, sizeof(snapshot->name), "%s", name);
}

/* Those that the test has given a UUID. */
static bool is_used(void *arg, const struct catalog_snapshot *snapshot)
{
	(void)arg;
	return !uuid_is_none(snapshot->snapshot);
}

static struct schedule parsed(const char *text)
{
	struct schedule schedule;
	struct error error = { 0 };

	assert_int_equal(schedule_parse(text, &schedule, &error), 0);
	return schedule;
}

static struct schedule_step next(const char *text, uint64_t at_s)
{
	struct schedule schedule = parsed(text);

	return schedule_next(&schedule, at_s * NS_PER_S, snapshots, count, is_used, NULL);
}

static void a_schedule_survives_its_text(void **state)
{
	static const char *const texts[][2] = {
		{ "none", "none" },
		{ "hourly keep 24", "hourly keep 24" },
		{ "hourly keep 24, daily keep 7,weekly keep 4 ,  monthly   keep 12",
			"hourly keep 24, daily keep 7, weekly keep 4, monthly keep 12" },
		{ "every 15m keep 4", "every 15m keep 4" },
		{ "every 60m keep 2, every 90m keep 3, every 1d keep 1",
			"hourly keep 2, every 90m keep 3, daily keep 1" },
		{ "every 6h keep 400", "every 6h keep 400" },
	};
	char text[SCHEDULE_TEXT_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct schedule schedule = parsed(texts[i][0]), again;

		schedule_format(&schedule, text);
		assert_string_equal(text, texts[i][1]);
		again = parsed(text);
		assert_memory_equal(&again, &schedule, sizeof(schedule));
	}
}

static void what_is_wrong_with_one_is_named(void **state)
{
	static const char *const cases[][2] = {
		{ "", "there is no such period" },
		{ "hourly", "it must end with keep NUMBER" },
		{ "hourly keep", "it must end with keep NUMBER" },
		{ "hourly keep 0", "from 1 to 400" },
		{ "hourly keep -1", "from 1 to 400" },
		{ "hourly keep 401", "from 1 to 400" },
		{ "hourly keep 4 5", "it must end with keep NUMBER" },
		{ "hourly save 4", "it must end with keep NUMBER" },
		{ "hurly keep 4", "did you mean \"hourly\"?" },
		{ "yearly keep 4", "snapshots: \"yearly keep 4\"" },
		{ "every 10s keep 4", "whole minutes" },
		{ "every 90s keep 4", "whole minutes" },
		{ "every 2d keep 4", "up to a day" },
		{ "every 7d keep 4", "up to a day" },
		{ "every keep 4", "whole minutes" },
		{ "hourly keep 4,", "there is no such period" },
		{ "hourly keep 4, every 1h keep 2", "each period is named once" },
		{ "hourly keep 300, daily keep 101", "keep at most 400" },
		{ "hourly keep 1, daily keep 1, weekly keep 1, monthly keep 1, every 5m keep 1", "4 rules" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schedule schedule;
		struct error error = { 0 };

		assert_int_equal(schedule_parse(cases[i][0], &schedule, &error), -EINVAL);
		if (!strstr(error.text, cases[i][1]))
			fail_msg("%s: %s", cases[i][0], error.text);
		assert_int_equal(schedule.count, 0);
	}
}

static void a_period_begins_where_utc_says(void **state)
{
	static const struct {
		const char *rule;
		uint64_t at_s;
		const char *name;
	} cases[] = {
		{ "hourly keep 1", NOW_S, "hourly-20261126-1500" },
		{ "hourly keep 1", NOW_S + 17 * 60 + 49, "hourly-20261126-1500" },
		{ "hourly keep 1", NOW_S + 17 * 60 + 50, "hourly-20261126-1600" },
		{ "every 15m keep 1", NOW_S, "every-15m-20261126-1530" },
		{ "every 6h keep 1", NOW_S, "every-6h-20261126-1200" },
		{ "daily keep 1", NOW_S, "daily-20261126" }, { "weekly keep 1", NOW_S, "weekly-20261123" },
		{ "weekly keep 1", NOW_S - 3 * DAY, "weekly-20261123" },
		{ "weekly keep 1", NOW_S - 4 * DAY, "weekly-20261116" },
		{ "monthly keep 1", NOW_S, "monthly-20261101" },
		{ "monthly keep 1", NOW_S + 5 * DAY, "monthly-20261201" },
		{ "weekly keep 1", 0, "weekly-19700101" }, /* a clock that isn't set */
	};

	(void)state;
	count = 0;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schedule_step step = next(cases[i].rule, cases[i].at_s);

		assert_int_equal(step.what, SCHEDULE_MAKE);
		assert_string_equal(step.name, cases[i].name);
	}
}

static void one_is_made_in_each_period_and_the_rest_removed(void **state)
{
	struct schedule_step step;

	(void)state;
	count = 0;
	have("mine", 0, CATALOG_SNAPSHOT_READY);
	have("hourly-20261126-1200", HOUR, CATALOG_SNAPSHOT_READY);
	have("hourly-20261126-1300", HOUR, CATALOG_SNAPSHOT_READY);
	have("hourly-20261126-1400", HOUR, CATALOG_SNAPSHOT_READY);
	step = next("hourly keep 2, daily keep 3", NOW_S);
	assert_int_equal(step.what, SCHEDULE_MAKE);
	assert_string_equal(step.name, "hourly-20261126-1500");
	assert_int_equal(step.period_s, HOUR);
	/* Interrupted: the same again. */
	have("hourly-20261126-1500", HOUR, CATALOG_SNAPSHOT_MAKING);
	assert_string_equal(next("hourly keep 2, daily keep 3", NOW_S).name, "hourly-20261126-1500");
	snapshots[4].state = CATALOG_SNAPSHOT_READY;
	assert_string_equal(next("hourly keep 2, daily keep 3", NOW_S).name, "daily-20261126");
	have("daily-20261126", DAY, CATALOG_SNAPSHOT_READY);
	/* The oldest of its rule goes first; one that was being removed too. */
	step = next("hourly keep 2, daily keep 3", NOW_S);
	assert_int_equal(step.what, SCHEDULE_REMOVE);
	assert_string_equal(step.name, "hourly-20261126-1200");
	snapshots[1].state = CATALOG_SNAPSHOT_REMOVING;
	assert_string_equal(next("hourly keep 2, daily keep 3", NOW_S).name, "hourly-20261126-1200");
	/* What is in use stays, and takes the place of no other one. */
	snapshots[1].state = CATALOG_SNAPSHOT_READY;
	snapshots[1].snapshot.byte[0] = 1;
	assert_string_equal(next("hourly keep 2, daily keep 3", NOW_S).name, "hourly-20261126-1300");
	assert_int_equal(next("hourly keep 3, daily keep 3", NOW_S).what, SCHEDULE_NOTHING);
	snapshots[1].snapshot.byte[0] = 0;
	/* A rule that is gone leaves what it has made; no schedule removes nothing. */
	assert_int_equal(next("daily keep 1", NOW_S).what, SCHEDULE_NOTHING);
	assert_int_equal(next("none", NOW_S).what, SCHEDULE_NOTHING);
}

/* A user's own of that very name is there in its place, and is never removed. */
static void a_users_snapshot_is_left_alone(void **state)
{
	(void)state;
	count = 0;
	have("hourly-20261126-1400", 0, CATALOG_SNAPSHOT_READY);
	have("hourly-20261126-1500", 0, CATALOG_SNAPSHOT_READY);
	assert_int_equal(next("hourly keep 1", NOW_S).what, SCHEDULE_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_schedule_survives_its_text),
		cmocka_unit_test(what_is_wrong_with_one_is_named),
		cmocka_unit_test(a_period_begins_where_utc_says),
		cmocka_unit_test(one_is_made_in_each_period_and_the_rest_removed),
		cmocka_unit_test(a_users_snapshot_is_left_alone),
	};

	return cmocka_run_group_tests_name("catalog schedule", tests, NULL, NULL);
}
