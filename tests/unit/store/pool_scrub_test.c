/* The scrub of a pool: its pace, what it gives way to, errors of the device, and where a restart goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bench.h"
#include "store/ondisk.h"

#define DISK_BYTES    (UINT64_C(64) << 20)
#define JOURNAL_BYTES (UINT64_C(4) << 20)
#define VOLUME_BYTES  (UINT64_C(16) << 20)
#define GRAINS        200u
#define HOUR_MS       UINT64_C(3600000)
#define UNLIMITED     UINT64_C(0)

static struct bench bench;
static struct pool_replica *replica;
static uint64_t seq;
static unsigned told;
static struct pool_bad last;

static void created(void *arg, int rc, struct pool_replica *made)
{
	replica = made;
	bench_finished(arg, rc);
}

/* Committed and everywhere as soon as it is durable. */
static void durable(void *arg, struct pool_replica *of, uint64_t up_to)
{
	(void)arg;
	pool_replica_commit_set(of, up_to);
	pool_replica_all_set(of, up_to);
}

static void bad(void *arg, const struct pool_bad *what)
{
	(void)arg;
	if (what->kind != POOL_BAD_GRAIN)
		return;
	told++;
	last = *what;
}

static struct pool_info info(void)
{
	struct pool_info found;

	pool_info_get(bench.pool, &found);
	return found;
}

static void write_grain(uint64_t index)
{
	struct entry *entry = entry_get(bench.entries);

	entry->epoch.number = 1;
	entry->seq = ++seq;
	entry->op = ENTRY_WRITE;
	entry->offset_bytes = index * GRAIN_BYTES;
	entry->length_bytes = GRAIN_BYTES;
	entry->payload = buf_get(bench.bufs, GRAIN_BYTES);
	entry->payload->len_bytes = GRAIN_BYTES;
	memset(entry->payload->data, (int)(index + 1), GRAIN_BYTES);
	crc32c_blocks(entry->payload->data, GRAIN_BLOCKS, entry->crc);
	pool_replica_append(replica, entry);
	entry_put(entry);
	bench_run(&bench, 10 * NS_PER_MS);
}

static int pool_make(void **state)
{
	const struct pool_replica_identity identity = { .replica = { { 3 } }, .size_bytes = VOLUME_BYTES };

	(void)state;
	bench_init(&bench);
	bench.disk = sim_disk_new(DISK_BYTES, 1);
	bench.durable = durable;
	bench.bad = bad;
	seq = told = 0;
	assert_int_equal(bench_format(&bench, JOURNAL_BYTES), 0);
	assert_int_equal(bench_open(&bench), 0);
	pool_replica_create(bench.pool, &identity, created, &bench);
	bench_wait(&bench);
	for (uint64_t index = 0; index < GRAINS; index++)
		write_grain(index);
	bench_run(&bench, 3 * NS_PER_S);
	assert_int_equal(info().used_bytes, (uint64_t)GRAINS * GRAIN_BYTES);
	return 0;
}

static int pool_drop(void **state)
{
	(void)state;
	bench_end(&bench);
	return 0;
}

/* The first block on the disk that holds this grain's content. */
static uint64_t grain_place(uint64_t index)
{
	uint8_t block[BLOCK_BYTES];
	struct superblock sb;
	uint64_t at;

	sim_disk_peek(bench.disk, 0, block, BLOCK_BYTES);
	assert_int_equal(superblock_decode(block, 0, &sb), 0);
	for (at = sb.geometry.grain_offset_bytes; at < DISK_BYTES - GRAIN_BYTES; at += GRAIN_BYTES) {
		sim_disk_peek(bench.disk, at, block, BLOCK_BYTES);
		if (block[0] == (uint8_t)(index + 1) && block[BLOCK_BYTES - 1] == (uint8_t)(index + 1))
			return at;
	}
	fail_msg("grain %u is not there", (unsigned)index);
	return 0;
}

static uint64_t checked(void)
{
	return info().scrub.since_open.checked_bytes;
}

static void a_pass_is_spread_evenly_over_its_period(void **state)
{
	uint64_t bytes[4];

	(void)state;
	pool_scrub_set(bench.pool, HOUR_MS, UNLIMITED, NULL);
	for (unsigned quarter = 0; quarter < 4; quarter++) {
		bench_run(&bench, HOUR_MS / 4 * NS_PER_MS);
		bytes[quarter] = checked();
	}
	for (unsigned quarter = 0; quarter < 3; quarter++)
		assert_in_range(bytes[quarter], GRAINS * GRAIN_BYTES / 5 * (quarter + 1),
			GRAINS * GRAIN_BYTES * 3 / 10 * (quarter + 1));
	assert_in_range(bytes[3], GRAINS * GRAIN_BYTES, GRAINS * GRAIN_BYTES * 11 / 10);
	bench_run(&bench, HOUR_MS / 100 * NS_PER_MS);
	assert_true(info().scrub.progress.whole_wall_ns > 0);
	assert_int_equal(info().scrub.since_open.bad_blocks, 0);
	assert_int_equal(told, 0);
	/* And then the next one. */
	bench_run(&bench, HOUR_MS * NS_PER_MS);
	assert_in_range(checked(), 2 * GRAINS * GRAIN_BYTES, GRAINS * GRAIN_BYTES * 23 / 10);
}

