/* Unmount: one holder less; with the last one, the filesystem is unmounted and the volume detached. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "volumes/in_use.h"
#include "volumes/manager.h"
#include "volumes/mount.h"

#define UNMOUNT_DEADLINE_MS 30000u
#define LINGER_DEADLINE_MS  20000u

static void unmount_down(struct op *op, int rc)
{
	/* A container's mount namespace may hold it a little longer: it is tried again each few seconds. */
	if (rc == -EBUSY) {
		if (op->fn)
			manager_event(op->volumes, "volume-lingers", op->name,
				"it is detached as soon as nobody uses it: %s", op->error.text);
		rc = 0;
	}
	op_end(op, rc);
}

static void unmount_fs_only(struct op *op, int rc)
{
	struct attachment *attachment = attachment_find(op->volumes, op->name);

	if (!rc && attachment)
		attachment->mounted = false;
	unmount_down(op, rc);
}

static void unmount_unused(struct op *op, int rc)
{
	if (rc == -EBUSY) {
		op_end(op, 0); /* others use it still */
		return;
	}
	if (rc) {
		op_end(op, rc);
		return;
	}
	if (!mounts_attached(op->volumes->mounts, op->name)) {
		attachment_take_down(op, unmount_down);
		return;
	}
	op->told_then = unmount_fs_only;
	fs_unmount(op->volumes->attach, op->name, false, 0, op_told, op);
}

static void unmount_begin(struct op *op)
{
	int rc = mounts_drop(op->volumes->mounts, op->name, op->id, &op->error);

	if (rc && rc != -ENOENT) {
		op_end(op, rc);
		return;
	}
	op->error.text[0] = '\0';
	in_use_check(op, unmount_unused);
}

void volumes_unmount(struct volumes *volumes, const char *name, const char *id, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "unmount volume", name, UNMOUNT_DEADLINE_MS, unmount_begin, fn, arg);

	if (!op_accept(op, fn, arg, name))
		return;
	op->before_ready = false;
	op->no_look = true; /* what is used here is this node's own knowledge */
	snprintf(op->id, sizeof(op->id), "%s", id);
	op_submit(op);
}

static void linger_try(struct op *op)
{
	in_use_check(op, unmount_unused);
}

void volumes_new_generation(struct volumes *volumes)
{
	struct error why;

	if (mounts_new_generation(volumes->mounts, &why))
		manager_event(volumes, "state-not-written", volumes->config.node, "%s", why.text);
}

void lingering_tick(struct volumes *volumes)
{
	list_for_each (node, &volumes->attachments) {
		const struct attachment *attachment = list_entry(node, struct attachment, node);
		struct mounts_count count = mounts_count(volumes->mounts, attachment->spec.name);
		struct op *op;

		if (attachment->phase != ATTACHMENT_UP || attachment->ended || attachment->steward ||
			count.current || count.older ||
			mounts_attached(volumes->mounts, attachment->spec.name) ||
			ops_has(volumes, attachment->spec.name, NULL))
			continue;
		op = op_make(volumes, "detach idle volume", attachment->spec.name, LINGER_DEADLINE_MS,
			linger_try, NULL, NULL);
		if (op)
			op_submit(op);
	}
}
