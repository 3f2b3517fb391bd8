/* Snapshots: clients make and remove them; in the end all replicas must have the same, level by level. */
#include "replication/message.h"
#include "sim/cluster.h"
#include "store/checksums.h"
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

/* Until the checksums of the grain are at hand. */
static void load(struct cluster *c, struct pool_replica *store, struct grain_level level, uint64_t index)
{
	for (unsigned i = 0; i < 100 && pool_replica_grain_loads(store, level, index); i++) {
		uint64_t end_ns = c->sim.now_ns + 10 * NS_PER_MS;

		while (loop_sim_step(&c->sim, end_ns))
			;
	}
}

/*
 * What a grain holds must be the same, and mostly the entry that it is of, too. A mark of a trim says nothing
 * where nothing would shine through; it goes when the layers around it are merged, and with it may go the
 * only word of its entry. When that is, before a snapshot below is removed or after, is each replica's own
 * affair.
 */
static bool is_same(const struct grain_state *a, const struct grain_state *b)
{
	struct grain_state alike = *b;

	if (a->present != UINT16_MAX) {
		alike.epoch = a->epoch;
		alike.seq = a->seq;
	}
	return grain_state_equal(a, &alike);
}

static bool level_compare(
	struct sim_volume *v, unsigned one, unsigned other, struct grain_level level, unsigned n)
{
	struct cluster *c = v->cluster;
	struct pool_replica *a = sim_replica_store(c, &v->replicas[one]);
	struct pool_replica *b = sim_replica_store(c, &v->replicas[other]);
	uint64_t grains = pool_replica_size(a) / GRAIN_BYTES;

	pool_replica_grains_turn(a, true);
	pool_replica_grains_turn(b, true);
	pool_replica_grains_turn(a, false);
	pool_replica_grains_turn(b, false);
	for (uint64_t index = 0; index < grains; index++) {
		struct grain_state in_a, in_b;
		bool has_a, has_b;

		load(c, a, level, index);
		load(c, b, level, index);
		has_a = pool_replica_grain_view(a, level, index, &in_a);
		has_b = pool_replica_grain_view(b, level, index, &in_b);
		if (has_a == has_b && (!has_a || is_same(&in_a, &in_b)))
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

/* Which snapshots there are, in which order, what each stands on, and what the volume does. */
static bool trees_compare(struct sim_volume *v, unsigned one, unsigned other)
{
	static struct pool_snapshot mine[MAP_MAX_LEVELS], its[MAP_MAX_LEVELS];
	struct cluster *c = v->cluster;
	struct pool_replica *a = sim_replica_store(c, &v->replicas[one]);
	struct pool_replica *b = sim_replica_store(c, &v->replicas[other]);
	unsigned count = pool_replica_snapshots(a, mine, MAP_MAX_LEVELS);
	unsigned node = v->replicas[one].node, other_node = v->replicas[other].node;

	if (pool_replica_snapshots(b, its, MAP_MAX_LEVELS) != count) {
		cluster_violation(c, "%s: node %u has %u snapshots, node %u has %u", v->name, node, count,
			other_node, pool_replica_snapshots(b, NULL, 0));
		return false;
	}
	ASSERT(count <= MAP_MAX_LEVELS);
	for (unsigned n = 0; n < count; n++) {
		bool same = uuid_equal(mine[n].snapshot, its[n].snapshot);

		if (same && uuid_equal(mine[n].parent, its[n].parent))
			continue;
		cluster_violation(c, "%s: snapshot %u %s on nodes %u and %u", v->name, n,
			same ? "stands on different ones" : "is another", node, other_node);
		return false;
	}
	if (!uuid_equal(pool_replica_snapshot_top(a), pool_replica_snapshot_top(b))) {
		cluster_violation(c, "%s: the volume stands on different snapshots on nodes %u and %u",
			v->name, node, other_node);
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
		if (!trees_compare(v, one, i))
			return false;
		for (unsigned n = 0; n < count; n++) {
			if (!pool_replica_snapshot_at(first, n, &level.snapshot))
				return false;
			if (!level_compare(v, one, i, level, n + 1))
				return false;
		}
		if (!level_compare(v, one, i, (struct grain_level){ 0 }, 0))
			return false;
	}
	return true;
}