static void without_a_period_nothing_is_read_until_it_is_asked_for(void **state)
{
	(void)state;
	pool_scrub_set(bench.pool, 0, UNLIMITED, NULL);
	bench_run(&bench, 100 * NS_PER_S);
	assert_int_equal(checked(), 0);
	pool_scrub_now(bench.pool);
	bench_run(&bench, 10 * NS_PER_S);
	assert_true(info().scrub.progress.whole_wall_ns > 0);
	assert_true(checked() >= (uint64_t)GRAINS * GRAIN_BYTES);
	bench_run(&bench, 100 * NS_PER_S);
	assert_true(checked() < (uint64_t)GRAINS * GRAIN_BYTES * 11 / 10);
}

static void the_rate_is_a_bound_also_when_asked_for(void **state)
{
	(void)state;
	pool_scrub_set(bench.pool, 0, UINT64_C(1) << 20, NULL); /* the grains are 12.5 MiB */
	pool_scrub_now(bench.pool);
	bench_run(&bench, 6 * NS_PER_S);
	assert_in_range(checked(), UINT64_C(5) << 20, UINT64_C(7) << 20);
	bench_run(&bench, 9 * NS_PER_S);
	assert_true(info().scrub.progress.whole_wall_ns > 0);
}

/* A read that never ends for the application: there is always something in flight. */
static bool reading;
static struct pool_read app_read;

static void app_read_again(struct pool_read *read, int rc)
{
	assert_int_equal(rc, 0);
	if (reading)
		pool_read(read);
}

static void the_applications_io_goes_first_but_not_for_ever(void **state)
{
	uint64_t idle, busy;

	(void)state;
	sim_disk_latency(bench.disk, 100 * NS_PER_US);
	pool_scrub_set(bench.pool, 0, UNLIMITED, NULL);
	pool_scrub_now(bench.pool);
	bench_run(&bench, 20 * NS_PER_MS);
	idle = checked();
	reading = true;
	app_read = (struct pool_read){ .fn = app_read_again,
		.replica = replica,
		.length_bytes = BLOCK_BYTES,
		.into = buf_get(bench.bufs, BLOCK_BYTES) };
	pool_read(&app_read);
	bench_run(&bench, 20 * NS_PER_MS * 20);
	busy = checked() - idle;
	/* Twenty times as long, and less: one grain in each 20 ms. */
	assert_true(idle > 40 * GRAIN_BYTES);
	assert_in_range(busy, 15 * GRAIN_BYTES, 30 * GRAIN_BYTES);
	reading = false;
	bench_run(&bench, 10 * NS_PER_S);
	assert_true(info().scrub.progress.whole_wall_ns > 0);
	buf_put(app_read.into);
}

static void a_rotten_block_is_told_again_until_it_is_overwritten(void **state)
{
	(void)state;
	sim_disk_flip(bench.disk, grain_place(7) + 3 * BLOCK_BYTES + 99, 5);
	pool_scrub_set(bench.pool, 0, UNLIMITED, NULL);
	pool_scrub_now(bench.pool);
	bench_run(&bench, NS_PER_S / 2);
	assert_int_equal(told, 1);
	assert_true(last.news && last.kind == POOL_BAD_GRAIN && !last.device_error);
	assert_ptr_equal(last.replica, replica);
	assert_int_equal(last.index, 7);
	assert_int_equal(last.blocks, 1u << 3);
	assert_true(uuid_is_none(last.snapshot));
	assert_int_equal(info().scrub.known_bad, 1);
	bench_run(&bench, 5 * NS_PER_S);
	assert_in_range(told, 2, 4);
	assert_false(last.news);
	write_grain(7);
	bench_run(&bench, 10 * NS_PER_S);
	assert_int_equal(info().scrub.known_bad, 0);
	assert_int_equal(info().scrub.progress.whole.bad_blocks, 1);
	assert_int_equal(info().scrub.progress.whole.repaired_blocks, 0);
}

static void an_error_of_the_device_that_does_not_come_again_is_only_counted(void **state)
{
	(void)state;
	pool_scrub_set(bench.pool, 0, UNLIMITED, NULL);
	sim_disk_fail(bench.disk, 40, -EIO, false);
	pool_scrub_now(bench.pool);
	bench_run(&bench, 10 * NS_PER_S);
	assert_int_equal(told, 0);
	assert_int_equal(info().read_errors, 1);
	assert_int_equal(info().scrub.known_bad, 0);
	assert_true(info().scrub.progress.whole_wall_ns > 0);
}

