/* Remove: refused where anybody uses the volume; then the catalog marks it, and the nodes delete their
 * replicas. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog/policy.h"
#include "volumes/manager.h"
#include "volumes/in_use.h"

#define REMOVE_DEADLINE_MS 30000u

static void removed(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;

	if (rc) {
		op->error = *error;
		op_end(op, rc);
		return;
	}
	rc = mounts_forget(op->volumes->mounts, op->name, false, &op->error);
	if (rc)
		manager_event(op->volumes, "state-not-written", op->name, "%s", op->error.text);
	manager_event(op->volumes, "volume-removed", op->name, "its replicas are being deleted");
	op_end(op, 0);
}

static void remove_down(struct op *op, int rc)
{
	if (rc)
		op_end(op, rc);
	else
		catalog_volume_delete(op->volumes->catalog, op->volume, op_left_ms(op), removed, op);
}

static void remove_unused(struct op *op, int rc)
{
	if (rc)
		op_end(op, rc);
	else
		attachment_take_down(op, remove_down);
}

static void remove_begin(struct op *op)
{
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (rc) {
		op_end(op, rc);
		return;
	}
	op->volume = volume->volume;
	if (volume->sticky) {
		op_end(op, volume_sticky(volume, &op->error));
		return;
	}
	if (mounts_attached(op->volumes->mounts, op->name) && attachment_find(op->volumes, op->name)) {
		error_set(&op->error, -EBUSY,
			"volume %s is attached on this node (%s): `quoin volume detach %s` first", op->name,
			op->volumes->config.node, op->name);
		op_end(op, -EBUSY);
		return;
	}
	in_use_check(op, remove_unused);
}

void volumes_remove(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "remove volume", name, REMOVE_DEADLINE_MS, remove_begin, fn, arg);

	if (op_accept(op, fn, arg, name))
		op_submit(op);
}
