/*
 * placement: which pools get the replicas of a volume, and why. A pure function with a total order: the
 * same input gives the same answer on every node.
 *
 * Hard rules: the pool is ok and its node up; its tier is one of the class's; it has room for the whole
 * volume; distinct zones (strict, or preferred); one copy a host, a host being its full path
 * region/zone/rack/host, and one a node. Then score: the least full, by what is provisioned; where two are
 * equally full, a hash of volume and pool decides.
 *
 * Thread rule: any. Nothing is kept: `result` points into the caller's arrays only by index.
 */
#ifndef QUOIN_PLACEMENT_H
#define QUOIN_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "catalog/catalog.h"

#define PLACEMENT_FULL_PERCENT 95u /* of a pool's size used: no new replicas, whatever is provisioned */

/*
 * What placement needs to know of a pool; the strings are the caller's. All pools of one node have its
 * topology.
 */
struct placement_pool {
	struct uuid pool;
	const char *name, *node;
	const char *region, *zone, *rack, *host; /* "" where unknown */
	enum tier tier;
	bool node_live;
	bool ok; /* CATALOG_POOL_OK */
	uint64_t size_bytes, used_bytes;
	uint64_t provisioned_bytes;
	uint64_t limit_bytes; /* provisioned_bytes may not pass it */
};

struct placement_request {
	struct uuid volume;     /* decides between equals */
	const char *class_name; /* for words only */
	uint64_t size_bytes;
	unsigned replicas; /* 1 .. GROUP_MAX_VOTERS */
	unsigned tiers;    /* CLASS_TIER() of each that will do */
	bool zones_strict;
};

struct placement_result {
	unsigned count;
	size_t index[GROUP_MAX_VOTERS]; /* into pools, best first */
	bool relaxed;                   /* two copies share a zone: only where zones are not strict */
};

/*
 * -ENOSPC: can't be had; the words say which rule failed, by how much, and what could be done. -EINVAL: a
 * malformed request. -ENOMEM. O(count).
 */
int placement_choose(const struct placement_request *request, const struct placement_pool *pools,
	size_t count, struct placement_result *ret_result, struct error *error) MUST_CHECK;

enum placement_verdict {
	PLACEMENT_TAKEN,
	PLACEMENT_NODE_DOWN,
	PLACEMENT_POOL_NOT_OK,
	PLACEMENT_TIER,
	PLACEMENT_ROOM,  /* provisioned + size > limit */
	PLACEMENT_FULL,  /* used */
	PLACEMENT_HOST,  /* another pool of the host is better or taken */
	PLACEMENT_ZONE,  /* another pool of the zone is better or taken */
	PLACEMENT_SCORE, /* enough others are less full */
};

struct placement_explain {
	enum placement_verdict verdict;
	char text[160]; /* with the numbers */
};

/*
 * As placement_choose(), and for every pool what became of it: explains[0 .. count), filled also where it
 * fails.
 */
int placement_explain(const struct placement_request *request, const struct placement_pool *pools,
	size_t count, struct placement_result *ret_result, struct placement_explain *explains,
	struct error *error) MUST_CHECK;
const char *placement_verdict_name(enum placement_verdict verdict); /* "taken", "node-down", ... */

/*
 * The catalog's pools as placement sees them; valid as long as the view's pointers. Free with free().
 * -ENOMEM.
 */
int placement_pools_read(
	const struct catalog *catalog, struct placement_pool **ret_pools, size_t *ret_count) MUST_CHECK;

#endif
