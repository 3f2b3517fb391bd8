/*
 * What a coordinator and a replica say to each other, in memory. datapath/wire_*.c puts it on the wire;
 * between a coordinator and the replica on its own node it is handed over as it is.
 *
 *   coordinator                         replica
 *   OPEN               ->               promises, durably; OPEN_ANSWER, or STALE, or CONFIG
 *   MATCH              ->               truncates; MATCH_ANSWER: from now on it is matched
 *   APPEND             ->               appends; APPEND_ANSWER (cumulative; grants the lease)
 *   READ               ->               READ_ANSWER
 *   SNAPSHOT_READ      ->               READ_ANSWER; of no session: from any node, at any time; a map: which
 *                                       blocks there are, not what is in them
 *   LOG_READ           ->               LOG_ANSWER: one entry of its log
 *   SYNC_START         ->               persists "syncing", forgets its log; SYNC_STARTED
 *   SYNC_WINDOW        ->               (in the stream of entries) the next map is compared as of here
 *   MAP_READ           -> (a source)    MAP_ANSWER: which grains it has, in which version
 *   MAP_COMPARE        -> (the target)  frees what the source hasn't; MAP_COMPARED: which grains differ
 *   GRAIN_READ         -> (a source)    GRAIN_ANSWER: one grain
 *   GRAIN_WRITE        -> (the target)  GRAIN_WRITTEN
 *   GRAIN_HEAL         -> (who has a    GRAIN_HEALED: bad blocks of this very version are written anew; or
 *                         bad block)    the grain becomes what a quorum has
 *                     <-               GRAIN_BAD: its scrub has found bad blocks; nobody has asked
 *                     <-               COMPARE_ASKED: its pool is scrubbed now: the replicas are to be
 *                                       compared (MAP_READ of each of them)
 *   SYNC_FINISH        ->               (in the stream) all is copied; SYNC_FINISHED once it is complete
 *   RELEASE            ->               the session serves nothing any more; RELEASE_ANSWER
 *   GROW               ->               the volume is larger (OPEN says it too): before what needs it
 *   PROBE              ->               PROBE_ANSWER: promise, and when the coordinator was heard last
 */
#ifndef QUOIN_REPLICATION_MESSAGE_H
#define QUOIN_REPLICATION_MESSAGE_H

#include "base/base.h"

enum message_type {
	MESSAGE_OPEN = 1,
	MESSAGE_OPEN_ANSWER = 2,
	MESSAGE_STALE = 3,
	MESSAGE_CONFIG = 4,
	MESSAGE_MATCH = 5,
	MESSAGE_MATCH_ANSWER = 6,
	MESSAGE_APPEND = 7,
	MESSAGE_APPEND_ANSWER = 8,
	MESSAGE_READ = 9,
	MESSAGE_READ_ANSWER = 10,
	MESSAGE_LOG_READ = 11,
	MESSAGE_LOG_ANSWER = 12,
	MESSAGE_SYNC_START = 13,
	MESSAGE_SYNC_STARTED = 14,
	MESSAGE_SYNC_WINDOW = 15,
	MESSAGE_GRAIN_READ = 16,
	MESSAGE_GRAIN_ANSWER = 17,
	MESSAGE_GRAIN_WRITE = 18,
	MESSAGE_GRAIN_WRITTEN = 19,
	MESSAGE_SYNC_FINISH = 20,
	MESSAGE_SYNC_FINISHED = 21,
	MESSAGE_RELEASE = 22,
	MESSAGE_RELEASE_ANSWER = 23,
	MESSAGE_PROBE = 24,
	MESSAGE_PROBE_ANSWER = 25,
	MESSAGE_GROW = 26,
	MESSAGE_MAP_READ = 32,
	MESSAGE_MAP_ANSWER = 33,
	MESSAGE_MAP_COMPARE = 34,
	MESSAGE_MAP_COMPARED = 35,
	MESSAGE_GRAIN_HEAL = 36,
	MESSAGE_GRAIN_HEALED = 37,
	MESSAGE_SNAPSHOT_READ = 38,
	MESSAGE_GRAIN_BAD = 39,
	MESSAGE_COMPARE_ASKED = 40,
	MESSAGE_TYPE_END
};

