/*
 * volumes: the life cycle of volumes on this node, the one place that plugin, admin API and agent call:
 * create, attach, mount, unmount, detach, remove, and what is known of nodes, pools and volumes. It joins
 * catalog, placement, dataplane and attach; it knows nothing of HTTP.
 *
 * Thread rule: the control thread. Views are answered at once from memory; operations end in one callback,
 * never inside the call, and within their deadline (shared defaults: create 30 s, attach and mount 60 s,
 * others 30 s). Error rule: rc is 0 or a negative errno, and the words name the thing concerned, the cause
 * and what to do: -ENOENT no such thing, -EBUSY in use, -EEXIST, -EINVAL, -ENOSPC placement found no room,
 * -ETIMEDOUT, -EAGAIN not ready (no kvdb, no cluster yet), -ESTALE fenced.
 */
#ifndef QUOIN_VOLUMES_H
#define QUOIN_VOLUMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "catalog/catalog.h"
#include "datapath/datapath.h"
#include "fingerprint/fingerprint.h"
#include "volumes/pool_compare.h"
#include "volumes/usage.h"

struct volumes;

typedef void (*volumes_done_fn)(void *arg, int rc, const struct error *error);

/* ---- operations ---- */

/* Options of a new volume as given by a user; empty or 0: the class's default. */
struct volume_options {
	uint64_t size_bytes;
	char class_name[NAME_MAX_LEN + 1];
	uint32_t replicas;
	char fs[8];                              /* "ext4", "xfs" */
	char tier[32];                           /* "high", ">=medium", "any", "high,low" */
	char group[NAME_MAX_LEN + 1];            /* of volumes: the class's group rule */
	char nodes[128], zones[128], racks[128]; /* terms of a selector: "node=a|b" */
	char selector[VOLUME_SELECTOR_LEN + 1];
	bool sticky_given, sticky;       /* it isn't removed before this is cleared */
	char near[NAME_MAX_LEN + 1];     /* a node where a copy is to be, if the rules allow it */
	char from[2 * NAME_MAX_LEN + 2]; /* VOLUME[@SNAPSHOT], of which it is a clone */
	unsigned shards;                 /* or SHARDS_AUTO */
	bool thick_given, thick;         /* its room is kept for it */
	struct uuid import;              /* that makes it: volumes/import.h; no option of text */
	unsigned given; /* a bit for each that was set, in the order of volume_option_names */
};

#define VOLUME_OPTIONS_COUNT 15
/* In the order of the fields above: also for help texts. */
extern const char *const volume_option_names[VOLUME_OPTIONS_COUNT];
/* Sets one option from text. -EINVAL: names key or value and the nearest valid one; or it was set before. */
int volume_options_set(
	struct volume_options *options, const char *key, const char *value, struct error *error) MUST_CHECK;
#define VOLUME_INLINE_MAX_LEN 1024u
/*
 * From what Docker calls a volume to its name: "db", or options with the name among them, as in
 * "size=10G,class=postgres,name=db". -EINVAL with words; the outputs are untouched then.
 */
int volume_name_parse(const char *text, char ret_name[static NAME_MAX_LEN + 1],
	struct volume_options *ret_options, struct error *error) MUST_CHECK;
bool volume_name_is_inline(const char *text);

/* The same name with the same options is a success. */
void volumes_create(struct volumes *volumes, const char *name, const struct volume_options *options,
	volumes_done_fn fn, void *arg);
/* -EEXIST: it was made with others, of those that nothing changes later. No such volume: 0. */
int volumes_options_check(struct volumes *volumes, const char *name, const struct volume_options *options,
	struct error *error) MUST_CHECK;
/* -EBUSY names node, holder and since when. */
void volumes_remove(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg);
/*
 * The device appears as /dev/quoin/NAME. Success where it is attached here already. `force` takes it from a
 * living node, with an event; that one's I/O gets EIO for ever.
 */
void volumes_attach(struct volumes *volumes, const char *name, bool force, volumes_done_fn fn, void *arg);
/*
 * An NBD server of this volume on a unix socket, beside the admin socket: nbd/NAME.sock; the view's `device`.
 * Success where it is there already; -EBUSY: attached here as a device. `import`: volumes/import.h, or none.
 */
