/*
 * The shards of a volume that is opened here: of each its group and members, as the record has them. What all
 * have in common stands in a volume_spec of the volume. Thread rule: the control thread; the data plane's
 * while it opens the volume.
 */
#ifndef QUOIN_VOLUMES_VOLUME_SHARDS_H
#define QUOIN_VOLUMES_VOLUME_SHARDS_H

#include <stdlib.h>

#include "catalog/catalog.h"
#include "datapath/datapath.h"

struct volumes;

/* All who count, in the record's order; learners are made known later (membership.c). */
struct shard_members {
	struct uuid group;
	uint64_t config_number;
	unsigned voter_count;
	struct volume_voter voters[GROUP_MAX_VOTERS];
	uint8_t voter_mask, next_mask;
};

/* All zeroes: none yet. */
struct volume_shards {
	unsigned count;
	uint64_t stripe_bytes; /* with several; else 0 */
	struct shard_members *members;
};

/* What was in *shards is replaced; -ESTALE: that had another number of shards. -ENOMEM: it had none yet. */
int volume_shards_fill(const struct volumes *volumes, const struct catalog_volume *volume,
	struct volume_shards *shards) MUST_CHECK;
static inline void volume_shards_done(struct volume_shards *shards)
{
	free(shards->members);
	*shards = (struct volume_shards){ .count = 0 };
}
/* For the data plane: `common` once for each shard, with its members. Free with free(); NULL: no memory. */
struct volume_spec *volume_shards_specs(
	const struct volume_shards *shards, const struct volume_spec *common) MUST_CHECK;

/* A member as the data plane wants to know it. */
void volume_voter_fill(
	const struct volumes *volumes, const struct catalog_replica *replica, struct volume_voter *ret_voter);

#endif
