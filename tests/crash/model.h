/*
 * What a replica in a pool must be after a crash: the outcome of some prefix of what was asked of it, which
 * holds everything that had been answered. Content is made from numbers, so that every block tells which
 * entry wrote it.
 */
#ifndef QUOIN_TESTS_CRASH_MODEL_H
#define QUOIN_TESTS_CRASH_MODEL_H

#include "store/store.h"

#define MODEL_SIZE_BYTES (16u * GRAIN_BYTES)
#define MODEL_BLOCKS     (MODEL_SIZE_BYTES / BLOCK_BYTES)
#define MODEL_RECORDS    1024u
#define MODEL_REPLICAS   2u
#define MODEL_CLONES     1u
#define MODEL_SNAPSHOTS  4u /* of one replica at a time */

enum model_kind { MODEL_APPEND, MODEL_TRUNCATE, MODEL_STATE };

struct model_record {
	enum model_kind kind;
	/* MODEL_APPEND */
	struct position position;
	enum entry_op op;
	uint64_t offset_bytes, length_bytes;
	uint64_t tag; /* of the content; SNAPSHOT, DELETE_SNAPSHOT, ROLLBACK: the snapshot's name */
	/* MODEL_TRUNCATE */
	uint64_t keep_seq;
	/* MODEL_STATE */
	struct replica_state state;
};

struct model {
	struct pool_replica_identity identity;
	struct model_record records[MODEL_RECORDS];
	unsigned count;    /* asked for */
	unsigned answered; /* the first so many are answered */
	uint64_t commit_told;
	uint64_t base[MODEL_BLOCKS]; /* a clone's, before its first entry */
};

/* The log and state after the first `prefix` records. */
struct model_view {
	unsigned log[MODEL_RECORDS + 1]; /* by seq: the record; 0 is unused */
	uint64_t last_seq;
	struct position last;
	struct replica_state state;
};

void model_view(const struct model *m, unsigned prefix, struct model_view *ret_view);
/* Block by block: the tag of the newest entry up to seq, 0 for zeroes. */
void model_image(const struct model *m, const struct model_view *view, uint64_t seq,
	uint64_t tags[static MODEL_BLOCKS]);
/* The snapshots that there are after `seq`: the entries' seqs, oldest first. Returns the count. */
unsigned model_snapshots(const struct model *m, const struct model_view *view, uint64_t seq,
	uint64_t seqs[static MODEL_SNAPSHOTS]);
struct uuid model_snapshot_name(uint64_t tag);
/* An entry became durable: everything up to the record that appended it is answered. */
void model_durable(struct model *m, uint64_t seq);
void block_fill(uint8_t *block, uint64_t tag, uint64_t index);
bool block_matches(const uint8_t *block, uint64_t tag, uint64_t index);
bool state_equal(const struct replica_state *a, const struct replica_state *b);

#endif
