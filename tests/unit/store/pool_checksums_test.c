/* Checksums behind their cache: how much may wait for a sweep, and pages that are bad together with data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bench.h"
#include "store/checksums.h"
#include "store/ondisk.h"

#define DISK_BYTES    (UINT64_C(192) << 20)
#define JOURNAL_BYTES (UINT64_C(64) << 20)
#define VOLUME_BYTES  (UINT64_C(96) << 20)
#define GRAINS        1400u
#define PAGES         (GRAINS / PAGE_SLOTS)
#define SWEPT         10u /* pages: more than half of what may wait */
#define TARGET        5u  /* a grain on a page that was swept long ago */

static struct bench bench;
static struct pool_replica *replica;
static struct buf *into;
static uint64_t seq;

static struct pool_checksums_info info(void)
{
	struct pool_checksums_info found;

	pool_checksums_info_get(bench.pool, &found);
	return found;
}

static uint8_t content(uint64_t index, unsigned block)
{
	return (uint8_t)(index * 7 + block + 1);
}

static void write_blocks(uint64_t index, unsigned block, unsigned count)
{
	struct entry *entry = entry_get(bench.entries);

	entry->epoch.number = 1;
	entry->seq = ++seq;
	entry->op = ENTRY_WRITE;
	entry->offset_bytes = index * GRAIN_BYTES + block * BLOCK_BYTES;
	entry->length_bytes = count * BLOCK_BYTES;
	entry->payload = buf_get(bench.bufs, (uint32_t)entry->length_bytes);
	entry->payload->len_bytes = (uint32_t)entry->length_bytes;
	for (unsigned i = 0; i < count; i++)
		memset(entry->payload->data + (size_t)i * BLOCK_BYTES, content(index, block + i),
			BLOCK_BYTES);
	crc32c_blocks(entry->payload->data, count, entry->crc);
	pool_replica_append(replica, entry);
	entry_put(entry);
	bench_run(&bench, 10 * NS_PER_MS);
}

static int read_block(uint64_t index, unsigned block)
{
	int rc = bench_read(&bench, replica, (struct uuid){ { 0 } },
		index * GRAIN_BYTES + block * BLOCK_BYTES, BLOCK_BYTES, into);

	if (rc == 0)
		assert_int_equal(into->data[99], content(index, block));
	return rc;
}

static int pool_make(void **state)
{
	const struct pool_replica_identity identity = { .replica = { { 3 } }, .size_bytes = VOLUME_BYTES };

	(void)state;
	bench_init(&bench);
	bench.disk = sim_disk_new(DISK_BYTES, 1);
	bench.durable = bench_commit;
	bench.cache_bytes = 1; /* one page */
	seq = 0;
	assert_int_equal(bench_format(&bench, JOURNAL_BYTES), 0);
	assert_int_equal(bench_open(&bench), 0);
	replica = bench_replica(&bench, &identity);
	into = buf_get(bench.bufs, BLOCK_BYTES);
	for (uint64_t index = 0; index < GRAINS; index++)
		write_blocks(index, 0, GRAIN_BLOCKS);
	bench_run(&bench, 3 * NS_PER_S);
	return 0;
}

static int pool_drop(void **state)
{
	(void)state;
	buf_put(into);
	bench_end(&bench);
	return 0;
}

/* ---- memory ---- */

static void what_waits_for_a_sweep_is_bounded(void **state)
{
	uint64_t line_bytes = info().limit, most_waiting = 0, most_bytes = 0;

	(void)state;
	/* Each write dirties a page of its own, and is applied alone; the ring has room for all of them. */
	for (unsigned i = 0; i < 3 * PAGES; i++) {
		write_blocks(i % PAGES * PAGE_SLOTS, 3, 1);
		bench_run(&bench, 1200 * NS_PER_MS);
		most_waiting = info().waiting > most_waiting ? info().waiting : most_waiting;
		most_bytes = info().bytes > most_bytes ? info().bytes : most_bytes;
	}
	assert_in_range(most_waiting, 4, 20);
	assert_in_range(most_bytes, 4 * line_bytes, 24 * line_bytes);
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(read_block((uint64_t)i * PAGE_SLOTS, 3), 0);
}

