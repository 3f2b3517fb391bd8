#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "volumes_fake.h"

#define GIB (UINT64_C(1) << 30)

static void uuid_fill(struct uuid *uuid, uint8_t with)
{
	memset(uuid->byte, with, sizeof(uuid->byte));
}

static void ops_finish(struct volumes *volumes);

static void on_timer(uv_timer_t *timer)
{
	struct volumes *volumes = timer->data;

	if (!volumes->hold)
		ops_finish(volumes);
}

struct volumes *volumes_fake_new(struct uv_loop_s *loop)
{
	struct volumes *volumes = calloc(1, sizeof(*volumes));
	uv_timer_t *timer = calloc(1, sizeof(*timer));

	ASSERT(volumes && timer);
	volumes->loop = loop;
	volumes->timer = timer;
	uv_timer_init(loop, timer);
	timer->data = volumes;
	uuid_fill(&volumes->cluster.cluster, 0xcc);
	snprintf(volumes->cluster.node, sizeof(volumes->cluster.node), "a");
	volumes->cluster.ready = true;
	volumes->cluster.kvdb_ok = true;
	volumes->cluster.node_count = 3;
	volumes->cluster.node_up_count = 2;
	volumes->cluster.pool_count = 3;
	volumes->cluster.size_bytes = 60 * GIB;
	volumes->cluster.used_bytes = 3 * GIB;
	volumes->node_count = 3;
	volumes->pool_count = 3;
	for (unsigned i = 0; i < 3; i++) {
		struct node_view *node = &volumes->nodes[i];
		struct pool_view *pool = &volumes->pools[i];
		char letter = (char)('a' + i);

		snprintf(node->name, sizeof(node->name), "%c", letter);
		snprintf(node->region, sizeof(node->region), "local");
		snprintf(node->zone, sizeof(node->zone), "zone-%c", letter);
		snprintf(node->rack, sizeof(node->rack), "r1");
		snprintf(node->host, sizeof(node->host), "host-%c", letter);
		snprintf(node->address, sizeof(node->address), "127.0.0.1:742%u", i + 1);
		snprintf(node->state, sizeof(node->state), i == 2 ? "down" : "up");
		snprintf(node->since, sizeof(node->since), "2026-01-31T12:00:00.000Z");
		node->local = i == 0;
		node->pool_count = 1;
		uuid_fill(&pool->pool, (uint8_t)(0xd0 + i));
		snprintf(pool->name, sizeof(pool->name), "p%u", i + 1);
		snprintf(pool->node, sizeof(pool->node), "%c", letter);
		snprintf(pool->path, sizeof(pool->path), "/var/lib/pool-%c", letter);
		snprintf(pool->tier, sizeof(pool->tier), "high");
		snprintf(pool->tier_reason, sizeof(pool->tier_reason), "durable write 40 us");
		snprintf(pool->state, sizeof(pool->state), "ok");
		pool->size_bytes = 20 * GIB;
		pool->used_bytes = GIB;
		pool->provisioned_bytes = 10 * GIB;
		pool->local = i == 0;
		pool->info.batches = 7;
	}
	return volumes;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

void volumes_fake_free(struct volumes *volumes)
{
	volumes->fail_rc = -ECANCELED;
	ops_finish(volumes);
	uv_close(volumes->timer, on_closed);
	free(volumes);
}

void volumes_fake_release(struct volumes *volumes)
{
	volumes->hold = false;
	ops_finish(volumes);
}

static struct fake_volume *find(struct volumes *volumes, const char *name)
{
	for (unsigned i = 0; i < FAKE_VOLUMES; i++) {
		if (volumes->volumes[i].used && strcmp(volumes->volumes[i].view.name, name) == 0)
			return &volumes->volumes[i];
	}
	return NULL;
}

struct volume_view *volumes_fake_find(struct volumes *volumes, const char *name)
{
	struct fake_volume *volume = find(volumes, name);

