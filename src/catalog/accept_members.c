/* Which of two records of a volume has the newer members: shard by shard, by their numbers. */
#include "catalog/catalog_private.h"
#include "catalog/shards.h"

uint64_t members_number(const struct catalog_volume *volume)
{
	uint64_t number = 0;

	for (unsigned s = 0; s < volume->shard_count; s++)
		number += volume->shards[s].config_number;
	return number;
}

bool members_are_newer(const struct catalog_volume *a, const struct catalog_volume *b)
{
	for (unsigned s = 0; s < a->shard_count; s++)
		if (s >= b->shard_count || a->shards[s].config_number > b->shards[s].config_number)
			return true;
	return false;
}

struct catalog_volume *members_merge(const struct catalog_volume *seen, const struct catalog_volume *backup)
{
	struct catalog_volume *merged = catalog_volume_copy(seen);

	if (!merged || !backup)
		return merged;
	if (backup->epoch_number > merged->epoch_number)
		merged->epoch_number = backup->epoch_number;
	for (unsigned s = 0; s < merged->shard_count && s < backup->shard_count; s++)
		if (backup->shards[s].config_number > merged->shards[s].config_number)
			merged->shards[s] = backup->shards[s];
	return merged;
}

struct record_reservation members_reserved(
	const struct catalog_volume *const *volumes, size_t count, struct uuid pool)
{
	struct record_reservation sum = { 0 };

	for (size_t v = 0; v < count; v++)
		for (unsigned s = 0; s < volumes[v]->shard_count; s++) {
			const struct catalog_shard *shard = &volumes[v]->shards[s];

			for (unsigned i = 0; i < shard->replica_count; i++)
				if (uuid_equal(shard->replicas[i].pool, pool) &&
					!shard->replicas[i].removed) {
					sum.provisioned_bytes += catalog_replica_bytes(volumes[v]);
					sum.thick_bytes +=
						volumes[v]->thick ? catalog_replica_bytes(volumes[v]) : 0;
					sum.replica_count++;
				}
		}
	return sum;
}
