/* A replica grows: before and after a crash at any moment, its entries beyond the old end are there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "bench.h"
#include "model.h"

#define DISK_BYTES    (UINT64_C(24) << 20)
#define JOURNAL_BYTES (UINT64_C(4) << 20)
#define OLD_BYTES     (UINT64_C(2) << 20)
#define NEW_BYTES     (OLD_BYTES * 37)
#define LAST_BLOCK    (NEW_BYTES / BLOCK_BYTES - 1)

static struct bench bench, again;
static struct pool_replica *replica;
static struct uuid snapshot = { .byte[3] = 9 };

static void append(uint64_t seq, enum entry_op op, uint64_t block, uint64_t blocks)
{
	struct entry *entry = entry_get(bench.entries);

	assert_non_null(entry);
	entry->epoch.number = 1;
	entry->seq = seq;
	entry->op = op;
	entry->offset_bytes = block * BLOCK_BYTES;
	entry->length_bytes = blocks * BLOCK_BYTES;
	if (op == ENTRY_SNAPSHOT)
		entry->attachment = snapshot;
	if (op == ENTRY_WRITE) {
		entry->payload = buf_get(bench.bufs, BLOCK_BYTES);
		entry->payload->len_bytes = BLOCK_BYTES;
		block_fill(entry->payload->data, seq, block);
		crc32c_blocks(entry->payload->data, 1, entry->crc);
	}
	pool_replica_append(replica, entry);
	entry_put(entry);
}

static void begin(void)
{
	struct pool_replica_identity identity = { .size_bytes = OLD_BYTES, .replica.byte[0] = 1 };

	bench_begin(&bench, DISK_BYTES, JOURNAL_BYTES);
	replica = bench_replica(&bench, &identity);
	assert_int_equal(bench.rc, 0);
	append(1, ENTRY_WRITE, 3, 1);
	append(2, ENTRY_SNAPSHOT, 0, 0);
	append(3, ENTRY_WRITE, 4, 1);
	pool_replica_commit_set(replica, 3);
	bench_run(&bench, 2 * NS_PER_S);
	assert_int_equal(pool_replica_size(replica), OLD_BYTES);
}

static void grow_and_write(void)
{
	pool_replica_grow(replica, NEW_BYTES);
	assert_int_equal(pool_replica_size(replica), NEW_BYTES);
	append(4, ENTRY_WRITE, LAST_BLOCK, 1);
	append(5, ENTRY_TRIM, OLD_BYTES / BLOCK_BYTES - 20, 4000);
	pool_replica_commit_set(replica, 5);
}

static void expect_block(uint64_t block, struct uuid of, uint64_t tag)
{
	static const uint8_t zeroes[BLOCK_BYTES];
	struct buf *buf = buf_get(again.bufs, BLOCK_BYTES);

	assert_int_equal(bench_read(&again, replica, of, block * BLOCK_BYTES, BLOCK_BYTES, buf), 0);
	if (tag)
		assert_true(block_matches(buf->data, tag, block));
	else
		assert_memory_equal(buf->data, zeroes, BLOCK_BYTES);
	buf_put(buf);
}

static void end(void)
{
	bench_end(&again);
	bench_end(&bench);
}

/* A crash after so long: whatever of the log is durable then can be read, with the size that it needs. */
static void crash_after(uint64_t run_ns)
{
	begin();
	grow_and_write();
	bench_run(&bench, run_ns);
	bench_init(&again);
	again.disk = sim_disk_crashed_copy(bench.disk, 7 + run_ns);
	assert_int_equal(bench_open(&again), 0);
	replica = pool_replica_next(again.pool, NULL);
	assert_non_null(replica);
	assert_false(pool_replica_state(replica)->incomplete);
	if (pool_replica_last(replica).seq >= 4) {
		assert_int_equal(pool_replica_size(replica), NEW_BYTES);
		pool_replica_commit_set(replica, pool_replica_last(replica).seq);
		expect_block(LAST_BLOCK, (struct uuid){ 0 }, 4);
		/* A snapshot of before sees nothing of it. */
		expect_block(LAST_BLOCK, snapshot, 0);
		expect_block(3, snapshot, 1);
		assert_int_equal(pool_replica_grain_next(replica, OLD_BYTES / GRAIN_BYTES + 300),
			LAST_BLOCK / GRAIN_BLOCKS);
	}
	end();
}

static void what_is_beyond_the_old_end_survives_a_crash_at_any_time(void **state)
{
	(void)state;
	for (uint64_t run_ns = 1000; run_ns < 4 * NS_PER_S; run_ns = run_ns * 3 / 2)
		crash_after(run_ns);
}

static void a_smaller_size_changes_nothing(void **state)
{
	(void)state;
	begin();
	pool_replica_grow(replica, NEW_BYTES);
	pool_replica_grow(replica, OLD_BYTES);
	assert_int_equal(pool_replica_size(replica), NEW_BYTES);
	bench_end(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_beyond_the_old_end_survives_a_crash_at_any_time),
		cmocka_unit_test(a_smaller_size_changes_nothing),
	};

	return cmocka_run_group_tests_name("store pool grow", tests, NULL, NULL);
}
