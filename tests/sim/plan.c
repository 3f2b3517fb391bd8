/* What a seed chooses. Each seed has some of the faults, not all: what one fault hides another shows. */
#include "replication/message.h"
#include "sim/cluster.h"

static uint64_t within(struct random *r, uint64_t min, uint64_t max)
{
	return min + random_below(r, max - min + 1);
}

/* Mostly a fault, spread over three orders of magnitude: often and rarely are different worlds. */
static uint64_t interval(struct random *r, unsigned chance_percent, uint64_t min_ms, uint64_t max_ms)
{
	uint64_t low = min_ms, high;

	if (random_below(r, 100) >= chance_percent)
		return 0;
	high = low + (max_ms - min_ms) / within(r, 1, 20);
	return within(r, low, high) * NS_PER_MS;
}

static void plan_faults(struct plan *plan, struct random *r)
{
	plan->crash_ns = interval(r, 75, 500, 20000);
	plan->down_ns = within(r, 1, random_chance(r, 1, 4) ? 20000 : 2000) * NS_PER_MS;
	plan->restarts = (unsigned)within(r, 1, 16);
	plan->power_loss = random_chance(r, 3, 4);
	plan->reset_ns = interval(r, 60, 50, 10000);
	plan->corrupt_ns = interval(r, 30, 500, 20000);
	plan->cut_ns = interval(r, 60, 200, 20000);
	plan->cut_for_ns = plan->cut_ns ? within(r, 100, 15000) * NS_PER_MS : 0;
	plan->slow_ns = interval(r, 40, 500, 20000);
	plan->slow_for_ns = plan->slow_ns ? within(r, 500, 10000) * NS_PER_MS : 0;
	plan->slow_disk_ns = within(r, 5, random_chance(r, 1, 4) ? 4000 : 200) * NS_PER_MS;
	plan->pause_ns = interval(r, 40, 500, 20000);
	plan->pause_for_ns = within(r, 10, 6000) * NS_PER_MS;
	plan->rot_ns = interval(r, 30, 100, 5000);
	plan->succeed_ns = interval(r, 60, 1000, 20000);
	plan->kvdb_ns = interval(r, 30, 2000, 30000);
	plan->kvdb_for_ns = within(r, 100, 20000) * NS_PER_MS;
	plan->fail_ns = interval(r, 20, 5000, 60000);
	plan->move_ns = interval(r, 60, 300, 20000);
	plan->moves = (unsigned)within(r, 1, 24);
	plan->reopen_ns = interval(r, 25, 1000, 20000);
	plan->drift_ppm = random_chance(r, 1, 2) ? (int64_t)within(r, 0, 40000) : 0;
}

/* Pools with about as many grains as the volumes want. */
static void plan_small(struct plan *plan, struct random *r)
{
	uint64_t grains = within(r, 24, 120);

	plan->small = true;
	plan->disk_bytes = plan->journal_bytes + (UINT64_C(1) << 20) + grains * GRAIN_BYTES;
	if (plan->disk_bytes < plan->journal_bytes * 2)
		plan->disk_bytes = plan->journal_bytes * 2;
	if (plan->disk_bytes < POOL_MIN_BYTES)
		plan->disk_bytes = POOL_MIN_BYTES;
	plan->hot_blocks = (uint32_t)within(r, grains / 3, grains * 5 / 4) * GRAIN_BLOCKS;
	if (plan->write_percent < 40)
		plan->write_percent = 40;
}

/* The blocks that all fight for are where shards meet. */
static void plan_striped(struct plan *plan, struct random *r)
{
	uint32_t stripe_blocks = STRIPE_MIN_BYTES / BLOCK_BYTES;

	plan->striped = true;
	plan->hot_blocks = plan->volumes * stripe_blocks;
	if (random_chance(r, 3, 4))
		plan->snapshots = (unsigned)within(r, 8, 30);
	if (plan->write_percent < 40)
		plan->write_percent = 40;
}

/* Thin volumes are about to fill the pools of a thick one, all of which is written. What is kept free beside
 * it, for what thin ones are sent before they hear that it is full, is a quarter in pools that small. */
static void plan_thick_small(struct plan *plan, struct random *r)
{
	uint64_t grains = within(r, 130, 320), thin = within(r, 4, 40);

	if (plan->volumes == 1)
		plan->voters[plan->volumes++] = 3;
	plan->journal_bytes = (uint64_t)plan->volumes << (plan->change_ns ? 21 : 20);
	plan->small = true;
	plan->disk_bytes = plan->journal_bytes + (UINT64_C(1) << 20) + grains * GRAIN_BYTES;
	plan->thick_bytes = (grains * 7 / 10 - thin) * GRAIN_BYTES;
	plan->hot_blocks = (uint32_t)within(r, 2 * thin, grains) * GRAIN_BLOCKS;
	if (plan->operations < 600)
		plan->operations = within(r, 600, SIM_OPERATIONS);
	if (plan->write_percent < 50)
		plan->write_percent = 50;
}

static void plan_thick(struct plan *plan, struct random *r, bool liveness)
{
	bool may_stay_full = plan->change_ns != 0 || plan->snapshots != 0;

	if (plan->small || !random_chance(r, 1, 4))
		return;
	plan->thick = true;
	if (plan->striped) /* one node may have a replica of each shard, in one pool */
		plan->disk_bytes = (plan->volumes + 1) * SIM_VOLUME_BYTES;
	else if (random_chance(r, 3, 4) && (!liveness || !may_stay_full))
		plan_thick_small(plan, r);
}

