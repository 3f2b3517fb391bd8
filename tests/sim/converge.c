/* After the faults: is everything answered, are all replicas complete, and do they hold the same? */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/cluster.h"
#include "store/store.h"

int cluster_converged(struct cluster *c)
{
	struct attached *a = attached_current(c);
	struct volume_stats stats;

	if (!a || !a->ready || a->ended || a->in_flight > 0 || volume_state(a->volume) != VOLUME_SERVING)
		return 0;
	for (unsigned i = 0; i < c->plan.nodes; i++) {
		if (!node_is_up(&c->nodes[i]))
			return 0;
		for (unsigned k = 0; k < SIM_MAX_ATTACHED; k++)
			if (c->nodes[i].process->handles[k] && c->nodes[i].process->handles[k] != a)
				return 0;
	}
	volume_stats_get(a->volume, &stats);
	for (unsigned i = 0; i < stats.voter_count; i++)
		if (stats.voters[i].status != REPLICA_COMPLETE || !stats.voters[i].matched ||
			stats.voters[i].lag_entries != 0)
			return 0;
	return 1;
}

static void trace_stores(struct cluster *c)
{
	for (unsigned i = 0; i < c->plan.voters; i++) {
		struct pool *pool = c->nodes[i].process ? c->nodes[i].process->pool : NULL;
		struct pool_replica *r = pool ? pool_replica_find(pool, c->nodes[i].replica) : NULL;
		struct pool_info info;

		if (!r) {
			trace_words(&c->trace, "n%u: no pool", i);
			continue;
		}
		pool_info_get(pool, &info);
		trace_words(&c->trace,
			"n%u: log from s%" PRIu64 " to s%" PRIu64 ", durable s%" PRIu64 " commit s%" PRIu64
			" applied s%" PRIu64 ", room %" PRIu64 ", ring %" PRIu64 " of %" PRIu64
			", batches %" PRIu64 " rounds %" PRIu64 "%s",
			i, pool_replica_first_seq(r), pool_replica_last(r).seq, pool_replica_durable_seq(r),
			pool_replica_commit_seq(r), pool_replica_applied_seq(r), pool_replica_room(r),
			info.journal_used_bytes, info.journal_bytes, info.batches, info.apply_rounds,
			pool_replica_state(r)->incomplete ? ", incomplete" : "");
	}
}

void cluster_unconverged(struct cluster *c)
{
	struct attached *a = attached_current(c);
	struct volume_stats stats;
	char text[400];
	int at = 0;

	if (!a) {
		cluster_violation(c, "no convergence: the volume is attached nowhere (record: node %u, %llu)",
			c->record.holder, (unsigned long long)c->record.number);
		return;
	}
	trace_stores(c);
	volume_stats_get(a->volume, &stats);
	for (unsigned i = 0; i < stats.voter_count && at < (int)sizeof(text) - 100; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at,
			" [voter %u status %d%s%s durable %llu lag %llu]", i, (int)stats.voters[i].status,
			stats.voters[i].connected ? " connected" : "",
			stats.voters[i].matched ? " matched" : "",
			(unsigned long long)stats.voters[i].durable_seq,
			(unsigned long long)stats.voters[i].lag_entries);
	cluster_violation(c, "no convergence: state %d ready %d in flight %u last %llu commit %llu%s",
		(int)stats.state, a->ready, a->in_flight, (unsigned long long)stats.last_seq,
		(unsigned long long)stats.commit_seq, text);
}

/* ---- the clients' last look ---- */

static void read_done(struct request *request, int rc)
{
	struct cluster *c = request->user;
	char text[400];

	c->pending--;
	if (rc != 0)
		cluster_violation(c, "a read without any fault was answered with %s", strerror(-rc));
	else if (!history_read(c->history, request->id, (uint32_t)(request->offset_bytes / BLOCK_BYTES),
			 (uint32_t)(request->length_bytes / BLOCK_BYTES), request->data->data, text,
			 sizeof(text)))
		cluster_violation(c, "%s", text);
	buf_put(request->data);
}

