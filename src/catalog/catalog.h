/*
 * catalog: the typed records of cluster, nodes, pools, volumes and classes, kept in the kvdb, and the only
 * code that knows their keys. A view in memory, kept by a watch, answers lookups at once; changes are
 * compare-and-set transactions, computed from the view and repeated when another was faster.
 *
 *   catalog_open() --opened--> cluster_init() | cluster_join() --> node_register() --> ... -->
 *   catalog_close()
 *
 * Thread rule: the control thread. No callback runs inside the call that asked for it. Inputs are copied.
 * Pointers from the view are valid until control returns to the loop, or catalog_close().
 *
 * Error rule: 0 or a negative errno with words. Every operation ends in exactly one callback, within its
 * timeout, and when it ends with 0 the view shows its effect. Beside what stands at each:
 *   -EAGAIN     the kvdb is out of reach; nothing has happened.
 *   -ETIMEDOUT  no (certain) answer within the timeout; the change may have happened. Asking again is
 *               harmless: an operation that finds its own change made is a success.
 *   -EBADMSG    a record that it needs is damaged, or a newer Quoin's; -ECANCELED: it was closed first.
 */
#ifndef QUOIN_CATALOG_H
#define QUOIN_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "base/intern.h"
#include "catalog/class.h"
#include "catalog/selector.h"
#include "kvdb/kvdb.h"

struct catalog;

#define CATALOG_KEY_BYTES       32u /* of the cluster key */
#define CATALOG_MAX_REPLICAS    8u  /* of one shard: voters, those to come and learners */
#define CATALOG_MAX_SHARDS      VOLUME_MAX_SHARDS
#define CATALOG_MAX_LABELS      64u
#define CATALOG_LABEL_MAX_LEN   256u /* of a label's name and of its value */
#define CATALOG_PATH_MAX_LEN    255u
#define VOLUME_SELECTOR_LEN     255u
#define CATALOG_ADDRESS_MAX_LEN 63u

#define CATALOG_NODE_LEASE_MS     6000u
#define CATALOG_PROVISION_PERCENT 200u /* of a pool's size: no new volumes above */

/* ---- records ---- */

struct catalog_label {
	char name[CATALOG_LABEL_MAX_LEN + 1];
	char value[CATALOG_LABEL_MAX_LEN + 1];
};

struct catalog_cluster {
	struct uuid cluster;
	char name[NAME_MAX_LEN + 1];
	uint64_t created_ns; /* wall time; so are all below */
	uint32_t provision_percent;
};

/* Where a node's region, zone, rack or host was found. Records hold these numbers. */
enum catalog_source {
	CATALOG_SOURCE_NONE,
	CATALOG_SOURCE_CONFIG,
	CATALOG_SOURCE_DOCKER,
	CATALOG_SOURCE_CLOUD,
	CATALOG_SOURCE_DMI,
	CATALOG_SOURCE_HOSTNAME,
};
#define CATALOG_SOURCE_LAST CATALOG_SOURCE_HOSTNAME
/* "none", "config", "docker", "cloud", "dmi", "hostname" */
const char *catalog_source_name(enum catalog_source source);

struct catalog_node {
	char name[NAME_MAX_LEN + 1];
	struct uuid node; /* of its state directory: another node of the same name is refused */
	char region[NAME_MAX_LEN + 1], zone[NAME_MAX_LEN + 1], rack[NAME_MAX_LEN + 1], host[NAME_MAX_LEN + 1];
	char address[CATALOG_ADDRESS_MAX_LEN + 1]; /* of its data port */
	uint64_t registered_ns;
	enum catalog_source region_from, zone_from, rack_from, host_from;
	unsigned label_count;               /* at most CATALOG_MAX_LABELS */
	const struct catalog_label *labels; /* on input the caller's, until the catalog is closed */
	uint32_t cores, link_mbit_s;
	uint64_t memory_bytes;
	/* From its lease; filled in by the view, ignored on input. */
	bool live;
	struct uuid session;    /* of its agent: one start, one session */
	uint64_t live_since_ns; /* 0 where it isn't */
};

