/* A voter whose log isn't what it told can't be matched, however often it is asked: it is opened once more,
 * and then it is out of this session, which goes on without it if it can. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "replication/replication.h"

static struct coordinator *machine;
static struct entry_pool *entries;
static uint64_t now_ns;
static const struct epoch_start rows[] = { { { 1, 0 }, 1 } };
static uint32_t attempts[3];
static unsigned opens[3], matches[3];
static unsigned refusing; /* voters that answer MATCH with -EPROTO; a bit each */

static void answer(unsigned voter, enum message_type type, int rc, uint64_t seq)
{
	struct message m = { .type = type,
		.epoch = { 2, 0 },
		.session = 77,
		.attempt = attempts[voter],
		.position = { { 1, 0 }, 5 },
		.seq = seq,
		.rc = rc,
		.room_bytes = 1u << 20,
		.rows = rows,
		.row_count = 1,
		.clock_ns = now_ns };

	coordinator_message(machine, (int)voter, &m, now_ns);
}

/* All three answer what they are asked, until nothing is asked any more. */
static void run(void)
{
	struct coordinator_effect effect;

	while (coordinator_poll(machine, now_ns, &effect)) {
		const struct message *m = &effect.message;
		unsigned i = (unsigned)effect.voter;

		if (effect.type != COORDINATOR_SEND)
			continue;
		attempts[i] = m->attempt;
		if (m->type == MESSAGE_OPEN) {
			opens[i]++;
			answer(i, MESSAGE_OPEN_ANSWER, 0, 0);
		} else if (m->type == MESSAGE_MATCH) {
			bool refuses = refusing & 1u << i;

			matches[i]++;
			answer(i, MESSAGE_MATCH_ANSWER, refuses ? -EPROTO : 0, m->seq);
		} else if (m->type == MESSAGE_APPEND && m->entry) {
			answer(i, MESSAGE_APPEND_ANSWER, 0, m->entry->seq);
		}
	}
}

static void begin(unsigned who_refuses)
{
	const struct coordinator_config config = {
		.voter_count = 3,
		.local = -1,
		.size_bytes = 64 * GRAIN_BYTES,
		.epoch = { 2, 0 },
		.session = 77,
		.lease_ms = 3000,
		.lease_margin_ms = 400,
	};
	struct coordinator_config mine = config;

	now_ns = 1000 * NS_PER_S;
	refusing = who_refuses;
	memset(opens, 0, sizeof(opens));
	memset(matches, 0, sizeof(matches));
	assert_int_equal(entry_pool_new(4, &entries), 0);
	mine.entries = entries;
	assert_int_equal(coordinator_new(&mine, now_ns, &machine), 0);
	for (int i = 0; i < 3; i++)
		coordinator_voter_up(machine, i, now_ns);
	for (unsigned turn = 0; turn < 600; turn++) {
		run();
		now_ns += 100 * NS_PER_MS;
		coordinator_tick(machine, now_ns);
	}
}

static struct coordinator_status status(void)
{
	struct coordinator_status s;

	coordinator_status_get(machine, now_ns, &s);
	return s;
}

static void end(void)
{
	struct coordinator_effect effect;

	coordinator_end(machine, -EIO, now_ns);
	while (coordinator_poll(machine, now_ns, &effect))
		;
	coordinator_free(machine);
	entry_pool_free(entries);
}

static void the_others_serve_without_it(void **state)
{
	(void)state;
	begin(1u << 2);
	assert_int_equal(status().phase, COORDINATOR_SERVING);
	assert_int_equal(matches[2], 2);
	assert_int_equal(opens[2], 2);
	assert_true(status().voters[2].unmatched);
	assert_false(status().voters[2].promised);
	end();
}

static void the_owner_of_the_chosen_log_may_be_the_one(void **state)
{
	(void)state;
	begin(1u << 0);
	assert_int_equal(status().phase, COORDINATOR_SERVING);
	assert_true(status().voters[0].unmatched);
	end();
}

static void without_a_quorum_of_the_others_it_ends_and_says_why(void **state)
{
	(void)state;
	begin(1u << 0 | 1u << 1);
	assert_int_equal(status().phase, COORDINATOR_ENDED);
	assert_non_null(strstr(status().why_ended, "logs"));
	assert_in_range(matches[0] + matches[1], 2, 4);
	end();
}

/* A member that is exchanged may come back under the same index. */
static void a_new_connection_is_a_new_chance(void **state)
{
	(void)state;
	begin(1u << 2);
	refusing = 0;
	coordinator_voter_down(machine, 2, now_ns);
	coordinator_voter_up(machine, 2, now_ns);
	run();
	assert_false(status().voters[2].unmatched);
	assert_true(status().voters[2].matched);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_others_serve_without_it),
		cmocka_unit_test(the_owner_of_the_chosen_log_may_be_the_one),
		cmocka_unit_test(without_a_quorum_of_the_others_it_ends_and_says_why),
		cmocka_unit_test(a_new_connection_is_a_new_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
