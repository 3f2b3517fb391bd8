/*
 * A whole cluster in one process: nodes with the real loop core, store, replication and datapath on simulated
 * disks, network and clocks; one or more volumes; their attach records; clients on every node where one is
 * attached; faults. One seed decides all.
 */
#ifndef QUOIN_TESTS_SIM_CLUSTER_H
#define QUOIN_TESTS_SIM_CLUSTER_H

#include "datapath/datapath.h"
#include "lib/loop_sim.h"
#include "lib/net_sim.h"
#include "sim/disk.h"
#include "sim/history.h"
#include "sim/trace.h"
#include "store/store.h"

#define SIM_MAX_ATTACHED                                                                                     \
	4u /* volume handles of one node: the present one, and older ones that don't know yet */
#define SIM_MAX_CLIENT_OPS 8u
#define SIM_MAX_VOLUMES    3u
#define SIM_MAX_POOLS      2u /* of one node */
#define SIM_VOLUME_BYTES   (UINT64_C(32) << 20)
#define SCRUB_BYTES_PER_S  (UINT64_C(16) << 20)
#define SIM_VOLUME_GROWN   (SIM_VOLUME_BYTES * 2) /* by a scene */
#define SIM_OPERATIONS     2000u
#define SIM_DISK_BYTES     (UINT64_C(96) << 20)
#define SIM_BUF_BYTES      (UINT64_C(96) << 20) /* all of a node's volumes are read at once at the end */

struct cluster;
struct node;
struct scene;

/* What the seed has chosen: which faults there are, how often, how fast everything is. Times in ns between
 * two, 0: never. */
struct plan {
	unsigned nodes, pools, volumes;
	bool striped; /* the volumes are the shards of one, which is attached as the first */
	unsigned voters[SIM_MAX_VOLUMES];
	uint32_t hot_blocks;
	uint32_t clients; /* requests in flight of one attachment */
	uint64_t think_ns;
	uint64_t operations; /* of all clients */
	uint64_t longest_ns;
	unsigned write_percent, trim_percent;
	unsigned snapshots; /* one of so many requests makes or removes one; 0: none does */
	bool reads_quorum;
	uint64_t disk_ns, disk_bytes;
	uint32_t error_after_ms;
	uint64_t journal_bytes;
	uint64_t crash_ns, down_ns;
	bool power_loss;
	uint64_t reset_ns, corrupt_ns;
	uint64_t cut_ns, cut_for_ns;
	uint64_t slow_ns, slow_for_ns, slow_disk_ns;
	uint64_t stall_ns, stall_for_ns; /* a disk takes no writes of grains: its ring fills */
	bool small;                      /* pools that the volumes fill */
	bool thick;                      /* the first volume is; all shards are, where it is striped */
	uint64_t thick_bytes;            /* of its size; 0: SIM_VOLUME_BYTES */
	uint64_t pause_ns, pause_for_ns;
	uint64_t rot_ns, misdirect_ns, rot_ring_ns;
	int rot_node;
	uint64_t move_ns;
	uint64_t succeed_ns;           /* the holder is cut off from a quorum, and succeeded unseen */
	uint64_t kvdb_ns, kvdb_for_ns; /* nobody reaches the kvdb */
	uint64_t kvdb_late_ns;         /* so late an answer of it may come */
	uint64_t fail_ns;              /* a disk answers EIO */
	uint64_t hang_ns;              /* a disk does not answer any more */
	uint64_t reopen_ns;
	uint64_t change_ns;       /* a spare replica takes a voter's place */
	uint64_t scrub_ms;        /* pools are scrubbed in so long; 0: not */
	uint64_t compare_ms;      /* and their replicas compared; 0: not */
	unsigned restarts, moves; /* so many at most: each costs seconds of leases, and a pool to be read */
	int64_t drift_ppm;
	uint32_t map_grains, map_copies; /* a resync's windows: small, or there would be one only */
	uint64_t resync_bytes_per_s;
	struct net_sim_options net;
};

/* One request in flight. */
struct client_op {
	struct list node;
	struct request request;
	struct attached *attached;
	bool is_read;
	uint32_t first, count;
	uint32_t write; /* number in the history */
	uint64_t began; /* stamp of a read */
};

