/* Resync moves what differs and nothing else; bad blocks are repaired, never with anything older. */
#include "group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct group g;

static int setup(void **state)
{
	(void)state;
	group_init(&g);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	group_done(&g);
	return 0;
}

#define ALL 7u
enum { A, B, C };

static void trim(uint64_t grain)
{
	struct operation *op = calloc(1, sizeof(*op));

	op->entry = entry_get(g.entries);
	op->entry->op = ENTRY_TRIM;
	op->entry->offset_bytes = grain * GRAIN_BYTES;
	op->entry->length_bytes = GRAIN_BYTES;
	coordinator_submit(g.sessions[0].machine, op, g.now_ns);
}

/* All have grains 0 to 5; C goes away. */
static void six_grains_then_c_is_away(void)
{
	group_session_start(&g, 0, 1, ALL);
	group_run(&g);
	for (uint64_t grain = 0; grain < 6; grain++)
		group_write(&g, 0, grain);
	group_pass(&g, 100);
	group_unlink(&g, 0, C);
}

/* What C lacks is in no log any more. */
static void the_logs_are_gone(void)
{
	group_pass(&g, 100);
	g.replicas[A].base = g.replicas[A].last;
	g.replicas[B].base = g.replicas[B].last;
}

static void expect_c_is_the_same(void)
{
	group_pass(&g, 1000);
	assert_true(group_status(&g, 0).voters[C].complete);
	assert_true(group_status(&g, 0).voters[C].matched);
	assert_false(g.replicas[C].state.incomplete);
	group_pass(&g, 100);
	for (unsigned k = 0; k < GROUP_GRAINS; k++)
		assert_int_equal(g.replicas[C].grain[k], g.replicas[A].grain[k]);
}

static void only_what_was_written_meanwhile_is_copied(void **state)
{
	struct coordinator_voter_status c;

	(void)state;
	six_grains_then_c_is_away();
	group_write(&g, 0, 2);
	group_write(&g, 0, 4);
	the_logs_are_gone();
	group_link(&g, 0, C);
	expect_c_is_the_same();
	assert_int_equal(g.grains_read, 2);
	c = group_status(&g, 0).voters[C];
	assert_int_equal(c.syncs, 1);
	assert_int_equal(c.sync_copied_bytes, 2 * BLOCK_BYTES);
	assert_false(c.syncing);
}

static void small_windows_and_few_copies_come_to_the_same(void **state)
{
	(void)state;
	g.map_grains = 2;
	g.map_copies = 1;
	six_grains_then_c_is_away();
	for (uint64_t grain = 1; grain < 8; grain++)
		group_write(&g, 0, grain);
	the_logs_are_gone();
	group_link(&g, 0, C);
	group_write(&g, 0, 0);
	group_write(&g, 0, 7);
	expect_c_is_the_same();
	assert_true(g.grains_read >= 7 && g.grains_read <= 8);
}

static void what_was_trimmed_meanwhile_is_freed(void **state)
{
	(void)state;
	six_grains_then_c_is_away();
	trim(1);
	trim(5);
	the_logs_are_gone();
	group_link(&g, 0, C);
	expect_c_is_the_same();
	assert_int_equal(g.grains_read, 0);
	assert_int_equal(g.replicas[C].grain[1], 0);
	assert_int_equal(g.replicas[C].grain[5], 0);
}

static bool hold_later_copies(const struct group_message *m)
{
	return m->message.type == MESSAGE_GRAIN_WRITE && m->message.grain.index >= 3;
}

/* All six were written while C was away; the copies of the later three are on their way. */
static void three_of_six_are_copied(void)
{
	six_grains_then_c_is_away();
	for (uint64_t grain = 0; grain < 6; grain++)
		group_write(&g, 0, grain);
	the_logs_are_gone();
	g.hold = hold_later_copies;
	group_link(&g, 0, C);
	group_pass(&g, 200);
}

static void what_was_copied_before_a_restart_is_not_copied_again(void **state)
{
	uint64_t before;

	(void)state;
	three_of_six_are_copied();
	assert_true(g.replicas[C].state.incomplete);
	before = g.grains_read;
	group_replica_restart(&g, C);
	g.hold = NULL;
	group_link(&g, 0, C);
	expect_c_is_the_same();
	assert_int_equal(g.grains_read - before, 3);
}

static void another_coordinator_goes_on_where_the_maps_say(void **state)
{
	uint64_t before;

	(void)state;
	three_of_six_are_copied();
	before = g.grains_read;
	for (int i = 0; i < GROUP_REPLICAS; i++)
		group_unlink(&g, 0, i);
	g.hold = NULL;
	group_session_start(&g, 1, 2, ALL);
	group_pass(&g, 5000);
	assert_true(group_status(&g, 1).voters[C].complete);
	assert_int_equal(g.grains_read - before, 3);
	for (unsigned k = 0; k < GROUP_GRAINS; k++)
		assert_int_equal(g.replicas[C].grain[k], g.replicas[A].grain[k]);
}

