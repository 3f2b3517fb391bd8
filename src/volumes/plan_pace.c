#include "volumes/plan_pace.h"

#include "base/mutant.h"

uint64_t plan_pace_left_ms(const struct plan_pace *pace, uint64_t now_ns)
{
	if (now_ns >= pace->not_before_ns)
		return 0;
	return (pace->not_before_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
}

void plan_pace_made(struct plan_pace *pace, uint64_t began_ns, uint64_t ended_ns)
{
	uint64_t took_ns, pause_ns;

	ASSERT(began_ns <= ended_ns);
	took_ns = ended_ns - began_ns;
	pause_ns =
		took_ns < PLAN_PACE_MAX_NS / PLAN_PACE_PAUSES ? took_ns * PLAN_PACE_PAUSES : PLAN_PACE_MAX_NS;
	pace->not_before_ns = MUTANT(plans_unpaced) ? ended_ns : ended_ns + pause_ns;
}
