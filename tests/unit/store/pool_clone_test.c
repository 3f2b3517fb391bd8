/* What a clone has of its origin is older than all of its own; and a replica that is to be filled says so
 * from its first record on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench.h"
#include "model.h"

#define DISK_BYTES    (UINT64_C(24) << 20)
#define JOURNAL_BYTES (UINT64_C(4) << 20)
#define SIZE_BYTES    (UINT64_C(2) << 20)

static struct bench bench;
static struct pool_replica *replica, *clone_made;
static struct uuid snapshot = { .byte[3] = 9 };

static void append(uint64_t seq, enum entry_op op, uint64_t block, uint64_t blocks)
{
	struct entry *entry = entry_get(bench.entries);

	assert_non_null(entry);
	entry->epoch.number = 7;
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

static void made(void *arg, int rc, struct pool_replica *of)
{
	*(int *)arg = rc;
	clone_made = of;
}

static void a_clone_tells_no_versions_of_its_origins_log(void **state)
{
	struct pool_replica_identity identity = { .size_bytes = SIZE_BYTES, .replica.byte[0] = 1 };
	struct grain_state of_origin, of_clone;
	int rc = 1;

	(void)state;
	bench_begin(&bench, DISK_BYTES, JOURNAL_BYTES);
	replica = bench_replica(&bench, &identity);
	append(1, ENTRY_WRITE, 3, 1);
	append(2, ENTRY_SNAPSHOT, 0, 0);
	pool_replica_commit_set(replica, 2);
	bench_run(&bench, 2 * NS_PER_S);
	identity.replica.byte[0] = 2;
	pool_replica_clone(replica, snapshot, &identity, made, &rc);
	bench_run(&bench, NS_PER_S);
	assert_int_equal(rc, 0);
	assert_false(pool_replica_state(clone_made)->incomplete);
	assert_true(pool_replica_grain_view(
		replica, (struct grain_level){ .snapshot = snapshot }, 0, &of_origin));
	assert_int_equal(of_origin.epoch.number, 7);
	/* The same block; but an entry (1, 1) of the clone's log would be newer. */
	assert_true(
		pool_replica_grain_view(clone_made, (struct grain_level){ .whole = false }, 0, &of_clone));
	assert_int_equal(of_clone.present, of_origin.present);
	assert_int_equal(of_clone.crc[3], of_origin.crc[3]);
	assert_int_equal(of_clone.epoch.number, 0);
	assert_int_equal(of_clone.seq, 0);
	/* Its own do have their versions. */
	replica = clone_made;
	append(1, ENTRY_WRITE, 5, 1);
	pool_replica_commit_set(replica, 1);
	bench_run(&bench, NS_PER_S);
	assert_true(pool_replica_grain_view(replica, (struct grain_level){ .whole = false }, 0, &of_clone));
	assert_int_equal(of_clone.present, 1u << 3 | 1u << 5);
	assert_int_equal(of_clone.epoch.number, 7);
	assert_int_equal(of_clone.seq, 1);
	bench_end(&bench);
}

/* Wherever it crashes, it is not there, or it vouches for nothing. */
static void one_that_is_to_be_filled_never_looks_complete(void **state)
{
	struct pool_replica_identity identity = { .size_bytes = SIZE_BYTES, .replica.byte[0] = 1 };
	unsigned found = 0;

	(void)state;
	for (uint64_t run_ns = 1000; run_ns < 4 * NS_PER_S; run_ns = run_ns * 3 / 2) {
		struct bench again;
		int rc = 1;

		bench_begin(&bench, DISK_BYTES, JOURNAL_BYTES);
		pool_replica_create_incomplete(bench.pool, &identity, made, &rc);
		bench_run(&bench, run_ns);
		bench_init(&again);
		again.disk = sim_disk_crashed_copy(bench.disk, 7 + run_ns);
		assert_int_equal(bench_open(&again), 0);
		replica = pool_replica_next(again.pool, NULL);
		assert_true(replica || rc != 0);
		if (replica) {
			assert_true(pool_replica_state(replica)->incomplete);
			assert_int_equal(pool_replica_state(replica)->since.seq, 0);
			found++;
		}
		bench_end(&again);
		bench_end(&bench);
	}
	assert_true(found > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clone_tells_no_versions_of_its_origins_log),
		cmocka_unit_test(one_that_is_to_be_filled_never_looks_complete),
	};

	return cmocka_run_group_tests_name("store pool clone", tests, NULL, NULL);
}
