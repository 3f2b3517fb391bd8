/* The interleavings of docs/protocol.md ("what goes wrong"), by number where they have one. */
#include "group.h"

#include <stdarg.h>
#include <setjmp.h>
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

static void a_write_is_acknowledged_by_a_quorum(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, ALL);
	group_run(&g);
	assert_int_equal(group_status(&g, 0).phase, COORDINATOR_SERVING);
	group_disk_stop(&g, C);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
	assert_int_equal(g.sessions[0].last_rc, 0);
	group_disk_go(&g, C);
	assert_true(group_logs_equal(&g, A, C, 2));
}

static void a_write_waits_for_the_second_durable_answer(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, ALL);
	group_run(&g);
	group_disk_stop(&g, B);
	group_disk_stop(&g, C);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 0);
	group_disk_go(&g, B);
	assert_int_equal(g.sessions[0].answered, 1);
}

static void a_second_session_fences_the_first(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, ALL);
	group_run(&g);
	group_session_start(&g, 1, 2, ALL);
	group_run(&g);
	/* The first one's leases run out before anything is promised to the second. */
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_OPENING);
	group_pass(&g, 4000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_SERVING);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(group_status(&g, 0).phase, COORDINATOR_ENDED);
	assert_int_equal(g.sessions[0].last_rc, -5);
	assert_int_equal(group_status(&g, 0).promised.number, 2);
}

static void a_released_session_is_followed_at_once(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, ALL);
	group_run(&g);
	coordinator_release(g.sessions[0].machine, g.now_ns);
	group_run(&g);
	group_session_start(&g, 1, 2, ALL);
	group_run(&g);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_SERVING);
}

/* 1: adopted entries keep their birth. */
static void adopted_entries_keep_their_epoch(void **state)
{
	(void)state;
	group_session_start(&g, 0, 6, ALL);
	group_run(&g);
	group_disk_stop(&g, B);
	for (int i = 0; i < 3; i++)
		group_write(&g, 0, 1);
	group_run(&g);
	group_replica_restart(&g, B); /* forgets what it had not written */
	for (int i = 0; i < GROUP_VOTERS; i++)
		group_unlink(&g, 0, i);
	group_session_start(&g, 1, 7, 1u << A | 1u << B);
	group_pass(&g, 4000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_SERVING);
	assert_int_equal(g.replicas[B].log[4].epoch.number, 6);
	assert_int_equal(g.replicas[B].log[5].epoch.number, 7);
	assert_true(group_logs_equal(&g, A, B, 5));
}

/* 2: the same epoch from another session is refused. */
static void an_equal_epoch_of_another_session_is_stale(void **state)
{
	(void)state;
	group_session_start(&g, 0, 6, 1u << A | 1u << B);
	group_run(&g);
	group_session_start(&g, 1, 6, ALL);
	group_pass(&g, 5000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_ENDED);
	assert_int_equal(group_status(&g, 0).phase, COORDINATOR_SERVING);
}

/* 3 and 4: a divergent tail counts for nothing and is truncated before anything is committed over it. */
static void a_divergent_tail_is_truncated_not_counted(void **state)
{
	(void)state;
	group_session_start(&g, 0, 5, ALL);
	group_run(&g);
	/* C alone takes two writes of epoch 5. */
	group_unlink(&g, 0, A);
	group_unlink(&g, 0, B);
	group_write(&g, 0, 1);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.replicas[C].last, 3);
	assert_int_equal(g.sessions[0].answered, 0);
	group_unlink(&g, 0, C);

	group_session_start(&g, 1, 6, 1u << A | 1u << B);
	group_pass(&g, 4000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_SERVING);
	group_disk_stop(&g, B);
	group_write(&g, 1, 2);
	group_run(&g);
	assert_int_equal(g.sessions[1].answered, 0);
	group_link(&g, 1, C);
	group_pass(&g, 4000);
	/* Now C has the write as well, in place of its own. */
	assert_int_equal(g.sessions[1].answered, 1);
	assert_int_equal(g.replicas[C].log[2].epoch.number, 6);
	assert_int_equal(g.replicas[C].log[3].epoch.number, 6);
	assert_true(group_logs_equal(&g, A, C, 3));
}

static bool hold_appends_to_b(const struct group_message *m)
{
	return m->to_replica && m->replica == B && m->message.type == MESSAGE_APPEND &&
	       m->message.entry != NULL;
}

