/* Membership: joint quorum from the sending of the first compare-and-set until the success of the last is
 * read, learners count nowhere, one change at a time. docs/protocol.md, cases 6, 33 to 35. */
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

enum { A, B, C, D };
#define BIT(i) (1u << (i))
#define ABC    (BIT(A) | BIT(B) | BIT(C))
#define ABD    (BIT(A) | BIT(B) | BIT(D))
#define ABCD   (ABC | BIT(D))

/* Session 0 has voters A, B, C, and D as a learner that has caught up. */
static void start_with_learner(void)
{
	struct coordinator_config members = {
		.voter_count = 3, .voters = ABC, .epoch = { 1, 0 }, .config_number = 1
	};

	group_session_start_as(&g, 0, &members, ABC);
	group_run(&g);
	assert_int_equal(coordinator_member_add(g.sessions[0].machine, false, g.now_ns), D);
	group_link(&g, 0, D);
	group_run(&g);
	assert_true(group_status(&g, 0).voters[D].may_join);
}

static struct coordinator *session(int s)
{
	return g.sessions[s].machine;
}

static void tell(int s, enum coordinator_record_outcome outcome)
{
	coordinator_record_told(session(s), outcome, g.now_ns);
	group_run(&g);
}

static void swap_begun(void)
{
	start_with_learner();
	assert_int_equal(coordinator_change_begin(session(0), ABD, g.now_ns), 0);
	group_run(&g);
	assert_int_equal(g.sessions[0].records, 1);
	assert_true(g.sessions[0].record.number_before == 1 && g.sessions[0].record.number == 2);
	assert_int_equal(g.sessions[0].record.voters, ABC);
	assert_int_equal(g.sessions[0].record.next_voters, ABD);
}

static void a_learner_counts_nowhere(void **state)
{
	(void)state;
	start_with_learner();
	group_unlink(&g, 0, B);
	group_unlink(&g, 0, C);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_true(group_logs_equal(&g, A, D, 2)); /* it has it, and doesn't count */
	assert_int_equal(g.sessions[0].answered, 0);
	group_pass(&g, 4000);
	assert_false(group_status(&g, 0).has_quorum);
	group_link(&g, 0, B);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
}

static void a_learner_never_opens_a_group(void **state)
{
	struct coordinator_config members = {
		.voter_count = 4, .voters = ABC, .epoch = { 2, 0 }, .config_number = 1
	};

	(void)state;
	start_with_learner();
	group_write(&g, 0, 1);
	group_run(&g);
	coordinator_end(session(0), -EIO, g.now_ns);
	group_run(&g);
	group_pass(&g, 4000);
	group_session_start_as(&g, 1, &members, BIT(A) | BIT(D));
	group_pass(&g, 8000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_OPENING);
	group_link(&g, 1, B);
	group_pass(&g, 8000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_SERVING);
}

static void an_unmatched_learner_is_not_promoted(void **state)
{
	(void)state;
	start_with_learner();
	group_unlink(&g, 0, D);
	assert_int_equal(coordinator_change_begin(session(0), ABD, g.now_ns), -EAGAIN);
	group_link(&g, 0, D);
	group_run(&g);
	/* It lags behind what is committed: its log stands still. */
	group_disk_stop(&g, D);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
	assert_int_equal(coordinator_change_begin(session(0), ABD, g.now_ns), -EAGAIN);
	group_disk_go(&g, D);
	assert_int_equal(coordinator_change_begin(session(0), ABD, g.now_ns), 0);
}

static void more_than_one_voter_at_a_time_is_refused(void **state)
{
	(void)state;
	start_with_learner();
	assert_int_equal(coordinator_change_begin(session(0), BIT(A), g.now_ns), -EINVAL);
	assert_int_equal(coordinator_change_begin(session(0), BIT(A) | BIT(D), g.now_ns), -EINVAL);
	assert_int_equal(coordinator_change_begin(session(0), ABC, g.now_ns), -EINVAL);
	assert_int_equal(coordinator_change_begin(session(0), 0, g.now_ns), -EINVAL);
	assert_int_equal(coordinator_change_begin(session(0), ABCD, g.now_ns), 0);
}

static void both_quorums_are_needed_from_the_sending_on(void **state)
{
	(void)state;
	swap_begun();
	/* A and C are a quorum of the old voters, not of the next ones. */
	group_unlink(&g, 0, B);
	group_unlink(&g, 0, D);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 0);
	group_pass(&g, 4000);
	assert_false(group_status(&g, 0).has_quorum);
	group_link(&g, 0, B);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
	assert_true(group_status(&g, 0).has_quorum);
}

static void the_next_quorum_alone_is_not_enough(void **state)
{
	(void)state;
	swap_begun();
	group_unlink(&g, 0, B);
	group_unlink(&g, 0, C);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 0); /* A and D */
}

