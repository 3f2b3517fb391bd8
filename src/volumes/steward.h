/*
 * Draining pools: replicas on them move away by the membership change that a user's move is too. Where a
 * volume is attached, that node asks for it. A volume that is attached nowhere gets a steward: a holder on
 * the node of its first live replica that coordinates the group without a device, and goes when nothing is
 * left to move, or as soon as somebody attaches the volume.
 *
 * Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_STEWARD_H
#define QUOIN_VOLUMES_STEWARD_H

#include "catalog/catalog.h"

struct attachment;
struct attachment_shard;
struct error;
struct volumes;

/* Volumes of one node whose replicas move at once because a pool drains; resync_rate bounds their bytes. */
#define DRAIN_AT_ONCE 2u

/* Attached for use, a steward aside. */
static inline bool volume_is_attached(const struct catalog_volume *volume)
{
	return !uuid_is_none(volume->holder.attachment) && !volume->holder.steward;
}

/* drain.c: a shard's first voter on a pool that drains, if no change of its members is under way; or NULL. */
const struct catalog_replica *drain_next(const struct volumes *volumes, const struct catalog_shard *shard);
/* Whether a voter of the shard is on a draining pool, under way or not. */
bool drain_is_wanted(const struct volumes *volumes, const struct catalog_shard *shard);
/* For a shard that is coordinated here, and has nothing else to change: asks for the next move. */
void drain_plan(struct attachment_shard *of, const struct catalog_volume *volume);
/* Where the shard's drain_next() could go: the pool that replaces its own, while that is known; else any.
 * -ENOSPC with the rule. */
int drain_place_find(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_shard *shard, const struct catalog_replica *from,
	struct catalog_replica *ret_learner, struct error *error) MUST_CHECK;
/* The same; a failure is told as an event now and then. */
int drain_place(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_shard *shard, const struct catalog_replica *from,
	struct catalog_replica *ret_learner, struct error *error) MUST_CHECK;

/* Of the pools of this node that were replaced: removes one that is empty. After each plan. */
void replaced_plan(struct volumes *volumes);

/* "POOL" of this node, or of the only node that has one of this name; "NODE/POOL". -ENOENT, -EINVAL. */
int drain_pool_find(struct volumes *volumes, const char *text, const struct catalog_pool **ret_pool,
	struct error *error) MUST_CHECK;

/* look_after.c: whether a volume that nobody has attached needs a steward, pools that drain aside. */
bool look_after_is_due(struct volumes *volumes, const struct catalog_volume *volume);
/* Whether this steward has something left that can be done now. */
bool look_after_goes_on(struct attachment *attachment, const struct catalog_volume *volume);
void look_after_begun(struct attachment *attachment);
void look_after_failed(struct volumes *volumes, const char *name);
/* Volumes that are no more. */
void look_after_forget(struct volumes *volumes);
void look_after_done(struct volumes *volumes);
/* Somebody wants this volume here: a steward that still opens it gives up. */
void steward_yield(struct volumes *volumes, const char *name);

/*
 * Whether what a volume needs, where no holder cares for it, is this node's duty: the first replica's whose
 * node lives. The same answer on every node that sees the same leases, and one that watches the volume.
 */
bool steward_is_ours(const struct volumes *volumes, const struct catalog_volume *volume);
/* steward.c: begins and ends stewards; after each plan. */
void stewards_plan(struct volumes *volumes);

#endif
