/* A node: start, crash, its pool. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cluster.h"
#include "store/store.h"

#define SIM_ENTRIES  8192u
#define SIM_LEASE_MS 3000u

/* What a callback of the store must know: the process that asked may be dead when it comes. */
struct asked {
	struct node *node;
	struct process *process;
	unsigned pool;
	struct sim_replica *replica; /* that is being made */
	struct device *device;
};

bool node_is_up(const struct node *node)
{
	if (!node->process)
		return false;
	for (unsigned k = 0; k < node->cluster->plan.pools; k++)
		if (!node->process->is_open[k])
			return false;
	return true;
}

struct pool_replica *sim_replica_store(struct cluster *c, const struct sim_replica *replica)
{
	struct process *p = c->nodes[replica->node].process;
	struct pool *pool = p ? p->pools[replica->pool] : NULL;

	return pool ? pool_replica_find(pool, replica->uuid) : NULL;
}

static void event(void *user, const char *kind, const char *subject, const char *text)
{
	struct node *node = user;
	struct cluster *c = node->cluster;

	trace_event(&c->trace, kind, node->index, 0, 0);
	trace_words(&c->trace, "n%u %s %s: %s", node->index, kind, subject, text);
	/* No fault makes what a replica's checksums say differ from what the others have: a scene does. */
	if (strcmp(kind, "replica-differs") == 0 && !c->scene)
		cluster_violation(c, "node %u: %s", node->index, text);
	if (strcmp(kind, "pool-failed") == 0 && !node->may_fail)
		cluster_violation(c, "node %u: its pool has failed without a fault: %s", node->index, text);
}

static struct asked *asked_new(struct node *node, unsigned pool, struct device *device)
{
	struct asked *asked = malloc(sizeof(*asked));

	ASSERT(asked);
	*asked = (struct asked){ node, node->process, pool, NULL, device };
	return asked;
}

static bool is_stale(const struct asked *asked)
{
	return asked->node->process != asked->process;
}

static void replicas_make(struct asked *asked);

static void replica_created(void *arg, int rc)
{
	struct asked *asked = arg;

	if (is_stale(asked)) {
		free(asked);
		return;
	}
	if (rc != 0)
		cluster_violation(asked->node->cluster, "node %u: creating its replica failed: %s",
			asked->node->index, strerror(-rc));
	asked->replica->created = true;
	replicas_make(asked);
}

static void replica_trace(struct node *node, struct sim_replica *replica, struct pool_replica *store)
{
	const struct replica_state *state = pool_replica_state(store);
	struct position last = pool_replica_last(store);

	trace_event(&node->cluster->trace, "replica-found", node->index, last.seq, state->promise.number);
	trace_words(&node->cluster->trace,
		"n%u replica %02x: promise e%llu last e%llu s%llu commit s%llu applied s%llu%s", node->index,
		replica->uuid.byte[0], (unsigned long long)state->promise.number,
		(unsigned long long)last.epoch.number, (unsigned long long)last.seq,
		(unsigned long long)pool_replica_commit_seq(store),
		(unsigned long long)pool_replica_applied_seq(store), state->incomplete ? " incomplete" : "");
}

/* Makes the pool's replicas that don't exist yet, one after the other; then the pool is ready. */
static void replicas_make(struct asked *asked)
{
	struct node *node = asked->node;
	struct cluster *c = node->cluster;
	struct pool *pool = node->process->pools[asked->pool];

	for (unsigned i = 0; i < c->plan.volumes * GROUP_MAX_VOTERS; i++) {
		struct sim_volume *v = &c->volumes[i / GROUP_MAX_VOTERS];
		struct sim_replica *replica = &v->replicas[i % GROUP_MAX_VOTERS];
		struct pool_replica_identity identity = { .replica = replica->uuid,
			.group = v->group,
			.volume = v->volume,
			.size_bytes = v->size_bytes,
			.thick = sim_is_thick(v) };

		if (i % GROUP_MAX_VOTERS >= v->replica_count || replica->node != node->index ||
			replica->pool != asked->pool || replica->retired ||
			pool_replica_find(pool, replica->uuid))
			continue;
		if (replica->created) {
			cluster_violation(c, "node %u: its replica is not in the pool any more", node->index);
			continue;
		}
		asked->replica = replica;
		datapath_replica_create(node->process->datapath, pool, &identity, replica_created, asked);
		return;
	}
	node->process->is_open[asked->pool] = true;
	node->pools[asked->pool].replayed = true;
	trace_event(&c->trace, "pool-open", node->index, asked->pool, 0);
	free(asked);
}

static void pool_opened(void *arg, int rc, struct pool *pool, const struct error *error)
{
	struct asked *asked = arg;
	struct node *node = asked->node;
	struct cluster *c = node->cluster;

	if (is_stale(asked)) {
		free(asked);
		return;
	}
	if (rc != 0 && node->may_fail) {
		free(asked); /* it starts again when the disk is mended */
		return;
	}
	if (rc != 0) {
		cluster_violation(c, "node %u: its pool does not open: %s", node->index,
			error ? error->text : strerror(-rc));
		free(asked);
		return;
	}
	node->process->pools[asked->pool] = pool;
	if (c->plan.scrub_ms)
		pool_scrub_set(pool, c->plan.scrub_ms, SCRUB_BYTES_PER_S, NULL);
	datapath_pool_add(node->process->datapath, pool);
	for (unsigned i = 0; i < c->plan.volumes; i++)
		for (unsigned k = 0; k < c->volumes[i].replica_count; k++) {
			struct sim_replica *replica = &c->volumes[i].replicas[k];
			struct pool_replica *store = pool_replica_find(pool, replica->uuid);

			if (!store)
				continue;
			replica->created = true; /* the process that asked may have died before it was told */
			replica_trace(node, replica, store);
		}
	replicas_make(asked);
}