void volumes_serve_nbd(
	struct volumes *volumes, const char *name, struct uuid import, volumes_done_fn fn, void *arg);
/* -EBUSY while it is mounted, or NBD clients are connected. */
void volumes_detach(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg);
/*
 * Asks for a change of members; where the volume is attached, that node carries it out: the new replica is
 * copied to first. from, to: a pool's or node's name, or NODE/POOL; to NULL: placement chooses. Of a striped
 * volume `from` ends with "#SHARD" where several shards have a replica there. -EBUSY: another is under way.
 */
#define VOLUMES_FROM_LEN (2 * NAME_MAX_LEN + 1 + 3)
void volumes_move_replica(struct volumes *volumes, const char *name, const char *from, const char *to,
	volumes_done_fn fn, void *arg);
/* One more, or one less, at a time, of each shard; noted as its user's wish, which stays. */
void volumes_set_replicas(
	struct volumes *volumes, const char *name, unsigned replicas, volumes_done_fn fn, void *arg);
/* Gives up the change that is asked for: -ENOENT: there is none; -EBUSY: its last step is being done. */
void volumes_cancel_change(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg);
/*
 * Snapshots of a volume; it is attached here for it where it is nowhere. freeze: its filesystem, if mounted.
 * import_of: what it is a copy of, or none. No rollback while attached. -EEXIST, -ENOENT, -EBUSY with words.
 */
void volumes_snapshot_create(struct volumes *volumes, const char *name, const char *snapshot, bool freeze,
	struct uuid import_of, volumes_done_fn fn, void *arg);
void volumes_snapshot_remove(
	struct volumes *volumes, const char *name, const char *snapshot, volumes_done_fn fn, void *arg);
void volumes_rollback(
	struct volumes *volumes, const char *name, const char *snapshot, volumes_done_fn fn, void *arg);
/*
 * "VOLUME@SNAPSHOT" as a device, or an NBD export, of this node that can only be read; on any node, on
 * several at once. It takes nothing of the volume, and ends with the agent. Success where it is so already.
 * -EBUSY: as the other; to be detached first.
 */
void volumes_snapshot_attach(
	struct volumes *volumes, const char *name, bool nbd, volumes_done_fn fn, void *arg);
/* -EBUSY with words while somebody uses it; success where it isn't attached. */
void volumes_snapshot_detach(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg);
/*
 * Makes or replaces the classes of a text, one after the other; a bad text changes nothing. Where it gives a
 * class's version, that must be the record's: -ESTALE.
 */
void volumes_classes_apply(
	struct volumes *volumes, const char *text, size_t len, volumes_done_fn fn, void *arg);
/* One field of a class that exists. */
void volumes_class_set(struct volumes *volumes, const char *name, const char *key, const char *value,
	volumes_done_fn fn, void *arg);
/* -EBUSY: it is `default`, or volumes are of it. */
void volumes_class_remove(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg);
/* Asks for the next change of members that brings the volume nearer to its class; none is due: success. */
void volumes_class_mend(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg);
/* From now on, wherever it is attached: what isn't given stays. 0: no limit. */
struct volume_limits_wish {
	bool has_iops, has_bytes_per_s;
	uint64_t iops, bytes_per_s;
};
void volumes_set_limits(struct volumes *volumes, const char *name, const struct volume_limits_wish *wish,
	volumes_done_fn fn, void *arg);
/* Larger, while it is used (docs/operations.md). The same size tries again. -EPERM: it is larger; -ENOSPC. */
void volumes_resize(
	struct volumes *volumes, const char *name, uint64_t size_bytes, volumes_done_fn fn, void *arg);
/* A sticky volume is not removed: -EPERM, with words. */
void volumes_set_sticky(
	struct volumes *volumes, const char *name, bool sticky, volumes_done_fn fn, void *arg);
/* Attaches if need be, makes the filesystem if it is new, mounts: the view's path. IDs are counted, and stay.
 */
