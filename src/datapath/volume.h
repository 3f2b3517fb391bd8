/*
 * A volume that is attached on this node, as the fronts (FUSE, later NBD and ublk) see it: requests in,
 * answers out. Thread rule: the data-plane thread that owns the volume. `done` never runs inside
 * volume_submit().
 */
#ifndef QUOIN_DATAPATH_VOLUME_H
#define QUOIN_DATAPATH_VOLUME_H

#include "base/base.h"

struct volume;

enum request_op {
	REQUEST_READ,
	REQUEST_WRITE,
	REQUEST_TRIM,  /* reads as zeroes afterwards; space is given back */
	REQUEST_ZERO,  /* write zeroes */
	REQUEST_FLUSH, /* every answered write is durable already: answered at once */
	/* The volume as it is when this is answered, or earlier, can be read for ever under `snapshot`; it is
	 * forgotten; the volume is as it was then. Behind everything that was answered before. */
	REQUEST_SNAPSHOT,
	REQUEST_SNAPSHOT_DELETE,
	REQUEST_ROLLBACK,
};

/* One request in flight; the front's, which keeps it until done() has run. */
struct request {
	enum request_op op;
	uint64_t offset_bytes; /* multiples of 4096, inside the volume; else done(-EINVAL) */
	uint64_t
		length_bytes; /* a read or write: at most ENTRY_MAX_BYTES, fronts split; trim and zero: any */
	struct buf *data; /* write: the data; read: filled, cap_bytes >= length_bytes. From volume_bufs() */
	struct uuid snapshot; /* SNAPSHOT, SNAPSHOT_DELETE, ROLLBACK */
	uint64_t id;          /* the front's number, unique in the attachment's life (FUSE: `unique`) */
	uint32_t part;        /* of a request that the front has split */
	void (*done)(
		struct request *request, int rc); /* 0; -EIO fenced or policy `error`; -ENOSPC; -EINVAL */
	void *user;
	/* below: the datapath's */
	struct list node;
	uint64_t started_ns;
	uint64_t seq;
	struct volume *volume;
	bool is_piece; /* made by stripe.c: not its own, not counted */
	void *priv[4];
};

/* Always ends in one done(), sooner or later: with policy `queue` it may wait for a quorum for as long as it
 * takes. */
void volume_submit(struct volume *volume, struct request *request);
/* Where the front gets its buffers; NULL from it means: stop reading requests until one is answered. */
struct buf_pool *volume_bufs(struct volume *volume);
uint64_t volume_size_bytes(const struct volume *volume);
/* A snapshot: what would change it gets -EROFS. Any thread. */
bool volume_is_read_only(const struct volume *volume);

/* A run of blocks that are alike. */
struct extent {
	uint64_t length_bytes; /* a multiple of 4096, at least one block */
	bool is_hole;          /* it reads as zeroes, and takes no space */
};
/*
 * The run that begins at offset_bytes, at most max_bytes long (multiples of 4096, inside the volume,
 * max_bytes not 0), as of now; it may be told shorter than it is. What can't be known at once (no local
 * replica that is matched and under a valid lease) is told as no hole.
 */
struct extent volume_extent(struct volume *volume, uint64_t offset_bytes, uint64_t max_bytes);

#endif
