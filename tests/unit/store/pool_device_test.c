/* A pool whose device gives errors, is slow, or does not answer any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bench.h"

#define DISK_BYTES    (UINT64_C(8) << 20)
#define JOURNAL_BYTES (UINT64_C(1) << 20)
#define VOLUME_BYTES  (UINT64_C(1) << 20)

static struct bench bench;
static struct pool_replica *replica;
static uint64_t durable_seq;

static void created(void *arg, int rc, struct pool_replica *made)
{
	replica = made;
	bench_finished(arg, rc);
}

static void durable(void *arg, struct pool_replica *of, uint64_t seq)
{
	(void)arg;
	(void)of;
	durable_seq = seq;
}

static int pool_make(void **state)
{
	const struct pool_replica_identity identity = { .replica = { { 3 } }, .size_bytes = VOLUME_BYTES };

	(void)state;
	bench_init(&bench);
	bench.disk = sim_disk_new(DISK_BYTES, 1);
	bench.durable = durable;
	durable_seq = 0;
	assert_int_equal(bench_format(&bench, JOURNAL_BYTES), 0);
	assert_int_equal(bench_open(&bench), 0);
	pool_replica_create(bench.pool, &identity, created, &bench);
	bench_wait(&bench);
	bench_run(&bench, NS_PER_S);
	return 0;
}

static int pool_drop(void **state)
{
	(void)state;
	sim_disk_latency(bench.disk, 20 * NS_PER_US);
	bench_run(&bench, 200 * NS_PER_S); /* what was stuck ends */
	if (bench.pool)
		bench_close(&bench);
	sim_disk_free(bench.disk);
	bench_done(&bench);
	return 0;
}

static void write_block(uint64_t seq)
{
	struct entry *entry = entry_get(bench.entries);

	entry->epoch.number = 1;
	entry->seq = seq;
	entry->op = ENTRY_WRITE;
	entry->length_bytes = BLOCK_BYTES;
	entry->payload = buf_get(bench.bufs, BLOCK_BYTES);
	entry->payload->len_bytes = BLOCK_BYTES;
	memset(entry->payload->data, 7, BLOCK_BYTES);
	crc32c_blocks(entry->payload->data, 1, entry->crc);
	pool_replica_append(replica, entry);
	entry_put(entry);
}

static void read_ended(struct pool_read *read, int rc)
{
	buf_put(read->into);
	bench_finished(&bench, rc);
}

static int read_block(struct pool_read *read)
{
	*read = (struct pool_read){ .fn = read_ended, .replica = replica, .length_bytes = BLOCK_BYTES };
	read->into = buf_get(bench.bufs, BLOCK_BYTES);
	pool_read(read);
	bench_wait(&bench);
	return bench.rc;
}

static void failed_flush_fails_the_pool_and_answers_nothing(void **state)
{
	(void)state;
	sim_disk_fail(bench.disk, 2, -EIO, false); /* the write of the batch, then its flush */
	write_block(1);
	bench_run(&bench, NS_PER_S);
	assert_true(bench.failed);
	assert_string_equal(bench.error.text, "flush: Input/output error");
	assert_int_equal(durable_seq, 0);
}

static void failed_read_ends_with_an_error_and_the_pool_goes_on(void **state)
{
	struct pool_read read;

	(void)state;
	write_block(1);
	bench_run(&bench, NS_PER_S);
	pool_replica_commit_set(replica, 1);
	bench_run(&bench, 3 * NS_PER_S);
	assert_int_equal(pool_replica_applied_seq(replica), 1);
	sim_disk_fail(bench.disk, 1, -EIO, false);
	assert_int_equal(read_block(&read), -EIO);
	assert_int_equal(read.bad_offset_bytes, 0);
	assert_int_equal(read_block(&read), 0);
	write_block(2);
	bench_run(&bench, NS_PER_S);
	assert_int_equal(durable_seq, 2);
	assert_false(bench.failed);
}

static void slow_device_is_waited_for(void **state)
{
	(void)state;
	sim_disk_latency(bench.disk, 4 * NS_PER_S);
	write_block(1);
	bench_run(&bench, 40 * NS_PER_S);
	assert_false(bench.failed);
	assert_int_equal(durable_seq, 1);
}

