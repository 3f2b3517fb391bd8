#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/assert.h"

static uint64_t read_clock_ns(clockid_t id)
{
	struct timespec ts;

	ASSERT(clock_gettime(id, &ts) == 0);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint64_t system_now_ns(const struct clock *clock)
{
	(void)clock;
	return read_clock_ns(CLOCK_BOOTTIME);
}

static uint64_t system_wall_ns(const struct clock *clock)
{
	(void)clock;
	return read_clock_ns(CLOCK_REALTIME);
}

const struct clock *clock_system(void)
{
	static const struct clock system = { .now_ns = system_now_ns, .wall_ns = system_wall_ns };

	return &system;
}

char *time_format(uint64_t wall_ns, char text[static TIME_TEXT_LEN + 1])
{
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;
	size_t len;

	/* 2^64 ns end in the year 2554, so four digits of year are always enough. */
	ASSERT(gmtime_r(&seconds, &tm));
	len = strftime(text, TIME_TEXT_LEN + 1, "%Y-%m-%dT%H:%M:%S", &tm);
	ASSERT(len == 19);
	snprintf(text + len, TIME_TEXT_LEN + 1 - len, ".%03uZ", (unsigned)(wall_ns / NS_PER_MS % 1000));
	return text;
}
