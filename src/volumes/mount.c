/* Mount: attached if need be, its filesystem made if it is new, mounted; one more holder. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/placing.h"
#include "volumes/mount.h"

#define MOUNT_DEADLINE_MS 60000u

static void mount_failed_down(struct op *op, int rc)
{
	(void)rc;
	op->error = op->why_undone;
	op->mount_then(op, op->rc_undone);
}

/* What this operation brought up, and nobody else uses, is taken down again. */
static void mount_fail(struct op *op, int rc)
{
	struct mounts_count count = mounts_count(op->volumes->mounts, op->name);

	if (!op->brought_up || count.current || count.older ||
		mounts_attached(op->volumes->mounts, op->name)) {
		op->mount_then(op, rc);
		return;
	}
	op->rc_undone = rc;
	op->why_undone = op->error;
	op->force = true;
	attachment_take_down(op, mount_failed_down);
}

static void mount_recorded(struct op *op, int rc)
{
	/* That the filesystem is made is seen by its signature too: the next mount tells the catalog again.
	 */
	if (rc)
		manager_event(op->volumes, "volume-record-kept", op->name,
			"the catalog doesn't know of its filesystem yet: %s", op->error.text);
	op->mount_then(op, 0);
}

static void mount_grown(struct op *op, int rc);

static void mount_done(struct op *op, int rc)
{
	struct attachment *attachment = attachment_find(op->volumes, op->name);
	struct fs_spec spec = { 0 };

	if (rc) {
		mount_fail(op, rc);
		return;
	}
	ASSERT(attachment);
	attachment->mounted = true;
	spec.type = op->options.fs;
	spec.device = blockdev_path(attachment->blockdev);
	op->told_then = mount_grown;
	fs_grow(op->volumes->attach, &spec, op->name, op_told, op);
}

/* The volume has grown while it was attached nowhere, or was rolled back to what it was before it grew. */
static void mount_grown(struct op *op, int rc)
{
	struct attachment *attachment = attachment_find(op->volumes, op->name);
	const struct catalog_volume *volume;

	if (rc)
		manager_event(op->volumes, "volume-not-grown", op->name,
			"its filesystem here is as large as it was: %s", op->error.text);
	if (!catalog_volume_find(op->volumes->catalog, op->name, &volume, NULL) && !volume->fs_made) {
		op->told_then = mount_recorded;
		catalog_volume_fs_made(
			op->volumes->catalog, volume->volume, attachment->spec.attachment, 5000, op_told, op);
		return;
	}
	op->mount_then(op, 0);
}

static void mount_up(struct op *op, int rc)
{
	struct attachment *attachment = attachment_find(op->volumes, op->name);
	const struct catalog_volume *volume;
	struct fs_spec spec = { .type = op->options.fs };
	const struct catalog_class *class;

	if (!rc)
		rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);
	if (rc) {
		mount_fail(op, rc);
		return;
	}
	ASSERT(attachment && attachment->blockdev);
	snprintf(op->options.fs, sizeof(op->options.fs), "%s", volume->fs);
	spec.device = blockdev_path(attachment->blockdev);
	spec.options = attachment->mount_options;
	class = class_of_fs(op->volumes, volume);
	spec.make_options = class ? class->mkfs_options : NULL;
	op->told_then = mount_done;
	op->waits_for = "its filesystem";
	if (volume->fs_made)
		fs_mount(op->volumes->attach, &spec, op->name, op_told, op);
	else
		fs_make_and_mount(op->volumes->attach, &spec, op->name, op_told, op);
}

void mount_run(struct op *op, void (*then)(struct op *op, int rc))
{
	struct attachment *attachment = attachment_find(op->volumes, op->name);

	op->mount_then = then;
	if (attachment && attachment->mounted && !attachment->ended)
		then(op, 0);
	else
		attachment_bring_up(op, mount_up);
}

static void mount_told(struct op *op, int rc)
{
	if (rc) {
		op_end(op, rc);
		return;
	}
	/* Nobody waits any more, and Docker doesn't unmount what it was told has failed. */
	if (op->answered) {
		error_set(&op->error, -ETIMEDOUT, "mounted too late");
		op->mount_then = op_end;
		mount_fail(op, -ETIMEDOUT);
		return;
	}
	rc = mounts_add(op->volumes->mounts, op->name, op->id, &op->error);
	if (rc) {
		op->mount_then = op_end;
		mount_fail(op, rc);
		return;
	}
	op_end(op, 0);
}

static void mount_begin(struct op *op)
{
	mount_run(op, mount_told);
}

void volumes_mount(struct volumes *volumes, const char *name, const char *id, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "mount volume", name, MOUNT_DEADLINE_MS, mount_begin, fn, arg);

	if (!op_accept(op, fn, arg, name))
		return;
	op->patient = true;
	snprintf(op->id, sizeof(op->id), "%s", id);
	op_submit(op);
}
