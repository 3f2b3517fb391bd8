/*
 * Start, in the background: answers come from the first moment on, and what they lack is in the cluster view.
 *
 *   state directory -> data plane -> leftovers cleaned -+
 *                        |                              |
 *                        +-> pools (those that it knows) +-> READY
 *                        |                              |
 *   kvdb -> catalog's view -> cluster joined -> node registered, pools that only the catalog knows
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog/accept.h"
#include "volumes/manager.h"
#include "volumes/rebalance.h"
#include "volumes/snapshot_schedule.h"
#include "volumes/mount.h"
#include "volumes/sessions.h"
#include "volumes/state_file.h"
#include "volumes/trim.h"

#define TICK_MS         1000u
#define JOIN_TIMEOUT_MS 10000u

/* ---- what the rooms below tell ---- */

static void woken(uv_async_t *async)
{
	struct volumes *volumes = async->data;

	threads_drain(volumes);
	ops_turn(volumes); /* a device that was to be opened is */
}

/*
 * Each second, and at once where the kvdb has gone back: from then on what it answers is of the other
 * history. What was changed in a lost second is nothing that replicas have not been told.
 */
static void generation_keep(struct volumes *volumes)
{
	struct uuid database;
	uint64_t revision;
	struct error why;

	catalog_generation(volumes->catalog, &database, &revision);
	if (node_state_generation_set(&volumes->node, database, revision, &why))
		manager_event(volumes, "state-not-written", volumes->config.node, "%s", why.text);
}

static void catalog_opened(void *user)
{
	struct volumes *volumes = user;

	volumes->catalog_opened = true;
	manager_kick(volumes);
}

static void catalog_changed(void *user, const struct catalog_change *changes, unsigned count)
{
	(void)changes;
	(void)count;
	manager_kick(user);
}

static void kvdb_restored(struct volumes *volumes, const struct error *error)
{
	generation_keep(volumes);
	manager_event(volumes, "kvdb-restored", volumes->config.node, "%s", error->text);
}

static void catalog_trouble(void *user, int rc, const struct error *error)
{
	struct volumes *volumes = user;

	if (rc == 0)
		manager_event(volumes, "kvdb-back", volumes->config.node, "the kvdb answers again");
	else if (rc == -EAGAIN)
		manager_event(volumes, "kvdb-away", volumes->config.node, "%s", error->text);
	else if (rc == -ESTALE && catalog_is_frozen(volumes->catalog))
		kvdb_restored(volumes, error);
	else if (rc == -ESTALE)
		manager_event(volumes, "node-lease-lost", volumes->config.node, "%s", error->text);
	else
		manager_event(volumes, "catalog-damaged", volumes->config.node, "%s", error->text);
	if (!volumes->catalog_opened)
		snprintf(volumes->not_ready, sizeof(volumes->not_ready), "%.150s",
			rc ? error->text : "reading the catalog");
	manager_kick(volumes);
}

static void leftover_found(void *arg, const char *words)
{
	struct volumes *volumes = arg;

	manager_event(volumes, "leftover-cleaned", volumes->config.node, "%s", words);
}

static void leftovers_cleaned(void *arg, int rc, const struct error *error)
{
	struct volumes *volumes = arg;

	if (rc)
		manager_event(volumes, "leftover-kept", volumes->config.node, "%s", error->text);
	volumes->leftovers_clean = true;
	manager_kick(volumes);
}

/* ---- step by step ---- */

static void joined(void *arg, int rc, const struct error *error)
{
	struct volumes *volumes = arg;
	const struct catalog_cluster *cluster = catalog_cluster(volumes->catalog);
	struct error why;

	volumes->joining = false;
	if (!rc && !cluster)
		rc = -ENOENT;
	if (!rc) {
		rc = node_state_cluster_set(&volumes->node, cluster->cluster, &why);
		error = &why;
	}
	if (rc) {
		if (strncmp(volumes->not_ready, error->text, 100) != 0)
			log_warning("can't join the cluster yet: %s", error->text);
		snprintf(volumes->not_ready, sizeof(volumes->not_ready), "%.150s", error->text);
		return; /* the next tick tries again */
	}
	volumes->joined = true;
	topology_settle(volumes);
	manager_register(volumes);
	pools_begin_recorded(volumes);
	manager_kick(volumes);
}

