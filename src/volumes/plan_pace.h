/*
 * How often the plan is made: at once after a change that comes alone, and while changes keep coming, one
 * plan for all that came since the one before. A plan looks at all there is, so its cost grows with the
 * number of volumes, and with it the pause behind it:
 *
 *   change  plan | pause: 9 x the plan, 50 ms at most | plan | pause ...
 *                    change change change ------------^
 *
 * Plans take a tenth of the control thread at most. Thread rule: none, it is pure.
 */
#ifndef QUOIN_VOLUMES_PLAN_PACE_H
#define QUOIN_VOLUMES_PLAN_PACE_H

#include "base/base.h"

#define PLAN_PACE_PAUSES 9u /* times the plan's own time */
/* A single change should not be seen to wait; and a plan may take long because the machine is busy. */
#define PLAN_PACE_MAX_NS (50 * NS_PER_MS)

struct plan_pace {
	uint64_t not_before_ns; /* 0: none was made yet */
};

/* How long the next one has to wait, rounded up; 0: it may be made. */
uint64_t plan_pace_left_ms(const struct plan_pace *pace, uint64_t now_ns);
void plan_pace_made(struct plan_pace *pace, uint64_t began_ns, uint64_t ended_ns);

#endif
