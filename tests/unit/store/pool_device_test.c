/* A pool whose device gives errors, is slow, or does not answer any more; what waits while it is slow. */
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
	sim_disk_hang(bench.disk, 0, 0);
	bench_run(&bench, 600 * NS_PER_S); /* what was stuck ends */
	bench.done = false;
	bench_end(&bench);
	return 0;
}

static void write_at(uint64_t seq, uint64_t offset_bytes)
{
	struct entry *entry = entry_get(bench.entries);

	entry->epoch.number = 1;
	entry->seq = seq;
	entry->op = ENTRY_WRITE;
	entry->offset_bytes = offset_bytes;
	entry->length_bytes = BLOCK_BYTES;
	entry->payload = buf_get(bench.bufs, BLOCK_BYTES);
	entry->payload->len_bytes = BLOCK_BYTES;
	memset(entry->payload->data, 7, BLOCK_BYTES);
	crc32c_blocks(entry->payload->data, 1, entry->crc);
	pool_replica_append(replica, entry);
	entry_put(entry);
}

static void write_block(uint64_t seq)
{
	write_at(seq, 0);
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
	assert_true(bench.done); /* told, though its buffer is the device's until that answers */
	bench.done = false;
	assert_int_equal(bench.rc, -EIO);
	assert_true(read.left);
	assert_true(buf_pool_used_bytes(bench.bufs) > 0);
}

static void one_read_that_hangs_beside_others_fails_the_pool_after_a_minute(void **state)
{
	struct pool_read hangs = { .fn = read_ended, .length_bytes = BLOCK_BYTES }, read;

	(void)state;
	write_block(1);
	bench_run(&bench, NS_PER_S);
	pool_replica_commit_set(replica, 1);
	bench_run(&bench, 3 * NS_PER_S);
	sim_disk_latency(bench.disk, 240 * NS_PER_S); /* twice as long, or half, at random */
	hangs.replica = replica;
	hangs.into = buf_get(bench.bufs, BLOCK_BYTES);
	pool_read(&hangs);
	sim_disk_latency(bench.disk, 20 * NS_PER_US);
	for (unsigned s = 0; s < 58; s++) {
		assert_int_equal(read_block(&read), 0);
		bench_run(&bench, NS_PER_S);
	}
	assert_false(bench.failed);
	for (unsigned s = 0; s < 5 && !bench.failed; s++) {
		bench_run(&bench, NS_PER_S);
		if (!bench.failed)
			(void)read_block(&read);
	}
	assert_true(bench.failed);
	assert_non_null(strstr(bench.error.text, "the device has not answered an operation for 60 s"));
	assert_true(bench.done);
	bench.done = false;
	assert_int_equal(bench.rc, -EIO);
	assert_true(hangs.left);
}

