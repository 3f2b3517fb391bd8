/*
 * quoin volume import: an export on standard input becomes a new volume, or, where it has only what has
 * changed, goes into one that is a copy of its beginning. What fails is undone.
 *
 *   header -> volume created, unfinished; serve-nbd         -> records written in order -> end seen, flushed
 *          or found with its base; serve-nbd, unfinished      -> snapshot kept -> finished -> detach
 *
 *   undone: the snapshot removed; detached; the volume removed, or rolled back to its base
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/import.h"

const char *import_path(const struct import_job *job, const char *suffix, char path[static IMPORT_PATH_MAX])
{
	snprintf(path, IMPORT_PATH_MAX, "%s%s", job->volume, suffix);
	return path;
}

/* ---- the stream ---- */

/* The next event but EXPORT_MORE; after the end, *ret_event stays EXPORT_END. */
static int event_next(struct import_job *job, enum export_event *ret_event)
{
	for (;;) {
		size_t used = 0;
		ssize_t got;
		int rc;

		if (job->at < job->len_bytes) {
			rc = export_read(&job->reader, job->bytes + job->at, job->len_bytes - job->at, &used,
				ret_event, &job->error);
			job->at += used;
			if (rc || *ret_event != EXPORT_MORE)
				return rc;
		}
		got = transfer_read(job->bytes, IMPORT_READ_BYTES, &job->error);
		if (got < 0)
			return (int)got;
		*ret_event = EXPORT_END;
		if (got == 0)
			return export_read_end(&job->reader, &job->error);
		job->at = 0;
		job->len_bytes = (size_t)got;
	}
}

static int record_write(struct import_job *job, enum export_event event)
{
	const struct export_reader *reader = &job->reader;
	int rc;

	if (event == EXPORT_ZERO)
		return nbd_link_zero(&job->link, reader->offset_bytes, reader->length_bytes, &job->error);
	rc = nbd_link_write(&job->link, reader->offset_bytes, (uint32_t)reader->length_bytes, &job->error);
	transfer_progress("import", reader->offset_bytes + reader->length_bytes, reader->header.size_bytes);
	return rc;
}

/* To the file's very end: what stands behind the export's end is an error, too. */
static int records_write(struct import_job *job)
{
	bool is_over = false;
	int rc = 0;

	while (rc == 0 && !is_over) {
		enum export_event event = EXPORT_MORE;
		bool was_whole = job->reader.part == EXPORT_AT_END;

		/* Each record's data is read to where it is sent from. */
		rc = nbd_link_buffer(&job->link, &job->reader.payload, &job->error);
		if (rc == 0)
			rc = event_next(job, &event);
		if (rc == 0 && (event == EXPORT_DATA || event == EXPORT_ZERO))
			rc = record_write(job, event);
		is_over = was_whole && event == EXPORT_END;
	}
	return rc ? rc : nbd_link_flush(&job->link, &job->error);
}

static int stream_import(struct import_job *job)
{
	int rc = nbd_link_open(&job->link, job->socket, job->volume, NULL, &job->error);

	if (rc == 0 && job->link.size_bytes < job->reader.header.size_bytes)
		rc = error_set(&job->error, -ENOSPC, "the volume is smaller than what was exported");
	return rc ? rc : records_write(job);
}

/* ---- the agent's part ---- */

/* Not there yet: the same options would be a success of `create`, and another's content be written over. */
static int name_is_free(struct import_job *job)
{
	json_t *answer;
	int exit_code = transfer_call(job->cli, "GET", job->volume, NULL, &answer, NULL, &job->error);

	if (exit_code == EXIT_NOT_FOUND)
		return EXIT_OK;
	if (exit_code != EXIT_OK)
		return exit_code;
	error_set(&job->error, -EEXIST, "it exists already, and an import makes a new one%s",
		json_is_string(json_object_get(json_object_get(answer, "volume"), "import"))
			? "; this one is what an import has left that was killed, or is under way"
			: "");
	json_decref(answer);
	return EXIT_REFUSED;
}