enum catalog_pool_state { CATALOG_POOL_OK, CATALOG_POOL_OPENING, CATALOG_POOL_FAILED };
const char *catalog_pool_state_name(enum catalog_pool_state state); /* "ok", "opening", "failed" */

/* Written by its node alone, but for the last four. */
struct catalog_pool {
	struct uuid pool;
	char name[NAME_MAX_LEN + 1]; /* unique on its node */
	const char *node, *path;     /* of text_intern() */
	enum tier tier;
	char tier_reason[CATALOG_REASON_MAX_LEN + 1];
	enum catalog_pool_state state;
	char state_reason[CATALOG_REASON_MAX_LEN + 1];
	uint64_t size_bytes, used_bytes, registered_ns, thick_limit_bytes; /* to thick ones at most */
	uint32_t replica_limit; /* replicas that it takes at most; 0: none is known */
	uint32_t load_percent;  /* of what its device can do: 0 .. 100, told in steps, and seldom */
	uint64_t provisioned_bytes, thick_bytes; /* promised; to thick ones; ignored on input */
	uint32_t replica_count;                  /* ignored on input */
	bool draining;                           /* nothing comes, what is there leaves; ignored on input */
	struct uuid replaced_by;                 /* it drains to this pool alone; ignored on input */
};

struct catalog_replica {
	struct uuid replica, pool;
	const char *node; /* of text_intern() */
	bool made;    /* the node has made it: from then on it may vouch for data, and is never made again */
	bool retired; /* out of the group for ever: its node deletes it */
	bool leaves;  /* a voter that is to go */
	struct uuid replaces; /* of a learner: whose place it takes; none: it comes beside them */
	bool removed;         /* the node has deleted it, or it never was (volumes that are being deleted) */
};

/*
 * voters and next_voters name members of replicas[]; who is in neither is a learner. next_voter_count 0:
 * not joint.
 */
struct catalog_shard {
	struct uuid group;
	uint64_t config_number; /* from 1 */
	unsigned replica_count;
	struct catalog_replica replicas[CATALOG_MAX_REPLICAS];
	unsigned voter_count;
	struct uuid voters[GROUP_MAX_VOTERS];
	unsigned next_voter_count, wanted_voters; /* wanted_voters: after a drop, so many again; else 0 */
	struct uuid next_voters[GROUP_MAX_VOTERS];
};

/* Who coordinates; attachment none: nobody. */
struct catalog_holder {
	char node[NAME_MAX_LEN + 1];
	struct uuid session;    /* of the agent that attached it */
	struct uuid attachment; /* one block device's life */
	uint64_t since_ns;
	bool steward;
};

enum catalog_volume_state { CATALOG_VOLUME_READY, CATALOG_VOLUME_DELETING };

struct catalog_volume {
	struct uuid volume;
	char name[NAME_MAX_LEN + 1];
	uint64_t size_bytes;
	char class_name[NAME_MAX_LEN + 1];
	char fs[8];   /* "ext4", "xfs" */
	bool fs_made; /* the filesystem has been made: never again */
	bool reads_quorum;
	uint32_t error_after_ms; /* policy `error`; 0: `queue` */
	/* Its user's, beside or instead of its class's. */
	char selector[VOLUME_SELECTOR_LEN + 1]; /* beside the class's */
	char group_name[NAME_MAX_LEN + 1];      /* of the class's group rule; "": none */
	unsigned tiers, replicas;               /* 0: the class's */
	bool sticky, thick; /* not deleted before it is cleared; room for all of it is kept */
	uint64_t limit_iops, limit_bytes_per_s; /* of its users; 0: none */
	uint64_t created_ns;
	enum catalog_volume_state state;
	uint64_t epoch_number; /* of the last attach; never goes back */
	struct catalog_holder holder;
	uint64_t stripe_bytes; /* with several shards; else 0 */
	unsigned shard_count, label_count;
	struct catalog_shard *shards;
	struct catalog_label *labels;
	unsigned snapshot_count, viewer_count;
	struct catalog_snapshot *snapshots;  /* oldest first: catalog/snapshots.h */
	struct catalog_viewer *viewers;      /* of its snapshots */
	struct uuid origin, origin_snapshot; /* of a clone: a volume, one of its snapshots; else none */
	struct uuid import, import_base;     /* one that hasn't ended: catalog/import.h; else none */
	uint64_t revision;                   /* of the record; ignored on input */
	/* For catalog_volume_create(): its class's, as it was placed by; not kept. */
	uint64_t class_revision;
};

