/*
 * Changes of members by chance: the spare replica of a volume takes a voter's place, as agents do it
 * (src/volumes/membership.c): a learner first, then a joint record, then the last one. Who has left is
 * deleted and made anew, with another name, as the next spare. The record is written by compare-and-set; its
 * answer may be lost, whether it was written or not.
 */
#include <errno.h>
#include <stdlib.h>

#include "sim/cluster.h"
#include "store/store.h"

static uint8_t bit_of(unsigned replica)
{
	return (uint8_t)(1u << replica);
}

bool sim_is_member(const struct sim_volume *v, unsigned replica)
{
	return v->members.voters == 0 || ((v->members.voters | v->members.next) & bit_of(replica)) != 0;
}

void members_init(struct sim_volume *v)
{
	const struct plan *plan = &v->cluster->plan;
	unsigned spare = v->replica_count;

	if (plan->change_ns == 0 || spare != 3)
		return;
	ASSERT(plan->nodes > spare && spare < GROUP_MAX_VOTERS);
	v->replicas[spare] = (struct sim_replica){ .uuid = uuid_random(&v->cluster->random),
		.node = (v->index + spare) % plan->nodes,
		.pool = (unsigned)random_below(&v->cluster->random, plan->pools) };
	v->replica_count++;
	v->members = v->noted = (struct sim_members){ 1, (uint8_t)(bit_of(spare) - 1), 0 };
}

/* ---- the wish ---- */

void members_wish(struct sim_volume *v)
{
	unsigned comes = v->replica_count, goes;

	if (v->members.voters == 0 || v->members.next != 0 || v->change.wanted)
		return;
	for (unsigned i = 0; i < v->replica_count; i++)
		if (!sim_is_member(v, i))
			comes = i;
	do
		goes = (unsigned)random_below(&v->cluster->random, v->replica_count);
	while (goes == comes);
	if (comes == v->replica_count || !v->replicas[comes].created || v->replicas[comes].retired)
		return;
	v->change = (struct sim_change){ true, comes, goes };
	trace_event(&v->cluster->trace, "change-wanted", v->index, comes, goes);
}

bool members_settled(const struct sim_volume *v)
{
	return !v->change.wanted && v->members.next == 0;
}

/* ---- the record ---- */

static uint8_t mask_of(const struct sim_volume *v, const struct uuid *names, unsigned count)
{
	uint8_t mask = 0;

	for (unsigned i = 0; i < v->replica_count; i++)
		for (unsigned k = 0; k < count; k++)
			if (uuid_equal(names[k], v->replicas[i].uuid))
				mask |= bit_of(i);
	return mask;
}

static enum record_outcome record_set(struct sim_volume *v, const struct volume_record *asked)
{
	struct sim_members next = { asked->number, mask_of(v, asked->voters, asked->voter_count),
		mask_of(v, asked->next_voters, asked->next_voter_count) };
	bool is_there = v->members.number == next.number && v->members.voters == next.voters &&
			v->members.next == next.next;

	if (is_there)
		return RECORD_WRITTEN;
	if (v->members.number != asked->number_before)
		return RECORD_LOST;
	v->members = next;
	trace_event(&v->cluster->trace, "members", next.number, next.voters, next.next);
	return RECORD_WRITTEN;
}

static enum record_outcome record_try(struct sim_volume *v, struct attached *a)
{
	struct cluster *c = v->cluster;
	uint64_t luck = c->phase == CLUSTER_RUNNING ? random_below(&c->random, 8) : 7;
	enum record_outcome outcome;

	v->noted_joint = true; /* on disk, before it acts */
	if (luck == 0)
		return RECORD_UNWRITTEN;
	if (luck == 1)
		return RECORD_UNKNOWN; /* and it was not written */
	outcome = record_set(v, &a->asked);
	return luck == 2 && outcome == RECORD_WRITTEN ? RECORD_UNKNOWN : outcome;
}

static void record_asked(struct sim_volume *v, struct attached *a)
{
	if (a->answer_ns == 0) {
		a->outcome = record_try(v, a);
		a->answer_ns = v->cluster->sim.now_ns + kvdb_late_ns(v->cluster);
	}
	if (v->cluster->sim.now_ns < a->answer_ns)
		return;
	if (a->outcome == RECORD_WRITTEN)
		v->noted = v->members;
	if (volume_record_is_stable(&a->asked, a->outcome))
		v->noted_joint = false;
	a->has_asked = false;
	a->answer_ns = 0;
	volume_record_told(a->volume, a->outcome);
}

/* ---- its steps ---- */

static const struct voter_stats *member(const struct volume_stats *stats, struct uuid replica)
{
	for (unsigned i = 0; i < stats->voter_count; i++)
		if (uuid_equal(stats->voters[i].replica, replica))
			return &stats->voters[i];
	return NULL;
}