static int volume_make(struct import_job *job)
{
	const struct export_header *header = &job->reader.header;
	json_t *body = cli_volume_options(job->cli, job->volume);
	char size[32];
	int exit_code;

	snprintf(size, sizeof(size), "%lluK", (unsigned long long)header->size_bytes / 1024);
	if (!body || json_object_set_new(body, "size", json_string(size)) != 0 ||
		json_object_set_new(body, "fs", json_string(header->fs)) != 0 ||
		json_object_set_new(body, "import", json_string(job->import)) != 0) {
		json_decref(body);
		error_set(&job->error, -EINVAL, "an argument or an option is not valid UTF-8");
		return EXIT_USAGE;
	}
	exit_code = transfer_call(job->cli, "POST", "", body, NULL, NULL, &job->error);
	json_decref(body);
	job->is_made = exit_code == EXIT_OK || exit_code == EXIT_NO_QUORUM;
	return exit_code;
}

/* A call that says which import it is; `onto` NULL: nothing else. */
static int import_call(struct import_job *job, const char *suffix, const char *onto, json_t **ret_answer)
{
	json_t *body = json_pack("{s:s, s:s*}", "import", job->import, "onto", onto);
	char path[IMPORT_PATH_MAX];
	int exit_code = transfer_call(
		job->cli, "POST", import_path(job, suffix, path), body, ret_answer, NULL, &job->error);

	json_decref(body);
	return exit_code;
}

static int volume_serve(struct import_job *job)
{
	json_t *answer, *attached;
	int exit_code = import_call(job, "/serve-nbd", NULL, &answer);

	if (exit_code != EXIT_OK)
		return exit_code;
	attached = json_object_get(json_object_get(answer, "volume"), "attached");
	snprintf(job->socket, sizeof(job->socket), "%s", text_of(attached, "device"));
	json_decref(answer);
	return EXIT_OK;
}

/* From now on it may be no longer as its base. */
static int increment_begin(struct import_job *job)
{
	int exit_code = import_base_check(job);

	if (exit_code != EXIT_OK)
		return exit_code;
	exit_code = import_call(job, "/begin-import", job->base, NULL);
	/* Without an answer it may have begun. */
	job->is_written = exit_code != EXIT_REFUSED && exit_code != EXIT_NOT_FOUND;
	return exit_code;
}

/* The volume has a copy of the snapshot from now on: increments go onto that. */
static int snapshot_keep(struct import_job *job)
{
	const struct export_header *header = &job->reader.header;
	char path[IMPORT_PATH_MAX], text[UUID_TEXT_LEN + 1];
	json_t *body;
	int exit_code;

	if (!header->snapshot_name[0])
		return EXIT_OK;
	job->is_kept = true;
	body = json_pack("{s:s, s:s}", "name", header->snapshot_name, "import_of",
		uuid_format(header->snapshot, text));
	exit_code = transfer_call(
		job->cli, "POST", import_path(job, "/snapshots", path), body, NULL, NULL, &job->error);
	json_decref(body);
	return exit_code;
}

/* Takes away the snapshot, and the volume or what was written into it. */
static int undo(struct import_job *job, struct error *why)
{
	char detach[IMPORT_PATH_MAX], path[IMPORT_PATH_MAX], suffix[IMPORT_PATH_MAX];
	int rc = EXIT_OK;

	(void)import_path(job, "/detach", detach);
	if (job->is_kept) {
		snprintf(suffix, sizeof(suffix), "/snapshots/%s", job->reader.header.snapshot_name);
		rc = transfer_insist(job->cli, NULL, "DELETE", import_path(job, suffix, path), why);
	}
	if (rc != EXIT_OK)
		return rc;
	if (job->is_made)
		return transfer_insist(job->cli, detach, "DELETE", job->volume, why);
	if (!job->is_written)
		return job->socket[0] ? transfer_insist(job->cli, NULL, "POST", detach, why) : EXIT_OK;
	snprintf(suffix, sizeof(suffix), "/snapshots/%s/rollback", job->base);
	return transfer_insist(job->cli, detach, "POST", import_path(job, suffix, path), why);
}

/* Detached where it is whole, else undone; words on standard error for what can't be. */
static int clean_up(struct import_job *job, int exit_code)
{
	char detach[IMPORT_PATH_MAX];
	struct error why;

	if (exit_code == EXIT_OK)
		return transfer_insist(
			job->cli, NULL, "POST", import_path(job, "/detach", detach), &job->error);
	if (undo(job, &why) == EXIT_OK)
		return exit_code;
	if (job->is_made)
		fprintf(stderr,
			"quoin: volume %s is not whole, and could not be removed again; `quoin volume "
			"detach` and `rm` do it: %s\n",
			job->volume, why.text);
	else
		fprintf(stderr,
			"quoin: volume %s could not be made again what it was; `quoin volume detach %s` and "
			"`quoin snapshot rollback %s@%s` do it: %s\n",
			job->volume, job->volume, job->volume, job->base, why.text);
	return exit_code;
}