static void a_second_change_waits_for_the_end_of_the_first(void **state)
{
	(void)state;
	swap_begun();
	assert_int_equal(coordinator_change_begin(session(0), ABCD, g.now_ns), -EBUSY);
	tell(0, COORDINATOR_RECORD_WRITTEN);
	assert_int_equal(g.sessions[0].records, 2);
	assert_int_equal(coordinator_change_begin(session(0), ABCD, g.now_ns), -EBUSY);
	tell(0, COORDINATOR_RECORD_WRITTEN);
	assert_int_equal(group_status(&g, 0).next_mask, 0);
	assert_int_equal(group_status(&g, 0).config_number, 3);
	assert_int_equal(coordinator_change_begin(session(0), ABCD, g.now_ns), 0);
}

static void the_last_record_follows_the_committed_entry(void **state)
{
	(void)state;
	swap_begun();
	group_unlink(&g, 0, B);
	group_unlink(&g, 0, D);
	tell(0, COORDINATOR_RECORD_WRITTEN);
	assert_int_equal(g.sessions[0].records, 1); /* the entry isn't committed jointly */
	group_link(&g, 0, B);
	group_run(&g);
	assert_int_equal(g.sessions[0].records, 2);
	assert_int_equal(g.sessions[0].record.number, 3);
	assert_int_equal(g.sessions[0].record.voters, ABD);
	assert_int_equal(g.sessions[0].record.next_voters, 0);
	/* Joint until its success is read. */
	group_unlink(&g, 0, B);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 0);
}

static void a_record_of_unknown_outcome_keeps_joint_rules(void **state)
{
	(void)state;
	swap_begun();
	tell(0, COORDINATOR_RECORD_UNKNOWN);
	group_pass(&g, 1000);
	assert_int_equal(g.sessions[0].records, 2);
	assert_true(g.sessions[0].record.number == 2);
	/* It may still land: a refusal now ends nothing. */
	tell(0, COORDINATOR_RECORD_UNWRITTEN);
	assert_int_equal(group_status(&g, 0).next_mask, ABD);
	group_unlink(&g, 0, B);
	group_unlink(&g, 0, D);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 0);
}

static void a_record_that_was_not_written_changes_nothing(void **state)
{
	(void)state;
	swap_begun();
	tell(0, COORDINATOR_RECORD_UNWRITTEN);
	assert_int_equal(group_status(&g, 0).next_mask, 0);
	assert_int_equal(group_status(&g, 0).voter_mask, ABC);
	group_unlink(&g, 0, B);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
	assert_int_equal(group_status(&g, 0).config_number, 1);
}

static void a_refusal_for_good_ends_an_uncertain_change(void **state)
{
	(void)state;
	swap_begun();
	tell(0, COORDINATOR_RECORD_UNKNOWN);
	group_pass(&g, 1000);
	assert_int_equal(g.sessions[0].records, 2);
	/* The learner was given up meanwhile: neither this attempt nor the one before can land any more. */
	tell(0, COORDINATOR_RECORD_REFUSED);
	assert_int_equal(group_status(&g, 0).next_mask, 0);
	assert_int_equal(group_status(&g, 0).voter_mask, ABC);
	group_unlink(&g, 0, B);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
	coordinator_member_remove(session(0), D, g.now_ns);
	assert_false(group_status(&g, 0).voters[D].is_member);
}

static void a_record_of_another_ends_the_session(void **state)
{
	(void)state;
	swap_begun();
	group_unlink(&g, 0, B);
	group_unlink(&g, 0, C);
	group_write(&g, 0, 1);
	tell(0, COORDINATOR_RECORD_LOST);
	assert_int_equal(group_status(&g, 0).phase, COORDINATOR_ENDED);
	assert_int_equal(g.sessions[0].last_rc, -EIO);
}

static void who_has_left_counts_no_more(void **state)
{
	(void)state;
	swap_begun();
	tell(0, COORDINATOR_RECORD_WRITTEN);
	tell(0, COORDINATOR_RECORD_WRITTEN);
	assert_int_equal(group_status(&g, 0).voter_mask, ABD);
	group_unlink(&g, 0, B);
	group_unlink(&g, 0, D);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 0); /* A and C */
	group_link(&g, 0, D);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
	coordinator_member_remove(session(0), C, g.now_ns);
	group_unlink(&g, 0, C);
	assert_false(group_status(&g, 0).voters[C].is_member);
}

static void a_change_without_commit_is_set_back(void **state)
{
	(void)state;
	swap_begun();
	group_unlink(&g, 0, B);
	group_unlink(&g, 0, D);
	tell(0, COORDINATOR_RECORD_WRITTEN);
	group_pass(&g, 11000);
	assert_int_equal(g.sessions[0].records, 2);
	assert_int_equal(g.sessions[0].record.number_before, 2);
	assert_int_equal(g.sessions[0].record.voters, ABC);
	assert_int_equal(g.sessions[0].record.next_voters, 0);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 0); /* joint until that success is read */
	tell(0, COORDINATOR_RECORD_WRITTEN);
	assert_int_equal(g.sessions[0].answered, 1);
	assert_int_equal(group_status(&g, 0).config_number, 3);
}

