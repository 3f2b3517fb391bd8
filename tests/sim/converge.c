/* After the faults: is everything answered, are all replicas complete, and do they hold the same? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cluster.h"
#include "store/store.h"

static bool is_quiet(struct sim_volume *v)
{
	struct cluster *c = v->cluster;
	struct attached *a = attached_current(v);
	struct volume_stats stats;

	if (!a || !a->ready || a->ended || a->in_flight > 0 || volume_state(a->volume) != VOLUME_SERVING)
		return false;
	for (unsigned i = 0; i < c->plan.nodes; i++) {
		if (attach_is_asked(sim_lead(v), &c->nodes[i]))
			return false;
		for (unsigned k = 0; k < SIM_MAX_ATTACHED; k++) {
			const struct attached *other = c->nodes[i].process->handles[sim_lead(v)->index][k];

			if (other && other != a)
				return false;
		}
	}
	if (c->plan.small && !v->trimmed)
		return false;
	sim_stats_get(v, a, &stats);
	if (!members_settled(v) || stats.changing)
		return false;
	for (unsigned i = 0; i < stats.voter_count; i++)
		if (!uuid_is_none(stats.voters[i].replica) &&
			(stats.voters[i].status != REPLICA_COMPLETE || !stats.voters[i].matched ||
				stats.voters[i].lag_entries != 0))
			return false;
	/* A replica that has not been told yet shows the former content, rightly. */
	for (unsigned i = 0; i < v->replica_count; i++) {
		const struct pool_replica *store = sim_replica_store(c, &v->replicas[i]);

		if (sim_is_member(v, i) && (!store || pool_replica_commit_seq(store) < stats.commit_seq))
			return false;
	}
	return true;
}

int cluster_converged(struct cluster *c)
{
	for (unsigned i = 0; i < c->plan.nodes; i++)
		if (!node_is_up(&c->nodes[i]))
			return 0;
	for (unsigned i = 0; i < c->plan.volumes; i++)
		if (!is_quiet(&c->volumes[i]))
			return 0;
	return 1;
}

static void trace_stores(struct sim_volume *v)
{
	struct cluster *c = v->cluster;

	for (unsigned i = 0; i < v->replica_count; i++) {
		struct pool_replica *r = sim_replica_store(c, &v->replicas[i]);
		struct pool_info info;

		if (!r) {
			trace_words(&c->trace, "n%u: no pool", v->replicas[i].node);
			continue;
		}
		pool_info_get(c->nodes[v->replicas[i].node].process->pools[v->replicas[i].pool], &info);
		trace_words(&c->trace,
			"%s n%u: log from s%" PRIu64 " to s%" PRIu64 ", durable s%" PRIu64 " commit s%" PRIu64
			" applied s%" PRIu64 ", room %" PRIu64 ", ring %" PRIu64 " of %" PRIu64
			", batches %" PRIu64 " rounds %" PRIu64 "%s",
			v->name, v->replicas[i].node, pool_replica_first_seq(r), pool_replica_last(r).seq,
			pool_replica_durable_seq(r), pool_replica_commit_seq(r), pool_replica_applied_seq(r),
			pool_replica_room(r), info.journal_used_bytes, info.journal_bytes, info.batches,
			info.apply_rounds, pool_replica_state(r)->incomplete ? ", incomplete" : "");
	}
}

