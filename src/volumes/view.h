/* Private to volumes: parts of views that several make. Thread rule: the control thread. */
#ifndef QUOIN_VOLUMES_VIEW_H
#define QUOIN_VOLUMES_VIEW_H

#include "catalog/catalog.h"
#include "volumes/volumes.h"

struct snapshot_replica;

/* usage.c: of one copy of each shard; unknown where one of them has none here that is complete. */
void usage_of_volume(
	const struct volumes *volumes, const struct catalog_volume *volume, struct usage_view *ret_usage);
struct usage_view usage_of_replica(const struct snapshot_replica *replica);
/* view_volume.c */
void view_replica_fill(struct volumes *volumes, const struct catalog_shard *shard,
	const struct catalog_replica *replica, const struct volume_stats *stats, struct replica_view *view);
/* views.c */
void view_pool_fill(struct volumes *volumes, const struct catalog_pool *record, struct pool_view *view);

#endif
