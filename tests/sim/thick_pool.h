/* What the store counts of a pool's grains and tells nobody: for the simulator. */
#ifndef QUOIN_TESTS_SIM_THICK_POOL_H
#define QUOIN_TESTS_SIM_THICK_POOL_H

#include "store/store.h"

/* In grains. */
struct thick_pool {
	uint64_t all, used;
	uint64_t reserved; /* by entries of thin replicas */
	uint64_t taken;    /* neither free nor used: not mapped yet */
	uint64_t spare;    /* what writes don't get, and what thin ones may be sent until they hear that it is
			      full */
};

void thick_pool_look(const struct pool *pool, struct thick_pool *ret_look);
/* How many snapshots stand in its log and aren't made yet. */
unsigned thick_pool_due(const struct pool_replica *replica);

#endif
