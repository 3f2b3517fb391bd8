/* A thick replica beside thin ones that fill the pool: each of its blocks can be written, whatever they took.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "model.h"
#include "store/usage.h"

#define DISK_BYTES    (UINT64_C(24) << 20)
#define JOURNAL_BYTES (UINT64_C(2) << 20)
#define THICK_BYTES   (UINT64_C(6) << 20)
#define THIN_BYTES    (UINT64_C(32) << 20) /* more than there is */
#define BLOCKS        (THIN_BYTES / BLOCK_BYTES)
#define GRAINS        (THICK_BYTES / GRAIN_BYTES)

#define BEYOND_RING_BYTES (JOURNAL_BYTES + (UINT64_C(1) << 20))

enum { THICK, THIN, VOLUMES };

struct volume {
	struct pool_replica *replica;
	uint64_t tags[BLOCKS]; /* 0: zeroes */
	uint64_t appended;
};

static struct bench bench;
static struct volume volumes[VOLUMES];
static struct random rnd;
static uint64_t tag;

static struct pool_replica_identity identity_of(unsigned number, uint64_t size_bytes, bool thick)
{
	struct pool_replica_identity identity = { .size_bytes = size_bytes, .thick = thick };

	identity.replica.byte[0] = (uint8_t)(number + 1);
	return identity;
}

static int pool_make(void **state)
{
	(void)state;
	bench_begin(&bench, DISK_BYTES, JOURNAL_BYTES);
	bench.durable = bench_commit;
	for (unsigned i = 0; i < VOLUMES; i++) {
		struct pool_replica_identity identity =
			identity_of(i, i == THICK ? THICK_BYTES : THIN_BYTES, i == THICK);

		memset(&volumes[i], 0, sizeof(volumes[i]));
		volumes[i].replica = bench_replica(&bench, &identity);
		assert_int_equal(bench.rc, 0);
	}
	random_init(&rnd, 1);
	tag = 0;
	return 0;
}

static int pool_drop(void **state)
{
	(void)state;
	bench_end(&bench);
	return 0;
}

static void open_again(void)
{
	bench_close(&bench);
	assert_int_equal(bench_open(&bench), 0);
	for (unsigned i = 0; i < VOLUMES; i++) {
		volumes[i].replica =
			pool_replica_find(bench.pool, (struct uuid){ .byte[0] = (uint8_t)(i + 1) });
		assert_non_null(volumes[i].replica);
	}
}

static void append_op(struct volume *v, enum entry_op op, uint64_t block, uint64_t blocks, uint8_t snapshot)
{
	struct entry *entry = entry_get(bench.entries);

	assert_non_null(entry);
	entry->epoch.number = 1;
	entry->seq = ++v->appended;
	entry->op = op;
	entry->offset_bytes = block * BLOCK_BYTES;
	entry->length_bytes = blocks * BLOCK_BYTES;
	entry->attachment.byte[0] = snapshot;
	tag++;
	if (op == ENTRY_WRITE) {
		entry->payload = buf_get(bench.bufs, (uint32_t)(blocks * BLOCK_BYTES));
		assert_non_null(entry->payload);
		entry->payload->len_bytes = (uint32_t)(blocks * BLOCK_BYTES);
		for (uint64_t i = 0; i < blocks; i++)
			block_fill(entry->payload->data + i * BLOCK_BYTES, tag, block + i);
		crc32c_blocks(entry->payload->data, blocks, entry->crc);
	}
	pool_replica_append(v->replica, entry);
	entry_put(entry);
	for (uint64_t i = 0; i < blocks; i++)
		v->tags[block + i] = op == ENTRY_WRITE ? tag : 0;
}

/* As a coordinator does: false where it says that it is full, or has no room by now. */
static bool write_some(struct volume *v, uint64_t block, uint64_t blocks)
{
	if (pool_replica_is_full(v->replica))
		return false;
	for (unsigned i = 0; pool_replica_room(v->replica) < blocks * BLOCK_BYTES; i++) {
		if (i == 1000)
			return false;
		bench_run(&bench, 20 * NS_PER_MS);
	}
	append_op(v, ENTRY_WRITE, block, blocks, 0);
	return true;
}

static void thin_fills(void)
{
	unsigned refused = 0;

	while (refused < 20) {
		uint64_t blocks = random_chance(&rnd, 1, 3) ? GRAIN_BLOCKS : 1 + random_below(&rnd, 4);

		if (!write_some(&volumes[THIN], random_below(&rnd, BLOCKS - blocks), blocks))
			refused++;
		bench_run(&bench, (refused ? 500 : 5) * NS_PER_MS);
	}
}

