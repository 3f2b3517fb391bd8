/* The probe of a pool's speed: right figures, free grains only, and it gives way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "fingerprint/fingerprint.h"
#include "model.h"
#include "store/ondisk.h"
#include "store/probe.h"

#define DISK_BYTES    (UINT64_C(64) << 20)
#define JOURNAL_BYTES (UINT64_C(4) << 20)
#define VOLUME_BYTES  (UINT64_C(16) << 20)
#define BUDGET_MS     500u
#define BLOCKS        (VOLUME_BYTES / BLOCK_BYTES)

static struct bench bench;
static struct pool_replica *replica;
static struct pool_probe *probe;
static uint64_t appended;
static int probe_rc;
static bool probed;
static const char *faults;

static void wrap(struct bench *b, struct device **device)
{
	assert_int_equal(device_wrap(&b->loop, faults, device, &b->error), 0);
}

static int setup(void **state)
{
	(void)state;
	bench_init(&bench);
	bench.disk = sim_disk_new(DISK_BYTES, 1);
	bench.durable = bench_commit;
	bench.wrap = wrap;
	faults = "";
	appended = 0;
	assert_int_equal(bench_format(&bench, JOURNAL_BYTES), 0);
	assert_int_equal(pool_probe_new(BUDGET_MS, &probe), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (bench.pool)
		bench_close(&bench);
	pool_probe_free(probe);
	sim_disk_free(bench.disk);
	bench_done(&bench);
	return 0;
}

static void told(void *arg, int rc)
{
	(void)arg;
	probe_rc = rc;
	probed = true;
	bench_finished(&bench, rc);
}

static int probe_run(void)
{
	probed = false;
	pool_probe_run(bench.pool, probe, told, NULL);
	assert_false(probed);
	bench_wait(&bench);
	assert_true(probed);
	return probe_rc;
}

static void replica_make(void)
{
	struct pool_replica_identity identity = { .size_bytes = VOLUME_BYTES, .replica = { { 1 } } };

	replica = bench_replica(&bench, &identity);
	assert_int_equal(bench.rc, 0);
}

/* Block `block` gets tag block + 1. */
static void append(uint64_t block)
{
	struct entry *entry = entry_get(bench.entries);

	assert_non_null(entry);
	entry->epoch.number = 1;
	entry->seq = ++appended;
	entry->op = ENTRY_WRITE;
	entry->offset_bytes = block * BLOCK_BYTES;
	entry->length_bytes = BLOCK_BYTES;
	entry->payload = buf_get(bench.bufs, BLOCK_BYTES);
	assert_non_null(entry->payload);
	entry->payload->len_bytes = BLOCK_BYTES;
	block_fill(entry->payload->data, block + 1, block);
	crc32c_blocks(entry->payload->data, 1, entry->crc);
	pool_replica_append(replica, entry);
	entry_put(entry);
}

static void block_check(uint64_t block)
{
	struct buf *buf = buf_get(bench.bufs, BLOCK_BYTES);

	assert_int_equal(
		bench_read(&bench, replica, (struct uuid){ 0 }, block * BLOCK_BYTES, BLOCK_BYTES, buf), 0);
	assert_true(block_matches(buf->data, block + 1, block));
	buf_put(buf);
}

/* Every third grain has a block of its own. */
static void volume_fill(void)
{
	for (uint64_t block = 0; block < BLOCKS; block += 3 * GRAIN_BLOCKS + 1) {
		append(block);
		bench_run(&bench, 10 * NS_PER_MS);
	}
	bench_run(&bench, 10 * NS_PER_S);
}

static void volume_check(void)
{
	for (uint64_t block = 0; block < BLOCKS; block += 3 * GRAIN_BLOCKS + 1)
		block_check(block);
}

/* ---- the figures ---- */

