/* Comparisons of replicas with each other, as far as they concern a pool of this node and are done here. */
#ifndef QUOIN_VOLUMES_POOL_COMPARE_H
#define QUOIN_VOLUMES_POOL_COMPARE_H

#include "datapath/datapath.h"

struct volumes;

/* Groups with a replica in the pool that are attached on this node; elsewhere their own nodes tell. */
struct pool_compare_view {
	unsigned groups;
	unsigned under_way, asked; /* of them; asked: by a scrub of any of their pools */
	unsigned percent;          /* of the one under way that is least far */
	unsigned never;            /* not compared yet since they were attached */
	struct compare_tally last; /* of the last comparison of each */
	uint64_t oldest_ms;        /* the longest ago of these */
};

void pool_compare_fill(const struct volumes *volumes, struct uuid pool, struct pool_compare_view *ret_view);

#endif
