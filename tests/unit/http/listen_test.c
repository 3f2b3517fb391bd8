/* Listening sockets: mode, stale files, what is in the way, addresses. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/http.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/quoin-ctl-listen-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void a_socket_has_its_mode_and_goes_with_its_listener(void **state)
{
	const char *path = in_dir("a.sock");
	struct http_listener listener;
	struct error error;
	struct stat info;

	(void)state;
	assert_int_equal(http_listen_unix(path, 0660, NULL, &listener, &error), 0);
	assert_int_equal(stat(path, &info), 0);
	assert_true(S_ISSOCK(info.st_mode));
	assert_int_equal(info.st_mode & 07777, 0660);
	http_listener_close(&listener);
	assert_int_equal(stat(path, &info), -1);
}

static void a_stale_socket_file_is_replaced(void **state)
{
	const char *path = in_dir("a.sock");
	struct http_listener listener;
	struct error error;

	(void)state;
	assert_int_equal(http_listen_unix(path, 0600, NULL, &listener, &error), 0);
	close(listener.fd); /* as kill -9 leaves it */
	assert_int_equal(http_listen_unix(path, 0600, NULL, &listener, &error), 0);
	http_listener_close(&listener);
}

static void a_living_listener_is_left_alone(void **state)
{
	const char *path = in_dir("a.sock");
	struct http_listener listener, second;
	struct error error;

	(void)state;
	assert_int_equal(http_listen_unix(path, 0600, NULL, &listener, &error), 0);
	assert_int_equal(http_listen_unix(path, 0600, NULL, &second, &error), -EADDRINUSE);
	assert_non_null(strstr(error.text, path));
	assert_int_equal(access(path, F_OK), 0);
	http_listener_close(&listener);
}

static void a_file_in_the_way_is_not_removed(void **state)
{
	const char *path = in_dir("file");
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	struct http_listener listener;
	struct error error;

	(void)state;
	close(fd);
	assert_int_equal(http_listen_unix(path, 0600, NULL, &listener, &error), -EEXIST);
	assert_non_null(strstr(error.text, "is no socket"));
	assert_int_equal(unlink(path), 0);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	char path[200];
	struct http_listener listener;
	struct error error;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(http_listen_unix(path, 0600, NULL, &listener, &error), -ENAMETOOLONG);
}

static void addresses_are_checked(void **state)
{
	static const char *const bad[] = { "", ":", "127.0.0.1", "127.0.0.1:", ":80", "localhost:80",
		"127.0.0.1:http", "[::1:80", "[]:80", "1.2.3.4.5:80", "127.0.0.1:99999x" };
	struct http_listener listener;
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(http_listen_tcp(bad[i], &listener, &error), -EINVAL);
		assert_non_null(strstr(error.text, "127.0.0.1:9742"));
	}
	assert_int_equal(http_listen_tcp("127.0.0.1:0", &listener, &error), 0);
	assert_true(listener.fd >= 0);
	http_listener_close(&listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_has_its_mode_and_goes_with_its_listener),
		cmocka_unit_test(a_stale_socket_file_is_replaced),
		cmocka_unit_test(a_living_listener_is_left_alone),
		cmocka_unit_test(a_file_in_the_way_is_not_removed),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
		cmocka_unit_test(addresses_are_checked),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
