/* Operations on a volume's snapshots: catalog/snapshots.h. */
#include "catalog/catalog_private.h"
#include "catalog/import.h"

#include <errno.h>
#include <string.h>

const struct catalog_snapshot *catalog_snapshot_find(const struct catalog_volume *volume, const char *name)
{
	for (unsigned i = 0; i < volume->snapshot_count; i++)
		if (strcmp(volume->snapshots[i].name, name) == 0)
			return &volume->snapshots[i];
	return NULL;
}

const struct catalog_snapshot *catalog_snapshot_restored(const struct catalog_volume *volume)
{
	for (unsigned i = 0; i < volume->snapshot_count; i++)
		if (volume->snapshots[i].state == CATALOG_SNAPSHOT_RESTORING)
			return &volume->snapshots[i];
	return NULL;
}

const char *catalog_snapshot_doing(enum catalog_snapshot_state state)
{
	return state == CATALOG_SNAPSHOT_MAKING     ? "made"
	       : state == CATALOG_SNAPSHOT_REMOVING ? "removed"
						    : "restored";
}

int snapshots_refuse(const struct catalog *catalog, const struct catalog_volume *volume, struct error *error)
{
	const struct catalog_viewer *viewer = NULL;
	unsigned by_users = 0;

	for (unsigned i = 0; i < volume->snapshot_count; i++) {
		by_users += volume->snapshots[i].period_s == 0;
		if (!viewer)
			viewer = catalog_viewer_next(catalog, volume, volume->snapshots[i].snapshot, 0);
	}
	if (by_users > 0)
		return error_set(error, -EBUSY, "volume %s has %u snapshots: remove them first", volume->name,
			by_users);
	if (viewer)
		return error_set(error, -EBUSY,
			"a snapshot of volume %s is attached on node %s: detach it first", volume->name,
			viewer->node);
	return 0;
}

/* NULL: none of this UUID. */
static struct catalog_snapshot *find(struct catalog_volume *volume, struct uuid snapshot)
{
	for (unsigned i = 0; i < volume->snapshot_count; i++)
		if (uuid_equal(volume->snapshots[i].snapshot, snapshot))
			return &volume->snapshots[i];
	return NULL;
}

/* The volume, and a copy of it to be changed. */
static int volume_open(struct op *op, const struct catalog_volume **ret_volume, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	int rc = catalog_volume_find_uuid(op->catalog, op->volume, &volume, error);

	if (rc == 0 && volume->state != CATALOG_VOLUME_READY)
		rc = error_set(error, -ENOENT, "volume %s is being deleted", volume->name);
	if (rc == 0)
		rc = volume_edit(op, volume, error);
	*ret_volume = volume;
	return rc;
}

/* Its entry may be from then: of what it is a copy stays, or is dropped, and is never said anew. */
static int begun_before(struct op *op, struct op_txn *txn, const struct catalog_volume *volume,
	const struct catalog_snapshot *known, struct error *error)
{
	if (uuid_equal(known->import_of, op->snapshot.import_of))
		return OP_FINISHED;
	if (!uuid_is_none(op->snapshot.import_of))
		return error_set(error, -EBUSY,
			"snapshot %s@%s was begun before, of another content perhaps: remove it first",
			volume->name, known->name);
	find(op->volume_record, known->snapshot)->import_of = (struct uuid){ 0 };
	txn_put_volume(op, txn, volume);
	return 0;
}

static int begin_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_snapshot *known;
	const struct catalog_volume *volume;
	struct catalog_volume *to;
	int rc = volume_open(op, &volume, error);

	/* What is a copy of a snapshot is made by the import alone, when it is all there. */
	if (rc == 0 && uuid_is_none(op->snapshot.import_of))
		rc = catalog_import_refuse(volume, (struct uuid){ 0 }, error);
	if (rc != 0)
		return rc;
	known = catalog_snapshot_find(volume, op->snapshot.name);
	if (known && known->state == CATALOG_SNAPSHOT_MAKING)
		return begun_before(op, txn, volume, known, error);
	if (known)
		return known->state == CATALOG_SNAPSHOT_READY
			       ? error_set(error, -EEXIST, "snapshot %s@%s exists already", volume->name,
					 known->name)
			       : error_set(error, -EBUSY, "snapshot %s@%s is being %s", volume->name,
					 known->name, catalog_snapshot_doing(known->state));
	to = op->volume_record;
	if (to->snapshot_count == CATALOG_MAX_SNAPSHOTS)
		return error_set(error, -ENOSPC,
			"volume %s has %u snapshots, as many as it may have: remove one", volume->name,
			CATALOG_MAX_SNAPSHOTS);
	to->snapshots[to->snapshot_count] = op->snapshot;
	to->snapshots[to->snapshot_count].created_ns = catalog_wall_ns(op->catalog);
	to->snapshots[to->snapshot_count++].state = CATALOG_SNAPSHOT_MAKING;
	txn_put_volume(op, txn, volume);
	return 0;
}

static int state_set(
	struct op *op, struct op_txn *txn, enum catalog_snapshot_state state, struct error *error)
{
	const struct catalog_volume *volume;
	struct catalog_snapshot *snapshot;
	int rc = volume_open(op, &volume, error);