static void ready_check(struct volumes *volumes)
{
	const char *lacks = NULL;

	if (!volumes->registered)
		return; /* the words stand already */
	if (!volumes->leftovers_clean)
		lacks = "cleaning up what a killed agent left";
	else if (!pools_settled(volumes))
		lacks = "opening the pools";
	else if (volumes->snapshot.stale || !volumes->snapshot.number)
		lacks = "looking at the replicas";
	if (lacks) {
		snprintf(volumes->not_ready, sizeof(volumes->not_ready), "%s", lacks);
		return;
	}
	volumes->phase = MANAGER_READY;
	volumes->not_ready[0] = '\0';
	manager_event(volumes, "node-ready", volumes->config.node, "zone %s, data port %s",
		volumes->node_record.zone, volumes->config.address.text);
	manager_wanted_again(volumes);
	manager_scan(volumes);
}

void manager_start_step(struct volumes *volumes)
{
	if (volumes->phase != MANAGER_STARTING)
		return;
	if (volumes->joined)
		ready_check(volumes);
}

static void join_try(struct volumes *volumes)
{
	if (volumes->joined || volumes->joining || !volumes->catalog_opened ||
		volumes->phase != MANAGER_STARTING)
		return;
	volumes->joining = true;
	catalog_cluster_join(
		volumes->catalog, volumes->key, volumes->node.cluster, JOIN_TIMEOUT_MS, joined, volumes);
}

static void tick_fired(uv_timer_t *timer)
{
	struct volumes *volumes = timer->data;

	if (volumes->phase == MANAGER_STOPPING)
		return;
	join_try(volumes);
	if (volumes->joined && !catalog_is_frozen(volumes->catalog))
		generation_keep(volumes);
	if (volumes->joined && !volumes->registered)
		manager_register(volumes);
	topology_tick(volumes);
	if (!volumes->snapshot.pending)
		snapshot_take(volumes);
	if (volumes->phase == MANAGER_READY) {
		lingering_tick(volumes);
		pool_measure_tick(volumes);
		rebalance_tick(volumes);
		snapshot_schedule_tick(volumes);
		trim_tick(volumes);
	} else {
		manager_resume(volumes);
	}
}

/* ---- the part that may fail at once ---- */

static void node_record_fill(struct volumes *volumes)
{
	const struct volumes_config *config = &volumes->config;
	struct catalog_node *record = &volumes->node_record;

	record->node = volumes->node.node;
	memcpy(record->name, config->node, sizeof(record->name));
	topology_begin(volumes);
	snprintf(record->address, sizeof(record->address), "%s", config->address.text);
}

/* A damaged table of mounts, as after a crash of the machine, is put aside: what is mounted is found by its
 * devices, and cleaned up. */
static int mounts_begin(struct volumes *volumes, struct error *error)
{
	char path[CONFIG_PATH_MAX + 32], aside[CONFIG_PATH_MAX + 48];
	int rc;

	snprintf(path, sizeof(path), "%s/mounts.json", volumes->config.state_dir);
	rc = mounts_open(path, volumes->node.boot_id, &volumes->mounts, error);
	if (rc != -EINVAL)
		return rc;
	snprintf(aside, sizeof(aside), "%s.damaged", path);
	manager_event(
		volumes, "state-damaged", volumes->config.node, "%s: put aside as %s", error->text, aside);
	if (rename(path, aside))
		return error_set(error, -errno, "can't put %s aside: %s", path, strerror(errno));
	return mounts_open(path, volumes->node.boot_id, &volumes->mounts, error);
}

