/* An OPEN waits for the leases of the session before it. What has changed by the time they are over is looked
 * at then: another promise, and newer members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "replication/replication.h"

#define OLD_LINK 7u
#define NEW_LINK 8u

static struct replica *machine;
static struct entry_pool *entries;
static struct replica_figures figures;
static uint64_t now_ns = 1000 * NS_PER_S;

static struct message from_old(enum message_type type)
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

static void tell(uint64_t from, const struct message *m)
{
	replica_message(machine, from, m, &figures, now_ns);
}

/* The old session is promised, matched, and has just been granted a lease. */
static void begin(void)
{
	const struct replica_start start = { .size_bytes = 64 * GRAIN_BYTES };
	struct message m = from_old(MESSAGE_OPEN);

	assert_int_equal(entry_pool_new(4, &entries), 0);
	assert_int_equal(replica_new(&start, now_ns, &machine), 0);
	figures = (struct replica_figures){ .first_seq = 1 };
	m.lease_ms = 3000;
	m.config_number = 1;
	tell(OLD_LINK, &m);
	expect(REPLICA_STATE);
	replica_state_written(machine, 0, &figures, now_ns);
	expect(REPLICA_SEND);
	m = from_old(MESSAGE_MATCH);
	tell(OLD_LINK, &m);
	expect(REPLICA_SEND);
}

static void end(void)
{
	replica_free(machine);
	entry_pool_free(entries);
}

static void new_session_opens(uint64_t config_number)
{
	struct message m = { .type = MESSAGE_OPEN, .epoch = { 4, 0 }, .session = 100, .attempt = 1 };

	m.lease_ms = 3000;
	m.config_number = config_number;
	tell(NEW_LINK, &m);
	assert_null(replica_poll(machine)); /* it waits */
}

static void old_session_changes_the_members(uint64_t number)
{
	struct message m = from_old(MESSAGE_APPEND);
	const struct replica_effect *effect;

	m.entry = entry_get(entries);
	m.entry->op = ENTRY_MEMBERSHIP;
	m.entry->epoch = (struct epoch){ 3, 0 };
	m.entry->seq = 1;
	m.entry->request_id = number;
	tell(OLD_LINK, &m);
	entry_put(m.entry);
	while ((effect = replica_poll(machine)) != NULL)
		entry_put(effect->entry);
	figures.last = (struct position){ { 3, 0 }, 1 };
	replica_state_written(machine, 0, &figures, now_ns);
	replica_durable(machine, 1, &figures, now_ns);
	while (replica_poll(machine))
		;
}

static void leases_run_out(void)
{
	now_ns = replica_deadline_ns(machine);
	assert_true(now_ns != UINT64_MAX);
	replica_tick(machine, now_ns);
}

static void who_knows_the_members_is_promised(void **state)
{
	(void)state;
	begin();
	new_session_opens(2);
	old_session_changes_the_members(2);
	leases_run_out();
	assert_int_equal(expect(REPLICA_STATE).state.promise_session, 100);
	end();
}

static void who_knows_older_members_is_told_so_after_the_wait_too(void **state)
{
	struct replica_effect effect;

	(void)state;
	begin();
	new_session_opens(1);
	old_session_changes_the_members(2);
	leases_run_out();
	effect = expect(REPLICA_SEND);
	assert_int_equal(effect.message.type, MESSAGE_CONFIG);
	assert_int_equal(effect.message.config_number, 2);
	assert_int_equal(effect.message.session, 100);
	assert_int_equal(effect.to, NEW_LINK);
	assert_int_equal(replica_promised(machine).number, 3);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_knows_the_members_is_promised),
		cmocka_unit_test(who_knows_older_members_is_told_so_after_the_wait_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
