/* The coordinator's state; docs/protocol.md tells the rules by name. */
#ifndef QUOIN_REPLICATION_COORDINATOR_PRIVATE_H
#define QUOIN_REPLICATION_COORDINATOR_PRIVATE_H

#include "replication/coordinator_work.h"
#include "replication/replication.h"

/* Slots of the window: a power of two above what it may hold and what the fronts may have in flight. */
#define WINDOW_SLOTS 16384u
_Static_assert(WINDOW_SLOTS > WINDOW_MAX_ENTRIES + 2 * VOLUME_MAX_REQUESTS,
	"the window holds its limit and all requests");

#define HEARTBEAT_NS     (1000 * NS_PER_MS) /* a third of the lease */
#define BEAT_GRID_NS     (250 * NS_PER_MS)  /* idle volumes beat together: fewer wake-ups, fuller sends */
#define COMMIT_NOTICE_NS (5 * NS_PER_MS)    /* an idle volume tells its last commit_seq so soon */
#define RETRY_NS         (20 * NS_PER_MS)
#define CHOICE_LOST_NS   (3000 * NS_PER_MS) /* more than a connection takes to come back */
#define MISMATCHES_MAX   2u /* a log that can't be matched is asked for its position so often */
#define OPEN_AGAIN_NS    (1000 * NS_PER_MS) /* an unanswered OPEN or MATCH is said again */
#define READ_PATIENCE_NS                                                                                     \
	(250 * NS_PER_MS) /* a remote read without an answer is asked of another; then longer */
#define READ_CHECK_NS (50 * NS_PER_MS)
#define LATE_NS       (5 * NS_PER_S) /* so long others are asked first */
#define FULL_PATIENCE_NS                                                                                     \
	(5 * NS_PER_S) /* what is being freed comes back: an apply round is due each second */
#define FULL_ASK_NS (100 * NS_PER_MS)
#define BUSY_NS     (100 * NS_PER_MS) /* so long after its last request a volume is in use */
/* Copies under way, to all voters of a group. A target gets at most so many at once, few while the volume is
 * in use. */
#define COPIES_MAX  32u
#define COPIES_IDLE 16u
#define COPIES_BUSY 4u
/* Bad blocks that are being repaired: more, and what has been given up, the next read or scrub finds again.
 */
#define HEALS_MAX  8u
#define HEAL_TRIES 10u
/* So many bad grains of a voter are told, once each, until they are repaired. */
#define BAD_GRAINS_MAX 64u
#define RATE_NS        (5 * NS_PER_S) /* a resync's rate is measured over one to two of these */

/*
 *   DOWN --up--> OPENING --OPEN_ANSWER--> OPENED --log chosen--> MATCHING --MATCH_ANSWER--> STREAMING
 *                                           |                       |                          |
 *                                           |   incomplete, or its next entries are in no log any more
 *                                           v                       v                          v
 *                                        SYNC_WAIT --SYNC_START--> SYNC_STARTING --> SYNCING -->
 * SYNC_FINISHING --> STREAMING any --connection lost--> DOWN;  any --STALE, retired--> REFUSED
 */
enum voter_stage {
	VOTER_DOWN,
	VOTER_OPENING,
	VOTER_OPENED,
	VOTER_MATCHING,
	VOTER_STREAMING,
	VOTER_SYNC_WAIT,
	VOTER_SYNC_STARTING,
	VOTER_SYNCING,
	VOTER_SYNC_FINISHING,
	VOTER_REFUSED,
};

