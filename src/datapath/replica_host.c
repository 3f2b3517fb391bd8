/* A replica that lives here: messages into its machine, the machine's effects into the store, answers out. */
#include "datapath/private.h"

#include <errno.h>
#include <stdlib.h>

#include "store/usage.h"

static void host_tick(void *arg)
{
	struct host *host = arg;

	replica_tick(host->machine, datapath_now_ns(host->datapath));
	host_poll(host);
}

struct host *host_new(struct datapath *dp, struct pool *pool, struct pool_replica *store)
{
	const struct replica_state *state = pool_replica_state(store);
	struct replica_start start = {
		.promise = state->promise,
		.promise_session = state->promise_session,
		.config_number = state->config_number,
		.incomplete = state->incomplete,
		.damaged = state->incomplete && state->since.seq == UINT64_MAX,
		.retired = state->retired,
		.since = state->since,
		.longest_lease_ms = state->longest_lease_ms,
		.last = pool_replica_last(store),
		.commit_seq = pool_replica_commit_seq(store),
		.size_bytes = pool_replica_size(store),
	};
	struct host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	if (replica_new(&start, datapath_now_ns(dp), &host->machine) != 0) {
		free(host);
		return NULL;
	}
	host->datapath = dp;
	host->pool = pool;
	host->store = store;
	loop_timer_init(&host->timer, host_tick, host);
	list_push_back(&dp->hosts, &host->node);
	table_insert(&dp->hosts_by_replica, &host->by_replica, pool_replica_identity(store)->replica);
	pool_replica_user_set(store, host);
	return host;
}

void host_free(struct host *host)
{
	struct datapath *dp = host->datapath;

	ASSERT(!host->gone);
	volumes_host_removed(dp, host);
	pool_replica_user_set(host->store, NULL);
	loop_timer_cancel(dp->config.loop, &host->timer);
	table_remove(&host->by_replica);
	list_remove(&host->node);
	host->gone = true;
	if (host->pending > 0)
		return; /* freed by the last callback */
	replica_free(host->machine);
	free(host);
}

struct host *host_find(struct datapath *dp, struct uuid replica)
{
	struct table_node *node = table_find(&dp->hosts_by_replica, replica);

	return node ? container_of(node, struct host, by_replica) : NULL;
}

void host_asked(struct host *host)
{
	host->pending++;
}

void host_returned(struct host *host)
{
	ASSERT(host->pending > 0);
	host->pending--;
	if (!host->gone || host->pending > 0)
		return;
	replica_free(host->machine);
	free(host);
}

void host_figures(struct host *host, struct replica_figures *ret_figures)
{
	ret_figures->last = pool_replica_last(host->store);
	ret_figures->first_seq = pool_replica_first_seq(host->store);
	pool_replica_rooms(host->store, &ret_figures->room_bytes, &ret_figures->room_adopted_bytes);
	ret_figures->full = pool_replica_is_full(host->store);
	ret_figures->no_snapshot = !pool_replica_snapshot_fits(host->store);
	ret_figures->row_count = pool_replica_epochs(host->store, &ret_figures->rows);
}

void host_message(struct host *host, uint64_t from, const struct message *message)
{
	struct replica_figures figures;

	ASSERT(!host->gone);
	/* An entry is answered once it is durable: the other figures are told then. */
	if (message->type == MESSAGE_APPEND && message->entry && !MUTANT(ack_before_durable))
		figures.last = pool_replica_last(host->store);
	else
		host_figures(host, &figures);
	replica_message(host->machine, from, message, &figures, datapath_now_ns(host->datapath));
	host_poll(host);
}

void host_grow(struct host *host, uint64_t size_bytes)
{
	if (size_bytes > pool_replica_size(host->store))
		host_message(host, 0, &(struct message){ .type = MESSAGE_GROW, .size_bytes = size_bytes });
}

void host_grain_bad(struct host *host, struct uuid snapshot, uint64_t index)
{
	replica_grain_bad(host->machine, snapshot, index);
	host_poll(host);
}

void host_compare_asked(struct host *host)
{
	replica_compare_asked(host->machine);
	host_poll(host);
}

void host_durable(struct host *host, uint64_t seq)
{
	struct replica_figures figures;

	host_figures(host, &figures);
	replica_durable(host->machine, seq, &figures, datapath_now_ns(host->datapath));
	host_poll(host);
}

/* ---- what the store says when something is durable ---- */