/* ---- life ---- */

enum catalog_kind {
	CATALOG_CLUSTER = 1,
	CATALOG_NODE, /* the record, or its lease */
	CATALOG_POOL, /* the record, or what is provisioned on it */
	CATALOG_VOLUME,
	CATALOG_CLASS,
};

struct catalog_change {
	enum catalog_kind kind;
	const char *name; /* of node, class; of volume where the record is readable, else "" */
	struct uuid uuid; /* of pool, volume */
};

struct catalog_options {
	const char *cluster; /* the cluster's name: the records' prefix */
	const char *node;    /* whose agent it is: the view has what concerns it; NULL: all (catalog/pin.h) */
	/* The first list is in the view (tried until it succeeds; `trouble` tells why it doesn't). */
	void (*opened)(void *user);
	/* The view has changed; after a lost watch: by all that differs from a new list. */
	void (*changed)(void *user, const struct catalog_change *changes, unsigned count);
	/*
	 * Something to tell an operator, once as it begins: the kvdb out of reach (rc -EAGAIN) or back (rc
	 * 0), a damaged record (-EBADMSG), a node lease that ran out (-ESTALE).
	 */
	void (*trouble)(void *user, int rc, const struct error *error);
	void *user;
	uint64_t seed;          /* of jitter and UUIDs; 0: from the system */
	uint32_t node_lease_ms; /* 0: CATALOG_NODE_LEASE_MS; renewed three times in it */
	uint32_t list_page;     /* records that are read at a time; 0: 10,000 */
	/* The database and its revision that this node saw last, in an earlier life; none, 0: none. */
	struct uuid database;
	uint64_t revision;
};

/* The catalog owns `kvdb` from here on, also when this fails. -ENOMEM; -EINVAL (a bad name). */
int catalog_open(struct kvdb *kvdb, const struct catalog_options *options, struct catalog **ret_catalog,
	struct error *error) MUST_CHECK;
/*
 * Ends pending operations (-ECANCELED), gives up the node lease if `leave` (only after it has detached all:
 * what it holds is then free), and closes the kvdb. The handle is gone when fn runs; within 2 s.
 */
void catalog_close(struct catalog *catalog, bool leave, void (*fn)(void *arg), void *arg);

/* Whether the kvdb answers, as of the last call; if not, why (until the next event). */
bool catalog_kvdb_ok(const struct catalog *catalog, const char **ret_why);

/* ---- lookups, from memory ---- */

/* NULL before the cluster was initialised or the view is open. */
const struct catalog_cluster *catalog_cluster(const struct catalog *catalog);
/* All of these: -ENOENT, -EBADMSG (a damaged record), with words; error may be NULL. */
int catalog_node_find(const struct catalog *catalog, const char *name, const struct catalog_node **ret_node,
	struct error *error) MUST_CHECK;
int catalog_pool_find(const struct catalog *catalog, struct uuid pool, const struct catalog_pool **ret_pool,
	struct error *error) MUST_CHECK;
int catalog_class_find(const struct catalog *catalog, const char *name,
	const struct catalog_class **ret_class, struct error *error) MUST_CHECK;
/* By name: volumes that are being deleted have lost theirs already. */
int catalog_volume_find(const struct catalog *catalog, const char *name,
	const struct catalog_volume **ret_volume, struct error *error) MUST_CHECK;
int catalog_volume_find_uuid(const struct catalog *catalog, struct uuid volume,
	const struct catalog_volume **ret_volume, struct error *error) MUST_CHECK;
/* The shard and member of a replica; NULL where the volume has no such. */
const struct catalog_replica *catalog_volume_replica(
	const struct catalog_volume *volume, struct uuid replica, const struct catalog_shard **ret_shard);
bool catalog_is_voter(const struct catalog_shard *shard, struct uuid replica); /* or next voter */

