/*
 * What moves so that pools become even: the catalog as the planner (placement/rebalance.h) sees it. Thread
 * rule: the control thread; a reading is valid until control returns to the loop.
 */
#ifndef QUOIN_VOLUMES_REBALANCE_H
#define QUOIN_VOLUMES_REBALANCE_H

#include "placement/rebalance.h"
#include "volumes/care.h"
#include "volumes/placing.h"

struct rebalance_shard {
	const struct catalog_volume *record;
	unsigned shard;
};

struct rebalance_reading {
	struct volumes *volumes;
	struct rebalance_input input; /* a shard each, in order of the volumes' names */
	bool *busy;                   /* by pool: its node has a member coming or going */
	/* its own */
	struct placement_pool *pools;
	size_t pool_count;
	struct rebalance_volume *list;
	struct rebalance_shard *shards; /* as many: whose they are */
	struct placing placing;         /* of the volume looked at last */
};

/* -ENOMEM. rebalance_read_done() in any case. */
int rebalance_read(
	struct volumes *volumes, struct rebalance_reading *ret_reading, struct error *error) MUST_CHECK;
void rebalance_read_done(struct rebalance_reading *reading);
void rebalance_view_fill(const struct rebalance_reading *reading, const struct rebalance_move *move,
	struct rebalance_view *ret_view);

/*
 * rebalance_auto.c: where `rebalance = yes`, and this is the first live node by name, begins the moves that
 * are due. Called each second.
 */
void rebalance_tick(struct volumes *volumes);

#endif
