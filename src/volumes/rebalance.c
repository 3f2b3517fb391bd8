/* quoin rebalance: the catalog as the planner sees it, and its plan as views. */
#include "placement/rebalance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"
#include "volumes/placing.h"

static size_t pool_index(const struct placement_pool *pools, size_t count, struct uuid pool)
{
	for (size_t i = 0; i < count; i++)
		if (uuid_equal(pools[i].pool, pool))
			return i;
	return SIZE_MAX;
}

struct planner {
	struct volumes *volumes;
	struct placing placing; /* of the volume looked at last */
};

/* A volume whose class is gone, or whose members change, gives nothing. */
static void volume_read(const struct volumes *volumes, const struct catalog_volume *record,
	const struct placement_pool *pools, size_t pool_count, struct rebalance_volume *to)
{
	const struct catalog_shard *shard = &record->shards[0];
	const struct catalog_class *class;

	*to = (struct rebalance_volume){ .volume = record->volume,
		.size_bytes = record->size_bytes,
		.stays = shard->next_voter_count != 0 };
	if (catalog_class_find(volumes->catalog, record->class_name, &class, NULL)) {
		to->stays = true;
		return;
	}
	if (record->group_name[0] && class->group_rule != CLASS_GROUP_NONE)
		to->group = record->group_name;
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];

		if (replica->retired)
			continue;
		to->stays |= replica->leaves || !catalog_is_voter(shard, replica->replica);
		to->pools[to->count++] = pool_index(pools, pool_count, replica->pool);
	}
}

/* The same rules by which the move will be placed: move.c. */
static bool rules_read(void *user, size_t index, struct placement_request *ret_request)
{
	struct planner *planner = user;
	const struct catalog_volume *record = catalog_volume_by_name_at(planner->volumes->catalog, index);
	const struct catalog_class *class;
	struct error ignored;

	placing_done(&planner->placing);
	if (catalog_class_find(planner->volumes->catalog, record->class_name, &class, NULL) ||
		placing_rules_init(planner->volumes, class, record, 1, &planner->placing, &ignored))
		return false;
	*ret_request = planner->placing.request;
	return true;
}

static void move_fill(const struct catalog_volume *record, const struct placement_pool *pools,
	const struct rebalance_move *move, struct rebalance_view *view)
{
	*view = (struct rebalance_view){ .bytes = move->bytes };
	snprintf(view->volume, sizeof(view->volume), "%s", record->name);
	snprintf(view->from_node, sizeof(view->from_node), "%s", pools[move->from].node);
	snprintf(view->from_pool, sizeof(view->from_pool), "%s", pools[move->from].name);
	snprintf(view->to_node, sizeof(view->to_node), "%s", pools[move->to].node);
	snprintf(view->to_pool, sizeof(view->to_pool), "%s", pools[move->to].name);
}

int volumes_rebalance(struct volumes *volumes, void (*fn)(void *arg, const struct rebalance_view *view),
	void *arg, struct error *error)
{
	struct rebalance_move moves[VOLUMES_REBALANCE_MAX];
	const struct catalog_volume *record;
	struct rebalance_volume *list = NULL;
	struct placement_pool *pools = NULL;
	struct planner planner = { .volumes = volumes };
	size_t pool_count = 0, count = 0, move_count = 0;
	int rc = placement_pools_read(volumes->catalog, &pools, &pool_count);

	while (catalog_volume_by_name_at(volumes->catalog, count))
		count++;
	list = calloc(count + 1, sizeof(*list));
	if (!rc && !list)
		rc = -ENOMEM;
	for (size_t i = 0; !rc && (record = catalog_volume_by_name_at(volumes->catalog, i)); i++)
		volume_read(volumes, record, pools, pool_count, &list[i]);
	if (!rc)
		rc = rebalance_plan(
			&(struct rebalance_input){ pools, pool_count, list, count, rules_read, &planner },
			REBALANCE_PERCENT, moves, VOLUMES_REBALANCE_MAX, &move_count);
	placing_done(&planner.placing);
	for (size_t i = 0; !rc && i < move_count; i++) {
		struct rebalance_view view;

		move_fill(catalog_volume_by_name_at(volumes->catalog, moves[i].volume), pools, &moves[i],
			&view);
		fn(arg, &view);
	}
	free(list);
	free(pools);
	return rc ? error_set(error, rc, "no memory to plan with") : 0;
}