/* True while the host is still there to be told. */
static bool returned_to(struct host *host)
{
	bool gone = host->gone;

	host_returned(host);
	return !gone;
}

static void truncated(void *arg, int rc)
{
	struct host *host = arg;
	struct replica_figures figures;

	if (!returned_to(host))
		return;
	host_figures(host, &figures);
	replica_truncated(host->machine, rc, &figures, datapath_now_ns(host->datapath));
	host_poll(host);
}

static void state_written(void *arg, int rc)
{
	struct host *host = arg;
	struct replica_figures figures;

	if (!returned_to(host))
		return;
	host_figures(host, &figures);
	replica_state_written(host->machine, rc, &figures, datapath_now_ns(host->datapath));
	host_poll(host);
}

static void log_reset_done(void *arg, int rc)
{
	struct host *host = arg;

	if (!returned_to(host))
		return;
	replica_log_reset_done(host->machine, rc, datapath_now_ns(host->datapath));
	host_poll(host);
}

/* ---- effects ---- */

static void write_state(struct host *host, const struct replica_promise *promise)
{
	struct replica_state state = {
		.promise = promise->promise,
		.promise_session = promise->promise_session,
		.config_number = promise->config_number,
		.incomplete = promise->incomplete,
		.since = promise->since,
		.retired = promise->retired,
		.longest_lease_ms = promise->longest_lease_ms,
	};

	host_asked(host);
	pool_replica_state_write(host->store, &state, state_written, host);
}

static void append(struct host *host, struct entry *entry)
{
	pool_replica_append(host->store, entry);
	entry_put(entry);
}

static void log_reset(struct host *host, const struct message *m)
{
	host->resets++;
	host_asked(host);
	pool_replica_log_reset(host->store, m->position, m->rows, m->row_count, log_reset_done, host);
}

static void log_truncate(struct host *host, uint64_t seq)
{
	host_asked(host);
	pool_replica_truncate(host->store, seq, truncated, host);
}

static void host_effect(struct host *host, const struct replica_effect *effect)
{
	switch (effect->type) {
	case REPLICA_SEND:
		link_answer(host->datapath, effect->to, host->by_replica.key, &effect->message);
		break;
	case REPLICA_APPEND:
		append(host, effect->entry);
		break;
	case REPLICA_COMMIT:
		pool_replica_commit_set(host->store, effect->seq);
		break;
	case REPLICA_ALL:
		pool_replica_all_set(host->store, effect->seq);
		break;
	case REPLICA_TRUNCATE:
		log_truncate(host, effect->seq);
		break;
	case REPLICA_STATE:
		write_state(host, &effect->state);
		break;
	case REPLICA_LOG_RESET:
		log_reset(host, &effect->message);
		break;
	case REPLICA_READ:
		host_read(host, effect);
		break;
	case REPLICA_LOG_READ:
		host_log_read(host, effect);
		break;
	case REPLICA_GRAIN_READ:
		host_grain_read(host, effect);
		break;
	case REPLICA_SYNC_HOLD:
		pool_replica_sync_hold(host->store, effect->seq);
		break;
	case REPLICA_SYNC_EDGE:
		pool_replica_sync_edge(host->store, effect->seq);
		break;
	case REPLICA_MAP_READ:
		host_map_read(host, effect);
		break;
	case REPLICA_MAP_COMPARE:
		host_map_compare(host, effect);
		break;
	case REPLICA_GRAIN_WRITE:
		host_grain_write(host, effect);
		break;
	case REPLICA_GRAIN_HEAL:
		host_grain_heal(host, effect);
		break;
	case REPLICA_APPLIED_WAIT:
		host_applied_wait(host, effect->seq);
		break;
	case REPLICA_GROW:
		pool_replica_grow(host->store, effect->message.size_bytes);
		break;
	}
}

void host_poll(struct host *host)
{
	struct loop *loop = host->datapath->config.loop;
	const struct replica_effect *effect;
	uint64_t deadline_ns;

	if (host->polling)
		return;
	host->polling = true;
	while ((effect = replica_poll(host->machine)) != NULL)
		host_effect(host, effect);
	host->polling = false;
	deadline_ns = replica_deadline_ns(host->machine);
	if (deadline_ns == UINT64_MAX)
		loop_timer_cancel(loop, &host->timer);
	else
		loop_timer_set(loop, &host->timer, deadline_ns);
}
