/*
 * The shipped classes: made with the cluster, and the cluster's own from then on. Their comments say why they
 * are as they are: `quoin class show` prints them.
 */
#include "catalog/catalog.h"

#define SIZE_DEFAULT  (UINT64_C(10) << 30)
#define TIERS_FAST    (CLASS_TIER(TIER_HIGH) | CLASS_TIER(TIER_MEDIUM))
#define OWN_COPIES_MS 10000u /* applications with copies of their own are told so soon */

const struct catalog_class catalog_classes_shipped[] = {
	{
		.name = "default",
		.description = "three copies in three zones, on any tier",
		.comment = "Any one zone may be lost: two of three copies are a quorum.",
		.number = 1,
		.tiers = CLASS_TIERS_ANY,
		.replicas = 3,
		.spread = CLASS_SPREAD_ZONE,
		.size_bytes = SIZE_DEFAULT,
		.fs = "ext4",
	},
	{
		.name = "high",
		.description = "three copies in three zones, on the fastest pools only",
		.comment = "As default, on pools of one tier.",
		.number = 1,
		.tiers = CLASS_TIER(TIER_HIGH),
		.replicas = 3,
		.spread = CLASS_SPREAD_ZONE,
		.size_bytes = SIZE_DEFAULT,
		.fs = "ext4",
	},
	{
		.name = "medium",
		.description = "three copies in three zones, on medium pools",
		.comment = "As default, on pools of one tier.",
		.number = 1,
		.tiers = CLASS_TIER(TIER_MEDIUM),
		.replicas = 3,
		.spread = CLASS_SPREAD_ZONE,
		.size_bytes = SIZE_DEFAULT,
		.fs = "ext4",
	},
	{
		.name = "low",
		.description = "three copies in three zones, on low pools",
		.comment = "As default, on pools of one tier.",
		.number = 1,
		.tiers = CLASS_TIER(TIER_LOW),
		.replicas = 3,
		.spread = CLASS_SPREAD_ZONE,
		.size_bytes = SIZE_DEFAULT,
		.fs = "ext4",
	},
	{
		.name = "postgres",
		.description = "three copies in three zones, not on slow pools; data and WAL of one group "
			       "share nodes",
		.comment =
			"PostgreSQL has one copy of its data: Quoin keeps three, and any one zone may be "
			"lost.\n"
			"Each commit waits for an fsync: a pool whose durable writes are slow isn't good "
			"enough.\n"
			"Data and WAL are of use only together: volumes of one group (option group) share "
			"their nodes,\n"
			"so that what takes one of them takes no more than both.\n"
			"It recovers from a pause, but not from an I/O error: without a quorum, writes wait.",
		.number = 1,
		.tiers = TIERS_FAST,
		.replicas = 3,
		.spread = CLASS_SPREAD_ZONE,
		.group_rule = CLASS_GROUP_TOGETHER,
		.size_bytes = SIZE_DEFAULT,
		.fs = "ext4",
	},
	{
		.name = "cassandra",
		.description = "one copy; the volumes of one ring never share a node",
		.comment = "The ring keeps copies of its own, one a node: three of each here would be nine.\n"
			   "Volumes of one ring (option group) never share a node: a lost node is one lost "
			   "copy.\n"
			   "Commit log and compaction write in long sweeps: any tier will do, xfs does them "
			   "well.\n"
			   "The ring goes on without a node: an error after 10 s is better than a node that "
			   "hangs.",
		.number = 1,
		.tiers = CLASS_TIERS_ANY,
		.replicas = 1,
		.spread = CLASS_SPREAD_HOST,
		.group_rule = CLASS_GROUP_APART,
		.size_bytes = SIZE_DEFAULT,
		.fs = "xfs",
		.error_after_ms = OWN_COPIES_MS,
	},
	{
		.name = "kafka",
		.description = "one copy; the brokers of one group never share a node",
		.comment = "Topics are replicated by the brokers: one copy of each broker's log is enough.\n"
			   "Brokers of one cluster (option group) never share a node.\n"
			   "Segments are appended to and read in order: any tier, xfs.\n"
			   "A broker that hangs is worse than one that fails over: an error after 10 s.",
		.number = 1,
		.tiers = CLASS_TIERS_ANY,
		.replicas = 1,
		.spread = CLASS_SPREAD_HOST,
		.group_rule = CLASS_GROUP_APART,
		.size_bytes = SIZE_DEFAULT,
		.fs = "xfs",
		.error_after_ms = OWN_COPIES_MS,
	},
	{
		.name = "scratch",
		.description = "one copy, lost with its pool: for what can be made again",
		.comment = "No second copy, and so nothing to wait for but one disk.",
		.number = 1,
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