/*
 * Levels of a replica: what the volume has been written since its newest snapshot, then the snapshots, from
 * 1, oldest first; all levels in one, as the volume, or a snapshot, reads; and, for a map, which snapshots
 * there are.
 */
#define LAYER_TOP   UINT64_C(0)
#define LAYER_WHOLE (UINT64_MAX - 1)
#define LAYER_TREE  UINT64_MAX

/* A grain's content on its way from a source to a target. */
struct message_grain {
	uint64_t layer;
	uint64_t index;
	bool found;         /* ANSWER, WRITE, HEAL: false: nothing is there */
	struct epoch epoch; /* of the newest entry in it: its version, the same on every replica */
	uint64_t seq;
	uint16_t present;
	uint16_t zero;
};

/* Grains that one window's map may name, and of which a target may want copies. */
#define MAP_MAX_GRAINS 1024u
#define MAP_MAX_COPIES 64u
/* A grain in a map, and in one that is only counted (survey). */
#define MAP_RECORD_BYTES 96u
#define MAP_SURVEY_BYTES 16u
/* A snapshot in a map of LAYER_TREE, and how many a replica may have. */
#define MAP_LEVEL_BYTES 64u
#define MAP_MAX_LEVELS  1024u

/* A map of the grains in [from, end), on its way from a source to a target. */
struct message_map {
	uint64_t layer;
	uint64_t from;
	uint64_t end;    /* READ: not beyond; COMPARED: what was compared ends here */
	uint32_t count;  /* READ: at most so many grains; ANSWER, COMPARE: so many are in the payload (of
			    LAYER_TREE: snapshots) */
	uint32_t copies; /* COMPARE: at most so many may differ; COMPARED: so many do (`indices`, or a
			    survey's number) */
	uint32_t freed;  /* COMPARED */
	bool survey;     /* nothing is done about it, differences are counted */
	bool reset;      /* COMPARE of LAYER_TREE: what the target has can't be kept */
};

/* What one SNAPSHOT_READ with `map` may ask for, and what its answer has of each grain: which blocks have
 * data u16, which were trimmed since `older` u16; filled up with zeroes to whole blocks. */
#define SNAPSHOT_MAP_MAX_GRAINS   4096u
#define SNAPSHOT_MAP_RECORD_BYTES 4u

/*
 * One message. Every one carries type, epoch, session and attempt; the others are set where the comment names
 * the type. Pointers are borrowed: valid during the call that hands the message over; who keeps entry or
 * payload takes a reference.
 */
struct message {
	enum message_type type;
	uint32_t lease_ms;  /* OPEN */
	struct epoch epoch; /* the session's; in a STALE or PROBE_ANSWER too: the one that was asked with */
	uint64_t session;
	/* Counts the (re)connections of one session to one voter: frames of an earlier connection are
	 * recognised. */
	uint32_t attempt;
	int32_t rc; /* answers: 0 or -errno */

	uint64_t token;         /* *READ, GRAIN_*, MAP_*, SYNC_START: given back in the answer */
	uint64_t clock_ns;      /* OPEN, APPEND: the coordinator's clock; given back in the answer */
	uint64_t config_number; /* OPEN, CONFIG */
	uint64_t dead_session;  /* OPEN: a session that is known to be dead: its leases need not be waited for
				 */
	uint64_t size_bytes;    /* OPEN, GROW, SNAPSHOT_READ, OPEN_ANSWER: the volume is at least so large */

	struct epoch promised; /* STALE, PROBE_ANSWER */
	uint64_t heard_ms; /* PROBE_ANSWER: since the last word of the promised session; UINT64_MAX: never */

