#include "volumes/attachment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/snapshots.h"
#include "volumes/held.h"
#include "volumes/manager.h"
#include "volumes/placing.h"

#define RAISES_MAX         5u
#define RELEASE_TIMEOUT_MS 5000u

struct attachment *attachment_find(struct volumes *volumes, const char *name)
{
	list_for_each (node, &volumes->attachments) {
		struct attachment *attachment = list_entry(node, struct attachment, node);

		if (!strcmp(attachment->spec.name, name))
			return attachment;
	}
	return NULL;
}

struct attachment *attachment_find_uuid(struct volumes *volumes, struct uuid volume)
{
	list_for_each (node, &volumes->attachments) {
		struct attachment *attachment = list_entry(node, struct attachment, node);

		if (uuid_equal(attachment->spec.volume, volume))
			return attachment;
	}
	return NULL;
}

static void attachment_free(struct op *op)
{
	list_remove(&op->attachment->node);
	catalog_unpin(op->attachment->pin);
	volume_shards_done(&op->attachment->shards);
	free(op->attachment->of_shard);
	free(op->attachment);
	op->attachment = NULL;
	snapshot_take(op->volumes);
}

/* ---- down ---- */

static void record_told(struct op *op, int rc)
{
	if (rc)
		manager_event(op->volumes, "volume-record-kept", op->name,
			"it is gone from this node, but the catalog couldn't be told yet: %s",
			op->error.text);
	else
		held_remove(op->volumes->config.state_dir, op->name);
	attachment_free(op);
	op->then_down(op, 0);
}

static void down_closed(struct op *op, int rc)
{
	struct attachment *attachment = op->attachment;

	/* Without the data plane's consent nothing is left to wait for: it is gone from its tables in every
	 * case. */
	if (rc)
		manager_event(op->volumes, "volume-release-failed", op->name, "%s", strerror(-rc));
	manager_event(op->volumes, attachment->steward ? "steward-ends" : "volume-detached", op->name, "%s",
		attachment->steward ? "nothing is left to be done, or the volume is attached"
		: op->force         ? "by force: what was still in use gets EIO"
				    : "nothing is in use any more");
	if (op->keep_record) {
		if (attachment->ended)
			held_remove(op->volumes->config.state_dir, op->name);
		attachment_free(op);
		op->then_down(op, 0);
		return;
	}
	op->told_then = record_told;
	catalog_volume_detach(op->volumes->catalog, attachment->spec.volume, attachment->spec.attachment,
		RELEASE_TIMEOUT_MS, op_told, op);
}

static void device_down(struct op *op, int rc)
{
	struct attachment *attachment = op->attachment;

	if (rc == -ETIMEDOUT && !op->force) {
		op->force = true;
		blockdev_detach(attachment->blockdev, DETACH_FORCE, 0, op_told, op);
		return;
	}
	if (rc && !op->force) {
		op->then_down(op, rc);
		return;
	}
	if (rc)
		manager_event(op->volumes, "device-left", op->name, "%s", op->error.text);
	attachment->blockdev = NULL;
	attachment_close(op, down_closed);
}

static void fs_down(struct op *op, int rc)
{
	struct attachment *attachment = op->attachment;

	if (rc && !op->force) {
		op->then_down(op, rc);
		return;
	}
	attachment->mounted = false;
	op->told_then = device_down;
	if (attachment->blockdev)
		blockdev_detach(
			attachment->blockdev, op->force ? DETACH_FORCE : DETACH_CLEAN, 0, op_told, op);
	else
		device_down(op, 0);
}

void attachment_take_down(struct op *op, op_step_fn then)
{
	op->then_down = then;
	op->attachment = attachment_find(op->volumes, op->name);
	if (!op->attachment) {
		then(op, 0);
		return;
	}
	op->told_then = fs_down;
	if (op->attachment->ended)
		op->force = true;
	/* DETACH_FORCE fails the I/O first, and unmounts then: the other way round it would wait for
	 * writeback. */
	if (op->attachment->mounted && !op->force)
		fs_unmount(op->volumes->attach, op->name, false, 0, op_told, op);
	else
		fs_down(op, 0);
}

