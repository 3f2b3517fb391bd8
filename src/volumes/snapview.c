/* quoin volume attach, serve-nbd and detach of VOLUME@SNAPSHOT. */
#include "volumes/snapview.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"

#define ATTACH_DEADLINE_MS 60000u
#define DETACH_DEADLINE_MS 30000u
#define LEAVE_TIMEOUT_MS   5000u

struct snapview *snapview_find(struct volumes *volumes, const char *name)
{
	list_for_each (node, &volumes->snapviews) {
		struct snapview *view = list_entry(node, struct snapview, node);

		if (!strcmp(view->name, name))
			return view;
	}
	return NULL;
}

/* ---- down ---- */

static void view_free(struct op *op, struct snapview *view)
{
	list_remove(&view->node);
	volume_shards_done(&view->shards);
	volume_shards_done(&view->members);
	free(view);
	op->then_down(op, 0);
}

static void left(struct op *op, int rc)
{
	/* It counts no longer than this agent's session. */
	if (rc)
		manager_event(op->volumes, "volume-record-kept", op->name,
			"it is gone from this node, but the catalog couldn't be told: %s", op->error.text);
	view_free(op, snapview_find(op->volumes, op->name));
}

static void closed(struct op *op, int rc)
{
	struct snapview *view = snapview_find(op->volumes, op->name);

	(void)rc;         /* it has nothing to be released */
	op->state = NULL; /* the list's */
	view->handle = NULL;
	/* What this agent's session has told ends with it: a stop needn't wait for the kvdb. */
	if (op->volumes->phase == MANAGER_STOPPING) {
		view_free(op, view);
		return;
	}
	op->told_then = left;
	catalog_snapshot_leave(
		op->volumes->catalog, view->volume, view->snapshot, LEAVE_TIMEOUT_MS, op_told, op);
}

static void close_told(void *arg, int rc)
{
	dataplane_call_finish(arg, rc);
}

static void close_run(struct dataplane_call *call)
{
	const struct snapview *view = op_of_call(call)->state;

	volume_detach(view->handle, close_told, call);
}

static void device_down(struct op *op, int rc)
{
	struct snapview *view = snapview_find(op->volumes, op->name);

	if (rc == -ETIMEDOUT && !op->force) {
		op->force = true;
		blockdev_detach(view->blockdev, DETACH_FORCE, 0, op_told, op);
		return;
	}
	if (rc && !op->force) {
		op->then_down(op, rc);
		return;
	}
	if (rc)
		manager_event(op->volumes, "device-left", op->name, "%s", op->error.text);
	if (view->up)
		manager_event(op->volumes, "snapshot-detached", op->name, "%s",
			op->force ? "by force: who still uses it gets EIO" : "nobody uses it any more");
	view->up = false;
	view->blockdev = NULL;
	op->state = view;
	if (view->handle)
		op_call(op, view->thread, close_run, closed);
	else
		closed(op, 0);
}

static void take_down(struct op *op, op_step_fn then)
{
	struct snapview *view = snapview_find(op->volumes, op->name);

	op->then_down = then;
	op->told_then = device_down;
	if (!view)
		then(op, 0);
	else if (view->blockdev)
		blockdev_detach(view->blockdev, op->force ? DETACH_FORCE : DETACH_CLEAN, 0, op_told, op);
	else
		device_down(op, 0);
}

void snapview_stop(struct op *op, op_step_fn then)
{
	op->force = true;
	take_down(op, then);
}

static void detach_begin(struct op *op)
{
	take_down(op, op_end);
}

/* ---- up ---- */

static void undone(struct op *op, int rc)
{
	(void)rc;
	op->error = op->why_undone;
	op_end(op, op->rc_undone);
}

static void undo(struct op *op, int rc)
{
	op->rc_undone = rc;
	op->why_undone = op->error;
	op->force = true;
	take_down(op, undone);
}

static void device_up(struct op *op, int rc)
{
	struct snapview *view = snapview_find(op->volumes, op->name);

	if (rc) {
		view->blockdev = NULL;
		undo(op, rc);
		return;
	}
	view->up = true;
	manager_event(
		op->volumes, "snapshot-attached", op->name, "%s, read-only", blockdev_link(view->blockdev));
	op_end(op, 0);
}

static void opened(struct op *op, int rc)
{
	struct snapview *view = snapview_find(op->volumes, op->name);
	struct blockdev_spec spec = { .name = op->name, .volume = view->handle, .loop = view->thread };
	char socket[ATTACH_PATH_MAX];

	if (rc) {
		undo(op, rc);
		return;
	}
	if (view->nbd) {
		nbd_socket_path(op->volumes, op->name, socket, sizeof(socket));
		spec.nbd_socket = socket;
	}
	op->told_then = device_up;
	rc = blockdev_attach(op->volumes->attach, &spec, &view->blockdev, op_told, op, &op->error);
	if (rc)
		device_up(op, rc);
}

static void open_run(struct dataplane_call *call)
{
	struct snapview *view = op_of_call(call)->state;
	struct volume_spec *specs = volume_shards_specs(&view->shards, &view->spec);
	int rc = -ENOMEM;

	if (specs)
		rc = volume_view_striped(dataplane_datapath(call->dataplane), specs, view->shards.count,
			view->shards.stripe_bytes, &view->handle);
	free(specs);
	dataplane_call_finish(call, rc);
}

static void view_opened(struct op *op, int rc)
{
	op->state = NULL; /* the list's */
	opened(op, rc);
}

