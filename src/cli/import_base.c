/* What an increment goes onto: a volume that is exactly as the snapshot at which the increment begins. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/import.h"

#define FLAG_CHANGED 1u /* of quoin:changed-since: */

/* What the agent says of the volume. */
struct seen {
	uint64_t size_bytes;
	bool unfinished; /* an import before this one was killed in the middle */
};

/* For whom the volume is too small: its origin has grown. */
static int volume_grow(struct import_job *job, uint64_t was_bytes)
{
	uint64_t size = job->reader.header.size_bytes;
	char path[IMPORT_PATH_MAX], text[32];
	json_t *body;
	int exit_code;

	if (was_bytes >= size)
		return EXIT_OK;
	snprintf(text, sizeof(text), "%lluK", (unsigned long long)size / 1024);
	body = json_pack("{s:s}", "size", text);
	exit_code = transfer_call(
		job->cli, "POST", import_path(job, "/resize", path), body, NULL, NULL, &job->error);
	json_decref(body);
	return exit_code;
}

static int volume_look(struct import_job *job, struct seen *ret_seen)
{
	const struct export_header *header = &job->reader.header;
	json_t *answer, *volume, *attached;
	int exit_code = transfer_call(job->cli, "GET", job->volume, NULL, &answer, NULL, &job->error);

	if (exit_code == EXIT_NOT_FOUND)
		error_set(&job->error, -ENOENT,
			"it isn't there, and the export has only what has changed since %s@%s: import that "
			"one "
			"first",
			header->volume_name, header->since_name);
	if (exit_code != EXIT_OK)
		return exit_code;
	volume = json_object_get(answer, "volume");
	attached = json_object_get(volume, "attached");
	if (json_is_object(attached)) {
		error_set(&job->error, -EBUSY, "it is attached on node %s: detach it first",
			text_of(attached, "node"));
		exit_code = EXIT_REFUSED;
	}
	*ret_seen = (struct seen){ .size_bytes = (uint64_t)number_of(volume, "size_bytes"),
		.unfinished = json_is_string(json_object_get(volume, "import")) };
	json_decref(answer);
	return exit_code;
}

/* A snapshot of the volume, ready or not; words where it is in the increment's way. */
static int snapshot_judge(struct import_job *job, const json_t *snapshot)
{
	const struct export_header *header = &job->reader.header;
	const char *name = text_of(snapshot, "name");
	const char *text = json_string_value(json_object_get(snapshot, "import_of"));
	struct uuid import_of = { 0 };

	if (text && uuid_parse(text, &import_of) != 0)
		return error_set(&job->error, -EIO, "the agent's answer has \"%s\" for a UUID", text);
	if (text && uuid_equal(import_of, header->snapshot))
		return error_set(&job->error, -EEXIST, "it has a copy of %s@%s already: %s@%s",
			header->volume_name, header->snapshot_name, job->volume, name);
	if (strcmp(name, header->snapshot_name) == 0)
		return error_set(&job->error, -EEXIST,
			"it has another snapshot %s: as that the increment would be kept", name);
	if (text && uuid_equal(import_of, header->since) && strcmp(text_of(snapshot, "state"), "ready") == 0)
		snprintf(job->base, sizeof(job->base), "%s", name);
	return 0;
}

static int base_find(struct import_job *job)
{
	const struct export_header *header = &job->reader.header;
	char path[IMPORT_PATH_MAX];
	json_t *answer, *snapshot;
	size_t index;
	int rc = 0, exit_code = transfer_call(job->cli, "GET", import_path(job, "/snapshots", path), NULL,
			    &answer, NULL, &job->error);

	if (exit_code != EXIT_OK)
		return exit_code;
	json_array_foreach(json_object_get(answer, "snapshots"), index, snapshot)
	{
		if (rc == 0)
			rc = snapshot_judge(job, snapshot);
	}
	json_decref(answer);
	if (rc == 0 && !job->base[0])
		rc = error_set(&job->error, -ENOENT,
			"it has no copy of %s@%s, and the export has only what has changed since that one",
			header->volume_name, header->since_name);
	return rc == 0 ? EXIT_OK : rc == -EIO ? EXIT_FAILED : EXIT_REFUSED;
}

int import_base_find(struct import_job *job)
{
	struct seen seen;
	int exit_code = volume_look(job, &seen);

	if (exit_code == EXIT_OK)
		exit_code = base_find(job);
	if (exit_code == EXIT_OK && seen.unfinished) {
		error_set(&job->error, -EBUSY,
			"an import into it did not finish: `quoin snapshot rollback %s@%s` makes it what it "
			"was before",
			job->volume, job->base);
		exit_code = EXIT_REFUSED;
	}
	return exit_code == EXIT_OK ? volume_grow(job, seen.size_bytes) : exit_code;
}

static int unchanged(struct import_job *job, struct nbd_link *link)
{
	uint64_t offset = 0;
	int rc = 0;

	while (rc == 0 && offset < link->size_bytes) {
		rc = nbd_link_map(link, offset, link->size_bytes - offset, &job->error);
		for (unsigned i = 0; rc == 0 && i < link->run_count; i++) {
			if (link->runs[i].flags & FLAG_CHANGED)
				rc = -EINVAL;
			offset += link->runs[i].length_bytes;
		}
	}
	/* -EINVAL is the agent's answer, too, where the base isn't below the volume as it is. */
	if (rc == -EINVAL)
		error_set(&job->error, rc,
			"it isn't as %s@%s any more, onto which the increment must go: `quoin snapshot "
			"rollback %s@%s` undoes what was written since",
			job->volume, job->base, job->volume, job->base);
	return rc;
}

int import_base_check(struct import_job *job)
{
	struct source source = { .cli = job->cli, .prefix = "import", .since = job->base };
	struct nbd_link link = { 0 };
	int rc, exit_code;

	snprintf(source.volume, sizeof(source.volume), "%s", job->volume);
	exit_code = source_open(&source, &job->error);
	if (exit_code == EXIT_OK) {
		rc = source_link_open(&source, &link, &job->error);
		if (rc == 0)
			rc = unchanged(job, &link);
		exit_code = rc == -EINVAL ? EXIT_REFUSED : transfer_exit_code(rc);
		nbd_link_close(&link);
	}
	return source_close(&source, exit_code);
}