/* Whom the data plane knows, and the record no more. */
static bool former_goes(struct sim_volume *v, struct attached *a, const struct volume_stats *stats)
{
	for (unsigned i = 0; i < stats->voter_count; i++) {
		const struct voter_stats *former = &stats->voters[i];
		bool stays = former->is_voter || uuid_is_none(former->replica);

		for (unsigned k = 0; k < v->replica_count; k++)
			if ((sim_is_member(v, k) || (v->change.wanted && k == v->change.comes)) &&
				uuid_equal(v->replicas[k].uuid, former->replica))
				stays = true;
		if (!stays) {
			ASSERT(volume_member_remove(a->volume, former->replica) == 0);
			return true;
		}
	}
	return false;
}

static void change_step(struct sim_volume *v, struct attached *a, const struct volume_stats *stats)
{
	struct uuid comes = v->replicas[v->change.comes].uuid, goes = v->replicas[v->change.goes].uuid;
	const struct voter_stats *learner = member(stats, comes);
	struct volume_voter voter;
	int rc;

	if (v->members.voters & bit_of(v->change.comes)) {
		ASSERT((v->members.voters & bit_of(v->change.goes)) == 0);
		v->replicas[v->change.goes].retired = true;
		v->change.wanted = false;
		trace_event(&v->cluster->trace, "change-done", v->index, v->change.comes, v->change.goes);
	} else if (!learner) {
		sim_voter_fill(v, v->change.comes, &voter);
		rc = volume_learner_add(a->volume, &voter);
		ASSERT(rc == 0);
	} else if (learner->may_join) {
		rc = volume_change_begin(a->volume, comes, goes);
		ASSERT(rc == 0 || rc == -EAGAIN || rc == -EBUSY);
	}
}

void members_look(struct sim_volume *v, struct attached *a)
{
	struct volume_stats stats;

	if (v->cluster->scene || v->members.voters == 0 || a->ended || a->detaching)
		return;
	if (a->has_asked) {
		record_asked(v, a);
		return;
	}
	if (!a->ready)
		return;
	volume_stats_get(a->volume, &stats);
	if (stats.state != VOLUME_SERVING || stats.changing || v->members.next != 0 ||
		stats.config_number != v->members.number || former_goes(v, a, &stats))
		return;
	if (v->change.wanted)
		change_step(v, a, &stats);
}

/* ---- who has left ---- */

struct renewal {
	struct node *node;
	struct process *process;
	struct sim_replica *replica;
};

static void renewed(void *arg, int rc)
{
	struct renewal *renewal = arg;

	if (renewal->node->process == renewal->process) {
		/* A small pool may not be rid of the former one yet. */
		if (rc != 0 && rc != -ENOSPC && !renewal->node->may_fail)
			cluster_violation(renewal->node->cluster, "node %u: a new replica can't be made: %d",
				renewal->node->index, rc);
		renewal->replica->created = rc == 0;
		renewal->replica->retired = rc != 0; /* once more */
		renewal->replica->busy = NULL;
	}
	free(renewal);
}

static void deleted(void *arg, int rc)
{
	struct renewal *renewal = arg;
	struct node *node = renewal->node;
	struct sim_replica *replica = renewal->replica;
	struct pool_replica_identity identity;

	if (node->process != renewal->process) {
		free(renewal);
		return;
	}
	if (rc != 0 && rc != -ENOENT && !node->may_fail)
		cluster_violation(node->cluster, "node %u: a replica can't be deleted: %d", node->index, rc);
	if (!node->process->pools[replica->pool] || (rc != 0 && rc != -ENOENT)) {
		replica->busy = NULL;
		free(renewal);
		return;
	}
	replica->uuid = uuid_random(&node->cluster->random);
	replica->retired = false;
	identity = replica->of;
	identity.replica = replica->uuid;
	datapath_replica_create(
		node->process->datapath, node->process->pools[replica->pool], &identity, renewed, renewal);
}

void members_renew(struct sim_volume *v, struct node *node)
{
	for (unsigned i = 0; i < v->replica_count; i++) {
		struct sim_replica *replica = &v->replicas[i];
		struct renewal *renewal;

		if (!replica->retired || replica->node != node->index || replica->busy == node->process ||
			!node_is_up(node))
			continue;
		renewal = malloc(sizeof(*renewal));
		ASSERT(renewal);
		*renewal = (struct renewal){ node, node->process, replica };
		replica->busy = node->process;
		replica->created = false;
		replica->of = (struct pool_replica_identity){ .group = v->group,
			.volume = v->volume,
			.size_bytes = v->size_bytes,
			.thick = sim_is_thick(v) };
		datapath_replica_delete(node->process->datapath, replica->uuid, deleted, renewal);
	}
}
