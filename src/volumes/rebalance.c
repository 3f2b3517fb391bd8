/* quoin rebalance: the catalog as the planner sees it, and its plan as views. */
#include "volumes/rebalance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/shards.h"
#include "volumes/manager.h"

static size_t pool_index(const struct placement_pool *pools, size_t count, struct uuid pool)
{
	for (size_t i = 0; i < count; i++)
		if (uuid_equal(pools[i].pool, pool))
			return i;
	return SIZE_MAX;
}

/* What leaves is counted where it goes to, and no longer where it was. */
static void leaving_note(struct rebalance_reading *reading, const struct catalog_volume *record, size_t pool)
{
	struct placement_pool *from = &reading->pools[pool];
	uint64_t bytes = catalog_replica_bytes(record);

	if (bytes > from->provisioned_bytes)
		bytes = from->provisioned_bytes;
	from->provisioned_bytes -= bytes;
}

/* A volume whose class is gone, whose members change or are away, gives nothing. */
static void shard_read(struct rebalance_reading *reading, const struct catalog_volume *record,
	const struct catalog_shard *shard, struct rebalance_volume *to)
{
	const struct volumes *volumes = reading->volumes;
	const struct catalog_class *class;

	*to = (struct rebalance_volume){ .volume = record->volume,
		.size_bytes = catalog_replica_bytes(record),
		.thick = record->thick,
		.stays = shard->next_voter_count != 0 };
	if (catalog_class_find(volumes->catalog, record->class_name, &class, NULL)) {
		to->stays = true;
		return;
	}
	if (record->group_name[0] && class->group_rule != CLASS_GROUP_NONE)
		to->group = record->group_name;
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];
		size_t pool = pool_index(reading->pools, reading->pool_count, replica->pool);
		bool learns = !catalog_is_voter(shard, replica->replica);

		if (pool != SIZE_MAX && (replica->retired || replica->leaves))
			leaving_note(reading, record, pool);
		if (replica->retired)
			continue;
		to->stays |= replica->leaves || learns || pool == SIZE_MAX ||
			     !reading->pools[pool].node_live || !reading->pools[pool].ok;
		if (pool != SIZE_MAX)
			reading->busy[pool] |= replica->leaves || learns;
		to->pools[to->count++] = pool;
	}
}

/* The same rules by which the move will be placed: move.c. */
static bool rules_read(void *user, size_t index, struct placement_request *ret_request)
{
	struct rebalance_reading *reading = user;
	const struct catalog_volume *record = reading->shards[index].record;
	const struct catalog_class *class;
	struct error ignored;

	placing_done(&reading->placing);
	if (catalog_class_find(reading->volumes->catalog, record->class_name, &class, NULL) ||
		placing_rules_init(reading->volumes, class, record, 1, &reading->placing, &ignored))
		return false;
	*ret_request = reading->placing.request;
	return true;
}

void rebalance_view_fill(const struct rebalance_reading *reading, const struct rebalance_move *move,
	struct rebalance_view *view)
{
	const struct rebalance_shard *of = &reading->shards[move->volume];
	const struct placement_pool *pools = reading->pools;

	*view = (struct rebalance_view){ .bytes = move->bytes, .shard = of->shard };
	snprintf(view->volume, sizeof(view->volume), "%s", of->record->name);
	snprintf(view->from_node, sizeof(view->from_node), "%s", pools[move->from].node);
	snprintf(view->from_pool, sizeof(view->from_pool), "%s", pools[move->from].name);
	snprintf(view->to_node, sizeof(view->to_node), "%s", pools[move->to].node);
	snprintf(view->to_pool, sizeof(view->to_pool), "%s", pools[move->to].name);
}

/* One under way on a pool is one of its node. */
static void busy_spread(struct rebalance_reading *reading)
{
	for (size_t i = 0; i < reading->pool_count; i++)
		for (size_t j = 0; reading->busy[i] && j < reading->pool_count; j++)
			reading->busy[j] |= strcmp(reading->pools[i].node, reading->pools[j].node) == 0;
}

int rebalance_read(struct volumes *volumes, struct rebalance_reading *ret_reading, struct error *error)
{
	struct rebalance_reading *reading = ret_reading;
	const struct catalog_volume *record;
	size_t room = 0, count = 0;

	*reading = (struct rebalance_reading){ .volumes = volumes };
	for (size_t i = 0; (record = catalog_volume_by_name_at(volumes->catalog, i)); i++)
		room += record->shard_count;
	if (placement_pools_read(volumes->catalog, &reading->pools, &reading->pool_count))
		return error_set(error, -ENOMEM, "no memory to plan with");
	reading->list = calloc(room + 1, sizeof(*reading->list));
	reading->shards = calloc(room + 1, sizeof(*reading->shards));
	reading->busy = calloc(reading->pool_count + 1, sizeof(bool));
	if (!reading->list || !reading->shards || !reading->busy)
		return error_set(error, -ENOMEM, "no memory to plan with");
	for (size_t i = 0; (record = catalog_volume_by_name_at(volumes->catalog, i)); i++)
		for (unsigned s = 0; s < record->shard_count; s++) {
			reading->shards[count] = (struct rebalance_shard){ record, s };
			shard_read(reading, record, &record->shards[s], &reading->list[count++]);
		}
	busy_spread(reading);
	reading->input = (struct rebalance_input){ reading->pools, reading->pool_count, reading->list, count,
		rules_read, reading };
	return 0;
}

void rebalance_read_done(struct rebalance_reading *reading)
{
	placing_done(&reading->placing);
	free(reading->list);
	free(reading->shards);
	free(reading->busy);
	free(reading->pools);
}

int volumes_rebalance(struct volumes *volumes, void (*fn)(void *arg, const struct rebalance_view *view),
	void *arg, struct error *error)
{
	struct rebalance_move moves[VOLUMES_REBALANCE_MAX];
	struct rebalance_reading reading;
	size_t move_count = 0;
	int rc = rebalance_read(volumes, &reading, error);

	if (!rc &&
		rebalance_plan(&reading.input, REBALANCE_PERCENT, moves, VOLUMES_REBALANCE_MAX, &move_count))
		rc = error_set(error, -ENOMEM, "no memory to plan with");
	for (size_t i = 0; !rc && i < move_count; i++) {
		struct rebalance_view view;

		rebalance_view_fill(&reading, &moves[i], &view);
		fn(arg, &view);
	}
	rebalance_read_done(&reading);
	return rc;
}
