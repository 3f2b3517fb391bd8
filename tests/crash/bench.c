#include "bench.h"

#include <string.h>

static const struct uuid cluster = { { 1 } };
static const struct uuid pool = { { 2 } };

static uint64_t now(const struct clock *clock)
{
	return container_of(clock, struct bench, clock)->now_ns;
}

void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->clock.now_ns = now;
	b->clock.wall_ns = now;
	b->now_ns = NS_PER_S;
	ASSERT(loop_init(&b->loop, &b->clock) == 0);
	ASSERT(buf_pool_new(UINT64_C(64) << 20, &b->bufs) == 0);
	ASSERT(entry_pool_new(4096, &b->entries) == 0);
}

void bench_done(struct bench *b)
{
	loop_done(&b->loop);
	entry_pool_free(b->entries);
	buf_pool_free(b->bufs);
}

/* One event after the other; false when nothing is due any more. */
static bool turn(struct bench *b, uint64_t until_ns)
{
	uint64_t due_ns = loop_next_due_ns(&b->loop);

	if (due_ns > until_ns)
		return false;
	if (due_ns > b->now_ns)
		b->now_ns = due_ns;
	loop_run_due(&b->loop);
	return true;
}

void bench_wait(struct bench *b)
{
	uint64_t turns = 0;

	while (!b->done) {
		ASSERT(turn(b, UINT64_MAX - 1));
		ASSERT(++turns < 10000000);
	}
	b->done = false;
}

void bench_run(struct bench *b, uint64_t ns)
{
	uint64_t until_ns = b->now_ns + ns;

	while (turn(b, until_ns))
		continue;
	b->now_ns = until_ns;
	loop_run_due(&b->loop);
}

void bench_finished(void *arg, int rc)
{
	struct bench *b = arg;

	b->rc = rc;
	b->done = true;
}

int bench_format(struct bench *b, uint64_t journal_bytes)
{
	struct pool_format_options options = {
		.cluster = cluster, .pool = pool, .journal_bytes = journal_bytes, .seed = 7
	};
	struct device *device = sim_disk_open(b->disk, &b->loop);

	pool_format(&b->loop, device, &options, bench_finished, b);
	bench_wait(b);
	device->ops->close(device);
	return b->rc;
}

static void failed(void *arg, int rc, const char *why)
{
	struct bench *b = arg;

	b->failed = true;
	error_set(&b->error, rc, "%s", why);
}

static void durable(void *arg, struct pool_replica *replica, uint64_t seq)
{
	struct bench *b = arg;

	if (b->durable)
		b->durable(b->arg, replica, seq);
}

static void opened(void *arg, int rc, struct pool *p, const struct error *error)
{
	struct bench *b = arg;

	b->pool = p;
	if (rc != 0)
		b->error = *error;
	bench_finished(b, rc);
}

int bench_open(struct bench *b)
{
	struct pool_open_options options = {
		.cluster = cluster,
		.pool = pool,
		.bufs = b->bufs,
		.entries = b->entries,
		.cache_bytes = b->cache_bytes,
		.failed = failed,
		.durable = durable,
		.bad = b->bad,
		.arg = b,
	};

	struct device *device = sim_disk_open(b->disk, &b->loop);

	b->failed = false;
	if (b->wrap)
		b->wrap(b, &device);
	pool_open(&b->loop, device, &options, opened, b);
	bench_wait(b);
	return b->rc;
}

void bench_close(struct bench *b)
{
	pool_close(b->pool, bench_finished, b);
	bench_wait(b);
	b->pool = NULL;
}

void bench_begin(struct bench *b, uint64_t disk_bytes, uint64_t journal_bytes)
{
	bench_init(b);
	b->disk = sim_disk_new(disk_bytes, 1);
	ASSERT(bench_format(b, journal_bytes) == 0);
	ASSERT(bench_open(b) == 0);
}

void bench_end(struct bench *b)
{
	if (b->pool)
		bench_close(b);
	sim_disk_free(b->disk);
	bench_done(b);
}

static void created(void *arg, int rc, struct pool_replica *replica)
{
	struct bench *b = arg;

	b->made = rc == 0 ? replica : NULL;
	bench_finished(b, rc);
}

struct pool_replica *bench_replica(struct bench *b, const struct pool_replica_identity *identity)
{
	pool_replica_create(b->pool, identity, created, b);
	bench_wait(b);
	return b->made;
}

struct pool_replica *bench_numbered(struct bench *b, uint8_t number, uint64_t size_bytes)
{
	const struct pool_replica_identity identity = { .replica.byte[0] = number, .size_bytes = size_bytes };
	struct pool_replica *replica = bench_replica(b, &identity);

	ASSERT(b->rc == 0);
	return replica;
}

void bench_append_block(
	struct bench *b, struct pool_replica *replica, uint64_t seq, uint64_t offset_bytes, uint8_t byte)
{
	struct entry *entry = entry_get(b->entries);

	ASSERT(entry);
	entry->epoch.number = 1;
	entry->seq = seq;
	entry->op = ENTRY_WRITE;
	entry->offset_bytes = offset_bytes;
	entry->length_bytes = BLOCK_BYTES;
	entry->payload = buf_get(b->bufs, BLOCK_BYTES);
	ASSERT(entry->payload);
	entry->payload->len_bytes = BLOCK_BYTES;
	memset(entry->payload->data, byte, BLOCK_BYTES);
	crc32c_blocks(entry->payload->data, 1, entry->crc);
	pool_replica_append(replica, entry);
	entry_put(entry);
}

struct bench_reading {
	struct pool_read read;
	struct bench *bench;
};

static void read_ended(struct pool_read *read, int rc)
{
	bench_finished(container_of(read, struct bench_reading, read)->bench, rc);
}

int bench_read(struct bench *b, struct pool_replica *replica, struct uuid snapshot, uint64_t offset_bytes,
	uint32_t length_bytes, struct buf *into)
{
	struct bench_reading reading = { .bench = b,
		.read = { .fn = read_ended,
			.replica = replica,
			.snapshot = snapshot,
			.offset_bytes = offset_bytes,
			.length_bytes = length_bytes,
			.into = into } };

	pool_read(&reading.read);
	bench_wait(b);
	return b->rc;
}

void bench_commit(void *arg, struct pool_replica *replica, uint64_t seq)
{
	(void)arg;
	pool_replica_commit_set(replica, seq);
	pool_replica_all_set(replica, seq);
}