static void checksums_that_are_not_at_hand_are_read(void **state)
{
	uint64_t before = info().misses;

	(void)state;
	assert_int_equal(read_block(TARGET, 0), 0);
	assert_int_equal(read_block(TARGET + 20 * PAGE_SLOTS, 0), 0);
	assert_in_range(info().misses, before + 1, before + 2);
	assert_int_equal(read_block(TARGET + 20 * PAGE_SLOTS, 15), 0);
	assert_in_range(info().misses, before + 1, before + 2);
}

/* Until no page waits for a sweep, or one does. */
static void step_until_waiting(bool none)
{
	for (unsigned ms = 0; (info().waiting == 0) != none; ms++) {
		assert_in_range(ms, 0, 10000);
		bench_run(&bench, NS_PER_MS);
	}
}

/* Ten pages' checksums are on their way to the disk, and others are asked for. */
static void what_is_written_but_not_flushed_stays_at_hand(void **state)
{
	uint64_t misses;

	(void)state;
	for (unsigned i = 0; i < SWEPT; i++)
		write_blocks((uint64_t)i * PAGE_SLOTS, 3, 1);
	sim_disk_latency(bench.disk, 40 * NS_PER_MS);
	step_until_waiting(false);
	step_until_waiting(true);
	sim_disk_latency(bench.disk, 20 * NS_PER_US);
	assert_int_equal(read_block(TARGET + 20 * PAGE_SLOTS, 0), 0);
	assert_int_equal(read_block(TARGET + 21 * PAGE_SLOTS, 0), 0);
	misses = info().misses;
	for (unsigned i = 0; i < SWEPT; i++)
		assert_int_equal(read_block((uint64_t)i * PAGE_SLOTS, 3), 0);
	assert_int_equal(info().misses, misses);
}

/* ---- a page and its data ---- */

static struct geometry geometry_get(void)
{
	uint8_t block[BLOCK_BYTES];
	struct superblock sb;

	sim_disk_peek(bench.disk, 0, block, BLOCK_BYTES);
	assert_int_equal(superblock_decode(block, 0, &sb), 0);
	return sb.geometry;
}

static uint32_t place_find(const struct geometry *g, uint64_t index)
{
	uint8_t block[2][BLOCK_BYTES];

	for (uint32_t place = 0; place < g->grain_count; place++) {
		uint64_t at = geometry_grain_offset(g, place);

		sim_disk_peek(bench.disk, at, block[0], BLOCK_BYTES);
		sim_disk_peek(bench.disk, at + GRAIN_BYTES - BLOCK_BYTES, block[1], BLOCK_BYTES);
		/* Content repeats, but grains are given out in their order. */
		if (block[0][0] == content(index, 0) && block[1][0] == content(index, 15))
			return place;
	}
	fail_msg("grain %u is not there", (unsigned)index);
	return 0;
}

static void page_rots(const struct geometry *g, uint32_t place, bool both)
{
	uint32_t page = geometry_place_page(g, place);
	uint64_t generations[2] = { 0, 0 };
	uint8_t block[BLOCK_BYTES];

	for (unsigned copy = 0; copy < 2; copy++) {
		uint64_t at = geometry_page_offset(g, page, copy);

		sim_disk_peek(bench.disk, at, block, BLOCK_BYTES);
		if (!page_check(g, page, copy, block, &generations[copy]))
			generations[copy] = 0;
	}
	assert_true(generations[0] > 0 || generations[1] > 0);
	for (unsigned copy = 0; copy < 2; copy++)
		if (both || generations[copy] > generations[copy ^ 1u])
			sim_disk_flip(bench.disk, geometry_page_offset(g, page, copy) + 700, 2);
}

/* A block of the target rots, and the page that says what it should be; nothing of it is at hand. */
static void both_rot(unsigned block, bool both_copies)
{
	struct geometry g = geometry_get();
	uint32_t place = place_find(&g, TARGET);

	assert_int_equal(read_block(TARGET + 20 * PAGE_SLOTS, 0), 0);
	assert_int_equal(read_block(TARGET + 21 * PAGE_SLOTS, 0), 0);
	sim_disk_flip(bench.disk, geometry_grain_offset(&g, place) + block * BLOCK_BYTES + 55, 1);
	page_rots(&g, place, both_copies);
}

