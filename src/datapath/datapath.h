/*
 * datapath: binds replication (pure) to store, net and loop, on one data-plane thread; owns the volumes that
 * are attached here and the replicas that live here. The simulator runs the same code on simulated loop, net
 * and disks.
 *
 * Thread rule: the loop's thread, except dataplane_*() (dataplane.h), which is the control thread's side.
 */
#ifndef QUOIN_DATAPATH_H
#define QUOIN_DATAPATH_H

#include "base/base.h"
#include "datapath/volume.h"
#include "loop/loop.h"
#include "net/net.h"
#include "replication/replication.h"
#include "store/store.h"

struct datapath;

struct datapath_config {
	struct loop *loop;
	struct net *net;
	struct buf_pool *bufs;
	struct entry_pool *entries;
	struct random random; /* sessions and jitter */
	char node[NAME_MAX_LEN + 1];
	unsigned thread, threads; /* which of the node's data-plane threads this is; 0 of 0: the only one */
	uint32_t lease_ms;        /* group lease, 3000 */
	uint32_t lease_margin_ms; /* 10 % + 100 ms */
	/* What all resyncs of this datapath together may move; 0: no limit. */
	uint64_t resync_bytes_per_s;
	/* Replicas of a volume are compared with each other once in so long (0: when asked to); what the maps
	 * for that may take together. */
	uint64_t compare_every_ms, compare_bytes_per_s;
	uint64_t snapshot_cache_bytes; /* of blocks of snapshots from other nodes; 0: none */
	/* The size of a resync's window, for tests; 0: as large as may be. */
	uint32_t map_grains, map_copies;
	void *user;
	/* For events and logs, in words; subject is a volume's, pool's or replica's name or UUID. */
	void (*event)(void *user, const char *kind, const char *subject, const char *text);
};

int datapath_new(const struct datapath_config *config, struct datapath **ret_datapath) MUST_CHECK;
/* Volumes detached and pools removed before. */
void datapath_free(struct datapath *datapath);

/* Serves the pool's replicas from now on. The pool was opened with datapath_pool_callbacks(). */
void datapath_pool_add(struct datapath *datapath, struct pool *pool);
/* Fills failed, durable, bad and arg: what the pool's scrub finds the replicas' sessions repair. */
void datapath_pool_callbacks(struct datapath *datapath, struct pool_open_options *options);
/* It is being scrubbed now: volumes with a replica in it, wherever they are attached, are to compare their
 * replicas. */
void datapath_pool_compare(struct datapath *datapath, struct pool *pool);
/* Stops serving it; its replicas are unknown afterwards. The caller closes it. */
void datapath_pool_remove(struct datapath *datapath, struct pool *pool);

/* Makes a replica on one of this datapath's pools. -EEXIST when it is there already. */
void datapath_replica_create(struct datapath *datapath, struct pool *pool,
	const struct pool_replica_identity *identity, pool_done_fn fn, void *arg);
/* The same, but one that a resync has to fill first: pool_replica_create_incomplete(). */
void datapath_replica_create_incomplete(struct datapath *datapath, struct pool *pool,
	const struct pool_replica_identity *identity, pool_done_fn fn, void *arg);
/* The same, on what the pool's replica of the group `origin` has of the snapshot. -ENOENT: there is no such
 * replica or snapshot here (yet); -EAGAIN: that replica is incomplete; -EINVAL: that volume is larger by now.
 */
void datapath_replica_clone(struct datapath *datapath, struct pool *pool, struct uuid origin,
	struct uuid snapshot, const struct pool_replica_identity *identity, pool_done_fn fn, void *arg);
/* -ENOENT. */
void datapath_replica_delete(struct datapath *datapath, struct uuid replica, pool_done_fn fn, void *arg);

/*
 * Which of a node's threads serves a pool, by its UUID alone: so no other node has to know how many there
 * are. The lane is what it says of itself to connect to it (net.h).
 */
uint64_t datapath_lane(struct uuid pool);
unsigned datapath_thread(struct uuid pool, unsigned threads);

struct volume_voter {
	struct uuid replica;
	struct uuid pool; /* where it lives; none: on a node of one thread it doesn't matter */
	char node[NAME_MAX_LEN + 1];
	struct net_address address; /* of the node's data port; unused where the node is this one */
};

/*
 * What an application may ask for in a second, here where the volume is attached: more waits. A fifth of a
 * second's worth can be saved up for a burst. 0: no limit.
 */
struct volume_limits {
	uint64_t iops; /* reads, writes and trims, each of at most 256 KiB: fronts split what is larger */
	uint64_t bytes_per_s; /* of reads and writes */
};

