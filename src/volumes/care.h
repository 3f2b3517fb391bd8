/*
 * Pools and nodes that are looked at, taken out of use, replaced, made even. A part of the volumes'
 * interface: its rules of threads and errors hold (volumes/volumes.h).
 */
#ifndef QUOIN_VOLUMES_CARE_H
#define QUOIN_VOLUMES_CARE_H

#include "volumes/volumes.h"

/*
 * Formats an empty, unsigned file or device as a pool of this node. tier: "auto", "high", ... -EEXIST when it
 * has a signature or data; `force` destroys that, and the view says what it was. -EBUSY: it is in use, by
 * force neither.
 */
void volumes_pool_add(struct volumes *volumes, const char *name, const char *path, const char *tier,
	bool force, volumes_done_fn fn, void *arg);
/*
 * Destroys the pool that lies at a path of this node's: another cluster's, or one that this cluster has
 * forgotten. Without carry_out it is only told what that would destroy. -ENOENT: no pool lies there; -EBUSY:
 * the catalog knows it, or it is in use.
 */
void volumes_pool_wipe(
	struct volumes *volumes, const char *path, bool carry_out, volumes_lines_fn fn, void *arg);
/*
 * Marks pools as draining: nothing comes, what is there moves away, copied first. "POOL", "NODE/POOL"; all
 * pools of a node. -EBUSY with the rule where a volume would find no other place (nothing is marked then),
 * unless `force`. draining false takes the marks away.
 */
void volumes_pool_drain(
	struct volumes *volumes, const char *pool, bool draining, bool force, volumes_done_fn fn, void *arg);
void volumes_node_drain(
	struct volumes *volumes, const char *node, bool draining, bool force, volumes_done_fn fn, void *arg);
/*
 * Drains a pool to another one alone, of any node; once it is empty its own node's agent removes it, as
 * volumes_pool_remove(). That stands in the catalog: it goes on whoever starts anew. -EBUSY as above.
 */
void volumes_pool_replace(
	struct volumes *volumes, const char *pool, const char *by, bool force, volumes_done_fn fn, void *arg);
/*
 * Forgets a pool that drains and is empty, on its own node (any, where that is down); closes it and clears
 * its superblocks. -EBUSY with words.
 */
void volumes_pool_remove(struct volumes *volumes, const char *pool, volumes_done_fn fn, void *arg);
/*
 * All of a pool of this node is read and verified, from now on, as fast as `scrub_rate` allows; answered once
 * it has begun, and the views show it. -EBUSY: it is another node's; -EAGAIN: it isn't open.
 */
void volumes_pool_scrub(struct volumes *volumes, const char *pool, volumes_done_fn fn, void *arg);
/* What this node is, and its disks. */
struct node_scan {
	struct node_facts node;
	enum tier tier; /* of the volumes that it can serve: by its pools, cores and network */
	char tier_reason[TIER_REASON_MAX];
	struct scan disks;
};
/* `measure`: disks that are free, all at once, only reading. The scan is valid during the call of fn. */
void volumes_scan(struct volumes *volumes, bool measure,
	void (*fn)(void *arg, int rc, const struct error *error, const struct node_scan *scan), void *arg);

#define VOLUMES_REBALANCE_MAX 64u
struct rebalance_view {
	char volume[NAME_MAX_LEN + 1];
	char from_node[NAME_MAX_LEN + 1], from_pool[NAME_MAX_LEN + 1];
	char to_node[NAME_MAX_LEN + 1], to_pool[NAME_MAX_LEN + 1];
	unsigned shard;
	uint64_t bytes; /* at most: what is provisioned */
};
/*
 * The moves that would make the pools of each tier about equally full, at most VOLUMES_REBALANCE_MAX, in the
 * order in which they are best made; none where they are even enough. Called during the call. -ENOMEM.
 */
int volumes_rebalance(struct volumes *volumes, void (*fn)(void *arg, const struct rebalance_view *view),
	void *arg, struct error *error) MUST_CHECK;
/* Forgets a node that is down, has no pool and holds nothing: -EBUSY otherwise. */
void volumes_node_remove(struct volumes *volumes, const char *node, volumes_done_fn fn, void *arg);

#endif
