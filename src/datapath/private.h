/*
 * What the files of datapath share. Who points at whom:
 *
 *   datapath -- volume -- voter[] -- peer (connection to a remote pool, shared by all volumes)
 *       |                    |------ host (where the voter's replica lives on this node)
 *       |------ host -- replica (machine), pool_replica (store)
 *       |------ link: the way back from a host to a coordinator: an incoming connection, or a local voter
 *
 * An event goes into a machine at once; a volume's effects are carried out in a deferred task of the same
 * turn (so that the front's callbacks never run inside its calls), a host's at once.
 */
#ifndef QUOIN_DATAPATH_PRIVATE_H
#define QUOIN_DATAPATH_PRIVATE_H

#include "base/table.h"
#include "datapath/datapath.h"
#include "datapath/wire.h"
#include "replication/replication.h"

/* Requests in flight of all volumes: what FUSE may have open for some 16 busy ones. */
#define DATAPATH_MAX_OPS 4096u
/* Reads, log reads, copies and waits that replicas have under way for coordinators: 64 of each of 16 nodes.
 */
#define DATAPATH_MAX_JOBS 1024u
/* Answers that wait for room in a connection; behind that the connection is closed. */
#define DATAPATH_MAX_HELD 256u

#define PEER_BACKOFF_MIN_MS 50u
#define PEER_BACKOFF_MAX_MS 2000u
#define PEER_STABLE_MS      5000u /* up so long: the next back-off begins anew */
#define PEER_SILENCE_MS     4000u /* asked, and no word for so long: the connection is dead */
#define PEER_LINGER_MS      5000u /* the last volume's RELEASE gets through before the connection is closed */
#define DETACH_WAIT_MS      10000u /* requests in flight at a detach get EIO after this */
#define VIEW_SILENCE_MS     1000u  /* a snapshot's replica that says nothing for so long: another is asked */
#define VIEW_AGAIN_MS       100u   /* all have failed: from the first again */
#define VIEW_AVOID_MS       5000u  /* who has failed is asked last for so long */
#define VIEW_GONE_MS        3000u  /* all say for so long that there is no such snapshot: so it is */
#define VIEW_GIVE_UP_MS     30000u
#define ADMIT_RETRY_MS      2u /* entries and buffers come back without a word */

struct volume;
struct host;
struct link;

/* ---- connections ---- */
enum peer_state { PEER_IDLE, PEER_CONNECTING, PEER_UP };

struct peer {
	struct datapath *datapath;
	struct list node;
	char name[NAME_MAX_LEN + 1];
	uint64_t lane; /* of the pool there */
	struct net_address address;
	enum peer_state state;
	struct net_conn *conn; /* CONNECTING, UP */
	struct list voters;
	struct loop_timer
		timer; /* to connect again; while UP: to look for silence; without voters: to close */
	uint64_t backoff_ms;
	uint64_t up_ns;
	uint64_t unanswered_ns; /* when the first frame since the last word was sent; 0: all is answered */
	bool closing;
};

struct voter {
	struct volume *volume;
	unsigned index;
	struct uuid replica;
	struct table_node by_replica;
	struct peer *peer; /* NULL: on this node */
	struct list peer_node;
	bool blocked;      /* refused a frame: waits for `writable` */
	struct host *host; /* on this node, while its pool is open */
	struct link *link; /* on this node: where its replica's answers go */
};

/* An answer's way back. Handles are never used again, so a late answer finds nobody. */
struct link {
	struct list node;
	struct datapath *datapath;
	uint64_t id;
	struct net_conn *conn; /* or */
	struct voter *voter;
	struct list held;
};

struct held {
	struct list node;
	uint16_t type;
	struct uuid target;
	uint32_t body_bytes;
	struct buf *payload;
	uint32_t crc[ENTRY_MAX_BLOCKS];
	uint8_t body[WIRE_BODY_MAX];
};

/* ---- volumes ---- */

struct op {
	struct operation operation;
	struct list node; /* free */
	uint32_t index;
	uint32_t generation; /* with index: the token of a remote read */
	struct request *request;
	struct pool_read read;
	bool reading, left; /* request->data is the disk's: `read` is under way; it was told as `left` */
	bool answered;      /* the coordinator is through with it, but the read isn't */
	int voter;          /* of the read under way; -1 none */
	int rc;
	/* Of a snapshot's view: who has failed in this round, and who has said that there is none. */
	uint32_t tried, gone;
	uint64_t asked_ns; /* or, with voter -1, since when it waits for the next round */
};

