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
	/* Of a snapshot's view only: which blocks it has, or has that the older snapshot `snapshot` hasn't.
	 */
	REQUEST_MAP,
};

/* One request in flight; the front's, which keeps it until done() has run. */
struct request {
	enum request_op op;
	uint64_t offset_bytes; /* multiples of 4096, inside the volume; else done(-EINVAL) */
	uint64_t
		length_bytes; /* a read or write: at most ENTRY_MAX_BYTES, fronts split; trim and zero: any */
	/* write: the data; read: filled, cap_bytes >= length_bytes; map: filled, cap_bytes >=
	 * volume_map_bytes(). From volume_bufs(). A read may be answered with another buffer in its place:
	 * the reference to the former one has gone then, and this one is the front's. */
	struct buf *data;
	struct uuid snapshot; /* SNAPSHOT, SNAPSHOT_DELETE, ROLLBACK; MAP: none: all that it has */
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

/*
 * What one REQUEST_MAP may ask for: offset and length are multiples of GRAIN_BYTES.
 * It is done with -EINVAL where `snapshot` is no older one that the view's stands on, or was removed.
 */
#define VOLUME_MAP_MAX_BYTES   (UINT64_C(256) << 20)
#define VOLUME_MAP_GRAIN_BYTES 4u /* of a grain: u16 blocks with data, u16 blocks trimmed */

static inline uint32_t volume_map_bytes(uint64_t length_bytes)
{
	uint64_t bytes = length_bytes / GRAIN_BYTES * VOLUME_MAP_GRAIN_BYTES;

	ASSERT(length_bytes <= VOLUME_MAP_MAX_BYTES);
	return (uint32_t)((bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES);
}

/* Without an older snapshot what has no data reads as zeroes, and is BLOCK_SAME. */
enum block_state { BLOCK_SAME, BLOCK_DATA, BLOCK_TRIMMED };

/* Of a map's block, by its number in the request's range. */
static inline enum block_state volume_map_block(const struct buf *map, uint32_t block)
{
	size_t at = (size_t)block / GRAIN_BLOCKS * VOLUME_MAP_GRAIN_BYTES;
	unsigned bit = 1u << block % GRAIN_BLOCKS;
	uint16_t present, trimmed;
	struct reader r;

	ASSERT(at + VOLUME_MAP_GRAIN_BYTES <= map->len_bytes);
	r = reader_init(map->data + at, VOLUME_MAP_GRAIN_BYTES);
	present = read_u16(&r);
	trimmed = read_u16(&r);
	return present & bit ? BLOCK_DATA : trimmed & bit ? BLOCK_TRIMMED : BLOCK_SAME;
}

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