/* One bit for each thing that is to be said; cleared when it is sent, set again when the send is refused. */
enum voter_due {
	DUE_OPEN = 1 << 0,
	DUE_MATCH = 1 << 1,
	DUE_HEARTBEAT = 1 << 2,
	DUE_LOG_READ = 1 << 3, /* to voter->source: the entry that this voter needs next */
	DUE_SYNC_START = 1 << 4,
	DUE_SYNC_WINDOW = 1 << 5,
	DUE_MAP_READ = 1 << 6, /* to voter->sync.source */
	DUE_MAP_COMPARE = 1 << 7,
	DUE_SYNC_FINISH = 1 << 8,
	DUE_RELEASE = 1 << 9,
	DUE_GROW = 1 << 10,
	DUE_COMPARE = 1 << 11, /* its map, for a comparison */
};

/*
 * The resync of one voter. First a survey counts what differs, then window after window:
 *
 *   ANNOUNCE --SYNC_WINDOW sent--> MAP --MAP_ANSWER--> COMPARE --MAP_COMPARED--> COPY --all copied-->
 * ANNOUNCE
 */
enum sync_step { SYNC_ANNOUNCE, SYNC_MAP, SYNC_COMPARE, SYNC_COPY };

struct voter_sync {
	struct position base;
	uint64_t start_token; /* of SYNC_START: its answer belongs to this one, not to an earlier one */
	enum sync_step step;
	bool survey;
	uint64_t layer; /* level under way: first LAYER_TREE, then the snapshots' from 1 on, then the top's */
	uint64_t levels;     /* snapshots that the source has */
	uint64_t finish_seq; /* FINISHING: what was told */
	uint64_t cursor;     /* grains below are the source's */
	uint64_t window_end; /* COPY: of what was compared */
	uint64_t min_seq;    /* sources must have applied the entries that were sent before the window */
	uint64_t newest_seq; /* greatest q of a comparison or a copy */
	int source;          /* of the map; -1: none */
	uint64_t token;      /* of the map's question under way; 0: none */
	uint64_t retry_ns;   /* 0: none */
	struct message_map map;
	struct buf *data; /* the map in hand */
	uint32_t crc[MAP_MAX_GRAINS * MAP_RECORD_BYTES / BLOCK_BYTES];
	uint32_t indices[MAP_MAX_COPIES]; /* COPY: what differs */
	unsigned index_count, index_next, copying;
	/* For people. */
	uint64_t began_ns, found_grains, copied_grains, copied_bytes, map_bytes;
	uint64_t rate_ns[2], rate_bytes[2]; /* copied_bytes at the end of the last two spans */
};

struct voter {
	enum voter_stage stage;
	bool up, writable;
	uint32_t due;
	uint32_t attempt;
	uint64_t asked_ns; /* when OPEN or MATCH was said last */

	/* From its OPEN_ANSWER. */
	bool promised, incomplete, damaged, retired;
	struct position position, since;
	uint64_t first_seq, known_commit;
	struct epoch_start rows[EPOCHS_MAX];
	unsigned row_count;

	struct position
		acknowledged; /* greatest that it called durable in this session: it must never go back */
	uint64_t keep_seq;    /* MATCH */
	bool regressed;
	/* It said of a MATCH that its log isn't what it told: so often; too often. */
	unsigned mismatches;
	bool unmatched;
	/* The entry here is lost, and was never committed: its log is to end before it. 0: none. */
	uint64_t cut_seq;
	uint64_t cuts; /* so far */

	/* The stream of entries. */
	uint64_t next_seq;
	uint64_t durable_seq;
	uint64_t room_bytes, unacked_bytes;
	bool full, no_snapshot;         /* it says that its pool is; has no room for a snapshot */
	uint64_t progress, progress_ns; /* coordinator_behind.c: where it stands, and since when */
	unsigned room_tries;
	uint64_t commit_sent;
	uint64_t echo_ns;      /* our clock in its newest answer: its lease is counted from here */
	uint64_t heartbeat_ns; /* when something with a clock was sent last */

	/* Entries that have left the window come from a source's log, one after the other. */
	int source;
	uint64_t token;
	bool fetching;
	uint64_t retry_ns; /* 0: none */
	struct entry *fetched;
	uint8_t log_gone; /* bit i: voter i has no such entry any more */

