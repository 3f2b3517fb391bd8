/* The simulated kvdb passes the suite, and its faults are what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kvdb_sim.h"
#include "kvdb_suite.h"

static uint64_t virtual_now_ns;

static uint64_t virtual_now(const struct clock *clock)
{
	(void)clock;
	return virtual_now_ns;
}

static const struct clock virtual_clock = { .now_ns = virtual_now, .wall_ns = virtual_now };

struct fixture {
	struct loop loop;
	struct kvdb_sim *sim;
	struct kvdb_suite suite;
};

static struct kvdb *fixture_open(void *user)
{
	return kvdb_sim_open(((struct fixture *)user)->sim);
}

static void fixture_turn(void *user)
{
	struct fixture *fixture = user;
	uint64_t due_ns = loop_next_due_ns(&fixture->loop);
	uint64_t most_ns = virtual_now_ns + 50 * NS_PER_MS;

	virtual_now_ns = due_ns < most_ns ? (due_ns > virtual_now_ns ? due_ns : virtual_now_ns) : most_ns;
	loop_run_due(&fixture->loop);
}

static uint64_t fixture_now(void *user)
{
	(void)user;
	return virtual_now_ns;
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	virtual_now_ns = 1000 * NS_PER_S;
	assert_int_equal(loop_init(&fixture->loop, &virtual_clock), 0);
	loop_run_due(&fixture->loop);
	fixture->sim = kvdb_sim_new(&fixture->loop, 7);
	fixture->suite = (struct kvdb_suite){ fixture_open, fixture_turn, fixture_now, fixture };
	*state = &fixture->suite;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = ((struct kvdb_suite *)*state)->user;

	kvdb_sim_free(fixture->sim);
	loop_done(&fixture->loop);
	free(fixture);
	return 0;
}

static void out_of_reach_is_eagain_and_nothing_is_written(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct kvdb *a = suite->open(suite->user);
	uint64_t revision = kvdb_sim_revision(fixture->sim);

	kvdb_sim_cut(a, true);
	assert_int_equal(kvdb_suite_put(suite, a, "/k", "v", 0, NULL).rc, -EAGAIN);
	assert_true(kvdb_sim_revision(fixture->sim) == revision);
	kvdb_sim_cut(a, false);
	assert_int_equal(kvdb_suite_put(suite, a, "/k", "v", 0, NULL).rc, 0);
	kvdb_suite_close(suite, a);
}

static void a_lost_answer_is_etimedout_and_the_write_is_there(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb_sim_faults faults = { .delay_min_us = 10, .delay_max_us = 20, .lose_answer = 1000 };

	kvdb_sim_faults_set(fixture->sim, &faults);
	assert_int_equal(kvdb_suite_put(suite, a, "/k", "v", 0, NULL).rc, -ETIMEDOUT);
	faults.lose_answer = 0;
	kvdb_sim_faults_set(fixture->sim, &faults);
	assert_int_equal(kvdb_suite_get(suite, a, "/k").rc, 0);
	kvdb_suite_close(suite, a);
}

static void a_call_that_never_reached_the_server_in_time_is_eagain(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct kvdb *a = suite->open(suite->user);
	struct kvdb_sim_faults faults = { .delay_min_us = 8000000, .delay_max_us = 9000000 };

	kvdb_sim_faults_set(fixture->sim, &faults);
	assert_int_equal(kvdb_suite_put(suite, a, "/k", "v", 0, NULL).rc, -EAGAIN);
	kvdb_sim_faults_set(fixture->sim, &(struct kvdb_sim_faults){ .delay_max_us = 5 });
	assert_int_equal(kvdb_suite_get(suite, a, "/k").rc, -ENOENT);
	kvdb_suite_close(suite, a);
}

static void an_outage_of_the_server_ends_no_lease(void **state)
{
	const struct kvdb_suite *suite = *state;
	struct fixture *fixture = suite->user;
	struct kvdb *a = suite->open(suite->user);
	uint64_t lease = kvdb_suite_grant(suite, a, 6000).lease;

	assert_int_equal(kvdb_suite_put(suite, a, "/live", "v", lease, NULL).rc, 0);
	kvdb_sim_down(fixture->sim, true);
	kvdb_suite_sleep(suite, 60000);
	kvdb_sim_down(fixture->sim, false);
	kvdb_suite_sleep(suite, 5000);
	assert_int_equal(kvdb_suite_get(suite, a, "/live").rc, 0);
	kvdb_suite_sleep(suite, 2000);
	assert_int_equal(kvdb_suite_get(suite, a, "/live").rc, -ENOENT);
	kvdb_suite_close(suite, a);
}

int main(void)
{
	const struct CMUnitTest own[] = {
		cmocka_unit_test_setup_teardown(
			out_of_reach_is_eagain_and_nothing_is_written, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_lost_answer_is_etimedout_and_the_write_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_call_that_never_reached_the_server_in_time_is_eagain, setup, teardown),
		cmocka_unit_test_setup_teardown(an_outage_of_the_server_ends_no_lease, setup, teardown),
	};
	struct CMUnitTest *suite = calloc(kvdb_suite_test_count, sizeof(*suite));
	int failed;

	if (!suite)
		return 1;
	for (size_t i = 0; i < kvdb_suite_test_count; i++)
		suite[i] = (struct CMUnitTest){ kvdb_suite_tests[i].name, kvdb_suite_tests[i].fn, setup,
			teardown, NULL };
	failed = _cmocka_run_group_tests("kvdb suite: simulated", suite, kvdb_suite_test_count, NULL, NULL);
	failed += cmocka_run_group_tests_name("kvdb simulated", own, NULL, NULL);
	free(suite);
	return failed;
}
