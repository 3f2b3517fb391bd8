/* A pool that is filled to its last grain: it refuses early, keeps reading and trimming, and recovers. */
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

#define DISK_BYTES    (UINT64_C(24) << 20)
#define JOURNAL_BYTES (UINT64_C(2) << 20)
#define VOLUMES       3u
#define VOLUME_BYTES  (UINT64_C(16) << 20) /* three of them: more than twice what there is */
#define VOLUME_BLOCKS (VOLUME_BYTES / BLOCK_BYTES)

struct volume {
	struct pool_replica *replica;
	uint64_t tags[VOLUME_BLOCKS]; /* 0: zeroes */
	uint64_t appended;
};

static struct bench bench;
static struct volume volumes[VOLUMES];
static struct random rnd;
static uint64_t tag;

static int pool_make(void **state)
{
	(void)state;
	bench_begin(&bench, DISK_BYTES, JOURNAL_BYTES);
	bench.durable = bench_commit;
	for (unsigned i = 0; i < VOLUMES; i++) {
		struct pool_replica_identity identity = { .size_bytes = VOLUME_BYTES };

		identity.replica.byte[0] = (uint8_t)(i + 1);
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

/* False where there is no room. */
static bool append(struct volume *v, enum entry_op op, uint64_t block, uint64_t blocks)
{
	struct entry *entry;

	if (pool_replica_room(v->replica) < (op == ENTRY_WRITE ? blocks * BLOCK_BYTES : 1) &&
		op == ENTRY_WRITE)
		return false;
	entry = entry_get(bench.entries);
	assert_non_null(entry);
	entry->epoch.number = 1;
	entry->seq = ++v->appended;
	entry->op = op;
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
	pool_replica_append(v->replica, entry);
	entry_put(entry);
	for (uint64_t i = 0; i < blocks; i++)
		v->tags[block + i] = op == ENTRY_WRITE ? tag : 0;
	return true;
}

/* Writes until every volume is refused; returns how many were taken. */
static unsigned fill(void)
{
	unsigned taken = 0, refused = 0;

	while (refused < 200) {
		struct volume *v = &volumes[random_below(&rnd, VOLUMES)];
		uint64_t blocks = random_chance(&rnd, 1, 3) ? GRAIN_BLOCKS : 1 + random_below(&rnd, 4);
		uint64_t block = random_below(&rnd, VOLUME_BLOCKS - blocks);

		if (append(v, ENTRY_WRITE, block, blocks)) {
			taken++;
			refused = 0;
		} else {
			refused++;
		}
		if (random_chance(&rnd, 1, 4) || refused > 0)
			bench_run(&bench, 20 * NS_PER_MS);
		assert_true(taken < 100000);
	}
	return taken;
}

static void all_is_there(void)
{
	struct buf *buf = buf_get(bench.bufs, GRAIN_BYTES);

	for (unsigned i = 0; i < VOLUMES; i++) {
		for (uint64_t block = 0; block < VOLUME_BLOCKS; block += GRAIN_BLOCKS) {
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

/* What is in use is what the volumes hold, grain by grain. */
static uint64_t grains_expected(void)
{
	uint64_t grains = 0;

	for (unsigned i = 0; i < VOLUMES; i++) {
		for (uint64_t block = 0; block < VOLUME_BLOCKS; block += GRAIN_BLOCKS) {
			bool some = false;

			for (unsigned k = 0; k < GRAIN_BLOCKS; k++)
				some = some || volumes[i].tags[block + k] != 0;
			grains += some;
		}
	}
	return grains;
}

static void trim_some(void)
{
	for (unsigned i = 0; i < VOLUMES; i++) {
		for (unsigned k = 0; k < 12; k++) {
			uint64_t at = random_below(&rnd, VOLUME_BLOCKS / GRAIN_BLOCKS) * GRAIN_BLOCKS;
			uint64_t blocks = GRAIN_BLOCKS * (1 + random_below(&rnd, 8));

			if (at + blocks > VOLUME_BLOCKS)
				blocks = VOLUME_BLOCKS - at;
			assert_true(append(&volumes[i], ENTRY_TRIM, at, blocks));
			bench_run(&bench, 20 * NS_PER_MS);
		}
	}
	bench_run(&bench, 10 * NS_PER_S);
}

static void full_pool_refuses_reads_trims_and_recovers(void **state)
{
	struct pool_info info;

	(void)state;
	for (unsigned round = 0; round < 6; round++) {
		unsigned taken = fill();

		assert_true(taken > 20);
		bench_run(&bench, 10 * NS_PER_S);
		assert_false(bench.failed);
		pool_info_get(bench.pool, &info);
		assert_int_equal(info.used_bytes / GRAIN_BYTES, grains_expected());
		assert_true(info.used_bytes * 100 > info.size_bytes * 90);
		all_is_there();
		trim_some();
		pool_info_get(bench.pool, &info);
		assert_int_equal(info.used_bytes / GRAIN_BYTES, grains_expected());
		all_is_there();
	}
	/* And after a restart. */
	bench_close(&bench);
	assert_int_equal(bench_open(&bench), 0);
	for (unsigned i = 0; i < VOLUMES; i++) {
		struct uuid replica = { { (uint8_t)(i + 1) } };

		volumes[i].replica = pool_replica_find(bench.pool, replica);
		assert_non_null(volumes[i].replica);
		assert_false(pool_replica_state(volumes[i].replica)->incomplete);
	}
	pool_info_get(bench.pool, &info);
	assert_int_equal(info.used_bytes / GRAIN_BYTES, grains_expected());
	all_is_there();
}

/* ---- as many replicas as it says ---- */

static int replica_make(unsigned number)
{
	struct pool_replica_identity identity = { .size_bytes = VOLUME_BYTES };

	identity.replica.byte[0] = (uint8_t)number;
	identity.replica.byte[1] = (uint8_t)(number >> 8);
	identity.replica.byte[2] = 1;
	(void)bench_replica(&bench, &identity);
	return bench.rc;
}

/* Whoever places replicas goes by the number: it is neither too high, nor lower than it need be. */
static void a_pool_takes_as_many_replicas_as_it_says(void **state)
{
	struct pool_info info;
	unsigned count = VOLUMES;

	(void)state;
	pool_info_get(bench.pool, &info);
	assert_true(info.replica_limit > VOLUMES);
	for (; count < info.replica_limit; count++)
		assert_int_equal(replica_make(count), 0);
	assert_int_equal(replica_make(count), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			full_pool_refuses_reads_trims_and_recovers, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(
			a_pool_takes_as_many_replicas_as_it_says, pool_make, pool_drop),
	};

	return cmocka_run_group_tests_name("store pool full", tests, NULL, NULL);
}