static void blocks_that_the_device_can_not_read_are_told_as_such(void **state)
{
	(void)state;
	pool_scrub_set(bench.pool, 0, UNLIMITED, NULL);
	pool_scrub_now(bench.pool);
	bench_run(&bench, 2 * NS_PER_MS);
	sim_disk_fail(bench.disk, 1, -EIO, true);
	for (unsigned i = 0; i < 1000 && told == 0; i++)
		bench_run(&bench, 20 * NS_PER_US);
	sim_disk_fail(bench.disk, 0, 0, false);
	assert_true(told > 0 && last.device_error);
	assert_int_equal(last.blocks, UINT16_MAX);
	assert_false(info().failed);
	assert_true(info().read_errors > 0);
	/* It reads them again. */
	bench_run(&bench, 100 * NS_PER_S);
	assert_int_equal(info().scrub.known_bad, 0);
}

static void app_read_ended(struct pool_read *read, int rc)
{
	buf_put(read->into);
	bench_finished(&bench, rc);
}

static void read_fails_in(uint32_t grain)
{
	struct pool_read read = { .fn = app_read_ended, .replica = replica, .length_bytes = BLOCK_BYTES };

	read.offset_bytes = (uint64_t)grain * GRAIN_BYTES;
	read.into = buf_get(bench.bufs, BLOCK_BYTES);
	sim_disk_fail(bench.disk, 1, -EIO, false);
	pool_read(&read);
	bench_wait(&bench);
	assert_int_equal(bench.rc, -EIO);
}

/* The application's reads and the scrub's count alike: places, not reads. */
static void a_device_that_fails_reads_in_many_places_ends_the_pool(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40 && !info().failed; i++) {
		assert_int_equal(info().read_errors, i);
		assert_true(i < 32);
		read_fails_in(i);
	}
	assert_true(info().failed);
	assert_string_equal(
		info().why, "the device has failed reads in 32 places within an hour: Input/output error");
}

/* What failed an hour ago counts no more. */
static void places_that_fail_now_and_then_leave_the_pool_alone(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		read_fails_in(i);
		bench_run(&bench, HOUR_MS / 30 * NS_PER_MS);
	}
	assert_false(info().failed);
}

static void a_restart_goes_on_where_the_pass_was(void **state)
{
	struct pool_scrub_progress progress;
	uint64_t before;

	(void)state;
	pool_scrub_set(bench.pool, HOUR_MS, UNLIMITED, NULL);
	bench_run(&bench, HOUR_MS / 4 * NS_PER_MS);
	progress = info().scrub.progress;
	before = progress.pass.checked_bytes;
	assert_true(progress.page > 0 && before > 0);
	bench_close(&bench);
	assert_int_equal(bench_open(&bench), 0);
	replica = pool_replica_next(bench.pool, NULL);
	pool_scrub_set(bench.pool, HOUR_MS, UNLIMITED, &progress);
	assert_int_equal(info().scrub.progress.page, progress.page);
	bench_run(&bench, HOUR_MS * 4 / 5 * NS_PER_MS);
	assert_true(info().scrub.progress.whole_wall_ns > 0);
	assert_in_range(info().scrub.progress.whole.checked_bytes, GRAINS * GRAIN_BYTES,
		GRAINS * GRAIN_BYTES * 6 / 5);
	assert_true(checked() < (uint64_t)GRAINS * GRAIN_BYTES + before);
}

static void a_superblock_of_somebody_else_ends_the_pool(void **state)
{
	uint8_t block[BLOCK_BYTES];
	struct superblock sb;

	(void)state;
	sim_disk_peek(bench.disk, 0, block, BLOCK_BYTES);
	assert_int_equal(superblock_decode(block, 0, &sb), 0);
	sb.pool.byte[15] ^= 1;
	superblock_encode(&sb, 0, block);
	sim_disk_poke(bench.disk, 0, block, BLOCK_BYTES);
	pool_scrub_set(bench.pool, 0, UNLIMITED, NULL);
	pool_scrub_now(bench.pool);
	bench_run(&bench, NS_PER_S);
	assert_true(info().failed);
	assert_non_null(strstr(bench.error.text, "somebody else has written a superblock"));
	sim_disk_peek(bench.disk, 0, block, BLOCK_BYTES);
	assert_int_equal(superblock_decode(block, 0, &sb), 0);
	assert_int_equal(sb.pool.byte[15] & 1, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_make, pool_drop)
	const struct CMUnitTest tests[] = {
		TEST(a_pass_is_spread_evenly_over_its_period),
		TEST(without_a_period_nothing_is_read_until_it_is_asked_for),
		TEST(the_rate_is_a_bound_also_when_asked_for),
		TEST(the_applications_io_goes_first_but_not_for_ever),
		TEST(a_rotten_block_is_told_again_until_it_is_overwritten),
		TEST(an_error_of_the_device_that_does_not_come_again_is_only_counted),
		TEST(blocks_that_the_device_can_not_read_are_told_as_such),
		TEST(a_device_that_fails_reads_in_many_places_ends_the_pool),
		TEST(places_that_fail_now_and_then_leave_the_pool_alone),
		TEST(a_restart_goes_on_where_the_pass_was),
		TEST(a_superblock_of_somebody_else_ends_the_pool),
	};

	return cmocka_run_group_tests_name("store pool scrub", tests, NULL, NULL);
}