	struct position position; /* OPEN_ANSWER: last entry; SYNC_START: where the log begins anew */
	uint64_t first_seq;       /* OPEN_ANSWER: oldest entry that LOG_READ can give */
	uint64_t seq; /* MATCH: keep up to it; READ: read_seq; LOG_READ: which; GRAIN_READ: at least this new;
			 SYNC_FINISH: to be applied before; APPEND_ANSWER, MATCH_ANSWER, SYNC_FINISHED:
			 durable up to it; MAP_READ: at least this new; MAP_ANSWER, GRAIN_ANSWER: q, the
			 commit_seq at which it was taken; GRAIN_HEAL, not 0: the whole grain becomes
			 this one, if what is applied by then is between grain.seq and this */
	uint64_t commit_seq; /* APPEND, OPEN_ANSWER, APPEND_ANSWER, GRAIN_READ */
	uint64_t all_seq;    /* APPEND */
	uint64_t room_bytes; /* OPEN_ANSWER, MATCH_ANSWER, APPEND_ANSWER: payload that it can take now */
	bool full;           /* MATCH_ANSWER, APPEND_ANSWER: its pool has room for what is under way only */
	bool no_snapshot;    /* MATCH_ANSWER, APPEND_ANSWER: it has no room for what a snapshot of it takes */
	bool incomplete;     /* OPEN_ANSWER, APPEND_ANSWER */
	bool damaged;        /* OPEN_ANSWER: incomplete by damage, not by an unfinished resync */
	bool retired;        /* OPEN_ANSWER */
	bool steward;        /* OPEN */
	bool regressed;  /* MATCH: it has lost entries that it had acknowledged: it must persist "incomplete,
			    since" first */
	bool map_wanted; /* SNAPSHOT_READ: the range is whole grains, and may be larger */
	struct position since; /* OPEN_ANSWER (while incomplete); MATCH, SYNC_START: an upper bound of what it
				  may have acknowledged */

	const struct epoch_start *rows; /* OPEN_ANSWER, SYNC_START: the table of epochs */
	uint32_t row_count;

	uint64_t offset_bytes; /* READ, SNAPSHOT_READ */
	uint32_t length_bytes; /* READ, SNAPSHOT_READ */
	struct uuid snapshot;  /* SNAPSHOT_READ; GRAIN_READ, GRAIN_HEAL, GRAIN_BAD: of LAYER_WHOLE, none: the
				  volume  as it is */

	struct uuid older; /* SNAPSHOT_READ with map_wanted: only what differs from this older snapshot */

	struct message_grain grain; /* GRAIN_* */
	struct message_map map;     /* MAP_* */
	const uint32_t *indices;    /* MAP_COMPARED: map.copies of them, ascending */
	uint32_t blocks; /* GRAIN_HEALED: so many were bad; GRAIN_HEAL: a bit for each that is written
			    anew whatever its checksum says; 0: those that are bad */

	struct entry *entry; /* APPEND (NULL: a heartbeat), LOG_ANSWER */
	struct buf *payload; /* READ_ANSWER, GRAIN_ANSWER, GRAIN_WRITE, GRAIN_HEAL, MAP_ANSWER, MAP_COMPARE */
	const uint32_t *crc; /* one for each block of the payload */
};

static inline bool message_has_grain(enum message_type type)
{
	return (type >= MESSAGE_GRAIN_READ && type <= MESSAGE_GRAIN_WRITTEN) || type == MESSAGE_GRAIN_HEAL ||
	       type == MESSAGE_GRAIN_HEALED || type == MESSAGE_GRAIN_BAD;
}

static inline bool message_has_map(enum message_type type)
{
	return type >= MESSAGE_MAP_READ && type <= MESSAGE_MAP_COMPARED;
}

/* "open", "append-answer" ... for traces and logs. */
const char *message_name(enum message_type type);

#endif
