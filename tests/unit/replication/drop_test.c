/* Of two voters the dead one is dropped by compare-and-set, and the other goes on alone. docs/protocol.md,
 * case 30.
 */
#include "group.h"

#include <errno.h>
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

enum { A, B };
#define BIT(i) (1u << (i))

static struct coordinator *session(int s)
{
	return g.sessions[s].machine;
}

/* A session of two voters, linked to those of the mask. */
static void start_of(int s, uint64_t epoch, uint64_t number, uint8_t voters, uint8_t linked)
{
	struct coordinator_config members = {
		.voter_count = 2, .voters = voters, .epoch = { epoch, 0 }, .config_number = number
	};

	group_session_start_as(&g, s, &members, linked);
	group_run(&g);
}

static void tell(int s, enum coordinator_record_outcome outcome)
{
	coordinator_record_told(session(s), outcome, g.now_ns);
	group_run(&g);
}

/* It serves, B is gone, and a write waits. */
static void begin(void)
{
	start_of(0, 1, 1, BIT(A) | BIT(B), BIT(A) | BIT(B));
	assert_int_equal(group_status(&g, 0).phase, COORDINATOR_SERVING);
	group_unlink(&g, 0, B);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 0);
	assert_int_equal(coordinator_drop_begin(session(0), B, g.now_ns), 0);
	group_run(&g);
	assert_int_equal(g.sessions[0].records, 1);
	assert_int_equal(g.sessions[0].record.voters, BIT(A));
	assert_int_equal(g.sessions[0].record.next_voters, 0);
	assert_true(g.sessions[0].record.number == 2);
}

static void the_survivor_goes_on_alone_when_the_success_is_read(void **state)
{
	(void)state;
	begin();
	assert_int_equal(g.sessions[0].answered, 0); /* not before */
	group_pass(&g, 4000);
	assert_false(group_status(&g, 0).has_quorum);
	tell(0, COORDINATOR_RECORD_WRITTEN);
	assert_int_equal(g.sessions[0].answered, 1);
	assert_true(group_status(&g, 0).has_quorum);
	assert_int_equal(group_status(&g, 0).voter_mask, BIT(A));
	assert_true(group_status(&g, 0).config_number == 2);
	coordinator_member_remove(session(0), B, g.now_ns);
}

static void it_waits_for_the_number_to_be_durable_at_the_survivor(void **state)
{
	(void)state;
	begin();
	group_disk_stop(&g, A);
	tell(0, COORDINATOR_RECORD_WRITTEN);
	/* The write is durable there since long; that it is alone isn't. */
	assert_int_equal(g.sessions[0].answered, 0);
	group_disk_go(&g, A);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
}

static void of_unknown_outcome_it_asks_again_and_acknowledges_nothing(void **state)
{
	(void)state;
	begin();
	tell(0, COORDINATOR_RECORD_UNKNOWN);
	assert_int_equal(g.sessions[0].answered, 0);
	group_pass(&g, 1000);
	assert_int_equal(g.sessions[0].records, 2);
	tell(0, COORDINATOR_RECORD_UNWRITTEN); /* the first one may have landed */
	assert_true(group_status(&g, 0).next_mask != 0);
	group_pass(&g, 1000);
	tell(0, COORDINATOR_RECORD_WRITTEN);
	assert_int_equal(g.sessions[0].answered, 1);
}

static void both_together_still_commit_while_it_is_uncertain(void **state)
{
	(void)state;
	begin();
	tell(0, COORDINATOR_RECORD_UNKNOWN);
	group_link(&g, 0, B);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
}

static void refused_it_leaves_both_as_voters(void **state)
{
	(void)state;
	begin();
	tell(0, COORDINATOR_RECORD_UNWRITTEN);
	assert_int_equal(group_status(&g, 0).voter_mask, BIT(A) | BIT(B));
	assert_int_equal(group_status(&g, 0).next_mask, 0);
	assert_int_equal(g.sessions[0].answered, 0);
	group_link(&g, 0, B);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
}

static void while_it_is_opened_the_drop_ends_the_session_and_the_next_opens_alone(void **state)
{
	(void)state;
	start_of(0, 1, 1, BIT(A) | BIT(B), BIT(A) | BIT(B));
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
	coordinator_end(session(0), -EIO, g.now_ns);
	group_run(&g);
	group_pass(&g, 4000);
	start_of(1, 2, 1, BIT(A) | BIT(B), 0);
	assert_int_equal(
		coordinator_drop_begin(session(1), B, g.now_ns), -EAGAIN); /* A has promised nothing */
	group_link(&g, 1, A);
	group_pass(&g, 4000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_OPENING);
	assert_int_equal(coordinator_drop_begin(session(1), B, g.now_ns), 0);
	group_run(&g);
	assert_int_equal(g.sessions[1].records, 1);
	tell(1, COORDINATOR_RECORD_WRITTEN);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_ENDED);
	group_pass(&g, 4000);
	start_of(2, 3, 2, BIT(A), BIT(A));
	group_pass(&g, 4000);
	assert_int_equal(group_status(&g, 2).phase, COORDINATOR_SERVING);
	group_write(&g, 2, 2);
	group_run(&g);
	assert_int_equal(g.sessions[2].answered, 1);
}

static void more_than_two_or_one_of_one_is_no_drop(void **state)
{
	(void)state;
	start_of(0, 1, 1, BIT(A), BIT(A) | BIT(B));
	assert_int_equal(coordinator_drop_begin(session(0), B, g.now_ns), -EINVAL);
	assert_int_equal(coordinator_drop_begin(session(0), A, g.now_ns), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_survivor_goes_on_alone_when_the_success_is_read),
		TEST(it_waits_for_the_number_to_be_durable_at_the_survivor),
		TEST(of_unknown_outcome_it_asks_again_and_acknowledges_nothing),
		TEST(both_together_still_commit_while_it_is_uncertain),
		TEST(refused_it_leaves_both_as_voters),
		TEST(while_it_is_opened_the_drop_ends_the_session_and_the_next_opens_alone),
		TEST(more_than_two_or_one_of_one_is_no_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