/* Of a read that is asked for now: its answer is known by it. */
static inline uint64_t op_token(const struct op *op)
{
	return (uint64_t)op->generation << 32 | op->index;
}

struct stripe;

/* A volume's times of one write, by seq. */
#define TRACE_SLOTS WRITE_TRACES

struct volume {
	struct datapath *datapath;
	struct list node;
	struct list dirty_node; /* on datapath->dirty while something is to be polled */
	struct volume_spec spec;
	struct volume_events events;
	struct coordinator *coordinator; /* NULL: a snapshot's view (view.c), or striped */
	struct stripe *stripe;           /* of a striped volume: its shards (stripe.c) */
	struct volume *whole;            /* of a shard: the volume */
	unsigned shard;
	bool read_only;        /* a view, or its shard */
	struct uuid cache_key; /* of a view's blocks */
	struct list asking;    /* a view's reads: op->node */
	uint64_t avoid_until_ns[GROUP_MAX_VOTERS];
	bool gone_told, unreadable_told;
	struct voter voters[GROUP_MAX_VOTERS];
	struct loop_timer timer;
	enum volume_state state;
	bool was_ready, was_ended, changed;
	struct list waiting;  /* requests without an op or an entry */
	struct list finished; /* requests to be answered in this turn */
	uint64_t in_flight;   /* requests, from submit to done */

	struct budget ops_budget, bytes_budget; /* volume_limits.c */
	bool paid, limited;                     /* the first that waits: its share is spent; it had to wait */
	struct loop_timer limit_timer;
	uint64_t limit_waits;

	bool detaching, released;
	uint64_t detach_deadline_ns;
	pool_done_fn detach_fn;
	void *detach_arg;

	struct coordinator_status seen; /* of the last look, for events */
	uint64_t cuts_seen[GROUP_MAX_VOTERS];
	uint64_t remote_reads;
	struct io_stats read_stats, write_stats, trim_stats;
	struct write_trace traces[TRACE_SLOTS];
};

/* ---- replicas ---- */

struct host {
	struct datapath *datapath;
	struct list node;
	struct table_node by_replica;
	struct pool *pool;
	struct pool_replica *store;
	struct replica *machine;
	struct loop_timer timer;
	bool polling;
	bool gone;   /* freed with the last callback */
	bool failed; /* its pool: nobody is answered any more */
	bool applied_waiting;
	uint64_t applied_asked, applied_wanted;
	uint32_t pending;                 /* callbacks of the store that will come */
	uint32_t resets;                  /* of its log: so many resyncs have begun */
	uint32_t indices[MAP_MAX_COPIES]; /* of the comparison told last */
};

/* Something that a replica does for a coordinator, in the store. */
struct job {
	struct list node;
	struct host *host;
	uint64_t to;
	struct message message; /* the question; its pointers are not kept, except: */
	struct buf *payload;
	uint32_t crc[ENTRY_MAX_BLOCKS];
	struct pool_read read;
	struct replica_compared compared; /* MAP_COMPARE; the indices stand in `crc` */
	uint16_t bad_blocks;              /* GRAIN_HEAL */
	uint32_t puts;                    /* under way */
	int rc;
};

#define LINK_BUCKETS 256u

/* Replicas do what they must not refuse (waits, copies) (copies into them) from the last of the jobs. */
#define JOBS_RESERVE 128u

struct datapath {
	struct datapath_config config;
	struct random random;
	struct loop_task task;
	struct loop_timer admit_timer;
	struct list volumes, views, dirty, peers, hosts, pools;
	struct snapshot_cache *snapshot_cache; /* NULL until the first view */
	struct list links[LINK_BUCKETS];       /* by id */
	struct table voters_by_replica, hosts_by_replica;
	uint64_t link_id;

	/* Objects of the three pools; those at or behind `cut` were never given out, and their memory never
	 * touched. */
	struct op *ops;
	struct list free_ops;
	uint32_t ops_cut;
	struct job *jobs;
	struct list free_jobs;
	uint32_t jobs_cut;
	uint32_t free_job_count;
	struct held *held;
	struct list free_held;
	uint32_t held_cut;
	struct wire_in wire_in;
	struct wire_out wire_out;
	struct budget budget, compare_budget;
	struct view_stats view_stats;
	uint64_t frames_refused; /* that made no sense, or had no place */
};

