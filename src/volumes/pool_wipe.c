/*
 * quoin pool wipe: a pool that no catalog of this cluster knows is destroyed.
 *
 *   look (a thread: who uses it, its superblock) -> does the catalog know it? -> told
 *                                                                            -> clear (a thread) -> told
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprint/fingerprint.h"
#include "volumes/manager.h"
#include "volumes/pool_file.h"

#define WIPE_DEADLINE_MS 30000u

struct wipe {
	volumes_lines_fn fn;
	void *arg;
	bool carry_out;
	char path[CONFIG_PATH_MAX];
	struct superblock sb;
	char words[ERROR_TEXT_MAX];
};

static void wiped(struct op *op, int rc)
{
	const struct wipe *wipe = op->state;

	if (!rc)
		manager_event(op->volumes, "pool-wiped", op->volumes->config.node, "%.240s", wipe->words);
	op_end(op, rc);
}

static int clear_work(struct op *op)
{
	const struct wipe *wipe = op->state;

	return pool_file_clear(wipe->path, &op->error);
}

/* Whether this cluster counts on it: a record, or a replica of any volume. */
static int known_check(struct op *op)
{
	const struct wipe *wipe = op->state;
	const struct catalog_volume *volume;
	const struct catalog_pool *pool;

	if (!catalog_pool_find(op->volumes->catalog, wipe->sb.pool, &pool, NULL))
		return error_set(&op->error, -EBUSY,
			"%s is pool %s of node %s: `quoin pool drain`, then `quoin pool rm` first",
			wipe->path, pool->name, pool->node);
	for (size_t i = 0; (volume = catalog_volume_at(op->volumes->catalog, i)); i++)
		for (unsigned s = 0; s < volume->shard_count; s++)
			for (unsigned r = 0; r < volume->shards[s].replica_count; r++)
				if (uuid_equal(volume->shards[s].replicas[r].pool, wipe->sb.pool))
					return error_set(&op->error, -EBUSY, "%s has a replica of volume %s",
						wipe->path, volume->name);
	return 0;
}

/* All volumes are in view. */
static void known_looked(struct op *op, int rc)
{
	struct wipe *wipe = op->state;
	char pool[UUID_TEXT_LEN + 1], cluster[UUID_TEXT_LEN + 1];
	bool ours = uuid_equal(wipe->sb.cluster, op->volumes->node.cluster);

	if (!rc)
		rc = known_check(op);
	if (rc) {
		op_end(op, rc);
		return;
	}
	snprintf(wipe->words, sizeof(wipe->words), "%s is pool %s of %s %s%s, opened %llu times", wipe->path,
		uuid_format(wipe->sb.pool, pool), ours ? "this cluster," : "cluster",
		ours ? "which has forgotten it" : uuid_format(wipe->sb.cluster, cluster),
		ours ? "" : ", another one", (unsigned long long)wipe->sb.open_count);
	if (wipe->carry_out)
		op_work(op, clear_work, wiped);
	else
		op_end(op, 0);
}

static void looked(struct op *op, int rc)
{
	if (rc)
		op_end(op, rc);
	else
		op_look(op, catalog_pin_all(op->volumes->catalog), known_looked);
}

static int look_work(struct op *op)
{
	struct wipe *wipe = op->state;
	int rc = device_check_unused(wipe->path, &op->error);

	if (rc)
		return rc;
	rc = pool_file_superblock(wipe->path, &wipe->sb);
	if (rc == -EPROTO)
		return error_set(
			&op->error, rc, "%s is a pool of a newer Quoin: wipe it with that", wipe->path);
	return rc ? error_set(&op->error, -ENOENT, "no pool lies at %s: nothing is wiped", wipe->path) : 0;
}

static void begin(struct op *op)
{
	op_work(op, look_work, looked);
}

static void told(void *arg, int rc, const struct error *error)
{
	struct op *op = arg;
	const struct wipe *wipe = op->state;
	const char *lines[1] = { wipe->words };

	wipe->fn(wipe->arg, rc, error, lines, rc ? 0 : 1);
}

void volumes_pool_wipe(
	struct volumes *volumes, const char *path, bool carry_out, volumes_lines_fn fn, void *arg)
{
	struct op *op = op_make(volumes, "wipe", "", WIPE_DEADLINE_MS, begin, told, NULL);
	struct wipe *wipe = op ? calloc(1, sizeof(*wipe)) : NULL;
	struct error why;

	if (!wipe) {
		free(op);
		error_set(&why, -ENOMEM, "no memory");
		fn(arg, -ENOMEM, &why, NULL, 0);
		return;
	}
	*wipe = (struct wipe){ .fn = fn, .arg = arg, .carry_out = carry_out };
	snprintf(wipe->path, sizeof(wipe->path), "%s", path);
	op->state = wipe;
	op->arg = op;
	op_submit(op);
}
