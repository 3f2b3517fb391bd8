#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

static void the_errno_comes_back_and_the_words_are_kept(void **state)
{
	struct error error;

	(void)state;
	assert_int_equal(error_set(&error, -ENOENT, "pool '%s' is not here", "p1"), -ENOENT);
	assert_string_equal(error.text, "pool 'p1' is not here");
	assert_int_equal(error_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void words_can_be_put_in_front_of_older_ones(void **state)
{
	struct error error;

	(void)state;
	assert_int_equal(error_set(&error, -EIO, "read failed"), -EIO);
	assert_int_equal(error_set(&error, -EIO, "open pool: %s", error.text), -EIO);
	assert_string_equal(error.text, "open pool: read failed");
}

static void long_words_are_cut_and_still_end(void **state)
{
	struct error error;
	char text[2 * ERROR_TEXT_MAX];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(error_set(&error, -EINVAL, "%s", text), -EINVAL);
	assert_int_equal(strlen(error.text), ERROR_TEXT_MAX - 1);
}

static void a_false_assertion_names_itself_and_aborts(void **state)
{
	char text[512] = "";
	ssize_t n;
	int pipe_fds[2];
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(pipe_fds[1], STDERR_FILENO);
		ASSERT(1 + 1 == 2);
		ASSERT(1 + 1 == 3);
		_exit(0);
	}
	close(pipe_fds[1]);
	n = read(pipe_fds[0], text, sizeof(text) - 1);
	close(pipe_fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_true(n > 0);
	assert_non_null(strstr(text, "1 + 1 == 3"));
	assert_non_null(strstr(text, "error_test.c:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_errno_comes_back_and_the_words_are_kept),
		cmocka_unit_test(words_can_be_put_in_front_of_older_ones),
		cmocka_unit_test(long_words_are_cut_and_still_end),
		cmocka_unit_test(a_false_assertion_names_itself_and_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
