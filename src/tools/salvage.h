/*
 * The last resort: the best image of a volume that its replicas can't serve any more, from the pools that are
 * left, offline (docs/quoin-pool.md). Nothing is written to a pool, and nothing is guessed: a block is taken
 * only where what is intact proves that it is the newest; all others are told.
 *
 * What proves it. A *statement* is what a replica's table says of a grain: its content as of an entry. As of
 * which: the grain's own version; where the table is whole and the replica not being resynced, everything it
 * has applied, also where it has no such grain. Equal versions are equal content. The *history* is the log of
 * the replica with the greatest last position, and entries of other replicas' logs that bear the epoch which
 * that log has at their seq. `low` is the seq above which the history has every entry, on some replica. Then
 * a block is
 *   - that of the newest statement or entry about it, if nothing between that and the end of the history is
 * missing;
 *   - else lost: an older state may be intact, but what came after it is unknown.
 */
#ifndef QUOIN_TOOLS_SALVAGE_H
#define QUOIN_TOOLS_SALVAGE_H

#include "tools/tools.h"

#define SALVAGE_MAX_COPIES 8u

struct salvage_grain {
	uint32_t phys;
	struct slot slot;
};

struct salvage_copy {
	struct image *image;
	struct image_replica *replica;
	bool is_whole;                /* its table: what it doesn't have, there wasn't */
	struct salvage_grain *grains; /* by index */
	uint32_t grain_count, grain_max, at;
	uint64_t taken_blocks, rotten_blocks;
};

/* One entry of the history, as each copy has it; NULL: it hasn't. */
struct salvage_entry {
	const struct image_entry *entry; /* one of them */
	const struct image_entry *copies[SALVAGE_MAX_COPIES];
};

enum salvage_verdict {
	SALVAGE_LOST,    /* it was written, and no intact copy of its newest state is proven */
	SALVAGE_OLDER,   /* the same; an older state is taken, because that was asked for */
	SALVAGE_UNKNOWN, /* nobody can say whether it was ever written */
};

struct salvage {
	struct uuid volume;
	struct uuid group; /* of its shard; none: it has only one */
	uint64_t size_bytes;
	bool take_older;
	unsigned copy_count;
	struct salvage_copy copies[SALVAGE_MAX_COPIES];
	struct position last; /* of the history */
	unsigned chosen;      /* whose log that is */
	uint64_t low;
	struct salvage_entry *entries; /* by seq, all of low + 1 .. last.seq */
	uint32_t entry_count;
	const struct salvage_entry **near; /* of them, those about the grain in hand, by seq */
	uint32_t near_count;
	uint8_t *memory;
	uint64_t good_blocks, zero_blocks, lost_blocks, older_blocks, unknown_blocks;
	/* Blocks that are not zero, ascending. 0 or -errno, which ends it. */
	int (*write)(void *arg, uint64_t offset_bytes, const uint8_t block[static BLOCK_BYTES]);
	/* Blocks for which the above can't be had; in ascending order. */
	void (*told)(void *arg, enum salvage_verdict verdict, uint64_t offset_bytes);
	void *arg;
};

/*
 * Images that are loaded; volume, group, take_older, write, told and arg are filled in. -ENOENT: none has a
 * replica of it; -EINVAL: replicas that can't be of one group, or more than one has; -EOPNOTSUPP: it has
 * snapshots; with words.
 */
int salvage_begin(struct salvage *s, struct image *images, unsigned count, struct error *error) MUST_CHECK;
int salvage_run(struct salvage *s) MUST_CHECK;
/* Also after a failed begin. */
void salvage_done(struct salvage *s);

/* salvage_cmd.c: `quoin-pool salvage`; an exit code. */
int salvage_main(int argc, char **argv);

#endif