static void how_far_it_is_can_be_seen(void **state)
{
	struct coordinator_voter_status c;

	(void)state;
	three_of_six_are_copied();
	c = group_status(&g, 0).voters[C];
	assert_true(c.syncing);
	assert_false(c.surveying);
	assert_int_equal(c.sync_total_bytes, 6 * GRAIN_BYTES);
	assert_int_equal(c.sync_done_bytes, 3 * GRAIN_BYTES);
	assert_string_equal(c.sync_why, "it was away for longer than the logs reach back");
	g.hold = NULL;
	expect_c_is_the_same();
}

static void a_source_with_a_bad_block_is_replaced_and_repaired(void **state)
{
	(void)state;
	six_grains_then_c_is_away();
	group_write(&g, 0, 2);
	the_logs_are_gone();
	g.replicas[A].rotten[2] = true;
	group_link(&g, 0, C);
	expect_c_is_the_same();
	assert_false(g.replicas[A].rotten[2]);
	assert_int_equal(group_status(&g, 0).voters[A].bad_reads, 1);
	assert_int_equal(group_status(&g, 0).voters[A].healed_blocks, 1);
}

/* ---- repair ---- */

static void a_bad_read_is_answered_elsewhere_and_repaired(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, ALL);
	group_write(&g, 0, 0);
	group_pass(&g, 100);
	g.replicas[A].rotten[0] = true;
	group_read(&g, 0);
	group_pass(&g, 100);
	assert_int_equal(g.sessions[0].reads_answered, 1);
	assert_int_equal(g.sessions[0].last_rc, 0);
	assert_false(g.replicas[A].rotten[0]);
	assert_int_equal(group_status(&g, 0).voters[A].bad_reads, 1);
	assert_int_equal(group_status(&g, 0).voters[A].healed_blocks, 1);
}

static bool hold_heals(const struct group_message *m)
{
	return m->message.type == MESSAGE_GRAIN_HEAL;
}

/* 22: the copy is of s2; meanwhile s3 is written, so it must not be taken, but one of s3. */
static void a_repair_never_brings_back_something_older(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, ALL);
	group_write(&g, 0, 0);
	group_pass(&g, 100);
	g.replicas[A].rotten[0] = true;
	g.hold = hold_heals;
	group_read(&g, 0);
	group_pass(&g, 100);
	group_write(&g, 0, 0);
	group_pass(&g, 100);
	g.hold = NULL;
	group_pass(&g, 5);
	assert_true(g.replicas[A].rotten[0]);
	group_pass(&g, 1000);
	assert_false(g.replicas[A].rotten[0]);
	assert_int_equal(g.replicas[A].grain[0], g.replicas[B].grain[0]);
}

/* Read from A again and again while B and C are away, and told once; again only when it was repaired. */
static void a_bad_block_that_nobody_else_has_is_told_once(void **state)
{
	struct coordinator_voter_status a;

	(void)state;
	group_session_start(&g, 0, 1, ALL);
	group_write(&g, 0, 0);
	group_pass(&g, 100);
	g.replicas[A].rotten[0] = true;
	group_unlink(&g, 0, B);
	group_unlink(&g, 0, C);
	group_read(&g, 0);
	group_pass(&g, 1000);
	a = group_status(&g, 0).voters[A];
	assert_true(a.bad_reads > 10);
	assert_int_equal(a.bad_found, 1);
	group_link(&g, 0, B);
	group_link(&g, 0, C);
	group_pass(&g, 2000);
	assert_int_equal(g.sessions[0].reads_answered, 1);
	assert_false(g.replicas[A].rotten[0]);
	assert_int_equal(group_status(&g, 0).voters[A].bad_found, 1);
	g.replicas[A].rotten[0] = true;
	group_read(&g, 0);
	group_pass(&g, 100);
	assert_int_equal(group_status(&g, 0).voters[A].bad_found, 2);
}

/* ---- the budget ---- */

static void a_small_budget_delays_but_does_not_stop_it(void **state)
{
	(void)state;
	g.budget.per_s = 4 * GRAIN_BYTES;
	six_grains_then_c_is_away();
	for (uint64_t grain = 0; grain < 6; grain++)
		group_write(&g, 0, grain);
	the_logs_are_gone();
	group_link(&g, 0, C);
	group_pass(&g, 500);
	assert_true(g.grains_read < 6);
	group_pass(&g, 3000);
	expect_c_is_the_same();
}

#define scenario(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		scenario(only_what_was_written_meanwhile_is_copied),
		scenario(small_windows_and_few_copies_come_to_the_same),
		scenario(what_was_trimmed_meanwhile_is_freed),
		scenario(what_was_copied_before_a_restart_is_not_copied_again),
		scenario(another_coordinator_goes_on_where_the_maps_say),
		scenario(how_far_it_is_can_be_seen),
		scenario(a_source_with_a_bad_block_is_replaced_and_repaired),
		scenario(a_bad_read_is_answered_elsewhere_and_repaired),
		scenario(a_bad_block_that_nobody_else_has_is_told_once),
		scenario(a_repair_never_brings_back_something_older),
		scenario(a_small_budget_delays_but_does_not_stop_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
