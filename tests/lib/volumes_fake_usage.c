/* What volumes, snapshots and replicas take, as the fake has it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "volumes_fake.h"

/* Of the first snapshot; the others' isn't known. */
void volumes_snapshot_usage(struct volumes *volumes, const char *name,
	void (*fn)(void *arg, int rc, const struct error *error, const struct snapshot_usage *rows,
		unsigned count),
	void *arg)
{
	struct snapshot_usage row = { .used_bytes = 3 * GRAIN_BYTES, .own_bytes = GRAIN_BYTES };
	struct error error;

	for (unsigned i = 0; i < FAKE_VOLUMES; i++) {
		const struct fake_volume *volume = &volumes->volumes[i];

		if (!volume->used || strcmp(volume->view.name, name) != 0)
			continue;
		if (volume->snapshot_count > 0)
			row.snapshot = volume->snapshots[0].snapshot;
		fn(arg, 0, NULL, &row, volume->snapshot_count > 0);
		return;
	}
	fn(arg, error_set(&error, -ENOENT, "no volume %s", name), &error, NULL, 0);
}

int volumes_pool_view(
	struct volumes *volumes, const char *text, struct pool_view *ret_view, struct error *error)
{
	const char *slash = strchr(text, '/');

	for (unsigned i = 0; i < volumes->pool_count; i++) {
		const struct pool_view *pool = &volumes->pools[i];

		if (strcmp(pool->name, slash ? slash + 1 : text) != 0 ||
			(slash && strncmp(pool->node, text, (size_t)(slash - text)) != 0))
			continue;
		*ret_view = *pool;
		return 0;
	}
	return error_set(error, -ENOENT, "there is no pool %s", text);
}

/* One, whose usage is known where the pool is this node's. */
void volumes_each_pool_replica(struct volumes *volumes, struct uuid pool,
	void (*fn)(void *arg, const struct pool_replica_view *view), void *arg)
{
	struct replica_view row = { .pool = pool, .role = "voter", .state = "complete" };
	struct pool_replica_view view = { .volume = "v", .size_bytes = 16 * GRAIN_BYTES, .view = &row };

	for (unsigned i = 0; i < volumes->pool_count; i++)
		if (uuid_equal(volumes->pools[i].pool, pool) && volumes->pools[i].local)
			row.usage = (struct usage_view){ true, 5 * GRAIN_BYTES, 3 * GRAIN_BYTES, 0 };
	fn(arg, &view);
}