/* The volume is there. */
static int content_import(struct import_job *job)
{
	int exit_code = volume_serve(job);

	if (exit_code == EXIT_OK && job->is_increment)
		exit_code = increment_begin(job);
	if (exit_code == EXIT_OK) {
		exit_code = transfer_exit_code(stream_import(job));
		nbd_link_close(&job->link);
	}
	if (exit_code == EXIT_OK)
		exit_code = snapshot_keep(job);
	if (exit_code == EXIT_OK)
		exit_code = import_call(job, "/end-import", NULL, NULL);
	transfer_progress_end();
	return exit_code;
}

static int volume_import(struct import_job *job)
{
	int exit_code = name_is_free(job);

	if (exit_code == EXIT_OK)
		exit_code = volume_make(job);
	if (!job->is_made)
		return exit_code;
	if (exit_code == EXIT_OK)
		exit_code = content_import(job);
	return clean_up(job, exit_code);
}

static int increment_import(struct import_job *job)
{
	int exit_code;

	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		if (!job->cli->options[i] || OPTIONS_EVERYWHERE & 1u << i)
			continue;
		error_set(&job->error, -EINVAL,
			"--%s is for a new volume, and this export has only what has changed since %s@%s",
			option_specs[i].name, job->reader.header.volume_name, job->reader.header.since_name);
		return EXIT_USAGE;
	}
	exit_code = import_base_find(job);
	if (exit_code != EXIT_OK)
		return exit_code;
	return clean_up(job, content_import(job));
}

static int header_import(struct import_job *job)
{
	enum export_event event = EXPORT_MORE;
	int rc = event_next(job, &event);

	if (rc)
		return transfer_exit_code(rc);
	ASSERT(event == EXPORT_HEADER);
	job->is_increment = !uuid_is_none(job->reader.header.since);
	return job->is_increment ? increment_import(job) : volume_import(job);
}

static void result_print(const struct import_job *job)
{
	const struct export_reader *reader = &job->reader;
	char data[SIZE_TEXT_LEN + 1], zero[SIZE_TEXT_LEN + 1];

	if (job->cli->options[OPTION_JSON])
		printf("{\"version\":1,\"import\":{\"volume\":\"%s\",\"size_bytes\":%llu,\"data_bytes\":%llu,"
		       "\"zero_bytes\":%llu,\"file_bytes\":%llu}}\n",
			job->volume, (unsigned long long)reader->header.size_bytes,
			(unsigned long long)reader->totals.data_bytes,
			(unsigned long long)reader->totals.zero_bytes, (unsigned long long)reader->at_bytes);
	else if (job->is_increment)
		printf("volume %s is as %s@%s: %s of data, %s trimmed, since %s\n", job->volume,
			reader->header.volume_name, reader->header.snapshot_name,
			size_format(reader->totals.data_bytes, data),
			size_format(reader->totals.zero_bytes, zero), reader->header.since_name);
	else
		printf("volume %s imported: %s of data, from %s%s%s\n", job->volume,
			size_format(reader->totals.data_bytes, data), reader->header.volume_name,
			reader->header.snapshot_name[0] ? "@" : "", reader->header.snapshot_name);
}

int cmd_volume_import(struct cli *cli)
{
	struct import_job *job = calloc(1, sizeof(*job));
	int exit_code = EXIT_USAGE;
	struct random random;

	if (!job) {
		fprintf(stderr, "quoin: no memory\n");
		return EXIT_FAILED;
	}
	job->cli = cli;
	job->volume = cli->args[0];
	random_init_system(&random);
	(void)uuid_format(uuid_random(&random), job->import);
	export_reader_init(&job->reader, job->payload);
	if (name_check("volume name", job->volume, &job->error) != 0) {
		fprintf(stderr, "quoin: %s\n", job->error.text);
	} else if (isatty(STDIN_FILENO)) {
		fprintf(stderr, "quoin: standard input is a terminal: give it an export (< FILE)\n");
	} else {
		transfer_begin();
		exit_code = header_import(job);
		if (exit_code == EXIT_OK)
			result_print(job);
		else
			fprintf(stderr, "quoin: volume %s: %s\n", job->volume, job->error.text);
	}
	free(job);
	return exit_code;
}
