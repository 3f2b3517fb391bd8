/*
 * A replica's logical size: it grows while it is used, and never shrinks. The journal says so in the order of
 * the calls, before any entry that needs the new room, so that a replay knows of it in time.
 */
#include "store/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool tree_grow(struct tree *tree, uint64_t limit)
{
	uint64_t was = tree->limit / 64 + 1, words = limit / 64 + 1;
	uint64_t *bits;

	if (limit <= tree->limit)
		return true;
	bits = realloc(tree->bits, words * sizeof(*bits));
	if (!bits)
		return false;
	memset(bits + was, 0, (words - was) * sizeof(*bits));
	tree->bits = bits;
	tree->limit = limit;
	return true;
}

uint64_t pool_replica_size(const struct pool_replica *replica)
{
	return replica->grain_limit * GRAIN_BYTES;
}

static void grown(void *arg, int rc)
{
	/* Nobody waits for it: what needs the room stands behind it in the journal. */
	(void)arg;
	(void)rc;
}

/* Its own trees, an earlier root's among them; and one that a resync has made and the replica has not yet. */
static bool trees_grow(struct pool_replica *replica, uint64_t limit)
{
	list_for_each (node, &replica->pool->layers) {
		struct layer *layer = list_entry(node, struct layer, node);

		if ((layer->top_of == replica || layer->owner == replica || layer->pinned) &&
			!tree_grow(layer->tree, limit))
			return false;
	}
	return true;
}

void pool_replica_grow(struct pool_replica *replica, uint64_t size_bytes)
{
	struct pool *pool = replica->pool;

	ASSERT(size_bytes % GRAIN_BYTES == 0 && size_bytes <= VOLUME_MAX_BYTES);
	ASSERT(!replica->deleted);
	if (size_bytes <= pool_replica_size(replica))
		return;
	if (!trees_grow(replica, size_bytes / GRAIN_BYTES)) {
		/* It must not refuse what its group accepts: it is away instead. */
		pool_fail(pool, -ENOMEM, "no memory for the map of a volume that has grown");
		return;
	}
	replica->grain_limit = size_bytes / GRAIN_BYTES;
	thick_count(replica);
	if (!pool->failed && !MUTANT(grow_not_kept))
		pool_replica_state_write(replica, &replica->state, grown, NULL);
}
