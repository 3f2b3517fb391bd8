/* The snapshots of a volume, as they are seen from this node. */
#include <stdio.h>

#include "catalog/snapshots.h"
#include "volumes/manager.h"
#include "volumes/snapview.h"

/* Where it is attached: here, and who else says so. */
static void devices_fill(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_snapshot *snapshot, struct snapshot_view *view)
{
	char name[SNAPSHOT_NAME_MAX_LEN + 1];
	const struct catalog_viewer *viewer = NULL;
	const struct snapview *here;
	unsigned from = 0;

	snprintf(name, sizeof(name), "%s@%s", volume->name, snapshot->name);
	here = snapview_find(volumes, name);
	if (here && here->up) {
		snprintf(view->device, sizeof(view->device), "%s", blockdev_link(here->blockdev));
		view->nbd = here->nbd;
	}
	while (view->node_count < SNAPSHOT_VIEW_NODES &&
		(viewer = catalog_viewer_next(volumes->catalog, volume, snapshot->snapshot, from)) != NULL) {
		view->nodes[view->node_count++] = viewer->node;
		from = (unsigned)(viewer - volume->viewers) + 1;
	}
}

int volumes_each_snapshot(struct volumes *volumes, const char *name,
	void (*fn)(void *arg, const struct snapshot_view *view), void *arg, struct error *error)
{
	static const char *const states[] = { "making", "ready", "removing", "restoring" };
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(volumes->catalog, name, &volume, error);

	for (unsigned i = 0; rc == 0 && i < volume->snapshot_count; i++) {
		const struct catalog_snapshot *snapshot = &volume->snapshots[i];
		struct snapshot_view view = { .snapshot = snapshot->snapshot,
			.import_of = snapshot->import_of };

		snprintf(view.name, sizeof(view.name), "%s", snapshot->name);
		snprintf(view.state, sizeof(view.state), "%s", states[snapshot->state]);
		schedule_period_format(snapshot->period_s, view.schedule);
		time_format(snapshot->created_ns, view.created);
		devices_fill(volumes, volume, snapshot, &view);
		fn(arg, &view);
	}
	return rc;
}
