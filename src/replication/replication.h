/*
 * replication: the coordinator and the replica of docs/protocol.md, as pure state machines: no I/O, no clock,
 * no threads. An event function changes the state; effects are then pulled with *_poll() until it returns
 * false, and carried out by the driver (src/datapath, and in tests the simulator), in the order in which they
 * come.
 *
 * Thread rule: one thread at a time. Nothing here allocates after *_new(). Times are nanoseconds of
 * CLOCK_BOOTTIME of the node concerned, handed in with each event; they never go back. Error rule: our own
 * bugs are assertions; what a peer says wrongly is dropped and counted.
 */
#ifndef QUOIN_REPLICATION_H
#define QUOIN_REPLICATION_H

#include "base/base.h"
#include "replication/compare.h"
#include "replication/map_record.h"
#include "replication/message.h"

/* ======================================================================================================
 * Coordinator
 *
 *   OPENING --Q promises, log chosen--> ADOPTING --NEW_EPOCH committed--> SERVING --release()--> ENDED
 *      |                                    |                                |
 *      +------------- a quorum can't be had any more (STALE) ----------------+-----------------> ENDED
 */

enum coordinator_phase { COORDINATOR_OPENING, COORDINATOR_ADOPTING, COORDINATOR_SERVING, COORDINATOR_ENDED };

struct coordinator;

struct coordinator_config {
	unsigned voter_count; /* 1 .. GROUP_MAX_VOTERS */
	int local;            /* index of the voter on this node, or -1 */
	/* One bit for each index. Members in neither are learners: they count nowhere. */
	uint8_t voters;      /* 0: all */
	uint8_t next_voters; /* the record is joint; 0: it isn't */
	uint64_t size_bytes; /* of the shard, as the catalog has it; members may know that it is larger */
	struct epoch epoch;
	uint64_t session;
	uint64_t dead_session; /* see MESSAGE_OPEN; 0: none */
	struct uuid attachment;
	uint64_t config_number;
	uint32_t lease_ms, lease_margin_ms;
	bool reads_quorum;
	bool steward;               /* for repair: it takes no leases, and is given no operation */
	uint32_t error_after_ms;    /* policy `error`; 0: `queue` */
	struct entry_pool *entries; /* for NEW_EPOCH */
	/* Bytes that all resyncs which share it may move: copies and maps; NULL: no limit. Kept by who made
	 * it, longer than the coordinator. */
	struct budget *budget;
	/* Replicas are compared with each other once in so long (0: when asked); bytes of maps for that. */
	uint64_t compare_every_ms;
	struct budget *compare_budget;
	/* A window's size, for tests; 0: MAP_MAX_GRAINS and MAP_MAX_COPIES. */
	uint32_t map_grains, map_copies;
};

/* One request of a front; the driver's, embedded in its own. Kept until its COORDINATOR_ANSWER has come. */
struct operation {
	struct list node;
	bool is_read;
	uint64_t offset_bytes; /* reads: multiples of 4096, within the shard */
	uint32_t length_bytes;
	struct entry *entry; /* writes, trims: without epoch and seq; one reference, taken over by
				coordinator_submit() */
	/* below: the coordinator's */
	uint64_t seq; /* of the entry, once it has one */
	uint64_t read_seq;
	uint64_t arrived_ns;
	int voter;        /* reads: who was asked */
	uint64_t sent_ns; /* reads: when */
	uint8_t turns;    /* reads: so often all have been asked, and none has answered in time */
	uint8_t tried;    /* reads: bit i: voter i was asked and failed, or is late */
	uint8_t bad;      /* reads: bit i: voter i's copy is bad */
	bool local;       /* reads: the voter that was asked is on this node */
	uint8_t stage;
	int rc;
};

