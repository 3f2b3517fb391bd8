/*
 * volumes.h's functions in memory, for the tests of what stands on them (plugin, admin, cli). Operations end
 * in the loop's next turn, or when they are released; they fail as told. Only tests link this.
 */
#ifndef QUOIN_TESTS_VOLUMES_FAKE_H
#define QUOIN_TESTS_VOLUMES_FAKE_H

#include "volumes/care.h"
#include "volumes/import.h"
#include "volumes/look.h"
#include "volumes/volumes.h"

#define FAKE_VOLUMES 32
#define FAKE_OPS     32

struct fake_op {
	enum fake_kind {
		FAKE_CREATE,
		FAKE_REMOVE,
		FAKE_ATTACH,
		FAKE_DETACH,
		FAKE_MOVE,
		FAKE_SET_REPLICAS,
		FAKE_SET_LIMITS,
		FAKE_RESIZE,
		FAKE_SET_STICKY,
		FAKE_CANCEL_CHANGE,
		FAKE_MOUNT,
		FAKE_UNMOUNT,
		FAKE_IMPORT_BEGIN,
		FAKE_IMPORT_END,
		FAKE_SNAPSHOT,
		FAKE_SNAPSHOT_REMOVE,
		FAKE_ROLLBACK,
		FAKE_SNAPSHOT_ATTACH,
		FAKE_SNAPSHOT_DETACH,
		FAKE_POOL_ADD,
		FAKE_DRAIN,
		FAKE_CLASS
	} kind;
	bool nbd;
	char name[NAME_MAX_LEN + 1];
	char id[300]; /* a pool's path */
	struct volume_options options;
	struct volume_limits_wish limits;
	volumes_done_fn fn;
	void *arg;
};

struct fake_volume {
	bool used;
	struct volume_view view;
	struct shard_view shard; /* view.shards */
	struct replica_view replicas[8];
	struct volume_options options;
	struct snapshot_view snapshots[4];
	unsigned snapshot_count;
};

/* Tests look into it and set what they need. */
struct volumes {
	struct uv_loop_s *loop;
	void *timer;
	bool hold;                        /* operations wait for volumes_fake_release() */
	int fail_rc;                      /* operations end in this */
	int look_rc;                      /* so does what is read of volumes elsewhere; 0: all are known */
	char looked_at[3 * NAME_MAX_LEN]; /* by the last look: "volume NAME", "node NODE", "all" */
	char fail_text[256];
	unsigned generations;
	unsigned mounts, unmounts; /* calls */
	bool forced;               /* the last attach */
	bool accepted;             /* a restored kvdb */
	bool wiped;                /* volumes_pool_wipe() was carried out */
	bool froze;                /* the last snapshot */
	struct uuid import_of;     /* of the last snapshot */
	struct uuid import;        /* of the last export or import */
	struct cluster_view cluster;
	struct fake_volume volumes[FAKE_VOLUMES];
	struct pool_view pools[8];
	unsigned pool_count;
	struct node_view nodes[8];
	unsigned node_count;
	struct event_view events[16];
	unsigned event_count;
	struct net_tcp_counters net;
	struct write_trace traces[2];
	struct fake_op ops[FAKE_OPS];
	unsigned op_count;
};

/* A ready cluster of nodes a, b, c in zones a, b, c with one pool each; this is node a. */
struct volumes *volumes_fake_new(struct uv_loop_s *loop);
/* Ends what is held with -ECANCELED; run the loop once more afterwards. */
void volumes_fake_free(struct volumes *volumes);
/* Ends what is held. */
void volumes_fake_release(struct volumes *volumes);
/* Makes a volume of 1 GiB with three replicas, at once. */
struct volume_view *volumes_fake_add(struct volumes *volumes, const char *name);
struct volume_view *volumes_fake_find(struct volumes *volumes, const char *name);
/* As if it were attached here: device, mountpoint, counters and a trace. */
void volumes_fake_attach_here(struct volumes *volumes, struct volume_view *view);

/* One that ends in a later turn. */
struct fake_op *fake_op_add(
	struct volumes *volumes, enum fake_kind kind, const char *name, volumes_done_fn fn, void *arg);

#endif
