/* The real loop: completions, timers by the wait's timeout, the mailbox from other threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/loop.h"

static struct uring_loop *loop;

static int setup(void **state)
{
	struct error error;

	(void)state;
	return uring_loop_new(clock_system(), &loop, &error);
}

static int teardown(void **state)
{
	(void)state;
	uring_loop_free(loop);
	return 0;
}

static void stop(void *arg)
{
	(void)arg;
	uring_loop_stop(loop);
}

struct result {
	struct uring_op op;
	int32_t result;
	unsigned calls;
	bool stops;
};

static void op_done(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	struct result *r = container_of(op, struct result, op);

	(void)cqe_flags;
	r->result = result;
	r->calls++;
	if (r->stops)
		uring_loop_stop(loop);
}

static void a_timer_ends_the_wait(void **state)
{
	struct loop_timer timer;
	uint64_t begin_ns = clock_now_ns(clock_system());

	(void)state;
	loop_timer_init(&timer, stop, NULL);
	loop_timer_set(uring_loop_core(loop), &timer, begin_ns + 30 * NS_PER_MS);
	uring_loop_run(loop);
	assert_true(clock_now_ns(clock_system()) >= begin_ns + 30 * NS_PER_MS);
	assert_true(clock_now_ns(clock_system()) < begin_ns + 3 * NS_PER_S);
}

static void an_operation_completes_with_its_result(void **state)
{
	struct result read_op = { .op.fn = op_done, .stops = true }, write_op = { .op.fn = op_done };
	int fds[2];
	char bytes[16] = "";

	(void)state;
	assert_int_equal(pipe(fds), 0);
	io_uring_prep_read(uring_loop_sqe(loop, &read_op.op), fds[0], bytes, sizeof(bytes), 0);
	io_uring_prep_write(uring_loop_sqe(loop, &write_op.op), fds[1], "stone", 5, 0);
	uring_loop_run(loop);
	assert_int_equal(write_op.result, 5);
	assert_int_equal(read_op.result, 5);
	assert_string_equal(bytes, "stone");
	close(fds[0]);
	close(fds[1]);
}

static void a_cancelled_operation_still_calls_back(void **state)
{
	struct result read_op = { .op.fn = op_done, .stops = true };
	int fds[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	io_uring_prep_read(uring_loop_sqe(loop, &read_op.op), fds[0], &byte, 1, 0);
	uring_loop_cancel(loop, &read_op.op);
	uring_loop_run(loop);
	assert_int_equal(read_op.calls, 1);
	assert_int_equal(read_op.result, -ECANCELED);
	close(fds[0]);
	close(fds[1]);
}

#define MANY_OPS 5000u /* more than the submission queue holds */
static struct result many[MANY_OPS];
static unsigned many_done;

static void many_op_done(struct uring_op *op, int32_t result, uint32_t cqe_flags)
{
	(void)cqe_flags;
	container_of(op, struct result, op)->calls++;
	assert_int_equal(result, 0);
	if (++many_done == MANY_OPS)
		uring_loop_stop(loop);
}

static void submit_many(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < MANY_OPS; i++) {
		many[i].op.fn = many_op_done;
		io_uring_prep_nop(uring_loop_sqe(loop, &many[i].op));
	}
}

static void a_full_submission_queue_is_submitted(void **state)
{
	struct loop_task task;

	(void)state;
	loop_task_init(&task, submit_many, NULL);
	loop_defer(uring_loop_core(loop), &task);
	uring_loop_run(loop);
	for (unsigned i = 0; i < MANY_OPS; i++)
		assert_int_equal(many[i].calls, 1);
}

/* ---- mailbox ---- */

#define POSTERS       3u
#define POST_MESSAGES 20000u

struct numbered {
	struct loop_message message;
	unsigned poster, number;
};

static unsigned next_number[POSTERS];
static unsigned arrived;

static void numbered_arrives(struct loop_message *message)
{
	struct numbered *n = container_of(message, struct numbered, message);

	assert_int_equal(n->number, next_number[n->poster]);
	next_number[n->poster]++;
	free(n);
	if (++arrived == POSTERS * POST_MESSAGES)
		uring_loop_stop(loop);
}

static void *poster_run(void *arg)
{
	unsigned poster = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < POST_MESSAGES; i++) {
		struct numbered *n = malloc(sizeof(*n));

		*n = (struct numbered){ .message.fn = numbered_arrives, .poster = poster, .number = i };
		loop_post(loop, &n->message);
		if (i % 1000 == 0)
			usleep(100); /* lets the loop fall asleep in between */
	}
	return NULL;
}

static void messages_of_each_thread_arrive_once_and_in_order(void **state)
{
	pthread_t threads[POSTERS];

	(void)state;
	for (unsigned i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, poster_run, (void *)(uintptr_t)i), 0);
	uring_loop_run(loop);
	for (unsigned i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(arrived, POSTERS * POST_MESSAGES);
}

struct pingpong {
	struct loop_message message;
	atomic_uint answered;
};

static void pingpong_answers(struct loop_message *message)
{
	struct pingpong *p = container_of(message, struct pingpong, message);

	atomic_fetch_add(&p->answered, 1);
}

static void message_stops(struct loop_message *message)
{
	(void)message;
	uring_loop_stop(loop);
}

static void *pingpong_run(void *arg)
{
	struct pingpong *p = arg;
	static struct loop_message last = { .fn = message_stops };

	for (unsigned i = 0; i < 2000; i++) {
		loop_post(loop, &p->message);
		while (atomic_load(&p->answered) == i)
			usleep(1);
	}
	loop_post(loop, &last);
	return NULL;
}

/* Every post finds the mailbox empty and the loop asleep: a lost wake-up would hang this one. */
static void a_sleeping_loop_is_woken_by_each_message(void **state)
{
	struct pingpong p = { .message.fn = pingpong_answers };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, pingpong_run, &p), 0);
	uring_loop_run(loop);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&p.answered), 2000);
}

static void a_message_posted_before_the_start_arrives(void **state)
{
	struct loop_message message = { .fn = message_stops };

	(void)state;
	loop_post(loop, &message);
	uring_loop_run(loop);
}

static void a_stopped_loop_can_run_again(void **state)
{
	struct loop_message message = { .fn = message_stops };

	(void)state;
	for (int i = 0; i < 3; i++) {
		loop_post(loop, &message);
		uring_loop_run(loop);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_timer_ends_the_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(an_operation_completes_with_its_result, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cancelled_operation_still_calls_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_submission_queue_is_submitted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			messages_of_each_thread_arrive_once_and_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sleeping_loop_is_woken_by_each_message, setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_posted_before_the_start_arrives, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stopped_loop_can_run_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