enum coordinator_effect_type {
	/* Send `message` to `voter`. The local voter's goes to its replica machine as it is. */
	COORDINATOR_SEND,
	/*
	 * Read operation->offset_bytes .. from `voter` at read_seq (message READ for a remote one; for the
	 * local one replica_may_read() and pool_read()), then coordinator_read_done().
	 */
	COORDINATOR_READ,
	/* The operation is over, with `rc`; it is the driver's again. */
	COORDINATOR_ANSWER,
	/*
	 * Compare-and-set of the catalog's record: holder, epoch and `record.number_before` as they are; then
	 * coordinator_record_told(), once.
	 */
	COORDINATOR_RECORD,
	/* The phase, or whether there is a quorum, or the membership, has changed: for events and metrics. */
	COORDINATOR_CHANGED,
};

/* The group's part of the catalog's record: a bit for each member's index. */
struct coordinator_record {
	uint64_t number_before, number;
	uint8_t voters, next_voters;
	bool uncertain; /* an attempt before this one may have landed, or still land */
};

enum coordinator_record_outcome {
	COORDINATOR_RECORD_WRITTEN,   /* success was read */
	COORDINATOR_RECORD_UNWRITTEN, /* it was refused or never sent, and can't land later */
	COORDINATOR_RECORD_REFUSED, /* the record rules it out: no attempt, earlier ones included, can land */
	COORDINATOR_RECORD_UNKNOWN, /* it may land later, or have landed: it is tried again */
	COORDINATOR_RECORD_LOST,    /* another holder, or a number that this session has not written */
};

struct coordinator_effect {
	enum coordinator_effect_type type;
	struct coordinator_record record; /* RECORD */
	int voter;
	struct message message;      /* SEND; READ of a remote voter, but for the driver's token */
	struct operation *operation; /* READ, ANSWER */
	uint64_t read_seq;           /* READ */
	int rc;                      /* ANSWER */
};

/* -ENOMEM. Copies the config. */
int coordinator_new(const struct coordinator_config *config, uint64_t now_ns,
	struct coordinator **ret_coordinator) MUST_CHECK;
/* No operation may be left in it (coordinator_end() gives them back). NULL is fine. */
void coordinator_free(struct coordinator *co);

/* The next effect; false when there is none. What it points to is valid until the next call on this machine.
 */
bool coordinator_poll(struct coordinator *co, uint64_t now_ns, struct coordinator_effect *ret_effect);
/* Right after a COORDINATOR_SEND or a remote COORDINATOR_READ that could not be queued: it is taken back; the
 * voter is not writable. */
void coordinator_refused(struct coordinator *co, const struct coordinator_effect *effect);
/* When coordinator_tick() is wanted at the latest; UINT64_MAX: not at all. */
uint64_t coordinator_deadline_ns(const struct coordinator *co);
void coordinator_tick(struct coordinator *co, uint64_t now_ns);

/* The voter can be spoken to (its connection is up; the local one: its pool is open), or no longer. */
void coordinator_voter_up(struct coordinator *co, int voter, uint64_t now_ns);
void coordinator_voter_down(struct coordinator *co, int voter, uint64_t now_ns);
/* Its connection takes frames again after a refusal. */
void coordinator_voter_writable(struct coordinator *co, int voter);
/* An answer from a voter. */
void coordinator_message(struct coordinator *co, int voter, const struct message *message, uint64_t now_ns);

/* A write, trim or read. Waits inside as long as need be; ends in one COORDINATOR_ANSWER. */
void coordinator_submit(struct coordinator *co, struct operation *operation, uint64_t now_ns);
/*
 * The data of a COORDINATOR_READ is in hand (rc 0), or isn't: -EAGAIN (that replica can't serve it now),
 * -EILSEQ or -EIO (its copy is bad: another is asked), -ENOTCONN. Exactly once for each local read, also
 * after the end. A remote read comes to an end here, or by coordinator_voter_down() (it is sent to another
 * voter), or by a COORDINATOR_ANSWER without this: the driver then ignores a late READ_ANSWER.
 */
void coordinator_read_done(struct coordinator *co, struct operation *operation, int rc, uint64_t now_ns);

/*
 * Membership (docs/protocol.md). A member is added as a learner: its index, or -ENOSPC. A learner, or a
 * former voter, can be taken out of the group; its index may be given to another then.
 */
