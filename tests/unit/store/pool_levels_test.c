/* Who looks through the grains of a level holds nobody up for long, however much of it there is to look
 * through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench.h"
#include "store/checksums.h"

#define DISK_BYTES    (UINT64_C(1) << 30)
#define JOURNAL_BYTES (UINT64_C(4) << 20)
#define GRAINS        3000u
#define LEVELS        4u
#define VOLUME_BYTES  (GRAINS * (uint64_t)GRAIN_BYTES)

static struct bench bench;
static struct pool_replica *replica;
static uint64_t last_seq;

static void settle(void)
{
	pool_replica_applied_wait(replica, last_seq, bench_finished, &bench);
	bench_wait(&bench);
}

static void snapshot_take(uint8_t n)
{
	struct entry *entry = entry_get(bench.entries);

	assert_non_null(entry);
	entry->epoch.number = 1;
	entry->seq = ++last_seq;
	entry->op = ENTRY_SNAPSHOT;
	entry->attachment = (struct uuid){ { n } };
	pool_replica_append(replica, entry);
	entry_put(entry);
	settle();
}

/* All grains in each of the snapshots, none above them. */
static int pool_make(void **state)
{
	(void)state;
	last_seq = 0;
	bench_begin(&bench, DISK_BYTES, JOURNAL_BYTES);
	bench.durable = bench_commit;
	replica = bench_numbered(&bench, 1, VOLUME_BYTES);
	for (uint8_t n = 1; n <= LEVELS; n++) {
		for (uint64_t index = 0; index < GRAINS; index++) {
			bench_append_block(&bench, replica, ++last_seq, index * GRAIN_BYTES, n);
			if (index % 32 == 31 || index == GRAINS - 1)
				settle();
		}
		snapshot_take(n);
	}
	return 0;
}

static int pool_drop(void **state)
{
	(void)state;
	bench_end(&bench);
	return 0;
}

static struct grain_level level_of(uint8_t snapshot)
{
	return (struct grain_level){ .snapshot = { { snapshot } } };
}

/* The top has none of them: each grain is looked at in vain. */
static void a_search_in_vain_ends_with_its_turn(void **state)
{
	unsigned turns = 0;
	uint64_t index = 0;

	(void)state;
	while (index != UINT64_MAX) {
		uint64_t next;

		pool_replica_grains_turn(replica, true);
		assert_false(pool_replica_grains_enough(replica));
		next = pool_replica_level_next(replica, level_of(0), index);
		assert_true(next == UINT64_MAX || (next > index && pool_replica_grains_enough(replica)));
		pool_replica_grains_turn(replica, false);
		index = next;
		turns++;
	}
	assert_true(turns > 1);
}

/* Each is found at once, and what it says is looked up through all that stand above one another. */
static void what_is_found_takes_its_share_of_the_turn(void **state)
{
	unsigned turns = 0, found = 0;
	uint64_t index = 0;

	(void)state;
	while (index != UINT64_MAX) {
		struct grain_state is;

		pool_replica_grains_turn(replica, true);
		do {
			index = pool_replica_level_next(replica, level_of(2), index);
			if (index == UINT64_MAX)
				break;
			assert_true(pool_replica_grain_view(replica, level_of(2), index, &is));
			found++;
			index++;
		} while (!pool_replica_grains_enough(replica));
		pool_replica_grains_turn(replica, false);
		turns++;
		bench_run(&bench, NS_PER_MS);
	}
	assert_int_equal(found, GRAINS);
	assert_true(turns > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_search_in_vain_ends_with_its_turn),
		cmocka_unit_test(what_is_found_takes_its_share_of_the_turn),
	};

	return cmocka_run_group_tests_name("store pool levels", tests, pool_make, pool_drop);
}
