/*
 * placement: which pools get the replicas of a volume, and why. A pure function with a total order: the
 * same input gives the same answer on every node.
 *
 * Hard rules, each pool by itself: ok, its node up, neither draining; chosen by the selector; of one of the
 * tiers; on a node that the rule of the volume's group allows; with room for the whole volume, not full; with
 * a share of its journal for one replica more.
 * Hard rules between copies: one a pool, one a node, one a host (a host being its full path
 * region/zone/rack/host), and by the spread one a zone or one a rack; those that stay (`beside`) count.
 * Then preference: fewest copies in the zone (where the spread prefers that); then score: the least full by
 * what is provisioned, a pool of the node `near` counting as that much less full, one with load as a fourth
 * of it fuller; then the fewest replicas; where all is equal, a hash of volume and pool decides.
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
#define PLACEMENT_LOAD_SHARE   4u  /* so many percent of load weigh as much as one of fullness */

/*
 * What placement needs to know of a pool; the strings are the caller's. All pools of one node have its
 * topology.
 */
struct placement_pool {
	struct uuid pool;
	const char *name, *node;
	const char *region, *zone, *rack, *host; /* "" where unknown */
	const struct catalog_label *labels;      /* of the node */
	unsigned label_count;
	enum tier tier;
	bool node_live;
	bool ok;       /* CATALOG_POOL_OK */
	bool draining; /* the pool or its node: what is there leaves, nothing comes */
	uint64_t size_bytes, used_bytes;
	uint64_t provisioned_bytes;
	uint64_t limit_bytes;      /* provisioned_bytes may not pass it */
	uint64_t thick_room_bytes; /* so much more may be kept for thick volumes */
	uint32_t replica_count;
	uint32_t replica_limit; /* replica_count may not pass it; 0: none is known */
	uint32_t load_percent;  /* of what its device can do; 100 and more count as 100 */
};

/* A copy that the volume has already. */
struct placement_beside {
	struct uuid pool;
	const char *node;
	const char *region, *zone, *rack, *host;
	bool leaves; /* it goes: only its pool is out of the question */
};

struct placement_request {
	struct uuid volume;     /* decides between equals */
	const char *class_name; /* for words only */
	uint64_t size_bytes;
	bool thick;        /* all of it must be free, to be kept for it */
	unsigned replicas; /* new ones, beside those that stay: 1 .. GROUP_MAX_VOTERS */
	unsigned tiers;    /* CLASS_TIER() of each that will do */
	enum class_spread spread;
	const struct placement_beside *beside;
	unsigned beside_count;
	const struct selector *selector; /* NULL: any */
	/* The nodes that have replicas of the other volumes of its group, in order of strcmp. */
	enum class_group_rule group_rule;
	const char *const *group_nodes;
	size_t group_node_count;
	/* A pool of this node counts as so many percent points less full; NULL: of none. */
	const char *near;
	unsigned near_percent; /* 100 and more: whatever is fuller */
};

struct placement_result {
	unsigned count;
	size_t index[GROUP_MAX_VOTERS]; /* into pools, best first */
	bool relaxed; /* two copies share a zone, those that stay included: never with CLASS_SPREAD_ZONE */
};

/*
 * -ENOSPC: can't be had; the words say which rule failed, by how much, and the smallest change that would
 * help. -EINVAL: a malformed request. -ENOMEM. O(count).
 */
int placement_choose(const struct placement_request *request, const struct placement_pool *pools,
	size_t count, struct placement_result *ret_result, struct error *error) MUST_CHECK;

/* Why a pool isn't taken: of several rules against it, the first in this order. */
enum placement_verdict {
	PLACEMENT_TAKEN,
	PLACEMENT_NODE_DOWN,
	PLACEMENT_POOL_NOT_OK,
	PLACEMENT_DRAINING,
	PLACEMENT_SELECTOR,
	PLACEMENT_TIER,
	PLACEMENT_GROUP,
	PLACEMENT_ROOM,     /* provisioned + size > limit */
	PLACEMENT_FULL,     /* used */
	PLACEMENT_REPLICAS, /* as many as its journal has shares for */
	PLACEMENT_HOST,     /* another pool of the host is better, or has a copy */
	PLACEMENT_RACK,
	PLACEMENT_ZONE,
	PLACEMENT_SCORE, /* enough others are better */
};

struct placement_explain {
	enum placement_verdict verdict;
	char text[160]; /* with the numbers */
};

/*
 * As placement_choose(), and for every pool what became of it: explains[0 .. count), filled also where it
 * fails with -ENOSPC.
 */
int placement_explain(const struct placement_request *request, const struct placement_pool *pools,
	size_t count, struct placement_result *ret_result, struct placement_explain *explains,
	struct error *error) MUST_CHECK;
const char *placement_verdict_name(enum placement_verdict verdict); /* "taken", "node-down", ... */

#define PLACEMENT_ADVICE_LEN 255u
/* For a request that placement_choose() refused with -ENOSPC: the smallest change that would help. */
void placement_advise(const struct placement_request *request, const struct placement_pool *pools,
	size_t count, char ret_text[static PLACEMENT_ADVICE_LEN + 1]);

/* ---- from the catalog; strings are valid as long as the view's pointers ---- */

/* All pools. Free with free(). -ENOMEM. */
int placement_pools_read(
	const struct catalog *catalog, struct placement_pool **ret_pools, size_t *ret_count) MUST_CHECK;
/* The shard's replicas, `leaving` (none: nobody) and retired ones marked as leaving. */
unsigned placement_beside_read(const struct catalog *catalog, const struct catalog_shard *shard,
	struct uuid leaving, struct placement_beside ret_beside[static CATALOG_MAX_REPLICAS]);

#endif
