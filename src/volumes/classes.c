/* Changes of classes, and of volumes that are to follow theirs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/policy.h"

#define CLASS_DEADLINE_MS 30000u
#define CLASSES_MAX       64u /* in one text */

/* ---- classes from a text, or one with a field changed ---- */

struct change {
	unsigned count, done;
	struct catalog_class classes[CLASSES_MAX];
	char key[64], value[512]; /* volumes_class_set() */
};

static void class_put(struct op *op);

static void class_put_told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;
	struct change *change = op->state;

	if (rc) {
		op->error = *error;
		op_end(op, rc);
		return;
	}
	manager_event(op->volumes, "class-changed", change->classes[change->done].name, "written");
	change->done++;
	class_put(op);
}

static void class_put(struct op *op)
{
	struct change *change = op->state;

	if (change->done == change->count)
		op_end(op, 0);
	else
		catalog_class_put(op->volumes->catalog, &change->classes[change->done], op_left_ms(op),
			class_put_told, op);
}

/* What only attach knows of: options of filesystems. */
static int class_options_check(const struct catalog_class *class, struct error *error)
{
	_Static_assert(CLASS_OPTIONS_LEN <= FS_OPTIONS_LEN, "all are looked at");
	int rc = fs_options_check(FS_MAKE_OPTIONS, class->fs, class->mkfs_options, error);

	return rc ? rc : fs_options_check(FS_MOUNT_OPTIONS, class->fs, class->mount_options, error);
}

static int class_take(void *arg, const struct catalog_class *class, struct error *error)
{
	struct change *change = arg;

	for (unsigned i = 0; i < change->count; i++)
		if (!strcmp(change->classes[i].name, class->name))
			return error_set(error, -EINVAL, "it stands there twice");
	if (change->count == CLASSES_MAX)
		return error_set(error, -EINVAL, "more than %u classes in one text", CLASSES_MAX);
	change->classes[change->count++] = *class;
	return class_options_check(class, error);
}

void volumes_classes_apply(
	struct volumes *volumes, const char *text, size_t len, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "apply", "classes", CLASS_DEADLINE_MS, class_put, fn, arg);
	struct change *change = calloc(1, sizeof(*change));
	int rc;

	if (!op_accept(op, fn, arg, NULL)) {
		free(change);
		return;
	}
	op->state = change;
	op->no_look = true;
	rc = change ? class_text_parse(text, len, class_take, change, &op->error)
		    : error_set(&op->error, -ENOMEM, "no memory for the classes");
	if (!rc && change->count == 0)
		rc = error_set(&op->error, -EINVAL, "there is no class in it: one begins with [class NAME]");
	if (rc)
		op_refuse(op, rc);
	op_submit(op);
}

/* From the record as it is now: what another changes at the same moment isn't lost. */
static void class_set_begin(struct op *op)
{
	struct change *change = op->state;
	const struct catalog_class *class;
	int rc = catalog_class_find(op->volumes->catalog, op->name, &class, &op->error);

	if (!rc) {
		change->classes[0] = *class;
		rc = class_field_set(&change->classes[0], change->key, change->value, &op->error);
		if (!rc)
			rc = class_options_check(&change->classes[0], &op->error);
	}
	change->count = 1;
	if (rc)
		op_end(op, rc);
	else
		class_put(op);
}

void volumes_class_set(struct volumes *volumes, const char *name, const char *key, const char *value,
	volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "set class", name, CLASS_DEADLINE_MS, class_set_begin, fn, arg);
	struct change *change;

	if (!op_accept(op, fn, arg, name))
		return;
	op->no_look = true;
	op->state = change = calloc(1, sizeof(*change));
	if (!change) {
		op_refuse(op, error_set(&op->error, -ENOMEM, "no memory for the class"));
	} else if (strlen(key) >= sizeof(change->key) || strlen(value) >= sizeof(change->value)) {
		op_refuse(op, error_set(&op->error, -EINVAL, "%.32s: too long", key));
	} else {
		snprintf(change->key, sizeof(change->key), "%s", key);
		snprintf(change->value, sizeof(change->value), "%s", value);
	}
	op_submit(op);
}

/* ---- removal ---- */

static void class_remove_told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;

	if (rc)
		op->error = *error;
	else
		manager_event(op->volumes, "class-removed", op->name, "by a user's wish");
	op_end(op, rc);
}

static void class_remove_begin(struct op *op)
{
	catalog_class_remove(op->volumes->catalog, op->name, op_left_ms(op), class_remove_told, op);
}

void volumes_class_remove(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	struct op *op =
		op_make(volumes, "remove class", name, CLASS_DEADLINE_MS, class_remove_begin, fn, arg);

	if (!op_accept(op, fn, arg, name))
		return;
	op->no_look = true;
	op_submit(op);
}

/* ---- volumes that follow ---- */

void volumes_class_mend(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	const struct catalog_volume *volume;
	char from[VOLUMES_FROM_LEN + 1];
	struct breach breach;
	struct error error;
	int rc = catalog_volume_find(volumes->catalog, name, &volume, &error);

	/* What is due is asked for as a user would; a volume that is as it should be is set to what it has.
	 */
	if (!rc && breach_find(volumes, volume, &breach) && breach.move_from) {
		snprintf(from, sizeof(from), "%s#%u", breach.move_from, breach.shard);
		volumes_move_replica(volumes, name, from, NULL, fn, arg);
	} else if (!rc && breach_find(volumes, volume, &breach)) {
		replicas_mend(volumes, name, breach.replicas, fn, arg);
	} else {
		replicas_mend(volumes, name, rc || !volume->shard_count ? 0 : volume->shards[0].voter_count,
			fn, arg);
	}
}
