/* merge.c: a removed layer goes into its only child, and its room comes back. Part of store/pool.h. */
#ifndef QUOIN_STORE_MERGE_H
#define QUOIN_STORE_MERGE_H

#include "store/device.h"
#include "store/layer.h"

struct pool;
struct round_replica;

#define MERGE_PAUSE_NS      (50 * NS_PER_MS) /* between turns, beside writes */
#define MERGE_IDLE_NS       (2 * NS_PER_MS)  /* the same, when nothing else is to be done */
#define MERGE_LOOK_PAUSE_NS (5 * NS_PER_MS)  /* beside writes, between turns that found nothing */
#define MERGE_STEPS         256u             /* grains in one turn */
#define MERGE_BLOCKS        256u             /* of which so many blocks are copied: 1 MiB */

/* What a turn does with a grain of the removed layer. */
struct merge_step {
	struct device_io io;
	struct iovec iov;
	struct pool *pool;
	uint32_t index, place; /* the removed layer's place */
	uint16_t copied;       /* blocks of which the child gets a copy ... */
	uint8_t *first;        /* ... and where block 0 would stand in memory */
};

enum merge_state { MERGE_IDLE, MERGE_READING, MERGE_READY, MERGE_ROUND };

struct merge {
	enum merge_state state;
	bool wanted;     /* layers have changed: one may be there to be merged */
	bool last;       /* nothing is in it any more: its child gets its parent */
	uint64_t number; /* of the removed layer */
	uint64_t cursor; /* its grains below are done */
	uint64_t next;   /* the cursor after this turn */
	struct merge_step *steps;
	unsigned count, busy;
	uint8_t *blocks;
	uint32_t blocks_used;
	struct loop_timer timer; /* set: the turns of others */
};

/* A removed layer, and the child that gets what it has. */
struct merge_pair {
	struct layer *gone, *heir;
	struct pool_replica *replica; /* one whose images name the turn */
};

int merge_init(struct pool *pool) MUST_CHECK;
void merge_done(struct pool *pool);
/* Looks for a removed layer, and reads what is to be copied. */
void merge_pump(struct pool *pool);
/* What was read is in hand: fills a round with nothing else in it. False: there is nothing to do. */
bool merge_round(struct pool *pool);
/* The round's images are durable. */
void merge_round_ended(struct pool *pool);
/* The last step of a merge: in the images, and in memory once they are durable. */
uint8_t *merge_image(struct pool *pool, struct round_replica *rr, uint64_t batch, uint8_t *unit);
void merge_move(struct pool *pool, struct round_replica *rr, uint64_t batch);
/* ---- of merge.c, for merge_round.c ---- */
bool merge_pair_find(const struct pool *pool, struct merge_pair *ret_pair);
/* Blocks that can be seen of the removed layer's slot: the child's (PHYS_NONE: none) says nothing of them. */
uint16_t merge_lacking(const struct pool *pool, uint32_t gone, uint32_t heir);
/* Of these, those that go into a grain which the child has. */
uint16_t merge_copied(const struct pool *pool, uint32_t gone, uint32_t heir);
/* No turn for so long. */
void merge_pause(struct pool *pool, uint64_t ns);

/* Grains of removed layers that will be merged. */
uint64_t merge_left(const struct pool *pool);

#endif