/* A volume handle on a node, with its client. */
struct attached {
	struct node *node;
	struct sim_volume *of;
	struct volume *volume;
	uint64_t number;
	uint32_t restart;
	bool ready, ended, outdated, detaching;
	uint32_t in_flight;
	struct list idle;
	struct client_op ops[SIM_MAX_CLIENT_OPS];
	struct sim_event think;
	uint64_t request_id;
	struct epoch promised;
	struct volume_record asked; /* by its coordinator, while has_asked */
	bool has_asked;
	enum record_outcome outcome; /* of that; told at answer_ns, 0: not known yet */
	uint64_t answer_ns;
};

/* Everything that dies with the node's process. Its memory is never freed: a seed is a process of its own. */
struct process {
	struct loop loop;
	struct buf_pool *bufs;
	struct entry_pool *entries;
	struct net *net;
	struct datapath *datapath;
	struct pool *pools[SIM_MAX_POOLS]; /* NULL: not open (yet) */
	bool is_open[SIM_MAX_POOLS];       /* with all its replicas */
	struct attached *handles[SIM_MAX_VOLUMES][SIM_MAX_ATTACHED];
};

/* A pool of a node; it outlives the node's processes. */
struct sim_pool {
	struct disk *disk;
	struct uuid uuid;
	bool formatted;
	bool replayed;         /* and not all that its journal had has been applied yet */
	uint64_t short_grains; /* of what it keeps for thick ones it may lack so many: thick.c */
	uint64_t short_ns;     /* when it has lacked some last; 0: never */
};

struct node {
	struct cluster *cluster;
	unsigned index;
	char name[16];
	struct sim_pool pools[SIM_MAX_POOLS];
	struct process *process; /* NULL: it is down */
	uint64_t restart_ns;
	bool may_fail; /* a disk of it answers EIO: its pool may fail, until it starts again at repair_ns */
	uint64_t repair_ns;
};

/* A replica of a volume's group. */
struct sim_replica {
	struct uuid uuid;
	unsigned node, pool;
	bool created;
	bool retired; /* it has left the group: to be deleted, and made anew with another name */
	const struct process *busy; /* at that */
	struct pool_replica_identity of;
	unsigned snapshots, snapshots_due; /* of a thick one, when it was looked at last */
};

/* What the kvdb says. */
struct record {
	uint64_t number;
	uint32_t restart;
	unsigned holder;
	struct uuid attachment;
	uint64_t session, dead_session;
	bool steward;
	bool told; /* its holder knows it */
};

/* The last session of a node, and the process that had it. */
struct sim_session {
	uint64_t session;
	const struct process *process;
};

/* Who counts, by the record: a bit for each of the volume's replicas; voters 0: all. */
struct sim_members {
	uint64_t number;
	uint8_t voters, next;
};

/* One replica is to take another's place; their indices. */
struct sim_change {
	bool wanted;
	unsigned comes, goes;
};

/* An attach that is written, and whose answer is under way to who asked. */
struct late_attach {
	struct sim_event event;
	struct sim_volume *of;
	struct node *node;
	const struct process *process; /* NULL: none is */
	struct volume_spec spec;
};

/* A volume, with one group. */
struct sim_volume {
	struct cluster *cluster;
	unsigned index;
	char name[16];
	struct uuid volume, group;
	struct record record;
	struct sim_session sessions[SIM_MAX_NODES];
	struct sim_members members;
	/* What the holder's node has noted on its disk: for a restart while the kvdb is away. */
	struct sim_members noted;
	bool noted_joint; /* a change may have landed: no restart without the kvdb */
	struct sim_change change;
	uint64_t size_bytes; /* of its record */
	bool as_steward;     /* whoever attaches it next */
	bool trimmed;        /* at the end, where pools are small: else they may stay full */
	const struct attached *trimming;
	struct late_attach late[SIM_MAX_NODES];
	struct history *history;
	uint32_t hot_blocks;
	struct sim_replica replicas[GROUP_MAX_VOTERS];
	unsigned replica_count;
	uint32_t snapshots_made, snapshots_removed; /* numbers; those up to the second are gone */
};

enum cluster_phase { CLUSTER_STARTING, CLUSTER_RUNNING, CLUSTER_CONVERGING, CLUSTER_COMPARING, CLUSTER_DONE };

