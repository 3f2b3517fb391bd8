/* A pool is opened with far fewer entries in memory than its ring holds: only what is not applied needs one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "bench.h"
#include "model.h"
#include "store/pool.h"

#define DISK_BYTES    (UINT64_C(24) << 20)
#define JOURNAL_BYTES (UINT64_C(4) << 20)
#define VOLUME_BYTES  (UINT64_C(2) << 20)
#define APPLIED       250u
#define PENDING       12u /* committed and not, the rest of the log */

static struct bench bench, again;
static struct pool_replica *replica;
static uint64_t tags[VOLUME_BYTES / BLOCK_BYTES];

static void append(uint64_t seq, uint64_t block)
{
	struct entry *entry = entry_get(bench.entries);

	assert_non_null(entry);
	entry->epoch.number = 1;
	entry->seq = seq;
	entry->op = ENTRY_WRITE;
	entry->offset_bytes = block * BLOCK_BYTES;
	entry->length_bytes = BLOCK_BYTES;
	entry->payload = buf_get(bench.bufs, BLOCK_BYTES);
	entry->payload->len_bytes = BLOCK_BYTES;
	block_fill(entry->payload->data, seq, block);
	crc32c_blocks(entry->payload->data, 1, entry->crc);
	pool_replica_append(replica, entry);
	entry_put(entry);
	tags[block] = seq;
}

/* Many entries in the ring whose images are there too, while the table knows of none; then a few pending. */
static void fill(void)
{
	struct pool_replica_identity identity = { .size_bytes = VOLUME_BYTES, .replica.byte[0] = 1 };
	uint64_t seq = 0;

	bench_begin(&bench, DISK_BYTES, JOURNAL_BYTES);
	replica = bench_replica(&bench, &identity);
	assert_int_equal(bench.rc, 0);
	memset(tags, 0, sizeof(tags));
	while (seq < APPLIED) {
		seq++;
		append(seq, seq % 200);
		if (seq % 25 == 0)
			bench_run(&bench, NS_PER_MS);
	}
	bench_run(&bench, 50 * NS_PER_MS);
	pool_replica_commit_set(replica, seq);
	bench_run(&bench, 5 * NS_PER_S);
	assert_int_equal(pool_replica_applied_seq(replica), APPLIED);
	while (seq < APPLIED + PENDING) {
		seq++;
		append(seq, seq % 200);
	}
	pool_replica_commit_set(replica, APPLIED + PENDING / 2);
	bench_run(&bench, 30 * NS_PER_MS);
	assert_int_equal(pool_replica_durable_seq(replica), APPLIED + PENDING);
	assert_int_equal(pool_replica_first_seq(replica), 1);
}

static int open_again(uint32_t entries)
{
	bench_init(&again);
	entry_pool_free(again.entries);
	assert_int_equal(entry_pool_new(entries, &again.entries), 0);
	again.disk = sim_disk_crashed_copy(bench.disk, 7);
	return bench_open(&again);
}

static void drop(void)
{
	bench_end(&again);
	bench_end(&bench);
}

static void what_is_applied_needs_no_entry(void **state)
{
	struct buf *buf;

	(void)state;
	fill();
	assert_int_equal(open_again(PENDING + 4), 0);
	replica = pool_replica_next(again.pool, NULL);
	assert_int_equal(pool_replica_last(replica).seq, APPLIED + PENDING);
	assert_int_equal(pool_replica_applied_seq(replica), APPLIED);
	assert_int_equal(pool_replica_first_seq(replica), 1);
	assert_false(pool_replica_state(replica)->incomplete);
	pool_replica_commit_set(replica, APPLIED + PENDING);
	buf = buf_get(again.bufs, BLOCK_BYTES);
	/* Pending ones are read as well as those that are applied; then all of them are. */
	for (unsigned round = 0; round < 2; round++) {
		for (uint64_t block = 0; block < 200; block++) {
			assert_int_equal(bench_read(&again, replica, (struct uuid){ 0 }, block * BLOCK_BYTES,
						 BLOCK_BYTES, buf),
				0);
			assert_true(block_matches(buf->data, tags[block], block));
		}
		bench_run(&again, 5 * NS_PER_S);
	}
	assert_int_equal(pool_replica_applied_seq(replica), APPLIED + PENDING);
	buf_put(buf);
	drop();
}

