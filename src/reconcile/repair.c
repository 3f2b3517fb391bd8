/* What the members of a group need by themselves (docs/protocol.md, "Repair of membership"). */
#include "reconcile/reconcile.h"

static uint64_t away_ms(const struct repair_seen *seen, struct uuid replica)
{
	for (unsigned i = 0; i < seen->count; i++)
		if (uuid_equal(seen->members[i].replica, replica))
			return seen->members[i].away_ms;
	return 0;
}

/* Of two voters the one that is away, when the other one is there. */
static const struct catalog_replica *to_drop(
	const struct catalog_shard *shard, const struct repair_seen *seen)
{
	if (shard->voter_count != 2)
		return NULL;
	for (unsigned i = 0; i < 2; i++)
		if (away_ms(seen, shard->voters[i]) >= seen->drop_after_ms &&
			away_ms(seen, shard->voters[1 - i]) == 0)
			for (unsigned k = 0; k < shard->replica_count; k++)
				if (uuid_equal(shard->replicas[k].replica, shard->voters[i]))
					return &shard->replicas[k];
	return NULL;
}

struct repair_choice repair_choose(const struct catalog_shard *shard, const struct repair_seen *seen)
{
	struct repair_choice choice = { REPAIR_NOTHING, NULL };
	uint64_t longest_ms = seen->rebuild_after_ms;

	ASSERT(seen->rebuild_after_ms > 0 && seen->drop_after_ms > 0);
	if (shard->next_voter_count != 0)
		return choice; /* the coordinator ends it by itself, the one way or the other */
	choice.replica = to_drop(shard, seen);
	if (choice.replica)
		choice.kind = REPAIR_DROP;
	if (choice.replica || !seen->serves)
		return choice;
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
	if (shard->wanted_voters > shard->voter_count) {
		choice.kind = REPAIR_ADD;
		return choice;
	}
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
