/* Three hundred snapshots, of which the middle hundred is removed while writes go on: their room comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "model.h"

#define DISK_BYTES    (UINT64_C(192) << 20)
#define JOURNAL_BYTES (UINT64_C(8) << 20)
#define VOLUME_BYTES  (UINT64_C(8) << 20)
#define BLOCKS        (VOLUME_BYTES / BLOCK_BYTES)
#define GRAINS        (VOLUME_BYTES / GRAIN_BYTES)
#define SNAPSHOTS     300u
#define FIRST_GONE    100u
#define END_GONE      200u

static struct bench bench;
static struct pool_replica *volume;
static struct random rnd;
static uint64_t tag, last_seq, now[BLOCKS];
static uint64_t views[SNAPSHOTS][BLOCKS];
static bool written[SNAPSHOTS + 1][GRAINS]; /* between a snapshot and the one before; the last: since */
static unsigned made;

static int pool_make(void **state)
{
	struct pool_replica_identity identity = { .replica.byte[0] = 1, .size_bytes = VOLUME_BYTES };

	(void)state;
	bench_begin(&bench, DISK_BYTES, JOURNAL_BYTES);
	bench.durable = bench_commit;
	volume = bench_replica(&bench, &identity);
	assert_int_equal(bench.rc, 0);
	random_init(&rnd, 1);
	return 0;
}

static int pool_drop(void **state)
{
	(void)state;
	bench_end(&bench);
	return 0;
}

static void append(enum entry_op op, uint64_t block, uint64_t blocks, struct uuid snapshot)
{
	struct entry *entry = entry_get(bench.entries);

	assert_non_null(entry);
	while (pool_replica_room(volume) < (blocks + 1) * BLOCK_BYTES)
		bench_run(&bench, NS_PER_MS);
	entry->epoch.number = 1;
	entry->seq = ++last_seq;
	entry->op = op;
	entry->attachment = snapshot;
	entry->offset_bytes = block * BLOCK_BYTES;
	entry->length_bytes = blocks * BLOCK_BYTES;
	tag++;
	if (op == ENTRY_WRITE) {
		entry->payload = buf_get(bench.bufs, (uint32_t)(blocks * BLOCK_BYTES));
		assert_non_null(entry->payload);
		entry->payload->len_bytes = (uint32_t)(blocks * BLOCK_BYTES);
		for (uint64_t i = 0; i < blocks; i++)
			block_fill(entry->payload->data + i * BLOCK_BYTES, tag, block + i);
		crc32c_blocks(entry->payload->data, blocks, entry->crc);
	}
	pool_replica_append(volume, entry);
	entry_put(entry);
	for (uint64_t i = 0; i < blocks; i++) {
		now[block + i] = op == ENTRY_WRITE ? tag : 0;
		written[made][(block + i) / GRAIN_BLOCKS] |= op == ENTRY_WRITE;
	}
}

/* Two whole grains, and four times a few blocks. */
static void write_some(void)
{
	const struct uuid none = { 0 };

	for (unsigned k = 0; k < 6; k++) {
		uint64_t blocks = k < 2 ? GRAIN_BLOCKS : 1 + random_below(&rnd, 3);
		uint64_t block = random_below(&rnd, BLOCKS - GRAIN_BLOCKS);

		if (k < 2)
			block = block / GRAIN_BLOCKS * GRAIN_BLOCKS;
		append(ENTRY_WRITE, block, blocks, none);
	}
	bench_run(&bench, 5 * NS_PER_MS);
}

/* Until all that is committed has moved the levels. */
static void settle(void)
{
	do
		bench_run(&bench, 20 * NS_PER_MS);
	while (pool_replica_levels_move(volume));
}

static void view_is(struct uuid snapshot, const uint64_t tags[static BLOCKS])
{
	struct buf *buf = buf_get(bench.bufs, GRAIN_BYTES);

	assert_non_null(buf);
	for (uint64_t block = 0; block < BLOCKS; block += GRAIN_BLOCKS) {
		assert_int_equal(
			bench_read(&bench, volume, snapshot, block * BLOCK_BYTES, GRAIN_BYTES, buf), 0);
		for (unsigned i = 0; i < GRAIN_BLOCKS; i++)
			assert_true(block_matches(
				buf->data + (size_t)i * BLOCK_BYTES, tags[block + i], block + i));
	}
	buf_put(buf);
}

/* Grains that what is left must have: of each level those that were written in it. */
static uint64_t grains_needed(void)
{
	bool level[GRAINS] = { false };
	uint64_t count = 0;

	for (unsigned n = 0; n <= SNAPSHOTS; n++) {
		for (unsigned i = 0; i < GRAINS; i++)
			level[i] |= written[n][i];
		if (n >= FIRST_GONE && n < END_GONE)
			continue;
		for (unsigned i = 0; i < GRAINS; i++)
			count += level[i];
		memset(level, 0, sizeof(level));
	}
	return count;
}

static struct pool_info info(void)
{
	struct pool_info now_info;

	pool_info_get(bench.pool, &now_info);
	return now_info;
}

static void room_comes_back(void **state)
{
	uint64_t before, needed;

	(void)state;
	while (made < SNAPSHOTS) {
		write_some();
		memcpy(views[made], now, sizeof(now));
		append(ENTRY_SNAPSHOT, 0, 0, model_snapshot_name(made + 1));
		made++;
		settle();
	}
	before = info().used_bytes / GRAIN_BYTES;
	for (unsigned n = FIRST_GONE; n < END_GONE; n++) {
		append(ENTRY_DELETE_SNAPSHOT, 0, 0, model_snapshot_name(n + 1));
		if (n % 4 == 0)
			write_some();
	}
	settle();
	for (unsigned k = 0; k < 600 && (k < 20 || info().merging_bytes > 0); k++)
		bench_run(&bench, 100 * NS_PER_MS);
	assert_int_equal(info().merging_bytes, 0);
	needed = grains_needed();
	print_message("before %u, now %u, needed %u grains\n", (unsigned)before,
		(unsigned)(info().used_bytes / GRAIN_BYTES), (unsigned)needed);
	assert_true(info().used_bytes / GRAIN_BYTES < before);
	assert_in_range(info().used_bytes / GRAIN_BYTES, needed, needed + needed / 50);
	assert_int_equal(pool_replica_snapshots(volume, NULL, 0), SNAPSHOTS - (END_GONE - FIRST_GONE));
	view_is((struct uuid){ 0 }, now);
	for (unsigned n = 0; n < SNAPSHOTS; n += n == FIRST_GONE - 1 ? END_GONE - FIRST_GONE + 1 : 1)
		if (n % 7 == 0 || n == FIRST_GONE - 1 || n == END_GONE)
			view_is(model_snapshot_name(n + 1), views[n]);
	/* A restart finds the same. */
	bench_close(&bench);
	assert_int_equal(bench_open(&bench), 0);
	volume = pool_replica_next(bench.pool, NULL);
	assert_false(pool_replica_state(volume)->incomplete);
	assert_in_range(info().used_bytes / GRAIN_BYTES, needed, needed + needed / 50);
	view_is(model_snapshot_name(END_GONE + 1), views[END_GONE]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(
		room_comes_back, pool_make, pool_drop) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
