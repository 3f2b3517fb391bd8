/*
 * An apply round that is being built: round.c takes entries, round_copies.c the grains of a resync or a
 * repair; round_grain.c is what becomes of a grain, round_sums.c reads checksums that are lacking. Private to
 * these. Room in the round was made sure of where it is not asked for here.
 */
#ifndef QUOIN_STORE_ROUND_H
#define QUOIN_STORE_ROUND_H

#include "store/pool.h"

/* The grain as this round will leave it. */
struct round_grain *round_grain(struct pool *pool, struct layer *layer, uint64_t index);
/* Once more, though one of the same index may be there: that is left to itself. */
struct round_grain *round_grain_add(struct pool *pool, struct layer *layer, uint64_t index);
/* What its place `phys` holds now is what the grain begins with. */
void grain_load(struct pool *pool, struct round_grain *grain);
/* Nothing is in it any more; where no block is, its checksum is 0. */
void grain_empty(struct round_grain *grain);
/* An empty round. */
void round_begin(struct round *round);
/* What holds nothing any more is freed; what holds only marks needs no grain. */
void grains_settle(struct pool *pool);
/* NULL: as many replicas as a round may have are in it. */
struct round_replica *round_replica(struct round *round, struct pool_replica *replica);
void grain_stamp(struct round_grain *grain, struct epoch epoch, uint64_t seq);
/* The block's new content; without a source it is trimmed. */
void grain_block(struct round_grain *grain, unsigned block, const uint8_t *source, uint32_t crc);
/* A physical grain for content where there was none. */
void grain_place(struct pool *pool, struct round_grain *grain);
/* Another one than it stands in: all its blocks are written. */
void grain_place_anew(struct pool *pool, struct round_grain *grain);
bool grain_needs_place(struct pool *pool, const struct layer *layer, uint64_t index);
/* The same, and whether the grain's checksums are at hand: those that a round has in it are. */
bool grain_has_sums(
	struct pool *pool, const struct layer *layer, uint64_t index, bool *ret_needs_place) MUST_CHECK;
/* Of the grains that are ready, so many may be wanted in the end for marks of grains that are in the round.
 */
uint32_t grains_for_marks(const struct pool *pool);
/* What changes the layers, the last of its replica in this round. True when it is in, or has nothing to do.
 */
bool round_structure(struct pool *pool, struct round_replica *rr, enum entry_op op, struct uuid snapshot,
	struct position frozen);
/* Takes of the works that wait as many as there is room for, in their order, but for copies that lack a
 * grain. */
void round_puts(struct pool *pool);
/*
 * Checksums that are not at hand are read: those of the entry's grains, of a trim's from `index` on, of the
 * works from `node` on, and of what follows. Then a round is wanted.
 */
void round_sums_entry(struct pool *pool, const struct layer *layer, struct log_entry *le);
void round_sums_trim(
	struct pool *pool, const struct layer *layer, const struct log_entry *le, uint64_t index);
void round_sums_puts(struct pool *pool, struct list *node);

#endif