	return volume ? &volume->view : NULL;
}

struct volume_view *volumes_fake_add(struct volumes *volumes, const char *name)
{
	struct fake_volume *volume = volumes->volumes;
	struct volume_view *view;

	while (volume->used)
		volume++;
	ASSERT(volume < volumes->volumes + FAKE_VOLUMES);
	memset(volume, 0, sizeof(*volume));
	volume->used = true;
	view = &volume->view;
	uuid_fill(&view->volume, 0x11);
	snprintf(view->name, sizeof(view->name), "%s", name);
	snprintf(view->class_name, sizeof(view->class_name), "default");
	snprintf(view->fs, sizeof(view->fs), "ext4");
	snprintf(view->state, sizeof(view->state), "detached");
	snprintf(view->created, sizeof(view->created), "2026-01-31T12:00:00.000Z");
	view->size_bytes = GIB;
	view->shard_count = 1;
	view->shards = &volume->shard;
	view->replicas = volume->replicas;
	view->replica_count = 3;
	volume->shard.config_number = 1;
	for (unsigned i = 0; i < 3; i++) {
		struct replica_view *replica = &view->replicas[i];

		uuid_fill(&replica->replica, (uint8_t)(0xe0 + i));
		replica->pool = volumes->pools[i].pool;
		snprintf(replica->node, sizeof(replica->node), "%s", volumes->nodes[i].name);
		snprintf(replica->pool_name, sizeof(replica->pool_name), "%s", volumes->pools[i].name);
		snprintf(replica->zone, sizeof(replica->zone), "%s", volumes->nodes[i].zone);
		snprintf(replica->role, sizeof(replica->role), "voter");
		snprintf(replica->state, sizeof(replica->state), "complete");
	}
	volumes->cluster.volume_count++;
	volumes->cluster.detached_count++;
	return view;
}

void volumes_fake_attach_here(struct volumes *volumes, struct volume_view *view)
{
	struct write_trace *trace = volumes->traces;

	snprintf(view->state, sizeof(view->state), "healthy");
	snprintf(view->attached_node, sizeof(view->attached_node), "a");
	snprintf(view->attached_since, sizeof(view->attached_since), "2026-01-31T12:34:56.000Z");
	snprintf(view->device, sizeof(view->device), "/dev/quoin/%.32s", view->name);
	view->attached_here = true;
	view->stats.write.ops = 3;
	view->stats.write.bytes = 12288;
	view->stats.write.latency_ns_sum = 300000;
	view->stats.write.latency[1] = 1; /* at most 32 us */
	view->stats.write.latency[3] = 2; /* at most 128 us */
	view->stats.quorum_waits = 5;
	view->stats.voter_count = 3;
	for (unsigned i = 0; i < 3; i++)
		snprintf(view->stats.voters[i].node, sizeof(view->stats.voters[i].node), "%s",
			view->replicas[i].node);
	*trace = (struct write_trace){ .epoch = { 4, 0 },
		.seq = 17,
		.length_bytes = 4096,
		.submitted_ns = 1000000,
		.sent_ns = 1002500,
		.local_durable_ns = 1080000,
		.committed_ns = 1090250,
		.answered_ns = 1091000,
		.voter_count = 3,
		.voter_answer_ns = { 1080000, 1090000, 0 } };
}

/* ---- operations ---- */

static int mount_do(struct volumes *volumes, struct fake_volume *volume, int by)
{
	struct volume_view *view = &volume->view;

	if (by < 0 && view->mount_count == 0)
		return 0;
	view->mount_count += (uint32_t)by;
	if (view->mount_count > 0) {
		volumes_fake_attach_here(volumes, view);
		snprintf(view->mountpoint, sizeof(view->mountpoint), "/var/lib/quoin/mnt/%s", view->name);
	} else {
		view->mountpoint[0] = view->attached_node[0] = view->device[0] = '\0';
		view->attached_here = false;
		snprintf(view->state, sizeof(view->state), "detached");
	}
	return 0;
}

static int create_do(struct volumes *volumes, const struct fake_op *op, struct error *error)
{
	struct fake_volume *volume = find(volumes, op->name);

	if (volume) {
		if (memcmp(&volume->options, &op->options, sizeof(op->options)) == 0)
			return 0;
		return error_set(error, -EEXIST, "volume %s exists already, with other options", op->name);
	}
	(void)volumes_fake_add(volumes, op->name);
	volume = find(volumes, op->name);
	volume->options = op->options;
	if (op->options.size_bytes)
		volume->view.size_bytes = op->options.size_bytes;
	if (op->options.fs[0])
		snprintf(volume->view.fs, sizeof(volume->view.fs), "%s", op->options.fs);
	return 0;
}

static int pool_do(struct volumes *volumes, const struct fake_op *op)
{
	struct pool_view *pool = &volumes->pools[volumes->pool_count++];

	*pool = volumes->pools[0];
	snprintf(pool->name, sizeof(pool->name), "%s", op->name);
	snprintf(pool->path, sizeof(pool->path), "%.255s", op->id);
	return 0;
}

static int snapshot_do(struct fake_volume *volume, const struct fake_op *op, struct error *error)
{
	unsigned at = 0;

	while (at < volume->snapshot_count && strcmp(volume->snapshots[at].name, op->id) != 0)
		at++;
	if (op->kind != FAKE_SNAPSHOT && at == volume->snapshot_count)
		return error_set(error, -ENOENT, "volume %s has no snapshot %s", op->name, op->id);
	if (op->kind == FAKE_ROLLBACK && volume->view.attached_here)
		return error_set(error, -EBUSY, "volume %s is attached on node a", op->name);
	if (op->kind == FAKE_SNAPSHOT_ATTACH || op->kind == FAKE_SNAPSHOT_DETACH) {
		bool attach = op->kind == FAKE_SNAPSHOT_ATTACH;

		snprintf(volume->snapshots[at].device, 64, "%s", attach ? "/dev/quoin/v@s" : "");
		volume->snapshots[at].nbd = op->nbd;
		volume->snapshots[at].node_count = attach;
		volume->snapshots[at].nodes[0] = "a";
	}
	if (op->kind == FAKE_SNAPSHOT_REMOVE)
		volume->snapshots[at] = volume->snapshots[--volume->snapshot_count];
	if (op->kind != FAKE_SNAPSHOT)
		return 0;
	if (at < volume->snapshot_count)
		return error_set(error, -EEXIST, "snapshot %s@%s exists already", op->name, op->id);
	ASSERT(at < 4);
	volume->snapshot_count++;
	uuid_fill(&volume->snapshots[at].snapshot, (uint8_t)(0x51 + at));
	snprintf(volume->snapshots[at].name, sizeof(volume->snapshots[at].name), "%.127s", op->id);
	snprintf(volume->snapshots[at].state, sizeof(volume->snapshots[at].state), "ready");
	snprintf(volume->snapshots[at].created, sizeof(volume->snapshots[at].created),
		"2026-01-31T12:00:00.000Z");
	return 0;
}

static int op_do(struct volumes *volumes, const struct fake_op *op, struct error *error)
{
	struct fake_volume *volume = find(volumes, op->name);

	if (volumes->fail_rc < 0)
		return error_set(error, volumes->fail_rc, "%s", volumes->fail_text);
	if (op->kind == FAKE_CREATE)
		return create_do(volumes, op, error);
	if (op->kind == FAKE_POOL_ADD)
		return pool_do(volumes, op);
	if (op->kind == FAKE_DRAIN || op->kind == FAKE_CLASS)
		return 0;
	if (!volume)
		return error_set(error, -ENOENT, "no volume %s", op->name);
	switch (op->kind) {
	case FAKE_REMOVE:
		if (volume->view.mount_count > 0) {
			return error_set(error, -EBUSY, "volume %s is in use on node %s since %s", op->name,
				volume->view.attached_node, volume->view.attached_since);
		}
		volume->used = false;
		return 0;
	case FAKE_ATTACH:
		volumes_fake_attach_here(volumes, &volume->view);
		return 0;
	case FAKE_DETACH:
		if (volume->view.mount_count > 0)
			return error_set(error, -EBUSY, "volume %s is mounted", op->name);
		return mount_do(volumes, volume, 0);
	case FAKE_MOVE:
	case FAKE_SET_REPLICAS:
	case FAKE_CANCEL_CHANGE:
		return 0;
	case FAKE_IMPORT_BEGIN:
	case FAKE_IMPORT_END:
		volume->view.import_unfinished = op->kind == FAKE_IMPORT_BEGIN;
		return 0;
	case FAKE_SNAPSHOT:
	case FAKE_SNAPSHOT_REMOVE:
	case FAKE_ROLLBACK:
	case FAKE_SNAPSHOT_ATTACH:
	case FAKE_SNAPSHOT_DETACH:
		return snapshot_do(volume, op, error);
	case FAKE_SET_STICKY:
		volume->view.policy.sticky = op->options.sticky;
		return 0;
	case FAKE_RESIZE:
		if (op->options.size_bytes < volume->view.size_bytes)
			return error_set(error, -EPERM, "volume %s can't shrink", op->name);
		volume->view.size_bytes = op->options.size_bytes;
		return 0;
	case FAKE_SET_LIMITS:
		if (op->limits.has_iops)
			volume->view.limit_iops = op->limits.iops;
		if (op->limits.has_bytes_per_s)
			volume->view.limit_bytes_per_s = op->limits.bytes_per_s;
		return 0;
	case FAKE_MOUNT:
		return mount_do(volumes, volume, 1);
	default:
		return mount_do(volumes, volume, -1);
	}
}

static void ops_finish(struct volumes *volumes)
{
	while (volumes->op_count > 0) {
		struct fake_op op = volumes->ops[0];
		struct error error = { "" };
		int rc;

		memmove(volumes->ops, volumes->ops + 1, --volumes->op_count * sizeof(op));
		rc = op_do(volumes, &op, &error);
		op.fn(op.arg, rc, &error);
	}
}

struct fake_op *fake_op_add(
	struct volumes *volumes, enum fake_kind kind, const char *name, volumes_done_fn fn, void *arg)
{
	struct fake_op *op = &volumes->ops[volumes->op_count++];

