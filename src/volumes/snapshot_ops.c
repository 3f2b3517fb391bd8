/*
 * quoin snapshot create, rm and rollback. The volume is attached for it where it isn't; the entry goes
 * through the coordinator, so all replicas have the snapshot at one point of their log. catalog/snapshots.h
 * has the record's states; whoever is interrupted does it again.
 *
 *   create:   record MAKING, attached, frozen, entry, thawed, record READY, detached
 *   rm:       record REMOVING, attached, entry, record gone, detached
 *   rollback: attached nowhere, then: attached, entry, detached
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "catalog/import.h"
#include "catalog/snapshots.h"
#include "volumes/manager.h"
#include "volumes/snapshot_schedule.h"
#include "volumes/snapview.h"

#define SNAPSHOT_DEADLINE_MS 30000u

struct snap {
	enum request_op what;
	char name[NAME_MAX_LEN + 1];
	struct uuid snapshot;
	uint32_t period_s;     /* by a rule of its class */
	struct uuid import_of; /* by an import */
	bool freeze;
	bool again;    /* of several shards, and begun before: that one is removed first */
	int frozen_fd; /* of the mount point; -1: it isn't frozen */
	int rc;        /* what failed */
	bool refused;  /* of a thick volume: what it freezes can't be kept anew; it is removed again */
	struct request request;
};

/* ---- afterwards ---- */

static const char *const kinds[] = {
	[REQUEST_SNAPSHOT] = "snapshot-created",
	[REQUEST_SNAPSHOT_DELETE] = "snapshot-removed",
	[REQUEST_ROLLBACK] = "volume-rolled-back",
};

static void snap_end(struct op *op, int rc)
{
	const struct snap *snap = op->state;

	if (!snap->rc && !rc)
		manager_event(op->volumes, kinds[snap->what], op->name, "snapshot %s", snap->name);
	if (snap->rc)
		op->error = op->why_undone;
	op_end(op, snap->rc ? snap->rc : rc);
}

static void snap_begin(struct op *op);

/* Takes the volume down again if it was brought up for this. */
static void snap_over(struct op *op, int rc)
{
	struct snap *snap = op->state;

	rc = snap->rc ? snap->rc : rc; /* refused, and removed again */
	if (!rc && snap->again) {
		snap->again = false;
		snap->what = REQUEST_SNAPSHOT;
		snap_begin(op);
		return;
	}
	snap->rc = rc;
	op->why_undone = op->error;
	if (op->brought_up)
		attachment_take_down(op, snap_end);
	else
		snap_end(op, 0);
}

/* Before it is up. */
static void snap_fail(struct op *op, int rc)
{
	if (op->brought_up)
		snap_over(op, rc);
	else
		op_end(op, rc);
}

static void entry_committed(struct op *op)
{
	const struct snap *snap = op->state;

	op->told_then = snap_over;
	if (snap->what == REQUEST_SNAPSHOT || (snap->what == REQUEST_ROLLBACK && op->restoring))
		catalog_snapshot_ready(
			op->volumes->catalog, op->volume, snap->snapshot, op_left_ms(op), op_told, op);
	else if (snap->what == REQUEST_SNAPSHOT_DELETE)
		catalog_snapshot_gone(
			op->volumes->catalog, op->volume, snap->snapshot, op_left_ms(op), op_told, op);
	else /* rolled back: what an import had begun in it is gone */
		catalog_import_end(
			op->volumes->catalog, op->volume, (struct uuid){ 0 }, op_left_ms(op), op_told, op);
}

/* ---- the entry, and the filesystem around it ---- */

static void thaw(struct op *op)
{
	struct snap *snap = op->state;

	if (snap->frozen_fd < 0)
		return;
	if (ioctl(snap->frozen_fd, FITHAW, 0) != 0)
		manager_event(op->volumes, "thaw-failed", op->name, "its filesystem stays frozen: %s",
			strerror(errno));
	(void)close(snap->frozen_fd);
	snap->frozen_fd = -1;
}

/* The entry waits for a quorum: applications don't. */
static void snap_expired(struct op *op)
{
	thaw(op);
}

static void entry_done(struct request *request, int rc)
{
	struct op *op = request->user;

	dataplane_call_finish(&op->call, rc);
}

static void entry_run(struct dataplane_call *call)
{
	struct op *op = op_of_call(call);
	struct snap *snap = op->state;

	volume_submit(op->attachment->handle, &snap->request);
}

