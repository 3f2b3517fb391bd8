/*
 * misapply PATH CLUSTER POOL VOLUME [lost:|more:]BLOCK...: gives blocks of a volume's replica another
 * content, with right checksums, in a pool that nobody has open: what a write that went to the wrong place
 * leaves. Or the grain that has the block is lost without a trace; or it has what the volume's first grain
 * has. UUIDs as text; the replica must have the blocks. For integration tests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/checksums.h"
#include "store/device.h"
#include "store/store.h"

static struct {
	struct uring_loop *uring;
	struct pool *pool;
	struct pool_replica *replica;
	char **blocks; /* those that are left */
	uint64_t block;
} run;

static void die(const char *what, int rc)
{
	fprintf(stderr, "misapply: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	exit(1);
}

static void closed(void *arg, int rc)
{
	(void)arg;
	if (rc < 0)
		die("close", rc);
	uring_loop_stop(run.uring);
}

static void next(void);

static void written(void *arg, int rc)
{
	(void)arg;
	if (rc < 0)
		die("write", rc);
	next();
}

static void got(void *arg, int rc, struct grain_copy *copy)
{
	unsigned at = (unsigned)(run.block % GRAIN_BLOCKS);
	uint8_t *data;

	(void)arg;
	if (rc < 0 || !(copy->state.present & 1u << at))
		die("the block", rc < 0 ? rc : -ENODATA);
	data = copy->data->data + (size_t)at * BLOCK_BYTES;
	for (unsigned i = 0; i < BLOCK_BYTES; i++)
		data[i] = (uint8_t)~data[i];
	crc32c_blocks(data, 1, &copy->state.crc[at]);
	pool_replica_grain_rewrite(run.replica, copy, (uint16_t)(1u << at), written, NULL);
	buf_put(copy->data);
}

/* What the first grain has. */
static void first_got(void *arg, int rc, struct grain_copy *copy)
{
	(void)arg;
	if (rc < 0)
		die("the first grain", rc);
	copy->index = run.block / GRAIN_BLOCKS;
	pool_replica_grain_replace(run.replica, copy, 0, UINT64_MAX, written, NULL);
	buf_put(copy->data);
}

static void lose(void)
{
	struct grain_copy nothing = { .index = run.block / GRAIN_BLOCKS };

	pool_replica_grain_replace(run.replica, &nothing, 0, UINT64_MAX, written, NULL);
}

static void next(void)
{
	const struct grain_level top = { 0 };
	const char *at;
	bool lost, more;

	if (!*run.blocks) {
		pool_close(run.pool, closed, NULL);
		return;
	}
	at = *run.blocks++;
	lost = strncmp(at, "lost:", 5) == 0;
	more = strncmp(at, "more:", 5) == 0;
	run.block = strtoull(lost || more ? at + 5 : at, NULL, 10);
	if (lost)
		lose();
	else if (more)
		pool_replica_grain_get(run.replica, top, 0, first_got, NULL);
	else
		pool_replica_grain_get(run.replica, top, run.block / GRAIN_BLOCKS, got, NULL);
}

static void applied(void *arg, int rc)
{
	(void)arg;
	if (rc < 0)
		die("apply", rc);
	next();
}

static void opened(void *arg, int rc, struct pool *pool, const struct error *error)
{
	const struct uuid *volume = arg;

	if (rc < 0)
		die(error->text, rc);
	run.pool = pool;
	run.replica = pool_replica_next(pool, NULL);
	while (run.replica && !uuid_equal(pool_replica_identity(run.replica)->volume, *volume))
		run.replica = pool_replica_next(pool, run.replica);
	if (!run.replica)
		die("the volume", ENOENT);
	pool_replica_applied_wait(run.replica, pool_replica_commit_seq(run.replica), applied, NULL);
}

int main(int argc, char **argv)
{
	struct pool_open_options options = { 0 };
	struct uuid volume;
	struct device *device = NULL;
	struct error error = { "" };
	int rc;

	if (argc < 6 || uuid_parse(argv[2], &options.cluster) || uuid_parse(argv[3], &options.pool) ||
		uuid_parse(argv[4], &volume)) {
		fprintf(stderr, "usage: %s PATH CLUSTER POOL VOLUME [lost:|more:]BLOCK...\n", argv[0]);
		return 2;
	}
	run.blocks = argv + 5;
	rc = uring_loop_new(clock_system(), &run.uring, &error);
	if (rc < 0 || (rc = device_uring_open(run.uring, argv[1], &device, &error)) < 0)
		die(error.text, rc);
	if (buf_pool_new(UINT64_C(64) << 20, &options.bufs) < 0 || entry_pool_new(4096, &options.entries) < 0)
		die("memory", ENOMEM);
	pool_open(uring_loop_core(run.uring), device, &options, opened, &volume);
	uring_loop_run(run.uring);
	entry_pool_free(options.entries);
	buf_pool_free(options.bufs);
	uring_loop_free(run.uring);
	return 0;
}
