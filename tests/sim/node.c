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
	struct device *device;
};

bool node_is_up(const struct node *node)
{
	return node->process && node->process->is_open;
}

static void event(void *user, const char *kind, const char *subject, const char *text)
{
	struct node *node = user;
	struct cluster *c = node->cluster;

	trace_event(&c->trace, kind, node->index, 0, 0);
	trace_words(&c->trace, "n%u %s %s: %s", node->index, kind, subject, text);
	if (strcmp(kind, "pool-failed") == 0)
		cluster_violation(c, "node %u: its pool has failed without a fault: %s", node->index, text);
}

static struct asked *asked_new(struct node *node, struct device *device)
{
	struct asked *asked = malloc(sizeof(*asked));

	ASSERT(asked);
	*asked = (struct asked){ node, node->process, device };
	return asked;
}

static bool is_stale(const struct asked *asked)
{
	return asked->node->process != asked->process;
}

static void pool_is_ready(struct node *node)
{
	node->process->is_open = true;
	node->process->reopening = false;
	trace_event(&node->cluster->trace, "pool-open", node->index, 0, 0);
}

static void replica_created(void *arg, int rc)
{
	struct asked *asked = arg;

	if (!is_stale(asked)) {
		if (rc != 0)
			cluster_violation(asked->node->cluster, "node %u: creating its replica failed: %s",
				asked->node->index, strerror(-rc));
		asked->node->created = true;
		pool_is_ready(asked->node);
	}
	free(asked);
}

static void replica_trace(struct node *node, struct pool_replica *replica)
{
	const struct replica_state *state = pool_replica_state(replica);
	struct position last = pool_replica_last(replica);

	trace_event(&node->cluster->trace, "replica-found", node->index, last.seq, state->promise.number);
	trace_words(&node->cluster->trace,
		"n%u replica: promise e%llu last e%llu s%llu commit s%llu applied s%llu%s", node->index,
		(unsigned long long)state->promise.number, (unsigned long long)last.epoch.number,
		(unsigned long long)last.seq, (unsigned long long)pool_replica_commit_seq(replica),
		(unsigned long long)pool_replica_applied_seq(replica),
		state->incomplete ? " incomplete" : "");
}

static void pool_opened(void *arg, int rc, struct pool *pool, const struct error *error)
{
	struct asked *asked = arg;
	struct node *node = asked->node;
	struct cluster *c = node->cluster;
	struct pool_replica *replica;

	if (is_stale(asked)) {
		free(asked);
		return;
	}
	if (rc != 0) {
		cluster_violation(c, "node %u: its pool does not open: %s", node->index,
			error ? error->text : strerror(-rc));
		free(asked);
		return;
	}
	node->process->pool = pool;
	datapath_pool_add(node->process->datapath, pool);
	replica = pool_replica_find(pool, node->replica);
	if (replica) {
		replica_trace(node, replica);
		node->created = true;
		pool_is_ready(node);
		free(asked);
	} else if (node->created) {
		cluster_violation(c, "node %u: its replica is not in the pool any more", node->index);
		free(asked);
	} else {
		struct pool_replica_identity identity = { .replica = node->replica,
			.group = c->group,
			.volume = c->volume,
			.size_bytes = SIM_VOLUME_BYTES };

		datapath_replica_create(node->process->datapath, pool, &identity, replica_created, asked);
	}
}

static void open_pool(struct node *node, struct device *device)
{
	struct pool_open_options options = { .cluster = node->cluster->cluster, .pool = node->pool };

	options.bufs = node->process->bufs;
	options.entries = node->process->entries;
	datapath_pool_callbacks(node->process->datapath, &options);
	pool_open(&node->process->loop, device, &options, pool_opened, asked_new(node, device));
}

static void pool_formatted(void *arg, int rc)
{
	struct asked *asked = arg;

	if (!is_stale(asked)) {
		if (rc != 0)
			cluster_violation(asked->node->cluster, "node %u: its pool can't be formatted: %s",
				asked->node->index, strerror(-rc));
		asked->node->formatted = true;
		open_pool(asked->node, asked->device);
	}
	free(asked);
}

static void start_pool(struct node *node)
{
	struct device *device = disk_open(node->disk, &node->process->loop);

	if (node->formatted) {
		open_pool(node, device);
		return;
	}
	pool_format(&node->process->loop, device,
		&(struct pool_format_options){
			.cluster = node->cluster->cluster,
			.pool = node->pool,
			.journal_bytes = node->cluster->plan.journal_bytes,
			.seed = node->index + 1,
		},
		pool_formatted, asked_new(node, device));
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
	config.user = node;
	config.event = event;
	ASSERT(datapath_new(&config, &p->datapath) == 0);
	if (uuid_is_none(node->replica))
		pool_is_ready(node);
	else
		start_pool(node);
}

void node_crash(struct node *node, bool power)
{
	struct cluster *c = node->cluster;
	struct process *p = node->process;

	ASSERT(p);
	trace_event(&c->trace, power ? "power-loss" : "kill", node->index, 0, 0);
	for (unsigned i = 0; i < SIM_MAX_ATTACHED; i++)
		if (p->handles[i])
			client_stop(p->handles[i]);
	loop_sim_attach(&c->sim, node->index, NULL);
	net_sim_node_stop(c->net, node->index, power);
	disk_crash(node->disk, power);
	node->process = NULL; /* its memory goes with this seed's process */
}

static void pool_closed(void *arg, int rc)
{
	struct asked *asked = arg;

	if (!is_stale(asked)) {
		if (rc != 0)
			cluster_violation(asked->node->cluster, "node %u: its pool can't be closed: %s",
				asked->node->index, strerror(-rc));
		open_pool(asked->node, disk_open(asked->node->disk, &asked->process->loop));
	}
	free(asked);
}

void node_reopen_pool(struct node *node)
{
	struct process *p = node->process;

	if (!node_is_up(node) || p->reopening || !p->pool)
		return;
	trace_event(&node->cluster->trace, "reopen", node->index, 0, 0);
	p->reopening = true;
	p->is_open = false;
	datapath_pool_remove(p->datapath, p->pool);
	pool_close(p->pool, pool_closed, asked_new(node, NULL));
	p->pool = NULL;
}
