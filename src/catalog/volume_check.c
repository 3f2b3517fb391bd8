/* What a volume must be to be made. */
#include "catalog/catalog_private.h"

#include <errno.h>
#include <string.h>

static int shard_check(const struct catalog_shard *shard, struct error *error)
{
	if (uuid_is_none(shard->group) || shard->config_number == 0)
		return error_set(error, -EINVAL, "a shard without a group's UUID or configuration number");
	if (shard->replica_count < 1 || shard->replica_count > CATALOG_MAX_REPLICAS ||
		shard->voter_count < 1 || shard->voter_count > GROUP_MAX_VOTERS ||
		shard->next_voter_count != 0)
		return error_set(error, -EINVAL, "a new shard with %u replicas, %u voters, %u next voters",
			shard->replica_count, shard->voter_count, shard->next_voter_count);
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];

		if (uuid_is_none(replica->replica) || uuid_is_none(replica->pool) || replica->removed ||
			replica->made)
			return error_set(
				error, -EINVAL, "a replica without its UUIDs, or made or removed already");
		for (unsigned j = 0; j < i; j++) {
			if (uuid_equal(replica->replica, shard->replicas[j].replica) ||
				uuid_equal(replica->pool, shard->replicas[j].pool))
				return error_set(
					error, -EINVAL, "two replicas of a shard share a UUID or a pool");
		}
	}
	return 0;
}

bool stripe_is_valid(const struct catalog_volume *volume)
{
	if (volume->shard_count == 1)
		return volume->stripe_bytes == 0;
	return volume->stripe_bytes >= STRIPE_MIN_BYTES && volume->stripe_bytes % GRAIN_BYTES == 0;
}

/* The UUIDs of all replicas differ, and so do those of all groups. */
static int shards_differ(const struct catalog_volume *volume, unsigned s, struct error *error)
{
	for (unsigned t = 0; t < s; t++) {
		const struct catalog_shard *a = &volume->shards[s], *b = &volume->shards[t];

		if (uuid_equal(a->group, b->group))
			return error_set(error, -EINVAL, "two shards share a group's UUID");
		for (unsigned i = 0; i < a->replica_count; i++)
			for (unsigned j = 0; j < b->replica_count; j++)
				if (uuid_equal(a->replicas[i].replica, b->replicas[j].replica))
					return error_set(error, -EINVAL, "two shards share a replica's UUID");
	}
	return 0;
}

/*
 * A transaction writes what is reserved on each pool and a copy of the record for each node, and a few keys
 * beside. What is left is for members that move and nodes that have it attached.
 */
#define MAX_PLACES (KVDB_MAX_TXN_OPS - 16)

static bool is_first_on_node(const struct catalog_volume *volume, unsigned shard, unsigned replica)
{
	const char *node = volume->shards[shard].replicas[replica].node;

	for (unsigned s = 0; s <= shard; s++)
		for (unsigned i = 0; i < (s < shard ? volume->shards[s].replica_count : replica); i++)
			if (strcmp(volume->shards[s].replicas[i].node, node) == 0)
				return false;
	return true;
}

static int places_check(const struct catalog_volume *volume, struct error *error)
{
	unsigned pools = 0, nodes = 0;

	for (unsigned s = 0; s < volume->shard_count; s++)
		for (unsigned i = 0; i < volume->shards[s].replica_count; i++) {
			pools += replicas_on_pool(volume, s, i) > 0;
			nodes += is_first_on_node(volume, s, i);
		}
	if (pools + nodes <= MAX_PLACES)
		return 0;
	return error_set(error, -EINVAL,
		"volume %s would be on %u pools of %u nodes: those of all its shards can be %u, pools and "
		"nodes together; fewer shards",
		volume->name, pools, nodes, MAX_PLACES);
}

static int shards_check(const struct catalog_volume *volume, struct error *error)
{
	int rc = 0;

	if (volume->shard_count < 1 || volume->shard_count > CATALOG_MAX_SHARDS)
		return error_set(error, -EINVAL, "volume %s would have %u shards: 1 to %u are possible",
			volume->name, volume->shard_count, CATALOG_MAX_SHARDS);
	if (!stripe_is_valid(volume) || volume->stripe_bytes > volume->size_bytes / volume->shard_count)
		return error_set(error, -EINVAL,
			"volume %s would have %u shards with stripes of %llu bytes: a multiple of 64 KiB, "
			"from "
			"256 KiB to a shard's size, is possible with several shards, and none with one",
			volume->name, volume->shard_count, (unsigned long long)volume->stripe_bytes);
	for (unsigned s = 0; s < volume->shard_count && rc == 0; s++) {
		rc = shard_check(&volume->shards[s], error);
		if (rc == 0)
			rc = shards_differ(volume, s, error);
	}
	return rc ? rc : places_check(volume, error);
}

int volume_check(const struct catalog_volume *volume, struct error *error)
{
	int rc = name_check("volume name", volume->name, error);

	if (rc == 0)
		rc = name_check("class name", volume->class_name, error);
	if (rc != 0)
		return rc;
	if (uuid_is_none(volume->volume))
		return error_set(error, -EINVAL, "volume %s has no UUID", volume->name);
	if (volume->size_bytes < VOLUME_MIN_BYTES || volume->size_bytes > VOLUME_MAX_BYTES ||
		volume->size_bytes % GRAIN_BYTES != 0)
		return error_set(error, -EINVAL,
			"volume %s would have %llu bytes: a multiple of 64 KiB from 32 MiB to 64 TiB is "
			"possible",
			volume->name, (unsigned long long)volume->size_bytes);
	if (strcmp(volume->fs, "ext4") != 0 && strcmp(volume->fs, "xfs") != 0)
		return error_set(error, -EINVAL, "filesystem \"%.7s\" is not known: ext4 or xfs", volume->fs);
	if (volume->label_count > CATALOG_MAX_LABELS)
		return error_set(error, -EINVAL, "volume %s would have %u labels: at most %u are possible",
			volume->name, volume->label_count, CATALOG_MAX_LABELS);
	return shards_check(volume, error);
}