static void the_devices_delay_is_what_is_measured_and_decides_the_tier(void **state)
{
	static const struct {
		const char *faults;
		uint32_t write_us;
		enum tier tier;
	} rows[] = {
		{ "delay:write=5ms", 5000, TIER_LOW },
		{ "delay:write=300us", 300, TIER_MEDIUM },
		{ "delay:write=50us", 50, TIER_HIGH },
		{ "delay:flush=5ms", 5000, TIER_LOW },
	};
	const struct device_facts facts = { .bus = BUS_NVME };

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct pool_probe_figures *f;
		char reason[TIER_REASON_MAX];
		struct measurement m;

		faults = rows[i].faults;
		assert_int_equal(bench_open(&bench), 0);
		assert_int_equal(probe_run(), 0);
		f = pool_probe_figures(probe);
		/* Above that the simulated disk's own: 10 to 40 us a write and a flush each. */
		assert_in_range(f->write_p50_us, rows[i].write_us + 20, rows[i].write_us + 100);
		assert_in_range(f->write_p99_us, f->write_p50_us, rows[i].write_us + 100);
		assert_in_range(f->read_p50_us, 10, 50);
		assert_in_range(f->read_iops, 200000, 1600000);
		assert_true(f->samples_write >= 16 && f->samples_read == 512);
		assert_true(f->read_mib_s > 0 && f->write_mib_s > 0);
		assert_true(f->took_ms <= BUDGET_MS + 20);
		m = (struct measurement){ .read_p50_us = f->read_p50_us,
			.write_p50_us = f->write_p50_us,
			.samples_read = f->samples_read,
			.samples_write = f->samples_write };
		assert_int_equal(tier_judge(&facts, &m, reason), rows[i].tier);
		bench_close(&bench);
	}
}

/* ---- where it writes ---- */

/* Byte by byte: what differs lies in a grain that nothing was in. */
static void only_free_grains_are_written(void **state)
{
	uint8_t *before = malloc(DISK_BYTES), *after = malloc(DISK_BYTES);
	uint64_t written = 0;

	(void)state;
	assert_true(before && after);
	assert_int_equal(bench_open(&bench), 0);
	replica_make();
	volume_fill();
	sim_disk_peek(bench.disk, 0, before, DISK_BYTES);
	assert_int_equal(probe_run(), 0);
	sim_disk_peek(bench.disk, 0, after, DISK_BYTES);
	for (uint64_t at = 0; at < DISK_BYTES; at += BLOCK_BYTES) {
		if (memcmp(before + at, after + at, BLOCK_BYTES) == 0)
			continue;
		written++;
		for (unsigned i = 0; i < BLOCK_BYTES; i++)
			assert_int_equal(before[at + i], 0);
	}
	assert_true(written > 100 && written < DISK_BYTES / BLOCK_BYTES / 3);
	volume_check();
	bench_close(&bench);
	assert_int_equal(bench_open(&bench), 0);
	replica = pool_replica_find(bench.pool, (struct uuid){ { 1 } });
	assert_non_null(replica);
	volume_check();
	free(before);
	free(after);
}

static void grains_come_back_each_time(void **state)
{
	(void)state;
	assert_int_equal(bench_open(&bench), 0);
	pool_probe_free(probe);
	assert_int_equal(pool_probe_new(20, &probe), 0);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(probe_run(), 0);
}

/* ---- it gives way ---- */

static void a_write_ends_it_and_is_not_held_up(void **state)
{
	uint64_t from_ns;

	(void)state;
	faults = "delay:write=5ms";
	assert_int_equal(bench_open(&bench), 0);
	replica_make();
	for (unsigned ms = 1; ms < 400; ms += 39) {
		bench_run(&bench, NS_PER_S);
		probed = false;
		pool_probe_run(bench.pool, probe, told, NULL);
		bench_run(&bench, ms * NS_PER_MS);
		assert_false(probed);
		from_ns = bench.now_ns;
		append(ms % BLOCKS);
		bench.done = false;
		bench_wait(&bench);
		assert_int_equal(probe_rc, -EAGAIN);
		assert_true(bench.now_ns - from_ns < 12 * NS_PER_MS);
		bench_run(&bench, 50 * NS_PER_MS);
		assert_true(pool_replica_durable_seq(replica) == appended);
		block_check(ms % BLOCKS);
	}
}

