/* The whole: life, pools, and the turn in which volumes are polled. */
#include "datapath/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct pool_node {
	struct list node;
	struct pool *pool;
	bool failure_told;
};

static void run_dirty(void *arg)
{
	struct datapath *dp = arg;
	struct list *node;

	while ((node = list_pop_front(&dp->dirty)) != NULL)
		volume_run(list_entry(node, struct volume, dirty_node));
}

static void admit_later(void *arg)
{
	struct datapath *dp = arg;

	list_for_each (node, &dp->volumes)
		volume_mark(list_entry(node, struct volume, node));
	list_for_each (node, &dp->views)
		volume_mark(list_entry(node, struct volume, node));
}

static int pools_allocate(struct datapath *dp)
{
	dp->ops = calloc(DATAPATH_MAX_OPS, sizeof(*dp->ops));
	dp->jobs = calloc(DATAPATH_MAX_JOBS, sizeof(*dp->jobs));
	dp->held = calloc(DATAPATH_MAX_HELD, sizeof(*dp->held));
	if (!dp->ops || !dp->jobs || !dp->held)
		return -ENOMEM;
	dp->free_job_count = DATAPATH_MAX_JOBS;
	return 0;
}

int datapath_new(const struct datapath_config *config, struct datapath **ret_datapath)
{
	struct datapath *dp = calloc(1, sizeof(*dp));

	if (!dp)
		return -ENOMEM;
	ASSERT(config->lease_ms > config->lease_margin_ms);
	dp->config = *config;
	dp->budget.per_s = config->resync_bytes_per_s;
	dp->compare_budget.per_s = config->compare_bytes_per_s;
	dp->random = config->random;
	loop_task_init(&dp->task, run_dirty, dp);
	loop_timer_init(&dp->admit_timer, admit_later, dp);
	list_init(&dp->volumes);
	list_init(&dp->views);
	list_init(&dp->dirty);
	list_init(&dp->peers);
	list_init(&dp->hosts);
	for (unsigned i = 0; i < LINK_BUCKETS; i++)
		list_init(&dp->links[i]);
	list_init(&dp->pools);
	list_init(&dp->free_ops);
	list_init(&dp->free_jobs);
	list_init(&dp->free_held);
	table_init(&dp->voters_by_replica);
	table_init(&dp->hosts_by_replica);
	if (pools_allocate(dp) != 0) {
		datapath_free(dp);
		return -ENOMEM;
	}
	config->net->accepted = datapath_accepted;
	config->net->user = dp;
	*ret_datapath = dp;
	return 0;
}

void datapath_free(struct datapath *dp)
{
	if (!dp)
		return;
	ASSERT(list_is_empty(&dp->volumes) && list_is_empty(&dp->views));
	ASSERT(list_is_empty(&dp->pools));
	peers_free(dp);
	links_free(dp);
	loop_task_cancel(&dp->task);
	loop_timer_cancel(dp->config.loop, &dp->admit_timer);
	snapshot_cache_free(dp->snapshot_cache);
	free(dp->ops);
	free(dp->jobs);
	free(dp->held);
	free(dp);
}

void datapath_event(struct datapath *dp, const char *kind, const char *subject, const char *format, ...)
{
	char text[256];
	va_list args;

	if (!dp->config.event)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dp->config.event(dp->config.user, kind, subject, text);
}

/* ---- pools ---- */

static void pool_durable(void *arg, struct pool_replica *replica, uint64_t seq)
{
	struct host *host = pool_replica_user(replica);

	(void)arg;
	if (host)
		host_durable(host, seq);
}

/* What the scrub repairs by itself, and what nothing needs, is none of its sessions' business. */
static void pool_bad(void *arg, const struct pool_bad *bad)
{
	struct host *host = bad->replica ? pool_replica_user(bad->replica) : NULL;

	(void)arg;
	ASSERT(!bad->replica || bad->kind == POOL_BAD_GRAIN);
	if (host && !host->failed)
		host_grain_bad(host, bad->snapshot, bad->index);
}

static void pool_damaged(void *arg, struct pool_replica *replica)
{
	struct host *host = pool_replica_user(replica);

	(void)arg;
	if (host && !host->failed)
		replica_damaged(host->machine);
}

/*
 * Its replicas answer nothing any more. Local coordinators are told that they are away; remote ones lose the
 * connection, and find on the next one that these replicas don't answer: a voter that still renewed leases,
 * but took nothing more, would look healthy.
 */
static void pool_failed(void *arg, int rc, const char *why)
{
	struct datapath *dp = arg;

	(void)rc;
	list_for_each (at, &dp->pools) {
		struct pool_node *node = list_entry(at, struct pool_node, node);
		struct pool_info info;
		char name[UUID_TEXT_LEN + 1];

		pool_info_get(node->pool, &info);
		if (!info.failed || node->failure_told)
			continue;
		node->failure_told = true;
		datapath_event(dp, "pool-failed", uuid_format(info.pool, name), "%s", why);
		list_for_each (host_at, &dp->hosts) {
			struct host *host = list_entry(host_at, struct host, node);

			if (host->pool != node->pool)
				continue;
			host->failed = true;
			volumes_host_removed(dp, host);
		}
		links_close(dp);
	}
}

