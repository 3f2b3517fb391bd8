#include "catalog/schedule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/size.h"
#include "catalog/class_text.h"
#include "catalog/snapshots.h"

#define MINUTE_S UINT32_C(60)
#define HOUR_S   UINT32_C(3600)
#define DAY_S    UINT32_C(86400)
#define WEEK_S   (7 * DAY_S)
/* The first Monday of 1970. */
#define MONDAY_S (4 * DAY_S)

static const struct {
	const char *name;
	uint32_t period_s;
} periods[] = { { "hourly", HOUR_S }, { "daily", DAY_S }, { "weekly", WEEK_S },
	{ "monthly", SCHEDULE_MONTH_S } };

#define PERIODS (sizeof(periods) / sizeof(periods[0]))

static bool period_is_valid(uint64_t period_s)
{
	return period_s == WEEK_S || period_s == SCHEDULE_MONTH_S ||
	       (period_s > 0 && period_s <= DAY_S && period_s % MINUTE_S == 0);
}

int schedule_check(const struct schedule *schedule)
{
	uint64_t keep = 0;

	if (schedule->count > SCHEDULE_MAX_RULES)
		return -EINVAL;
	for (unsigned i = 0; i < schedule->count; i++) {
		if (!period_is_valid(schedule->period_s[i]) || schedule->keep[i] == 0)
			return -EINVAL;
		for (unsigned j = 0; j < i; j++)
			if (schedule->period_s[j] == schedule->period_s[i])
				return -EINVAL;
		keep += schedule->keep[i];
	}
	return keep > SCHEDULE_MAX_KEEP ? -EINVAL : 0;
}

/* ---- as text ---- */

void schedule_period_format(uint32_t period_s, char text[static SCHEDULE_TEXT_LEN + 1])
{
	text[0] = 0;
	if (period_s == 0)
		return;
	for (unsigned i = 0; i < PERIODS; i++)
		if (periods[i].period_s == period_s) {
			(void)snprintf(text, SCHEDULE_TEXT_LEN + 1, "%s", periods[i].name);
			return;
		}
	if (period_s % HOUR_S == 0)
		(void)snprintf(text, SCHEDULE_TEXT_LEN + 1, "every %uh", period_s / HOUR_S);
	else
		(void)snprintf(text, SCHEDULE_TEXT_LEN + 1, "every %um", period_s / MINUTE_S);
}

void schedule_format(const struct schedule *schedule, char text[static SCHEDULE_TEXT_LEN + 1])
{
	size_t len = 0;

	(void)snprintf(text, SCHEDULE_TEXT_LEN + 1, "none");
	for (unsigned i = 0; i < schedule->count; i++) {
		char period[SCHEDULE_TEXT_LEN + 1];

		schedule_period_format(schedule->period_s[i], period);
		len += (size_t)snprintf(text + len, SCHEDULE_TEXT_LEN + 1 - len, "%s%.31s keep %u",
			i > 0 ? ", " : "", period, schedule->keep[i]);
		ASSERT(len <= SCHEDULE_TEXT_LEN);
	}
}

static int rule_bad(const char *rule, const char *why, struct error *error)
{
	return error_set(error, -EINVAL,
		"snapshots: \"%.64s\": %s; write `none` or rules as in `hourly keep 24, daily keep 7`: "
		"hourly, "
		"daily, weekly, monthly or every TIME (whole minutes, up to 1d), each with keep NUMBER",
		rule, why);
}

/* Adds one rule to the schedule, which has room; `rule` is cut up. */
static int rule_parse(char *rule, struct schedule *schedule, struct error *error)
{
	char whole[64], *at = rule, *words[5] = { NULL };
	const char *names[PERIODS], *nearest;
	uint64_t period_s = 0, keep = 0;
	unsigned count = 0, first = 1;

	(void)snprintf(whole, sizeof(whole), "%s", rule);
	while (count < 5 && (words[count] = strsep(&at, " \t")) != NULL)
		count += words[count][0] != 0;
	for (unsigned i = 0; i < PERIODS; i++) {
		names[i] = periods[i].name;
		if (count > 0 && strcmp(words[0], names[i]) == 0)
			period_s = periods[i].period_s;
	}
	if (count > 1 && strcmp(words[0], "every") == 0) {
		uint64_t ms = class_duration_of(words[1]);

		first = 2;
		period_s = ms % 60000 == 0 ? ms / 1000 : 0;
		if (!period_is_valid(period_s) || period_s > DAY_S)
			return rule_bad(whole, "the time must be whole minutes, up to a day", error);
	}
	nearest = count > 0 ? name_nearest(words[0], names, PERIODS) : NULL;
	if (period_s == 0 && nearest)
		return error_set(
			error, -EINVAL, "snapshots: \"%.64s\": did you mean \"%s\"?", whole, nearest);
	if (period_s == 0)
		return rule_bad(whole, "there is no such period", error);
	if (count != first + 2 || strcmp(words[first], "keep") != 0)
		return rule_bad(whole, "it must end with keep NUMBER", error);
	if (count_parse(words[first + 1], &keep) != 0 || keep == 0 || keep > SCHEDULE_MAX_KEEP)
		return rule_bad(whole, "the number to keep is from 1 to 400", error);
	schedule->period_s[schedule->count] = (uint32_t)period_s;
	schedule->keep[schedule->count++] = (uint32_t)keep;
	return 0;
}