/* ---- up ---- */

/* What failed is kept while it is undone. */
static void undone(struct op *op, int rc)
{
	(void)rc;
	op->force = false;
	op->error = op->why_undone;
	op->then(op, op->rc_undone);
}

void attachment_undo(struct op *op, int rc)
{
	op->rc_undone = rc;
	op->outdated = rc == -ESTALE && op->attachment->outdated;
	op->why_undone = op->error;
	op->force = true;
	attachment_take_down(op, undone);
}

static void device_up(struct op *op, int rc)
{
	struct attachment *attachment = op->attachment;

	if (rc) {
		attachment->blockdev = NULL;
		attachment_undo(op, rc);
		return;
	}
	if (attachment->ended) {
		attachment_undo(op, error_set(&op->error, -ESTALE,
					    "volume %s was fenced while it was attached", op->name));
		return;
	}
	attachment->phase = ATTACHMENT_UP;
	attachment->grown_bytes = attachment->spec.size_bytes;
	op->brought_up = true;
	manager_event(op->volumes, attachment->steward ? "steward-begins" : "volume-attached", op->name,
		"%s, epoch %llu",
		attachment->steward ? "attached nowhere, replicas are to move or to be repaired"
				    : blockdev_link(attachment->blockdev),
		(unsigned long long)attachment->spec.epoch.number);
	snapshot_take(op->volumes);
	op->then(op, 0);
}

void attachment_spec_fill(const struct catalog_volume *volume, struct volume_spec *spec)
{
	spec->size_bytes = volume->size_bytes;
	spec->epoch = (struct epoch){ .number = volume->epoch_number };
	spec->reads_quorum = volume->reads_quorum;
	spec->error_after_ms = volume->error_after_ms;
	spec->limits = (struct volume_limits){ volume->limit_iops, volume->limit_bytes_per_s };
}

/* Beside the admin socket: who finds one finds the other. */
void nbd_socket_path(const struct volumes *volumes, const char *name, char *path, size_t path_bytes)
{
	const char *admin = volumes->config.admin_socket;
	const char *slash = strrchr(admin, '/');

	snprintf(path, path_bytes, "%.*s/nbd/%s.sock", slash ? (int)(slash - admin) : 1, slash ? admin : ".",
		name);
}

static void up_opened(struct op *op, int rc);

static void up_open(struct op *op, const struct catalog_volume *volume)
{
	const struct catalog_class *class;
	int rc = volume_shards_fill(op->volumes, volume, &op->attachment->shards);

	if (rc) {
		attachment_undo(op, error_set(&op->error, rc, "volume %s is another by now", op->name));
		return;
	}
	attachment_spec_fill(volume, &op->attachment->spec);
	snprintf(op->attachment->fs, sizeof(op->attachment->fs), "%s", volume->fs);
	class = class_of_fs(op->volumes, volume);
	snprintf(op->attachment->mount_options, sizeof(op->attachment->mount_options), "%s",
		class ? class->mount_options : "");
	held_note(op->attachment);
	attachment_open(op, up_opened);
}

static void up_raised(void *arg, int rc, const struct error *error, const struct catalog_volume *volume)
{
	struct op *op = arg;

	if (rc) {
		op->error = *error;
		attachment_undo(op, rc);
		return;
	}
	up_open(op, volume);
}

static void up_closed(struct op *op, int rc)
{
	(void)rc;
	catalog_volume_epoch_raise(op->volumes->catalog, op->attachment->spec.volume,
		op->attachment->spec.attachment, op->attachment->promised.number, op_left_ms(op), up_raised,
		op);
}

void attachment_device(struct op *op)
{
	struct attachment *attachment = op->attachment;
	struct blockdev_spec spec = {
		.name = op->name, .volume = attachment->handle, .loop = attachment->thread
	};
	char socket[ATTACH_PATH_MAX];
	int rc;

	if (attachment->steward) {
		device_up(op, 0);
		return;
	}
	op->told_then = device_up;
	if (attachment->nbd) {
		nbd_socket_path(op->volumes, op->name, socket, sizeof(socket));
		spec.nbd_socket = socket;
	}
	rc = blockdev_attach(op->volumes->attach, &spec, &attachment->blockdev, op_told, op, &op->error);
	if (rc)
		device_up(op, rc);
}