static void volume_unconverged(struct sim_volume *v)
{
	struct cluster *c = v->cluster;
	struct attached *a = attached_current(v);
	struct volume_stats stats;
	char text[400];
	int at = 0;

	if (!a) {
		cluster_violation(c, "no convergence: %s is attached nowhere (record: node %u, %llu)",
			v->name, v->record.holder, (unsigned long long)v->record.number);
		return;
	}
	trace_stores(v);
	sim_stats_get(v, a, &stats);
	text[0] = '\0';
	for (unsigned i = 0; i < stats.voter_count && at < (int)sizeof(text) - 100; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at,
			" [voter %u status %d%s%s durable %llu lag %llu]", i, (int)stats.voters[i].status,
			stats.voters[i].connected ? " connected" : "",
			stats.voters[i].matched ? " matched" : "",
			(unsigned long long)stats.voters[i].durable_seq,
			(unsigned long long)stats.voters[i].lag_entries);
	cluster_violation(c, "no convergence: %s state %d ready %d in flight %u last %llu commit %llu%s",
		v->name, (int)stats.state, a->ready, a->in_flight, (unsigned long long)stats.last_seq,
		(unsigned long long)stats.commit_seq, text);
}

/*
 * The node whose grains rot or go astray has the only complete replica, since the others have both missed
 * too much: of what it has lost nobody has a copy. Nothing wrong is read then, and all waits, as it must.
 */
static bool is_lost(struct cluster *c, const struct sim_volume *v)
{
	unsigned good = 0, bad = 0;

	for (unsigned i = 0; i < v->replica_count; i++) {
		const struct pool_replica *r = sim_replica_store(c, &v->replicas[i]);

		if (!sim_is_member(v, i) || !r || pool_replica_state(r)->incomplete)
			continue;
		if ((int)v->replicas[i].node == c->plan.rot_node)
			bad++;
		else
			good++;
	}
	return good == 0 && bad > 0;
}

void cluster_unconverged(struct cluster *c)
{
	for (unsigned i = 0; i < c->plan.volumes; i++)
		if (is_lost(c, &c->volumes[i])) {
			trace_event(&c->trace, "excused", i, 0, 0);
			c->excused = true;
			return;
		}
	for (unsigned i = 0; i < c->plan.nodes; i++)
		if (!node_is_up(&c->nodes[i])) {
			cluster_violation(c, "no convergence: node %u is not up", i);
			return;
		}
	for (unsigned i = 0; i < c->plan.volumes; i++)
		if (!is_quiet(&c->volumes[i])) {
			volume_unconverged(&c->volumes[i]);
			return;
		}
}

/* ---- what the scrubs have found ---- */

/* Nothing but what has rotted: what is being written to is no bad block. */
static bool scrubs_compare(struct cluster *c)
{
	for (unsigned i = 0; i < c->plan.nodes; i++)
		for (unsigned k = 0; k < c->plan.pools; k++) {
			struct pool_info info;

			pool_info_get(c->nodes[i].process->pools[k], &info);
			if ((int)i == c->plan.rot_node || info.read_errors > 0)
				continue;
			if (info.scrub.since_open.bad_blocks > 0 || info.scrub.since_open.bad_pages > 0)
				cluster_violation(c, "node %u: the scrub has found what is not bad", i);
		}
	return !c->violation[0];
}

/* ---- the clients' last look ---- */

static void read_done(struct request *request, int rc)
{
	struct sim_volume *v = request->user;
	struct cluster *c = v->cluster;
	char text[400];

	c->pending--;
	if (rc != 0)
		cluster_violation(
			c, "%s: a read without any fault was answered with %s", v->name, strerror(-rc));
	else if (!history_read(v->history, request->id, (uint32_t)(request->offset_bytes / BLOCK_BYTES),
			 (uint32_t)(request->length_bytes / BLOCK_BYTES), request->data->data, text,
			 sizeof(text)))
		cluster_violation(c, "%s: %s", v->name, text);
	buf_put(request->data);
}

