/*
 * What the group of a volume that is coordinated here needs by itself: a learner or a voter that stays away
 * longer than `rebuild_after` is given up, or replaced. Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_REPAIR_H
#define QUOIN_VOLUMES_REPAIR_H

#include "catalog/catalog.h"
#include "datapath/datapath.h"
#include "reconcile/reconcile.h"

struct attachment_shard;
struct volumes;

struct repair_absence {
	struct uuid replica;
	uint64_t since_ns;
};

/* One shard's. */
struct repair {
	unsigned absence_count;
	struct repair_absence absences[CATALOG_MAX_REPLICAS];
	bool asking;    /* the catalog: until its answer is here nothing else is begun */
	char told[256]; /* why there is no place for a new replica, as it was told last */
};

/* Its node or its pool, as the catalog has it. */
bool repair_place_is_away(const struct volumes *volumes, const struct catalog_replica *replica);
/* Who is away, by what the data plane hears (stats; or NULL) or else by the catalog, and how long now. */
void repair_absences_look(struct volumes *volumes, struct repair *repair, const struct catalog_shard *shard,
	const struct volume_stats *stats, uint64_t now_ns, struct repair_seen *seen);
/* Looks at one shard with no step of a change under way; begins what is needed. `stats` are the shard's. */
void repair_plan(
	struct attachment_shard *of, const struct catalog_volume *volume, const struct volume_stats *stats);
/*
 * move.c: a place for a new replica of the shard beside those that stay; `from`: whom it is to replace, or
 * NULL; `to`: a node's or pool's name, or "". -ENOSPC with the rule that fails.
 */
int replica_place(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_shard *shard, const struct catalog_replica *from, const char *to,
	struct catalog_replica *ret_learner, struct error *error) MUST_CHECK;

#endif
