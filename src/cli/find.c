/* Which agent to talk to. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/client.h"

/* A killed agent leaves its socket's file behind. */
static bool socket_answers(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answers;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	answers = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN ||
		  errno == EACCES;
	if (fd >= 0)
		close(fd);
	return answers;
}

static int path_set(char ret_path[static SOCKET_PATH_MAX], const char *path, struct error *error)
{
	if (strlen(path) >= SOCKET_PATH_MAX) {
		(void)error_set(error, -ENAMETOOLONG, "%s is too long for a socket's path", path);
		return EXIT_USAGE;
	}
	snprintf(ret_path, SOCKET_PATH_MAX, "%s", path);
	return EXIT_OK;
}

/* The machine's own agent may be this node, under a name that only it knows. */
static bool agent_is_node(const char *path, const char *node)
{
	struct reply reply;
	struct error ignored;
	const char *name;
	bool is_it;

	if (!socket_answers(path))
		return false;
	(void)!api_call(path, "GET", "/v1/status", NULL, &reply, &ignored);
	name = json_string_value(json_object_get(reply.json, "node"));
	is_it = name && strcmp(name, node) == 0;
	reply_free(&reply);
	return is_it;
}

static int node_find(
	const char *node, const char *run_dir, char ret_path[static SOCKET_PATH_MAX], struct error *error)
{
	char path[512];

	if (name_check("node name", node, error) < 0)
		return EXIT_USAGE;
	snprintf(path, sizeof(path), "%s/%s/admin.sock", run_dir, node);
	if (access(path, F_OK) == 0)
		return path_set(ret_path, path, error);
	snprintf(path, sizeof(path), "%s/admin.sock", run_dir);
	if (agent_is_node(path, node))
		return path_set(ret_path, path, error);
	(void)error_set(error, -ENOENT,
		"no agent of node %s here: neither %s/%s/admin.sock nor %s/admin.sock is its socket", node,
		run_dir, node, run_dir);
	return EXIT_NOT_FOUND;
}

/* Appends what `--node` takes for this socket. */
static void choice_append(char *text, size_t capacity, const char *path, const char *run_dir)
{
	size_t used = strlen(text), dir = strlen(run_dir) + 1;
	const char *slash = strrchr(path, '/');
	int name_len = slash > path + dir ? (int)(slash - path - (ptrdiff_t)dir) : 0;

	if (name_len > 0)
		snprintf(text + used, capacity - used, "%s%.*s", used ? ", " : "", name_len, path + dir);
	else
		snprintf(text + used, capacity - used, "%s%s", used ? ", " : "", path);
}

static int only_find(const char *run_dir, char ret_path[static SOCKET_PATH_MAX], struct error *error)
{
	char pattern[512], choices[256] = "", last[512] = "";
	unsigned found = 0, stale = 0;
	glob_t paths = { 0 };

	snprintf(pattern, sizeof(pattern), "%s/admin.sock", run_dir);
	(void)glob(pattern, 0, NULL, &paths);
	snprintf(pattern, sizeof(pattern), "%s/*/admin.sock", run_dir);
	(void)glob(pattern, GLOB_APPEND, NULL, &paths);
	for (size_t i = 0; i < paths.gl_pathc; i++) {
		if (!socket_answers(paths.gl_pathv[i])) {
			stale++;
			continue;
		}
		found++;
		snprintf(last, sizeof(last), "%s", paths.gl_pathv[i]);
		choice_append(choices, sizeof(choices), paths.gl_pathv[i], run_dir);
	}
	globfree(&paths);
	if (found == 1)
		return path_set(ret_path, last, error);
	if (found > 1) {
		(void)error_set(error, -EINVAL,
			"several agents run here: choose one with --node (%s), or set QUOIN_SOCKET", choices);
		return EXIT_USAGE;
	}
	(void)error_set(error, -ENOENT, "no agent runs here: %s in %s; start quoind, or say --node PATH",
		stale ? "only sockets of ended agents are" : "there is no admin.sock", run_dir);
	return EXIT_FAILED;
}

int agent_find(const char *node, const char *socket, const char *run_dir,
	char ret_path[static SOCKET_PATH_MAX], struct error *error)
{
	if (node)
		return strchr(node, '/') ? path_set(ret_path, node, error)
					 : node_find(node, run_dir, ret_path, error);
	if (socket && socket[0])
		return path_set(ret_path, socket, error);
	return only_find(run_dir, ret_path, error);
}