struct volume_spec {
	struct uuid volume, group, attachment;
	char name[NAME_MAX_LEN + 1];
	uint64_t size_bytes;
	struct epoch epoch;    /* from the attach transaction */
	uint64_t session;      /* 0: made here */
	uint64_t dead_session; /* that its replicas may still wait for, and that serves nothing any more; 0:
				  none */
	uint64_t config_number;
	unsigned voter_count; /* of members: voters, next voters and learners */
	struct volume_voter voters[GROUP_MAX_VOTERS];
	uint8_t voter_mask, next_mask; /* who of them is what: a bit for each; voter_mask 0: all are voters */
	bool reads_quorum;             /* class reads=quorum */
	bool steward;                  /* for repair only: it must get no request */
	uint32_t error_after_ms;       /* policy `error`: EIO after this long without quorum; 0: `queue` */
	struct volume_limits limits;
	struct uuid snapshot; /* for volume_view() */
};

enum volume_state {
	VOLUME_OPENING, /* asks for promises */
	VOLUME_SERVING,
	VOLUME_NO_QUORUM, /* was serving; I/O waits */
	VOLUME_ENDED,     /* fenced or released: EIO for ever */
};

/* Who is a voter, and who is next while the record is joint. */
struct volume_record {
	uint64_t number_before, number;
	unsigned voter_count, next_voter_count;
	struct uuid voters[GROUP_MAX_VOTERS], next_voters[GROUP_MAX_VOTERS];
	bool uncertain; /* an attempt before this one may have landed, or still land */
};

enum record_outcome { RECORD_WRITTEN, RECORD_UNWRITTEN, RECORD_REFUSED, RECORD_UNKNOWN, RECORD_LOST };

struct volume_events {
	/* Serving for the first time: NEW_EPOCH is committed. */
	void (*ready)(void *user, struct volume *volume);
	void (*changed)(void *user, struct volume *volume, enum volume_state state);
	/* Outdated: another session holds it, the epoch is too old (promised tells which is needed), or the
	 * members are others. Else the session alone is over, and the next one may open by the same. */
	void (*ended)(
		void *user, struct volume *volume, bool outdated, struct epoch promised, const char *why);
	/*
	 * The group's record in the catalog is to be set from number_before to number; volume_record_told()
	 * must follow. NULL: no membership change is ever begun.
	 */
	void (*record)(void *user, struct volume *volume, const struct volume_record *record);
	void *user;
};

/* Begins to open. -errno only for want of memory. */
int volume_attach(struct datapath *datapath, const struct volume_spec *spec,
	const struct volume_events *events, struct volume **ret_volume) MUST_CHECK;
/*
 * A striped volume: its stripes go round over its shards (docs/protocol.md, "Shards"). A spec for each, alike
 * but for group, config_number and members; size_bytes is the volume's. It is ready when all shards are, and
 * when one of them has ended it has ended. Of the events `record` alone is called with a shard; membership is
 * a shard's too. With one shard it is volume_attach(). 1 .. VOLUME_MAX_SHARDS; stripe_bytes: whole grains,
 * at least STRIPE_MIN_BYTES.
 */
int volume_attach_striped(struct datapath *datapath, const struct volume_spec *specs, unsigned shard_count,
	uint64_t stripe_bytes, const struct volume_events *events, struct volume **ret_volume) MUST_CHECK;
/* The same for volume_view(). */
int volume_view_striped(struct datapath *datapath, const struct volume_spec *specs, unsigned shard_count,
	uint64_t stripe_bytes, struct volume **ret_volume) MUST_CHECK;
unsigned volume_shard_count(const struct volume *volume);
/* Lives until volume_detach(); NULL after that. The volume itself where it has one. */
struct volume *volume_shard(struct volume *volume, unsigned shard);
/* Of a handle that volume_shard() gives: which it is. */
unsigned volume_shard_index(const struct volume *volume);
/*
 * A snapshot as a volume that can only be read, from any complete replica that has it (of spec: volume,
 * group, name, size_bytes, voters, snapshot), on any node, whoever has the volume attached. It asks nobody
 * for anything but blocks, and is usable at once. Who is silent, damaged, or doesn't have the snapshot yet is
 * passed over; where nobody answers for 30 s the read ends with -EIO. volume_detach() ends it. Not for
 * volume_next(), volume_stats_get() and membership.
 */
int volume_view(
	struct datapath *datapath, const struct volume_spec *spec, struct volume **ret_volume) MUST_CHECK;

/*
 * Of a view: these are the members by now. What was asked of the former ones is asked again. -ENOMEM: of them
 * only some are asked; to be called again.
 */
int volume_view_members(
	struct volume *volume, const struct volume_voter *voters, unsigned voter_count) MUST_CHECK;

/* Of all snapshots that are, or were, looked at on this node. */
struct view_stats {
	uint64_t reads;     /* answered */
	uint64_t errors;    /* of them: with -EIO */
	uint64_t cached;    /* of them: out of the cache */
	uint64_t local;     /* asked of replicas here */
	uint64_t remote;    /* asked of others */
	uint64_t elsewhere; /* asked again of another replica */
};
void datapath_view_stats_get(const struct datapath *datapath, struct view_stats *ret_stats);
/* Waits for what is in flight (or fails it after EIO), sends RELEASE, forgets it. The handle is gone when fn
 * runs. */
