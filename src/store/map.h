/*
 * The map of a pool, in memory: what each place of the table holds, the chains of versions, what is free, and
 * which pages of the table lack an image.
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
	uint64_t generation;
	struct sums_line *line; /* checksums that are at hand; NULL: none */
	uint32_t dirty;         /* in map.dirty; 0: clean */
	uint8_t copy;           /* where the newest is */
	bool sweeping;          /* written, and not yet flushed */
	bool bad;               /* at open: one of its places held garbage */
};

/* A page that lacks an image; the oldest image first. */
struct page_dirty {
	uint64_t batch; /* with the oldest image that it lacks */
	uint32_t page;
	uint32_t next, prev; /* 0: none; of free ones, the next free one */
};

/*
 * A slot in memory, beside its checksums. A free grain in quarantine is chained by `index`, and `seq` is the
 * batch that ends it.
 */
struct mapped {
	uint64_t seq : 48;
	uint64_t check : 16; /* of slot_hash(): whether checksums that were made anew are the slot's */
	uint32_t index;
	uint32_t origin; /* in map.origins, or one of those below */
	uint16_t present, zero;
} __attribute__((packed, aligned(4)));

#define ORIGIN_FREE 0u
/* The place holds a layer's record (mapped.index is its id), or a round has taken it. */
#define ORIGIN_LAYER UINT32_MAX
#define ORIGIN_TAKEN (UINT32_MAX - 1)

/* What many slots have in common. Counted; it goes with the last of them. */
struct origin {
	uint64_t number; /* of the layer */
	struct epoch epoch;
	struct layer *layer; /* once slots have found theirs */
	uint32_t refs;
	uint32_t next; /* of its bucket, or free */
};

/* Numbers of layers are below. */
#define LAYER_NUMBERS_END (UINT64_MAX - 1)
/* Extra places that trims leave for layers. */
#define EXTRA_KEEP(pool) (geometry_places(&(pool)->g) - (pool)->g.grain_count > 8192 ? 4096u : 32u)

struct map_segment {
	uint32_t size, used; /* buckets */
};

struct map {
	struct mapped *places;
	uint32_t *older; /* of each place: that of the grain's next older version + 1; 0: none */
	uint32_t *hash;  /* (tree, index) -> place of the newest version: map_hash.c */
	struct map_segment *segments;
	uint32_t *growing; /* what a segment that grows had */
	uint32_t segment_count, segment_room;
	uint32_t place_mask;    /* of a bucket */
	struct origin *origins; /* the first is nobody's */
	uint32_t *origin_heads; /* as many buckets as there is room for origins: a power of two */
	uint32_t origin_size, origin_count, origin_free;
	uint32_t origin_last; /* found last */
	uint64_t *free_bits;
	uint32_t free_count, used_count;
	uint32_t extra_free_count, extra_cursor; /* no place below the cursor is free */
	uint32_t cursor;
	uint32_t quarantine_first, quarantine_last;
	uint32_t quarantine_count;
	struct page_state *pages;
	struct page_dirty *dirty; /* the first is nobody's */
	uint32_t dirty_size, dirty_used, dirty_free;
	uint32_t dirty_first, dirty_last, dirty_count;
	uint32_t prepared;    /* grains below are written blocks; on a raw device all are as good */
	uint32_t ready_count; /* free ones among them: what may be given out */
};

int map_init(struct pool *pool) MUST_CHECK;
void map_done(struct pool *pool);
/* Zeroes; resident is what is touched, also where the system prefers large pages. The caller frees it. */
void *map_memory_new(uint64_t count, size_t each_bytes) MUST_CHECK;
void map_prepared(struct pool *pool, uint32_t prepared);

