/* Workers and children: what they keep, what they say, and that none outlasts its deadline. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "attach/child.h"
#include "attach/worker.h"

static uv_loop_t uv;
static bool ended;

static void set_ended(void *arg)
{
	(void)arg;
	ended = true;
}

static void run_until_ended(void)
{
	while (!ended)
		(void)uv_run(&uv, UV_RUN_ONCE);
}

struct look {
	struct job job;
	int other_fd;
	bool kept_is_open, other_is_open;
};

static int look_work(struct job *job, struct error *error)
{
	struct look *look = container_of(job, struct look, job);

	look->kept_is_open = fcntl(job->keep_fd, F_GETFD) >= 0;
	look->other_is_open = fcntl(look->other_fd, F_GETFD) >= 0;
	return error_set(error, -ENODATA, "words");
}

static void look_done(struct job *job)
{
	(void)job;
	ended = true;
}

static void a_worker_keeps_no_descriptor_but_the_one_it_needs(void **state)
{
	struct look look = { .job = { .work = look_work, .done = look_done } };
	struct answers *answers;

	(void)state;
	assert_int_equal(uv_loop_init(&uv), 0);
	assert_int_equal(answers_new(&uv, &answers), 0);
	look.job.keep_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	look.other_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ended = false;
	assert_int_equal(job_start(answers, &look.job), 0);
	run_until_ended();
	assert_true(look.kept_is_open);
	assert_false(look.other_is_open);
	assert_int_equal(look.job.rc, -ENODATA);
	assert_string_equal(look.job.error.text, "words");
	/* Ours are untouched. */
	assert_int_equal(close(look.other_fd), 0);
	assert_int_equal(close(look.job.keep_fd), 0);
	ended = false;
	answers_free(answers, set_ended, NULL);
	run_until_ended();
	assert_int_equal(uv_loop_close(&uv), 0);
}

static void child_ended(struct child *child)
{
	(void)child;
	ended = true;
}

static void run_child(struct child *child, const char *const *argv, uint64_t deadline_ms)
{
	assert_int_equal(uv_loop_init(&uv), 0);
	ended = false;
	memset(child, 0, sizeof(*child));
	child->done = child_ended;
	child_start(&uv, child, argv, deadline_ms);
	assert_false(ended);
	run_until_ended();
	assert_int_equal(uv_loop_close(&uv), 0);
}

static void a_childs_words_and_exit_code_are_kept(void **state)
{
	const char *argv[] = { "sh", "-c", "printf 'no such\\n  thing\\033[1m\\n' >&2; exit 3", NULL };
	struct child child;

	(void)state;
	run_child(&child, argv, 10000);
	assert_int_equal(child.rc, 0);
	assert_int_equal(child.exit_code, 3);
	assert_string_equal(child.output, "no such thing?[1m");
}

static void of_many_words_the_last_are_kept(void **state)
{
	const char *argv[] = { "sh", "-c", "seq 1 20000 >&2", NULL };
	struct child child;

	(void)state;
	run_child(&child, argv, 10000);
	assert_int_equal(child.exit_code, 0);
	assert_true(strlen(child.output) < CHILD_OUTPUT_MAX);
	assert_non_null(strstr(child.output, " 19999 20000"));
}

static void a_child_is_killed_at_its_deadline(void **state)
{
	const char *argv[] = { "sleep", "60", NULL };
	struct child child;
	uint64_t began_ns = clock_now_ns(clock_system());

	(void)state;
	run_child(&child, argv, 50);
	assert_int_equal(child.rc, -ETIMEDOUT);
	assert_true(clock_now_ns(clock_system()) - began_ns < 5 * NS_PER_S);
}

static void a_child_that_cannot_start_says_why(void **state)
{
	const char *argv[] = { "quoin-no-such-program", NULL };
	struct child child;

	(void)state;
	run_child(&child, argv, 1000);
	assert_int_equal(child.rc, -ENOENT);
	assert_non_null(strstr(child.output, "quoin-no-such-program"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_keeps_no_descriptor_but_the_one_it_needs),
		cmocka_unit_test(a_childs_words_and_exit_code_are_kept),
		cmocka_unit_test(of_many_words_the_last_are_kept),
		cmocka_unit_test(a_child_is_killed_at_its_deadline),
		cmocka_unit_test(a_child_that_cannot_start_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
