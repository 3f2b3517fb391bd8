/* What the members of a group need by themselves (docs/protocol.md, "Repair of membership"). */
#include "reconcile/reconcile.h"

static uint64_t away_ms(const struct repair_seen *seen, struct uuid replica)
{
	for (unsigned i = 0; i < seen->count; i++)
		if (uuid_equal(seen->members[i].replica, replica))
			return seen->members[i].away_ms;
	return 0;
}

struct repair_choice repair_choose(const struct catalog_shard *shard, const struct repair_seen *seen)
{
	struct repair_choice choice = { REPAIR_NOTHING, NULL };
	uint64_t longest_ms = seen->rebuild_after_ms;

	ASSERT(seen->rebuild_after_ms > 0);
	if (shard->next_voter_count != 0)
		return choice; /* the coordinator ends it by itself, the one way or the other */
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];
		uint64_t ms = away_ms(seen, replica->replica);

		if (replica->retired)
			continue;
		if (!catalog_is_voter(shard, replica->replica))
			return (struct repair_choice){
				ms >= seen->rebuild_after_ms ? REPAIR_GIVE_UP : REPAIR_NOTHING, replica
			};
	}
	for (unsigned i = 0; i < shard->replica_count; i++)
		if (shard->replicas[i].leaves && !shard->replicas[i].retired)
			return choice;
	/* Who has been away longest first. */
	for (unsigned i = 0; i < shard->replica_count; i++) {
		const struct catalog_replica *replica = &shard->replicas[i];

		if (replica->retired || away_ms(seen, replica->replica) < longest_ms)
			continue;
		longest_ms = away_ms(seen, replica->replica) + 1;
		choice = (struct repair_choice){ REPAIR_REPLACE, replica };
	}
	return choice;
}