/* As another replica has it. */
static int heal(uint16_t blocks)
{
	struct grain_copy copy = { .level.whole = true, .index = TARGET };

	assert_true(pool_replica_grain_applied(replica, copy.level, TARGET, &copy.state));
	copy.data = buf_get(bench.bufs, GRAIN_BYTES);
	copy.data->len_bytes = GRAIN_BYTES;
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		memset(copy.data->data + (size_t)i * BLOCK_BYTES, content(TARGET, i), BLOCK_BYTES);
	crc32c_blocks(copy.data->data, GRAIN_BLOCKS, copy.state.crc);
	pool_replica_grain_heal(replica, &copy, blocks, bench_finished, &bench);
	bench_wait(&bench);
	buf_put(copy.data);
	return bench.rc;
}

static void reopen(void)
{
	bench_close(&bench);
	assert_int_equal(bench_open(&bench), 0);
	replica = pool_replica_find(bench.pool, (struct uuid){ { 3 } });
	assert_non_null(replica);
}

static void a_page_that_rots_is_made_anew(void **state)
{
	struct geometry g = geometry_get();

	(void)state;
	assert_int_equal(read_block(TARGET + 20 * PAGE_SLOTS, 0), 0);
	assert_int_equal(read_block(TARGET + 21 * PAGE_SLOTS, 0), 0);
	page_rots(&g, place_find(&g, TARGET), true);
	for (unsigned i = 0; i < PAGE_SLOTS; i++)
		assert_int_equal(read_block(i, 7), 0);
	assert_int_equal(info().lost, 0);
	bench_run(&bench, 10 * NS_PER_S);
	reopen();
	assert_false(pool_replica_state(replica)->incomplete);
}

static void a_page_and_its_data_rotten_at_once_are_repaired_from_another_replica(void **state)
{
	(void)state;
	both_rot(4, true);
	/* Which of the blocks is bad nobody knows any more; those of the page's other grains are as they
	 * were. */
	assert_int_equal(read_block(TARGET, 4), -EILSEQ);
	assert_int_equal(read_block(TARGET, 9), -EILSEQ);
	assert_int_equal(read_block(TARGET + 1, 4), 0);
	assert_int_equal(info().lost, 1);
	assert_false(bench.failed);
	assert_int_equal(heal(0xffff), 0);
	for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
		assert_int_equal(read_block(TARGET, i), 0);
	bench_run(&bench, 3 * NS_PER_S);
	/* Number and sum of the layer's slots are what they were. */
	reopen();
	assert_false(pool_replica_state(replica)->incomplete);
	assert_int_equal(read_block(TARGET, 4), 0);
}

/* Some blocks alone don't say what the slot was. */
static void a_lost_slot_that_can_not_be_found_is_left_to_a_resync(void **state)
{
	(void)state;
	both_rot(4, true);
	assert_int_equal(read_block(TARGET, 4), -EILSEQ);
	assert_int_equal(heal(1u << 4), -EAGAIN);
	assert_true(pool_replica_state(replica)->incomplete);
	assert_false(bench.failed);
}

/* What is lost is not forgotten by a restart, once the ring has no image of the slot any more. */
static void a_lost_slot_makes_its_replica_incomplete_at_the_next_start(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * JOURNAL_BYTES / GRAIN_BYTES * 8; i++)
		write_blocks(100 + i % 1000, i % GRAIN_BLOCKS, 1);
	both_rot(4, true);
	assert_int_equal(read_block(TARGET, 4), -EILSEQ);
	bench_run(&bench, 10 * NS_PER_S);
	reopen();
	assert_true(pool_replica_state(replica)->incomplete);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_waits_for_a_sweep_is_bounded, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(
			checksums_that_are_not_at_hand_are_read, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(
			what_is_written_but_not_flushed_stays_at_hand, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(a_page_that_rots_is_made_anew, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(
			a_page_and_its_data_rotten_at_once_are_repaired_from_another_replica, pool_make,
			pool_drop),
		cmocka_unit_test_setup_teardown(
			a_lost_slot_that_can_not_be_found_is_left_to_a_resync, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(
			a_lost_slot_makes_its_replica_incomplete_at_the_next_start, pool_make, pool_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
