/*
 * What is promised to a thick volume: whatever thin ones do, its pools have a free grain for each that it
 * lacks, and none of its writes is refused for lack of room.
 *
 *   used + kept + what entries on their way take <= all grains of the pool
 *
 * One thing is excepted (docs/protocol.md, "Thick"): a snapshot, from whose entry on all of the size is kept
 * anew. A replica that was away was not asked for the room, and thin ones may take some of it between the
 * word of one that was asked and the entry. From then on its pool may be short of what is lacking at this
 * moment, and of what thin ones are sent until they hear that it is full; until it has all of that again.
 */
#include "sim/cluster.h"
#include "sim/thick_pool.h"
#include "store/usage.h"

/* So long a coordinator may go by what it has heard: pauses and cuts are shorter. */
#define SHORT_FOR_NS (60 * NS_PER_S)

bool sim_is_thick(const struct sim_volume *v)
{
	return v->cluster->plan.thick && (v->index == 0 || v->cluster->plan.striped);
}

/* Of one pool, what its thick replicas lack to their sizes; and whether a snapshot of one has come since they
 * were looked at last. */
struct look {
	struct pool *pool;
	uint64_t kept_grains;
	bool came;
};

static void replica_look(struct sim_replica *replica, struct look *look)
{
	const struct pool_replica *store = pool_replica_find(look->pool, replica->uuid);
	unsigned snapshots, due;

	if (!store)
		return;
	snapshots = pool_replica_snapshots(store, NULL, 0);
	due = thick_pool_due(store);
	if (due > replica->snapshots_due || due + snapshots > replica->snapshots_due + replica->snapshots)
		look->came = true;
	replica->snapshots_due = due;
	replica->snapshots = snapshots;
	look->kept_grains += pool_replica_size(store) / GRAIN_BYTES;
	if (due == 0)
		look->kept_grains -= pool_replica_used_bytes(store) / GRAIN_BYTES;
}

static void pool_check(struct node *node, unsigned k)
{
	struct cluster *c = node->cluster;
	struct sim_pool *of = &node->pools[k];
	struct look look = { .pool = node->process->pools[k] };
	struct thick_pool is;
	uint64_t worst, lacks, least;

	for (unsigned i = 0; i < c->plan.volumes; i++)
		for (unsigned n = 0; sim_is_thick(&c->volumes[i]) && n < c->volumes[i].replica_count; n++)
			if (c->volumes[i].replicas[n].node == node->index)
				replica_look(&c->volumes[i].replicas[n], &look);
	thick_pool_look(look.pool, &is);
	least = look.kept_grains + is.reserved + is.spare;
	worst = is.used + is.taken + least; /* all that is taken is so by thin ones */
	/* Each entry that was replayed counts as one that needs a grain of its own. */
	of->replayed = of->replayed && is.reserved != 0;
	lacks = is.used + look.kept_grains + (of->replayed ? 0 : is.reserved);
	if (look.came && worst > is.all + of->short_grains)
		of->short_grains = worst - is.all;
	else if (is.used + least <= is.all)
		of->short_grains = 0;
	if (lacks <= is.all)
		return;
	of->short_ns = c->sim.now_ns;
	if (lacks > is.all + of->short_grains)
		cluster_violation(c,
			"node %u, pool %u: thin volumes have what is kept for a thick one: %u grains used, "
			"%u kept, "
			"%u on their way, of %u",
			node->index, k, (unsigned)is.used, (unsigned)look.kept_grains, (unsigned)is.reserved,
			(unsigned)is.all);
}

void thick_check(struct cluster *c)
{
	for (unsigned i = 0; i < c->plan.nodes; i++) {
		struct node *node = &c->nodes[i];

		for (unsigned k = 0; node->process && k < c->plan.pools; k++)
			if (node->process->pools[k] && node->process->is_open[k])
				pool_check(node, k);
	}
}

void thick_refused(struct sim_volume *v)
{
	struct cluster *c = v->cluster;

	if (!sim_is_thick(v))
		return;
	/* Of a striped one any shard's. */
	for (unsigned i = 0; i < c->plan.volumes; i++)
		for (unsigned k = 0; sim_is_thick(&c->volumes[i]) && k < c->volumes[i].replica_count; k++) {
			const struct sim_replica *replica = &c->volumes[i].replicas[k];
			uint64_t short_ns = c->nodes[replica->node].pools[replica->pool].short_ns;

			if (short_ns != 0 && c->sim.now_ns - short_ns < SHORT_FOR_NS)
				return;
		}
	cluster_violation(c,
		"%s: a write of a thick volume was refused for lack of room, which its pools have kept",
		v->name);
}