static void recorded(struct op *op, int rc)
{
	struct snapview *view = snapview_find(op->volumes, op->name);
	const struct catalog_volume *volume;

	if (!rc)
		rc = catalog_volume_find_uuid(op->volumes->catalog, view->volume, &volume, &op->error);
	if (!rc)
		rc = volume_shards_fill(op->volumes, volume, &view->shards);
	if (rc) {
		undo(op, rc);
		return;
	}
	attachment_spec_fill(volume, &view->spec);
	view->spec.volume = view->volume;
	view->spec.snapshot = view->snapshot;
	view->spec.session = random_u64(&op->volumes->random);
	/* For the words of events; one that is longer is cut. */
	snprintf(view->spec.name, sizeof(view->spec.name), "%.*s", (int)NAME_MAX_LEN, view->name);
	op->state = view;
	view->thread = threads_of_volume(op->volumes, view->volume, &view->shards);
	op_call(op, view->thread, open_run, view_opened);
}

/* What is here already: a success if it is the same way in. */
static int is_here(struct op *op, const struct snapview *view)
{
	if (view->nbd == op->nbd)
		return 0;
	return error_set(&op->error, -EBUSY,
		"snapshot %s is attached on this node (%s) as %s: `quoin volume detach %s` first", op->name,
		op->volumes->config.node, blockdev_link(view->blockdev), op->name);
}

static int snapshot_named(struct op *op, struct snapview *view)
{
	char volume_name[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 1];
	const struct catalog_snapshot *snapshot = NULL;
	const struct catalog_volume *volume = NULL;
	int rc = snapshot_name_split(op->name, volume_name, name, &op->error);

	if (!rc)
		rc = catalog_volume_find(op->volumes->catalog, volume_name, &volume, &op->error);
	if (!rc)
		snapshot = catalog_snapshot_find(volume, name);
	if (!rc && !snapshot)
		rc = error_set(&op->error, -ENOENT, "volume %s has no snapshot %s", volume_name, name);
	if (!rc && !op->nbd)
		rc = attach_supported(&op->error);
	if (rc)
		return rc;
	view->volume = volume->volume;
	view->snapshot = snapshot->snapshot;
	return 0;
}

static void attach_begin(struct op *op)
{
	struct snapview *view = snapview_find(op->volumes, op->name);
	int rc;

	if (view) {
		op_end(op, is_here(op, view));
		return;
	}
	view = calloc(1, sizeof(*view));
	rc = view ? snapshot_named(op, view) : error_set(&op->error, -ENOMEM, "no memory");
	if (rc) {
		free(view);
		op_end(op, rc);
		return;
	}
	view->volumes = op->volumes;
	view->nbd = op->nbd;
	memcpy(view->name, op->name, sizeof(view->name));
	list_push_back(&op->volumes->snapviews, &view->node);
	op->told_then = recorded;
	catalog_snapshot_look(
		op->volumes->catalog, view->volume, view->snapshot, op_left_ms(op), op_told, op);
}

static void submit(struct volumes *volumes, const char *verb, const char *name, uint64_t deadline_ms,
	bool nbd, void (*begin)(struct op *op), volumes_done_fn fn, void *arg)
{
	char volume[NAME_MAX_LEN + 1], snapshot[NAME_MAX_LEN + 1];
	struct op *op = op_make(volumes, verb, name, deadline_ms, begin, fn, arg);
	int rc;

	if (!op_accept(op, fn, arg, NULL))
		return;
	op->nbd = nbd;
	rc = snapshot_name_split(name, volume, snapshot, &op->error);
	if (rc)
		op_refuse(op, rc);
	op_submit(op);
}

void volumes_snapshot_attach(
	struct volumes *volumes, const char *name, bool nbd, volumes_done_fn fn, void *arg)
{
	submit(volumes, nbd ? "export snapshot" : "attach snapshot", name, ATTACH_DEADLINE_MS, nbd,
		attach_begin, fn, arg);
}

void volumes_snapshot_detach(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	submit(volumes, "detach snapshot", name, DETACH_DEADLINE_MS, false, detach_begin, fn, arg);
}

/* ---- the volume's members change ---- */

static void members_run(struct dataplane_call *call)
{
	struct snapview *view = container_of(call, struct snapview, members_call);
	int rc = 0;

	for (unsigned s = 0; s < view->members.count; s++) {
		const struct shard_members *members = &view->members.members[s];
		struct volume *shard = volume_shard(view->handle, s);
		int now = shard ? volume_view_members(shard, members->voters, members->voter_count) : 0;

		rc = rc ? rc : now;
	}
	dataplane_call_finish(call, rc);
}

static void members_told(struct dataplane_call *call)
{
	struct snapview *view = container_of(call, struct snapview, members_call);
	struct volume_shards known = view->shards;

	view->moving = false;
	if (call->rc)
		return;
	view->shards = view->members;
	view->members = known;
}

static bool has_moved(const struct snapview *view, const struct catalog_volume *volume)
{
	for (unsigned s = 0; s < view->shards.count && s < volume->shard_count; s++)
		if (view->shards.members[s].config_number != volume->shards[s].config_number)
			return true;
	return false;
}

void snapviews_plan(struct volumes *volumes)
{
	list_for_each (node, &volumes->snapviews) {
		struct snapview *view = list_entry(node, struct snapview, node);
		const struct catalog_volume *volume;

		if (!view->up || view->moving || ops_has(volumes, view->name, NULL) ||
			catalog_volume_find_uuid(volumes->catalog, view->volume, &volume, NULL) ||
			!has_moved(view, volume) || volume_shards_fill(volumes, volume, &view->members))
			continue;
		view->members_call = (struct dataplane_call){ .run = members_run, .done = members_told };
		view->moving = true;
		dataplane_call(volumes->dataplanes[view->thread], &view->members_call);
	}
}
