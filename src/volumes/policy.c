/* Volumes against their classes. */
#include "volumes/policy.h"

#include <stdio.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/placing.h"

/* ---- where replicas are ---- */

static bool same_zone(const struct catalog_node *a, const struct catalog_node *b)
{
	return !strcmp(a->zone, b->zone) && !strcmp(a->region, b->region);
}

static const struct catalog_node *voter_node(
	struct volumes *volumes, const struct catalog_shard *shard, const struct catalog_replica *replica)
{
	const struct catalog_node *node = NULL;

	if (replica->retired || !catalog_is_voter(shard, replica->replica) ||
		catalog_node_find(volumes->catalog, replica->node, &node, NULL))
		return NULL;
	return node;
}

/* What the spread forbids between two nodes: "zone", "rack", "host", or NULL. */
static const char *too_close(
	enum class_spread spread, const struct catalog_node *a, const struct catalog_node *b)
{
	if (a->host[0] && same_zone(a, b) && !strcmp(a->rack, b->rack) && !strcmp(a->host, b->host))
		return "host";
	if (spread == CLASS_SPREAD_ZONE && same_zone(a, b))
		return "zone";
	if (spread == CLASS_SPREAD_RACK && same_zone(a, b) && !strcmp(a->rack, b->rack))
		return "rack";
	return NULL;
}

void policy_fill(struct volumes *volumes, const struct catalog_volume *volume, struct policy_view *view)
{
	const struct catalog_class *class;
	struct breach breach;

	*view = (struct policy_view){ .reads = volume->reads_quorum ? "quorum" : "lease",
		.replicas = volume->replicas,
		.sticky = volume->sticky,
		.thick = volume->thick };
	snprintf(view->group, sizeof(view->group), "%s", volume->group_name);
	snprintf(view->selector, sizeof(view->selector), "%s", volume->selector);
	class_no_quorum_format(volume->error_after_ms, view->on_no_quorum);
	if (catalog_class_find(volumes->catalog, volume->class_name, &class, NULL))
		return;
	if (breach_find(volumes, volume, &breach))
		snprintf(view->breach, sizeof(view->breach), "%s", breach.why);
	view->replicas = volume_replicas(volume, class);
	class_tier_format(volume_tiers(volume, class), view->tier);
	class_rebuild_format(class->rebuild_after_ms, view->rebuild_after);
	schedule_format(&class->snapshots, view->snapshots);
	snprintf(view->spread, sizeof(view->spread), "%s", class_spread_name(class->spread));
	snprintf(view->group_rule, sizeof(view->group_rule), "%s", class_group_rule_name(class->group_rule));
	volume_selector(volume, class, view->selector);
}

/* ---- breaches ---- */

/* Against the rules that concern one replica's pool alone. */
static bool pool_breach(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_class *class, const struct catalog_replica *replica,
	const struct catalog_node *node, struct breach *breach)
{
	char text[SELECTOR_TEXT_LEN + 1], failed[SELECTOR_TEXT_LEN + 1];
	unsigned tiers = volume_tiers(volume, class);
	const struct catalog_pool *pool;
	struct selector selector;

	if (catalog_pool_find(volumes->catalog, replica->pool, &pool, NULL))
		return false;
	if ((tiers & CLASS_TIERS_ANY) != CLASS_TIERS_ANY && !(tiers & CLASS_TIER(pool->tier))) {
		snprintf(breach->why, sizeof(breach->why), "pool %.40s of node %.40s is of tier %s",
			pool->name, node->name, tier_name(pool->tier));
		return true;
	}
	volume_selector(volume, class, text);
	if (selector_parse(text, &selector, NULL))
		return false;
	(void)selector_failed(&selector,
		&(struct selector_subject){ node->region, node->zone, node->rack, node->host, node->name,
			pool->name, node->labels, node->label_count },
		failed);
	if (failed[0])
		snprintf(breach->why, sizeof(breach->why), "pool %.40s of node %.40s isn't chosen by %.40s",
			pool->name, node->name, failed);
	return failed[0] != 0;
}

static bool place_breach(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_class *class, const struct catalog_shard *shard, struct breach *breach)
{
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];
		const struct catalog_node *node = voter_node(volumes, shard, replica);

		if (!node)
			continue;
		breach->move_from = replica->node;
		if (pool_breach(volumes, volume, class, replica, node, breach))
			return true;
		for (unsigned j = 0; j < i; j++) {
			const struct catalog_node *other = voter_node(volumes, shard, &shard->replicas[j]);
			const char *what = other ? too_close(class->spread, node, other) : NULL;

			if (!what)
				continue;
			snprintf(breach->why, sizeof(breach->why), "nodes %.40s and %.40s are in one %s",
				other->name, node->name, what);
			/* The copy beside its user stays. */
			if (strcmp(replica->node, volume->holder.node) == 0)
				breach->move_from = shard->replicas[j].node;
			return true;
		}
	}
	breach->move_from = NULL;
	return false;
}

static bool shard_breach(struct volumes *volumes, const struct catalog_volume *volume,
	const struct catalog_class *class, const struct catalog_shard *shard, struct breach *breach)
{
	unsigned have = shard->voter_count, wanted = volume_replicas(volume, class);

	if (have == wanted)
		return place_breach(volumes, volume, class, shard, breach);
	snprintf(breach->why, sizeof(breach->why), "it has %u replica%s, and is to have %u", have,
		have == 1 ? "" : "s", wanted);
	breach->replicas_before = have;
	breach->replicas = have < wanted ? have + 1 : have - 1;
	return true;
}

bool breach_find(struct volumes *volumes, const struct catalog_volume *volume, struct breach *ret_breach)
{
	const struct catalog_class *class;

	if (catalog_class_find(volumes->catalog, volume->class_name, &class, NULL))
		return false;
	for (unsigned s = 0; s < volume->shard_count; s++) {
		struct breach breach = { .move_from = NULL, .shard = s };

		if (!shard_breach(volumes, volume, class, &volume->shards[s], &breach))
			continue;
		*ret_breach = breach;
		return true;
	}
	return false;
}