void volume_detach(struct volume *volume, pool_done_fn fn, void *arg);
/*
 * Membership, of a volume that serves (src/replication/replication.h says what each -errno means). A learner
 * may be added at any time, once (-EEXIST); who is no voter can be taken out (-EBUSY: it is one).
 * volume_change_begin(): `comes` takes the place of `goes`; either may be none.
 */
int volume_learner_add(struct volume *volume, const struct volume_voter *member) MUST_CHECK;
int volume_member_remove(struct volume *volume, struct uuid replica) MUST_CHECK;
int volume_change_begin(struct volume *volume, struct uuid comes, struct uuid goes) MUST_CHECK;
/* Of two voters drops this one; also of a volume that is being opened. */
int volume_drop_begin(struct volume *volume, struct uuid goes) MUST_CHECK;
void volume_record_told(struct volume *volume, enum record_outcome outcome);
/* Whether the record is known to be as no change is under way in it, once this was asked for. Any thread. */
bool volume_record_is_stable(const struct volume_record *asked, enum record_outcome outcome);
void volume_limits_set(struct volume *volume, const struct volume_limits *limits);
/* The catalog's record says that it is so large: requests may reach so far from now on. It never shrinks. */
void volume_grow(struct volume *volume, uint64_t size_bytes);
enum volume_state volume_state(const struct volume *volume);

/* ---- what is to be seen from outside ---- */

#define HISTOGRAM_BUCKETS 24 /* upper bounds 16 us x 2^i; the last has none */
struct io_stats {
	uint64_t ops, bytes, errors;
	uint64_t latency_ns_sum;
	uint64_t latency[HISTOGRAM_BUCKETS];
};

enum replica_status { REPLICA_COMPLETE, REPLICA_SYNCING, REPLICA_DAMAGED, REPLICA_AWAY, REPLICA_RETIRED };

struct voter_stats {
	struct uuid replica;
	char node[NAME_MAX_LEN + 1];
	enum replica_status status;
	bool connected, matched;
	bool is_voter; /* else a learner */
	bool may_join; /* a learner that is complete, matched and caught up */
	uint64_t durable_seq, lag_entries, lag_bytes;
	/* While syncing. The total is known when the survey is through. */
	const char *sync_why; /* or NULL */
	bool surveying;
	unsigned survey_percent;
	uint64_t sync_done_bytes, sync_total_bytes;
	uint64_t sync_bytes_per_s; /* of the last seconds; 0: not known */
	/* Of all resyncs of this session. */
	uint64_t syncs, sync_copied_bytes, sync_map_bytes;
	uint64_t bad_reads, healed_blocks;
	uint64_t differing_grains, rewritten_grains; /* replication.h */
};

struct volume_stats {
	struct uuid volume;
	struct uuid group; /* none: of a striped volume as a whole: seqs are sums, members its shards' */
	char name[NAME_MAX_LEN + 1];
	enum volume_state state;
	struct epoch epoch;
	uint64_t last_seq, commit_seq, in_flight;
	uint64_t config_number;
	bool changing;         /* its membership: joint, or about to be */
	uint64_t quorum_waits; /* times that I/O had to wait for a quorum */
	uint64_t limit_waits;  /* requests that had to wait for the volume's limits */
	uint64_t healed_blocks, remote_reads;
	struct io_stats read, write, trim;
	struct compare_status compare; /* of a striped volume: sums; under way where a shard's is */
	uint64_t compared_ms;          /* since the last comparison was over, if there was one */
	unsigned voter_count;
	struct voter_stats voters[GROUP_MAX_VOTERS];
};
void volume_stats_get(const struct volume *volume, struct volume_stats *ret_stats);
/* All attached volumes, a striped one once; NULL begins, NULL ends. */
struct volume *volume_next(struct datapath *datapath, struct volume *after);

/* What a PROBE of a group's voters has found. */
struct probe_result {
	unsigned answers;      /* replicas that have answered */
	struct epoch promised; /* the greatest that one of them has promised */
	uint64_t heard_ms;     /* since the last word of its session to any of them; UINT64_MAX: never */
};
typedef void (*probe_fn)(void *arg, const struct probe_result *result);
/*
 * Asks these voters, those of this node directly. fn runs once, later, after timeout_ms at the latest. The
 * loop must run on until then, and to the end of the connections. -ENOMEM: fn doesn't run.
 */
int datapath_probe(struct datapath *datapath, const struct volume_voter *voters, unsigned count,
	uint32_t timeout_ms, probe_fn fn, void *arg) MUST_CHECK;

/* The steps of one 4 KiB write with their times, for `quoin volume trace`: the last writes, newest first. */
struct write_trace {
	struct epoch epoch;
	uint64_t seq;
	uint32_t length_bytes;
	uint64_t submitted_ns, sent_ns, local_durable_ns, committed_ns, answered_ns;
	unsigned voter_count;
	uint64_t voter_answer_ns[GROUP_MAX_VOTERS]; /* 0: not yet */
};
#define WRITE_TRACES 64
unsigned volume_traces(const struct volume *volume, struct write_trace traces[static WRITE_TRACES]);

#endif