static void entry_submit(struct op *op);
static void snap_refuse(struct op *op)
{
	struct snap *snap = op->state;

	snap->what = REQUEST_SNAPSHOT_DELETE; /* a shard of several may have it: it goes from all */
	snap->rc = error_set(&op->error, -ENOSPC,
		"volume %s is thick: a snapshot freezes what is written, and its pools can't keep as much "
		"again; remove older ones, or make room",
		op->name);
	entry_submit(op);
}

static void entry_told(struct op *op, int rc)
{
	const struct snap *snap = op->state;

	thaw(op);
	op->waits_for = NULL;
	if (rc == -ENOSPC && snap->what == REQUEST_SNAPSHOT) {
		snap_refuse(op);
		return;
	}
	if (rc)
		snap_over(op, error_set(&op->error, rc,
				      "volume %s: the entry for snapshot %s was not committed: %s", op->name,
				      snap->name, strerror(-rc)));
	else
		entry_committed(op);
}

static void entry_submit(struct op *op)
{
	struct snap *snap = op->state;

	snap->request = (struct request){ .op = snap->what,
		.snapshot = snap->snapshot,
		.id = random_u64(&op->volumes->random) | UINT64_C(1) << 63,
		.done = entry_done,
		.user = op };
	op->waits_for = "a quorum of its replicas";
	op->expired = snap_expired;
	op_call(op, op->attachment->thread, entry_run, entry_told);
}

/* From here on the volume may be of two times, until all its shards have the entry. */
static void restore_told(struct op *op, int rc)
{
	op->restoring = !rc;
	if (rc)
		snap_over(op, rc);
	else
		entry_submit(op);
}

static int freeze_work(struct op *op)
{
	struct snap *snap = op->state;
	char path[ATTACH_PATH_MAX];
	int fd = open(fs_mountpoint(op->volumes->attach, op->name, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, FIFREEZE, 0) != 0) {
		int rc = -errno;

		(void)close(fd);
		return rc;
	}
	snap->frozen_fd = fd;
	return 0;
}

static void freeze_done(struct op *op, int rc)
{
	if (rc) {
		rc = error_set(&op->error, rc, "the filesystem of volume %s could not be frozen: %s",
			op->name, strerror(-rc));
		snap_over(op, rc);
	} else if (op_expired(op)) {
		thaw(op);
		snap_over(op, error_set(&op->error, -ETIMEDOUT,
				      "freezing the filesystem of volume %s took too long", op->name));
	} else {
		entry_submit(op);
	}
}

static void restore_begin(struct op *op)
{
	const struct snap *snap = op->state;

	op->told_then = restore_told;
	catalog_snapshot_restore(
		op->volumes->catalog, op->volume, snap->snapshot, op_left_ms(op), op_told, op);
}

static void snap_up(struct op *op, int rc)
{
	const struct snap *snap = op->state;

	if (rc) {
		snap_fail(op, rc);
		return;
	}
	op->attachment = attachment_find(op->volumes, op->name);
	if (!op->attachment || !op->attachment->handle || op->attachment->ended)
		snap_over(op, error_set(&op->error, -EIO, "volume %s was taken by another node", op->name));
	else if (snap->freeze && op->attachment->mounted)
		op_work(op, freeze_work, freeze_done);
	else if (snap->what == REQUEST_ROLLBACK && op->attachment->shards.count > 1)
		restore_begin(op);
	else
		entry_submit(op);
}

/* ---- before ---- */

static void snap_recorded(struct op *op, int rc)
{
	const struct attachment *attachment = attachment_find(op->volumes, op->name);
	struct snap *snap = op->state;
	const struct catalog_snapshot *known;
	const struct catalog_volume *volume;

	if (!rc)
		rc = catalog_volume_find(op->volumes->catalog, op->name, &volume, &op->error);
	if (rc) {
		snap_fail(op, rc);
		return;
	}
	/* Begun before: it keeps its UUID. */
	known = catalog_snapshot_find(volume, snap->name);
	if (known)
		snap->snapshot = known->snapshot;
	op->nbd = attachment && attachment->nbd;
	op->for_snapshots = true;
	attachment_bring_up(op, snap_up);
}

/* Not while another node, or, for a rollback, anybody has it. */
static int holder_check(struct op *op, const struct catalog_volume *volume)
{
	const struct snap *snap = op->state;
	bool here = attachment_find(op->volumes, op->name) != NULL;
	bool held = !uuid_is_none(volume->holder.attachment) && !volume->holder.steward;

	if (snap->what == REQUEST_ROLLBACK && (here || held))
		return error_set(&op->error, -EBUSY,
			"volume %s is attached on node %s: detach it first, for a rollback changes it under "
			"who uses it",
			op->name, here ? op->volumes->config.node : volume->holder.node);
	if (!here && held && strcmp(volume->holder.node, op->volumes->config.node) != 0)
		return error_set(&op->error, -EBUSY,
			"volume %s is attached on node %s: its snapshots are made and removed there (quoin "
			"--node "
			"%s snapshot ...)",
			op->name, volume->holder.node, volume->holder.node);
	return 0;
}