/* Fresh, not the turn's: leases are counted with it, and a process may have been stopped in the middle of a
 * turn. */
static inline uint64_t datapath_now_ns(const struct datapath *dp)
{
	return clock_now_ns(dp->config.loop->clock);
}

void datapath_event(struct datapath *dp, const char *kind, const char *subject, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* peer.c */
struct peer *peer_get(struct datapath *dp, const struct volume_voter *voter);
void peer_voter_add(struct peer *peer, struct voter *voter);
void peer_voter_remove(struct voter *voter);
/* -EAGAIN: the voter is told when there is room; -ENOTCONN. */
int peer_send(struct voter *voter, const struct message *message) MUST_CHECK;
/* Closes and frees all; only when nothing uses them. */
void peers_free(struct datapath *dp);

/* link.c */
struct link *link_new(struct datapath *dp, struct net_conn *conn, struct voter *voter);
/* Its handle is void from now on: replicas forget it. */
void link_free(struct link *link);
void links_free(struct datapath *dp);
/* Ends all incoming connections: their coordinators connect again, and see who still answers. */
void links_close(struct datapath *dp);
struct link *link_find(struct datapath *dp, uint64_t id);
/* Sends a replica's answer, or hands it to the local coordinator; where the way is gone it is dropped. */
void link_answer(struct datapath *dp, uint64_t id, struct uuid replica, const struct message *message);
void datapath_accepted(struct net *net, struct net_conn *conn, const char *from);

/* replica_host.c */
struct host *host_new(struct datapath *dp, struct pool *pool, struct pool_replica *store);
void host_free(struct host *host);
struct host *host_find(struct datapath *dp, struct uuid replica);
void host_message(struct host *host, uint64_t from, const struct message *message);
void host_figures(struct host *host, struct replica_figures *ret_figures);
/* Carries out the machine's effects; to be called after each event. */
void host_poll(struct host *host);
/* For who reads it without a session: it may have been away when its volume grew. */
void host_grow(struct host *host, uint64_t size_bytes);
void host_durable(struct host *host, uint64_t seq);
/* The scrub has found bad blocks there, as the snapshot (none: the volume) reads: its session is told. */
void host_grain_bad(struct host *host, struct uuid snapshot, uint64_t index);
void host_compare_asked(struct host *host);

/* replica_jobs.c */
void host_read(struct host *host, const struct replica_effect *effect);
void host_log_read(struct host *host, const struct replica_effect *effect);
void host_applied_wait(struct host *host, uint64_t seq);

/* replica_grains.c */
void host_grain_read(struct host *host, const struct replica_effect *effect);
void host_grain_write(struct host *host, const struct replica_effect *effect);
void host_grain_heal(struct host *host, const struct replica_effect *effect);

/* replica_map.c */
void host_map_read(struct host *host, const struct replica_effect *effect);
void host_map_compare(struct host *host, const struct replica_effect *effect);
/* The comparison's result is in the job; or there is no job. */
void host_compared_tell(struct job *job);
void host_compare_refuse(struct host *host, const struct replica_effect *effect, int rc);

/* replica_tree.c: the level that a message means; false: there is none (yet). */
bool host_level(const struct host *host, uint64_t layer, struct grain_level *ret_level);
int host_tree_fill(const struct host *host, struct buf *buf, uint32_t *ret_count) MUST_CHECK;
void host_tree_compare(struct host *host, const struct replica_effect *effect);

/* replica_jobs.c: NULL when none is free; `must`: from the reserve. */
struct job *job_get(struct host *host, const struct replica_effect *effect, bool must);
/* Gives it back; frees the host with its last callback. Returns the host, NULL where it is gone. */
void job_put(struct job *job);
/* An answer to the job's question, ready but for its content. */
struct message job_answer(const struct job *job, enum message_type type);
/* The store will call back / has called back. After host_returned() the host may be gone. */
void host_asked(struct host *host);
void host_returned(struct host *host);

/* volume.c */
/* On one of the datapath's lists, without coordinator and voters; its session is drawn unless given. NULL: no
 * memory. */
struct volume *volume_new(
	struct datapath *dp, const struct volume_spec *spec, struct list *volumes, void (*tick)(void *arg));
/* With what it has by then of them; nothing may be in flight. */
void volume_free(struct volume *volume);
void volume_mark(struct volume *volume);
void volume_run(struct volume *volume);
struct voter *voter_find(struct datapath *dp, struct uuid replica, uint64_t session);
void voter_up(struct voter *voter);
void voter_down(struct voter *voter);
/* A pool has brought, or taken away, a replica of this node. */
void volumes_host_added(struct datapath *dp, struct host *host);
void volumes_host_removed(struct datapath *dp, struct host *host);

/* On this node, and on this thread of it. */
bool voter_is_here(const struct datapath *dp, const struct volume_voter *voter);
/* The coordinator is there by now, unless it is a view. -ENOMEM. */
int voter_bind(struct volume *volume, unsigned index);
void voter_unbind(struct voter *voter);

/* volume_members.c */
void volume_record_wanted(struct volume *volume, const struct coordinator_record *record);

/* volume_requests.c */
void volume_admit(struct volume *volume);
/* One that is known to be good waits for its turn. */
void volume_enqueue(struct volume *volume, struct request *request);
/* NULL: none is free. */
struct op *op_get(struct datapath *dp);
void volume_answered(struct volume *volume, struct operation *operation, int rc);
void volume_finish(struct volume *volume);

/* volume_limits.c */
void volume_limits_begin(struct volume *volume);
void volume_limits_end(struct volume *volume);
/* Whether the first that waits may go on now; if not, the volume is run again when it may. Asked again, it
 * says the same without a second price, until volume_limits_admitted() tells that this one waits no longer.
 */
bool volume_limits_admit(struct volume *volume, const struct request *request);
void volume_limits_admitted(struct volume *volume);

/* volume_reads.c */
void volume_read_start(struct volume *volume, const struct coordinator_effect *effect);
void volume_read_answer(struct voter *voter, const struct message *message);
void op_put(struct op *op);
bool op_data_is_own(struct op *op) MUST_CHECK;
/* Hands a request back with its result, later in this turn. */
void request_finish(struct volume *volume, struct request *request, int rc);

/* view.c: what a volume's functions do where it is a snapshot's view */
void view_run(struct volume *volume);
void view_answer(struct voter *voter, const struct message *message);
void view_voter_down(struct voter *voter);
void view_tick(void *arg);
void view_ask(struct volume *volume, struct op *op); /* the next one that may know */
/* view_map.c: a map of the grains in the range, as a payload; as pool_replica_snapshot_changes(). */
int view_map_fill(const struct pool_replica *store, struct uuid snapshot, struct uuid older,
	uint64_t offset_bytes, uint64_t length_bytes, struct buf *into) MUST_CHECK;

/*
 * snapshot_cache.c: blocks of snapshots that came from elsewhere. They never change, and a snapshot's UUID is
 * never used again: nothing is ever made void.
 */
struct snapshot_cache *snapshot_cache_new(uint64_t bytes);
void snapshot_cache_free(struct snapshot_cache *cache);
/* True: all blocks of the range were there, and have been copied. */
bool snapshot_cache_get(const struct snapshot_cache *cache, struct uuid snapshot, uint64_t offset_bytes,
	uint32_t length_bytes, uint8_t *to);
void snapshot_cache_put(struct snapshot_cache *cache, struct uuid snapshot, uint64_t offset_bytes,
	uint32_t length_bytes, const uint8_t *from);

/* volume_detach.c */
bool volume_detach_step(struct volume *volume);

/* volume_watch.c */
void volume_watch(struct volume *volume);

/* stats.c, trace.c */
void io_stats_add(struct io_stats *stats, uint64_t bytes, uint64_t latency_ns, int rc);
void trace_sent(struct volume *volume, const struct entry *entry, uint64_t at_ns);
void trace_voter_answer(struct volume *volume, unsigned voter, uint64_t durable_seq, uint64_t at_ns);
void trace_committed(struct volume *volume, uint64_t seq, uint64_t at_ns);
void trace_answered(struct volume *volume, const struct request *request, uint64_t seq, uint64_t at_ns);

#endif
