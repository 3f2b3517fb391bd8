/*
 * The map of a pool, in memory: what each place of the table holds, the chains of versions, what is free, and
 * which pages of the table lack an image. Functions: map.c.
 */
#ifndef QUOIN_STORE_MAP_H
#define QUOIN_STORE_MAP_H

#include "store/ondisk.h"

struct pool;
struct pool_replica;
struct layer;
struct tree;

#define PHYS_NONE UINT32_MAX

struct page_state {
	uint64_t dirty; /* oldest batch with an image that the page lacks; 0: clean */
	uint64_t generation;
	uint32_t next, prev; /* dirty list */
	uint8_t copy;        /* where the newest is */
	bool sweeping;
	bool bad; /* at open: one of its places held garbage */
};

/* Where in the chain of its grain a slot stands, and whose it is. */
struct version {
	uint32_t next;  /* place, PHYS_NONE */
	uint32_t layer; /* id */
};

/* In slot.layer: a place that holds a layer's record (slot.index is its id), or that a round has taken. */
#define PLACE_LAYER UINT64_MAX
#define PLACE_TAKEN (UINT64_MAX - 1)
/* Extra places that trims leave for layers. */
#define EXTRA_KEEP(pool) (geometry_places(&(pool)->g) - (pool)->g.grain_count > 8192 ? 4096u : 32u)

struct map {
	struct slot *slots;       /* by place */
	struct version *versions; /* by place */
	uint32_t *hash;           /* (tree, index) -> place of the newest version */
	uint32_t hash_mask;
	uint64_t *free_bits;
	uint32_t free_count, used_count;
	uint32_t extra_free_count, extra_cursor; /* no place below the cursor is free */
	uint32_t cursor;
	uint32_t quarantine_first, quarantine_last; /* chained by slot.index; slot.seq is the batch */
	uint32_t quarantine_count;
	struct page_state *pages;
	uint32_t dirty_first, dirty_last;
	uint32_t prepared;    /* grains below are written blocks; on a raw device all are as good */
	uint32_t ready_count; /* free ones among them: what may be given out */
};

int map_init(struct pool *pool) MUST_CHECK;
void map_done(struct pool *pool);
void map_prepared(struct pool *pool, uint32_t prepared);
/* The newest version of a grain in a tree; the one of this layer. PHYS_NONE: none. */
uint32_t map_first(const struct pool *pool, const struct tree *tree, uint64_t index);
uint32_t map_find(const struct pool *pool, const struct layer *layer, uint64_t index);
/* The slot is filled in. */
void map_insert(struct pool *pool, uint32_t place, struct layer *layer);
/* More than `keep` must be free. */
uint32_t map_extra_alloc(struct pool *pool, uint32_t keep);
void map_layer_put(struct pool *pool, const struct layer *layer);
void map_layer_remove(struct pool *pool, uint32_t place);
void map_remove(struct pool *pool, uint32_t phys);
uint32_t map_alloc(struct pool *pool);
void map_unalloc(struct pool *pool, uint32_t phys);
/* At open: takes this one. False: it is not free. */
bool map_claim(struct pool *pool, uint32_t phys) MUST_CHECK;
void map_quarantine(struct pool *pool, uint32_t phys, uint64_t batch);
void map_release_settled(struct pool *pool);
void map_page_dirty(struct pool *pool, uint32_t page, uint64_t batch);
void map_page_clean(struct pool *pool, uint32_t page);
/* In its tree's bitmap: something is, or will be, at this index. */
void replica_grain_mark(struct pool_replica *replica, uint64_t index);

#endif
