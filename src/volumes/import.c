#include "volumes/import.h"

#include <errno.h>
#include <stdio.h>

#include "catalog/import.h"
#include "catalog/snapshots.h"
#include "volumes/manager.h"

#define IMPORT_DEADLINE_MS 30000u

/* op->id is the name of the snapshot onto which it goes. */
static void begin_begin(struct op *op)
{
	const struct attachment *attachment = attachment_find(op->volumes, op->name);
	const struct catalog_snapshot *base;
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (!rc && (!attachment || attachment->phase != ATTACHMENT_UP || attachment->steward ||
			   !attachment->nbd || attachment->ended))
		rc = error_set(&op->error, -EBUSY, "volume %s is no NBD export of this node (%s)", op->name,
			op->volumes->config.node);
	base = rc ? NULL : catalog_snapshot_find(volume, op->id);
	if (!rc && (!base || base->state != CATALOG_SNAPSHOT_READY))
		rc = error_set(
			&op->error, -ENOENT, "volume %s has no snapshot %s that is ready", op->name, op->id);
	if (rc) {
		op_end(op, rc);
		return;
	}
	op->told_then = op_end;
	catalog_import_begin(op->volumes->catalog, volume->volume, attachment->spec.attachment, op->import,
		base->snapshot, op_left_ms(op), op_told, op);
}

void volumes_import_begin(struct volumes *volumes, const char *name, struct uuid import, const char *base,
	volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "import into", name, IMPORT_DEADLINE_MS, begin_begin, fn, arg);

	if (!op_accept(op, fn, arg, name))
		return;
	op->import = import;
	snprintf(op->id, sizeof(op->id), "%s", base);
	op_submit(op);
}

static void end_begin(struct op *op)
{
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (rc) {
		op_end(op, rc);
		return;
	}
	op->told_then = op_end;
	catalog_import_end(op->volumes->catalog, volume->volume, op->import, op_left_ms(op), op_told, op);
}

void volumes_import_end(
	struct volumes *volumes, const char *name, struct uuid import, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "end the import of", name, IMPORT_DEADLINE_MS, end_begin, fn, arg);

	if (!op_accept(op, fn, arg, name))
		return;
	op->import = import;
	op_submit(op);
}