static bool for_good;
static uint64_t reads_before, failed_reads;

static void operation_ended(void *arg)
{
	(void)arg;
	failed_reads = sim_disk_counters(again.disk)->reads - reads_before;
	if (!for_good && failed_reads > 0)
		sim_disk_fail_reads(again.disk, false);
}

/* Whether the replica has lost what the ring holds, after reads that fail. */
static bool is_lost_after_failing_reads(bool always)
{
	bool lost;

	fill();
	assert_int_equal(open_again(PENDING + 4), 0);
	replica = pool_replica_next(again.pool, NULL);
	for_good = always;
	reads_before = sim_disk_counters(again.disk)->reads;
	failed_reads = 0;
	sim_disk_fail_reads(again.disk, true);
	sim_disk_watch(again.disk, operation_ended, NULL);
	pool_replica_commit_set(replica, APPLIED + PENDING);
	bench_run(&again, 5 * NS_PER_S);
	sim_disk_fail_reads(again.disk, false);
	sim_disk_watch(again.disk, NULL, NULL);
	assert_true(failed_reads > 0);
	lost = pool_replica_state(replica)->incomplete;
	assert_true(lost || pool_replica_applied_seq(replica) == APPLIED + PENDING);
	drop();
	return lost;
}

static void a_payload_that_is_read_at_the_second_try_is_not_lost(void **state)
{
	(void)state;
	assert_false(is_lost_after_failing_reads(false));
	assert_true(is_lost_after_failing_reads(true));
}

static uint64_t batch_of(const struct pool_replica *of, uint64_t seq)
{
	return index_find(of, seq)->batch;
}

/* Another replica fills the ring, so that the older of two entries is carried past the newer one. */
static void what_is_carried_hides_nothing_newer(void **state)
{
	struct pool_replica *other;
	struct buf *buf;
	uint64_t seq = 0;

	(void)state;
	bench_begin(&bench, DISK_BYTES, JOURNAL_BYTES);
	replica = bench_numbered(&bench, 1, VOLUME_BYTES);
	other = bench_numbered(&bench, 2, VOLUME_BYTES);
	bench_append_block(&bench, replica, 1, 0, 'a');
	while (seq <= 100 || batch_of(replica, 1) < batch_of(replica, 2)) {
		assert_true(seq < 10000);
		seq++;
		bench_append_block(&bench, other, seq, seq % 32 * GRAIN_BYTES, 'o');
		if (seq == 100)
			bench_append_block(&bench, replica, 2, 0, 'b');
		bench_run(&bench, NS_PER_MS);
		pool_replica_commit_set(other, seq);
	}
	bench_run(&bench, 10 * NS_PER_MS);
	assert_int_equal(open_again(4096), 0);
	replica = NULL;
	while ((replica = pool_replica_next(again.pool, replica)) &&
		pool_replica_identity(replica)->replica.byte[0] != 1)
		continue;
	assert_non_null(replica);
	assert_true(batch_of(replica, 1) > batch_of(replica, 2));
	pool_replica_commit_set(replica, 2);
	buf = buf_get(again.bufs, BLOCK_BYTES);
	assert_int_equal(bench_read(&again, replica, (struct uuid){ 0 }, 0, BLOCK_BYTES, buf), 0);
	assert_int_equal(buf->data[0], 'b');
	buf_put(buf);
	drop();
}

static void too_few_for_what_is_pending_is_said(void **state)
{
	(void)state;
	fill();
	assert_int_equal(open_again(PENDING - 2), -ENOMEM);
	assert_non_null(strstr(again.error.text, "not applied"));
	drop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_applied_needs_no_entry),
		cmocka_unit_test(a_payload_that_is_read_at_the_second_try_is_not_lost),
		cmocka_unit_test(what_is_carried_hides_nothing_newer),
		cmocka_unit_test(too_few_for_what_is_pending_is_said),
	};

	return cmocka_run_group_tests_name("store pool entries", tests, NULL, NULL);
}