	ASSERT(volumes->op_count <= FAKE_OPS);
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	snprintf(op->name, sizeof(op->name), "%s", name);
	op->fn = fn;
	op->arg = arg;
	uv_timer_start(volumes->timer, on_timer, 0, 0);
	return op;
}

void volumes_create(struct volumes *volumes, const char *name, const struct volume_options *options,
	volumes_done_fn fn, void *arg)
{
	fake_op_add(volumes, FAKE_CREATE, name, fn, arg)->options = *options;
}

int volumes_options_check(
	struct volumes *volumes, const char *name, const struct volume_options *options, struct error *error)
{
	const struct fake_volume *volume = find(volumes, name);

	if (!volume || !options->class_name[0] || !strcmp(options->class_name, volume->view.class_name))
		return 0;
	return error_set(error, -EEXIST, "volume %s exists already, with another class", name);
}

void volumes_remove(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	fake_op_add(volumes, FAKE_REMOVE, name, fn, arg);
}

void volumes_attach(struct volumes *volumes, const char *name, bool force, volumes_done_fn fn, void *arg)
{
	volumes->forced = force;
	fake_op_add(volumes, FAKE_ATTACH, name, fn, arg);
}

void volumes_detach(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	fake_op_add(volumes, FAKE_DETACH, name, fn, arg);
}

void volumes_snapshot_create(struct volumes *volumes, const char *name, const char *snapshot, bool freeze,
	struct uuid import_of, volumes_done_fn fn, void *arg)
{
	volumes->froze = freeze;
	volumes->import_of = import_of;
	snprintf(fake_op_add(volumes, FAKE_SNAPSHOT, name, fn, arg)->id, 300, "%s", snapshot);
}

void volumes_snapshot_remove(
	struct volumes *volumes, const char *name, const char *snapshot, volumes_done_fn fn, void *arg)
{
	snprintf(fake_op_add(volumes, FAKE_SNAPSHOT_REMOVE, name, fn, arg)->id, 300, "%s", snapshot);
}

void volumes_rollback(
	struct volumes *volumes, const char *name, const char *snapshot, volumes_done_fn fn, void *arg)
{
	snprintf(fake_op_add(volumes, FAKE_ROLLBACK, name, fn, arg)->id, 300, "%s", snapshot);
}

static void snapshot_device(
	struct volumes *volumes, const char *name, bool attach, bool nbd, volumes_done_fn fn, void *arg)
{
	char volume[NAME_MAX_LEN + 1] = "", snapshot[NAME_MAX_LEN + 1] = "";
	struct fake_op *op;
	struct error ignored;