/* A block of each grain in any order, then whole grains. */
static void thick_is_written_whole(void)
{
	uint64_t first = random_below(&rnd, GRAINS);

	for (uint64_t i = 0; i < GRAINS; i++)
		assert_true(write_some(&volumes[THICK],
			(first + i * 7) % GRAINS * GRAIN_BLOCKS + random_below(&rnd, GRAIN_BLOCKS), 1));
	for (uint64_t i = 0; i < GRAINS; i++)
		assert_true(write_some(&volumes[THICK], i * GRAIN_BLOCKS, GRAIN_BLOCKS));
	bench_run(&bench, 10 * NS_PER_S);
	assert_false(bench.failed);
}

/* Kept and used are its size, where it has no snapshot; and the pool's sums add up. */
static void expect_sums(uint64_t used_bytes)
{
	const struct pool_replica *thick = volumes[THICK].replica;
	struct pool_info info;

	bench_run(&bench, 10 * NS_PER_S);
	pool_info_get(bench.pool, &info);
	assert_int_equal(pool_replica_used_bytes(thick), used_bytes);
	assert_int_equal(pool_replica_kept_bytes(thick), THICK_BYTES - used_bytes);
	assert_int_equal(pool_replica_kept_bytes(volumes[THIN].replica), 0);
	assert_int_equal(info.thick_bytes, THICK_BYTES - used_bytes);
	assert_int_equal(info.thick_limit_bytes,
		info.size_bytes - info.reserve_bytes - (info.used_bytes - used_bytes));
	assert_int_equal(info.used_bytes + info.free_bytes + info.freeing_bytes, info.size_bytes);
	assert_true(info.free_bytes + info.freeing_bytes >= info.thick_bytes);
}

static void all_is_there(void)
{
	struct buf *buf = buf_get(bench.bufs, GRAIN_BYTES);

	for (unsigned i = 0; i < VOLUMES; i++) {
		uint64_t blocks = pool_replica_size(volumes[i].replica) / BLOCK_BYTES;

		for (uint64_t block = 0; block < blocks; block += GRAIN_BLOCKS) {
			assert_int_equal(bench_read(&bench, volumes[i].replica, (struct uuid){ 0 },
						 block * BLOCK_BYTES, GRAIN_BYTES, buf),
				0);
			for (unsigned k = 0; k < GRAIN_BLOCKS; k++)
				assert_true(block_matches(buf->data + (size_t)k * BLOCK_BYTES,
					volumes[i].tags[block + k], block + k));
		}
	}
	buf_put(buf);
}

static void it_is_written_whole_in_a_pool_that_thin_ones_fill(void **state)
{
	struct pool_info info;

	(void)state;
	expect_sums(0);
	thin_fills();
	assert_true(pool_is_full(bench.pool));
	expect_sums(0);
	thick_is_written_whole();
	expect_sums(THICK_BYTES);
	/* And again: what it has it writes in place. */
	thin_fills();
	thick_is_written_whole();
	all_is_there();
	/* What it trims is kept for it. */
	append_op(&volumes[THICK], ENTRY_TRIM, 0, 40 * GRAIN_BLOCKS, 0);
	expect_sums(THICK_BYTES - 40 * GRAIN_BYTES);
	thin_fills();
	open_again();
	expect_sums(THICK_BYTES - 40 * GRAIN_BYTES);
	thin_fills();
	thick_is_written_whole();
	all_is_there();
	pool_info_get(bench.pool, &info);
	assert_true(info.used_bytes * 100 > info.size_bytes * 70);
}

static void it_is_refused_where_its_room_is_not_free(void **state)
{
	struct pool_replica_identity identity = identity_of(7, THIN_BYTES, true);
	struct pool_info info;

	(void)state;
	assert_null(bench_replica(&bench, &identity));
	assert_int_equal(bench.rc, -ENOSPC);
	pool_info_get(bench.pool, &info);
	identity.size_bytes = info.free_bytes - info.reserve_bytes - info.thick_bytes;
	assert_non_null(bench_replica(&bench, &identity));
	identity = identity_of(8, GRAIN_BYTES, true);
	assert_null(bench_replica(&bench, &identity));
	assert_int_equal(bench.rc, -ENOSPC);
	/* Nothing is left for thin ones, which take no room to be made. */
	pool_info_get(bench.pool, &info);
	assert_int_equal(info.free_bytes, info.reserve_bytes + info.thick_bytes);
	identity = identity_of(9, THIN_BYTES, false);
	assert_non_null(bench_replica(&bench, &identity));
	/* What is removed keeps nothing. */
	pool_replica_delete(
		pool_replica_find(bench.pool, (struct uuid){ .byte[0] = 8 }), bench_finished, &bench);
	bench_wait(&bench);
	pool_info_get(bench.pool, &info);
	assert_int_equal(info.thick_bytes, THICK_BYTES);
}

