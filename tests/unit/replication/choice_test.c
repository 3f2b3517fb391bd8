/* The owner of the chosen log goes away before anything of the session was sent: another log is chosen, and a
 * NEW_EPOCH of its own stands behind it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "replication/replication.h"

static struct coordinator *machine;
static struct entry_pool *entries;
static uint64_t now_ns = 1000 * NS_PER_S;
static const struct epoch_start rows[] = { { { 1, 0 }, 1 } };

static const struct coordinator_config config = {
	.voter_count = 3,
	.local = -1,
	.size_bytes = 64 * GRAIN_BYTES,
	.epoch = { 2, 0 },
	.session = 77,
	.lease_ms = 3000,
	.lease_margin_ms = 400,
};

/* The next thing that is sent of this type; others are taken as sent. */
static struct coordinator_effect sent(enum message_type type)
{
	struct coordinator_effect effect;

	while (coordinator_poll(machine, now_ns, &effect))
		if (effect.type == COORDINATOR_SEND && effect.message.type == type)
			return effect;
	fail();
	return effect;
}

static void answer(int voter, enum message_type type, uint32_t attempt, uint64_t seq)
{
	struct message m = { .type = type, .epoch = { 2, 0 }, .session = 77, .attempt = attempt };

	m.position = (struct position){ { 1, 0 }, seq };
	m.seq = seq;
	m.room_bytes = 1u << 20;
	m.rows = rows;
	m.row_count = 1;
	coordinator_message(machine, voter, &m, now_ns);
}

static enum coordinator_phase phase(void)
{
	struct coordinator_status status;

	coordinator_status_get(machine, now_ns, &status);
	return status.phase;
}

static uint64_t committed(void)
{
	struct coordinator_status status;

	coordinator_status_get(machine, now_ns, &status);
	return status.commit_seq;
}

/* Voter 1 is matched, and NEW_EPOCH waits for its connection to take frames again. */
static void choose_and_append(void)
{
	struct coordinator_config mine = config;
	struct coordinator_effect effect;

	assert_int_equal(entry_pool_new(4, &entries), 0);
	mine.entries = entries;
	assert_int_equal(coordinator_new(&mine, now_ns, &machine), 0);
	coordinator_voter_up(machine, 0, now_ns);
	coordinator_voter_up(machine, 1, now_ns);
	sent(MESSAGE_OPEN);
	sent(MESSAGE_OPEN);
	answer(0, MESSAGE_OPEN_ANSWER, 1, 3);
	answer(1, MESSAGE_OPEN_ANSWER, 1, 5);
	assert_int_equal(phase(), COORDINATOR_ADOPTING);
	while (coordinator_poll(machine, now_ns, &effect))
		;
	now_ns += NS_PER_S;
	coordinator_tick(machine, now_ns);
	while (coordinator_poll(machine, now_ns, &effect))
		if (effect.voter == 1)
			coordinator_refused(machine, &effect);
	answer(1, MESSAGE_MATCH_ANSWER, 1, 5);
	while (coordinator_poll(machine, now_ns, &effect))
		assert_false(effect.type == COORDINATOR_SEND && effect.message.entry);
}

static void the_next_choice_has_a_new_epoch_of_its_own(void **state)
{
	struct coordinator_effect effect;

	(void)state;
	choose_and_append();
	coordinator_voter_down(machine, 1, now_ns);
	assert_int_equal(phase(), COORDINATOR_OPENING);
	coordinator_voter_up(machine, 2, now_ns);
	sent(MESSAGE_OPEN);
	sent(MESSAGE_OPEN);
	answer(0, MESSAGE_OPEN_ANSWER, 2, 9);
	answer(2, MESSAGE_OPEN_ANSWER, 1, 9);
	while (coordinator_poll(machine, now_ns, &effect))
		;
	answer(0, MESSAGE_MATCH_ANSWER, 2, 9);
	answer(2, MESSAGE_MATCH_ANSWER, 1, 9);
	/* An older session's entries never commit by being on a quorum. */
	assert_int_equal(committed(), 0);
	effect = sent(MESSAGE_APPEND);
	assert_non_null(effect.message.entry);
	assert_int_equal(effect.message.entry->op, ENTRY_NEW_EPOCH);
	assert_int_equal(effect.message.entry->seq, 10);
	coordinator_end(machine, -EIO, now_ns);
	coordinator_free(machine);
	entry_pool_free(entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_choice_has_a_new_epoch_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