static void snap_begin(struct op *op)
{
	struct catalog *catalog = op->volumes->catalog;
	struct snap *snap = op->state;
	const struct catalog_snapshot *known = NULL;
	const struct catalog_volume *volume;
	int rc = catalog_volume_find(catalog, op->name, &volume, &op->error);

	if (!rc)
		rc = holder_check(op, volume);
	if (!rc)
		known = catalog_snapshot_find(volume, snap->name);
	if (!rc && !known && snap->what != REQUEST_SNAPSHOT)
		rc = error_set(&op->error, -ENOENT, "volume %s has no snapshot %s", op->name, snap->name);
	if (!rc && snap->what == REQUEST_ROLLBACK)
		op->restoring = known->state == CATALOG_SNAPSHOT_RESTORING;
	if (!rc && snap->what == REQUEST_ROLLBACK && !op->restoring && known->state != CATALOG_SNAPSHOT_READY)
		rc = error_set(&op->error, -EBUSY, "snapshot %s@%s is not ready", op->name, snap->name);
	if (rc) {
		snap_fail(op, rc);
		return;
	}
	if (known && known->state == CATALOG_SNAPSHOT_MAKING && snap->what == REQUEST_SNAPSHOT &&
		volume->shard_count > 1) {
		snap->again = true;
		snap->what = REQUEST_SNAPSHOT_DELETE;
	}
	op->volume = volume->volume;
	op->told_then = snap_recorded;
	if (snap->what == REQUEST_SNAPSHOT) {
		struct catalog_snapshot record = { .snapshot = uuid_random(&op->volumes->random),
			.period_s = snap->period_s,
			.import_of = snap->import_of };

		snprintf(record.name, sizeof(record.name), "%s", snap->name);
		snap->snapshot = record.snapshot;
		catalog_snapshot_begin(catalog, op->volume, &record, op_left_ms(op), op_told, op);
	} else if (snap->what == REQUEST_SNAPSHOT_DELETE) {
		catalog_snapshot_remove(catalog, op->volume, known->snapshot, op_left_ms(op), op_told, op);
	} else {
		snap_recorded(op, 0);
	}
}

/* Of `like`: what, freeze, period_s, import_of. */
static void submit(struct volumes *volumes, const char *verb, const char *name, const char *snapshot,
	const struct snap *like, volumes_done_fn fn, void *arg)
{
	struct op *op = op_make(volumes, verb, name, SNAPSHOT_DEADLINE_MS, snap_begin, fn, arg);
	struct snap *snap;
	int rc;

	if (!op_accept(op, fn, arg, name))
		return;
	snap = calloc(1, sizeof(*snap));
	rc = snap ? name_check("snapshot name", snapshot, &op->error)
		  : error_set(&op->error, -ENOMEM, "no memory");
	if (rc) {
		free(snap);
		op_refuse(op, rc);
		op_submit(op);
		return;
	}
	*snap = *like;
	snap->frozen_fd = -1;
	memcpy(snap->name, snapshot, strlen(snapshot) + 1);
	op->state = snap;
	op_submit(op);
}

void volumes_snapshot_create(struct volumes *volumes, const char *name, const char *snapshot, bool freeze,
	struct uuid import_of, volumes_done_fn fn, void *arg)
{
	submit(volumes, "create snapshot", name, snapshot,
		&(struct snap){ .what = REQUEST_SNAPSHOT, .freeze = freeze, .import_of = import_of }, fn,
		arg);
}

void snapshot_create_scheduled(struct volumes *volumes, const char *name, const char *snapshot,
	uint32_t period_s, volumes_done_fn fn, void *arg)
{
	submit(volumes, "create snapshot", name, snapshot,
		&(struct snap){ .what = REQUEST_SNAPSHOT, .period_s = period_s }, fn, arg);
}

void volumes_snapshot_remove(
	struct volumes *volumes, const char *name, const char *snapshot, volumes_done_fn fn, void *arg)
{
	submit(volumes, "remove snapshot", name, snapshot, &(struct snap){ .what = REQUEST_SNAPSHOT_DELETE },
		fn, arg);
}

void volumes_rollback(
	struct volumes *volumes, const char *name, const char *snapshot, volumes_done_fn fn, void *arg)
{
	submit(volumes, "roll back", name, snapshot, &(struct snap){ .what = REQUEST_ROLLBACK }, fn, arg);
}