static void open_pool(struct node *node, unsigned k, struct device *device)
{
	struct pool_open_options options = { .cluster = node->cluster->cluster, .pool = node->pools[k].uuid };

	/* Mostly checksums are not at hand. */
	options.cache_bytes = (node->cluster->seed + node->index) % 3 == 0 ? 0 : 1;
	options.bufs = node->process->bufs;
	options.entries = node->process->entries;
	datapath_pool_callbacks(node->process->datapath, &options);
	pool_open(&node->process->loop, device, &options, pool_opened, asked_new(node, k, device));
}

static void pool_formatted(void *arg, int rc)
{
	struct asked *asked = arg;

	if (!is_stale(asked)) {
		if (rc != 0)
			cluster_violation(asked->node->cluster, "node %u: its pool can't be formatted: %s",
				asked->node->index, strerror(-rc));
		asked->node->pools[asked->pool].formatted = true;
		open_pool(asked->node, asked->pool, asked->device);
	}
	free(asked);
}

static void start_pool(struct node *node, unsigned k)
{
	struct sim_pool *pool = &node->pools[k];
	struct device *device = disk_open(pool->disk, &node->process->loop);

	if (pool->formatted) {
		open_pool(node, k, device);
		return;
	}
	pool_format(&node->process->loop, device,
		&(struct pool_format_options){
			.cluster = node->cluster->cluster,
			.pool = pool->uuid,
			.journal_bytes = node->cluster->plan.journal_bytes,
			.seed = node->index * SIM_MAX_POOLS + k + 1,
		},
		pool_formatted, asked_new(node, k, device));
}

void node_start(struct node *node)
{
	struct cluster *c = node->cluster;
	struct process *p = calloc(1, sizeof(*p));
	struct datapath_config config = { .lease_ms = SIM_LEASE_MS,
		.lease_margin_ms = SIM_LEASE_MS / 10 + 100 };

	ASSERT(p && !node->process);
	node->process = p;
	trace_event(&c->trace, "start", node->index, 0, 0);
	ASSERT(loop_init(&p->loop, loop_sim_node_clock(&c->sim, node->index)) == 0);
	ASSERT(buf_pool_new(SIM_BUF_BYTES, &p->bufs) == 0);
	ASSERT(entry_pool_new(SIM_ENTRIES, &p->entries) == 0);
	loop_sim_attach(&c->sim, node->index, &p->loop);
	p->net = net_sim_node_start(c->net, node->index, p->bufs);
	config.loop = &p->loop;
	config.net = p->net;
	config.bufs = p->bufs;
	config.entries = p->entries;
	random_init(&config.random, random_u64(&c->random));
	snprintf(config.node, sizeof(config.node), "%s", node->name);
	config.resync_bytes_per_s = c->plan.resync_bytes_per_s;
	config.compare_every_ms = c->plan.compare_ms;
	config.map_grains = c->plan.map_grains;
	config.map_copies = c->plan.map_copies;
	config.user = node;
	config.event = event;
	ASSERT(datapath_new(&config, &p->datapath) == 0);
	for (unsigned k = 0; k < c->plan.pools; k++)
		start_pool(node, k);
}

void node_crash(struct node *node, bool power)
{
	struct cluster *c = node->cluster;
	struct process *p = node->process;

	ASSERT(p);
	trace_event(&c->trace, power ? "power-loss" : "kill", node->index, 0, 0);
	for (unsigned i = 0; i < SIM_MAX_VOLUMES * SIM_MAX_ATTACHED; i++) {
		struct attached *a = p->handles[i / SIM_MAX_ATTACHED][i % SIM_MAX_ATTACHED];

		if (a)
			client_stop(a);
	}
	loop_sim_attach(&c->sim, node->index, NULL);
	net_sim_node_stop(c->net, node->index, power);
	for (unsigned k = 0; k < c->plan.pools; k++)
		disk_crash(node->pools[k].disk, power);
	node->process = NULL; /* its memory goes with this seed's process */
}

static void pool_closed(void *arg, int rc)
{
	struct asked *asked = arg;
	struct sim_pool *pool = &asked->node->pools[asked->pool];

	if (!is_stale(asked)) {
		if (rc != 0)
			cluster_violation(asked->node->cluster, "node %u: its pool can't be closed: %s",
				asked->node->index, strerror(-rc));
		open_pool(asked->node, asked->pool, disk_open(pool->disk, &asked->process->loop));
	}
	free(asked);
}

void node_reopen_pool(struct node *node, unsigned k)
{
	struct process *p = node->process;

	if (!node_is_up(node))
		return;
	trace_event(&node->cluster->trace, "reopen", node->index, k, 0);
	p->is_open[k] = false;
	datapath_pool_remove(p->datapath, p->pools[k]);
	pool_close(p->pools[k], pool_closed, asked_new(node, k, NULL));
	p->pools[k] = NULL;
}
