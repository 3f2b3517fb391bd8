/* A grain becomes what a comparison has found right: while what it is of is in force, and whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bench.h"
#include "store/checksums.h"

#define DISK_BYTES    (UINT64_C(128) << 20)
#define JOURNAL_BYTES (UINT64_C(1) << 20) /* its rounds have fewer grains than the volume */
#define VOLUME_BYTES  (UINT64_C(64) << 20)
#define TARGET        5u

static struct bench bench;
static struct pool_replica *replica;
static uint64_t seq;

static const struct grain_level top = { 0 };

static void append(uint64_t block, uint64_t count, uint8_t byte)
{
	struct entry *entry = entry_get(bench.entries);

	entry->epoch.number = 1;
	entry->seq = ++seq;
	entry->op = byte ? ENTRY_WRITE : ENTRY_TRIM;
	entry->offset_bytes = block * BLOCK_BYTES;
	entry->length_bytes = count * BLOCK_BYTES;
	if (byte) {
		entry->payload = buf_get(bench.bufs, (uint32_t)entry->length_bytes);
		entry->payload->len_bytes = (uint32_t)entry->length_bytes;
		memset(entry->payload->data, byte, entry->length_bytes);
		crc32c_blocks(entry->payload->data, (uint32_t)count, entry->crc);
	}
	pool_replica_append(replica, entry);
	entry_put(entry);
}

static void apply(void)
{
	pool_replica_applied_wait(replica, seq, bench_finished, &bench);
	bench_wait(&bench);
	assert_int_equal(pool_replica_applied_seq(replica), seq);
}

/* Blocks of the target; 0: they are trimmed. */
static void write_blocks(unsigned block, unsigned count, uint8_t byte)
{
	append(TARGET * GRAIN_BLOCKS + block, count, byte);
	apply();
}

static void reads(unsigned block, uint8_t byte)
{
	struct buf *into = buf_get(bench.bufs, BLOCK_BYTES);

	assert_int_equal(bench_read(&bench, replica, (struct uuid){ { 0 } },
				 TARGET * GRAIN_BYTES + block * BLOCK_BYTES, BLOCK_BYTES, into),
		0);
	assert_int_equal(into->data[99], byte);
	buf_put(into);
}

/* By one of these blocks, as of entry 1. */
static int replace(uint16_t present, uint16_t zero, uint8_t byte, uint64_t from_seq, uint64_t until_seq)
{
	struct grain_copy copy = { .index = TARGET };

	copy.state = (struct grain_state){
		.epoch = { 1, 0 }, .seq = present | zero ? 1 : 0, .present = present, .zero = zero
	};
	if (present) {
		copy.data = buf_get(bench.bufs, GRAIN_BYTES);
		copy.data->len_bytes = GRAIN_BYTES;
		memset(copy.data->data, byte, GRAIN_BYTES);
		crc32c_blocks(copy.data->data, GRAIN_BLOCKS, copy.state.crc);
	}
	pool_replica_grain_replace(replica, &copy, from_seq, until_seq, bench_finished, &bench);
	bench_wait(&bench);
	buf_put(copy.data);
	return bench.rc;
}

static int pool_make(void **state)
{
	const struct pool_replica_identity identity = { .replica = { { 3 } }, .size_bytes = VOLUME_BYTES };

	(void)state;
	bench_init(&bench);
	bench.disk = sim_disk_new(DISK_BYTES, 1);
	bench.durable = bench_commit;
	seq = 0;
	assert_int_equal(bench_format(&bench, JOURNAL_BYTES), 0);
	assert_int_equal(bench_open(&bench), 0);
	replica = bench_replica(&bench, &identity);
	return 0;
}

static int pool_drop(void **state)
{
	(void)state;
	bench_end(&bench);
	return 0;
}

static void reopen(void)
{
	bench_close(&bench);
	assert_int_equal(bench_open(&bench), 0);
	replica = pool_replica_find(bench.pool, (struct uuid){ { 3 } });
	assert_non_null(replica);
}

static void all_of_it_is_the_copy(void **state)
{
	struct grain_state is;

	(void)state;
	write_blocks(0, 12, 'a');
	write_blocks(2, 1, 'b');
	assert_int_equal(replace(0xff00, 0, 'c', 1, 2), 0);
	for (unsigned turn = 0; turn < 2; turn++) {
		reads(0, 0);
		reads(2, 0);
		reads(8, 'c');
		reads(15, 'c');
		assert_true(pool_replica_grain_applied(replica, top, TARGET, &is));
		assert_int_equal(is.seq, 1);
		assert_int_equal(is.present, 0xff00);
		reopen();
	}
	/* What comes is written over it. */
	write_blocks(3, 1, 'd');
	reads(3, 'd');
	reads(15, 'c');
	assert_int_equal(replace(0, 0, 0, 3, 3), 0);
	reads(3, 0);
	reads(15, 0);
	assert_false(pool_replica_grain_applied(replica, top, TARGET, &is));
	reopen();
	assert_false(pool_replica_grain_applied(replica, top, TARGET, &is));
	assert_int_equal(replace(0x1, 0, 'e', 3, 3), 0);
	reads(0, 'e');
}

static void what_is_applied_decides(void **state)
{
	(void)state;
	write_blocks(0, 16, 'a');
	write_blocks(2, 1, 'b');
	write_blocks(3, 1, 'c');
	assert_int_equal(replace(UINT16_MAX, 0, 'x', 1, 2), -EAGAIN);
	assert_int_equal(replace(0, 0, 0, 4, UINT64_MAX), -EAGAIN);
	reads(0, 'a');
	reads(2, 'b');
	reads(3, 'c');
	assert_int_equal(replace(UINT16_MAX, 0, 'x', 3, 3), 0);
	reads(2, 'x');
}

static void not_waited_for(void *arg, int rc)
{
	(void)arg;
	(void)rc;
}

/* The entry is not applied yet, as far as its seq goes; of this grain it is. */
static void a_trim_that_is_half_applied_is_not_undone(void **state)
{
	struct grain_state is;

	(void)state;
	for (uint64_t index = 0; index < VOLUME_BYTES / GRAIN_BYTES; index++) {
		append(index * GRAIN_BLOCKS, GRAIN_BLOCKS, 'a');
		if (index % 8 == 7)
			apply();
	}
	append(0, VOLUME_BYTES / BLOCK_BYTES, 0);
	pool_replica_applied_wait(replica, seq, not_waited_for, NULL);
	for (unsigned i = 0; i < 100000 && pool_replica_grain_applied(replica, top, TARGET, &is); i++)
		bench_run(&bench, 50 * NS_PER_US);
	assert_int_equal(pool_replica_applied_seq(replica), seq - 1);
	assert_int_equal(replace(UINT16_MAX, 0, 'a', 1, seq - 1), -EAGAIN);
	apply();
	reads(0, 0);
}

/* A mark over nothing would be lost: what lies below isn't what lies below in the source. */
static void marks_are_not_put_over_nothing(void **state)
{
	(void)state;
	write_blocks(0, 16, 'a');
	assert_int_equal(replace(0x00ff, 0x0100, 'x', 1, 1), -ENOTSUP);
	reads(0, 'a');
	reads(8, 'a');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_of_it_is_the_copy, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(what_is_applied_decides, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(
			a_trim_that_is_half_applied_is_not_undone, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(marks_are_not_put_over_nothing, pool_make, pool_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
