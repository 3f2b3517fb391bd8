/*
 * Snapshots that are made by themselves: what a class's `snapshots` says, and what is due by it
 * (docs/snapshots.md). Pure functions.
 */
#ifndef QUOIN_CATALOG_SCHEDULE_H
#define QUOIN_CATALOG_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

#define SCHEDULE_MAX_RULES 4u
#define SCHEDULE_MAX_KEEP  400u /* all rules together: users make some of the 512 too */
#define SCHEDULE_TEXT_LEN  127u
#define SCHEDULE_MONTH_S   (UINT32_C(30) * 86400) /* stands for a month of the calendar */

/* Rules: in each period one is made, and so many of those are kept. Records hold these numbers. */
struct schedule {
	unsigned count;                        /* 0: none are made */
	uint32_t period_s[SCHEDULE_MAX_RULES]; /* whole minutes up to a day, a week, or SCHEDULE_MONTH_S */
	uint32_t keep[SCHEDULE_MAX_RULES];     /* 1 .. */
};

/* "none", or rules with commas between: "hourly keep 24, every 15m keep 4". -EINVAL with words. */
int schedule_parse(const char *text, struct schedule *ret_schedule, struct error *error) MUST_CHECK;
/* schedule_parse() gives the same. */
void schedule_format(const struct schedule *schedule, char text[static SCHEDULE_TEXT_LEN + 1]);
/* -EINVAL: not what schedule_parse() gives. */
int schedule_check(const struct schedule *schedule) MUST_CHECK;
/* "hourly", "every 15m"; "" for 0. */
void schedule_period_format(uint32_t period_s, char text[static SCHEDULE_TEXT_LEN + 1]);

struct catalog_snapshot;

struct schedule_step {
	enum { SCHEDULE_NOTHING, SCHEDULE_MAKE, SCHEDULE_REMOVE } what;
	char name[NAME_MAX_LEN + 1]; /* of the snapshot */
	uint32_t period_s;           /* its rule's, where one is made */
};

/*
 * What is to be done first about a volume with these snapshots, oldest first. Periods begin at full minutes,
 * hours, days, weeks (Mondays) and months of UTC; the name says which one: who is interrupted makes the same
 * again. Only what a rule has made is removed, the oldest first, and nothing that is_used() says is in use.
 */
struct schedule_step schedule_next(const struct schedule *schedule, uint64_t wall_ns,
	const struct catalog_snapshot *snapshots, unsigned count,
	bool (*is_used)(void *arg, const struct catalog_snapshot *snapshot), void *arg);

#endif
