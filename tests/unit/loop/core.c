/* The core of a loop on a clock that the test owns: timers, deferred tasks, their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "loop/loop.h"

static uint64_t fake_now_ns;

static uint64_t fake_now(const struct clock *clock)
{
	(void)clock;
	return fake_now_ns;
}

static const struct clock fake_clock = { .now_ns = fake_now, .wall_ns = fake_now };

#define MAX_EVENTS 4096
static struct loop loop;
static int events[MAX_EVENTS];
static unsigned event_count;

struct probe {
	struct loop_timer timer;
	struct loop_task task;
	struct loop_task *defers; /* what its callback defers */
	uint64_t sets_at_ns;      /* its callback sets its timer again; 0: not */
	int name;
};

static void probe_fires(void *arg)
{
	struct probe *probe = arg;

	assert_true(event_count < MAX_EVENTS);
	events[event_count++] = probe->name;
	if (probe->defers)
		loop_defer(&loop, probe->defers);
	if (probe->sets_at_ns > 0)
		loop_timer_set(&loop, &probe->timer, probe->sets_at_ns);
}

static void probe_init(struct probe *probe, int name)
{
	*probe = (struct probe){ .name = name };
	loop_timer_init(&probe->timer, probe_fires, probe);
	loop_task_init(&probe->task, probe_fires, probe);
}

static int setup(void **state)
{
	(void)state;
	fake_now_ns = 1000;
	event_count = 0;
	return loop_init(&loop, &fake_clock);
}

static int teardown(void **state)
{
	(void)state;
	loop_done(&loop);
	return 0;
}

