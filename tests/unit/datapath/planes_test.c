/* A volume on three data planes with their threads: real TCP, real pools. */
#include "planes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct volume_stats stats;

static bool all_have_all(void)
{
	stats = volume_stats_now();
	for (unsigned i = 0; i < PLANES; i++)
		if (!stats.voters[i].matched || stats.voters[i].durable_seq != stats.last_seq)
			return false;
	return true;
}

static bool two_is_away(void)
{
	stats = volume_stats_now();
	return !stats.voters[2].connected;
}

static bool at_once(void)
{
	return true;
}

static bool two_is_no_more(void)
{
	return volume_stats_now().voters[2].status == REPLICA_AWAY;
}

static void a_write_reaches_all_three_and_is_read_back(void **state)
{
	(void)state;
	volume_make();
	assert_int_equal(volume_write(0, BLOCK_BYTES, 1), 0);
	assert_int_equal(volume_write(GRAIN_BYTES - BLOCK_BYTES, 2 * BLOCK_BYTES, 2), 0);
	assert_int_equal(volume_write(1u << 20, ENTRY_MAX_BYTES, 3), 0);
	assert_int_equal(volume_read_expect(0, BLOCK_BYTES, 1), 0);
	assert_int_equal(volume_read_expect(GRAIN_BYTES - BLOCK_BYTES, 2 * BLOCK_BYTES, 2), 0);
	assert_int_equal(volume_read_expect(1u << 20, ENTRY_MAX_BYTES, 3), 0);
	assert_int_equal(volume_read_expect(8u << 20, 65536, 0), 0);
	assert_int_equal(volume_read_expect(0, BLOCK_BYTES, 9), -EILSEQ); /* the check itself can fail */
	assert_true(planes_wait(all_have_all));
	assert_int_equal(stats.write.ops, 3);
	assert_int_equal(stats.voters[2].sync_total_bytes, 0); /* nothing is copied to it */
}

static void two_of_three_go_on_and_the_third_catches_up(void **state)
{
	uint64_t begin_ns;

	(void)state;
	volume_make();
	assert_int_equal(volume_write(0, 4 * BLOCK_BYTES, 1), 0);
	assert_true(planes_wait(all_have_all));
	planes[0].last_event[0] = '\0';
	plane_stop(2);
	assert_true(planes_wait(two_is_away));
	/* It is told in that turn of the loop, not only when a quorum is in question. */
	(void)volume_stats_now();
	assert_true(planes_wait(at_once));
	assert_non_null(strstr(planes[0].last_event, "replica-away"));
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(volume_write(i * BLOCK_BYTES, BLOCK_BYTES, i + 5), 0);
	volume_end();
	plane_start(2);
	begin_ns = clock_now_ns(clock_system());
	volume_begin(2);
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(volume_read_expect(i * BLOCK_BYTES, BLOCK_BYTES, i + 5), 0);
	assert_true(planes_wait(all_have_all));
	/* A connection that failed under the volume's last attachment is not left to its lingering. */
	assert_true(clock_now_ns(clock_system()) - begin_ns < 3 * NS_PER_S);
}

static bool two_has_told_its_failure(void)
{
	return strstr(planes[2].last_event, "pool-failed") != NULL;
}

static void a_pool_that_fails_takes_only_its_replica_away(void **state)
{
	uint32_t count = 0;

	(void)state;
	plane_stop(2);
	planes[2].faults = "error:on=flush,after=40";
	plane_start(2);
	volume_make();
	while (!two_has_told_its_failure()) {
		assert_true(count < 2000);
		assert_int_equal(volume_write(count % 100 * BLOCK_BYTES, BLOCK_BYTES, count + 1), 0);
		count++;
	}
	/* It doesn't look healthy by renewing leases, and it is in nobody's way. */
	assert_true(planes_wait(two_is_no_more));
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(volume_write(i * BLOCK_BYTES, BLOCK_BYTES, i + 77), 0);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(volume_read_expect(i * BLOCK_BYTES, BLOCK_BYTES, i + 77), 0);
	assert_int_equal(volume_stats_now().state, VOLUME_SERVING);
}

static void what_was_written_is_there_after_all_have_restarted(void **state)
{
	(void)state;
	volume_make();
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(volume_write(i * 3 * BLOCK_BYTES, 2 * BLOCK_BYTES, i + 1), 0);
	volume_end();
	for (unsigned i = 0; i < PLANES; i++)
		plane_stop(i);
	for (unsigned i = 0; i < PLANES; i++)
		plane_start(i);
	volume_begin(2);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(volume_read_expect(i * 3 * BLOCK_BYTES, 2 * BLOCK_BYTES, i + 1), 0);
}

