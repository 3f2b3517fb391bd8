/* Who has a volume's snapshots attached: catalog/snapshots.h. */
#include "catalog/catalog_private.h"

#include <errno.h>
#include <string.h>

/* The session is its node's, which lives: what a dead agent has written doesn't count any more. */
static bool viewer_counts(const struct catalog *catalog, const struct catalog_viewer *viewer)
{
	const struct row *row = view_find(&catalog->view, RECORD_LIVE, viewer->node);
	const struct record_live *live = row ? row->record : NULL;

	return live && uuid_equal(live->session, viewer->session);
}

const struct catalog_viewer *catalog_viewer_next(const struct catalog *catalog,
	const struct catalog_volume *volume, struct uuid snapshot, unsigned from)
{
	for (unsigned i = from; i < volume->viewer_count; i++)
		if (uuid_equal(volume->viewers[i].snapshot, snapshot) &&
			viewer_counts(catalog, &volume->viewers[i]))
			return &volume->viewers[i];
	return NULL;
}

static bool viewer_is_own(const struct op *op, const struct catalog_viewer *viewer)
{
	const struct catalog_node *node = &op->catalog->node;

	return uuid_equal(viewer->snapshot, op->snapshot.snapshot) && strcmp(viewer->node, node->name) == 0 &&
	       uuid_equal(viewer->session, node->session);
}

static bool is_told(const struct op *op, const struct catalog_volume *volume)
{
	for (unsigned i = 0; i < volume->viewer_count; i++)
		if (viewer_is_own(op, &volume->viewers[i]))
			return true;
	return false;
}

/* Of the copy: this node, and all that do not count, go. */
static void others_keep(struct op *op)
{
	struct catalog_volume *to = op->volume_record;
	unsigned kept = 0;

	for (unsigned i = 0; i < to->viewer_count; i++)
		if (!viewer_is_own(op, &to->viewers[i]) && viewer_counts(op->catalog, &to->viewers[i]))
			to->viewers[kept++] = to->viewers[i];
	to->viewer_count = kept;
}

static int is_ready(const struct op *op, const struct catalog_volume *volume, struct error *error)
{
	for (unsigned i = 0; i < volume->snapshot_count; i++) {
		const struct catalog_snapshot *snapshot = &volume->snapshots[i];

		if (!uuid_equal(snapshot->snapshot, op->snapshot.snapshot))
			continue;
		if (snapshot->state == CATALOG_SNAPSHOT_READY)
			return 0;
		return error_set(error, -EBUSY, "snapshot %s@%s is being %s", volume->name, snapshot->name,
			catalog_snapshot_doing(snapshot->state));
	}
	return error_set(error, -ENOENT, "volume %s has no such snapshot any more", volume->name);
}

static int look_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	struct catalog_viewer *viewer;
	int rc = volume_ready(op, &volume, error);

	if (rc == 0)
		rc = is_ready(op, volume, error);
	if (rc == 0 && is_told(op, volume))
		return OP_FINISHED;
	if (rc == 0)
		rc = volume_edit(op, volume, error); /* with room for one more */
	if (rc != 0)
		return rc;
	others_keep(op);
	if (op->volume_record->viewer_count == CATALOG_MAX_VIEWERS)
		return error_set(error, -ENOSPC,
			"the snapshots of volume %s are attached %u times, as often as they may be",
			volume->name, CATALOG_MAX_VIEWERS);
	viewer = &op->volume_record->viewers[op->volume_record->viewer_count++];
	*viewer = (struct catalog_viewer){ .snapshot = op->snapshot.snapshot,
		.session = op->catalog->node.session };
	memcpy(viewer->node, op->catalog->node.name, sizeof(viewer->node));
	txn_put_volume(op, txn, volume);
	return 0;
}

static int look_end_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	int rc = catalog_volume_find_uuid(op->catalog, op->volume, &volume, error);

	if (rc == -ENOENT || (rc == 0 && !is_told(op, volume)))
		return OP_FINISHED;
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	if (rc != 0)
		return rc;
	others_keep(op);
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind look_kind = { "tell that the snapshot is attached", look_step };
static const struct op_kind leave_kind = { "tell that the snapshot is detached", look_end_step };

static void start(struct catalog *catalog, const struct op_kind *kind, struct uuid volume,
	struct uuid snapshot, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->snapshot.snapshot = snapshot;
	op_start(op);
}

void catalog_snapshot_look(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	start(catalog, &look_kind, volume, snapshot, timeout_ms, fn, arg);
}

void catalog_snapshot_leave(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	start(catalog, &leave_kind, volume, snapshot, timeout_ms, fn, arg);
}
