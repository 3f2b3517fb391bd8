/*
 * The snapshots of a volume, as its record has them. A part of the catalog: its rules of threads and errors
 * hold (catalog/catalog.h). A snapshot's entry in the group's log and its record are made one after the
 * other:
 *
 *   (none) --begin--> MAKING --entry committed, ready--> READY
 *                       |                                  |
 *                       +------------ remove --------------+--> REMOVING --entry committed, gone--> (none)
 *
 * Who is interrupted does it again: both entries may stand in the log twice.
 *
 * Of a striped volume a snapshot that was begun and not finished may be there on some shards: it is removed,
 * and another made. A rollback of one is done shard by shard: READY --restore--> RESTORING --all entries
 * committed, ready--> READY; between them the volume may be of two times, and is attached for no other use.
 *
 * A clone is a volume whose record names its origin and a READY snapshot of it: it begins with that content,
 * and with that filesystem. Its create writes the origin's record too, so that a snapshot that is being
 * removed and a clone that is being made never cross: one of the two is refused. catalog_volume_create() of
 * one answers also -EBUSY: its snapshot isn't ready; -EINVAL: it would be smaller than its origin.
 */
#ifndef QUOIN_CATALOG_SNAPSHOTS_H
#define QUOIN_CATALOG_SNAPSHOTS_H

#include "catalog/catalog.h"

#define CATALOG_MAX_SNAPSHOTS 512u /* of a volume */

/* One that isn't ready may be in the group's log already, or not yet. */
enum catalog_snapshot_state {
	CATALOG_SNAPSHOT_MAKING,
	CATALOG_SNAPSHOT_READY,
	CATALOG_SNAPSHOT_REMOVING,
	CATALOG_SNAPSHOT_RESTORING, /* its volume is rolled back to it, and may be half there */
};
/* "made", "removed" or "restored": what is being done with one that isn't ready. */
const char *catalog_snapshot_doing(enum catalog_snapshot_state state);

struct catalog_snapshot {
	struct uuid snapshot;
	char name[NAME_MAX_LEN + 1];
	uint64_t created_ns;
	enum catalog_snapshot_state state;
	uint32_t period_s; /* of the rule of its class that has made it; 0: a user has */
	/* The snapshot, perhaps of another cluster, of which it is a copy by an import; none: of none. */
	struct uuid import_of;
};

#define CATALOG_MAX_VIEWERS 256u /* of a volume's snapshots, together */

/* A node that has a snapshot attached. It counts while `session` is that of the node's lease. */
struct catalog_viewer {
	struct uuid snapshot;
	char node[NAME_MAX_LEN + 1];
	struct uuid session;
};

/* A node has it attached, or a clone stands on it. */
bool catalog_snapshot_is_used(const struct catalog *catalog, const struct catalog_volume *volume,
	const struct catalog_snapshot *snapshot);
/* NULL: there is none of this name. */
const struct catalog_snapshot *catalog_snapshot_find(const struct catalog_volume *volume, const char *name);
/* The first viewer of the snapshot, in the record's order from number `from` on, that counts; NULL: none. */
const struct catalog_viewer *catalog_viewer_next(const struct catalog *catalog,
	const struct catalog_volume *volume, struct uuid snapshot, unsigned from);

/*
 * -EEXIST: it is ready; -EBUSY: it is being removed; -ENOSPC. One that was begun before keeps its UUID: to be
 * looked up afterwards. Its entry may be from then, so it becomes a copy (import_of) by nobody's later word
 * (-EBUSY), and is one no more where who ends it doesn't say so.
 */
void catalog_snapshot_begin(struct catalog *catalog, struct uuid volume,
	const struct catalog_snapshot *snapshot, uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/* -ENOENT */
void catalog_snapshot_ready(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/* -ENOENT; -EBUSY, with the node's name, while one has it attached, or with the names of its clones; its
 * volume is being rolled back to it */
void catalog_snapshot_remove(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/* By the holder of its volume, before it rolls several shards back. -ENOENT; -EBUSY: it isn't ready. */
void catalog_snapshot_restore(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/* The one that the volume is being rolled back to; NULL: none. */
const struct catalog_snapshot *catalog_snapshot_restored(const struct catalog_volume *volume);
/* Success where there is none. */
void catalog_snapshot_gone(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/*
 * This node has the snapshot attached from now on, or has not any more: while it has, and its lease is in
 * force, the snapshot is not removed. look: -ENOENT, -EBUSY (it isn't ready), -ENOSPC; success where it is
 * told already. leave: success where it isn't.
 */
void catalog_snapshot_look(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
void catalog_snapshot_leave(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);

#endif