/* ---- what a place holds: map_slot.c ---- */
static inline bool map_is_free(const struct map *map, uint32_t place)
{
	return map->places[place].origin == ORIGIN_FREE;
}
static inline bool map_is_slot(const struct map *map, uint32_t place)
{
	return map->places[place].origin != ORIGIN_FREE && map->places[place].origin < ORIGIN_TAKEN;
}
/* Of a slot: its layer, once it is inserted; that layer's number. */
static inline struct layer *map_layer(const struct map *map, uint32_t place)
{
	return map->origins[map->places[place].origin].layer;
}
static inline uint64_t map_number(const struct map *map, uint32_t place)
{
	return map->origins[map->places[place].origin].number;
}
/* As it stands on the disk, or will. Its checksums must be at hand: sums.h. */
void map_slot_get(struct pool *pool, uint32_t place, struct slot *ret_slot);
struct position map_position(const struct map *map, uint32_t place);
/* Fills the place in; where it stands in its chain stays. layer: NULL at open. A slot of no layer empties it.
 */
void map_slot_set(
	struct pool *pool, uint32_t place, const struct slot *slot, uint64_t hash, struct layer *layer);
/* At open: the same without the checksums, which stay on the disk. */
void map_slot_found(struct pool *pool, uint32_t place, const struct slot *slot, uint64_t hash);
/* As map_slot_get(), with checksums that the caller has: whether they are the slot's. */
bool map_slot_check(const struct pool *pool, uint32_t place, const uint32_t crc[static GRAIN_BLOCKS]);
void map_slot_clear(struct pool *pool, uint32_t place);
int map_slots_init(struct map *map, uint64_t count) MUST_CHECK;
void map_slots_done(struct map *map);

/* ---- map_hash.c ---- */
int map_hash_init(struct pool *pool) MUST_CHECK;
void map_hash_done(struct map *map);
/* Nothing is mapped yet, and so many will be: no segment need grow for them. */
void map_hash_expect(struct pool *pool, uint64_t count);
/* The newest version of a grain in a tree; the one of this layer. PHYS_NONE: none. */
uint32_t map_first(const struct pool *pool, const struct tree *tree, uint64_t index);
uint32_t map_find(const struct pool *pool, const struct layer *layer, uint64_t index);
/* The next older version; PHYS_NONE: none. */
static inline uint32_t map_older(const struct map *map, uint32_t place)
{
	return map->older[place] - 1;
}
/* The slot is filled in. */
void map_insert(struct pool *pool, uint32_t place, struct layer *layer);
void map_remove(struct pool *pool, uint32_t place);

/* ---- map.c ---- */
/* More than `keep` must be free. */
uint32_t map_extra_alloc(struct pool *pool, uint32_t keep);
void map_layer_put(struct pool *pool, const struct layer *layer);
void map_layer_remove(struct pool *pool, uint32_t place);
uint32_t map_alloc(struct pool *pool);
void map_unalloc(struct pool *pool, uint32_t phys);
/* At open: takes this one. False: it is not free. */
bool map_claim(struct pool *pool, uint32_t phys) MUST_CHECK;
void map_quarantine(struct pool *pool, uint32_t phys, uint64_t batch);
void map_release_settled(struct pool *pool);
/* How many slots there are, mapped or not. */
uint64_t map_slots_count(const struct map *map);

/* ---- map_pages.c ---- */
int map_pages_init(struct map *map, uint32_t pages) MUST_CHECK;
void map_pages_done(struct map *map);
/* The first place of a page of slots, and the one behind its last. */
uint32_t map_page_places(const struct pool *pool, uint32_t page, uint32_t *ret_end);
void map_page_dirty(struct pool *pool, uint32_t page, uint64_t batch);
void map_page_clean(struct pool *pool, uint32_t page);
/* The batch with the oldest image that a page lacks; UINT64_MAX: none lacks any. */
uint64_t map_dirty_oldest(const struct map *map);
/* In its tree's bitmap: something is, or will be, at this index. */
void replica_grain_mark(struct pool_replica *replica, uint64_t index);

#endif