int coordinator_member_add(struct coordinator *co, bool is_local, uint64_t now_ns) MUST_CHECK;
void coordinator_member_remove(struct coordinator *co, int index, uint64_t now_ns);
/*
 * Begins to make `next_voters` the voters: one comes, one goes, or one takes another's place. -EBUSY: a
 * change is under way; -EAGAIN: not serving, or who comes isn't complete, matched and caught up; -EINVAL. It
 * goes on by itself to its end; coordinator_status_get() tells.
 */
int coordinator_change_begin(struct coordinator *co, uint8_t next_voters, uint64_t now_ns) MUST_CHECK;
/*
 * Of two voters drops this one, which is dead: by one compare-and-set, without its consent. -EINVAL: they are
 * not two; -EBUSY: a change is under way; -EAGAIN: the other one isn't there, or not whole. While the volume
 * is being opened its success ends the session: the next one opens the survivor alone.
 */
int coordinator_drop_begin(struct coordinator *co, int goes, uint64_t now_ns) MUST_CHECK;
void coordinator_record_told(
	struct coordinator *co, enum coordinator_record_outcome outcome, uint64_t now_ns);

/*
 * The shard is so large from now on: the catalog says so. All members are told before any entry that needs
 * it, those that are away with their next OPEN. Not larger than it was: nothing happens.
 */
void coordinator_grow(struct coordinator *co, uint64_t size_bytes, uint64_t now_ns);
uint64_t coordinator_size_bytes(const struct coordinator *co);

/* Stops serving: sends RELEASE to all. To be called when no operation is left. ENDED follows at once. */
void coordinator_release(struct coordinator *co, uint64_t now_ns);
/* Gives every operation back with `rc` (by COORDINATOR_ANSWER); ENDED. */
void coordinator_end(struct coordinator *co, int rc, uint64_t now_ns);

struct coordinator_voter_status {
	/* promised: it is up, and has answered OPEN since it is. */
	bool up, promised, complete, damaged, matched, syncing, stale, retired;
	bool full;      /* its pool is: it has room for what is under way only */
	bool unmatched; /* its log can't be matched with the group's: it has no part in this session */
	bool is_member, is_voter;
	bool may_join; /* a learner that may become a voter now */
	uint64_t durable_seq, lag_entries, lag_bytes;
	/* While syncing: why, and how far. The total is known once the maps have been compared for the first
	 * time (surveying: how far that is stands in survey_percent). */
	const char *sync_why; /* or NULL */
	bool surveying;
	unsigned survey_percent;
	uint64_t sync_done_bytes, sync_total_bytes;
	uint64_t sync_bytes_per_s; /* of the last seconds; 0: not known */
	/* Of all resyncs of this session; of the newest one, and how long it took. */
	uint64_t syncs, sync_copied_bytes, sync_map_bytes, sync_freed_grains;
	uint64_t last_copied_bytes, last_map_bytes, sync_ms;
	uint64_t bad_reads;     /* reads that its copy could not serve: checksum or device */
	uint64_t bad_found;     /* those of them that showed a grain to be bad which wasn't known to be */
	uint64_t healed_blocks; /* of its bad blocks, written anew from another copy */
	uint64_t differing_grains, rewritten_grains; /* in which it alone differs; of them: written anew */
	uint64_t
		cuts; /* its log ended in entries that it had lost, and that were never committed: so often */
};

struct coordinator_status {
	enum coordinator_phase phase;
	bool has_quorum;       /* leases of a quorum are valid now */
	struct epoch promised; /* greatest that a STALE told: what the holder must exceed */
	const char *why_ended; /* or NULL */
	bool outdated;         /* it has ended since the volume is another session's, or has other members */
	uint64_t last_seq, commit_seq;
	uint64_t waiting; /* operations without a seq */
	bool full; /* no quorum has room: writes wait for seconds, then get -ENOSPC; the rest goes on */
	uint64_t refused; /* writes, so far */
	uint64_t quorum_waits;
	uint64_t dropped; /* messages that made no sense */
	uint64_t config_number;
	uint8_t voter_mask, next_mask;
	unsigned voter_count; /* of members, learners and empty places too */
	struct compare_status compare;
	struct coordinator_voter_status voters[GROUP_MAX_VOTERS];
};
void coordinator_status_get(
	const struct coordinator *co, uint64_t now_ns, struct coordinator_status *ret_status);