struct cluster {
	struct loop_sim sim;
	struct scene *scene; /* NULL: it runs by chance */
	struct trace trace;
	uint64_t seed;
	struct random random;
	struct plan plan;
	struct net_sim *net;
	struct node nodes[SIM_MAX_NODES];
	struct sim_volume volumes[SIM_MAX_VOLUMES];
	enum cluster_phase phase;
	bool liveness, excused;
	uint64_t operations; /* begun */
	uint64_t answered, failed;
	uint64_t pending; /* of live handles */
	struct uuid cluster;
	char violation[512]; /* empty: none */
	struct sim_event control;
	uint64_t kvdb_back_ns; /* the kvdb is away until then */
	struct sim_event faults[20];
};

/* cluster.c: everything made, nothing started; the plan stands in c->plan. */
void cluster_init(struct cluster *c, uint64_t seed, bool print);
/* plan.c */
void plan_make(struct plan *plan, uint64_t seed, bool liveness);
/* node.c */
void node_start(struct node *node);
void node_crash(struct node *node, bool power);
void node_reopen_pool(struct node *node, unsigned pool);
/* All its pools are open, with all their replicas. */
bool node_is_up(const struct node *node);
struct pool_replica *sim_replica_store(struct cluster *c, const struct sim_replica *replica);
/* attach.c: what agents do with the record */
void sim_spec_fill(const struct sim_volume *v, struct volume_spec *spec);
void sim_voter_fill(const struct sim_volume *v, unsigned replica, struct volume_voter *voter);
void control_start(struct cluster *c);
void attach(struct sim_volume *v, struct node *node, uint64_t above);
void detach(struct attached *a);
bool kvdb_is_away(const struct cluster *c);
uint64_t kvdb_late_ns(struct cluster *c);
/* The answer to its node is under way. */
bool attach_is_asked(const struct sim_volume *v, const struct node *node);
void attach_move(struct sim_volume *v, unsigned holder);
/* Where the record says that it is; NULL: not (yet). */
struct attached *attached_current(struct sim_volume *v);
/* members.c: changes of members by chance; a look of the node where the volume is attached */
bool sim_is_member(const struct sim_volume *v, unsigned replica);
void members_init(struct sim_volume *v);
void members_wish(struct sim_volume *v);
void members_look(struct sim_volume *v, struct attached *a);
void members_renew(struct sim_volume *v, struct node *node);
bool members_settled(const struct sim_volume *v);
/* client.c */
void client_start(struct attached *attached);
void client_stop(struct attached *attached);
/* Where pools are small most of a volume is trimmed, once. */
void client_trim(struct attached *attached);
/* thick.c: room is kept for all of the volume */
bool sim_is_thick(const struct sim_volume *v);
/* After each step: each pool has what it keeps. */
void thick_check(struct cluster *c);
/* A write of this volume was refused for lack of room. */
void thick_refused(struct sim_volume *v);
/* levels.c: makes the request one for a snapshot */
void snapshot_request(struct sim_volume *v, struct random *random, struct request *request);
bool levels_compare(struct sim_volume *v);
/* striped.c: the volume that is attached, where this one is a shard of it; else itself */
struct sim_volume *sim_lead(struct sim_volume *v);
/* How many are attached: the first ones. */
unsigned sim_attachable(const struct cluster *c);
/* Attaches it, by the spec of the one that is attached. */
int sim_volume_attach(const struct sim_volume *v, struct node *node, const struct volume_spec *spec,
	const struct volume_events *events, struct volume **ret_volume);
/* Of the shard, if it is one. */
void sim_stats_get(const struct sim_volume *v, const struct attached *a, struct volume_stats *ret_stats);
/* Each snapshot that is there is the volume as it was at one point in time. */
bool snapshots_check(struct cluster *c);
/* faults.c */
void faults_start(struct cluster *c);
void faults_stop(struct cluster *c);
/* converge.c: everything answered, all replicas complete and the same; 0: not yet, 1: yes */
int cluster_converged(struct cluster *c);
bool cluster_compare(struct cluster *c);
/* Says why not; or excuses it. */
void cluster_unconverged(struct cluster *c);
/* Reads every block once more through the volume. */
bool cluster_read_all(struct cluster *c);
bool cluster_all_read(struct cluster *c);

/* cluster.c */
void cluster_violation(struct cluster *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct seed_result {
	uint64_t hash;
	uint64_t simulated_ns;
	uint64_t operations, answered, reads, events;
	bool excused; /* liveness was not asked for: cluster_unconverged() */
	char violation[512];
};

/* Runs one seed to its end. */
void cluster_run(uint64_t seed, bool liveness, bool print, struct seed_result *ret_result);

#endif