static int sessions_load(struct volumes *volumes, struct error *error)
{
	char path[CONFIG_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/sessions.json", volumes->config.state_dir);
	return sessions_open(path, volumes->node.boot_id, volumes->node.lock_fd, &volumes->sessions, error);
}

static int attach_begin(struct volumes *volumes, struct error *error)
{
	struct uring_loop *loops[DATAPLANE_MAX_THREADS];
	struct attach_config config = {
		.uv = volumes->loop,
		.loops = loops,
		.loop_count = volumes->thread_count,
		.state_dir = volumes->config.state_dir,
	};

	for (unsigned i = 0; i < volumes->thread_count; i++)
		loops[i] = dataplane_loop(volumes->dataplanes[i]);
	return attach_new(&config, &volumes->attach, error);
}

static int catalog_begin(struct volumes *volumes, struct error *error)
{
	/* Who has joined a cluster makes no other database: one that is missing is away. */
	struct kvdb_sqlite_options kvdb_options = { .path = volumes->config.kvdb_path,
		.must_exist = !uuid_is_none(volumes->node.cluster) };
	struct catalog_options options = {
		.cluster = CONFIG_CLUSTER_NAME,
		.node = volumes->config.node,
		.opened = catalog_opened,
		.changed = catalog_changed,
		.trouble = catalog_trouble,
		.user = volumes,
		.node_lease_ms = (uint32_t)volumes->config.node_lease_ms,
		.database = volumes->node.kvdb,
		.revision = volumes->node.kvdb_revision,
	};
	struct kvdb *kvdb;
	int rc = kvdb_sqlite_open(volumes->loop, &kvdb_options, &kvdb, error);

	return rc ? rc : catalog_open(kvdb, &options, &volumes->catalog, error);
}

static void handles_begin(struct volumes *volumes)
{
	/* None of these fails but for want of descriptors, at the very start. */
	ASSERT(uv_async_init(volumes->loop, &volumes->wake, woken) == 0);
	ASSERT(uv_timer_init(volumes->loop, &volumes->kick) == 0);
	ASSERT(uv_timer_init(volumes->loop, &volumes->plan) == 0);
	ASSERT(uv_timer_init(volumes->loop, &volumes->tick) == 0);
	ASSERT(uv_timer_init(volumes->loop, &volumes->ops_timer) == 0);
	volumes->wake.data = volumes->kick.data = volumes->plan.data = volumes->tick.data =
		volumes->ops_timer.data = volumes;
}

static int volumes_init(struct volumes *volumes, struct error *error)
{
	int rc;

	rc = node_state_open(volumes->config.state_dir, &volumes->random, &volumes->node, error);
	if (rc)
		return rc;
	rc = config_key_load(volumes->config.key_path, volumes->key, error);
	if (!rc)
		rc = mounts_begin(volumes, error);
	if (!rc)
		rc = sessions_load(volumes, error);
	if (!rc)
		rc = threads_start(volumes, error);
	if (!rc)
		rc = attach_begin(volumes, error);
	if (!rc)
		rc = catalog_begin(volumes, error);
	return rc;
}

/* `error` has told; the process ends soon. What has begun stays, its handles closed by that. */
int volumes_start(struct uv_loop_s *loop, const struct volumes_config *config, struct volumes **ret_volumes,
	struct error *error)
{
	struct volumes *volumes = calloc(1, sizeof(*volumes));
	int rc;

	if (!volumes)
		return error_set(error, -ENOMEM, "no memory");
	volumes->loop = loop;
	volumes->clock = clock_system();
	volumes->config = *config;
	volumes->node.lock_fd = -1;
	random_init_system(&volumes->random);
	volumes->session = uuid_random(&volumes->random);
	list_init(&volumes->ops);
	list_init(&volumes->pools);
	list_init(&volumes->attachments);
	list_init(&volumes->snapviews);
	table_init(&volumes->stewarded);
	snprintf(volumes->not_ready, sizeof(volumes->not_ready), "reading the catalog");
	handles_begin(volumes);
	rc = volumes_init(volumes, error);
	if (rc)
		return rc;
	node_record_fill(volumes);
	uv_timer_start(&volumes->tick, tick_fired, 10, TICK_MS);
	attach_clean_leftovers(volumes->attach, leftover_found, leftovers_cleaned, volumes);
	pools_begin(volumes);
	*ret_volumes = volumes;
	return 0;
}
