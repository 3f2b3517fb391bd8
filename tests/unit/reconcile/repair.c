/* What a group's members need by themselves: who is given up, who is replaced, and when nothing is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reconcile/reconcile.h"

#define AFTER_MS UINT64_C(600000)
#define DROP_MS  UINT64_C(20000)

static struct catalog_shard shard;
static struct repair_seen seen;

static struct uuid name(unsigned i)
{
	return (struct uuid){ .byte = { (uint8_t)(i + 1) } };
}

/* Three voters, all there. */
static int setup(void **state)
{
	(void)state;
	shard = (struct catalog_shard){ .config_number = 1, .replica_count = 3, .voter_count = 3 };
	seen = (struct repair_seen){
		.count = 4, .serves = true, .rebuild_after_ms = AFTER_MS, .drop_after_ms = DROP_MS
	};
	for (unsigned i = 0; i < 4; i++) {
		shard.replicas[i].replica = seen.members[i].replica = name(i);
		if (i < 3)
			shard.voters[i] = name(i);
	}
	return 0;
}

static void expect(enum repair_kind kind, unsigned replica)
{
	struct repair_choice choice = repair_choose(&shard, &seen);

	assert_int_equal(choice.kind, kind);
	if (kind == REPAIR_ADD)
		assert_null(choice.replica);
	else if (kind != REPAIR_NOTHING)
		assert_ptr_equal(choice.replica, &shard.replicas[replica]);
}

static void who_is_away_is_replaced_after_the_time_and_not_before(void **state)
{
	(void)state;
	expect(REPAIR_NOTHING, 0);
	seen.members[1].away_ms = AFTER_MS - 1;
	expect(REPAIR_NOTHING, 0);
	seen.members[1].away_ms = AFTER_MS;
	expect(REPAIR_REPLACE, 1);
	seen.members[2].away_ms = AFTER_MS + 5;
	expect(REPAIR_REPLACE, 2); /* the one that has been away longest */
}

static void while_a_learner_is_there_nothing_else_is_begun(void **state)
{
	(void)state;
	shard.replica_count = 4;
	shard.replicas[3].replaces = name(1);
	shard.replicas[1].leaves = true;
	seen.members[1].away_ms = seen.members[2].away_ms = 2 * AFTER_MS;
	expect(REPAIR_NOTHING, 0);
	seen.members[3].away_ms = AFTER_MS - 1;
	expect(REPAIR_NOTHING, 0);
	seen.members[3].away_ms = AFTER_MS;
	expect(REPAIR_GIVE_UP, 3);
}

static void who_is_retired_is_left_alone(void **state)
{
	(void)state;
	shard.replica_count = 4;
	shard.replicas[3].retired = true;
	seen.members[3].away_ms = 2 * AFTER_MS;
	expect(REPAIR_NOTHING, 0);
	seen.members[0].away_ms = 2 * AFTER_MS;
	expect(REPAIR_REPLACE, 0);
}

static void a_joint_record_and_a_voter_that_leaves_are_waited_for(void **state)
{
	(void)state;
	seen.members[2].away_ms = AFTER_MS;
	shard.replicas[1].leaves = true;
	expect(REPAIR_NOTHING, 0);
	shard.replicas[1].leaves = false;
	shard.next_voter_count = 2;
	expect(REPAIR_NOTHING, 0);
	shard.next_voter_count = 0;
	expect(REPAIR_REPLACE, 2);
}

static void of_two_the_dead_one_is_dropped_and_one_comes_again(void **state)
{
	(void)state;
	shard.voter_count = shard.replica_count = 2;
	seen.serves = false;
	seen.members[0].away_ms = DROP_MS - 1;
	expect(REPAIR_NOTHING, 0);
	seen.members[0].away_ms = DROP_MS;
	expect(REPAIR_DROP, 0);
	seen.members[1].away_ms = 1; /* nobody is there who could go on */
	expect(REPAIR_NOTHING, 0);
	shard.voter_count = 1;
	shard.voters[0] = name(1);
	shard.replicas[0].retired = true;
	shard.wanted_voters = 2;
	expect(REPAIR_NOTHING, 0);
	seen.members[1].away_ms = 0;
	seen.serves = true;
	expect(REPAIR_ADD, UINT32_MAX);
	shard.replica_count = 3; /* it is there, as a learner */
	expect(REPAIR_NOTHING, 0);
}

static void of_three_none_is_dropped_and_without_quorum_nothing_is_done(void **state)
{
	(void)state;
	seen.members[0].away_ms = seen.members[1].away_ms = 2 * AFTER_MS;
	seen.serves = false;
	expect(REPAIR_NOTHING, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(who_is_away_is_replaced_after_the_time_and_not_before, setup),
		cmocka_unit_test_setup(while_a_learner_is_there_nothing_else_is_begun, setup),
		cmocka_unit_test_setup(who_is_retired_is_left_alone, setup),
		cmocka_unit_test_setup(a_joint_record_and_a_voter_that_leaves_are_waited_for, setup),
		cmocka_unit_test_setup(of_two_the_dead_one_is_dropped_and_one_comes_again, setup),
		cmocka_unit_test_setup(of_three_none_is_dropped_and_without_quorum_nothing_is_done, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
