/*
 * The vocabulary that replication, store and wire share: epochs, positions and log entries.
 * docs/protocol.md explains the words. An entry keeps its birth (epoch, seq) for ever.
 */
#ifndef QUOIN_BASE_ENTRY_H
#define QUOIN_BASE_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mutant.h"
#include "base/uuid.h"

/* Compared number first. {0, 0} is "never". */
struct epoch {
	uint64_t number;  /* from the kvdb: one for each attach */
	uint32_t restart; /* raised by an agent that restarts while the kvdb is away */
};

/* Of a log's last entry; {{0, 0}, 0} is the empty log. Seqs begin with 1. */
struct position {
	struct epoch epoch;
	uint64_t seq;
};

/* One row of a log's table: entries from first_seq on, up to the next row's, were born in this epoch. */
struct epoch_start {
	struct epoch epoch;
	uint64_t first_seq;
};

enum entry_op {
	ENTRY_WRITE = 1,
	ENTRY_TRIM = 2,            /* reads as zeroes, space given back */
	ENTRY_ZERO = 3,            /* write zeroes; stored like a trim */
	ENTRY_NEW_EPOCH = 4,       /* first entry of a session: bears the attachment */
	ENTRY_SNAPSHOT = 5,        /* what is before it can be read for ever under its UUID */
	ENTRY_DELETE_SNAPSHOT = 6, /* its UUID is forgotten; what nothing else needs is given back */
	/* 7 was kept for a resize, which is no entry */
	ENTRY_MEMBERSHIP = 8, /* the group has these voters: request_id is the record's number */
	ENTRY_ROLLBACK = 9,   /* the volume is as the snapshot; what was written since is dropped */
};

/* Whether it changes which snapshots there are, or what the volume stands on. */
static inline bool entry_op_is_structural(enum entry_op op)
{
	return op == ENTRY_SNAPSHOT || op == ENTRY_DELETE_SNAPSHOT || op == ENTRY_ROLLBACK;
}

/* Whether grains may come free when it is applied. */
static inline bool entry_op_makes_room(enum entry_op op)
{
	return op == ENTRY_TRIM || op == ENTRY_ZERO || op == ENTRY_DELETE_SNAPSHOT || op == ENTRY_ROLLBACK;
}

struct entry_pool;

/* Reference-counted; immutable once it has a seq, so that coordinator, store and network share one. */
struct entry {
	struct epoch epoch;
	uint64_t seq;
	enum entry_op op;
	uint64_t offset_bytes;  /* multiple of 4096 */
	uint64_t length_bytes;  /* multiple of 4096; a write's is at most ENTRY_MAX_BYTES, a trim's any */
	uint64_t request_id;    /* unique in the attachment's life: the front's number for the request;
				ENTRY_MEMBERSHIP:    the number of the record */
	uint32_t request_part;  /* where one request became several entries */
	struct uuid attachment; /* ENTRY_NEW_EPOCH; of SNAPSHOT, DELETE_SNAPSHOT, ROLLBACK: the snapshot's */
	bool steward;           /* ENTRY_NEW_EPOCH only */
	struct buf *payload;    /* ENTRY_WRITE only: length_bytes of data */
	uint32_t crc[ENTRY_MAX_BLOCKS]; /* ENTRY_WRITE only: one for each block of the payload */
	uint32_t refs;
	struct entry_pool *pool;
	struct list free;
};

/* Whether `op` is one of the above; whether entries of it bear a UUID. */
bool entry_op_is_known(uint32_t op);
bool entry_op_has_uuid(enum entry_op op);

/* ---- inline, since each message and each entry is compared ---- */

static inline int epoch_compare(struct epoch a, struct epoch b)
{
	if (a.number != b.number)
		return a.number < b.number ? -1 : 1;
	if (a.restart != b.restart && !MUTANT(restart_ignored))
		return a.restart < b.restart ? -1 : 1;
	return 0;
}

static inline bool epoch_equal(struct epoch a, struct epoch b)
{
	return epoch_compare(a, b) == 0;
}

static inline int position_compare(struct position a, struct position b)
{
	int order = epoch_compare(a.epoch, b.epoch);

	if (order)
		return order;
	if (a.seq != b.seq)
		return a.seq < b.seq ? -1 : 1;
	return 0;
}

/* ---- */

/* A bounded pool of entries; belongs to one thread. -ENOMEM. */
int entry_pool_new(uint32_t capacity, struct entry_pool **ret_pool) MUST_CHECK;
/* All entries must have been put. NULL is fine. */
void entry_pool_free(struct entry_pool *pool);
/* One reference, all fields zero. NULL when the pool is empty: back-pressure. */
struct entry *entry_get(struct entry_pool *pool);
struct entry *entry_ref(struct entry *entry);
/* Drops one reference, and the payload's with the last; NULL is fine. */
void entry_put(struct entry *entry);
/*
 * Whether op, offset, length, payload and, for writes, every block's checksum agree, inside a device of
 * size_bytes. For entries from a wire or a disk.
 */
bool entry_is_valid(const struct entry *entry, uint64_t size_bytes);

#endif