/*
 * Iteration: index 0, 1, ... until NULL. Nodes and classes by name, pools and volumes by UUID; damaged ones
 * left out.
 */
const struct catalog_node *catalog_node_at(const struct catalog *catalog, size_t index);
const struct catalog_pool *catalog_pool_at(const struct catalog *catalog, size_t index);
const struct catalog_class *catalog_class_at(const struct catalog *catalog, size_t index);
const struct catalog_volume *catalog_volume_at(const struct catalog *catalog, size_t index);
/* Volumes in order of names, without those that are being deleted. */
const struct catalog_volume *catalog_volume_by_name_at(const struct catalog *catalog, size_t index);

/* ---- operations ---- */

typedef void (*catalog_done_fn)(void *arg, int rc, const struct error *error);
/* `volume` is the record after the change; NULL where rc is not 0. */
typedef void (*catalog_volume_fn)(
	void *arg, int rc, const struct error *error, const struct catalog_volume *volume);

/* Makes the cluster's record, with a new UUID, and the shipped classes. -EEXIST. */
void catalog_cluster_init(struct catalog *catalog, const uint8_t key[static CATALOG_KEY_BYTES],
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/*
 * Checks that this is the cluster that the node belongs to: `expected` (none: no pool of an earlier life
 * names one) and the key. -ENOENT: not initialised. -ESTALE: another cluster. -EKEYREJECTED: another key.
 */
void catalog_cluster_join(struct catalog *catalog, const uint8_t key[static CATALOG_KEY_BYTES],
	struct uuid expected, uint32_t timeout_ms, catalog_done_fn fn, void *arg);

/*
 * Writes the node's record and takes its lease, which the catalog renews from then on until it is closed; a
 * lease that ran out is taken anew. -EEXIST: another node has this name (node->node differs), with words
 * that tell whether it lives. The same node with another session follows itself at once: the caller has
 * made sure that the former agent is dead (the lock of its state directory).
 */
void catalog_node_register(struct catalog *catalog, const struct catalog_node *node, struct uuid session,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/* Whether what a node tells of itself is the same; its lease aside. */
bool catalog_node_same(const struct catalog_node *a, const struct catalog_node *b);
/* Whether this node's lease is in force, as far as it can know. */
bool catalog_node_lease_valid(const struct catalog *catalog);

/*
 * Makes the pool's record or replaces it. -EEXIST: another pool of the node has the name, or another node
 * the pool.
 */
void catalog_pool_put(struct catalog *catalog, const struct catalog_pool *pool, uint32_t timeout_ms,
	catalog_done_fn fn, void *arg);

/*
 * Makes the volume: record, name, and the reservation of its size on every replica's pool, in one
 * transaction. The caller fills in name, size, class_name, fs, policies, labels, `volume` and the shards
 * (UUIDs, replicas, voters). Success with the existing record where that has the same `volume`.
 * -EEXIST: the name is taken. -ENOSPC: a pool has no room (any longer): place anew. -ENOENT: no such pool.
 * -EHOSTDOWN: a pool isn't in state ok. -EINVAL: a bad field, named. -ESTALE: its class has changed since it
 * was placed (class_revision): place anew. Where the class has a group rule and the volume a group, creates
 * of the class go one after the other: what one has placed, the next one sees.
 */
void catalog_volume_create(struct catalog *catalog, const struct catalog_volume *volume, uint32_t timeout_ms,
	catalog_volume_fn fn, void *arg);
/*
 * Marks it as being deleted; its name is free at once. The nodes delete their replicas and say so by
 * replica_removed(); with the last, the record goes. -ENOENT; -EBUSY names holder and since when.
 */
void catalog_volume_delete(
	struct catalog *catalog, struct uuid volume, uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/*
 * A replica that is retired, or of a volume that is being deleted, is no more: its reservation ends. Success
 * where the volume has gone.
 */
void catalog_replica_removed(struct catalog *catalog, struct uuid volume, struct uuid replica,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);

/* The replica is on its pool, durably. Success where the volume has gone; -ENOENT where the record names no
 * such. */
void catalog_replica_made(struct catalog *catalog, struct uuid volume, struct uuid replica,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);

/*
 * By the holder (docs/protocol.md, "Membership"): the record's number, voters and next voters, where holder,
 * epoch and number are what they were. Success where it reads so already. With the last step of a change,
 * whoever is in neither list and was to leave is retired. -ESTALE: another holder, epoch or number; -ENOENT.
 * A record that isn't joint may drop one voter of two: it is retired, and wanted again. -EPERM: what was
 * asked for has been given up: no attempt to write this change can land any more.
 */
struct catalog_membership {
	struct uuid volume, group, attachment;
	uint64_t epoch_number;
	uint64_t number_before, number;
	unsigned voter_count, next_voter_count;
	struct uuid voters[GROUP_MAX_VOTERS], next_voters[GROUP_MAX_VOTERS];
	bool was_joint; /* the operation's */
};
void catalog_membership_set(struct catalog *catalog, const struct catalog_membership *change,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/*
 * By any node: a learner, and with `replaces` the voter whose place it is to take; a voter that is to leave.
 * -EBUSY: a change of its shard is asked for or under way, or it is the only voter; -EEXIST: the pool has one
 * of the shard's; otherwise as catalog_volume_create().
 */
void catalog_learner_add(struct catalog *catalog, struct uuid volume, struct uuid group,
	const struct catalog_replica *learner, uint32_t timeout_ms, catalog_done_fn fn, void *arg);
void catalog_replica_leave(struct catalog *catalog, struct uuid volume, struct uuid replica,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/*
 * By any node: a learner is retired, who was to leave stays. `learner` none: whatever is asked for, with
 * re-adding after a drop and a user's number (-ENOENT: nothing); else it alone. -EBUSY: a joint record.
 */
void catalog_change_cancel(struct catalog *catalog, struct uuid volume, struct uuid learner,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);

struct catalog_attach {
	struct uuid volume;
	struct uuid attachment; /* new for a new device; the old one for a device that lived on */
	/* The holder's, for which the caller's PROBE has found no replica that heard from it; else none. */
	struct uuid probed;
	struct uuid import; /* by which import, or none: catalog/import.h */
	bool for_snapshots; /* nothing of it is used: one whose import has not ended may be attached, too */
	bool force;         /* succeeds a living holder: the caller is loud about it */
	bool steward;       /* serves no I/O; succeeds nobody but a steward whose node is down: -EBUSY */
};

/*
 * Makes this node (registered before) the holder, with epoch_number + 1; the record that fn gets is the
 * configuration to open. Allowed when nobody or a steward holds it, or this node does; or the holder is dead:
 *   -EBUSY       a living node holds it (the words name it and since when); or its import hasn't ended.
 *   -EOWNERDEAD  the holder's lease has run out: PROBE the replicas, then ask again with `probed`.
 *   -EHOSTDOWN   the lease has run out, but this node hasn't had the kvdb in reach for a whole lease: ask
 *                again later.
 *   -ENOENT      no such volume, or it is being deleted; -ESTALE: this node's own lease isn't in force.
 */
void catalog_volume_attach(struct catalog *catalog, const struct catalog_attach *attach, uint32_t timeout_ms,
	catalog_volume_fn fn, void *arg);
/* By the holder: nobody holds it from now on. Success where this attachment doesn't hold it (any longer). */
void catalog_volume_detach(struct catalog *catalog, struct uuid volume, struct uuid attachment,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/*
 * By an attachment whose session still serves, when nobody holds the volume: it does again. The epoch stays:
 * it is the session's, or one that came to nothing. -ESTALE: another holds it, or this node's lease isn't in
 * force.
 */
void catalog_volume_hold(struct catalog *catalog, struct uuid volume, struct uuid attachment,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/* By the holder, after STALE: an epoch_number above `above`. -ESTALE: this attachment doesn't hold it. */
void catalog_volume_epoch_raise(struct catalog *catalog, struct uuid volume, struct uuid attachment,
	uint64_t above, uint32_t timeout_ms, catalog_volume_fn fn, void *arg);
/* By the holder: the filesystem has been made. -ESTALE as above. */
void catalog_volume_fs_made(struct catalog *catalog, struct uuid volume, struct uuid attachment,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);

#endif
