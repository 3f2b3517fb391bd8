#include "volumes/volume_shards.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volumes/manager.h"

void volume_voter_fill(
	const struct volumes *volumes, const struct catalog_replica *replica, struct volume_voter *ret_voter)
{
	const struct catalog_node *node;

	*ret_voter = (struct volume_voter){ .replica = replica->replica, .pool = replica->pool };
	snprintf(ret_voter->node, sizeof(ret_voter->node), "%s", replica->node);
	if (!catalog_node_find(volumes->catalog, replica->node, &node, NULL))
		snprintf(ret_voter->address.text, sizeof(ret_voter->address.text), "%s", node->address);
}

static uint8_t voter_mask(const struct shard_members *members, const struct uuid *voters, unsigned count)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < members->voter_count; i++)
		for (unsigned j = 0; j < count; j++)
			if (uuid_equal(members->voters[i].replica, voters[j]))
				mask |= 1u << i;
	return (uint8_t)mask;
}

static void members_fill(
	const struct volumes *volumes, const struct catalog_shard *shard, struct shard_members *members)
{
	*members = (struct shard_members){ .group = shard->group, .config_number = shard->config_number };
	for (unsigned i = 0; i < shard->replica_count && members->voter_count < GROUP_MAX_VOTERS; i++)
		if (catalog_is_voter(shard, shard->replicas[i].replica))
			volume_voter_fill(
				volumes, &shard->replicas[i], &members->voters[members->voter_count++]);
	members->voter_mask = voter_mask(members, shard->voters, shard->voter_count);
	members->next_mask = voter_mask(members, shard->next_voters, shard->next_voter_count);
}

int volume_shards_fill(
	const struct volumes *volumes, const struct catalog_volume *volume, struct volume_shards *shards)
{
	if (shards->members && shards->count != volume->shard_count)
		return -ESTALE;
	if (!shards->members)
		shards->members = calloc(volume->shard_count + 1, sizeof(*shards->members));
	if (!shards->members)
		return -ENOMEM;
	shards->count = volume->shard_count;
	shards->stripe_bytes = volume->stripe_bytes;
	for (unsigned s = 0; s < volume->shard_count; s++)
		members_fill(volumes, &volume->shards[s], &shards->members[s]);
	return 0;
}

struct volume_spec *volume_shards_specs(const struct volume_shards *shards, const struct volume_spec *common)
{
	struct volume_spec *specs = calloc(shards->count + 1, sizeof(*specs));

	for (unsigned s = 0; specs && s < shards->count; s++) {
		const struct shard_members *members = &shards->members[s];

		specs[s] = *common;
		specs[s].group = members->group;
		specs[s].config_number = members->config_number;
		specs[s].voter_count = members->voter_count;
		memcpy(specs[s].voters, members->voters, sizeof(specs[s].voters));
		specs[s].voter_mask = members->voter_mask;
		specs[s].next_mask = members->next_mask;
	}
	return specs;
}