static void it_keeps_more_when_it_grows(void **state)
{
	struct pool_info info;

	(void)state;
	pool_replica_grow(volumes[THICK].replica, THICK_BYTES + 3 * GRAIN_BYTES);
	open_again();
	pool_info_get(bench.pool, &info);
	assert_int_equal(info.thick_bytes, THICK_BYTES + 3 * GRAIN_BYTES);
}

/* A snapshot has what was written; all of the volume is kept anew, from the entry on. */
static void a_snapshot_keeps_all_of_it_anew(void **state)
{
	struct volume *v = &volumes[THICK];

	(void)state;
	thick_is_written_whole();
	assert_true(pool_replica_snapshot_fits(v->replica));
	append_op(v, ENTRY_SNAPSHOT, 0, 0, 1);
	assert_int_equal(pool_replica_kept_bytes(v->replica), THICK_BYTES);
	expect_sums(0);
	assert_int_equal(pool_replica_frozen_bytes(v->replica), THICK_BYTES);
	thin_fills();
	open_again();
	thick_is_written_whole();
	expect_sums(THICK_BYTES);
	/* A second one would need as much again. */
	assert_false(pool_replica_snapshot_fits(v->replica));
	assert_true(pool_replica_snapshot_fits(volumes[THIN].replica));
	all_is_there();
	/* Back to it: what is given up is kept anew. */
	append_op(v, ENTRY_ROLLBACK, 0, 0, 1);
	expect_sums(0);
	thin_fills();
	thick_is_written_whole();
	expect_sums(THICK_BYTES);
	append_op(v, ENTRY_DELETE_SNAPSHOT, 0, 0, 1);
	expect_sums(THICK_BYTES);
	assert_int_equal(pool_replica_frozen_bytes(v->replica), 0);
	all_is_there();
}

/* A snapshot whose room others took meanwhile: writes are refused before the pool runs dry. */
static void what_the_pool_has_not_got_is_not_promised(void **state)
{
	struct volume *v = &volumes[THICK];
	unsigned refused = 0;

	(void)state;
	thin_fills();
	thick_is_written_whole();
	assert_false(pool_replica_snapshot_fits(v->replica));
	append_op(v, ENTRY_SNAPSHOT, 0, 0, 1);
	append_op(&volumes[THIN], ENTRY_TRIM, 0, BLOCKS / 12, 0);
	bench_run(&bench, 10 * NS_PER_S);
	assert_false(pool_replica_is_full(v->replica));
	/* All that it takes before any of it is applied, from a coordinator that hasn't heard that it is
	 * full. */
	sim_disk_stall(bench.disk, BEYOND_RING_BYTES);
	for (uint64_t i = 0; i < GRAINS; i++) {
		if (pool_replica_room(v->replica) < BLOCK_BYTES)
			refused++;
		else
			append_op(v, ENTRY_WRITE, i * GRAIN_BLOCKS, 1, 0);
		if (i % 8 == 7)
			bench_run(&bench, NS_PER_MS);
	}
	sim_disk_stall(bench.disk, UINT64_MAX);
	bench_run(&bench, 10 * NS_PER_S);
	assert_false(bench.failed);
	assert_true(refused > 0);
	all_is_there();
	/* It goes on when there is room again. */
	append_op(&volumes[THIN], ENTRY_TRIM, 0, BLOCKS, 0);
	bench_run(&bench, 10 * NS_PER_S);
	thick_is_written_whole();
	all_is_there();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			it_is_written_whole_in_a_pool_that_thin_ones_fill, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(
			it_is_refused_where_its_room_is_not_free, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(it_keeps_more_when_it_grows, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(a_snapshot_keeps_all_of_it_anew, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(
			what_the_pool_has_not_got_is_not_promised, pool_make, pool_drop),
	};

	return cmocka_run_group_tests_name("store pool thick", tests, NULL, NULL);
}
