/* One seed from beginning to end. */
#include "sim/cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_LIMIT_NS    (60 * NS_PER_S)
#define CONVERGE_LIMIT_NS (180 * NS_PER_S)
/* Leases of 3 s at 4 % drift, back-off of 2 s, a detach that waits 10 s: what the slowest way to the next
 * step takes. */
#define STEPS_LIMIT UINT64_C(20000000)

void cluster_violation(struct cluster *c, const char *format, ...)
{
	va_list args;

	if (c->violation[0])
		return; /* the first one counts */
	va_start(args, format);
	vsnprintf(c->violation, sizeof(c->violation), format, args);
	va_end(args);
	trace_words(&c->trace, "VIOLATION %s", c->violation);
}

static void delivered(void *arg, unsigned from, unsigned to, const struct frame *frame)
{
	struct cluster *c = arg;

	trace_frame(&c->trace, from, to, frame);
}

static void node_init(struct node *node, unsigned index, struct cluster *c)
{
	int64_t drift = c->plan.drift_ppm
				? (int64_t)random_below(&c->random, 2 * (uint64_t)c->plan.drift_ppm) -
					  c->plan.drift_ppm
				: 0;

	node->cluster = c;
	node->index = index;
	snprintf(node->name, sizeof(node->name), "n%u", index);
	loop_sim_clock(&c->sim, index, random_below(&c->random, 1000 * NS_PER_S), drift);
	for (unsigned k = 0; k < c->plan.pools; k++) {
		struct sim_pool *pool = &node->pools[k];

		pool->disk = disk_new(c->plan.disk_bytes ? c->plan.disk_bytes : SIM_DISK_BYTES,
			c->plan.journal_bytes, random_u64(&c->random));
		disk_latency(pool->disk, c->plan.disk_ns);
		pool->uuid = uuid_random(&c->random);
	}
}

/* Its replicas are on nodes that follow each other, each on a pool by chance. */
static void volume_init(struct sim_volume *v, unsigned index, struct cluster *c)
{
	v->cluster = c;
	v->index = index;
	snprintf(v->name, sizeof(v->name), "v%u", index);
	v->volume = uuid_random(&c->random);
	v->group = uuid_random(&c->random);
	v->size_bytes = sim_is_thick(v) && c->plan.thick_bytes ? c->plan.thick_bytes : SIM_VOLUME_BYTES;
	v->history = history_new(SIM_VOLUME_GROWN / BLOCK_BYTES, random_u64(&c->random));
	v->hot_blocks = sim_is_thick(v) && c->plan.thick_bytes ? (uint32_t)(v->size_bytes / BLOCK_BYTES)
							       : c->plan.hot_blocks;
	v->replica_count = c->plan.voters[index];
	ASSERT(v->replica_count <= c->plan.nodes);
	for (unsigned i = 0; i < v->replica_count; i++)
		v->replicas[i] = (struct sim_replica){ .uuid = uuid_random(&c->random),
			.node = (index + i) % c->plan.nodes,
			.pool = (unsigned)random_below(&c->random, c->plan.pools) };
	v->record.holder = index % c->plan.nodes;
	members_init(v);
}

void cluster_init(struct cluster *c, uint64_t seed, bool print)
{
	c->seed = seed;
	random_init(&c->random, seed);
	loop_sim_init(&c->sim);
	trace_init(&c->trace, &c->sim, print);
	c->plan.net.delivered = delivered;
	c->plan.net.arg = c;
	ASSERT(net_sim_new(&c->sim, random_u64(&c->random), &c->plan.net, &c->net) == 0);
	c->cluster = uuid_random(&c->random);
	for (unsigned i = 0; i < c->plan.nodes; i++)
		node_init(&c->nodes[i], i, c);
	for (unsigned i = 0; i < c->plan.volumes; i++)
		volume_init(&c->volumes[i], i, c);
}

/* Runs until `fn` says so (true), the limit is reached (false) or something is violated (false). */
static bool run_until(struct cluster *c, uint64_t limit_ns, bool (*fn)(struct cluster *c))
{
	uint64_t end_ns = c->sim.now_ns + limit_ns;

	for (uint64_t steps = 0; steps < STEPS_LIMIT && !c->violation[0]; steps++) {
		if (fn && steps % 8 == 0 && fn(c))
			return true;
		if (!loop_sim_step(&c->sim, end_ns))
			return false;
		if (c->plan.thick)
			thick_check(c);
	}
	if (!c->violation[0])
		cluster_violation(c, "it runs in circles: %llu steps", (unsigned long long)STEPS_LIMIT);
	return false;
}

static bool is_ready(struct cluster *c)
{
	for (unsigned i = 0; i < c->plan.volumes; i++) {
		const struct attached *a = attached_current(&c->volumes[i]);

		if (!a || !a->ready)
			return false;
	}
	return true;
}

static bool is_worked_off(struct cluster *c)
{
	return c->operations >= c->plan.operations;
}

static bool is_converged(struct cluster *c)
{
	return cluster_converged(c) == 1;
}

static void converge(struct cluster *c)
{
	c->phase = CLUSTER_CONVERGING;
	faults_stop(c);
	trace_event(&c->trace, "faults-stop", 0, 0, 0);
	if (!run_until(c, CONVERGE_LIMIT_NS, is_converged)) {
		if (!c->violation[0] && c->liveness)
			cluster_unconverged(c);
		return;
	}
	run_until(c, 2 * NS_PER_S, NULL);
	if (c->violation[0])
		return;
	c->phase = CLUSTER_COMPARING;
	if (cluster_read_all(c) && run_until(c, 30 * NS_PER_S, cluster_all_read))
		cluster_compare(c);
	else if (!c->violation[0] && c->liveness)
		cluster_violation(c, "the last reads were not answered");
}

void cluster_run(uint64_t seed, bool liveness, bool print, struct seed_result *ret_result)
{
	struct cluster *c = calloc(1, sizeof(*c));
	uint64_t reads = 0;

	ASSERT(c);
	plan_make(&c->plan, seed, liveness);
	c->liveness = liveness;
	cluster_init(c, seed, print);
	control_start(c);
	if (!run_until(c, START_LIMIT_NS, is_ready) && !c->violation[0])
		cluster_violation(c, "the volume was not served within a minute, without any fault");
	c->phase = CLUSTER_RUNNING;
	faults_start(c);
	run_until(c, c->plan.longest_ns, is_worked_off);
	if (!c->violation[0])
		converge(c);
	c->phase = CLUSTER_DONE;
	for (unsigned i = 0; i < c->plan.volumes && !c->violation[0]; i++) {
		char text[400];

		if (!history_check(c->volumes[i].history, text, sizeof(text)))
			cluster_violation(c, "%s: %s", c->volumes[i].name, text);
		reads += history_reads(c->volumes[i].history);
	}
	*ret_result = (struct seed_result){
		.hash = c->trace.hash,
		.simulated_ns = c->sim.now_ns,
		.operations = c->operations,
		.answered = c->answered,
		.reads = reads,
		.events = c->trace.events,
		.excused = c->excused,
	};
	snprintf(ret_result->violation, sizeof(ret_result->violation), "%s", c->violation);
}