static void device_that_does_not_answer_a_write_fails_the_pool_in_bounded_time(void **state)
{
	(void)state;
	sim_disk_latency(bench.disk, 120 * NS_PER_S);
	write_block(1);
	bench_run(&bench, 9 * NS_PER_S);
	assert_false(bench.failed);
	bench_run(&bench, 3 * NS_PER_S);
	assert_true(bench.failed);
	assert_non_null(
		strstr(bench.error.text, "the device has not answered a write of the journal for 10 s"));
	assert_int_equal(durable_seq, 0);
	assert_int_equal(pool_replica_room(replica), 0);
}

static void device_that_does_not_answer_a_read_fails_the_pool_too(void **state)
{
	struct pool_read read = { .fn = read_ended, .length_bytes = BLOCK_BYTES };

	(void)state;
	write_block(1);
	bench_run(&bench, NS_PER_S);
	pool_replica_commit_set(replica, 1);
	bench_run(&bench, 3 * NS_PER_S);
	sim_disk_latency(bench.disk, 120 * NS_PER_S);
	read.replica = replica;
	read.into = buf_get(bench.bufs, BLOCK_BYTES);
	pool_read(&read);
	bench_run(&bench, 12 * NS_PER_S);
	assert_true(bench.failed);
	assert_non_null(strstr(bench.error.text, "has not answered anything"));
	bench_wait(&bench); /* its memory is the device's until it ends */
	assert_int_equal(bench.rc, -EIO);
}

/* The clock goes on while the process stands still; the answer is there when it goes on as well. */
static void process_that_stood_still_blames_nobody(void **state)
{
	(void)state;
	sim_disk_latency(bench.disk, 2 * NS_PER_S);
	write_block(1);
	bench_run(&bench, NS_PER_S / 2);
	bench.now_ns += 60 * NS_PER_S;
	bench_run(&bench, 20 * NS_PER_S);
	assert_false(bench.failed);
	assert_int_equal(durable_seq, 1);
}

static void work_ended(void *arg, int rc)
{
	int *ended = arg;

	*ended = rc;
}

/* A node that stops while a resync copies to it: the grain's buffer and whoever waits are let go. */
static void what_waits_for_a_round_is_told_when_the_pool_closes(void **state)
{
	const struct pool_replica_identity identity = { .replica = { { 4 } }, .size_bytes = VOLUME_BYTES };
	struct grain_copy copy = { .state = { .epoch = { .number = 1 }, .seq = 9, .present = UINT16_MAX } };
	int put = 1, applied = 1;

	(void)state;
	pool_replica_create_incomplete(bench.pool, &identity, created, &bench);
	bench_wait(&bench);
	copy.data = buf_get(bench.bufs, GRAIN_BYTES);
	copy.data->len_bytes = GRAIN_BYTES;
	memset(copy.data->data, 0, GRAIN_BYTES);
	crc32c_blocks(copy.data->data, GRAIN_BLOCKS, copy.state.crc);
	pool_replica_grain_put(replica, &copy, work_ended, &put);
	pool_replica_applied_wait(replica, 12, work_ended, &applied);
	buf_put(copy.data);
	bench_close(&bench);
	assert_int_equal(put, -EIO);
	assert_int_equal(applied, -EIO);
	assert_int_equal(buf_pool_used_bytes(bench.bufs), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_make, pool_drop)
	const struct CMUnitTest tests[] = {
		TEST(failed_flush_fails_the_pool_and_answers_nothing),
		TEST(failed_read_ends_with_an_error_and_the_pool_goes_on),
		TEST(slow_device_is_waited_for),
		TEST(device_that_does_not_answer_a_write_fails_the_pool_in_bounded_time),
		TEST(process_that_stood_still_blames_nobody),
		TEST(device_that_does_not_answer_a_read_fails_the_pool_too),
		TEST(what_waits_for_a_round_is_told_when_the_pool_closes),
	};

	return cmocka_run_group_tests_name("store pool device", tests, NULL, NULL);
}
