/*
 * Classes: the named policies of volumes, as records. Included by catalog.h, which has the operations.
 */
#ifndef QUOIN_CATALOG_CLASS_H
#define QUOIN_CATALOG_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#define CATALOG_REASON_MAX_LEN 159u

#define CLASS_TIER(tier) (1u << (tier))
#define CLASS_TIERS_ANY  (CLASS_TIER(TIER_LOW) | CLASS_TIER(TIER_MEDIUM) | CLASS_TIER(TIER_HIGH))

/* Where the copies of one volume may be. One a host is always the rule. Records hold these numbers. */
enum class_spread {
	CLASS_SPREAD_ZONE = 1,       /* in distinct zones, or none */
	CLASS_SPREAD_ZONE_PREFERRED, /* as many zones as there are, and evenly */
	CLASS_SPREAD_RACK,           /* in distinct racks; zones are not looked at */
	CLASS_SPREAD_HOST,           /* in distinct hosts; zones and racks are not looked at */
};
#define CLASS_SPREAD_LAST CLASS_SPREAD_HOST
const char *class_spread_name(enum class_spread spread); /* "zone", "zone-preferred", "rack", "host" */

/* How the replicas of the volumes of one group lie to one another. Records hold these numbers. */
enum class_group_rule {
	CLASS_GROUP_NONE,
	CLASS_GROUP_APART,    /* no node has replicas of two of them */
	CLASS_GROUP_TOGETHER, /* all on the nodes of those that came first */
};
#define CLASS_GROUP_LAST CLASS_GROUP_TOGETHER
const char *class_group_rule_name(enum class_group_rule rule); /* "none", "apart", "together" */

struct catalog_class {
	char name[NAME_MAX_LEN + 1];
	char description[CATALOG_REASON_MAX_LEN + 1];
	unsigned tiers;    /* CLASS_TIER() of each that will do */
	unsigned replicas; /* 1 .. GROUP_MAX_VOTERS */
	enum class_spread spread;
	uint64_t size_bytes; /* of a volume whose user gives none */
	char fs[8];
	bool reads_quorum;
	uint32_t error_after_ms; /* 0: `queue` */
};

/* Shipped: made by cluster_init(). */
extern const struct catalog_class catalog_classes_shipped[];
extern const unsigned catalog_classes_shipped_count;

#endif
