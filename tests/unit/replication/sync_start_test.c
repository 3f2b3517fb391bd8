/* SYNC_START is said again while a disk is slow. It begins once: what follows its answer belongs to the
 * first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "replication/replication.h"

#define LINK 7u

static struct replica *machine;
static struct replica_figures figures;
static const uint64_t now_ns = 1000 * NS_PER_S;

static struct message from_session(enum message_type type)
{
	return (struct message){ .type = type, .epoch = { 3, 0 }, .session = 99, .attempt = 1 };
}

static struct replica_effect expect(enum replica_effect_type type)
{
	const struct replica_effect *effect = replica_poll(machine);

	assert_non_null(effect);
	assert_int_equal(effect->type, type);
	return *effect;
}

static void expect_nothing(void)
{
	assert_null(replica_poll(machine));
}

static void tell(const struct message *m)
{
	replica_message(machine, LINK, m, &figures, now_ns);
}

static struct message sync_start(uint64_t token)
{
	struct message m = from_session(MESSAGE_SYNC_START);

	m.token = token;
	m.position = (struct position){ { 2, 0 }, 40 };
	return m;
}

static void begin_resync(void)
{
	const struct replica_start start = { .size_bytes = 64 * GRAIN_BYTES };
	struct message m = from_session(MESSAGE_OPEN);

	assert_int_equal(replica_new(&start, now_ns, &machine), 0);
	figures = (struct replica_figures){ .first_seq = 1 };
	m.lease_ms = 3000;
	tell(&m);
	expect(REPLICA_STATE);
	replica_state_written(machine, 0, &figures, now_ns);
	assert_int_equal(expect(REPLICA_SEND).message.type, MESSAGE_OPEN_ANSWER);
	m = sync_start(5);
	tell(&m);
	expect(REPLICA_STATE);
}

static void finish_start(void)
{
	struct replica_effect effect;

	replica_state_written(machine, 0, &figures, now_ns);
	while (replica_poll(machine))
		;
	figures.last = (struct position){ { 2, 0 }, 40 };
	replica_log_reset_done(machine, 0, now_ns);
	effect = expect(REPLICA_SEND);
	assert_int_equal(effect.message.type, MESSAGE_SYNC_STARTED);
	assert_int_equal(effect.message.token, 5);
}

static void said_again_after_the_answer_it_changes_nothing(void **state)
{
	struct message m;

	(void)state;
	begin_resync();
	finish_start();
	m = from_session(MESSAGE_SYNC_WINDOW);
	tell(&m);
	expect(REPLICA_SYNC_HOLD);
	m = sync_start(5);
	tell(&m);
	expect_nothing();
	m = from_session(MESSAGE_GRAIN_WRITE);
	tell(&m);
	expect(REPLICA_GRAIN_WRITE);
	replica_free(machine);
}

static void said_again_while_the_state_is_written_it_changes_nothing(void **state)
{
	struct message m = sync_start(5);

	(void)state;
	begin_resync();
	tell(&m);
	expect_nothing();
	finish_start();
	replica_free(machine);
}

static void another_resync_of_the_same_session_begins_anew(void **state)
{
	struct message m = sync_start(6);

	(void)state;
	begin_resync();
	finish_start();
	tell(&m);
	expect(REPLICA_STATE);
	replica_free(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(said_again_after_the_answer_it_changes_nothing),
		cmocka_unit_test(said_again_while_the_state_is_written_it_changes_nothing),
		cmocka_unit_test(another_resync_of_the_same_session_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