/* The block is repaired from elsewhere, again and again: that is no reason to lose all others with it. */
static void one_place_that_fails_for_ever_leaves_the_pool_alone(void **state)
{
	struct pool_info info;
	struct pool_read read;

	(void)state;
	write_block(1);
	bench_run(&bench, NS_PER_S);
	pool_replica_commit_set(replica, 1);
	bench_run(&bench, 3 * NS_PER_S);
	for (unsigned i = 0; i < 100; i++) {
		sim_disk_fail(bench.disk, 1, -EIO, false);
		assert_int_equal(read_block(&read), -EIO);
	}
	pool_info_get(bench.pool, &info);
	assert_int_equal(info.read_errors, 100);
	assert_false(info.failed);
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

static struct pool_info counted(void)
{
	struct pool_info info;

	pool_info_get(bench.pool, &info);
	return info;
}

/* Four entries in a batch whose flush has just been asked for; it takes 50 ms at least. */
static uint64_t four_are_flushed(void)
{
	uint64_t flushes = counted().flushes;

	sim_disk_latency(bench.disk, 100 * NS_PER_MS);
	for (uint64_t seq = 1; seq <= 4; seq++)
		write_block(seq);
	while (counted().flushes == flushes)
		bench_run(&bench, NS_PER_MS);
	assert_int_equal(durable_seq, 0);
	return counted().batches;
}

static void fewer_than_a_flush_answers_wait_for_its_end(void **state)
{
	uint64_t batches = four_are_flushed();

	(void)state;
	for (uint64_t seq = 5; seq <= 7; seq++)
		write_block(seq);
	bench_run(&bench, 10 * NS_PER_MS);
	assert_int_equal(counted().batches, batches);
	while (durable_seq < 4)
		bench_run(&bench, NS_PER_MS);
	assert_int_equal(durable_seq, 4);
	assert_int_equal(counted().batches, batches + 1);
	bench_run(&bench, NS_PER_S);
	assert_int_equal(durable_seq, 7);
	assert_int_equal(counted().batch_entries, 7);
}

static void as_many_as_a_flush_answers_are_written_beside_it(void **state)
{
	uint64_t batches = four_are_flushed();

	(void)state;
	for (uint64_t seq = 5; seq <= 8; seq++)
		write_block(seq);
	bench_run(&bench, 10 * NS_PER_MS);
	assert_int_equal(durable_seq, 0);
	assert_int_equal(counted().batches, batches + 1);
	bench_run(&bench, NS_PER_S);
	assert_int_equal(durable_seq, 8);
}

#define WIDE_GRAINS 2800u

/* The images of one round go into one batch. */
static void round_over_more_grains_than_a_batch_has_images_for_ends(void **state)
{
	const struct pool_replica_identity identity = { .replica = { { 3 } },
		.size_bytes = UINT64_C(256) << 20 };

	(void)state;
	bench_close(&bench);
	sim_disk_free(bench.disk);
	bench.disk = sim_disk_new(UINT64_C(512) << 20, 1);
	assert_int_equal(bench_format(&bench, UINT64_C(32) << 20), 0);
	assert_int_equal(bench_open(&bench), 0);
	pool_replica_create(bench.pool, &identity, created, &bench);
	bench_wait(&bench);
	for (uint64_t seq = 1; seq <= WIDE_GRAINS; seq++) {
		write_at(seq, seq * GRAIN_BYTES);
		if (seq % 100 == 0)
			bench_run(&bench, 10 * NS_PER_MS);
	}
	assert_int_equal(durable_seq, WIDE_GRAINS);
	pool_replica_commit_set(replica, WIDE_GRAINS);
	bench_run(&bench, 20 * NS_PER_S);
	assert_int_equal(pool_replica_applied_seq(replica), WIDE_GRAINS);
}

/* ---- a device that does not answer at all ---- */

static bool told(void)
{
	bool done = bench.done;

	bench.done = false;
	return done;
}

/* Its I/O is the kernel's: with AddressSanitizer the late answers find all that they need. */
static void pool_of_a_device_that_hangs_is_closed_in_bounded_time(void **state)
{
	static struct pool_read read; /* its answer comes after the test, where that fails */

	(void)state;
	read = (struct pool_read){ .fn = read_ended, .length_bytes = BLOCK_BYTES };
	write_block(1);
	bench_run(&bench, NS_PER_S);
	pool_replica_commit_set(replica, 1);
	bench_run(&bench, 3 * NS_PER_S);
	sim_disk_hang(bench.disk, 1, UINT64_MAX);
	write_block(2);
	read.replica = replica;
	read.into = buf_get(bench.bufs, BLOCK_BYTES);
	pool_read(&read);
	bench_run(&bench, NS_PER_S);
	pool_close(bench.pool, bench_finished, &bench);
	bench.pool = NULL;
	bench_run(&bench, 15 * NS_PER_S);
	assert_true(told());
	assert_int_equal(bench.rc, -ETIMEDOUT);
	assert_int_equal(durable_seq, 1);
	assert_true(read.left);
	sim_disk_hang(bench.disk, 0, 0); /* all is freed */
	bench_run(&bench, NS_PER_S);
	assert_false(told());
	assert_int_equal(buf_pool_used_bytes(bench.bufs), 0);
	assert_int_equal(bench_open(&bench), 0); /* its disk is free again */
}

static void failed_pool_whose_device_answers_late_is_waited_for(void **state)
{
	(void)state;
	sim_disk_hang(bench.disk, 1, 1);
	write_block(1);
	bench_run(&bench, 12 * NS_PER_S);
	assert_true(bench.failed);
	pool_close(bench.pool, bench_finished, &bench);
	bench.pool = NULL;
	bench_run(&bench, NS_PER_S);
	assert_false(told());
	sim_disk_hang(bench.disk, 0, 0);
	bench_run(&bench, NS_PER_S);
	assert_true(told());
	assert_int_equal(bench.rc, -EIO);
}

/* Who waits for a replica to be made, or for its state, can't wait for a device that never answers. */
static void what_stands_in_a_batch_that_hangs_is_told_when_the_pool_fails(void **state)
{
	const struct replica_state replica_state = { .promise = { .number = 1 } };
	static int ended;

	(void)state;
	ended = 1;
	sim_disk_hang(bench.disk, 1, UINT64_MAX);
	pool_replica_state_write(replica, &replica_state, work_ended, &ended);
	bench_run(&bench, 9 * NS_PER_S);
	assert_int_equal(ended, 1);
	bench_run(&bench, 3 * NS_PER_S);
	assert_true(bench.failed);
	assert_int_equal(ended, -EIO);
}

static void opened(void *arg, int rc, struct pool *pool, const struct error *error)
{
	bench.pool = pool;
	if (rc != 0)
		bench.error = *error;
	bench_finished(arg, rc);
}

static void open_with(uint64_t operation)
{
	const struct pool_open_options options = {
		.cluster = { { 1 } }, .bufs = bench.bufs, .entries = bench.entries
	};

	sim_disk_hang(bench.disk, operation, UINT64_MAX);
	pool_open(&bench.loop, sim_disk_open(bench.disk, &bench.loop), &options, opened, &bench);
	bench_run(&bench, 13 * NS_PER_S);
}

/* Wherever it hangs: at the superblocks, the table, the ring, the first batch. */
static void pool_whose_device_hangs_is_not_waited_for_when_it_is_opened(void **state)
{
	unsigned hung = 0;

	(void)state;
	write_block(1);
	bench_run(&bench, NS_PER_S);
	bench_close(&bench);
	for (uint64_t operation = 1; !bench.pool; operation++) {
		open_with(operation);
		assert_true(told());
		if (bench.rc == 0)
			break;
		hung++;
		assert_int_equal(bench.rc, -ETIMEDOUT);
		assert_non_null(strstr(bench.error.text, "has not answered"));
		sim_disk_hang(bench.disk, 0, 0); /* all that is left goes with its answers */
		bench_run(&bench, NS_PER_S);
		assert_false(told());
	}
	assert_true(hung > 8);
	sim_disk_hang(bench.disk, 0, 0);
}

static void empty_disk_that_hangs_is_not_waited_for_when_it_is_made_a_pool(void **state)
{
	const struct pool_format_options options = { .journal_bytes = JOURNAL_BYTES };

	(void)state;
	bench_close(&bench);
	sim_disk_hang(bench.disk, 1, UINT64_MAX);
	pool_format(&bench.loop, sim_disk_open(bench.disk, &bench.loop), &options, bench_finished, &bench);
	bench_run(&bench, 12 * NS_PER_S);
	assert_true(told());
	assert_int_equal(bench.rc, -ETIMEDOUT);
	sim_disk_hang(bench.disk, 0, 0);
	bench_run(&bench, NS_PER_S);
	assert_int_equal(bench_open(&bench), 0); /* nothing was written; and the disk is free again */
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
		TEST(one_read_that_hangs_beside_others_fails_the_pool_after_a_minute),
		TEST(fewer_than_a_flush_answers_wait_for_its_end),
		TEST(as_many_as_a_flush_answers_are_written_beside_it),
		TEST(round_over_more_grains_than_a_batch_has_images_for_ends),
		TEST(one_place_that_fails_for_ever_leaves_the_pool_alone),
		TEST(pool_of_a_device_that_hangs_is_closed_in_bounded_time),
		TEST(failed_pool_whose_device_answers_late_is_waited_for),
		TEST(what_stands_in_a_batch_that_hangs_is_told_when_the_pool_fails),
		TEST(pool_whose_device_hangs_is_not_waited_for_when_it_is_opened),
		TEST(empty_disk_that_hangs_is_not_waited_for_when_it_is_made_a_pool),
	};

	return cmocka_run_group_tests_name("store pool device", tests, NULL, NULL);
}