/* Side by side, so that a slow disk does not use up the time that the limits are to take; ms. */
static uint64_t writes_take_ms(uint32_t count)
{
	uint64_t begin_ns = clock_now_ns(clock_system());

	assert_int_equal(volume_write_side_by_side(count), 0);
	return (clock_now_ns(clock_system()) - begin_ns) / NS_PER_MS;
}

static void a_volume_gets_no_more_than_its_limits(void **state)
{
	uint64_t waits;

	(void)state;
	volume_make();
	volume_limit(20, 0);
	/* A fifth of a second's worth at once, the others at their rate. */
	assert_true(writes_take_ms(12) >= 330);
	waits = volume_stats_now().limit_waits;
	assert_in_range(waits, 1, 12);
	volume_limit(0, 20 * BLOCK_BYTES);
	assert_true(writes_take_ms(12) >= 330);
	assert_true(volume_stats_now().limit_waits > waits);
	volume_limit(0, 0);
	waits = volume_stats_now().limit_waits;
	(void)writes_take_ms(30);
	assert_int_equal(volume_stats_now().limit_waits, waits);
}

static struct probe_result probed;

static void probe_told(void *arg, const struct probe_result *result)
{
	probed = *result;
	dataplane_call_finish(arg, 0);
}

/* From plane 1, whose replica is its own; the others are asked over TCP. */
static void probe_all(struct dataplane_call *call)
{
	struct volume_voter voters[PLANES] = { 0 };

	for (unsigned i = 0; i < PLANES; i++) {
		voters[i].replica = planes[i].replica;
		voters[i].pool = (struct uuid){ { (uint8_t)(1 + i) } };
		(void)snprintf(voters[i].node, sizeof(voters[i].node), "%s", planes[i].node);
		if (planes[i].dataplane)
			voters[i].address = plane_address(i);
	}
	assert_int_equal(
		datapath_probe(dataplane_datapath(call->dataplane), voters, PLANES, 1000, probe_told, call),
		0);
}

static bool is_silent(void)
{
	assert_int_equal(plane_call(1, probe_all), 0);
	return probed.answers == 2 && probed.heard_ms > 300 && probed.heard_ms != UINT64_MAX;
}

static bool is_released(void)
{
	assert_int_equal(plane_call(1, probe_all), 0);
	return probed.answers == 3 && probed.heard_ms == UINT64_MAX;
}

static void a_probe_tells_when_the_coordinator_was_heard_last(void **state)
{
	(void)state;
	volume_make();
	assert_int_equal(plane_call(1, probe_all), 0);
	assert_int_equal(probed.answers, 3);
	assert_true(probed.heard_ms < 10000);
	assert_true(probed.promised.number == 1);
	assert_true(planes_wait(all_have_all)); /* a release goes to those that have promised */
	volume_end();                           /* nobody waits for it any more */
	assert_true(planes_wait(is_released));
	/* A replica that was opened just now can't know: it counts as heard then. */
	plane_stop(2);
	plane_start(2);
	assert_int_equal(plane_call(1, probe_all), 0);
	assert_int_equal(probed.answers, 3);
	assert_true(probed.heard_ms < 10000);
	plane_stop(0);
	assert_true(planes_wait(is_silent));
	plane_start(0);
}

/* Each connection to the one address that is listened on ends at the thread that has the pool. */
static void the_threads_of_one_node_find_each_other(void **state)
{
	a_write_reaches_all_three_and_is_read_back(state);
	assert_int_equal(plane_call(1, probe_all), 0);
	assert_int_equal(probed.answers, 3);
	assert_int_equal(probed.promised.number, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, planes_setup, planes_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_write_reaches_all_three_and_is_read_back),
		TEST(two_of_three_go_on_and_the_third_catches_up),
		TEST(a_pool_that_fails_takes_only_its_replica_away),
		TEST(what_was_written_is_there_after_all_have_restarted),
		TEST(a_volume_gets_no_more_than_its_limits),
		TEST(a_probe_tells_when_the_coordinator_was_heard_last),
		cmocka_unit_test_setup_teardown(
			the_threads_of_one_node_find_each_other, planes_setup_threads, planes_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