void plan_make(struct plan *plan, uint64_t seed, bool liveness)
{
	struct random r;

	random_init(&r, seed * 2 + 1);
	*plan = (struct plan){ .rot_node = -1 };
	plan->nodes = (unsigned)within(&r, 3, 5);
	plan->pools = random_chance(&r, 1, 4) ? 2 : 1;
	plan->volumes = random_chance(&r, 2, 3) ? 1 : (unsigned)within(&r, 2, SIM_MAX_VOLUMES);
	for (unsigned i = 0; i < plan->volumes; i++)
		plan->voters[i] = plan->nodes == 5 && random_chance(&r, 1, 4) ? 5 : 3;
	plan->hot_blocks = (uint32_t)(random_chance(&r, 1, 2) ? within(&r, 1, 16) : within(&r, 16, 160));
	plan->clients = (uint32_t)within(&r, 1, SIM_MAX_CLIENT_OPS);
	plan->think_ns =
		within(&r, 1, 20) * (random_chance(&r, 1, 2) ? NS_PER_MS : 5 * NS_PER_MS) * plan->clients;
	/* Short seeds are many seeds: most of what goes wrong does so early, some only after long. */
	plan->operations = random_chance(&r, 1, 4) ? within(&r, 200, SIM_OPERATIONS) : within(&r, 100, 800);
	plan->longest_ns = within(&r, 60, random_chance(&r, 1, 4) ? 600 : 240) * NS_PER_S;
	plan->write_percent = (unsigned)within(&r, 20, 70);
	plan->trim_percent = random_chance(&r, 1, 2) ? (unsigned)within(&r, 1, 15) : 0;
	plan->reads_quorum = random_chance(&r, 1, 8);
	/* Small, so that it goes round; each replica's share must hold the largest entry all the same. */
	plan->journal_bytes = (uint64_t)plan->volumes << (random_chance(&r, 1, 4) ? 21 : 20);
	plan->disk_ns = within(&r, 20, 2000) * NS_PER_US;
	plan->net.delay_min_ns = within(&r, 10, 500) * NS_PER_US;
	plan->net.delay_max_ns = plan->net.delay_min_ns + within(&r, 10, 20000) * NS_PER_US;
	plan->net.slow_ns = random_chance(&r, 1, 3) ? within(&r, 1, 500) * NS_PER_MS : 0;
	plan_faults(plan, &r);
	if (plan->rot_ns)
		plan->rot_node = (int)random_below(&r, plan->nodes);
	plan->map_grains =
		(uint32_t)(random_chance(&r, 1, 4) ? within(&r, 1, MAP_MAX_GRAINS) : within(&r, 1, 4));
	plan->map_copies = (uint32_t)within(&r, 1, 4);
	plan->resync_bytes_per_s = random_chance(&r, 1, 4) ? within(&r, 1, 16) * GRAIN_BYTES * 4 : 0;
	if (random_chance(&r, 1, 3))
		plan->snapshots = (unsigned)within(&r, 8, 100);
	if (random_chance(&r, 1, 3)) {
		plan->change_ns = within(&r, 500, 20000) * NS_PER_MS;
		/* A pool may have a former replica beside the new one: each one's share must hold an entry.
		 */
		plan->journal_bytes *= 2;
		/* A spare is on a node that has no voter. */
		if (plan->nodes == 3)
			plan->nodes = 4;
	}
	plan->misdirect_ns = interval(&r, 20, 100, 5000);
	if (plan->misdirect_ns && plan->rot_node < 0)
		plan->rot_node = (int)random_below(&r, plan->nodes);
	plan->kvdb_late_ns = random_chance(&r, 1, 4)
				     ? within(&r, 10, random_chance(&r, 1, 2) ? 1000 : 12000) * NS_PER_MS
				     : 0;
	/*
	 * Who can't tell what it has promised is retired: it comes back as a new one, and new ones are in
	 * the ring alone for a while.
	 */
	plan->rot_ring_ns = liveness || plan->change_ns ? 0 : interval(&r, 25, 100, 5000);
	if (plan->rot_ring_ns && plan->rot_node < 0)
		plan->rot_node = (int)random_below(&r, plan->nodes);
	plan->stall_ns = interval(&r, 20, 500, 20000);
	plan->stall_for_ns = plan->stall_ns ? within(&r, 100, 1000) * NS_PER_MS : 0;
	/* Snapshots and former members may fill a pool for good: what is missing then has no room. */
	if (random_chance(&r, 1, 8) && (!liveness || (plan->change_ns == 0 && plan->snapshots == 0)))
		plan_small(plan, &r);
	if (random_chance(&r, 1, 2))
		plan->scrub_ms = within(&r, 2, 60) * 1000;
	if (plan->volumes > 1 && !plan->change_ns && !plan->small && random_chance(&r, 2, 3))
		plan_striped(plan, &r);
	if (random_chance(&r, 1, 2))
		plan->compare_ms = within(&r, 20, random_chance(&r, 1, 2) ? 1000 : 20000);
	plan->hang_ns = interval(&r, 15, 5000, 60000);
	plan_thick(plan, &r, liveness);
}