void datapath_pool_callbacks(struct datapath *dp, struct pool_open_options *options)
{
	options->failed = pool_failed;
	options->durable = pool_durable;
	options->bad = pool_bad;
	options->damaged = pool_damaged;
	options->arg = dp;
}

void datapath_pool_add(struct datapath *dp, struct pool *pool)
{
	struct pool_node *node = calloc(1, sizeof(*node));

	ASSERT(node);
	node->pool = pool;
	list_push_back(&dp->pools, &node->node);
	for (struct pool_replica *replica = pool_replica_next(pool, NULL); replica;
		replica = pool_replica_next(pool, replica)) {
		struct host *host = host_new(dp, pool, replica);

		ASSERT(host);
		volumes_host_added(dp, host);
	}
}

void datapath_pool_compare(struct datapath *dp, struct pool *pool)
{
	list_for_each (at, &dp->hosts) {
		struct host *host = list_entry(at, struct host, node);

		if (host->pool == pool && !host->failed)
			host_compare_asked(host);
	}
}

void datapath_pool_remove(struct datapath *dp, struct pool *pool)
{
	bool had_hosts = false;

	list_for_each_safe (at, &dp->hosts) {
		struct host *host = list_entry(at, struct host, node);

		if (host->pool != pool)
			continue;
		host_free(host);
		had_hosts = true;
	}
	/*
	 * Remote coordinators must find out: where another volume keeps the connection alive they would wait
	 * for these replicas for ever, and send them what nobody promised to take.
	 */
	if (had_hosts)
		links_close(dp);
	list_for_each_safe (at, &dp->pools) {
		struct pool_node *node = list_entry(at, struct pool_node, node);

		if (node->pool != pool)
			continue;
		list_remove(&node->node);
		free(node);
	}
}

/* ---- replicas, made and removed ---- */

struct creation {
	struct datapath *datapath;
	struct pool *pool;
	pool_done_fn fn;
	void *arg;
};

static bool pool_is_served(const struct datapath *dp, const struct pool *pool)
{
	list_for_each (at, &dp->pools)
		if (list_entry(at, struct pool_node, node)->pool == pool)
			return true;
	return false;
}

static void created(void *arg, int rc, struct pool_replica *replica)
{
	struct creation *creation = arg;

	if (rc == 0 && pool_is_served(creation->datapath, creation->pool)) {
		struct host *host = host_new(creation->datapath, creation->pool, replica);

		if (host)
			volumes_host_added(creation->datapath, host);
		else
			rc = -ENOMEM;
	}
	creation->fn(creation->arg, rc);
	free(creation);
}

static struct creation *creation_new(struct datapath *dp, struct pool *pool, pool_done_fn fn, void *arg)
{
	struct creation *creation = calloc(1, sizeof(*creation));

	ASSERT(creation);
	*creation = (struct creation){ dp, pool, fn, arg };
	return creation;
}

void datapath_replica_create(struct datapath *dp, struct pool *pool,
	const struct pool_replica_identity *identity, pool_done_fn fn, void *arg)
{
	pool_replica_create(pool, identity, created, creation_new(dp, pool, fn, arg));
}

void datapath_replica_create_incomplete(struct datapath *dp, struct pool *pool,
	const struct pool_replica_identity *identity, pool_done_fn fn, void *arg)
{
	pool_replica_create_incomplete(pool, identity, created, creation_new(dp, pool, fn, arg));
}

struct late_answer {
	struct loop_task task;
	pool_done_fn fn;
	void *arg;
	int rc;
};

static void late_answer(void *arg)
{
	struct late_answer *late = arg;

	late->fn(late->arg, late->rc);
	free(late);
}

static void answer_later(struct datapath *dp, int rc, pool_done_fn fn, void *arg)
{
	struct late_answer *late = calloc(1, sizeof(*late));

	ASSERT(late);
	*late = (struct late_answer){ .fn = fn, .arg = arg, .rc = rc };
	loop_task_init(&late->task, late_answer, late);
	loop_defer(dp->config.loop, &late->task);
}

void datapath_replica_clone(struct datapath *dp, struct pool *pool, struct uuid origin_group,
	struct uuid snapshot, const struct pool_replica_identity *identity, pool_done_fn fn, void *arg)
{
	struct pool_replica *origin = pool_replica_next(pool, NULL);

	while (origin && !uuid_equal(pool_replica_identity(origin)->group, origin_group))
		origin = pool_replica_next(pool, origin);
	if (origin)
		pool_replica_clone(origin, snapshot, identity, created, creation_new(dp, pool, fn, arg));
	else
		answer_later(dp, -ENOENT, fn, arg);
}

void datapath_replica_delete(struct datapath *dp, struct uuid replica, pool_done_fn fn, void *arg)
{
	struct host *host = host_find(dp, replica);
	struct pool_replica *store;

	if (!host) {
		answer_later(dp, -ENOENT, fn, arg);
		return;
	}
	store = host->store;
	host_free(host);
	pool_replica_delete(store, fn, arg);
}