	(void)!snapshot_name_split(name, volume, snapshot, &ignored);
	op = fake_op_add(volumes, attach ? FAKE_SNAPSHOT_ATTACH : FAKE_SNAPSHOT_DETACH, volume, fn, arg);
	snprintf(op->id, sizeof(op->id), "%s", snapshot);
	op->nbd = nbd;
}

void volumes_snapshot_attach(
	struct volumes *volumes, const char *name, bool nbd, volumes_done_fn fn, void *arg)
{
	snapshot_device(volumes, name, true, nbd, fn, arg);
}

void volumes_snapshot_detach(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	snapshot_device(volumes, name, false, false, fn, arg);
}

int volumes_each_snapshot(struct volumes *volumes, const char *name,
	void (*fn)(void *arg, const struct snapshot_view *view), void *arg, struct error *error)
{
	struct fake_volume *volume = find(volumes, name);

	if (!volume)
		return error_set(error, -ENOENT, "no volume %s", name);
	for (unsigned i = 0; i < volume->snapshot_count; i++)
		fn(arg, &volume->snapshots[i]);
	return 0;
}

void volumes_move_replica(struct volumes *volumes, const char *name, const char *from, const char *to,
	volumes_done_fn fn, void *arg)
{
	snprintf(fake_op_add(volumes, FAKE_MOVE, name, fn, arg)->id, 300, "%s>%s", from, to ? to : "");
}

void volumes_set_replicas(
	struct volumes *volumes, const char *name, unsigned replicas, volumes_done_fn fn, void *arg)
{
	snprintf(fake_op_add(volumes, FAKE_SET_REPLICAS, name, fn, arg)->id, 300, "%u", replicas);
}

void volumes_classes_apply(
	struct volumes *volumes, const char *text, size_t len, volumes_done_fn fn, void *arg)
{
	(void)len;
	snprintf(fake_op_add(volumes, FAKE_CLASS, "", fn, arg)->id, 300, "%s", text);
}

void volumes_set_limits(struct volumes *volumes, const char *name, const struct volume_limits_wish *wish,
	volumes_done_fn fn, void *arg)
{
	fake_op_add(volumes, FAKE_SET_LIMITS, name, fn, arg)->limits = *wish;
}

void volumes_resize(
	struct volumes *volumes, const char *name, uint64_t size_bytes, volumes_done_fn fn, void *arg)
{
	fake_op_add(volumes, FAKE_RESIZE, name, fn, arg)->options.size_bytes = size_bytes;
}

void volumes_set_sticky(struct volumes *volumes, const char *name, bool sticky, volumes_done_fn fn, void *arg)
{
	fake_op_add(volumes, FAKE_SET_STICKY, name, fn, arg)->options.sticky = sticky;
}

void volumes_cancel_change(struct volumes *volumes, const char *name, volumes_done_fn fn, void *arg)
{
	fake_op_add(volumes, FAKE_CANCEL_CHANGE, name, fn, arg);
}

void volumes_mount(struct volumes *volumes, const char *name, const char *id, volumes_done_fn fn, void *arg)
{
	volumes->mounts++;
	snprintf(fake_op_add(volumes, FAKE_MOUNT, name, fn, arg)->id, 300, "%s", id);
}

void volumes_unmount(struct volumes *volumes, const char *name, const char *id, volumes_done_fn fn, void *arg)
{
	volumes->unmounts++;
	snprintf(fake_op_add(volumes, FAKE_UNMOUNT, name, fn, arg)->id, 300, "%s", id);
}

void volumes_new_generation(struct volumes *volumes)
{
	volumes->generations++;
}

void volumes_scan(struct volumes *volumes, bool measure,
	void (*fn)(void *arg, int rc, const struct error *error, const struct node_scan *scan), void *arg)
{
	struct scan_device device = { .offered = true, .measured = measure, .tier = TIER_MEDIUM };
	struct node_scan scan = { .tier = TIER_HIGH, .disks = { .count = 1, .devices = &device } };

	(void)volumes;
	snprintf(device.facts.path, sizeof(device.facts.path), "/dev/sdx");
	device.facts.size_bytes = UINT64_C(1) << 40;
	device.measurement.read_p50_us = 80;
	fn(arg, 0, NULL, &scan);
}

void volumes_accept_restore(struct volumes *volumes, bool carry_out, volumes_lines_fn fn, void *arg)
{
	static const char *const lines[] = { "volume w: made after the backup; its record is put back" };

	volumes->accepted |= carry_out;
	fn(arg, 0, NULL, lines, 1);
}

void volumes_trace(struct volumes *volumes, const char *name,
	void (*fn)(void *arg, int rc, const struct error *error, const struct write_trace *traces,
		unsigned count),
	void *arg)
{
	struct fake_volume *volume = find(volumes, name);
	struct error error;

	if (volume && volume->view.attached_here) {
		fn(arg, 0, NULL, volumes->traces, 1);
	} else {
		(void)error_set(&error, -ENOENT, "volume %s is not attached on this node", name);
		fn(arg, -ENOENT, &error, NULL, 0);
	}
}

void volumes_cluster_view(struct volumes *volumes, struct cluster_view *ret_view)
{
	*ret_view = volumes->cluster;
}

int volumes_volume_view(
	struct volumes *volumes, const char *name, struct volume_view *ret_view, struct error *error)
{
	struct fake_volume *volume = find(volumes, name);

