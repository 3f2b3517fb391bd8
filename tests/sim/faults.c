/* What goes wrong, each fault on its own clock. */
#include <errno.h>

#include "sim/cluster.h"

static unsigned any_node(struct cluster *c)
{
	return (unsigned)random_below(&c->random, c->plan.nodes);
}

static uint64_t around(struct cluster *c, uint64_t mean_ns)
{
	return random_below(&c->random, 2 * mean_ns + 1);
}

static void fault_crash(struct cluster *c)
{
	struct node *node = &c->nodes[any_node(c)];

	if (!node->process || node->may_fail || c->plan.restarts == 0)
		return;
	c->plan.restarts--;
	node_crash(node, c->plan.power_loss && random_chance(&c->random, 2, 3));
	node->restart_ns = c->sim.now_ns + around(c, c->plan.down_ns);
}

static void fault_reset(struct cluster *c)
{
	if (net_sim_reset_one(c->net))
		trace_event(&c->trace, "reset", 0, 0, 0);
}

static void fault_corrupt(struct cluster *c)
{
	if (net_sim_corrupt_one(c->net))
		trace_event(&c->trace, "corrupt", 0, 0, 0);
}

/* One direction, both, or a whole node; the next one of these may heal all. */
static void fault_cut(struct cluster *c)
{
	unsigned a = any_node(c), b = any_node(c);
	uint64_t kind = random_below(&c->random, 4);

	if (kind == 0) {
		trace_event(&c->trace, "heal", 0, 0, 0);
		net_sim_heal(c->net);
		return;
	}
	trace_event(&c->trace, "cut", a, b, kind);
	if (kind == 3) {
		for (unsigned i = 0; i < c->plan.nodes; i++) {
			net_sim_cut(c->net, a, i, i != a);
			net_sim_cut(c->net, i, a, i != a);
		}
		return;
	}
	if (a == b)
		return;
	net_sim_cut(c->net, a, b, true);
	if (kind == 2)
		net_sim_cut(c->net, b, a, true);
}

static void fault_heal(struct cluster *c)
{
	trace_event(&c->trace, "heal", 0, 0, 0);
	net_sim_heal(c->net);
}

static void fault_slow(struct cluster *c)
{
	unsigned n = any_node(c);

	trace_event(&c->trace, "slow-disk", n, 0, 0);
	disk_latency(c->nodes[n].pools[random_below(&c->random, c->plan.pools)].disk, c->plan.slow_disk_ns);
}

static void fault_fast(struct cluster *c)
{
	for (unsigned i = 0; i < c->plan.nodes; i++)
		for (unsigned k = 0; k < c->plan.pools; k++)
			disk_latency(c->nodes[i].pools[k].disk, c->plan.disk_ns);
}

static void fault_pause(struct cluster *c)
{
	unsigned n = any_node(c);

	if (!c->nodes[n].process)
		return;
	trace_event(&c->trace, "pause", n, 0, 0);
	loop_sim_pause(&c->sim, n, c->sim.now_ns + around(c, c->plan.pause_for_ns));
}

/* Only of one node's grains in a seed: the others are the quorum that survives. */
static void fault_rot(struct cluster *c)
{
	unsigned n = (unsigned)c->plan.rot_node;

	if (disk_rot(c->nodes[n].pools[random_below(&c->random, c->plan.pools)].disk, &c->random))
		trace_event(&c->trace, "rot", n, 0, 0);
}

/* On the same node: one copy of a block is bad, whatever made it so. */
static void fault_misdirect(struct cluster *c)
{
	unsigned n = (unsigned)c->plan.rot_node;

	trace_event(&c->trace, "misdirect", n, 0, 0);
	disk_misdirect(c->nodes[n].pools[random_below(&c->random, c->plan.pools)].disk, &c->random);
}

static void fault_rot_ring(struct cluster *c)
{
	unsigned n = (unsigned)c->plan.rot_node;

	/* What reads differently each time is a disk to be taken away, and no pool opens on it. */
	if (node_is_up(&c->nodes[n]) &&
		disk_rot_ring(c->nodes[n].pools[random_below(&c->random, c->plan.pools)].disk, &c->random))
		trace_event(&c->trace, "rot-ring", n, 0, 0);
}

static void fault_stall(struct cluster *c)
{
	unsigned n = any_node(c);

	trace_event(&c->trace, "stall", n, 0, 0);
	disk_stall(c->nodes[n].pools[random_below(&c->random, c->plan.pools)].disk, true);
}

static void fault_unstall(struct cluster *c)
{
	for (unsigned i = 0; i < c->plan.nodes; i++)
		for (unsigned k = 0; k < c->plan.pools; k++)
			disk_stall(c->nodes[i].pools[k].disk, false);
}

static void fault_move(struct cluster *c)
{
	if (c->plan.moves == 0)
		return;
	c->plan.moves--;
	attach_move(&c->volumes[random_below(&c->random, sim_attachable(c))], any_node(c));
}

/*
 * The holder keeps one voter, another node gets all others, and takes the volume: both believe in themselves
 * for as long as the rules allow.
 */
static void fault_succeed(struct cluster *c)
{
	struct sim_volume *v = &c->volumes[random_below(&c->random, sim_attachable(c))];
	unsigned old = v->record.holder, next = any_node(c);
	unsigned kept = (unsigned)random_below(&c->random, v->replica_count);

	if (c->plan.moves == 0 || next == old || kvdb_is_away(c) || !node_is_up(&c->nodes[next]))
		return;
	c->plan.moves--;
	trace_event(&c->trace, "succeed", old, next, v->index);
	for (unsigned i = 0; i < v->replica_count; i++) {
		unsigned from = i == kept ? next : old, voter = v->replicas[i].node;

		if (from == voter)
			continue;
		net_sim_cut(c->net, from, voter, true);
		if (random_chance(&c->random, 3, 4))
			net_sim_cut(c->net, voter, from, true);
	}
	attach_move(v, next);
}

