/*
 * Snapshots by schedule: of each volume that is attached on this node, as its class says
 * (catalog/schedule.h). Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_SNAPSHOT_SCHEDULE_H
#define QUOIN_VOLUMES_SNAPSHOT_SCHEDULE_H

#include "volumes/volumes.h"

/* Each second: one is made or removed at a time on a node, so a full hour of many volumes is no storm. */
void snapshot_schedule_tick(struct volumes *volumes);
/* snapshot_ops.c: as volumes_snapshot_create(), by a rule of the volume's class. */
void snapshot_create_scheduled(struct volumes *volumes, const char *name, const char *snapshot,
	uint32_t period_s, volumes_done_fn fn, void *arg);

#endif
