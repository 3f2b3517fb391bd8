/*
 * What a pool's replicas and snapshots take adds up to what the pool says is used, to the grain, and what the
 * removal of a snapshot is said to give back is what it gives back: through writes, trims, snapshots, a
 * clone, a rollback, removals and a restart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench.h"
#include "model.h"
#include "store/usage.h"

#define DISK_BYTES    (UINT64_C(96) << 20)
#define JOURNAL_BYTES (UINT64_C(8) << 20)
#define VOLUME_BYTES  (UINT64_C(4) << 20)
#define BLOCKS        (VOLUME_BYTES / BLOCK_BYTES)
#define SNAPSHOTS     12u
#define REPLICAS      2u

static struct bench bench;
static struct pool_replica *replicas[REPLICAS];
static uint64_t last_seq[REPLICAS];
static struct random rnd;
static struct pool_usage rows[SNAPSHOTS + 2];

static void append(unsigned who, enum entry_op op, uint64_t block, uint64_t blocks, struct uuid snapshot)
{
	struct entry *entry = entry_get(bench.entries);

	assert_non_null(entry);
	entry->epoch.number = 1;
	entry->seq = ++last_seq[who];
	entry->op = op;
	entry->attachment = snapshot;
	entry->offset_bytes = block * BLOCK_BYTES;
	entry->length_bytes = blocks * BLOCK_BYTES;
	if (op == ENTRY_WRITE) {
		entry->payload = buf_get(bench.bufs, (uint32_t)(blocks * BLOCK_BYTES));
		assert_non_null(entry->payload);
		entry->payload->len_bytes = (uint32_t)(blocks * BLOCK_BYTES);
		for (uint64_t i = 0; i < blocks; i++)
			block_fill(entry->payload->data + i * BLOCK_BYTES, entry->seq, block + i);
		crc32c_blocks(entry->payload->data, blocks, entry->crc);
	}
	pool_replica_append(replicas[who], entry);
	entry_put(entry);
}

/* Whole grains, some blocks, and trims of either. */
static void write_some(unsigned who, unsigned count)
{
	const struct uuid none = { 0 };

	for (unsigned k = 0; k < count; k++) {
		uint64_t blocks =
			random_below(&rnd, 2) ? GRAIN_BLOCKS : 1 + random_below(&rnd, GRAIN_BLOCKS - 1);
		uint64_t block = random_below(&rnd, BLOCKS - GRAIN_BLOCKS);

		if (blocks == GRAIN_BLOCKS)
			block = block / GRAIN_BLOCKS * GRAIN_BLOCKS;
		append(who, random_below(&rnd, 3) ? ENTRY_WRITE : ENTRY_TRIM, block, blocks, none);
	}
}

static struct pool_info info(void)
{
	struct pool_info now_info;

	pool_info_get(bench.pool, &now_info);
	return now_info;
}

/* Until all is applied and merged. */
static void settle(void)
{
	bench_run(&bench, 10 * NS_PER_MS);
	for (unsigned who = 0; who < REPLICAS; who++) {
		if (!replicas[who])
			continue;
		pool_replica_applied_wait(
			replicas[who], pool_replica_last(replicas[who]).seq, bench_finished, &bench);
		bench_wait(&bench);
		assert_int_equal(bench.rc, 0);
	}
	for (unsigned k = 0; k < 200 && info().merging_bytes > 0; k++)
		bench_run(&bench, 100 * NS_PER_MS);
	assert_int_equal(info().merging_bytes, 0);
}

static unsigned count(unsigned who)
{
	struct pool_usage_scan scan = { .rows = rows, .room = SNAPSHOTS + 2 };

	while (!pool_replica_usage_scan(replicas[who], &scan))
		bench_run(&bench, NS_PER_MS);
	assert_int_equal(scan.count, pool_replica_snapshots(replicas[who], NULL, 0));
	return scan.count;
}

/* At any time; `settled`: and nothing is on its way. */
static void it_adds_up(bool settled)
{
	const struct pool_info pool = info();
	uint64_t sum = pool.unowned_bytes;

	for (struct pool_replica *r = pool_replica_next(bench.pool, NULL); r;
		r = pool_replica_next(bench.pool, r))
		sum += pool_replica_used_bytes(r) + pool_replica_frozen_bytes(r);
	assert_int_equal(sum, pool.used_bytes);
	assert_true(pool.used_bytes + pool.free_bytes + pool.freeing_bytes <= pool.size_bytes);
	if (!settled)
		return;
	assert_int_equal(pool.used_bytes + pool.free_bytes + pool.freeing_bytes, pool.size_bytes);
	for (unsigned who = 0; who < REPLICAS && replicas[who]; who++) {
		uint64_t snapshots = 0, own = 0;
		unsigned rows_count = count(who);

		for (unsigned i = 0; i < rows_count; i++) {
			snapshots += rows[i].used_bytes;
			own += rows[i].own_bytes;
		}
		/* A removed one below a clone and its origin may stay. */
		assert_true(snapshots <= pool_replica_frozen_bytes(replicas[who]));
		assert_true(own <= snapshots);
	}
}