/* 5: what becomes durable while a newer epoch is being promised is not acknowledged to the older one. */
static void nothing_is_acknowledged_after_a_promise(void **state)
{
	(void)state;
	group_session_start(&g, 0, 5, ALL);
	group_run(&g);
	coordinator_release(g.sessions[0].machine, g.now_ns);
	group_run(&g);
	group_session_start(&g, 1, 6, ALL);
	group_run(&g);
	g.hold = hold_appends_to_b;
	group_disk_stop(&g, C);
	group_write(&g, 1, 1);
	group_run(&g);
	group_disk_stop(&g, B);
	g.hold = NULL;
	group_run(&g); /* B has it in flight */
	group_session_start(&g, 2, 7, 1u << B | 1u << C);
	group_pass(&g, 4000); /* B writes the promise behind the entry */
	group_disk_go(&g, B);
	group_run(&g);
	/* It has ended meanwhile: its write may have been given back, but not as done. */
	assert_true(g.sessions[1].answered == 0 || g.sessions[1].last_rc == -5);
	group_disk_go(&g, C);
	group_pass(&g, 2000);
	/* The position was read behind the promise: the new session has the entry. */
	assert_int_equal(group_status(&g, 2).phase, COORDINATOR_SERVING);
	assert_int_equal(g.replicas[B].log[3].epoch.number, 6);
	assert_true(group_logs_equal(&g, B, C, 3));
}

static bool hold_answers(const struct group_message *m)
{
	return !m->to_replica && m->message.type == MESSAGE_APPEND_ANSWER;
}

/* 15: a lease is counted from the question. */
static void a_late_answer_grants_nothing(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, ALL);
	group_run(&g);
	g.hold = hold_answers;
	group_pass(&g, 5000);
	for (int i = 0; i < GROUP_VOTERS; i++)
		assert_true(g.replicas[i].machine != NULL);
	group_read(&g, 0);
	/* The answers to questions of long ago arrive; those of the last second are lost. */
	for (unsigned i = g.queued; i-- > 0;)
		if (g.queue[i].message.clock_ns + 3000 * NS_PER_MS > g.now_ns)
			g.queue[i].message.clock_ns = 0;
	g.hold = NULL;
	for (unsigned i = 0; i < GROUP_VOTERS; i++)
		g.sessions[0].linked[i] = true;
	coordinator_tick(g.sessions[0].machine, g.now_ns);
	{
		unsigned before = g.sessions[0].reads_answered;
		struct coordinator_status status;

		while (g.queued > 0 && !g.queue[0].to_replica) {
			struct message m = g.queue[0].message;

			coordinator_message(g.sessions[0].machine, g.queue[0].replica, &m, g.now_ns);
			g.queue[0].to_replica = true; /* delivered: nothing more than noise to a replica */
			g.queue[0].message.type = MESSAGE_TYPE_END;
			g.queue[0].message.entry = NULL;
			break;
		}
		status = group_status(&g, 0);
		assert_false(status.has_quorum);
		assert_int_equal(g.sessions[0].reads_answered, before);
	}
}

/* 28: one replica's promise to another session doesn't stop a healthy coordinator. */
static void a_minority_of_stale_does_not_end_it(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, ALL);
	group_run(&g);
	group_session_start(&g, 1, 2, 1u << B);
	group_pass(&g, 5000);
	group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.sessions[0].answered, 1);
	assert_int_equal(g.sessions[0].last_rc, 0);
	assert_true(group_status(&g, 0).voters[B].stale);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_OPENING);
}

/* 23: a replica that was away for long is complete, and needed when another is lost. */
static void a_laggard_is_brought_up_from_the_log(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, 1u << A | 1u << B);
	group_run(&g);
	for (int i = 0; i < 20; i++) {
		group_write(&g, 0, (uint64_t)i % GROUP_GRAINS);
		group_run(&g);
	}
	assert_int_equal(g.sessions[0].answered, 20);
	/* A new session knows the entries only from the logs. */
	coordinator_release(g.sessions[0].machine, g.now_ns);
	group_run(&g);
	group_session_start(&g, 1, 2, 1u << A | 1u << C);
	group_pass(&g, 1000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_SERVING);
	assert_true(group_logs_equal(&g, A, C, 22));
}

static void an_incomplete_majority_is_not_enough(void **state)
{
	(void)state;
	for (int i = 1; i < GROUP_VOTERS; i++) {
		g.replicas[i].state.incomplete = true;
		g.replicas[i].state.damaged = true;
		g.replicas[i].state.since.seq = UINT64_MAX;
		group_replica_restart(&g, i);
	}
	group_session_start(&g, 0, 1, ALL);
	group_pass(&g, 3000);
	assert_int_equal(group_status(&g, 0).phase, COORDINATOR_OPENING);
}