bool cluster_read_all(struct cluster *c)
{
	static struct request requests[64];
	struct attached *a = attached_current(c);
	uint32_t count = 0;

	if (!a)
		return false;
	for (uint32_t first = 0; first < c->plan.hot_blocks; first += GRAIN_BLOCKS) {
		uint32_t blocks =
			c->plan.hot_blocks - first < GRAIN_BLOCKS ? c->plan.hot_blocks - first : GRAIN_BLOCKS;
		struct request *r = &requests[count++];

		ASSERT(count <= sizeof(requests) / sizeof(requests[0]));
		*r = (struct request){
			.op = REQUEST_READ,
			.offset_bytes = (uint64_t)first * BLOCK_BYTES,
			.length_bytes = (uint64_t)blocks * BLOCK_BYTES,
			.data = buf_get(a->node->process->bufs, blocks * BLOCK_BYTES),
			.id = history_stamp(c->history),
			.done = read_done,
			.user = c,
		};
		ASSERT(r->data);
		c->pending++;
		volume_submit(a->volume, r);
	}
	return true;
}

bool cluster_all_read(struct cluster *c)
{
	return c->pending == 0;
}

/* ---- replica against replica ---- */

struct look {
	struct pool_read read;
	struct cluster *cluster;
	unsigned node;
	bool done;
	int rc;
};

static void look_done(struct pool_read *read, int rc)
{
	struct look *look = container_of(read, struct look, read);

	look->done = true;
	look->rc = rc;
}

static bool look_at(struct cluster *c, struct look *look, unsigned node, uint32_t first, uint32_t blocks)
{
	struct process *p = c->nodes[node].process;
	uint64_t end_ns = c->sim.now_ns + 60 * NS_PER_S;

	*look = (struct look){ .cluster = c, .node = node };
	look->read = (struct pool_read){
		.fn = look_done,
		.replica = pool_replica_find(p->pool, c->nodes[node].replica),
		.offset_bytes = (uint64_t)first * BLOCK_BYTES,
		.length_bytes = blocks * BLOCK_BYTES,
		.into = buf_get(p->bufs, blocks * BLOCK_BYTES),
	};
	ASSERT(look->read.into && look->read.replica);
	pool_read(&look->read);
	while (!look->done && loop_sim_step(&c->sim, end_ns))
		;
	return look->done;
}

static bool compare_range(struct cluster *c, uint32_t first, uint32_t blocks)
{
	static struct look looks[GROUP_MAX_VOTERS];
	const struct look *good = NULL;
	bool same = true;

	for (unsigned i = 0; i < c->plan.voters; i++) {
		if (!look_at(c, &looks[i], i, first, blocks)) {
			cluster_violation(c, "node %u: a read of its replica was not answered", i);
			return false;
		}
		if (looks[i].rc != 0) {
			/* Rot that nobody has read yet is not healed yet. */
			if ((int)i != c->plan.rot_node)
				cluster_violation(c, "node %u: reading its replica failed: %s", i,
					strerror(-looks[i].rc));
			continue;
		}
		if (good && memcmp(good->read.into->data, looks[i].read.into->data,
				    (size_t)blocks * BLOCK_BYTES) != 0) {
			cluster_violation(c, "replicas of nodes %u and %u differ in blocks %u to %u",
				good->node, i, first, first + blocks - 1);
			same = false;
		}
		if (!good)
			good = &looks[i];
	}
	for (unsigned i = 0; i < c->plan.voters; i++)
		buf_put(looks[i].read.into);
	return same;
}

bool cluster_compare(struct cluster *c)
{
	for (uint32_t first = 0; first < c->plan.hot_blocks; first += GRAIN_BLOCKS) {
		uint32_t blocks =
			c->plan.hot_blocks - first < GRAIN_BLOCKS ? c->plan.hot_blocks - first : GRAIN_BLOCKS;

		if (!compare_range(c, first, blocks))
			return false;
	}
	return true;
}