	if (rc != 0)
		return rc;
	snapshot = find(op->volume_record, op->snapshot.snapshot);
	if (!snapshot)
		return error_set(error, -ENOENT, "volume %s has no such snapshot any more", volume->name);
	if (snapshot->state == state)
		return OP_FINISHED;
	if (state == CATALOG_SNAPSHOT_REMOVING && snapshot->state == CATALOG_SNAPSHOT_RESTORING)
		return error_set(error, -EBUSY,
			"volume %s is half rolled back to snapshot %s: `quoin snapshot rollback %s@%s` first",
			volume->name, snapshot->name, volume->name, snapshot->name);
	if (state == CATALOG_SNAPSHOT_RESTORING && snapshot->state != CATALOG_SNAPSHOT_READY)
		return error_set(error, -EBUSY, "snapshot %s@%s is being %s", volume->name, snapshot->name,
			catalog_snapshot_doing(snapshot->state));
	if (state == CATALOG_SNAPSHOT_REMOVING)
		rc = clones_refuse(op->catalog, volume, snapshot, error);
	if (rc != 0)
		return rc;
	/* It was rolled back, all of it: that ends an import, too. */
	if (snapshot->state == CATALOG_SNAPSHOT_RESTORING && state == CATALOG_SNAPSHOT_READY)
		import_clear(op->volume_record);
	snapshot->state = state;
	txn_put_volume(op, txn, volume);
	return 0;
}

static int ready_step(struct op *op, struct op_txn *txn, struct error *error)
{
	return state_set(op, txn, CATALOG_SNAPSHOT_READY, error);
}

static int restore_step(struct op *op, struct op_txn *txn, struct error *error)
{
	return state_set(op, txn, CATALOG_SNAPSHOT_RESTORING, error);
}

/* -EBUSY while a node has it attached. Who comes to look writes the record too: of the two, the later one
 * sees the other. */
static int unviewed(const struct op *op, const struct catalog_volume *volume, struct error *error)
{
	const struct catalog_viewer *viewer =
		catalog_viewer_next(op->catalog, volume, op->snapshot.snapshot, 0);

	for (unsigned i = 0; viewer && i < volume->snapshot_count; i++)
		if (uuid_equal(volume->snapshots[i].snapshot, viewer->snapshot))
			return error_set(error, -EBUSY,
				"snapshot %s@%s is attached on node %s: detach it there first (quoin --node "
				"%s volume detach %s@%s)",
				volume->name, volume->snapshots[i].name, viewer->node, viewer->node,
				volume->name, volume->snapshots[i].name);
	return 0;
}

static int remove_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume = NULL;
	int rc = volume_ready(op, &volume, error);

	if (rc == 0)
		rc = unviewed(op, volume, error);
	if (rc != 0)
		return rc;
	return state_set(op, txn, CATALOG_SNAPSHOT_REMOVING, error);
}

static int gone_step(struct op *op, struct op_txn *txn, struct error *error)
{
	const struct catalog_volume *volume;
	struct catalog_snapshot *snapshot;
	struct catalog_volume *to;
	int rc = volume_open(op, &volume, error);

	if (rc != 0)
		return rc;
	to = op->volume_record;
	snapshot = find(to, op->snapshot.snapshot);
	if (!snapshot)
		return OP_FINISHED;
	to->snapshot_count--;
	memmove(snapshot, snapshot + 1,
		(size_t)(&to->snapshots[to->snapshot_count] - snapshot) * sizeof(*snapshot));
	txn_put_volume(op, txn, volume);
	return 0;
}

static const struct op_kind begin_kind = { "begin the snapshot", begin_step };
static const struct op_kind ready_kind = { "tell that the snapshot is made", ready_step };
static const struct op_kind restore_kind = { "begin to roll the volume back", restore_step };
static const struct op_kind remove_kind = { "begin to remove the snapshot", remove_step };
static const struct op_kind gone_kind = { "tell that the snapshot is removed", gone_step };

static void start(struct catalog *catalog, const struct op_kind *kind, struct uuid volume,
	const struct catalog_snapshot *snapshot, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	struct op *op = op_new(catalog, kind, timeout_ms, arg);

	op->fn = fn;
	op->volume = volume;
	op->snapshot = *snapshot;
	op_start(op);
}

void catalog_snapshot_begin(struct catalog *catalog, struct uuid volume,
	const struct catalog_snapshot *snapshot, uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	ASSERT(!uuid_is_none(snapshot->snapshot) && snapshot->name[0]);
	start(catalog, &begin_kind, volume, snapshot, timeout_ms, fn, arg);
}

void catalog_snapshot_ready(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	start(catalog, &ready_kind, volume, &(struct catalog_snapshot){ .snapshot = snapshot }, timeout_ms,
		fn, arg);
}

void catalog_snapshot_restore(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	start(catalog, &restore_kind, volume, &(struct catalog_snapshot){ .snapshot = snapshot }, timeout_ms,
		fn, arg);
}

void catalog_snapshot_remove(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	start(catalog, &remove_kind, volume, &(struct catalog_snapshot){ .snapshot = snapshot }, timeout_ms,
		fn, arg);
}

void catalog_snapshot_gone(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg)
{
	start(catalog, &gone_kind, volume, &(struct catalog_snapshot){ .snapshot = snapshot }, timeout_ms, fn,
		arg);
}
