#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* What `write_it` puts on standard error. */
static void capture(void (*write_it)(void), char *text, size_t len)
{
	int saved = dup(STDERR_FILENO);
	int pipe_fds[2];
	ssize_t n;

	assert_true(saved >= 0);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
	write_it();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	close(pipe_fds[1]);
	n = read(pipe_fds[0], text, len - 1);
	close(pipe_fds[0]);
	assert_true(n >= 0);
	text[n] = '\0';
}

static void write_two_levels(void)
{
	log_debug("not shown");
	log_warning("pool %s is %d %% full", "p1", 80);
}

static void write_quoted(void)
{
	log_info("volume 'a\nb\033[2J'");
}

static void write_long(void)
{
	char text[8192];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_error("%s", text);
}

static void a_line_bears_time_level_node_and_text(void **state)
{
	char text[4096];

	(void)state;
	log_init(LOG_LEVEL_INFO, "node-a");
	capture(write_two_levels, text, sizeof(text));
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[23], 'Z');
	assert_string_equal(text + 24, " warning node-a pool p1 is 80 % full\n");
}

static void a_message_stays_one_line_whatever_it_quotes(void **state)
{
	char text[4096];

	(void)state;
	log_init(LOG_LEVEL_DEBUG, "");
	capture(write_quoted, text, sizeof(text));
	assert_string_equal(text + 24, " info volume 'a b [2J'\n");
}

static void an_over_long_message_is_cut_and_still_ends_its_line(void **state)
{
	char text[4096];

	(void)state;
	log_init(LOG_LEVEL_INFO, "n");
	capture(write_long, text, sizeof(text));
	assert_int_equal(strlen(text), 2048);
	assert_int_equal(text[2047], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_bears_time_level_node_and_text),
		cmocka_unit_test(a_message_stays_one_line_whatever_it_quotes),
		cmocka_unit_test(an_over_long_message_is_cut_and_still_ends_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
