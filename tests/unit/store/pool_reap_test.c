/* What nothing reaches any more is given back in turns, and counts as on its way until then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench.h"
#include "store/pool.h"

#define DISK_BYTES    (UINT64_C(384) << 20)
#define JOURNAL_BYTES (UINT64_C(4) << 20)
#define GRAINS        3000u
#define VOLUME_BYTES  (GRAINS * (uint64_t)GRAIN_BYTES)

static struct bench bench;
static struct pool_replica *replica;

static int pool_make(void **state)
{
	(void)state;
	bench_begin(&bench, DISK_BYTES, JOURNAL_BYTES);
	bench.durable = bench_commit;
	replica = bench_numbered(&bench, 1, VOLUME_BYTES);
	return 0;
}

static int pool_drop(void **state)
{
	(void)state;
	bench_end(&bench);
	return 0;
}

/* A block of each grain. */
static void write_grains(struct pool_replica *to, uint64_t count, uint8_t byte)
{
	for (uint64_t seq = 1; seq <= count; seq++) {
		bench_append_block(&bench, to, seq, (seq - 1) * GRAIN_BYTES, byte);
		if (seq % 32 == 0 || seq == count) {
			pool_replica_applied_wait(to, seq, bench_finished, &bench);
			bench_wait(&bench);
		}
	}
}

static struct pool_info sums_add_up(void)
{
	struct pool_info info;

	pool_info_get(bench.pool, &info);
	assert_int_equal(info.used_bytes + info.free_bytes + info.freeing_bytes, info.size_bytes);
	assert_int_equal(info.unowned_bytes, 0);
	return info;
}

static void a_large_replica_is_given_back_in_turns(void **state)
{
	const struct list *dead = &bench.pool->reap.layers;
	struct pool_replica *other;
	unsigned turns = 0;
	struct buf *into;

	(void)state;
	write_grains(replica, GRAINS, 'a');
	assert_int_equal(sums_add_up().used_bytes, VOLUME_BYTES);
	pool_replica_delete(replica, bench_finished, &bench);
	bench_wait(&bench);
	for (uint64_t left = GRAINS; left > 0; turns++) {
		uint64_t now = 0;

		assert_true(turns < 10 * GRAINS);
		bench_run(&bench, NS_PER_MS / 2);
		if (!list_is_empty(dead))
			now = list_entry(dead->next, struct layer, owned)->grains;
		else if (sums_add_up().used_bytes > 0)
			continue; /* its reads, and the batch that ends it, first */
		assert_true(left - now <= GRAINS / 2);
		assert_int_equal(sums_add_up().used_bytes, 0);
		left = now;
	}
	/* Others are made and written as ever, into what it had. */
	other = bench_numbered(&bench, 2, VOLUME_BYTES);
	write_grains(other, GRAINS, 'b');
	into = buf_get(bench.bufs, BLOCK_BYTES);
	assert_int_equal(bench_read(&bench, other, (struct uuid){ { 0 } }, VOLUME_BYTES - GRAIN_BYTES,
				 BLOCK_BYTES, into),
		0);
	assert_int_equal(into->data[5], 'b');
	buf_put(into);
}

/* Closed in the middle: the next open knows that it is dead. */
static void what_is_left_is_given_back_by_the_next_open(void **state)
{
	(void)state;
	write_grains(replica, GRAINS, 'a');
	pool_replica_delete(replica, bench_finished, &bench);
	bench_wait(&bench);
	for (unsigned i = 0; list_is_empty(&bench.pool->reap.layers); i++) {
		assert_true(i < 1000);
		bench_run(&bench, NS_PER_MS / 10);
	}
	bench_close(&bench);
	assert_int_equal(bench_open(&bench), 0);
	assert_int_equal(sums_add_up().used_bytes, 0);
	assert_true(list_is_empty(&bench.pool->reap.layers));
	write_grains(bench_numbered(&bench, 2, VOLUME_BYTES), GRAINS, 'b');
	assert_int_equal(sums_add_up().used_bytes, VOLUME_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_large_replica_is_given_back_in_turns, pool_make, pool_drop),
		cmocka_unit_test_setup_teardown(
			what_is_left_is_given_back_by_the_next_open, pool_make, pool_drop),
	};

	return cmocka_run_group_tests_name("store pool reap", tests, NULL, NULL);
}