void volumes_mount(struct volumes *volumes, const char *name, const char *id, volumes_done_fn fn, void *arg);
/* With the last ID gone: unmounts and detaches. */
void volumes_unmount(
	struct volumes *volumes, const char *name, const char *id, volumes_done_fn fn, void *arg);
/* dockerd has (re)started: IDs of before belong to an older generation (docs/docker.md). */
void volumes_new_generation(struct volumes *volumes);
/* Last writes of a volume that is attached here, newest first; valid during the call. -ENOENT: it isn't. */
void volumes_trace(struct volumes *volumes, const char *name,
	void (*fn)(void *arg, int rc, const struct error *error, const struct write_trace *traces,
		unsigned count),
	void *arg);

/*
 * The kvdb has gone back to a backup, and the agent changes nothing any more: what this node knows better is
 * put back, and the kvdb is accepted (catalog/accept.h). Without carry_out it is only told what would be.
 * -EPERM: it has not gone back. The lines are valid during the call.
 */
typedef void (*volumes_lines_fn)(
	void *arg, int rc, const struct error *error, const char *const *lines, unsigned count);
void volumes_accept_restore(struct volumes *volumes, bool carry_out, volumes_lines_fn fn, void *arg);

/* ---- views: what is known now, from memory; strings live in the view ---- */

struct replica_view {
	struct uuid replica, pool;
	unsigned shard; /* of its volume */
	/* voter; next-voter, leaving-voter (the record is joint: both count); learner; retired */
	char role[16];
	char node[NAME_MAX_LEN + 1];
	char pool_name[NAME_MAX_LEN + 1];
	char zone[NAME_MAX_LEN + 1];
	char state[16]; /* complete, syncing, damaged, away, retired, unknown */
	uint64_t lag_entries, lag_bytes;
	/* While it is resynced: see struct voter_stats. From syncs on: since the volume was attached. */
	const char *sync_why; /* or NULL */
	bool surveying;
	unsigned survey_percent;
	uint64_t sync_done_bytes, sync_total_bytes, sync_bytes_per_s;
	uint64_t syncs, sync_copied_bytes, sync_map_bytes, bad_reads, healed_blocks, differing_grains;
	struct usage_view usage;
};

/* What a volume's class asks for, with what its user chose instead, in the words of classes. */
struct policy_view {
	char tier[64], spread[16], group_rule[16], on_no_quorum[64], rebuild_after[64], snapshots[128];
	char group[NAME_MAX_LEN + 1]; /* "": none */
	char selector[520];           /* "": any pool */
	const char *reads;            /* "lease", "quorum" */
	unsigned replicas;
	bool sticky, thick;
	char breach[192]; /* in what it isn't as its class says, first; "": in nothing */
};

struct shard_view {
	struct uuid group;
	uint64_t config_number; /* of the record: it grows with each change of voters */
	bool joint;
};

struct volume_view {
	struct uuid volume;
	char name[NAME_MAX_LEN + 1];
	uint64_t size_bytes;
	char class_name[NAME_MAX_LEN + 1];
	char fs[8];
	char state[16]; /* healthy, degraded, no-quorum, detached */
	char created[TIME_TEXT_LEN + 1];
	char attached_node[NAME_MAX_LEN + 1]; /* empty: nowhere */
	char attached_since[TIME_TEXT_LEN + 1];
	char steward_node[NAME_MAX_LEN + 1]; /* it is detached, and repaired by that node; or empty */
	bool import_unfinished;              /* it is under way, or was left so: catalog/import.h */
	bool counted, attached_here; /* the first: by this node, where each volume is to be counted by one */
	char device[512];            /* here only; of an NBD export: its socket */
	bool nbd;                    /* here only: an NBD export */
	char mountpoint[512];        /* here only; empty when not mounted */
	uint32_t mount_count;
	char shared_zone[NAME_MAX_LEN + 1]; /* two voters are in it, whatever the class says; else empty */
	/* Shard by shard, retired ones too; both valid until the next view, or control returns to the loop.
	 */
	unsigned shard_count, replica_count;
	struct shard_view *shards;
	struct replica_view *replicas;
	uint64_t stripe_bytes;                  /* with several shards; else 0 */
	uint64_t limit_iops, limit_bytes_per_s; /* 0: none */
	/* Of a clone: the names, or UUIDs where the record is damaged; else empty. */
	char origin[NAME_MAX_LEN + 1], origin_snapshot[NAME_MAX_LEN + 1];
	struct volume_stats stats; /* here only: as of the last refresh (1 s); as a whole */
	struct policy_view policy;
	struct usage_view usage; /* of one copy: known where a complete one is here */
};

