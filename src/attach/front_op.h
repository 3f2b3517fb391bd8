/*
 * A request of the kernel or of an NBD client on its way through the volume: split into parts of at most one
 * entry each, answered when the last part is.
 *
 *   begin -> submit_part | submit_read ... (all parts) -> ended() -> release
 *
 * Thread rule: the data-plane thread of the volume. The op is the front's, and stays where it is until
 * ended() has run; ended() never runs inside a submit.
 */
#ifndef QUOIN_ATTACH_FRONT_OP_H
#define QUOIN_ATTACH_FRONT_OP_H

#include "datapath/volume.h"

/* The largest read or write that a front takes: 1 MiB. */
#define FRONT_MAX_BYTES (1024u * 1024)
#define FRONT_MAX_PARTS (FRONT_MAX_BYTES / ENTRY_MAX_BYTES)

struct front_op {
	struct list node; /* the front's: free, or waiting for buffers */
	struct volume *volume;
	enum request_op op;
	uint64_t id; /* unique in the attachment's life */
	uint64_t offset_bytes;
	uint64_t length_bytes;
	struct uuid snapshot; /* of a map: see struct request; none by front_op_begin() */
	unsigned part_count;
	unsigned part_submitted;
	unsigned part_answered;
	int rc; /* the first error */
	void (*ended)(struct front_op *op);
	struct request part[FRONT_MAX_PARTS];
};

/* Whole blocks inside the volume, at least one. */
bool front_range_is_valid(const struct volume *volume, uint64_t offset_bytes, uint64_t length_bytes);
/*
 * Reads and writes are at most FRONT_MAX_BYTES; others are one part of any length. `ended` runs once, when
 * all parts have been answered.
 */
void front_op_begin(struct front_op *op, struct volume *volume, enum request_op kind, uint64_t id,
	uint64_t offset_bytes, uint64_t length_bytes, void (*ended)(struct front_op *op));
/* The length of part `index`. */
uint32_t front_op_part_bytes(const struct front_op *op, unsigned index);
/* Submits the next part; `data` (NULL for what carries none) is the op's from here on. */
void front_op_submit_part(struct front_op *op, struct buf *data);
/* Submits as many parts of a read as there are buffers for. True: all. */
bool front_op_submit_read(struct front_op *op, struct buf_pool *bufs);
/* Ends an op that waits for buffers: what was submitted is waited for. May run ended(). */
void front_op_drop(struct front_op *op, int rc);
/* Puts the buffers back. */
void front_op_release(struct front_op *op);

#endif
