/*
 * A striped volume by chance: the simulator's volumes are its shards, each with a group and replicas of its
 * own, and the first one has its record, history and clients. And the check of snapshots, of all volumes.
 */
#include <stdio.h>

#include "sim/cluster.h"
#include "store/store.h"

#define STRIPE_BLOCKS (STRIPE_MIN_BYTES / BLOCK_BYTES)

struct sim_volume *sim_lead(struct sim_volume *v)
{
	return v->cluster->plan.striped ? &v->cluster->volumes[0] : v;
}

unsigned sim_attachable(const struct cluster *c)
{
	return c->plan.striped ? 1 : c->plan.volumes;
}

int sim_volume_attach(const struct sim_volume *v, struct node *node, const struct volume_spec *spec,
	const struct volume_events *events, struct volume **ret_volume)
{
	const struct cluster *c = v->cluster;
	struct volume_spec specs[SIM_MAX_VOLUMES];

	if (!c->plan.striped)
		return volume_attach(node->process->datapath, spec, events, ret_volume);
	for (unsigned i = 0; i < c->plan.volumes; i++) {
		struct volume_spec shard;

		sim_spec_fill(&c->volumes[i], &shard);
		specs[i] = *spec;
		specs[i].size_bytes = SIM_VOLUME_BYTES * c->plan.volumes;
		specs[i].group = c->volumes[i].group;
		specs[i].config_number = shard.config_number;
		specs[i].voter_count = shard.voter_count;
		specs[i].voter_mask = shard.voter_mask;
		specs[i].next_mask = shard.next_mask;
		for (unsigned k = 0; k < shard.voter_count; k++)
			specs[i].voters[k] = shard.voters[k];
	}
	return volume_attach_striped(
		node->process->datapath, specs, c->plan.volumes, STRIPE_MIN_BYTES, events, ret_volume);
}

void sim_stats_get(const struct sim_volume *v, const struct attached *a, struct volume_stats *ret_stats)
{
	struct volume *shard = v->cluster->plan.striped ? volume_shard(a->volume, v->index) : a->volume;

	*ret_stats = (struct volume_stats){ .changing = true }; /* it is being taken away */
	if (shard)
		volume_stats_get(shard, ret_stats);
}

/* ---- snapshots ---- */

struct look {
	struct pool_read read;
	bool done;
	int rc;
};

static void look_done(struct pool_read *read, int rc)
{
	struct look *look = container_of(read, struct look, read);

	look->done = true;
	look->rc = rc;
}

/* From the first member that has it intact; NULL: none has. The caller puts it. */
static struct buf *snapshot_read(struct sim_volume *v, struct uuid snapshot, uint32_t first, uint32_t blocks)
{
	struct cluster *c = v->cluster;
	uint64_t end_ns = c->sim.now_ns + 60 * NS_PER_S;

	for (unsigned i = 0; i < v->replica_count; i++) {
		static struct look look;

		if (!sim_is_member(v, i))
			continue;
		look = (struct look){ 0 };
		look.read = (struct pool_read){
			.fn = look_done,
			.replica = sim_replica_store(c, &v->replicas[i]),
			.snapshot = snapshot,
			.offset_bytes = (uint64_t)first * BLOCK_BYTES,
			.length_bytes = blocks * BLOCK_BYTES,
			.into = buf_get(c->nodes[v->replicas[i].node].process->bufs, blocks * BLOCK_BYTES),
		};
		ASSERT(look.read.into && look.read.replica);
		pool_read(&look.read);
		while (!look.done && loop_sim_step(&c->sim, end_ns))
			;
		ASSERT(look.done);
		if (look.rc == 0)
			return look.read.into;
		buf_put(look.read.into);
	}
	return NULL;
}

/* Of the volume's block `first`, which shard has it, and where. */
static struct sim_volume *shard_at(struct sim_volume *v, uint32_t *first)
{
	struct cluster *c = v->cluster;
	uint32_t stripe = *first / STRIPE_BLOCKS;

	if (!c->plan.striped)
		return v;
	*first = stripe / c->plan.volumes * STRIPE_BLOCKS + *first % STRIPE_BLOCKS;
	return &c->volumes[stripe % c->plan.volumes];
}

static bool snapshot_check(struct sim_volume *v, struct uuid snapshot)
{
	struct history_cut cut = { .excluded = UINT64_MAX };

	for (uint32_t first = 0; first < v->hot_blocks; first += GRAIN_BLOCKS) {
		uint32_t blocks = v->hot_blocks - first < GRAIN_BLOCKS ? v->hot_blocks - first : GRAIN_BLOCKS;
		uint32_t at = first;
		struct sim_volume *shard = shard_at(v, &at);
		struct buf *buf = snapshot_read(shard, snapshot, at, blocks);
		bool is_known = true;

		for (uint32_t i = 0; buf && i < blocks; i++)
			is_known = is_known && history_cut(v->history, first + i,
						       buf->data + (size_t)i * BLOCK_BYTES, &cut);
		buf_put(buf);
		if (!is_known) {
			cluster_violation(v->cluster,
				"%s: a snapshot has in blocks from %u what was never "
				"written there",
				v->name, first);
			return false;
		}
	}
	if (cut.included > cut.excluded)
		cluster_violation(v->cluster,
			"%s: a snapshot has write %u, and lacks write %u, which had been acknowledged before "
			"that began",
			v->name, cut.included_write, cut.excluded_write);
	return cut.included <= cut.excluded;
}

static bool has_snapshot(struct sim_volume *v, struct uuid snapshot)
{
	struct uuid its;
	unsigned count, member = 0;
	struct pool_replica *store;

	while (!sim_is_member(v, member))
		member++;
	store = sim_replica_store(v->cluster, &v->replicas[member]);
	count = pool_replica_snapshots(store, NULL, 0);
	for (unsigned i = 0; i < count; i++)
		if (pool_replica_snapshot_at(store, i, &its) && uuid_equal(its, snapshot))
			return true;
	return false;
}

/* One that some shards lack was never finished. */
static bool all_have(struct sim_volume *v, struct uuid snapshot)
{
	struct cluster *c = v->cluster;

	for (unsigned i = 0; c->plan.striped && i < c->plan.volumes; i++)
		if (!has_snapshot(&c->volumes[i], snapshot))
			return false;
	return true;
}

bool snapshots_check(struct cluster *c)
{
	for (unsigned k = 0; k < sim_attachable(c); k++) {
		struct sim_volume *v = &c->volumes[k];
		struct pool_replica *store;
		unsigned member = 0;

		while (!sim_is_member(v, member))
			member++;
		store = sim_replica_store(c, &v->replicas[member]);
		for (unsigned i = 0; i < pool_replica_snapshots(store, NULL, 0); i++) {
			struct uuid snapshot;

			if (pool_replica_snapshot_at(store, i, &snapshot) && all_have(v, snapshot) &&
				!snapshot_check(v, snapshot))
				return false;
		}
	}
	return true;
}