/* Nobody reaches the kvdb; attached volumes must not notice. */
static void fault_kvdb(struct cluster *c)
{
	c->kvdb_back_ns = c->sim.now_ns + around(c, c->plan.kvdb_for_ns);
	trace_event(&c->trace, "kvdb-away", c->kvdb_back_ns, 0, 0);
}

/* A disk that is to fail, with its next operation or one of those that follow; NULL: not now. */
static struct disk *disk_that_fails(struct cluster *c, const char *how, uint64_t *ret_operation)
{
	struct node *node = &c->nodes[any_node(c)];
	unsigned pool;

	if (!node_is_up(node) || c->plan.restarts == 0)
		return NULL;
	trace_event(&c->trace, how, node->index, 0, 0);
	node->may_fail = true;
	node->repair_ns = c->sim.now_ns + around(c, 10 * NS_PER_S);
	*ret_operation = 1 + random_below(&c->random, 40);
	pool = (unsigned)random_below(&c->random, c->plan.pools);
	return node->pools[pool].disk;
}

/* It answers nothing but EIO until its node starts again. */
static void fault_fail(struct cluster *c)
{
	uint64_t operation;
	struct disk *disk = disk_that_fails(c, "disk-fails", &operation);

	if (disk)
		disk_fail(disk, operation, -EIO);
}

/* It answers nothing at all until then: for longer than a pool waits, or not. */
static void fault_hang(struct cluster *c)
{
	uint64_t operation;
	struct disk *disk = disk_that_fails(c, "disk-hangs", &operation);

	if (disk)
		disk_hang(disk, operation);
}

static void fault_reopen(struct cluster *c)
{
	struct node *node;

	if (c->plan.restarts == 0)
		return;
	node = &c->nodes[any_node(c)];
	if (node->may_fail)
		return;
	c->plan.restarts--;
	node_reopen_pool(node, (unsigned)random_below(&c->random, c->plan.pools));
}

static void fault_change(struct cluster *c)
{
	members_wish(&c->volumes[random_below(&c->random, c->plan.volumes)]);
}

struct fault {
	void (*fn)(struct cluster *c);
	size_t interval; /* offset in the plan */
};

#define FAULT(fn, field)                                                                                     \
	{                                                                                                    \
		fn, offsetof(struct plan, field)                                                             \
	}

static const struct fault faults[] = {
	FAULT(fault_crash, crash_ns),
	FAULT(fault_reset, reset_ns),
	FAULT(fault_corrupt, corrupt_ns),
	FAULT(fault_cut, cut_ns),
	FAULT(fault_heal, cut_for_ns),
	FAULT(fault_slow, slow_ns),
	FAULT(fault_fast, slow_for_ns),
	FAULT(fault_pause, pause_ns),
	FAULT(fault_rot, rot_ns),
	FAULT(fault_move, move_ns),
	FAULT(fault_reopen, reopen_ns),
	FAULT(fault_succeed, succeed_ns),
	FAULT(fault_kvdb, kvdb_ns),
	FAULT(fault_fail, fail_ns),
	FAULT(fault_hang, hang_ns),
	FAULT(fault_change, change_ns),
	FAULT(fault_misdirect, misdirect_ns),
	FAULT(fault_rot_ring, rot_ring_ns),
	FAULT(fault_stall, stall_ns),
	FAULT(fault_unstall, stall_for_ns),
};

#define FAULT_COUNT (sizeof(faults) / sizeof(faults[0]))

static uint64_t interval_of(const struct cluster *c, size_t i)
{
	return *(const uint64_t *)(const void *)((const char *)&c->plan + faults[i].interval);
}

static void strike(struct sim_event *event)
{
	struct cluster *c = event->arg;
	size_t i = (size_t)(event - c->faults);

	faults[i].fn(c);
	sim_event_set(&c->sim, event, c->sim.now_ns + around(c, interval_of(c, i)));
}

void faults_start(struct cluster *c)
{
	_Static_assert(
		FAULT_COUNT <= sizeof(c->faults) / sizeof(c->faults[0]), "room for each fault's clock");
	for (size_t i = 0; i < FAULT_COUNT; i++) {
		c->faults[i] = (struct sim_event){ .fn = strike, .arg = c };
		if (interval_of(c, i) != 0)
			sim_event_set(&c->sim, &c->faults[i], c->sim.now_ns + around(c, interval_of(c, i)));
	}
}

void faults_stop(struct cluster *c)
{
	for (size_t i = 0; i < FAULT_COUNT; i++)
		sim_event_cancel(&c->sim, &c->faults[i]);
	net_sim_heal(c->net);
	fault_fast(c);
	fault_unstall(c);
	c->kvdb_back_ns = c->sim.now_ns;
	for (unsigned i = 0; i < c->plan.nodes; i++) {
		if (c->nodes[i].may_fail)
			c->nodes[i].repair_ns = c->sim.now_ns;
		if (c->nodes[i].restart_ns > c->sim.now_ns)
			c->nodes[i].restart_ns = c->sim.now_ns;
		if (loop_sim_is_paused(&c->sim, i))
			loop_sim_pause(&c->sim, i, c->sim.now_ns);
	}
}
