/*
 * rebalance: which replicas to move so that pools of a tier are about equally full, by what is provisioned. A
 * pure function; the same input gives the same answer.
 *
 * Only from pools above the mean to pools below it, and never past the mean on either side: so no byte moves
 * twice, and no more than the least that evens them out. Each move keeps the hard rules of placement beside
 * the copies that stay. A volume, and a group of volumes, gives at most one replica a plan.
 *
 * Thread rule: any.
 */
#ifndef QUOIN_PLACEMENT_REBALANCE_H
#define QUOIN_PLACEMENT_REBALANCE_H

#include "placement/placement.h"

#define REBALANCE_PERCENT 10u /* fullest and emptiest pool of a tier this far apart: it is worth moving */

struct rebalance_volume {
	struct uuid volume;
	uint64_t size_bytes;
	const char *
		group; /* of whose volumes at most one gives a replica: their rule is about all; NULL: none */
	bool stays;    /* its members change already */
	bool thick;    /* as its rules say */
	unsigned count;
	size_t pools[CATALOG_MAX_REPLICAS]; /* of its replicas: indexes; SIZE_MAX: of no pool that is known */
};

struct rebalance_move {
	size_t volume;
	unsigned replica; /* of the volume's pools[] */
	size_t from, to;
	uint64_t bytes; /* at most: what is provisioned */
};

struct rebalance_input {
	const struct placement_pool *pools;
	size_t pool_count;
	const struct rebalance_volume *volumes;
	size_t volume_count;
	/*
	 * The rules of volume `index`; replicas and beside don't matter. What it points to holds until the
	 * next call. Called for those only that may move. False: it stays.
	 */
	bool (*rules)(void *user, size_t index, struct placement_request *ret_request);
	void *user;
};

/*
 * Fills in at most max_moves, in the order in which they are best made; *ret_count of them. Nothing where no
 * tier's pools are `percent` points apart. -ENOMEM.
 */
int rebalance_plan(const struct rebalance_input *input, unsigned percent, struct rebalance_move *moves,
	size_t max_moves, size_t *ret_count) MUST_CHECK;

/* ---- by itself: step after step, each from what is so then ---- */

#define REBALANCE_STOP_PERCENT                                                                               \
	5u /* begun, it goes on to here: what comes and goes doesn't make it begin again */

/* What is kept from one step to the next; all zeroes at first. */
struct rebalance_auto {
	bool going[TIER_HIGH + 1]; /* by tier: begun above REBALANCE_PERCENT, and not yet down */
};

/* Whether a step may have anything to do, by the pools alone. */
bool rebalance_is_due(const struct rebalance_auto *state, const struct placement_pool *pools, size_t count);

/*
 * The moves to begin now: as of rebalance_plan(), for the tiers that are going, but of each node at most one,
 * that it gives or takes. `busy`, by pool: its node has one under way already; those that are begun are
 * added. A tier whose pools can't be made more even, with nothing under way there, ends until it is above
 * REBALANCE_PERCENT again. Every move takes from above the tier's mean to below it, never past it: the sum of
 * the distances falls by twice its bytes, so it ends, and nothing goes to and fro. -ENOMEM.
 */
int rebalance_step(struct rebalance_auto *state, const struct rebalance_input *input, bool *busy,
	struct rebalance_move *moves, size_t max_moves, size_t *ret_count) MUST_CHECK;

#endif