/* ======================================================================================================
 * Replica
 *
 *   IDLE --OPEN--> WAITING (leases run out) --> PROMISING (state on its way) --durable, OPEN_ANSWER-->
 * PROMISED PROMISED --MATCH, truncated--> MATCHED --SYNC_START--> SYNCING --SYNC_FINISH, all there--> MATCHED
 *   any --OPEN of a greater epoch--> WAITING
 */

struct replica;

/* What the store says of it when it is opened. */
struct replica_start {
	struct epoch promise;
	uint64_t promise_session;
	uint64_t config_number;
	bool incomplete, damaged, retired;
	struct position since;
	uint32_t longest_lease_ms;
	struct position last; /* durable */
	uint64_t commit_seq;
	uint64_t size_bytes;
};

/* Durable state to write: the same fields as the store's replica_state. */
struct replica_promise {
	struct epoch promise;
	uint64_t promise_session;
	uint64_t config_number;
	bool incomplete, damaged, retired;
	struct position since;
	uint32_t longest_lease_ms;
};

enum replica_effect_type {
	REPLICA_SEND,         /* message, to the session's connection `to` */
	REPLICA_APPEND,       /* entry to the log: one reference goes with it */
	REPLICA_COMMIT,       /* seq: may be applied */
	REPLICA_ALL,          /* seq: need not be kept for others */
	REPLICA_TRUNCATE,     /* seq; then replica_truncated() */
	REPLICA_STATE,        /* state; then replica_state_written() */
	REPLICA_LOG_RESET,    /* message.position, rows; then replica_log_reset_done() */
	REPLICA_READ,         /* message (READ): read, then answer READ_ANSWER by oneself */
	REPLICA_LOG_READ,     /* message (LOG_READ): answer LOG_ANSWER by oneself */
	REPLICA_GRAIN_READ,   /* message (GRAIN_READ): answer GRAIN_ANSWER by oneself */
	REPLICA_MAP_READ,     /* message (MAP_READ): answer MAP_ANSWER by oneself */
	REPLICA_SYNC_HOLD,    /* seq */
	REPLICA_SYNC_EDGE,    /* edge index in seq */
	REPLICA_MAP_COMPARE,  /* message (MAP_COMPARE): compares, moves the edge to where it ends, frees what
				 the source hasn't; then replica_map_compared() */
	REPLICA_GRAIN_WRITE,  /* message (GRAIN_WRITE): puts the grain, or frees it; then
				 replica_grain_written() */
	REPLICA_GRAIN_HEAL,   /* message (GRAIN_HEAL): writes bad blocks of this very version anew; then
				 replica_grain_healed() */
	REPLICA_APPLIED_WAIT, /* seq; then replica_applied() */
	REPLICA_GROW,         /* to message.size_bytes, durable before what is asked for afterwards */
};

struct replica_effect {
	enum replica_effect_type type;
	uint64_t to; /* SEND, and for the answers of READ, LOG_READ, GRAIN_READ, MAP_READ: the driver's handle
			of the connection */
	uint64_t seq;
	struct message message;
	struct entry *entry;
	struct replica_promise state;
};

int replica_new(const struct replica_start *start, uint64_t now_ns, struct replica **ret_replica) MUST_CHECK;
void replica_free(struct replica *replica);
/* The next effect, the replica's own, valid until the next poll; NULL: none is left. */
const struct replica_effect *replica_poll(struct replica *replica);
uint64_t replica_deadline_ns(const struct replica *replica);
void replica_tick(struct replica *replica, uint64_t now_ns);

