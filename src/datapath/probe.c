/*
 * PROBE: asks a group's replicas when they last heard from the session that they have promised. Connections
 * of its own, closed with the answer: a probe is rare, and must not disturb those of attached volumes.
 */
#include "datapath/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct target {
	struct probe *probe;
	struct uuid replica;
	struct net_conn *conn; /* NULL: this node's own, never begun, or over */
	bool over;             /* answered, or never will be */
};

struct probe {
	struct datapath *datapath;
	struct loop_timer timer;
	struct loop_task task; /* ends it, in a later turn */
	probe_fn fn;
	void *arg;
	bool told;
	unsigned count;
	struct target targets[GROUP_MAX_VOTERS];
	struct probe_result result;
};

static bool conns_are_gone(const struct probe *probe)
{
	for (unsigned i = 0; i < probe->count; i++)
		if (probe->targets[i].conn)
			return false;
	return true;
}

/* The answer at the first moment that nothing more can come; the memory with the last connection. */
static void probe_step(struct probe *probe)
{
	bool over = true;

	for (unsigned i = 0; i < probe->count; i++)
		over = over && probe->targets[i].over;
	if (over)
		loop_defer(probe->datapath->config.loop, &probe->task);
}

static void probe_end(void *arg)
{
	struct probe *probe = arg;

	if (!probe->told) {
		probe->told = true;
		loop_timer_cancel(probe->datapath->config.loop, &probe->timer);
		for (unsigned i = 0; i < probe->count; i++)
			if (probe->targets[i].conn)
				net_close(probe->targets[i].conn);
		probe->fn(probe->arg, &probe->result);
	}
	if (conns_are_gone(probe))
		free(probe);
}

static void probe_late(void *arg)
{
	struct probe *probe = arg;

	for (unsigned i = 0; i < probe->count; i++)
		probe->targets[i].over = true;
	probe_step(probe);
}

static void answer_take(struct probe *probe, struct epoch promised, uint64_t heard_ms)
{
	probe->result.answers++;
	if (epoch_compare(promised, probe->result.promised) > 0)
		probe->result.promised = promised;
	if (heard_ms < probe->result.heard_ms)
		probe->result.heard_ms = heard_ms;
}

/* ---- a remote replica ---- */

static void conn_up(struct net_conn *conn)
{
	struct target *target = conn->user;
	struct datapath *dp = target->probe->datapath;
	struct message message = { .type = MESSAGE_PROBE, .token = 1 };

	wire_encode(&message, target->replica, &dp->wire_out);
	if (net_send(conn, &dp->wire_out.frame) != 0)
		net_close(conn);
}

static void conn_frame(struct net_conn *conn, const struct frame *frame)
{
	struct target *target = conn->user;
	struct datapath *dp = target->probe->datapath;
	struct wire_in *in = &dp->wire_in;
	const char *why = NULL;

	if (target->over || !uuid_equal(frame->target, target->replica))
		return;
	if (wire_decode(in, frame, dp->config.entries, 0, &why) != 0) {
		dp->frames_refused++;
		net_close(conn);
		return;
	}
	if (in->message.type == MESSAGE_PROBE_ANSWER) {
		answer_take(target->probe, in->message.promised, in->message.heard_ms);
		target->over = true;
	}
	wire_in_done(in);
	probe_step(target->probe);
}

static void conn_down(struct net_conn *conn, int rc, const char *why)
{
	struct target *target = conn->user;

	(void)rc;
	(void)why;
	target->conn = NULL;
	target->over = true;
	probe_step(target->probe);
}

static void conn_writable(struct net_conn *conn)
{
	(void)conn;
}

static const struct net_handler handler = {
	.up = conn_up,
	.frame = conn_frame,
	.down = conn_down,
	.writable = conn_writable,
};

/* ---- */

static void target_begin(struct probe *probe, struct target *target, const struct volume_voter *voter)
{
	struct datapath *dp = probe->datapath;
	struct host *host = host_find(dp, voter->replica);

	target->probe = probe;
	target->replica = voter->replica;
	if (host && !host->failed) {
		uint64_t heard_ns = replica_heard_ns(host->machine);

		answer_take(probe, replica_promised(host->machine),
			heard_ns ? (datapath_now_ns(dp) - heard_ns) / NS_PER_MS : UINT64_MAX);
		target->over = true;
	} else if (voter_is_here(dp, voter) || !voter->address.text[0] ||
		   net_connect(dp->config.net, &voter->address, datapath_lane(voter->pool), &handler, target,
			   &target->conn) != 0) {
		target->conn = NULL;
		target->over = true;
	}
}

int datapath_probe(struct datapath *dp, const struct volume_voter *voters, unsigned count,
	uint32_t timeout_ms, probe_fn fn, void *arg)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return -ENOMEM;
	ASSERT(count <= GROUP_MAX_VOTERS);
	probe->datapath = dp;
	probe->fn = fn;
	probe->arg = arg;
	probe->count = count;
	probe->result.heard_ms = UINT64_MAX;
	loop_timer_init(&probe->timer, probe_late, probe);
	loop_task_init(&probe->task, probe_end, probe);
	for (unsigned i = 0; i < count; i++)
		target_begin(probe, &probe->targets[i], &voters[i]);
	loop_timer_set(dp->config.loop, &probe->timer, datapath_now_ns(dp) + timeout_ms * NS_PER_MS);
	probe_step(probe);
	return 0;
}