static void up_opened(struct op *op, int rc)
{
	if (rc == -ESTALE && op->tries++ < RAISES_MAX && !op_expired(op)) {
		attachment_close(op, up_closed);
		return;
	}
	if (!rc && op_expired(op))
		rc = error_set(&op->error, -ETIMEDOUT, "volume %s was opened too late", op->name);
	if (rc)
		attachment_undo(op, rc);
	else
		attachment_device(op);
}

static void up_held(struct op *op, int rc)
{
	const struct catalog_volume *volume = NULL;

	if (!rc)
		rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);
	if (rc) {
		attachment_free(op);
		op->then(op, rc);
		return;
	}
	up_open(op, volume);
}

struct attachment *attachment_new(struct op *op, const struct volume_shards *shards)
{
	struct attachment *attachment = calloc(1, sizeof(*attachment));
	struct attachment_shard *of_shard = calloc(shards->count + 1, sizeof(*of_shard));

	if (!attachment || !of_shard) {
		free(attachment);
		free(of_shard);
		return NULL;
	}
	for (unsigned s = 0; s < shards->count; s++)
		of_shard[s] = (struct attachment_shard){ .attachment = attachment, .index = s };
	attachment->shards = *shards;
	attachment->of_shard = of_shard;
	attachment->volumes = op->volumes;
	attachment->nbd = op->nbd;
	attachment->steward = attachment->spec.steward = op->steward;
	snprintf(attachment->spec.name, sizeof(attachment->spec.name), "%.*s", (int)NAME_MAX_LEN, op->name);
	list_push_back(&op->volumes->attachments, &attachment->node);
	op->attachment = attachment;
	return attachment;
}

/* Some shards may be rolled back, and others not. A steward serves nothing. */
static int restored_refuse(const struct catalog_volume *volume, struct error *error)
{
	const struct catalog_snapshot *snapshot = catalog_snapshot_restored(volume);

	if (!snapshot)
		return 0;
	return error_set(error, -EBUSY,
		"volume %s is half rolled back to snapshot %s: `quoin snapshot rollback %s@%s` finishes that",
		volume->name, snapshot->name, volume->name, snapshot->name);
}

static void up_begin(struct op *op)
{
	struct volumes *volumes = op->volumes;
	struct volume_shards shards = { .count = 0 };
	const struct catalog_volume *volume;
	struct attachment *attachment;
	int rc;

	rc = catalog_volume_find(volumes->catalog, op->name, &volume, &op->error);
	if (!rc && !op->steward && !op->restoring)
		rc = restored_refuse(volume, &op->error);
	if (!rc && !op->nbd && !op->steward)
		rc = attach_supported(&op->error);
	if (!rc)
		rc = volume_shards_fill(volumes, volume, &shards);
	attachment = rc ? NULL : attachment_new(op, &shards);
	if (!attachment) {
		volume_shards_done(&shards);
		op->then(op, rc ? rc : -ENOMEM);
		return;
	}
	attachment->spec.volume = volume->volume;
	attachment->pin = catalog_pin_volume(volumes->catalog, volume->volume);
	attachment->spec.attachment = uuid_random(&volumes->random);
	attachment_hold(op, up_held);
}

static void up_after_fence(struct op *op, int rc)
{
	(void)rc;
	op->force = op->keep_record = false;
	up_begin(op);
}

void attachment_bring_up(struct op *op, op_step_fn then)
{
	op->then = then;
	op->attachment = attachment_find(op->volumes, op->name);
	if (op->attachment && op->attachment->ended) {
		op->force = op->keep_record = true;
		attachment_take_down(op, up_after_fence);
		return;
	}
	if (op->attachment && op->attachment->steward && !op->steward) {
		attachment_take_down(op, up_after_fence); /* what it has begun goes on under the new one */
		return;
	}
	if (op->attachment) {
		ASSERT(op->attachment->phase == ATTACHMENT_UP);
		then(op, attachment_front_check(op));
		return;
	}
	up_begin(op);
}
