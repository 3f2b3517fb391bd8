/*
 * Time comes in through a struct of functions, so that the simulator owns it.
 * Monotonic time is CLOCK_BOOTTIME in nanoseconds (it goes on during suspend); wall time is for people only.
 */
#ifndef QUOIN_BASE_CLOCK_H
#define QUOIN_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

struct clock {
	uint64_t (*now_ns)(const struct clock *clock);
	uint64_t (*wall_ns)(const struct clock *clock); /* since 1970, UTC */
};

/* The machine's clock; lives for ever. */
const struct clock *clock_system(void);

static inline uint64_t clock_now_ns(const struct clock *clock)
{
	return clock->now_ns(clock);
}

static inline uint64_t clock_wall_ns(const struct clock *clock)
{
	return clock->wall_ns(clock);
}

#define TIME_TEXT_LEN 24
/* RFC 3339 in UTC with milliseconds, e.g. 2026-01-31T12:00:00.000Z. Returns `text`. */
char *time_format(uint64_t wall_ns, char text[static TIME_TEXT_LEN + 1]);

#endif
