/* The shipped classes: made with the cluster, and the cluster's own from then on. */
#include "catalog/catalog.h"

#define SIZE_DEFAULT (UINT64_C(10) << 30)

const struct catalog_class catalog_classes_shipped[] = {
	{
		.name = "default",
		.description = "three copies in three zones, on any tier",
		.tiers = CLASS_TIERS_ANY,
		.replicas = 3,
		.spread = CLASS_SPREAD_ZONE,
		.size_bytes = SIZE_DEFAULT,
		.fs = "ext4",
	},
	{
		.name = "high",
		.description = "three copies in three zones, on the fastest pools only",
		.tiers = CLASS_TIER(TIER_HIGH),
		.replicas = 3,
		.spread = CLASS_SPREAD_ZONE,
		.size_bytes = SIZE_DEFAULT,
		.fs = "ext4",
	},
	{
		.name = "medium",
		.description = "three copies in three zones, on medium pools",
		.tiers = CLASS_TIER(TIER_MEDIUM),
		.replicas = 3,
		.spread = CLASS_SPREAD_ZONE,
		.size_bytes = SIZE_DEFAULT,
		.fs = "ext4",
	},
	{
		.name = "low",
		.description = "three copies in three zones, on low pools",
		.tiers = CLASS_TIER(TIER_LOW),
		.replicas = 3,
		.spread = CLASS_SPREAD_ZONE,
		.size_bytes = SIZE_DEFAULT,
		.fs = "ext4",
	},
	{
		.name = "scratch",
		.description = "one copy, lost with its pool: for what can be made again",
		.tiers = CLASS_TIERS_ANY,
		.replicas = 1,
		.spread = CLASS_SPREAD_HOST,
		.size_bytes = SIZE_DEFAULT,
		.fs = "ext4",
	},
};
const unsigned catalog_classes_shipped_count =
	sizeof(catalog_classes_shipped) / sizeof(catalog_classes_shipped[0]);

const char *class_spread_name(enum class_spread spread)
{
	static const char *const names[] = {
		[CLASS_SPREAD_ZONE] = "zone",
		[CLASS_SPREAD_ZONE_PREFERRED] = "zone-preferred",
		[CLASS_SPREAD_RACK] = "rack",
		[CLASS_SPREAD_HOST] = "host",
	};

	ASSERT(spread >= CLASS_SPREAD_ZONE && spread <= CLASS_SPREAD_LAST);
	return names[spread];
}

const char *class_group_rule_name(enum class_group_rule rule)
{
	static const char *const names[] = {
		[CLASS_GROUP_NONE] = "none",
		[CLASS_GROUP_APART] = "apart",
		[CLASS_GROUP_TOGETHER] = "together",
	};

	ASSERT(rule <= CLASS_GROUP_LAST);
	return names[rule];
}