static bool volume_read_all(struct sim_volume *v)
{
	struct cluster *c = v->cluster;
	struct attached *a = attached_current(v);

	if (!a)
		return false;
	for (uint32_t first = 0; first < v->hot_blocks; first += GRAIN_BLOCKS) {
		uint32_t blocks = v->hot_blocks - first < GRAIN_BLOCKS ? v->hot_blocks - first : GRAIN_BLOCKS;
		struct request *r = calloc(1, sizeof(*r)); /* kept until the seed's process ends */

		ASSERT(r);
		*r = (struct request){
			.op = REQUEST_READ,
			.offset_bytes = (uint64_t)first * BLOCK_BYTES,
			.length_bytes = (uint64_t)blocks * BLOCK_BYTES,
			.data = buf_get(a->node->process->bufs, blocks * BLOCK_BYTES),
			.id = history_stamp(v->history),
			.done = read_done,
			.user = v,
		};
		ASSERT(r->data);
		c->pending++;
		volume_submit(a->volume, r);
	}
	return true;
}

bool cluster_read_all(struct cluster *c)
{
	for (unsigned i = 0; i < sim_attachable(c); i++)
		if (!volume_read_all(&c->volumes[i]))
			return false;
	return true;
}

bool cluster_all_read(struct cluster *c)
{
	return c->pending == 0;
}

/* ---- replica against replica ---- */

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

static bool look_at(
	struct sim_volume *v, struct look *look, unsigned replica, uint32_t first, uint32_t blocks)
{
	struct cluster *c = v->cluster;
	uint64_t end_ns = c->sim.now_ns + 60 * NS_PER_S;

	*look = (struct look){ 0 };
	look->read = (struct pool_read){
		.fn = look_done,
		.replica = sim_replica_store(c, &v->replicas[replica]),
		.offset_bytes = (uint64_t)first * BLOCK_BYTES,
		.length_bytes = blocks * BLOCK_BYTES,
		.into = buf_get(c->nodes[v->replicas[replica].node].process->bufs, blocks * BLOCK_BYTES),
	};
	ASSERT(look->read.into && look->read.replica);
	pool_read(&look->read);
	while (!look->done && loop_sim_step(&c->sim, end_ns))
		;
	return look->done;
}

static bool compare_range(struct sim_volume *v, uint32_t first, uint32_t blocks)
{
	static struct look looks[GROUP_MAX_VOTERS];
	struct cluster *c = v->cluster;
	int good = -1;
	bool same = true;

	for (unsigned i = 0; i < v->replica_count; i++) {
		unsigned node = v->replicas[i].node;

		looks[i].read.into = NULL;
		if (!sim_is_member(v, i))
			continue;
		if (!look_at(v, &looks[i], i, first, blocks)) {
			cluster_violation(c, "node %u: a read of its replica was not answered", node);
			return false;
		}
		if (looks[i].rc != 0) {
			/* Rot that nobody has read yet is not healed yet. */
			if ((int)node != c->plan.rot_node)
				cluster_violation(c, "node %u: reading its replica failed: %s", node,
					strerror(-looks[i].rc));
			continue;
		}
		if (good >= 0 && memcmp(looks[good].read.into->data, looks[i].read.into->data,
					 (size_t)blocks * BLOCK_BYTES) != 0) {
			cluster_violation(c, "%s: replicas of nodes %u and %u differ in blocks %u to %u",
				v->name, v->replicas[good].node, node, first, first + blocks - 1);
			same = false;
		}
		if (good < 0)
			good = (int)i;
	}
	for (unsigned i = 0; i < v->replica_count; i++)
		if (looks[i].read.into)
			buf_put(looks[i].read.into);
	return same;
}

bool cluster_compare(struct cluster *c)
{
	if (c->plan.scrub_ms != 0 && !scrubs_compare(c))
		return false;
	for (unsigned i = 0; i < c->plan.volumes; i++) {
		struct sim_volume *v = &c->volumes[i];

		if (!levels_compare(v))
			return false;
		for (uint32_t first = 0; first < v->hot_blocks; first += GRAIN_BLOCKS) {
			uint32_t left = v->hot_blocks - first;

			if (!compare_range(v, first, left < GRAIN_BLOCKS ? left : GRAIN_BLOCKS))
				return false;
		}
	}
	return c->scene || snapshots_check(c);
}