	struct voter_sync sync;
	bool sync_reset;      /* the next resync begins with an empty tree */
	const char *sync_why; /* of the newest resync */
	uint64_t syncs, sync_copied_bytes, sync_map_bytes, sync_freed_grains, sync_ms;
	uint64_t bad_reads, healed_blocks;
	/* Grains that its reads have failed in, and that it hasn't repaired since. */
	uint64_t bad_grains[BAD_GRAINS_MAX];
	unsigned bad_count;
	uint64_t bad_found;     /* bad reads in a grain that wasn't among them */
	uint64_t late_until_ns; /* it has let a read wait: others are asked first */
};

struct slot {
	struct entry *entry;         /* NULL once it has been dropped */
	struct operation *operation; /* NULL once it has been answered */
	uint32_t bytes;              /* stands after the entry was dropped */
	uint64_t bytes_so_far;       /* of this session, with this one */
};

/*
 *   STABLE --change_begin--> JOINING --first CAS read--> JOINT --entry committed--> LEAVING --last CAS
 * read--> STABLE ^                        |                           |
 *      +------- unwritten ------+                           | no commit for long
 *      +------------- CAS back read -------- BACKING <------+
 *
 * A session that opens a joint record begins in JOINT. Joint rules hold in all but STABLE.
 * Of two voters a dead one is dropped: STABLE --drop_begin--> DROPPING --CAS read--> STABLE.
 */
enum membership_stage {
	MEMBERSHIP_STABLE,
	MEMBERSHIP_JOINING,
	MEMBERSHIP_JOINT,
	MEMBERSHIP_LEAVING,
	MEMBERSHIP_BACKING,
	MEMBERSHIP_DROPPING,
};

struct membership {
	enum membership_stage stage;
	uint8_t members, voters, next; /* next: 0 while it isn't joint */
	uint64_t entry_seq;            /* of the membership entry; 0: not yet */
	/* After a drop: nothing below commits before the survivor has the number durable; UINT64_MAX: its
	 * entry has no seq yet. */
	uint64_t gate_seq;
	bool asked;     /* the record's outcome will be told */
	bool uncertain; /* an earlier attempt may yet land */
	uint64_t since_ns, retry_ns;
};

struct coordinator {
	struct coordinator_config config;
	struct membership membership;
	enum coordinator_phase phase;
	const char *why_ended;
	bool outdated; /* what it was begun with is no longer so */
	bool changed;
	bool had_quorum;
	uint64_t now_ns;

	int chosen;              /* whose log is the group's */
	bool choice_is_final;    /* an entry of this session has been sent */
	uint64_t choice_lost_ns; /* since when nobody in reach has the chosen log; 0: somebody has */
	struct epoch_start rows[EPOCHS_MAX];
	unsigned row_count;
	uint64_t adopted_seq;   /* end of the chosen log */
	uint64_t new_epoch_seq; /* 0: not yet */

	struct slot *slots;
	uint64_t window_first; /* entries from here on are in the window */
	uint64_t last_seq, commit_seq, all_seq;
	uint64_t window_bytes;

	struct list waiting;    /* writes without a seq */
	struct list reads;      /* to be sent to a voter */
	struct list reads_held; /* data in hand, but no valid lease */
	struct list reads_sent;
	struct list answered;
	uint64_t waiting_count;
	bool short_of_room;     /* a write waits until a quorum has taken more */
	uint64_t freed_seq;     /* newest committed entry that makes room; what was adopted may */
	uint64_t full_since_ns; /* no quorum has room for writes; 0: one has */
	uint64_t refused;       /* writes, for that */
	struct entry *failed;   /* for a mutant */
	uint64_t read_retry_ns;
	uint64_t read_check_ns; /* while reads are sent: when to look for late ones */
	uint64_t error_check_ns;
	bool again; /* something became due for a voter that this poll has passed */
	uint64_t quorum_waits, dropped;
	uint64_t token;
	struct epoch promised; /* greatest told by a STALE */
	uint64_t confirmed_ns; /* coordinator_confirmed_ns(), kept: it is asked for all the time */

