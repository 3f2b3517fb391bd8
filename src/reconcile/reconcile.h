/*
 * reconcile: catalog + what is observed on this node -> what this node is to do next. A pure function: it
 * keeps nothing, so it may be called after every change, and at leisure; an action whose cause remains
 * comes again. Who carries actions out leaves out those that are under way.
 *
 * Thread rule: the control thread (it reads the catalog's view). Strings in actions are the catalog's or
 * the caller's: valid as the view's pointers are.
 *
 * Nothing is destroyed on a guess: a replica is deleted only where the catalog's record says that its
 * volume is being deleted. One that no record names (a catalog from a backup?) is reported as an orphan,
 * and stays.
 */
#ifndef QUOIN_RECONCILE_H
#define QUOIN_RECONCILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "catalog/catalog.h"

/* ---- what is observed; all arrays are the caller's ---- */

struct reconcile_replica {
	struct uuid replica, volume;
	struct uuid pool;
};

struct reconcile_volume {
	struct uuid volume;
	struct uuid attachment; /* of the device that is here; also while it comes up or goes down */
	bool has_quorum; /* its replicas serve it: whom else the record names, they have not promised */
};

struct reconcile_observed {
	/* As they should stand in the catalog: node.name is this node; its session is not compared. */
	const struct catalog_node *node;
	/* The pools that this node has, open or failed, in the state they are in. */
	const struct catalog_pool *pools;
	unsigned pool_count;
	/*
	 * Every replica on the pools that are open; also one that is being made. Pools that aren't open
	 * tell nothing.
	 */
	const struct reconcile_replica *replicas;
	unsigned replica_count;
	/* Volumes whose device is here. */
	const struct reconcile_volume *attached;
	unsigned attached_count;
	/*
	 * Volumes that should be here: somebody (a mount ID, an operator) asked, and has not taken it back.
	 */
	const struct uuid *wanted;
	unsigned wanted_count;
	uint64_t used_step_bytes; /* used_bytes is told when it moved by this much; 0: 64 MiB */
};

/* ---- what is to be done ---- */

enum reconcile_kind {
	/* The record is missing or differs, or the lease's key is missing. */
	RECONCILE_NODE_REGISTER,
	/* The record is missing or differs: pool, pool_put. */
	RECONCILE_POOL_PUT,
	/* The record names it on an open pool here, where it never was: volume, shard, replica, pool. */
	RECONCILE_REPLICA_CREATE,
	/* It is here, durably, and the catalog doesn't know yet: volume, shard, replica, pool. */
	RECONCILE_REPLICA_MADE,
	/*
	 * It was made, and is here no more: volume, shard, replica, pool. To be told. It is not made again:
	 * an empty replica that calls itself complete would vouch for data that it has lost.
	 */
	RECONCILE_REPLICA_LOST,
	/* Its volume is being deleted: volume, replica, pool. Afterwards REPLICA_REMOVED comes. */
	RECONCILE_REPLICA_DELETE,
	/* Deleted, or never made, which the catalog doesn't know yet: volume, replica, pool. */
	RECONCILE_REPLICA_REMOVED,
	/* No record names it: replica, volume_uuid, pool. To be told, and kept. */
	RECONCILE_REPLICA_ORPHAN,
	/* Held by this node and wanted, but not here: to be attached again: volume, attachment. */
	RECONCILE_VOLUME_BRING_UP,
	/* Held by this node, neither here nor wanted: to be cleaned up and detached: volume, attachment. */
	RECONCILE_VOLUME_RELEASE,
	/*
	 * Here, wanted, and served by a quorum, but held by nobody: who took it by force has given up, or a
	 * record was lost. To be held again: volume, attachment.
	 */
	RECONCILE_VOLUME_HOLD,
	/* Here, but another holds it, or nobody, or it is gone: volume (or NULL), attachment. */
	RECONCILE_VOLUME_TAKE_DOWN,
};

struct reconcile_action {
	enum reconcile_kind kind;
	const struct catalog_volume *volume; /* NULL where the record is gone */
	struct uuid volume_uuid;
	const struct catalog_shard *shard;
	struct uuid replica;
	struct uuid pool;
	const struct catalog_pool *pool_put; /* POOL_PUT: the observed one */
	struct uuid attachment; /* of the holder (BRING_UP, RELEASE) or of the device (TAKE_DOWN) */
	char why[160];          /* in words, for events */
};

struct reconcile_actions {
	struct reconcile_action *actions;
	size_t count;
};

/* In the order in which they are best begun. The same input gives the same list. -ENOMEM. */
int reconcile_plan(const struct catalog *catalog, const struct reconcile_observed *observed,
	struct reconcile_actions *ret_actions) MUST_CHECK;
void reconcile_actions_done(struct reconcile_actions *actions);
const char *reconcile_kind_name(enum reconcile_kind kind);

/* ---- repair.c: what a group needs, by whoever coordinates it ---- */

/* How long a member has been away, 0: it isn't. */
struct repair_member {
	struct uuid replica;
	uint64_t away_ms;
};

struct repair_seen {
	unsigned count;
	struct repair_member members[CATALOG_MAX_REPLICAS];
	bool serves;               /* it has a quorum */
	uint64_t rebuild_after_ms; /* who stays away so long is given up */
	uint64_t drop_after_ms;    /* of two voters, which have no quorum without each other */
};

enum repair_kind {
	REPAIR_NOTHING,
	REPAIR_GIVE_UP, /* the change that brings this learner: it stays away */
	REPAIR_REPLACE, /* this voter stays away: a learner is to take its place */
	REPAIR_DROP,    /* this one of two voters, which holds up the other */
	REPAIR_ADD,     /* a voter more, for one that was dropped; no replica */
};

struct repair_choice {
	enum repair_kind kind;
	const struct catalog_replica *replica; /* the shard's */
};

/* One thing at a time: the next begins when the record shows that this one has been done. */
struct repair_choice repair_choose(const struct catalog_shard *shard, const struct repair_seen *seen);

#endif
