/*
 * Layers: what was written between two snapshots. A replica writes into its top layer; below it stand frozen
 * ones, down to the bottom. A clone's top stands on another replica's snapshot, so layers make trees:
 *
 *   bottom <- A (snapshot a) <- B (snapshot b) <- top of a volume
 *                            ^- top of a clone from a
 *
 * All versions of a grain in one tree hang on one chain, newest layer first: who reads walks only what exists
 * of his grain, however many layers there are, and asks of each version whether its layer lies below his own
 * (`in` and `out` of a walk through the tree answer that at once).
 */
#ifndef QUOIN_STORE_LAYER_H
#define QUOIN_STORE_LAYER_H

#include "loop/loop.h"
#include "store/ondisk.h"
#include "store/store.h"

#define LAYER_BUCKETS_LOG 12u
#define LAYER_BUCKETS     (1u << LAYER_BUCKETS_LOG)

/* Its bitmap has a bit for each index that any layer of the tree has, or had, or that is pending. */
struct tree {
	uint64_t key; /* with an index: what the map is keyed by */
	uint64_t *bits;
	uint64_t limit;      /* indices */
	uint64_t reap_index; /* below it nothing dead is left */
	uint32_t refs;       /* layers */
};

struct layer {
	struct list node;  /* pool->layers, by number */
	struct list owned; /* replica->layers: the frozen ones of its tree, by number */
	struct layer *bucket_next;
	struct layer_record record; /* as of the ring's head; of a top only number, parent and root */
	struct layer *parent;       /* as the map stands; so are all of the following */
	struct tree *tree;
	struct pool_replica *top_of; /* NULL: frozen */
	struct pool_replica *owner;  /* of a frozen one; NULL: nobody's, but others stand on it */
	uint64_t head_batch;         /* newest batch with an image of its record */
	uint64_t grains;             /* with blocks */
	uint32_t id;                 /* in pool->layer_table */
	uint32_t in, out, next, size, children;
	bool is_snapshot, reached;
	bool dead;       /* nothing reaches it: reap.c */
	bool dead_child; /* `children` are the others */
	bool pinned;     /* on its way to be a top */
	/* usage.c, during one turn: its row, and where a child has a grain instead of it */
	uint64_t instead_index;
	uint32_t instead_place, usage_row;
	/* at open */
	uint64_t found_count, found_sum;
	bool damaged;
};

/* Whether what `layer` holds can be seen from `view`: it is `view` itself or below it. One tree. */
static inline bool layer_sees(const struct layer *view, const struct layer *layer)
{
	return layer->in <= view->in && view->out <= layer->out;
}

struct pool;
struct pool_replica;

uint64_t layer_number_new(struct pool *pool);
/* On top of parent, or alone (NULL: a tree of its own with room for `limit` indices). NULL: no memory. */
struct layer *layer_new(struct pool *pool, uint64_t number, struct layer *parent, uint64_t limit);
/* Room for so many indices. False: no memory. */
bool tree_grow(struct tree *tree, uint64_t limit) MUST_CHECK;
void layer_free(struct pool *pool, struct layer *layer);
struct layer *layer_by_number(struct pool *pool, uint64_t number);
/* The snapshot of this name; NULL: not there (not applied yet, or removed). */
struct layer *layer_of_snapshot(const struct pool_replica *replica, struct uuid snapshot);
/* The uppermost layer of a level; NULL: it is not there. */
struct layer *level_upper(const struct pool_replica *replica, struct grain_level level);
/* The same of the next level below, of its own snapshots; NULL: it is the lowest. */
const struct layer *level_below(const struct pool_replica *replica, const struct layer *upper);
/* After parents have changed: the walk is made anew. */
void layers_number(struct pool *pool);

/* reap.c. Dead layers, by layer.owned. */
struct reap {
	bool wanted; /* something may have gone out of reach */
	struct list layers;
	struct loop_timer timer; /* set: the turns of others */
};

void reap_init(struct pool *pool);
void reap_done(struct pool *pool);
/* What nothing reaches any more is dead. No round may be under way. */
void layers_reap(struct pool *pool);
/* Some of its grains go into quarantine, and it goes with the last. No round may be under way. */
void reap_pump(struct pool *pool);

/* Of the records of the frozen layers that will be reached once all that is composed is durable. */
uint64_t layers_sum(struct pool *pool);
void layer_own(struct layer *layer, struct pool_replica *owner);
/* It has one grain more, one less. */
void layer_grain_came(struct layer *layer);
void layer_grain_went(struct layer *layer);
/* The record's figures: the replica's while it is a top. */
uint64_t *layer_grain_count(struct layer *layer);
uint64_t *layer_grain_sum(struct layer *layer);

/* Of the blocks of a grain as seen from `top`, without what is seen from `stop` (NULL: all): */
struct layer_masks {
	uint16_t present, zero;
};
struct layer_masks layer_masks_at(
	const struct pool *pool, const struct layer *top, const struct layer *stop, uint64_t index);
/*
 * Blocks of which a mark of zero in this layer must be kept: something shines through. Above a layer that is
 * to be merged all are: a slot that was changed keeps its version, be it merged sooner or later.
 */
uint16_t layer_marks(const struct pool *pool, const struct layer *layer, uint64_t index);
/* The place that holds the block; PHYS_NONE: it reads as zeroes. */
uint32_t layer_block_find(const struct pool *pool, const struct layer *top, uint64_t index, unsigned block);

#endif
