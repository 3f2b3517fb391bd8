/*
 * A striped volume: it has no coordinator, but a shard for each group, which is a volume of its own to
 * replication. Private to datapath. docs/protocol.md, "Shards".
 *
 *   shard = stripe number % shards       offset within = stripe number / shards * stripe + offset in the
 * stripe
 */
#ifndef QUOIN_DATAPATH_STRIPE_H
#define QUOIN_DATAPATH_STRIPE_H

#include "datapath/private.h"

/* Reads and writes across the end of a stripe that are under way at once; more wait. Few do that: fronts ask
 * for aligned parts, mostly. */
#define STRIPE_CROSSINGS 64u

/* A read or write that crosses the end of a stripe. */
struct crossing {
	struct list node; /* free */
	struct request *request;
	struct request piece[2];
	struct buf *second; /* the second piece's data; the first piece uses the request's */
	unsigned left;
	int rc;
};

struct stripe {
	unsigned shard_count;
	uint64_t stripe_bytes;
	struct crossing crossings[STRIPE_CROSSINGS];
	struct list free_crossings;
	struct list
		spreading; /* requests for several shards; the first is under way while spread_left != 0 */
	struct request *spread;
	unsigned spread_left;
	int spread_rc;
	struct request *pieces; /* of `spread`, one for each shard */
	bool detached;          /* the shards have been told */
	unsigned gone;          /* shards that are no more */
	struct volume *shards[];
};

/* Part of a shard. */
struct shard_range {
	unsigned shard;
	uint64_t offset_bytes, length_bytes;
};

/* Where a byte of the volume stands. length_bytes: from there to the end of its stripe. */
struct shard_range stripe_place(const struct stripe *stripe, uint64_t offset_bytes);
/* What a range of the volume is on one shard: always one range; length 0: nothing. */
struct shard_range stripe_part(
	const struct stripe *stripe, unsigned shard, uint64_t offset_bytes, uint64_t length_bytes);
/* Hands what waits to the shards. */
void stripe_admit(struct volume *volume);
/* All that no shard has yet gets EIO. */
void stripe_fail_waiting(struct volume *volume);

/* stripe.c: what a volume's functions do where it has several shards */
void stripe_run(struct volume *volume);
void stripe_grow(struct volume *volume, uint64_t size_bytes);
struct extent stripe_extent(struct volume *volume, uint64_t offset_bytes, uint64_t max_bytes);
/* Adds its shards' figures. */
void stripe_stats_add(const struct volume *volume, struct volume_stats *stats);
/* A shard hands a request back, which is about to be answered. */
void stripe_answered(struct volume *shard, struct request *request);

/* volume_watch.c, of any volume: tells who has it attached. False: nothing new, or nobody is to be told. */
bool volume_state_set(struct volume *volume, enum volume_state state);

#endif
