/* A snapshot that is read from: found or made, served, and taken away. */
#include "cli/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VIEW_TRIES    50u /* until the agent's view shows a snapshot that was just made */
#define VIEW_PAUSE_US 100000u
#define PATH_MAX_LEN  (2 * NAME_MAX_LEN + 64)

static const char *snapshot_path(
	const struct source *source, const char *suffix, char path[static PATH_MAX_LEN])
{
	snprintf(path, PATH_MAX_LEN, "%s/snapshots/%s%s", source->volume, source->snapshot, suffix);
	return path;
}

static int snapshot_make(struct source *source, struct error *error)
{
	char path[PATH_MAX_LEN];
	json_t *body;
	int exit_code;

	snprintf(source->snapshot, sizeof(source->snapshot), "%s-%lld-%d", source->prefix,
		(long long)time(NULL), (int)getpid());
	snprintf(path, sizeof(path), "%s/snapshots", source->volume);
	body = json_pack("{s:s}", "name", source->snapshot);
	exit_code = transfer_call(source->cli, "POST", path, body, NULL, NULL, error);
	json_decref(body);
	/* One that the agent has not answered for may be made all the same. */
	source->is_temporary = exit_code == EXIT_OK || exit_code == EXIT_NO_QUORUM;
	return exit_code;
}

json_t *source_find(const json_t *answer, const char *name)
{
	json_t *snapshot;
	size_t index;

	json_array_foreach(json_object_get(answer, "snapshots"), index, snapshot)
	{
		if (strcmp(text_of(snapshot, "name"), name) == 0 &&
			strcmp(text_of(snapshot, "state"), "ready") == 0)
			return snapshot;
	}
	return NULL;
}

/* Its UUIDs, and whether its user has it as an NBD export already; from one answer of the agent. */
static int snapshots_take(struct source *source, const json_t *answer, struct error *error)
{
	const json_t *snapshot = source_find(answer, source->snapshot);
	const json_t *since = source->since ? source_find(answer, source->since) : NULL;

	if (!snapshot || (source->since && !since)) {
		error_set(error, -ENOENT, "volume %s has no snapshot %s that is ready", source->volume,
			snapshot ? source->since : source->snapshot);
		return EXIT_NOT_FOUND;
	}
	source->was_served = json_is_string(json_object_get(snapshot, "device"));
	if (transfer_uuid(snapshot, "uuid", &source->uuid, error) != 0 ||
		(since && transfer_uuid(since, "uuid", &source->since_uuid, error) != 0))
		return EXIT_FAILED;
	return EXIT_OK;
}

/* The view of the agent may not show yet what was just made. */
static int snapshots_get(struct source *source, struct error *error)
{
	int exit_code = EXIT_NOT_FOUND;
	char path[PATH_MAX_LEN];

	snprintf(path, sizeof(path), "%s/snapshots", source->volume);
	for (unsigned i = 0; i < (source->is_temporary ? VIEW_TRIES : 1) && exit_code == EXIT_NOT_FOUND;
		i++) {
		json_t *answer;

		if (i > 0)
			(void)usleep(VIEW_PAUSE_US);
		exit_code = transfer_call(source->cli, "GET", path, NULL, &answer, NULL, error);
		if (exit_code != EXIT_OK)
			return exit_code;
		exit_code = snapshots_take(source, answer, error);
		json_decref(answer);
	}
	return exit_code;
}

static int snapshot_serve(struct source *source, struct error *error)
{
	char path[PATH_MAX_LEN];
	json_t *answer;
	int exit_code = transfer_call(
		source->cli, "POST", snapshot_path(source, "/serve-nbd", path), NULL, &answer, NULL, error);

	if (exit_code != EXIT_OK)
		return exit_code;
	snprintf(source->socket, sizeof(source->socket), "%s",
		text_of(json_object_get(answer, "snapshot"), "device"));
	json_decref(answer);
	return EXIT_OK;
}

int source_open(struct source *source, struct error *error)
{
	int exit_code = source->snapshot[0] ? EXIT_OK : snapshot_make(source, error);

	if (exit_code == EXIT_OK)
		exit_code = snapshots_get(source, error);
	if (exit_code == EXIT_OK)
		exit_code = snapshot_serve(source, error);
	return exit_code;
}

int source_link_open(struct source *source, struct nbd_link *link, struct error *error)
{
	char context[sizeof("quoin:changed-since:") + UUID_TEXT_LEN] = "base:allocation";
	char name[SNAPSHOT_NAME_MAX_LEN + 1], text[UUID_TEXT_LEN + 1];

	if (source->since)
		snprintf(context, sizeof(context), "quoin:changed-since:%s",
			uuid_format(source->since_uuid, text));
	snprintf(name, sizeof(name), "%s@%s", source->volume, source->snapshot);
	return nbd_link_open(link, source->socket, name, context, error);
}

int source_close(struct source *source, int exit_code)
{
	char detach[PATH_MAX_LEN], path[PATH_MAX_LEN];
	struct error why;
	int rc = EXIT_OK;

	(void)snapshot_path(source, "/detach", detach);
	if (source->is_temporary)
		rc = transfer_insist(source->cli, detach, "DELETE", snapshot_path(source, "", path), &why);
	else if (!source->was_served && source->socket[0])
		rc = transfer_insist(source->cli, NULL, "POST", detach, &why);
	if (rc == EXIT_OK)
		return exit_code;
	fprintf(stderr, "quoin: snapshot %s@%s could not be %s: %s\n", source->volume, source->snapshot,
		source->is_temporary ? "removed again; `quoin snapshot rm` does it" : "detached again",
		why.text);
	return exit_code == EXIT_OK ? EXIT_FAILED : exit_code;
}