static void a_busy_pool_is_not_measured(void **state)
{
	int rc = -EAGAIN;

	(void)state;
	assert_int_equal(bench_open(&bench), 0);
	replica_make();
	append(1);
	assert_int_equal(probe_run(), -EAGAIN);
	/* What follows a write by itself (a mark, a sweep) ends it as well; then all is quiet. */
	for (unsigned i = 0; i < 5 && rc == -EAGAIN; i++) {
		bench_run(&bench, NS_PER_S);
		rc = probe_run();
	}
	assert_int_equal(rc, 0);
}

static void closing_ends_it(void **state)
{
	(void)state;
	faults = "delay:write=5ms";
	assert_int_equal(bench_open(&bench), 0);
	probed = false;
	pool_probe_run(bench.pool, probe, told, NULL);
	bench_run(&bench, 100 * NS_PER_MS);
	pool_close(bench.pool, bench_finished, &bench);
	bench_wait(&bench);
	bench.pool = NULL;
	assert_true(probed);
	assert_int_equal(probe_rc, -ECANCELED);
	bench_run(&bench, NS_PER_S);
}

static void a_failed_write_or_flush_fails_the_pool(void **state)
{
	static const char *const words[] = { "error:on=write,after=120,count=1",
		"error:on=flush,after=40,count=1" };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		faults = words[i];
		assert_int_equal(bench_open(&bench), 0);
		assert_int_equal(probe_run(), -EIO);
		bench_run(&bench, NS_PER_S);
		assert_true(bench.failed);
		assert_non_null(strstr(bench.error.text, "measuring"));
		assert_int_equal(probe_run(), -EIO);
		bench_close(&bench);
	}
}

/* Who measures is told when the pool fails; what the device may still write to goes with its answer. */
static void a_device_that_hangs_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(bench_open(&bench), 0);
	probed = false;
	pool_probe_run(bench.pool, probe, told, NULL);
	bench_run(&bench, 5 * NS_PER_MS);
	sim_disk_hang(bench.disk, 1, UINT64_MAX);
	bench_run(&bench, 9 * NS_PER_S);
	assert_false(probed);
	bench_run(&bench, 3 * NS_PER_S);
	assert_true(probed);
	assert_int_equal(probe_rc, -EIO);
	assert_true(bench.failed);
	pool_probe_free(probe);
	probe = NULL;
	sim_disk_hang(bench.disk, 0, 0);
	bench_run(&bench, NS_PER_S);
	bench.done = false;
}

static void a_failed_read_is_told_and_fails_nothing(void **state)
{
	(void)state;
	faults = "error:on=read,after=100,count=1";
	assert_int_equal(bench_open(&bench), 0);
	pool_probe_free(probe);
	assert_int_equal(pool_probe_new(20, &probe), 0);
	assert_int_equal(probe_run(), -EIO);
	bench_run(&bench, NS_PER_S);
	assert_false(bench.failed);
	assert_int_equal(probe_run(), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_devices_delay_is_what_is_measured_and_decides_the_tier),
		TEST(only_free_grains_are_written),
		TEST(grains_come_back_each_time),
		TEST(a_write_ends_it_and_is_not_held_up),
		TEST(a_busy_pool_is_not_measured),
		TEST(closing_ends_it),
		TEST(a_failed_write_or_flush_fails_the_pool),
		TEST(a_failed_read_is_told_and_fails_nothing),
		TEST(a_device_that_hangs_is_not_waited_for),
	};

	return cmocka_run_group_tests_name("store probe", tests, NULL, NULL);
}