struct class_view {
	char name[NAME_MAX_LEN + 1];
	char description[160];
	uint64_t number; /* its version */
	unsigned replicas;
	char tier[64], spread[16], group_rule[16], on_no_quorum[64], rebuild_after[64], snapshots[128];
	char selector[256];
	const char *reads;
	uint64_t size_bytes;
	char fs[8];
	unsigned volume_count; /* of this class */
	char text[5120];       /* docs/classes.md */
};

/* A volume that isn't as its class says. */
struct breach_view {
	const char *volume;
	const char *why;
};

struct pool_view {
	struct uuid pool;
	char name[NAME_MAX_LEN + 1];
	char node[NAME_MAX_LEN + 1];
	char path[256];
	char tier[8];
	char tier_reason[160];
	char state[16];         /* ok, failed, away, opening */
	char state_reason[160]; /* failed: why */
	uint64_t size_bytes, used_bytes, provisioned_bytes;
	bool draining, full;                    /* full: it takes no new writes */
	char replaced_by[2 * NAME_MAX_LEN + 2]; /* it drains to this one, "NODE/POOL"; else empty */
	unsigned replica_count, replica_limit;  /* promised or there; at most, 0: not known yet */
	unsigned load_percent, warned_percent;  /* as its node tells; the level warned of, or 0 */
	bool local;
	char overwrote[160];   /* local only, since this start: what its making by force destroyed */
	struct pool_info info; /* local only: as of the last refresh (1 s) */
	struct pool_checksums_info checksums; /* the same */
	struct pool_compare_view compare;     /* the same */
	struct measurement figures;           /* local only: the newest; wall_ns 0: none */
};

struct node_view {
	char name[NAME_MAX_LEN + 1];
	char region[NAME_MAX_LEN + 1], zone[NAME_MAX_LEN + 1], rack[NAME_MAX_LEN + 1], host[NAME_MAX_LEN + 1];
	char address[NET_ADDRESS_MAX];
	char state[16]; /* up, down */
	char since[TIME_TEXT_LEN + 1];
	bool local;
	unsigned pool_count;
	const char *region_from, *zone_from, *rack_from, *host_from; /* "config", "docker" ..., "none" */
	unsigned label_count;
	const struct catalog_label *labels; /* the catalog's: valid during the call */
	uint32_t cores, link_mbit_s;
	uint64_t memory_bytes;
	unsigned draining_count; /* of its pools */
};

/* A pool, and whether a new volume would have a replica there; strings live in the place view, or longer. */
struct place_pool_view {
	struct uuid pool;
	const char *name, *node, *zone, *rack, *tier;
	bool taken;
	const char *verdict; /* "taken", or the rule: docs/classes.md names them all */
	const char *why;     /* with the numbers */
	uint64_t size_bytes, used_bytes, provisioned_bytes, limit_bytes;
	unsigned load_percent;
};

/* Valid until control returns to the loop. */
struct place_view {
	bool found;
	bool relaxed; /* two copies would share a zone */
	char class_name[NAME_MAX_LEN + 1];
	char spread[16];
	uint64_t size_bytes; /* of each shard's replicas */
	unsigned replicas, shard_count;
	char why_not[ERROR_TEXT_MAX];
	char advice[256]; /* the smallest change that would help */
	size_t pool_count;
	struct place_pool_view *pools;
	void *texts; /* the view's own */
};

struct event_view {
	uint64_t number; /* grows */
	char time[TIME_TEXT_LEN + 1];
	char kind[32]; /* "volume-attached", "replica-away" ... docs/events.md names them all */
	char subject[NAME_MAX_LEN + 1];
	char text[256];
};