/*
 * A message from a coordinator; `from` is the driver's handle of the connection (answers go to it; 0 is
 * none). The store's present figures come along: what the answer must tell. The driver polls after each
 * event, while the figures still stand.
 */
struct replica_figures {
	struct position last;
	uint64_t first_seq;
	uint64_t room_bytes, room_adopted_bytes; /* of new entries; of those that the session has adopted */
	bool full;                               /* the pool has room for what is under way, and no more */
	bool no_snapshot; /* a snapshot would take room that isn't there: of a thick replica */
	const struct epoch_start *rows;
	uint32_t row_count;
};
void replica_message(struct replica *replica, uint64_t from, const struct message *message,
	const struct replica_figures *figures, uint64_t now_ns);
/* The connection is gone: nothing is sent to it any more. */
void replica_disconnected(struct replica *replica, uint64_t from);

/* Completions of effects. */
void replica_durable(
	struct replica *replica, uint64_t seq, const struct replica_figures *figures, uint64_t now_ns);
void replica_truncated(
	struct replica *replica, int rc, const struct replica_figures *figures, uint64_t now_ns);
void replica_state_written(
	struct replica *replica, int rc, const struct replica_figures *figures, uint64_t now_ns);
void replica_log_reset_done(struct replica *replica, int rc, uint64_t now_ns);
void replica_grain_written(
	struct replica *replica, uint64_t to, const struct message *answer_to, int rc, uint64_t now_ns);
/* The indices are borrowed until the answer has been polled. */
struct replica_compared {
	int rc;
	uint64_t end;
	uint32_t copies, freed;
	const uint32_t *indices; /* `copies` of them; NULL: a survey */
};
void replica_map_compared(struct replica *replica, uint64_t to, const struct message *answer_to,
	const struct replica_compared *compared);
void replica_grain_healed(
	struct replica *replica, uint64_t to, const struct message *answer_to, int rc, uint32_t blocks);
void replica_applied(struct replica *replica, uint64_t seq, int rc, const struct replica_figures *figures);
/*
 * The store's scrub knows of bad blocks in this grain, as the snapshot reads it (none: the volume). The
 * session is told, so that they are repaired from another copy; where there is none nobody is: to be called
 * again later.
 */
void replica_grain_bad(struct replica *replica, struct uuid snapshot, uint64_t index);
/* Its pool is scrubbed now: the session, if there is one, is told to compare the group's replicas. */
void replica_compare_asked(struct replica *replica);
/* The store can't read its log any more, and has noted that durably: from now on its answers say so. */
void replica_damaged(struct replica *replica);

/*
 * Whether a read of this session at read_seq may be served from here now: 0, or -EAGAIN (not matched that
 * far, incomplete) or -ESTALE. On success the committed position is raised to read_seq first: poll before
 * reading.
 */
int replica_may_read(
	struct replica *replica, struct epoch epoch, uint64_t session, uint64_t read_seq) MUST_CHECK;
/* Whether snapshots that the store has may be read from here now, by anybody: 0, or -EAGAIN: it is incomplete
 * or retired. */
int replica_may_read_snapshot(const struct replica *replica) MUST_CHECK;
struct epoch replica_promised(const struct replica *replica);
/* When its session spoke last, or the replica was opened; 0: never, or it has released. */
uint64_t replica_heard_ns(const struct replica *replica);

struct replica_counters {
	uint64_t stale, out_of_order, unmatched, opens, regressions;
};
const struct replica_counters *replica_counters(const struct replica *replica);

/* ======================================================================================================
 * Where two logs part: the greatest seq up to which they hold the same entries, by their tables of epochs.
 */
uint64_t epochs_parting(const struct epoch_start *a, unsigned a_count, uint64_t a_last,
	const struct epoch_start *b, unsigned b_count, uint64_t b_last);
/* The epoch of the entry at seq; {0, 0} where the table doesn't reach back so far. */
struct epoch epochs_at(const struct epoch_start *rows, unsigned count, uint64_t seq);

#endif
