#include "volumes/node_state.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "volumes/state_file.h"

static int node_file_write(const struct node_state *state, struct error *error)
{
	char path[300], node[UUID_TEXT_LEN + 1], cluster[UUID_TEXT_LEN + 1], kvdb[UUID_TEXT_LEN + 1],
		text[384];
	int len;

	snprintf(path, sizeof(path), "%s/node.json", state->dir);
	len = snprintf(text, sizeof(text),
		"{\"version\": 1, \"node\": \"%s\", \"cluster\": \"%s\", \"kvdb\": \"%s\", "
		"\"kvdb_revision\": %llu}\n",
		uuid_format(state->node, node), uuid_format(state->cluster, cluster),
		uuid_format(state->kvdb, kvdb), (unsigned long long)state->kvdb_revision);
	return state_file_write(path, text, (size_t)len, error);
}

static int node_file_parse(
	struct node_state *state, const char *path, const char *text, size_t len, struct error *error)
{
	json_error_t why;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	const char *node, *cluster, *kvdb = NULL;
	json_int_t revision = 0;
	int version, rc = 0;

	if (!root)
		return error_set(error, -EINVAL, "%s:%d: %s", path, why.line, why.text);
	/* Of the kvdb a node that has only now begun to look says nothing. */
	if (json_unpack(root, "{s:i, s:s, s:s, s?s, s?I}", "version", &version, "node", &node, "cluster",
		    &cluster, "kvdb", &kvdb, "kvdb_revision", &revision) ||
		revision < 0 || (kvdb && uuid_parse(kvdb, &state->kvdb)) || version != 1 ||
		uuid_parse(node, &state->node) || uuid_parse(cluster, &state->cluster) ||
		uuid_is_none(state->node))
		rc = error_set(error, -EINVAL, "%s is not a node's identity, version 1", path);
	state->kvdb_revision = (uint64_t)revision;
	json_decref(root);
	return rc;
}

static int node_file_load(struct node_state *state, struct random *random, struct error *error)
{
	char path[300];
	char *text = NULL;
	size_t len;
	int rc;

	snprintf(path, sizeof(path), "%s/node.json", state->dir);
	rc = state_file_read(path, &text, &len, error);
	if (rc == -ENOENT) {
		state->node = uuid_random(random);
		return node_file_write(state, error);
	}
	if (!rc)
		rc = node_file_parse(state, path, text, len, error);
	free(text);
	return rc;
}

/* The lock lives and dies with the process; its file tells people whose it is. */
static int node_lock(struct node_state *state, struct error *error)
{
	char path[300], pid[32] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "%s/lock", state->dir);
	state->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (state->lock_fd < 0)
		return error_set(error, -errno, "can't open %s: %s", path, strerror(errno));
	if (flock(state->lock_fd, LOCK_EX | LOCK_NB)) {
		n = read(state->lock_fd, pid, sizeof(pid) - 1);
		return error_set(error, -EBUSY,
			"another agent (process %.*s) lives in %s: give each its own state_dir",
			n > 0 ? (int)strcspn(pid, "\n") : 1, n > 0 ? pid : "?", state->dir);
	}
	n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(state->lock_fd, 0) || pwrite(state->lock_fd, pid, (size_t)n, 0) != n)
		return error_set(error, -EIO, "can't write %s", path);
	return 0;
}

int node_state_open(const char *dir, struct random *random, struct node_state *ret_state, struct error *error)
{
	struct node_state state = { .lock_fd = -1 };
	int rc;

	snprintf(state.dir, sizeof(state.dir), "%s", dir);
	rc = state_dir_make(dir, error);
	if (!rc)
		rc = node_lock(&state, error);
	if (!rc)
		rc = node_file_load(&state, random, error);
	if (!rc)
		rc = state_boot_id(state.boot_id, error);
	if (rc) {
		node_state_close(&state);
		return rc;
	}
	*ret_state = state;
	return 0;
}

void node_state_close(struct node_state *state)
{
	if (state->lock_fd >= 0)
		close(state->lock_fd);
	state->lock_fd = -1;
}

int node_state_cluster_set(struct node_state *state, struct uuid cluster, struct error *error)
{
	if (uuid_equal(state->cluster, cluster))
		return 0;
	state->cluster = cluster;
	return node_file_write(state, error);
}

int node_state_generation_set(
	struct node_state *state, struct uuid kvdb, uint64_t revision, struct error *error)
{
	if (uuid_equal(state->kvdb, kvdb) && state->kvdb_revision == revision)
		return 0;
	state->kvdb = kvdb;
	state->kvdb_revision = revision;
	return node_file_write(state, error);
}