struct cluster_view {
	struct uuid cluster;
	char node[NAME_MAX_LEN + 1];
	bool ready;          /* the catalog has been read, pools are open */
	char not_ready[160]; /* why not */
	bool kvdb_ok;
	unsigned node_count, node_up_count, pool_count, volume_count, watched_count; /* see look.h */
	uint64_t size_bytes, used_bytes;
	unsigned healthy_count, degraded_count, no_quorum_count, detached_count;
};

#define ATTACHED_NAME_MAX   1024u
#define SNAPSHOT_VIEW_NODES 16u /* more aren't shown */

/* Strings live in the view, or as long as the call. */
struct snapshot_view {
	struct uuid snapshot, import_of; /* the snapshot of which an import has made it a copy, or none */
	char name[NAME_MAX_LEN + 1];
	char state[16];     /* making, ready, removing; restoring: its volume is being rolled back to it */
	char schedule[128]; /* the rule of its class that has made it, "hourly"; "": a user has */
	char created[TIME_TEXT_LEN + 1];
	char device[ATTACHED_NAME_MAX]; /* here: the device, or an export's socket; else empty */
	bool nbd;
	unsigned node_count; /* that have it attached */
	const char *nodes[SNAPSHOT_VIEW_NODES];
};

/* Of a volume, oldest first. -ENOENT: no such volume, with words. */
int volumes_each_snapshot(struct volumes *volumes, const char *name,
	void (*fn)(void *arg, const struct snapshot_view *view), void *arg, struct error *error) MUST_CHECK;
void volumes_cluster_view(struct volumes *volumes, struct cluster_view *ret_view);
/* -ENOENT, with words. */
int volumes_volume_view(struct volumes *volumes, const char *name, struct volume_view *ret_view,
	struct error *error) MUST_CHECK;
/* Where a volume with these options would go, were it made now, and why. The words as volumes_create()'s. */
int volumes_place(struct volumes *volumes, const struct volume_options *options, struct place_view *ret_view,
	struct error *error) MUST_CHECK;
void place_view_done(struct place_view *view);
void volumes_each_class(
	struct volumes *volumes, bool (*fn)(void *arg, const struct class_view *view), void *arg);
/* -ENOENT, with words. */
int volumes_class_view(struct volumes *volumes, const char *name, struct class_view *ret_view,
	struct error *error) MUST_CHECK;
/* The volumes of a class that aren't as it says; their group's rule is looked at where they are made only. */
void volumes_each_breach(struct volumes *volumes, const char *class_name,
	bool (*fn)(void *arg, const struct breach_view *view), void *arg);
/* Calls fn for each, in order of names; fn returns false to stop. The view is valid during the call. */
void volumes_each_volume(
	struct volumes *volumes, bool (*fn)(void *arg, const struct volume_view *view), void *arg);
void volumes_each_pool(
	struct volumes *volumes, bool (*fn)(void *arg, const struct pool_view *view), void *arg);
void volumes_each_node(
	struct volumes *volumes, bool (*fn)(void *arg, const struct node_view *view), void *arg);
/* The last events of this node after `after` (0: all kept), oldest first; at most 1,000 are kept. */
void volumes_each_event(struct volumes *volumes, uint64_t after,
	bool (*fn)(void *arg, const struct event_view *view), void *arg);
/* Counters of the node: of its connections; of reads of snapshots. */
void volumes_net_counters(struct volumes *volumes, struct net_tcp_counters *ret_counters);
void volumes_view_stats(struct volumes *volumes, struct view_stats *ret_stats);

/* ---- life ---- */

struct uv_loop_s;
struct volumes_config; /* volumes/config.h: what quoind.conf says */

/* Starts: data plane, kvdb, pools, leftovers of a killed agent. The cluster view tells when it is ready. */
int volumes_start(struct uv_loop_s *loop, const struct volumes_config *config, struct volumes **ret_volumes,
	struct error *error) MUST_CHECK;
/* Unmounts, detaches, closes pools, stops threads; bounded by 30 s. The handle is gone when fn runs. */
void volumes_stop(struct volumes *volumes, void (*fn)(void *arg), void *arg);

#endif
