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
 */
#ifndef QUOIN_CATALOG_SNAPSHOTS_H
#define QUOIN_CATALOG_SNAPSHOTS_H

#include "catalog/catalog.h"

#define CATALOG_MAX_SNAPSHOTS 512u /* of a volume */

/* One that isn't ready may be in the group's log already, or not yet. */
enum catalog_snapshot_state { CATALOG_SNAPSHOT_MAKING, CATALOG_SNAPSHOT_READY, CATALOG_SNAPSHOT_REMOVING };

struct catalog_snapshot {
	struct uuid snapshot;
	char name[NAME_MAX_LEN + 1];
	uint64_t created_ns;
	enum catalog_snapshot_state state;
};

/* NULL: there is none of this name. */
const struct catalog_snapshot *catalog_snapshot_find(const struct catalog_volume *volume, const char *name);

/* -EEXIST: it is ready; -EBUSY: it is being removed; -ENOSPC. One that was begun before keeps its UUID: to be
 * looked up afterwards. */
void catalog_snapshot_begin(struct catalog *catalog, struct uuid volume,
	const struct catalog_snapshot *snapshot, uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/* -ENOENT */
void catalog_snapshot_ready(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/* -ENOENT */
void catalog_snapshot_remove(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/* Success where there is none. */
void catalog_snapshot_gone(struct catalog *catalog, struct uuid volume, struct uuid snapshot,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);

#endif
