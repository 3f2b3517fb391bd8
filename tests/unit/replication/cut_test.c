/* The end of the chosen log can be read nowhere: when it is cut off, and when it is waited for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "replication/replication.h"

#define LOST 4u /* this entry and the one behind it are in voter 0's log only */

static struct coordinator *machine;
static struct entry_pool *entries;
static uint64_t now_ns;
static const struct epoch_start rows[] = { { { 1, 0 }, 1 } };
static struct position last[4];
static struct position since[4]; /* not {0, 0}: it is incomplete */
static unsigned log_reads, syncs_begun;
static uint64_t cut_to; /* where voter 0 was truncated; 0: it wasn't */

static int setup(void **state)
{
	(void)state;
	now_ns = 1000 * NS_PER_S;
	log_reads = syncs_begun = 0;
	cut_to = 0;
	last[0] = (struct position){ { 1, 0 }, LOST + 1 };
	for (unsigned i = 1; i < 4; i++)
		last[i] = (struct position){ { 1, 0 }, LOST - 1 };
	for (unsigned i = 0; i < 4; i++)
		since[i] = (struct position){ { 0, 0 }, 0 };
	return entry_pool_new(4, &entries);
}

static int teardown(void **state)
{
	(void)state;
	coordinator_end(machine, -EIO, now_ns);
	coordinator_free(machine);
	entry_pool_free(entries);
	return 0;
}

static void begin(unsigned voters, uint8_t old, uint8_t next)
{
	struct coordinator_config config = {
		.voter_count = voters,
		.voters = old,
		.next_voters = next,
		.local = -1,
		.size_bytes = 64 * GRAIN_BYTES,
		.epoch = { 2, 0 },
		.session = 77,
		.lease_ms = 3000,
		.lease_margin_ms = 400,
		.entries = entries,
	};

	assert_int_equal(coordinator_new(&config, now_ns, &machine), 0);
}

/* What a replica says to this; false: nothing. */
static bool reply(int i, const struct message *m, struct message *answer)
{
	switch (m->type) {
	case MESSAGE_OPEN:
		answer->type = MESSAGE_OPEN_ANSWER;
		answer->position = last[i];
		answer->incomplete = since[i].seq != 0;
		answer->since = since[i];
		answer->rows = rows;
		answer->row_count = 1;
		answer->commit_seq = 1;
		return true;
	case MESSAGE_MATCH:
		answer->type = MESSAGE_MATCH_ANSWER;
		answer->seq = m->seq;
		assert_true(m->seq <= last[i].seq);
		assert_false(m->regressed);
		if (m->seq < last[i].seq) {
			assert_int_equal(i, 0);
			cut_to = m->seq;
			last[i] = (struct position){ { 1, 0 }, m->seq };
		}
		return true;
	case MESSAGE_APPEND:
		if (!m->entry)
			return false;
		last[i] = (struct position){ m->entry->epoch, m->entry->seq };
		answer->type = MESSAGE_APPEND_ANSWER;
		answer->seq = m->entry->seq;
		return true;
	case MESSAGE_LOG_READ:
		assert_int_equal(i, 0);
		log_reads++;
		answer->type = MESSAGE_LOG_ANSWER;
		answer->token = m->token;
		answer->rc = -EILSEQ;
		return true;
	case MESSAGE_SYNC_START:
		syncs_begun++;
		answer->type = MESSAGE_SYNC_STARTED;
		answer->token = m->token;
		answer->seq = m->position.seq;
		answer->since = since[i];
		return true;
	default:
		return false;
	}
}

/* Half a second, with all that is said in it. */
static void pass(void)
{
	struct coordinator_effect effect;

	for (unsigned k = 0; k < 50; k++) {
		now_ns += 10 * NS_PER_MS;
		coordinator_tick(machine, now_ns);
		while (coordinator_poll(machine, now_ns, &effect)) {
			const struct message *m = &effect.message;
			struct message answer = { .room_bytes = 1u << 20 };

			if (effect.type != COORDINATOR_SEND || !reply(effect.voter, m, &answer))
				continue;
			answer.epoch = m->epoch;
			answer.session = m->session;
			answer.attempt = m->attempt;
			coordinator_message(machine, effect.voter, &answer, now_ns);
		}
	}
}

static void up(int i)
{
	coordinator_voter_up(machine, i, now_ns);
	pass();
}

static void expect_waiting(void)
{
	unsigned before = log_reads;

	for (unsigned k = 0; k < 10; k++)
		pass();
	assert_int_equal(cut_to, 0);
	assert_true(log_reads > before);      /* the disk may read it after all */
	assert_true(log_reads - before < 20); /* but isn't asked all the time */
}

static void expect_cut(void)
{
	struct coordinator_status status;

	assert_int_equal(cut_to, LOST - 1);
	for (unsigned k = 0; k < 10; k++)
		pass();
	coordinator_status_get(machine, now_ns, &status);
	assert_int_equal(status.voters[0].cuts, 1);
	assert_false(status.voters[0].damaged);
	assert_int_equal(status.phase, COORDINATOR_ENDED); /* another session chooses anew */
}

static void of_three_the_third_is_waited_for(void **state)
{
	(void)state;
	begin(3, 0, 0);
	coordinator_voter_up(machine, 0, now_ns);
	up(1);
	expect_waiting();
	up(2);
	expect_cut();
	assert_int_equal(syncs_begun, 0);
}

static void of_two_the_other_is_enough(void **state)
{
	(void)state;
	begin(2, 0, 0);
	coordinator_voter_up(machine, 0, now_ns);
	up(1);
	expect_cut();
}

/* Voter 2 is incomplete; it is copied to, which goes on behind what is committed. */
static void with_an_incomplete_one(struct position bound)
{
	begin(3, 0, 0);
	since[2] = bound;
	coordinator_voter_up(machine, 0, now_ns);
	coordinator_voter_up(machine, 1, now_ns);
	up(2);
}

static void an_incomplete_one_is_believed_below_its_since(void **state)
{
	(void)state;
	with_an_incomplete_one((struct position){ { 1, 0 }, LOST - 1 });
	expect_cut();
}

static void an_incomplete_one_may_have_had_it(void **state)
{
	(void)state;
	with_an_incomplete_one((struct position){ { 1, 0 }, LOST });
	expect_waiting();
}

static void a_damaged_one_may_have_had_it(void **state)
{
	(void)state;
	with_an_incomplete_one((struct position){ { UINT64_MAX, UINT32_MAX }, UINT64_MAX });
	expect_waiting();
	assert_int_equal(syncs_begun, 0);
}

/* The entry may have been committed by the old voters alone, before the record was joint. */
static void while_members_change_the_old_ones_count_alone(void **state)
{
	(void)state;
	begin(4, 7, 11);
	coordinator_voter_up(machine, 0, now_ns);
	coordinator_voter_up(machine, 1, now_ns);
	up(3);
	expect_waiting();
	up(2);
	expect_cut();
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(of_three_the_third_is_waited_for),
		test(of_two_the_other_is_enough),
		test(an_incomplete_one_is_believed_below_its_since),
		test(an_incomplete_one_may_have_had_it),
		test(a_damaged_one_may_have_had_it),
		test(while_members_change_the_old_ones_count_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
