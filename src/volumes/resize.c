/*
 * quoin volume resize: larger, while the volume is used. docs/protocol.md, "Resize":
 *
 *   record -> note on this node's disk -> coordinator and replicas -> block device -> filesystem
 *
 * The first step is the command's, on any node; the others are done where the volume is attached: by the
 * command if that is here, else when that node sees the record. Each of them may be the last before a crash:
 * an attach takes the record's size, and a mount the device's.
 */
#include <errno.h>
#include <stdlib.h>

#include "catalog/policy.h"
#include "volumes/held.h"
#include "volumes/manager.h"

#define RESIZE_DEADLINE_MS 30000u

struct resize {
	uint64_t size_bytes;
	bool has_changed; /* the record has, by this command */
};

static void grow_over(struct op *op, const char *what, int rc)
{
	struct attachment *attachment = attachment_find(op->volumes, op->name);
	const struct resize *resize = op->state;
	char size[SIZE_TEXT_LEN + 1];
	struct error why = op->error;

	(void)size_format(resize->size_bytes, size);
	/* Tried once for each change of the record, and again by the next command or attach. */
	if (attachment)
		attachment->grown_bytes = resize->size_bytes;
	if (rc) {
		manager_event(op->volumes, "volume-not-grown", op->name, "%s here is as large as it was: %s",
			what, why.text);
		rc = error_set(&op->error, rc,
			"volume %s has %s from now on, but %s here is as large as it was: %s", op->name, size,
			what, why.text);
	} else {
		manager_event(op->volumes, "volume-grown", op->name, "%s: %s", size, what);
	}
	op_end(op, rc);
}

static void fs_told(struct op *op, int rc)
{
	grow_over(op, rc ? "its filesystem" : "its device and filesystem", rc);
}

static void device_told(struct op *op, int rc)
{
	struct attachment *attachment = attachment_find(op->volumes, op->name);
	struct fs_spec spec = { .type = attachment->fs };

	if (rc || !attachment->mounted || attachment->nbd) {
		grow_over(
			op, attachment->nbd ? "its export, for who connects from now on" : "its device", rc);
		return;
	}
	spec.device = blockdev_path(attachment->blockdev);
	op->told_then = fs_told;
	fs_grow(op->volumes->attach, &spec, op->name, op_told, op);
}

static void volume_told(struct op *op, int rc)
{
	struct attachment *attachment = attachment_find(op->volumes, op->name);

	if (rc || !attachment->blockdev || !blockdev_is_up(attachment->blockdev)) {
		grow_over(op, "the volume", rc);
		return;
	}
	op->told_then = device_told;
	blockdev_grow(attachment->blockdev, op_told, op);
}

static void volume_run(struct dataplane_call *call)
{
	const struct op *op = op_of_call(call);
	const struct resize *resize = op->state;

	volume_grow(op->attachment->opened, resize->size_bytes);
	dataplane_call_finish(call, 0);
}

/* Where it is attached here. */
static void grow_here(struct op *op)
{
	struct attachment *attachment = attachment_find(op->volumes, op->name);
	const struct resize *resize = op->state;

	if (!attachment || attachment->phase != ATTACHMENT_UP || !attachment->handle || attachment->ended) {
		op_end(op, 0);
		return;
	}
	ASSERT(resize->size_bytes >= attachment->spec.size_bytes);
	op->attachment = attachment;
	attachment->spec.size_bytes = resize->size_bytes;
	held_note_size(attachment);
	op_call(op, attachment->thread, volume_run, volume_told);
}

/* ---- the command ---- */

static void resize_told(struct op *op, int rc)
{
	const struct resize *resize = op->state;
	char size[SIZE_TEXT_LEN + 1];

	if (rc) {
		op_end(op, rc);
		return;
	}
	if (resize->has_changed)
		manager_event(op->volumes, "volume-resized", op->name, "%s, on each of its pools",
			size_format(resize->size_bytes, size));
	manager_kick(op->volumes);
	grow_here(op);
}

static void resize_begin(struct op *op)
{
	const struct catalog_volume *volume;
	struct resize *resize = op->state;
	int rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);

	if (rc) {
		op_end(op, rc);
		return;
	}
	resize->has_changed = volume->size_bytes != resize->size_bytes;
	op->told_then = resize_told;
	catalog_volume_resize(
		op->volumes->catalog, volume->volume, resize->size_bytes, op_left_ms(op), op_told, op);
}

void volumes_resize(
	struct volumes *volumes, const char *name, uint64_t size_bytes, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "resize", name, RESIZE_DEADLINE_MS, resize_begin, fn, arg);
	struct resize *resize;

	if (!op_accept(op, fn, arg, name))
		return;
	resize = calloc(1, sizeof(*resize));
	if (resize)
		resize->size_bytes = size_bytes;
	else
		op_refuse(op, error_set(&op->error, -ENOMEM, "no memory"));
	op->state = resize;
	op_submit(op);
}

/* ---- another node's command ---- */

static void follow_begin(struct op *op)
{
	const struct catalog_volume *volume;
	struct resize *resize = op->state;

	if (catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error)) {
		op_end(op, 0); /* it is being removed, or the kvdb is away: the next plan sees */
		return;
	}
	resize->size_bytes = volume->size_bytes;
	grow_here(op);
}

void resize_follow(struct attachment *attachment, const struct catalog_volume *volume)
{
	struct volumes *volumes = attachment->volumes;
	struct op *op;

	if (attachment->phase != ATTACHMENT_UP || !attachment->handle ||
		volume->size_bytes <= attachment->grown_bytes ||
		ops_has(volumes, attachment->spec.name, NULL))
		return;
	op = op_make(volumes, "grow", attachment->spec.name, OP_FOREVER_MS, follow_begin, NULL, NULL);
	if (!op)
		return; /* the next plan tries again */
	op->state = calloc(1, sizeof(struct resize));
	if (op->state)
		op_submit(op);
	else
		free(op);
}