static void expect_events(const int *expected, unsigned count)
{
	assert_int_equal(event_count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(events[i], expected[i]);
}

static void timers_fire_by_time_then_by_order_of_setting(void **state)
{
	struct probe p[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		probe_init(&p[i], i);
	loop_timer_set(&loop, &p[0].timer, 3000);
	loop_timer_set(&loop, &p[1].timer, 2000);
	loop_timer_set(&loop, &p[2].timer, 3000);
	loop_timer_set(&loop, &p[3].timer, 5000);
	assert_int_equal(loop_next_due_ns(&loop), 2000);
	loop_run_due(&loop);
	expect_events(NULL, 0);
	fake_now_ns = 4000;
	loop_run_due(&loop);
	expect_events((int[]){ 1, 0, 2 }, 3);
	assert_int_equal(loop_now_ns(&loop), 4000);
	assert_int_equal(loop_next_due_ns(&loop), 5000);
	assert_false(loop_timer_is_set(&p[0].timer));
	assert_true(loop_timer_is_set(&p[3].timer));
}

static void setting_a_timer_again_moves_it(void **state)
{
	struct probe p[2];

	(void)state;
	probe_init(&p[0], 0);
	probe_init(&p[1], 1);
	loop_timer_set(&loop, &p[0].timer, 2000);
	loop_timer_set(&loop, &p[1].timer, 2000);
	loop_timer_set(&loop, &p[0].timer, 2500);
	fake_now_ns = 2400;
	loop_run_due(&loop);
	expect_events((int[]){ 1 }, 1);
	fake_now_ns = 2500;
	loop_run_due(&loop);
	expect_events((int[]){ 1, 0 }, 2);
	fake_now_ns = 9000;
	loop_run_due(&loop);
	assert_int_equal(event_count, 2);
}

static void a_cancelled_timer_does_not_fire(void **state)
{
	struct probe p[2];

	(void)state;
	probe_init(&p[0], 0);
	probe_init(&p[1], 1);
	loop_timer_cancel(&loop, &p[0].timer);
	loop_timer_set(&loop, &p[0].timer, 2000);
	loop_timer_set(&loop, &p[1].timer, 2000);
	loop_timer_cancel(&loop, &p[0].timer);
	loop_timer_cancel(&loop, &p[0].timer);
	fake_now_ns = 3000;
	loop_run_due(&loop);
	expect_events((int[]){ 1 }, 1);
	assert_int_equal(loop_next_due_ns(&loop), UINT64_MAX);
}

static void a_timer_that_sets_itself_for_now_fires_once_a_turn(void **state)
{
	struct probe p[2];

	(void)state;
	probe_init(&p[0], 0);
	probe_init(&p[1], 1);
	p[0].sets_at_ns = 1;
	loop_timer_set(&loop, &p[0].timer, 2000);
	loop_timer_set(&loop, &p[1].timer, 2000);
	fake_now_ns = 2000;
	loop_run_due(&loop);
	expect_events((int[]){ 0, 1 }, 2);
	assert_int_equal(loop_next_due_ns(&loop), 2000);
	loop_run_due(&loop);
	expect_events((int[]){ 0, 1, 0 }, 3);
}

static void tasks_run_once_in_order_and_before_the_next_timer(void **state)
{
	struct probe p[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		probe_init(&p[i], i);
	p[0].defers = &p[2].task; /* a timer defers a task ... */
	p[2].defers = &p[3].task; /* ... that defers another */
	loop_timer_set(&loop, &p[0].timer, 1500);
	loop_timer_set(&loop, &p[1].timer, 1600);
	loop_defer(&loop, &p[4].task);
	loop_defer(&loop, &p[4].task);
	assert_int_equal(loop_next_due_ns(&loop), 1000);
	fake_now_ns = 2000;
	loop_run_due(&loop);
	expect_events((int[]){ 4, 0, 2, 3, 1 }, 5);
	loop_run_due(&loop);
	assert_int_equal(event_count, 5);
}

static void a_cancelled_task_does_not_run(void **state)
{
	struct probe p[2];

	(void)state;
	probe_init(&p[0], 0);
	probe_init(&p[1], 1);
	loop_defer(&loop, &p[0].task);
	loop_defer(&loop, &p[1].task);
	loop_task_cancel(&p[0].task);
	loop_run_due(&loop);
	expect_events((int[]){ 1 }, 1);
}

/* Random sets, moves and cancels, against the plain reading of the contract. */
static void many_timers_fire_in_order(void **state)
{
	enum { COUNT = 500 };
	static struct probe p[COUNT];
	static uint64_t at[COUNT];
	struct random random;
	uint64_t last_ns = 0;
	unsigned set = 0;

	(void)state;
	random_init(&random, 1);
	for (int i = 0; i < COUNT; i++)
		probe_init(&p[i], i);
	for (int step = 0; step < 5000; step++) {
		uint64_t i = random_below(&random, COUNT);

		if (random_chance(&random, 1, 3)) {
			loop_timer_cancel(&loop, &p[i].timer);
			at[i] = 0;
		} else {
			at[i] = 2000 + random_below(&random, 1000);
			loop_timer_set(&loop, &p[i].timer, at[i]);
		}
	}
	for (int i = 0; i < COUNT; i++)
		set += at[i] != 0;
	assert_int_equal(loop.timer_count, set);
	for (fake_now_ns = 2000; fake_now_ns < 3000; fake_now_ns += 7) {
		unsigned from = event_count;

		loop_run_due(&loop);
		for (unsigned e = from; e < event_count; e++) {
			assert_true(at[events[e]] >= last_ns && at[events[e]] <= fake_now_ns);
			last_ns = at[events[e]];
		}
	}
	fake_now_ns = 3000;
	loop_run_due(&loop);
	assert_int_equal(event_count, set);
	assert_int_equal(loop_next_due_ns(&loop), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			timers_fire_by_time_then_by_order_of_setting, setup, teardown),
		cmocka_unit_test_setup_teardown(setting_a_timer_again_moves_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cancelled_timer_does_not_fire, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_timer_that_sets_itself_for_now_fires_once_a_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(
			tasks_run_once_in_order_and_before_the_next_timer, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cancelled_task_does_not_run, setup, teardown),
		cmocka_unit_test_setup_teardown(many_timers_fire_in_order, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