	unsigned next_voter; /* fairness of poll */
	uint64_t busy_ns;    /* of the last request */
	unsigned copy_count; /* in use */
	struct copy copies[COPIES_MAX];
	struct voter voters[GROUP_MAX_VOTERS];
	struct compare compare; /* behind what each request looks at */
};

static inline struct slot *coordinator_slot(struct coordinator *co, uint64_t seq)
{
	return &co->slots[seq % WINDOW_SLOTS];
}

/* The first seq of the window that isn't committed; beyond last_seq where there is none. */
static inline uint64_t coordinator_first_open(const struct coordinator *co)
{
	return co->commit_seq + 1 > co->window_first ? co->commit_seq + 1 : co->window_first;
}

static inline bool voter_is_streaming(const struct voter *v)
{
	return v->stage == VOTER_STREAMING;
}

/* coordinator_membership.c: whether these voters are a quorum: of the old and, while joint, of the next ones.
 */
bool coordinator_is_quorum(const struct coordinator *co, uint8_t mask);
/* Whether no quorum, of the old voters or of the next ones alone, can do without all of these: what none of
 * them has ever acknowledged was never committed. */
bool coordinator_is_blocking(const struct coordinator *co, uint8_t mask);
/* Those that count somewhere: voters, and next voters. */
static inline bool coordinator_is_voter(const struct coordinator *co, unsigned i)
{
	return ((co->membership.voters | co->membership.next) & 1u << i) != 0;
}
/* Complete, matched in this epoch, and caught up with what is committed. */
bool coordinator_may_join(const struct coordinator *co, unsigned i);
void membership_init(struct coordinator *co);
void membership_step(struct coordinator *co);
bool membership_poll(struct coordinator *co, struct coordinator_effect *effect);
uint64_t membership_deadline_ns(const struct coordinator *co);

void coordinator_change(struct coordinator *co, enum coordinator_phase phase, const char *why);
void coordinator_answer(struct coordinator *co, struct operation *op, int rc);
/* Gives back all operations. */
void coordinator_answer_all(struct coordinator *co, int rc);
/* Forgets the connection's state: what was in flight to this voter is void. */
void voter_reset(struct coordinator *co, int i);
/* As if its connection had been lost, and were up again at once: it is opened anew. */
void coordinator_voter_again(struct coordinator *co, int i);

void coordinator_recv_open_answer(struct coordinator *co, int i, const struct message *m);
void coordinator_recv_match_answer(struct coordinator *co, int i, const struct message *m);
void coordinator_recv_stale(struct coordinator *co, int i, const struct message *m);
/* Chooses a log if the answers allow it, and goes on adopting it. */
void coordinator_open_step(struct coordinator *co);
/* The owner of the chosen log is gone before anything of this session was sent: another may be chosen. */
void coordinator_choice_drop(struct coordinator *co);
/* Ends the session when its chosen log is out of reach for long, and another session could go on. */
void coordinator_choice_step(struct coordinator *co);
/* Appends NEW_EPOCH once the owner of the chosen log is matched. */
void coordinator_adopt_step(struct coordinator *co);

void coordinator_recv_append_answer(struct coordinator *co, int i, const struct message *m);
void coordinator_recv_log_answer(struct coordinator *co, int i, const struct message *m);
/* Gives the entry the next seq and puts it into the window; takes the reference. */
void coordinator_append(struct coordinator *co, struct entry *entry, struct operation *op);
void coordinator_admit(struct coordinator *co);
void coordinator_commit_step(struct coordinator *co);
void coordinator_window_trim(struct coordinator *co);
/* The next entry for this voter, the window's or what was fetched; NULL when there is none to send now. */
struct entry *coordinator_next_entry(struct coordinator *co, int i);
void coordinator_entry_sent(struct coordinator *co, int i, const struct entry *entry);
void coordinator_entry_unsent(struct coordinator *co, int i, const struct entry *entry);
/* A complete, matched voter that has seq, other than `target` and those in the mask `without`; the local one
 * first; or -1. */
