/* The coordinator's state; docs/protocol.md tells the rules by name. */
#ifndef QUOIN_REPLICATION_COORDINATOR_PRIVATE_H
#define QUOIN_REPLICATION_COORDINATOR_PRIVATE_H

#include "replication/replication.h"

/* Slots of the window: a power of two above what it may hold and what the fronts may have in flight. */
#define WINDOW_SLOTS 16384u
_Static_assert(WINDOW_SLOTS > WINDOW_MAX_ENTRIES + 2 * VOLUME_MAX_REQUESTS,
	"the window holds its limit and all requests");

#define HEARTBEAT_NS       (1000 * NS_PER_MS) /* a third of the lease */
#define COMMIT_NOTICE_NS   (5 * NS_PER_MS)    /* an idle volume tells its last commit_seq so soon */
#define RETRY_NS           (20 * NS_PER_MS)
#define CHOICE_LOST_NS     (3000 * NS_PER_MS) /* more than a connection takes to come back */
#define OPEN_AGAIN_NS      (1000 * NS_PER_MS) /* an unanswered OPEN or MATCH is said again */
#define SYNC_WINDOW_GRAINS 64u                /* 4 MiB: what a target holds back entries for */

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
	DUE_GRAIN_READ = 1 << 6, /* to voter->sync.source */
	DUE_GRAIN_WRITE = 1 << 7,
	DUE_SYNC_FINISH = 1 << 8,
	DUE_RELEASE = 1 << 9,
};

/* The resync of one voter. */
struct voter_sync {
	struct position base;
	uint64_t start_token; /* of SYNC_START: its answer belongs to this one, not to an earlier one */
	uint64_t cursor;      /* grains below are copied */
	uint64_t window_end;
	uint64_t min_seq;    /* sources must have applied the entries that were sent before the window */
	uint64_t newest_seq; /* greatest q of a copy */
	uint64_t copied_grains;
	/* Its own, beside those of the log: entries are fetched for a voter that is copied to, too. */
	int source;                 /* of the copy that is asked for; -1: none */
	uint64_t token;             /* of the copy under way; 0: one is to be asked for */
	uint8_t bad;                /* bit i: voter i's copy of the next grain is bad */
	struct message_grain grain; /* the copy in hand */
	struct buf *data;
	uint32_t crc[GRAIN_BLOCKS];
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

	/* The stream of entries. */
	uint64_t next_seq;
	uint64_t durable_seq;
	uint64_t room_bytes, unacked_bytes;
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
};

struct slot {
	struct entry *entry;         /* NULL once it has been dropped */
	struct operation *operation; /* NULL once it has been answered */
	uint32_t bytes;              /* stands after the entry was dropped */
};

/*
 *   STABLE --change_begin--> JOINING --first CAS read--> JOINT --entry committed--> LEAVING --last CAS
 * read--> STABLE ^                        |                           |
 *      +------- unwritten ------+                           | no commit for long
 *      +------------- CAS back read -------- BACKING <------+
 *
 * A session that opens a joint record begins in JOINT. Joint rules hold in all but STABLE.
 */
enum membership_stage {
	MEMBERSHIP_STABLE,
	MEMBERSHIP_JOINING,
	MEMBERSHIP_JOINT,
	MEMBERSHIP_LEAVING,
	MEMBERSHIP_BACKING,
};

struct membership {
	enum membership_stage stage;
	uint8_t members, voters, next; /* next: 0 while it isn't joint */
	uint64_t entry_seq;            /* of the membership entry; 0: not yet */
	bool asked;                    /* the record's outcome will be told */
	bool uncertain;                /* an earlier attempt may yet land */
	uint64_t since_ns, retry_ns;
};

struct coordinator {
	struct coordinator_config config;
	struct membership membership;
	enum coordinator_phase phase;
	const char *why_ended;
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
	uint64_t read_retry_ns;
	uint64_t error_check_ns;
	bool again; /* something became due for a voter that this poll has passed */
	uint64_t quorum_waits, dropped;
	uint64_t token;
	struct epoch promised; /* greatest told by a STALE */

	unsigned next_voter; /* fairness of poll */
	struct voter voters[GROUP_MAX_VOTERS];
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
/* Fills the next entry for this voter; false when there is none to send now. */
bool coordinator_next_entry(struct coordinator *co, int i, struct message *m);
void coordinator_entry_sent(struct coordinator *co, int i, const struct entry *entry);
void coordinator_entry_unsent(struct coordinator *co, int i, const struct entry *entry);
/* A complete, matched voter that has seq, other than `target` and those in the mask `without`; the local one
 * first; or -1. */
int coordinator_source(const struct coordinator *co, int target, uint64_t seq, uint8_t without);

/* The sending time of the newest question that a quorum has answered; 0: none. */
uint64_t coordinator_confirmed_ns(const struct coordinator *co);
bool coordinator_lease_is_valid(const struct coordinator *co, uint64_t now_ns);
void coordinator_lease_step(struct coordinator *co);

void coordinator_reads_step(struct coordinator *co);
bool coordinator_next_read(struct coordinator *co, struct coordinator_effect *effect);

void coordinator_sync_wanted(struct coordinator *co, int i);
void coordinator_sync_step(struct coordinator *co, int i);
void coordinator_recv_sync_started(struct coordinator *co, int i, const struct message *m);
void coordinator_recv_grain_answer(struct coordinator *co, int i, const struct message *m);
void coordinator_recv_grain_written(struct coordinator *co, int i, const struct message *m);
void coordinator_recv_sync_finished(struct coordinator *co, int i, const struct message *m);
/* Fills what `due` says of the resync. */
void coordinator_sync_message(struct coordinator *co, int i, enum voter_due due, struct message *m);

#endif