static void a_damaged_replica_is_copied_to_and_becomes_complete(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, 1u << A | 1u << B);
	group_run(&g);
	for (int i = 0; i < 6; i++)
		group_write(&g, 0, (uint64_t)i);
	group_run(&g);
	group_pass(&g, 100);
	g.replicas[C].state.incomplete = true;
	g.replicas[C].state.damaged = true;
	g.replicas[C].state.since.seq = UINT64_MAX;
	g.replicas[C].grain[7] = 99; /* something that the others don't have */
	group_replica_restart(&g, C);
	group_link(&g, 0, C);
	group_write(&g, 0, 2);
	group_pass(&g, 500);
	assert_true(group_status(&g, 0).voters[C].complete);
	assert_true(group_status(&g, 0).voters[C].matched);
	assert_false(g.replicas[C].state.incomplete);
	group_pass(&g, 100);
	for (unsigned k = 0; k < GROUP_GRAINS; k++)
		assert_int_equal(g.replicas[C].grain[k], g.replicas[A].grain[k]);
}

/* Seqs of a dead session say nothing: the epoch comes first. */
static void a_damaged_replica_with_a_long_dead_tail_is_copied_to(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= 50; seq++)
		g.replicas[C].log[seq] = (struct entry){ .epoch = { 1, 0 }, .seq = seq, .op = ENTRY_WRITE };
	g.replicas[C].last = g.replicas[C].durable = 50;
	g.replicas[C].state.incomplete = true;
	g.replicas[C].state.damaged = true;
	g.replicas[C].state.since.seq = UINT64_MAX;
	group_replica_restart(&g, C);
	group_session_start(&g, 0, 2, ALL);
	group_write(&g, 0, 3);
	group_pass(&g, 500);
	assert_true(group_status(&g, 0).voters[C].complete);
	assert_int_equal(g.replicas[C].last, g.replicas[A].last);
}

/* The voter restarts with fewer entries than it had called durable. */
static void a_replica_that_lost_acknowledged_entries_is_incomplete_first(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, ALL);
	group_run(&g);
	for (int i = 0; i < 4; i++)
		group_write(&g, 0, 1);
	group_run(&g);
	assert_int_equal(g.replicas[C].durable, 5);
	g.replicas[C].durable = 3;
	g.replicas[C].commit = 2;
	g.replicas[C].applied = 2;
	group_replica_restart(&g, C);
	group_link(&g, 0, C);
	g.sessions[0].linked[A] = g.sessions[0].linked[A];
	group_run(&g);
	assert_int_equal(replica_counters(g.replicas[C].machine)->regressions, 1);
	group_pass(&g, 500);
	assert_false(g.replicas[C].state.incomplete);
	assert_true(group_logs_equal(&g, A, C, 5));
}

static void a_restarted_replica_waits_for_the_leases_it_forgot(void **state)
{
	(void)state;
	group_session_start(&g, 0, 1, ALL);
	group_run(&g);
	group_replica_restart(&g, B);
	group_replica_restart(&g, C);
	group_session_start(&g, 1, 2, 1u << B | 1u << C);
	group_pass(&g, 2900);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_OPENING);
	group_pass(&g, 1000);
	assert_int_equal(group_status(&g, 1).phase, COORDINATOR_SERVING);
}

static void logs_part_where_their_epochs_differ(void **state)
{
	static const struct epoch_start a[] = { { { 5, 0 }, 1 }, { { 6, 0 }, 9 } };
	static const struct epoch_start b[] = { { { 5, 0 }, 1 } };
	static const struct epoch_start c[] = { { { 5, 0 }, 1 }, { { 7, 0 }, 4 } };

	(void)state;
	assert_int_equal(epochs_parting(a, 2, 9, b, 1, 10), 8);
	assert_int_equal(epochs_parting(a, 2, 9, c, 2, 6), 3);
	assert_int_equal(epochs_parting(a, 2, 12, a, 2, 10), 10);
	assert_int_equal(epochs_parting(a, 2, 12, b, 0, 0), 0);
	assert_int_equal(epochs_at(a, 2, 8).number, 5);
	assert_int_equal(epochs_at(a, 2, 9).number, 6);
}

#define scenario(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		scenario(a_write_is_acknowledged_by_a_quorum),
		scenario(a_write_waits_for_the_second_durable_answer),
		scenario(a_second_session_fences_the_first),
		scenario(a_released_session_is_followed_at_once),
		scenario(adopted_entries_keep_their_epoch),
		scenario(an_equal_epoch_of_another_session_is_stale),
		scenario(a_divergent_tail_is_truncated_not_counted),
		scenario(nothing_is_acknowledged_after_a_promise),
		scenario(a_late_answer_grants_nothing),
		scenario(a_minority_of_stale_does_not_end_it),
		scenario(a_laggard_is_brought_up_from_the_log),
		scenario(an_incomplete_majority_is_not_enough),
		scenario(a_damaged_replica_is_copied_to_and_becomes_complete),
		scenario(a_damaged_replica_with_a_long_dead_tail_is_copied_to),
		scenario(a_replica_that_lost_acknowledged_entries_is_incomplete_first),
		scenario(a_restarted_replica_waits_for_the_leases_it_forgot),
		cmocka_unit_test(logs_part_where_their_epochs_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
