/* What is known of classes, and of volumes that aren't as theirs say. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/policy.h"

static void class_fill(struct volumes *volumes, const struct catalog_class *class, struct class_view *view)
{
	const struct catalog_volume *volume;

	_Static_assert(sizeof(view->text) == CLASS_TEXT_MAX_LEN + 1, "a class's text has room");
	*view = (struct class_view){ .number = class->number,
		.replicas = class->replicas,
		.reads = class->reads_quorum ? "quorum" : "lease",
		.size_bytes = class->size_bytes };
	snprintf(view->name, sizeof(view->name), "%s", class->name);
	snprintf(view->description, sizeof(view->description), "%s", class->description);
	snprintf(view->selector, sizeof(view->selector), "%s", class->selector);
	snprintf(view->fs, sizeof(view->fs), "%s", class->fs);
	snprintf(view->spread, sizeof(view->spread), "%s", class_spread_name(class->spread));
	snprintf(view->group_rule, sizeof(view->group_rule), "%s", class_group_rule_name(class->group_rule));
	class_tier_format(class->tiers, view->tier);
	class_no_quorum_format(class->error_after_ms, view->on_no_quorum);
	class_rebuild_format(class->rebuild_after_ms, view->rebuild_after);
	schedule_format(&class->snapshots, view->snapshots);
	class_text_format(class, view->text);
	for (size_t i = 0; (volume = catalog_volume_by_name_at(volumes->catalog, i)); i++)
		view->volume_count += strcmp(volume->class_name, class->name) == 0;
}

void volumes_each_class(
	struct volumes *volumes, bool (*fn)(void *arg, const struct class_view *view), void *arg)
{
	const struct catalog_class *class;
	struct class_view view;

	for (size_t i = 0; (class = catalog_class_at(volumes->catalog, i)); i++) {
		class_fill(volumes, class, &view);
		if (!fn(arg, &view))
			return;
	}
}

int volumes_class_view(
	struct volumes *volumes, const char *name, struct class_view *ret_view, struct error *error)
{
	const struct catalog_class *class;
	int rc = manager_ready_check(volumes, error);

	if (!rc)
		rc = catalog_class_find(volumes->catalog, name, &class, error);
	if (!rc)
		class_fill(volumes, class, ret_view);
	return rc;
}

void volumes_each_breach(struct volumes *volumes, const char *class_name,
	bool (*fn)(void *arg, const struct breach_view *view), void *arg)
{
	const struct catalog_volume *volume;
	struct breach breach;

	for (size_t i = 0; (volume = catalog_volume_by_name_at(volumes->catalog, i)); i++) {
		struct breach_view view = { volume->name, breach.why };

		if (strcmp(volume->class_name, class_name) == 0 && breach_find(volumes, volume, &breach) &&
			!fn(arg, &view))
			return;
	}
}
