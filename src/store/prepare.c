/*
 * File pools: a frontier of written blocks ahead of the allocator. A first write into a hole or an unwritten
 * extent makes the filesystem commit its own journal within our flush; done 4 MiB at a time, that happens
 * once for 64 grains, not in every round. No hole is ever punched, so a grain below the frontier stays
 * written. After a restart the frontier begins behind the last mapped grain: what is prepared twice is free.
 */
#include "store/pool.h"

#include <errno.h>
#include <string.h>

#define PREPARE_GRAINS 64u  /* 4 MiB at a time */
#define PREPARE_AHEAD  256u /* 16 MiB: what one round may take */

static void prepare_ended(struct device_io *io, int rc)
{
	struct pool *pool = container_of(io, struct pool, prepare.io);

	pool_io_ended(pool, io);
	pool->prepare.running = false;
	if (rc < 0)
		pool_fail(pool, rc, "preparing grains");
	else
		map_prepared(pool, pool->map.prepared + pool->prepare.count);
	pool_pump(pool);
}

int prepare_init(struct pool *pool)
{
	pool->prepare.io.fn = prepare_ended;
	if (!pool->device->is_file)
		return 0;
	pool->prepare.zeroes = aligned_new((size_t)PREPARE_GRAINS / GRAIN_BLOCKS * GRAIN_BYTES);
	if (!pool->prepare.zeroes)
		return -ENOMEM;
	memset(pool->prepare.zeroes, 0, (size_t)PREPARE_GRAINS / GRAIN_BLOCKS * GRAIN_BYTES);
	return 0;
}

void prepare_begin(struct pool *pool)
{
	uint32_t used_end = pool->g.grain_count;

	if (pool->device->is_file)
		while (used_end > 0 && map_is_free(&pool->map, used_end - 1))
			used_end--;
	/* Those of entries that wait to be applied are in no slot. */
	list_for_each (node, &pool->replicas) {
		const struct pool_replica *replica = list_entry(node, struct pool_replica, node);

		list_for_each (log_node, &replica->log) {
			const struct log_entry *le = list_entry(log_node, struct log_entry, log_node);

			ASSERT(!le->applied || le->redirects == 0);
			for (unsigned i = 0; i < le->redirects; i++)
				if (le->pieces[i].fresh >= used_end)
					used_end = le->pieces[i].fresh + 1;
		}
	}
	map_prepared(pool, used_end);
}

void prepare_pump(struct pool *pool)
{
	struct prepare *prepare = &pool->prepare;
	uint32_t left = pool->g.grain_count - pool->map.prepared;
	uint64_t bytes;
	unsigned count = 0;

	if (prepare->running || left == 0 || pool->map.ready_count >= PREPARE_AHEAD || pool->closing ||
		pool->probe)
		return;
	prepare->count = left < PREPARE_GRAINS ? left : PREPARE_GRAINS;
	for (bytes = (uint64_t)prepare->count * GRAIN_BYTES; bytes > 0; count++) {
		uint64_t part = (uint64_t)PREPARE_GRAINS / GRAIN_BLOCKS * GRAIN_BYTES;

		if (part > bytes)
			part = bytes;
		prepare->iov[count] = (struct iovec){ .iov_base = prepare->zeroes, .iov_len = part };
		bytes -= part;
	}
	prepare->running = true;
	pool_io_began(pool, &prepare->io);
	pool->device->ops->write(pool->device, &prepare->io, prepare->iov, count,
		geometry_grain_offset(&pool->g, pool->map.prepared));
}
