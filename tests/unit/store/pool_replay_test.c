/* The ring is read back: what it says of replicas that are gone is not held against those that came after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench.h"

#define DISK_BYTES    (UINT64_C(64) << 20)
#define JOURNAL_BYTES (UINT64_C(1) << 20)
#define VOLUME_BYTES  (UINT64_C(8) << 20)

static struct bench bench, again;
static uint64_t copies;

/* After a loss of power now it is there, and not damaged. */
static void opens_sound(uint8_t number)
{
	struct pool_replica *replica;

	again.disk = sim_disk_crashed_copy(bench.disk, ++copies);
	assert_int_equal(bench_open(&again), 0);
	replica = pool_replica_find(again.pool, (struct uuid){ { number } });
	assert_non_null(replica);
	assert_false(pool_replica_state(replica)->incomplete);
	bench_close(&again);
	sim_disk_free(again.disk);
}

static int pool_make(void **state)
{
	(void)state;
	bench_init(&bench);
	bench_init(&again);
	bench.disk = sim_disk_new(DISK_BYTES, 1);
	bench.durable = bench_commit;
	assert_int_equal(bench_format(&bench, JOURNAL_BYTES), 0);
	assert_int_equal(bench_open(&bench), 0);
	return 0;
}

static int pool_drop(void **state)
{
	(void)state;
	bench_end(&bench);
	bench_done(&again);
	return 0;
}

/*
 * They come and go faster than the ring's tail moves: its older part has what one wrote without the record
 * that made it, and what the table says of the place is newer, written by the sweeps that move the tail.
 */
static void who_has_a_place_answers_for_nobody_before(void **state)
{
	struct pool_replica *replica = bench_numbered(&bench, 1, VOLUME_BYTES);

	(void)state;
	for (uint8_t number = 1; number < 100; number++) {
		for (uint64_t seq = 1; seq <= 2u + number % 6; seq++) {
			bench_append_block(&bench, replica, seq, seq % 100 * BLOCK_BYTES, (uint8_t)seq);
			bench_run(&bench, 10 * NS_PER_MS);
		}
		opens_sound(number);
		pool_replica_delete(replica, bench_finished, &bench);
		bench_wait(&bench);
		bench_run(&bench, 10 * NS_PER_MS);
		replica = bench_numbered(&bench, (uint8_t)(number + 1), VOLUME_BYTES);
		opens_sound((uint8_t)(number + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			who_has_a_place_answers_for_nobody_before, pool_make, pool_drop),
	};

	return cmocka_run_group_tests_name("store pool replay", tests, NULL, NULL);
}
