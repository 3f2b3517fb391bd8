/* All scenes. */
#include <string.h>

#include "sim/scene.h"

const struct scenario *const scenario_lists[] = { scenarios_log, scenarios_lease, scenarios_sync,
	scenarios_life, scenarios_room, scenarios_maps, scenarios_snapshot, scenarios_members,
	scenarios_quorum, scenarios_view, scenarios_source, scenarios_grow, scenarios_cut, scenarios_scrub,
	scenarios_compare, scenarios_replace, scenarios_stripe, scenarios_thick, NULL };

const struct scenario *scenario_find(const char *name)
{
	for (unsigned k = 0; scenario_lists[k]; k++)
		for (const struct scenario *at = scenario_lists[k]; at->name; at++)
			if (strcmp(at->name, name) == 0)
				return at;
	return NULL;
}