int coordinator_source(const struct coordinator *co, int target, uint64_t seq, uint8_t without);

/* The sending time of the newest question that a quorum has answered; 0: none. */
uint64_t coordinator_confirmed_ns(const struct coordinator *co);
/* To be called when a voter's answer, its promise, or who counts has changed: what is kept of it is made
 * anew. */
void coordinator_confirm(struct coordinator *co);
bool coordinator_lease_is_valid(const struct coordinator *co, uint64_t now_ns);
void coordinator_lease_step(struct coordinator *co);

void coordinator_reads_step(struct coordinator *co);
/* Reads that have waited for too long are asked of another voter. */
void coordinator_reads_late_step(struct coordinator *co);
bool coordinator_next_read(struct coordinator *co, struct coordinator_effect *effect);

/* What it had acknowledged is gone, or can't be read: it is incomplete since then, and copied anew. */
void coordinator_voter_damaged(struct coordinator *co, int i, struct position since);
void coordinator_sync_wanted(struct coordinator *co, int i);
/* coordinator_behind.c: whether this voter may be copied to now. */
bool coordinator_sync_is_permitted(const struct coordinator *co, int i);
/* A full voter that gets no further is copied to, when what makes room is behind what it has none for. */
void coordinator_behind_step(struct coordinator *co, int i);
void coordinator_sync_step(struct coordinator *co, int i);
void coordinator_recv_sync_started(struct coordinator *co, int i, const struct message *m);
void coordinator_recv_map_answer(struct coordinator *co, int i, const struct message *m);
void coordinator_recv_map_compared(struct coordinator *co, int i, const struct message *m);
void coordinator_recv_sync_finished(struct coordinator *co, int i, const struct message *m);
/* Fills what `due` says of the resync. */
void coordinator_sync_message(struct coordinator *co, int i, enum voter_due due, struct message *m);
/* A copy of this resync is in: so many bytes of data. */
void coordinator_sync_copied(struct coordinator *co, int i, uint64_t bytes);
/* Why this voter has to be resynced, for people (coordinator_status.c). */
const char *coordinator_sync_why(const struct voter *v);
/* Its deadline; UINT64_MAX: none. */
uint64_t coordinator_sync_due_ns(const struct voter *v); /* coordinator_status.c */
/* True while the application uses the volume. */
static inline bool coordinator_is_busy(const struct coordinator *co)
{
	return co->busy_ns != 0 && co->now_ns < co->busy_ns + BUSY_NS;
}

/* coordinator_full.c: after each change of who is in step, and who is full. */
void coordinator_full_step(struct coordinator *co);
/* Whether a quorum can take so much behind all that has a seq already. */
bool coordinator_has_room(const struct coordinator *co, uint64_t bytes);
void coordinator_refuse_snapshots(struct coordinator *co);
uint64_t coordinator_full_due_ns(const struct coordinator *co);

/*
 * coordinator_cut.c. This voter needs an entry that isn't committed, and that all who have it fail to give:
 * it is cut off from their logs if it certainly never was committed; else it is asked for again.
 */
void coordinator_cut_wanted(struct coordinator *co, int i);
/* Its log is being matched: what is to be cut off from it is cut off now. Then it has been. */
void coordinator_cut_match(struct coordinator *co, int i);
void coordinator_cut_done(struct coordinator *co, int i);
/* Whether this owner of the chosen log no longer has it to its end. */
bool coordinator_is_cut(const struct coordinator *co, const struct voter *owner);

/* coordinator_grow.c */
void coordinator_fill_grow(const struct coordinator *co, struct message *m);

#endif
