/* Attach, export and detach, as an operator asks for them: the device without its mount, or an NBD server. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "catalog/import.h"
#include "volumes/in_use.h"
#include "volumes/manager.h"
#include "volumes/steward.h"

#define ATTACH_DEADLINE_MS 60000u
#define DETACH_DEADLINE_MS 30000u

int attachment_front_check(struct op *op)
{
	const struct catalog_volume *volume;

	if (!op->for_snapshots && !op->steward &&
		!catalog_volume_find(op->volumes->catalog, op->name, &volume, NULL) &&
		catalog_import_refuse(volume, op->import, &op->error))
		return -EBUSY;
	if (op->attachment->nbd == op->nbd)
		return 0;
	return error_set(&op->error, -EBUSY,
		op->attachment->nbd
			? "volume %s is exported by NBD on this node (%s), at %s: `quoin volume detach %s` "
			  "first"
			: "volume %s is attached on this node (%s) as %s: `quoin volume detach %s` first",
		op->name, op->volumes->config.node, blockdev_link(op->attachment->blockdev), op->name);
}

/* The view that the caller looks at next shows the attached volume as it is. */
static void attach_seen(struct op *op)
{
	const struct snapshot *snapshot = &op->volumes->snapshot;

	if (snapshot->stale && !op_expired(op))
		op_retry(op, 0, attach_seen);
	else
		op_end(op, 0);
}

static void attach_up(struct op *op, int rc)
{
	if (!rc)
		rc = mounts_attached_set(
			op->volumes->mounts, op->name, op->nbd ? ATTACHED_NBD : ATTACHED_DEVICE, &op->error);
	if (rc)
		op_end(op, rc);
	else
		attach_seen(op);
}

/* Said before it happens, and whom it hits: the other node's own event tells it there. */
static void force_told(const struct op *op)
{
	const struct catalog_volume *volume;

	if (catalog_volume_find(op->volumes->catalog, op->name, &volume, NULL) ||
		!volume_is_attached(volume) || !strcmp(volume->holder.node, op->volumes->config.node))
		return;
	manager_event(op->volumes, "volume-forced", op->name,
		"taken by force from node %s, whether that lives or not: its I/O there gets EIO for ever, "
		"and its mount is taken down; no acknowledged write is lost",
		volume->holder.node);
}

static void attach_begin(struct op *op)
{
	if (op->force_attach)
		force_told(op);
	attachment_bring_up(op, attach_up);
}

void volumes_attach(struct volumes *volumes, const char *name, bool force, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "attach volume", name, ATTACH_DEADLINE_MS, attach_begin, fn, arg);

	if (!op_accept(op, fn, arg, name))
		return;
	op->force_attach = force;
	op->patient = true;
	op_submit(op);
}

static void serve_nbd_begin(struct op *op)
{
	op->nbd = true;
	attachment_bring_up(op, attach_up);
}

void volumes_serve_nbd(
	struct volumes *volumes, const char *name, struct uuid import, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "export volume", name, ATTACH_DEADLINE_MS, serve_nbd_begin, fn, arg);

	if (!op_accept(op, fn, arg, name))
		return;
	op->import = import;
	op->patient = true;
	op_submit(op);
}

static void detach_down(struct op *op, int rc)
{
	struct error why;

	if (!rc && mounts_attached_set(op->volumes->mounts, op->name, ATTACHED_NOT, &why))
		manager_event(op->volumes, "state-not-written", op->name, "%s", why.text);
	op_end(op, rc);
}

static void detach_unused(struct op *op, int rc)
{
	if (rc)
		op_end(op, rc);
	else
		attachment_take_down(op, detach_down);
}

static void detach_begin(struct op *op)
{
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (!rc && !attachment_find(op->volumes, op->name) && volume_is_attached(volume) &&
		strcmp(volume->holder.node, op->volumes->config.node) != 0)
		rc = error_set(&op->error, -EBUSY,
			"volume %s isn't attached on this node (%s) but on %s: detach it there", op->name,
			op->volumes->config.node, volume->holder.node);
	if (rc)
		op_end(op, rc);
	else
		in_use_check(op, detach_unused);
}

void volumes_detach(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "detach volume", name, DETACH_DEADLINE_MS, detach_begin, fn, arg);

	if (op_accept(op, fn, arg, name))
		op_submit(op);
}