/* Removes one of `who`'s snapshots, and what comes back is what was told. */
static void remove_one(unsigned who, struct uuid but)
{
	unsigned rows_count = count(who), victim = (unsigned)random_below(&rnd, rows_count);
	struct pool_usage told;
	uint64_t before;

	if (uuid_equal(rows[victim].snapshot, but))
		victim = (victim + 1) % rows_count;
	told = rows[victim];
	before = info().used_bytes;
	append(who, ENTRY_DELETE_SNAPSHOT, 0, 0, told.snapshot);
	bench_run(&bench, 10 * NS_PER_MS);
	it_adds_up(false);
	settle();
	assert_int_equal(before - info().used_bytes, told.own_bytes);
	it_adds_up(true);
}

static void cloned(void *arg, int rc, struct pool_replica *replica)
{
	*(int *)arg = rc;
	replicas[1] = replica;
}

static void sums_agree(uint64_t seed)
{
	struct pool_replica_identity identity = { .replica.byte[0] = 1, .size_bytes = VOLUME_BYTES };
	const struct uuid none = { 0 }, origin = model_snapshot_name(4);
	int rc = 1;

	random_init(&rnd, seed);
	replicas[0] = bench_replica(&bench, &identity);
	replicas[1] = NULL;
	last_seq[0] = last_seq[1] = 0;
	it_adds_up(true);
	for (unsigned n = 1; n <= SNAPSHOTS; n++) {
		write_some(0, 12);
		bench_run(&bench, random_below(&rnd, 200) * NS_PER_MS);
		it_adds_up(false);
		append(0, ENTRY_SNAPSHOT, 0, 0, model_snapshot_name(n));
	}
	settle();
	it_adds_up(true);
	for (unsigned n = 0; n < 3; n++)
		remove_one(0, origin);
	identity.replica.byte[0] = 2;
	pool_replica_clone(replicas[0], origin, &identity, cloned, &rc);
	bench_run(&bench, NS_PER_S);
	assert_int_equal(rc, 0);
	write_some(1, 20);
	settle();
	it_adds_up(true);
	/* What a clone stands on gives nothing back, whatever lies on top of it. */
	for (unsigned i = 0, n = count(0); i < n; i++)
		assert_true(!uuid_equal(rows[i].snapshot, origin) || rows[i].own_bytes == 0);
	write_some(0, 20);
	append(0, ENTRY_ROLLBACK, 0, 0, origin);
	settle();
	it_adds_up(true);
	for (unsigned n = 0; n < 4; n++) {
		write_some(0, 8);
		settle();
		remove_one(0, origin);
	}
	append(1, ENTRY_SNAPSHOT, 0, 0, model_snapshot_name(SNAPSHOTS + 1));
	write_some(1, 12);
	settle();
	remove_one(1, none);
	/* A restart counts the same. */
	{
		struct pool_info before = info();

		bench_close(&bench);
		assert_int_equal(bench_open(&bench), 0);
		for (struct pool_replica *r = pool_replica_next(bench.pool, NULL); r;
			r = pool_replica_next(bench.pool, r))
			replicas[pool_replica_identity(r)->replica.byte[0] - 1] = r;
		settle();
		assert_int_equal(info().used_bytes, before.used_bytes);
		assert_int_equal(info().unowned_bytes, before.unowned_bytes);
		it_adds_up(true);
	}
	/* Of the origin's that the clone stands on is nobody's, once the origin is gone; then nothing is
	 * left. */
	pool_replica_delete(replicas[0], bench_finished, &bench);
	bench_wait(&bench);
	replicas[0] = replicas[1];
	replicas[1] = NULL;
	bench_run(&bench, NS_PER_S);
	assert_true(info().unowned_bytes > 0);
	it_adds_up(true);
	pool_replica_delete(replicas[0], bench_finished, &bench);
	bench_wait(&bench);
	replicas[0] = NULL;
	settle();
	assert_int_equal(info().used_bytes, 0);
	assert_int_equal(info().unowned_bytes, 0);
}

static void usage_adds_up(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		bench_init(&bench);
		bench.disk = sim_disk_new(DISK_BYTES, seed);
		bench.durable = bench_commit;
		assert_int_equal(bench_format(&bench, JOURNAL_BYTES), 0);
		assert_int_equal(bench_open(&bench), 0);
		sums_agree(seed);
		bench_close(&bench);
		sim_disk_free(bench.disk);
		bench_done(&bench);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(usage_adds_up) };

	return cmocka_run_group_tests_name("store pool usage", tests, NULL, NULL);
}