static void who_opens_a_joint_record_obeys_and_finishes_it(void **state)
{
	struct coordinator_config members = {
		.voter_count = 4, .voters = ABC, .next_voters = ABD, .epoch = { 2, 0 }, .config_number = 2
	};

	(void)state;
	swap_begun();
	tell(0, COORDINATOR_RECORD_WRITTEN);
	coordinator_end(session(0), -EIO, g.now_ns);
	group_run(&g);
	group_pass(&g, 4000);
	group_session_start_as(&g, 1, &members, BIT(A) | BIT(C));
	group_pass(&g, 8000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_OPENING);
	group_link(&g, 1, B);
	group_pass(&g, 4000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_SERVING);
	assert_int_equal(g.sessions[1].records, 1);
	assert_int_equal(g.sessions[1].record.number, 3);
	assert_int_equal(g.sessions[1].record.voters, ABD);
	tell(1, COORDINATOR_RECORD_WRITTEN);
	assert_int_equal(group_status(&g, 1).voter_mask, ABD);
}

/* Case 6: Y has read the record before the change; X's replicas know better, across a restart too. */
static void an_older_configuration_is_refused_by_those_who_know_the_newer(void **state)
{
	struct coordinator_config members = {
		.voter_count = 3, .voters = ABC, .epoch = { 2, 0 }, .config_number = 1
	};

	(void)state;
	swap_begun();
	tell(0, COORDINATOR_RECORD_WRITTEN);
	assert_int_equal(g.replicas[C].state.config_number, 2); /* durable */
	for (int i = A; i <= D; i++)
		group_replica_restart(&g, i);
	group_pass(&g, 4000);
	group_session_start_as(&g, 1, &members, ABC);
	group_pass(&g, 8000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_ENDED);
}

/* The entry is acknowledged with its number, not before. */
static void the_entry_counts_only_with_its_number_durable(void **state)
{
	(void)state;
	swap_begun();
	group_disk_stop(&g, B);
	group_disk_stop(&g, D);
	tell(0, COORDINATOR_RECORD_WRITTEN);
	assert_int_equal(g.sessions[0].records, 1);
	group_replica_restart(&g, B);
	assert_int_equal(g.replicas[B].state.config_number, 1);
	group_disk_go(&g, D);
	assert_int_equal(g.sessions[0].records, 2);
	assert_int_equal(g.replicas[D].state.config_number, 2);
}

static void one_voter_becomes_three_and_one_again(void **state)
{
	struct coordinator_config members = {
		.voter_count = 3, .voters = BIT(A), .epoch = { 1, 0 }, .config_number = 1
	};
	static const uint8_t steps[] = { BIT(A) | BIT(B), ABC, BIT(A) | BIT(B), BIT(A) };

	(void)state;
	group_session_start_as(&g, 0, &members, ABC);
	group_run(&g);
	for (unsigned i = 0; i < sizeof(steps); i++) {
		group_write(&g, 0, i);
		group_run(&g);
		assert_int_equal(coordinator_change_begin(session(0), steps[i], g.now_ns), 0);
		group_run(&g);
		tell(0, COORDINATOR_RECORD_WRITTEN);
		tell(0, COORDINATOR_RECORD_WRITTEN);
		assert_int_equal(group_status(&g, 0).voter_mask, steps[i]);
	}
	assert_int_equal(g.sessions[0].answered, 4);
	assert_int_equal(group_status(&g, 0).config_number, 9);
	group_unlink(&g, 0, B);
	group_unlink(&g, 0, C);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_learner_counts_nowhere),
		TEST(a_learner_never_opens_a_group),
		TEST(an_unmatched_learner_is_not_promoted),
		TEST(more_than_one_voter_at_a_time_is_refused),
		TEST(both_quorums_are_needed_from_the_sending_on),
		TEST(the_next_quorum_alone_is_not_enough),
		TEST(a_second_change_waits_for_the_end_of_the_first),
		TEST(the_last_record_follows_the_committed_entry),
		TEST(a_record_of_unknown_outcome_keeps_joint_rules),
		TEST(a_record_that_was_not_written_changes_nothing),
		TEST(a_refusal_for_good_ends_an_uncertain_change),
		TEST(a_record_of_another_ends_the_session),
		TEST(who_has_left_counts_no_more),
		TEST(a_change_without_commit_is_set_back),
		TEST(who_opens_a_joint_record_obeys_and_finishes_it),
		TEST(an_older_configuration_is_refused_by_those_who_know_the_newer),
		TEST(the_entry_counts_only_with_its_number_durable),
		TEST(one_voter_becomes_three_and_one_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