	if (!volume)
		return error_set(error, -ENOENT, "no volume %s", name);
	*ret_view = volume->view;
	return 0;
}

void volumes_each_volume(
	struct volumes *volumes, bool (*fn)(void *arg, const struct volume_view *view), void *arg)
{
	for (unsigned i = 0; i < FAKE_VOLUMES; i++) {
		if (volumes->volumes[i].used && !fn(arg, &volumes->volumes[i].view))
			return;
	}
}

void volumes_each_pool(
	struct volumes *volumes, bool (*fn)(void *arg, const struct pool_view *view), void *arg)
{
	for (unsigned i = 0; i < volumes->pool_count; i++) {
		if (!fn(arg, &volumes->pools[i]))
			return;
	}
}

void volumes_each_node(
	struct volumes *volumes, bool (*fn)(void *arg, const struct node_view *view), void *arg)
{
	for (unsigned i = 0; i < volumes->node_count; i++) {
		if (!fn(arg, &volumes->nodes[i]))
			return;
	}
}

void volumes_each_event(struct volumes *volumes, uint64_t after,
	bool (*fn)(void *arg, const struct event_view *view), void *arg)
{
	for (unsigned i = 0; i < volumes->event_count; i++) {
		if (volumes->events[i].number > after && !fn(arg, &volumes->events[i]))
			return;
	}
}

void volumes_net_counters(struct volumes *volumes, struct net_tcp_counters *ret_counters)
{
	*ret_counters = volumes->net;
}
