#include "volumes/snapshot_schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/accept.h"
#include "catalog/import.h"
#include "catalog/snapshots.h"
#include "volumes/manager.h"

/* After a step that failed this volume waits so long. */
#define RETRY_NS (60 * NS_PER_S)

struct asked {
	struct volumes *volumes;
	char volume[NAME_MAX_LEN + 1];
	struct schedule_step step;
};

struct subject {
	const struct catalog *catalog;
	const struct catalog_volume *volume;
};

static bool is_used(void *arg, const struct catalog_snapshot *snapshot)
{
	const struct subject *subject = arg;

	return catalog_snapshot_is_used(subject->catalog, subject->volume, snapshot);
}

static void told(void *arg, int rc, const struct error *error)
{
	struct asked *asked = arg;
	struct volumes *volumes = asked->volumes;
	struct attachment *attachment = attachment_find(volumes, asked->volume);

	volumes->scheduling = false;
	if (rc != 0 && attachment)
		attachment->schedule_ns = clock_now_ns(volumes->clock) + RETRY_NS;
	if (rc != 0 && rc != -ECANCELED && rc != -ESHUTDOWN)
		manager_event(volumes,
			asked->step.what == SCHEDULE_MAKE ? "snapshot-missed" : "snapshot-not-removed",
			asked->volume, "snapshot %.64s, by the schedule of its class: %s", asked->step.name,
			error->text);
	free(asked);
}

/* True: something has been begun. */
static bool step_begin(struct volumes *volumes, const struct attachment *attachment)
{
	const struct catalog_volume *volume;
	const struct catalog_class *class;
	struct schedule_step step;
	struct subject subject;
	struct asked *asked;

	if (catalog_volume_find(volumes->catalog, attachment->spec.name, &volume, NULL) ||
		catalog_class_find(volumes->catalog, volume->class_name, &class, NULL) ||
		class->snapshots.count == 0 || catalog_import_is_unfinished(volume))
		return false;
	subject = (struct subject){ volumes->catalog, volume };
	step = schedule_next(&class->snapshots, clock_wall_ns(volumes->clock), volume->snapshots,
		volume->snapshot_count, is_used, &subject);
	if (step.what == SCHEDULE_NOTHING)
		return false;
	asked = malloc(sizeof(*asked));
	if (!asked)
		return false; /* the next second tries again */
	*asked = (struct asked){ .volumes = volumes, .step = step };
	memcpy(asked->volume, volume->name, sizeof(asked->volume));
	volumes->scheduling = true;
	if (step.what == SCHEDULE_MAKE)
		snapshot_create_scheduled(volumes, volume->name, step.name, step.period_s, told, asked);
	else
		volumes_snapshot_remove(volumes, volume->name, step.name, told, asked);
	return true;
}

void snapshot_schedule_tick(struct volumes *volumes)
{
	uint64_t now_ns = clock_now_ns(volumes->clock);

	if (volumes->scheduling || !catalog_node_lease_valid(volumes->catalog) ||
		catalog_is_frozen(volumes->catalog))
		return;
	list_for_each (node, &volumes->attachments) {
		const struct attachment *attachment = list_entry(node, struct attachment, node);

		if (attachment->phase == ATTACHMENT_UP && attachment->handle && !attachment->ended &&
			!attachment->closing && !attachment->steward && attachment->schedule_ns <= now_ns &&
			step_begin(volumes, attachment))
			return;
	}
}
