/* The fake's pools and nodes that are taken out of use: they are noted, and answered. */
#include <stdio.h>
#include <string.h>

#include "volumes_fake.h"

void volumes_pool_drain(
	struct volumes *volumes, const char *pool, bool draining, bool force, volumes_done_fn fn, void *arg)
{
	snprintf(fake_op_add(volumes, FAKE_DRAIN, pool, fn, arg)->id, 300, "pool %d %d", draining, force);
}

void volumes_pool_replace(
	struct volumes *volumes, const char *pool, const char *by, bool force, volumes_done_fn fn, void *arg)
{
	snprintf(fake_op_add(volumes, FAKE_DRAIN, pool, fn, arg)->id, 300, "to %s %d", by, force);
}

void volumes_node_drain(
	struct volumes *volumes, const char *node, bool draining, bool force, volumes_done_fn fn, void *arg)
{
	snprintf(fake_op_add(volumes, FAKE_DRAIN, node, fn, arg)->id, 300, "node %d %d", draining, force);
}

void volumes_pool_remove(struct volumes *volumes, const char *pool, volumes_done_fn fn, void *arg)
{
	snprintf(fake_op_add(volumes, FAKE_DRAIN, pool, fn, arg)->id, 300, "pool rm");
}

void volumes_pool_scrub(struct volumes *volumes, const char *pool, volumes_done_fn fn, void *arg)
{
	snprintf(fake_op_add(volumes, FAKE_DRAIN, pool, fn, arg)->id, 300, "pool scrub");
}

int volumes_rebalance(struct volumes *volumes, void (*fn)(void *arg, const struct rebalance_view *view),
	void *arg, struct error *error)
{
	struct rebalance_view view = { .volume = "v", .from_node = "a", .to_node = "d", .bytes = 1 << 30 };

	(void)volumes;
	(void)error;
	fn(arg, &view);
	return 0;
}

void volumes_node_remove(struct volumes *volumes, const char *node, volumes_done_fn fn, void *arg)
{
	snprintf(fake_op_add(volumes, FAKE_DRAIN, node, fn, arg)->id, 300, "node rm");
}

void volumes_pool_wipe(
	struct volumes *volumes, const char *path, bool carry_out, volumes_lines_fn fn, void *arg)
{
	static const char *const lines[] = { "/dev/x is pool 7 of cluster 8" };

	(void)path;
	volumes->wiped |= carry_out;
	fn(arg, 0, NULL, lines, 1);
}

void volumes_pool_add(struct volumes *volumes, const char *name, const char *path, const char *tier,
	bool force, volumes_done_fn fn, void *arg)
{
	(void)tier;
	(void)force;
	snprintf(fake_op_add(volumes, FAKE_POOL_ADD, name, fn, arg)->id, 300, "%s", path);
}

/* ---- views ---- */
