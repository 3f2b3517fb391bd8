/*
 * Opening a pool, step by step; each step ends in the next.
 *
 *   superblocks -> table -> ring scan (where are batches?) -> replay (in order) -> refill (what replay had no
 *     memory for) -> settle (maps, sums, gaps) -> flush -> superblock A, flush, superblock B, flush -> first
 * batch: a mark and what damage says -> told
 */
#ifndef QUOIN_STORE_OPENING_H
#define QUOIN_STORE_OPENING_H

#include "store/pool.h"

#define STALE_MAX     16u
#define WINDOW_BLOCKS 1024u /* of the ring in memory: the longest batch and more */

/* A valid header that the scan has found at a block of the ring; number 0: none there. */
struct found {
	uint64_t number, open_count, tail, durable;
	uint32_t tail_block;
};

/* What replay learns of a replica besides its record. */
struct suspect {
	bool damaged;        /* named by a batch that is lost, or its slots don't agree with its sum */
	bool unsure;         /* its record may be old: its promise is not known */
	bool orphans;        /* entries stand in the ring, and no record says whose they are */
	uint64_t rotten_seq; /* an entry with a rotten payload */
};

struct opening {
	struct pool *pool;
	struct loop *loop;
	pool_open_fn fn; /* NULL: told; what the device has not answered is waited for */
	void *arg;
	struct error error;
	int rc;
	struct device_io io;
	struct iovec iov;
	struct loop_timer timer; /* each second until the first batch: looks for the answer */
	unsigned looks;          /* since the newest operation began */
	void (*next)(struct opening *o);
	uint8_t *window;                     /* WINDOW_BLOCKS */
	uint32_t window_block, window_count; /* what of the ring is in it */
	uint32_t page;                       /* table: next page to read */
	uint8_t *pages[2];
	/* ring */
	struct found *found;
	uint32_t scanned;
	uint64_t claim;            /* all batches up to here were durable */
	uint64_t number, position; /* replay: the next one expected */
	uint64_t refill; /* the next batch that may hold entries whose content is still to be read */
	uint64_t former_open_count;
	uint64_t directory_sum; /* of the last header that was accepted */
	uint64_t layer_sum;
	uint64_t accepted;       /* batches */
	uint64_t redirect_batch; /* whose redirected grains are being compared, or were */
	unsigned redirect_next;  /* grains of it that were */
	bool redirect_rotten;    /* one differs */
	uint8_t *grain;
	bool lost_former; /* the batch before was lost: the next header says whom it named */
	bool all_damaged;
	bool sum_known;
	struct suspect *suspects; /* by directory place */
	unsigned superblock_step;
	bool marked;
	/* What was found in places that hold a layer's record (slot.index says which). */
	uint64_t *hashes; /* of the slots found, by place; until layers and sums are settled */
	struct layer_record *layers;
	uint32_t layer_count, layer_size;
	/* Places of older slots for an index that has a newer one: freed with what says the damage. */
	uint32_t stale[STALE_MAX];
	unsigned stale_count;
};

void opening_fail(struct opening *o, int rc);
void opening_read(struct opening *o, uint8_t *to, uint64_t length_bytes, uint64_t offset_bytes,
	void (*next)(struct opening *o));
void opening_write(struct opening *o, uint8_t *from, uint64_t offset_bytes, void (*next)(struct opening *o));
void opening_flush(struct opening *o, void (*next)(struct opening *o));

/* ---- open_table.c ---- */
void open_table(struct opening *o);
/* ---- open_scan.c ---- */
void open_scan(struct opening *o);
bool found_is_leftover(const struct opening *o, const struct found *found);
/* ---- replay.c ---- */
void open_replay(struct opening *o);
/* The batch stands in the window; 0, or -EILSEQ when it is not whole. */
int replay_batch(struct opening *o, const struct batch_header *h, struct reader *records, uint32_t block);
/* True when these blocks of the ring stand in the window; else they are being read, and `next` is called. */
bool opening_window(struct opening *o, uint32_t block, uint32_t count, void (*next)(struct opening *o));
/* ---- replay_redirects.c ---- */
/* The batch's redirected grains are compared; false: one is being read, and then replay goes on. */
bool replay_redirects(struct opening *o, const struct batch_header *h, struct reader records);
/* ---- replay_refill.c ---- */
void open_refill(struct opening *o);
/* ---- replay_records.c ---- */
void replay_damage_names(struct opening *o, const struct batch_name *names, unsigned count);
/* ---- settle_layers.c ---- */
/* Its place holds this record now. -ENOMEM. */
int opening_layer(struct opening *o, const struct layer_record *record) MUST_CHECK;
/* Layers from records, slots to layers; who is damaged. -ENOMEM. */
int layers_settle(struct opening *o) MUST_CHECK;
/* ---- settle.c ---- */
void open_settle(struct opening *o);
/* ---- open.c ---- */
void open_superblocks_write(struct opening *o);

#endif
