#include "volumes/trim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"

#define DAY_S UINT64_C(86400)
/* A moment's work: applications, and an unmount, wait for no more. */
#define PART_BYTES       (UINT64_C(1) << 30)
#define PART_DEADLINE_MS 60000u

struct part {
	struct volumes *volumes;
	char volume[NAME_MAX_LEN + 1];
};

static uint64_t period_ns(const struct catalog_class *class)
{
	return (class->trim_s ? class->trim_s : DAY_S) * NS_PER_S;
}

/* Until the next time. */
static void attachment_rest(struct attachment *attachment, uint64_t pause_ns)
{
	attachment->trim_ns = clock_now_ns(attachment->volumes->clock) + pause_ns;
	attachment->trim_done_bytes = 0;
}

/* NULL: never. */
static const struct catalog_class *class_of(struct volumes *volumes, const struct catalog_volume *volume)
{
	const struct catalog_class *class;

	if (catalog_class_find(volumes->catalog, volume->class_name, &class, NULL) != 0 ||
		class->trim_s == CLASS_TRIM_NEVER)
		return NULL;
	return class;
}

static void part_told(void *arg, int rc, const struct error *error)
{
	struct part *part = arg;
	struct volumes *volumes = part->volumes;
	struct attachment *attachment = attachment_find(volumes, part->volume);
	const struct catalog_class *class = NULL;
	const struct catalog_volume *volume;

	volumes->trimming = false;
	if (attachment && !catalog_volume_find(volumes->catalog, part->volume, &volume, NULL))
		class = class_of(volumes, volume);
	if (class) {
		attachment->trim_done_bytes += PART_BYTES;
		if (rc != 0 || attachment->trim_done_bytes >= volume->size_bytes)
			attachment_rest(attachment, period_ns(class));
		/* Unmounted meanwhile: nothing is wrong. */
		if (rc != 0 && rc != -ENOENT && rc != -EOPNOTSUPP)
			manager_event(volumes, "trim-failed", part->volume, "%s", error->text);
	}
	free(part);
}

/* True: a part has been begun. */
static bool part_begin(struct volumes *volumes, struct attachment *attachment)
{
	const struct catalog_class *class;
	const struct catalog_volume *volume;
	struct part *part;

	if (catalog_volume_find(volumes->catalog, attachment->spec.name, &volume, NULL))
		return false;
	class = class_of(volumes, volume);
	if (!class)
		return false;
	/* A class that has changed is obeyed from now on. */
	if (attachment->trim_ns == 0 || attachment->trim_ns > clock_now_ns(volumes->clock) + period_ns(class))
		attachment_rest(attachment, period_ns(class) / 8);
	if (attachment->trim_ns > clock_now_ns(volumes->clock))
		return false;
	part = malloc(sizeof(*part));
	if (!part)
		return false; /* the next second tries again */
	part->volumes = volumes;
	memcpy(part->volume, volume->name, sizeof(part->volume));
	volumes->trimming = true;
	fs_trim(volumes->attach, part->volume, attachment->trim_done_bytes, PART_BYTES, PART_DEADLINE_MS,
		part_told, part);
	return true;
}

void trim_tick(struct volumes *volumes)
{
	if (volumes->trimming)
		return;
	list_for_each (node, &volumes->attachments) {
		struct attachment *attachment = list_entry(node, struct attachment, node);

		if (!attachment->mounted)
			attachment->trim_ns = 0;
		else if (attachment->phase == ATTACHMENT_UP && !attachment->ended && !attachment->closing &&
			 part_begin(volumes, attachment))
			return;
	}
}
