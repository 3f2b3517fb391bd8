/* The manager's inside: one struct for all of a node's volumes, its pools and its part of the cluster. */
#ifndef QUOIN_VOLUMES_MANAGER_H
#define QUOIN_VOLUMES_MANAGER_H

#include <uv.h>

#include "attach/attach.h"
#include "base/table.h"
#include "catalog/catalog.h"
#include "datapath/dataplane.h"
#include "placement/rebalance.h"
#include "volumes/attachment.h"
#include "volumes/care.h"
#include "volumes/config.h"
#include "volumes/events.h"
#include "volumes/mounts.h"
#include "volumes/node_state.h"
#include "volumes/ops.h"
#include "volumes/plan_pace.h"
#include "volumes/pools.h"
#include "volumes/snapshot.h"
#include "volumes/threads.h"
#include "volumes/topology.h"
#include "volumes/volumes.h"

enum manager_phase { MANAGER_STARTING, MANAGER_READY, MANAGER_STOPPING };

struct volumes {
	uv_loop_t *loop;
	const struct clock *clock;
	struct volumes_config config;
	struct random random;
	enum manager_phase phase;
	char not_ready[160];

	struct node_state node; /* UUIDs and lock of the state directory */
	struct uuid session;    /* of this agent: one start, one session */
	uint8_t key[NET_KEY_BYTES];
	struct catalog_node node_record; /* as it should stand */
	struct mounts *mounts;
	struct sessions *sessions;
	struct events events;

	struct dataplane *dataplanes[DATAPLANE_MAX_THREADS]; /* threads.h */
	unsigned thread_count;
	uv_async_t wake; /* the data plane has something */
	struct attach *attach;
	struct catalog *catalog;
	bool catalog_opened, joined, joining, registered, registering;
	uint64_t register_not_before_ns; /* after a refusal */
	bool leftovers_clean;
	uint64_t kvdb_away_ns; /* at start: since when it is seen to be away; 0: it isn't */

	struct list ops;
	uv_timer_t ops_timer; /* deadlines and pauses; runs only while there are operations */
	uv_timer_t kick;      /* a turn of the operations, and a plan, soon */
	uv_timer_t plan;      /* runs while a plan that is wanted has to wait */
	struct plan_pace plan_pace;
	uv_timer_t tick; /* each second: snapshot, lingering devices */

	struct list pools; /* struct local_pool */
	uint64_t quiet_written,
		quiet_since_ns;   /* pool_measure.c: all that the pools have taken, since when so much */
	struct list attachments;  /* struct attachment */
	struct list snapviews;    /* struct snapview */
	struct snapshot snapshot; /* what the data plane told last */
	/* view_volume.c: what the last view of a volume points to */
	unsigned view_replica_room;
	struct replica_view *view_replicas;
	struct shard_view view_shards[CATALOG_MAX_SHARDS];
	struct topology topology;  /* the labels that node_record points to */
	uint64_t topology_look_ns; /* when it is looked at again */
	bool topology_told;
	bool zone_changed;               /* and which volumes break their class by it is yet to be told */
	unsigned drain_asking;           /* moves that the catalog is being asked for */
	uint64_t drain_tell_ns;          /* when one that finds no place may be told again */
	struct rebalance_auto rebalance; /* rebalance_auto.c */
	uint64_t rebalance_next_ns, rebalance_idle_ns;
	uint32_t rebalance_mark, rebalance_idle_mark; /* of the pools: now, when nothing was to be done */
	struct catalog_pin *rebalance_pin;            /* the volumes are being read, or looked at */
	unsigned rebalance_asking;
	bool trimming;             /* a part of a filesystem: trim.c */
	bool scheduling;           /* a snapshot by schedule is being made or removed: snapshot_schedule.c */
	struct table stewarded;    /* look_after.c: by volume */
	uint64_t steward_pause_ns; /* no steward begins before */
	unsigned orphan_count;     /* replicas that no record names, and that were told */
	struct uuid orphans[64];

	void (*stopped)(void *arg);
	void *stopped_arg;
	struct op *stop_op;
	unsigned handles_open; /* libuv's */
};

/* An event, and a line in the log. */
void manager_event(struct volumes *volumes, const char *kind, const char *subject, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/*
 * Something has changed: operations that wait are looked at in the next turn of the loop, and the plan is
 * made then or, for all that has changed meanwhile, as soon as its pace allows.
 */
void manager_kick(struct volumes *volumes);
/* 0, or -EAGAIN with words. */
int manager_ready_check(const struct volumes *volumes, struct error *error) MUST_CHECK;

/* reconcile_loop.c: compares what is with what should be, and begins what follows. Who has changed something
 * calls manager_kick() instead. */
void manager_plan(struct volumes *volumes);
/* Attaches what was here when the agent was last stopped in order, and nobody else has taken since. */
void manager_wanted_again(struct volumes *volumes);
/*
 * resume.c: while the kvdb can't be reached at the start of an agent, what was attached here is opened by
 * what this node noted of it (held.h), with the epoch's restart raised. Called each second.
 */
void manager_resume(struct volumes *volumes);
/* Takes the node's place in the catalog; manager_start_step() goes on after it. */
void manager_register(struct volumes *volumes);
/* scan.c: looks at the node's disks, and tells what is free as an event. */
void manager_scan(struct volumes *volumes);
/* start.c: begins what start-up lacks; harmless when it lacks nothing. */
void manager_start_step(struct volumes *volumes);

#endif
