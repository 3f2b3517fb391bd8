/* Snapshots: clients make and remove them; in the end all replicas must have the same, level by level. */
#include "sim/cluster.h"
#include "store/store.h"

#define SNAPSHOTS_MAX 12u /* kept at a time */

static struct uuid uuid_of(uint32_t number)
{
	struct uuid uuid = { .byte[0] = 0x5b };

	for (unsigned i = 0; i < 4; i++)
		uuid.byte[15 - i] = (uint8_t)(number >> 8 * i);
	return uuid;
}

void snapshot_request(struct sim_volume *v, struct random *random, struct request *request)
{
	bool full = v->snapshots_made - v->snapshots_removed >= SNAPSHOTS_MAX;

	request->op = REQUEST_SNAPSHOT;
	if (full || (v->snapshots_made > v->snapshots_removed && random_chance(random, 1, 3))) {
		/* Any of them; one that is gone already is removed once more. */
		uint32_t range = v->snapshots_made - v->snapshots_removed;

		request->op = REQUEST_SNAPSHOT_DELETE;
		request->snapshot = uuid_of(v->snapshots_removed + 1 + (uint32_t)random_below(random, range));
		v->snapshots_removed += full;
		return;
	}
	request->snapshot = uuid_of(++v->snapshots_made);
}

/* Until what is committed is applied. */
static void settle(struct cluster *c, struct pool_replica *store)
{
	for (unsigned i = 0; i < 600 && pool_replica_levels_move(store); i++) {
		uint64_t end_ns = c->sim.now_ns + 100 * NS_PER_MS;

		while (loop_sim_step(&c->sim, end_ns))
			;
	}
}

static bool level_compare(
	struct sim_volume *v, unsigned one, unsigned other, struct grain_level level, unsigned n)
{
	struct cluster *c = v->cluster;
	struct pool_replica *a = sim_replica_store(c, &v->replicas[one]);
	struct pool_replica *b = sim_replica_store(c, &v->replicas[other]);
	uint64_t grains = pool_replica_size(a) / GRAIN_BYTES;

	for (uint64_t index = 0; index < grains; index++) {
		struct grain_state in_a, in_b;
		bool has_a = pool_replica_grain_view(a, level, index, &in_a);
		bool has_b = pool_replica_grain_view(b, level, index, &in_b);

		if (has_a == has_b && (!has_a || grain_state_equal(&in_a, &in_b)))
			continue;
		cluster_violation(c,
			"%s: level %u, grain %u: nodes %u and %u differ (s%u present %x zero %x; s%u present "
			"%x "
			"zero %x)",
			v->name, n, (unsigned)index, v->replicas[one].node, v->replicas[other].node,
			(unsigned)in_a.seq, in_a.present, in_a.zero, (unsigned)in_b.seq, in_b.present,
			in_b.zero);
		return false;
	}
	return true;
}

bool levels_compare(struct sim_volume *v)
{
	struct cluster *c = v->cluster;
	struct pool_replica *first;
	unsigned count, one = 0;

	while (!sim_is_member(v, one))
		one++;
	first = sim_replica_store(c, &v->replicas[one]);
	settle(c, first);
	count = pool_replica_snapshots(first, NULL, 0);
	for (unsigned i = one + 1; i < v->replica_count; i++) {
		struct pool_replica *other = sim_replica_store(c, &v->replicas[i]);
		struct grain_level level = { 0 };

		if (!sim_is_member(v, i))
			continue;
		settle(c, other);
		if (pool_replica_snapshots(other, NULL, 0) != count) {
			cluster_violation(c, "%s: node %u has %u snapshots, node %u has %u", v->name,
				v->replicas[one].node, count, v->replicas[i].node,
				pool_replica_snapshots(other, NULL, 0));
			return false;
		}
		for (unsigned n = 0; n < count; n++) {
			struct uuid its = { 0 };

			if (!pool_replica_snapshot_at(first, n, &level.snapshot) ||
				!pool_replica_snapshot_at(other, n, &its) ||
				!uuid_equal(level.snapshot, its)) {
				cluster_violation(c, "%s: snapshot %u is another on nodes %u and %u", v->name,
					n, v->replicas[one].node, v->replicas[i].node);
				return false;
			}
			if (!level_compare(v, one, i, level, n + 1))
				return false;
		}
		if (!level_compare(v, one, i, (struct grain_level){ 0 }, 0))
			return false;
	}
	return true;
}