int schedule_parse(const char *text, struct schedule *ret_schedule, struct error *error)
{
	struct schedule schedule = { 0 };
	char copy[2 * SCHEDULE_TEXT_LEN + 1], *at = copy, *rule;

	*ret_schedule = schedule;
	if (strcmp(text, "none") == 0)
		return 0;
	if (strlen(text) >= sizeof(copy))
		return rule_bad(text, "it is too long", error);
	memcpy(copy, text, strlen(text) + 1);
	while ((rule = strsep(&at, ",")) != NULL) {
		int rc;

		if (schedule.count == SCHEDULE_MAX_RULES)
			return error_set(
				error, -EINVAL, "snapshots: there can be %u rules", SCHEDULE_MAX_RULES);
		rc = rule_parse(rule, &schedule, error);
		if (rc != 0)
			return rc;
	}
	if (schedule_check(&schedule) != 0)
		return error_set(error, -EINVAL,
			"snapshots = %.64s: each period is named once, and all rules together keep at most "
			"%u",
			text, SCHEDULE_MAX_KEEP);
	*ret_schedule = schedule;
	return 0;
}

/* ---- what is due ---- */

/* "hourly-20261126-1500": the period that `wall_ns` is in. */
static void slot_name(uint32_t period_s, uint64_t wall_ns, char name[static NAME_MAX_LEN + 1])
{
	char period[SCHEDULE_TEXT_LEN + 1], day[16], minute[8];
	uint64_t now_s = wall_ns / NS_PER_S;
	time_t at_s = (time_t)(now_s - now_s % period_s);
	struct tm tm;

	if (period_s == WEEK_S && now_s >= MONDAY_S)
		at_s = (time_t)(now_s - (now_s - MONDAY_S) % WEEK_S);
	else if (period_s == SCHEDULE_MONTH_S)
		at_s = (time_t)now_s;
	(void)gmtime_r(&at_s, &tm);
	if (period_s == SCHEDULE_MONTH_S)
		tm.tm_mday = 1;
	schedule_period_format(period_s, period);
	for (char *c = period; *c; c++)
		if (*c == ' ')
			*c = '-';
	(void)strftime(day, sizeof(day), "%Y%m%d", &tm);
	(void)strftime(minute, sizeof(minute), "-%H%M", &tm);
	(void)snprintf(name, NAME_MAX_LEN + 1, "%.31s-%s%s", period, day, period_s < DAY_S ? minute : "");
}

static const struct catalog_snapshot *named(
	const struct catalog_snapshot *snapshots, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(snapshots[i].name, name) == 0)
			return &snapshots[i];
	return NULL;
}

static bool step_make(uint32_t period_s, uint64_t wall_ns, const struct catalog_snapshot *snapshots,
	unsigned count, struct schedule_step *step)
{
	const struct catalog_snapshot *known;

	slot_name(period_s, wall_ns, step->name);
	known = named(snapshots, count, step->name);
	if (known && known->state != CATALOG_SNAPSHOT_MAKING)
		return false;
	step->what = SCHEDULE_MAKE;
	step->period_s = period_s;
	return true;
}

static bool step_remove(uint32_t period_s, uint32_t keep, const struct catalog_snapshot *snapshots,
	unsigned count, bool (*is_used)(void *arg, const struct catalog_snapshot *snapshot), void *arg,
	struct schedule_step *step)
{
	unsigned there = 0, over;

	for (unsigned i = 0; i < count; i++)
		there += snapshots[i].period_s == period_s;
	over = there > keep ? there - keep : 0;
	for (unsigned i = 0; i < count && over > 0; i++) {
		if (snapshots[i].period_s != period_s)
			continue;
		over--;
		if (is_used(arg, &snapshots[i]))
			continue;
		step->what = SCHEDULE_REMOVE;
		(void)snprintf(step->name, sizeof(step->name), "%s", snapshots[i].name);
		return true;
	}
	return false;
}

struct schedule_step schedule_next(const struct schedule *schedule, uint64_t wall_ns,
	const struct catalog_snapshot *snapshots, unsigned count,
	bool (*is_used)(void *arg, const struct catalog_snapshot *snapshot), void *arg)
{
	struct schedule_step step = { .what = SCHEDULE_NOTHING };

	ASSERT(schedule_check(schedule) == 0);
	for (unsigned i = 0; i < schedule->count; i++)
		if (step_make(schedule->period_s[i], wall_ns, snapshots, count, &step))
			return step;
	for (unsigned i = 0; i < schedule->count; i++)
		if (step_remove(
			    schedule->period_s[i], schedule->keep[i], snapshots, count, is_used, arg, &step))
			return step;
	return step;
}
