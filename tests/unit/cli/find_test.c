/* Which agent `quoin` talks to. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/quoin-ctl-find-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *name, const struct stat *st, int kind, struct FTW *walk)
{
	(void)st;
	(void)kind;
	(void)walk;
	return remove(name);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A listening socket dir/NAME/admin.sock ("": dir/admin.sock). */
static int agent_make(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, name);
	(void)mkdir(address.sun_path, 0700);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s%sadmin.sock", dir, name,
		name[0] ? "/" : "");
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void finds(const char *node, const char *socket, const char *name)
{
	char path[SOCKET_PATH_MAX], expected[SOCKET_PATH_MAX];
	struct error error = { "" };

	snprintf(expected, sizeof(expected), "%s/%s", dir, name);
	assert_int_equal(agent_find(node, socket, dir, path, &error), EXIT_OK);
	assert_string_equal(path, name[0] == '/' ? name : expected);
}

static void fails(const char *node, int exit_code, const char *words)
{
	char path[SOCKET_PATH_MAX];
	struct error error = { "" };

	assert_int_equal(agent_find(node, NULL, dir, path, &error), exit_code);
	if (!strstr(error.text, words))
		print_error("%s\n", error.text);
	assert_non_null(strstr(error.text, words));
}

static void without_agents_it_says_so(void **state)
{
	(void)state;
	fails(NULL, EXIT_FAILED, "no agent runs here: there is no admin.sock in /tmp/");
	fails("a", EXIT_NOT_FOUND, "no agent of node a here");
	fails("a b", EXIT_USAGE, "node name 'a b'");
}

static void the_only_agent_is_taken(void **state)
{
	int fd = agent_make("");

	(void)state;
	finds(NULL, NULL, "admin.sock");
	close(fd);
	fails(NULL, EXIT_FAILED, "only sockets of ended agents are in");
	fd = agent_make("b"); /* beside the stale one */
	finds(NULL, NULL, "b/admin.sock");
	close(fd);
}

static void among_several_one_must_be_chosen(void **state)
{
	int a = agent_make("a"), b = agent_make("b"), c = agent_make("c");

	(void)state;
	fails(NULL, EXIT_USAGE,
		"several agents run here: choose one with --node (a, b, c), or set QUOIN_SOCKET");
	finds("b", NULL, "b/admin.sock");
	finds("/x/y.sock", NULL, "/x/y.sock");
	finds(NULL, "/from/environment.sock", "/from/environment.sock");
	finds("b", "/from/environment.sock", "b/admin.sock");
	fails("d", EXIT_NOT_FOUND, "no agent of node d here");
	close(a);
	close(b);
	close(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(without_agents_it_says_so),
		TEST(the_only_agent_is_taken),
		TEST(among_several_one_must_be_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
