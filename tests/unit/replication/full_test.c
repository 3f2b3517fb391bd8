/* Writes are refused when no quorum of replicas has room, and only then; trims pass them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "group.h"

static struct group g;

static void begin(unsigned full)
{
	group_init(&g);
	group_session_start(&g, 0, 1, 7);
	group_run(&g);
	assert_int_equal(group_status(&g, 0).phase, COORDINATOR_SERVING);
	for (unsigned i = 0; i < GROUP_VOTERS; i++)
		g.replicas[i].full = full & 1u << i;
	group_pass(&g, 1500); /* a heartbeat tells */
}

static void trim(void)
{
	struct operation *op = calloc(1, sizeof(*op));

	assert_non_null(op);
	op->entry = entry_get(g.entries);
	op->entry->op = ENTRY_TRIM;
	op->entry->length_bytes = GRAIN_BYTES;
	coordinator_submit(g.sessions[0].machine, op, g.now_ns);
	group_run(&g);
}

/* With a payload: what needs room. */
static void write(void)
{
	struct operation *op = calloc(1, sizeof(*op));

	assert_non_null(op);
	op->entry = entry_get(g.entries);
	op->entry->op = ENTRY_WRITE;
	op->entry->length_bytes = BLOCK_BYTES;
	op->entry->payload = buf_get(g.bufs, BLOCK_BYTES);
	op->entry->payload->len_bytes = BLOCK_BYTES;
	coordinator_submit(g.sessions[0].machine, op, g.now_ns);
	group_run(&g);
}

static void one_full_replica_of_three_stops_nothing(void **state)
{
	(void)state;
	begin(1);
	assert_true(group_status(&g, 0).voters[0].full);
	assert_false(group_status(&g, 0).full);
	write();
	assert_int_equal(g.sessions[0].answered, 1);
	assert_int_equal(g.sessions[0].last_rc, 0);
	group_done(&g);
}

static void two_of_three_are_waited_for_then_writes_are_refused(void **state)
{
	(void)state;
	begin(3);
	assert_true(group_status(&g, 0).full);
	write();
	assert_int_equal(g.sessions[0].answered, 0);
	trim();
	assert_int_equal(g.sessions[0].answered, 1);
	assert_int_equal(g.sessions[0].last_rc, 0);
	group_pass(&g, 6000);
	assert_int_equal(g.sessions[0].answered, 2);
	assert_int_equal(g.sessions[0].last_rc, -ENOSPC);
	write(); /* it is known by now */
	assert_int_equal(g.sessions[0].answered, 3);
	assert_int_equal(g.sessions[0].last_rc, -ENOSPC);
	assert_int_equal(group_status(&g, 0).refused, 2);
	trim();
	assert_int_equal(g.sessions[0].last_rc, 0);
	group_done(&g);
}

static void what_waits_goes_on_when_there_is_room(void **state)
{
	(void)state;
	begin(6);
	write();
	write();
	assert_int_equal(g.sessions[0].answered, 0);
	g.replicas[2].full = false;
	group_pass(&g, 300);
	assert_int_equal(g.sessions[0].answered, 2);
	assert_int_equal(g.sessions[0].last_rc, 0);
	assert_false(group_status(&g, 0).full);
	group_done(&g);
}

/* Without a quorum nobody knows: it waits for one. */
static void a_lost_quorum_refuses_nothing(void **state)
{
	(void)state;
	begin(3);
	group_unlink(&g, 0, 0);
	group_unlink(&g, 0, 2);
	write();
	group_pass(&g, 9000);
	assert_int_equal(g.sessions[0].answered, 0);
	g.replicas[0].full = g.replicas[1].full = false;
	group_link(&g, 0, 0);
	group_pass(&g, 2000);
	assert_int_equal(g.sessions[0].answered, 1);
	assert_int_equal(g.sessions[0].last_rc, 0);
	group_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_full_replica_of_three_stops_nothing),
		cmocka_unit_test(two_of_three_are_waited_for_then_writes_are_refused),
		cmocka_unit_test(what_waits_goes_on_when_there_is_room),
		cmocka_unit_test(a_lost_quorum_refuses_nothing),
	};

	return cmocka_run_group_tests_name("replication full", tests, NULL, NULL);
}
