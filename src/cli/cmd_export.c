/*
 * quoin volume export: a snapshot, or what has changed since an older one, as a stream on standard output.
 *
 *   (a snapshot is made) -> serve-nbd -> runs of data, read in order -> detach -> (the snapshot is removed)
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/source.h"
#include "export/export.h"

#define FLAG_HOLE    1u /* of base:allocation */
#define FLAG_CHANGED 1u /* of quoin:changed-since: */
#define FLAG_ZERO    2u

struct export_job {
	struct source source;
	struct export_header header;
	struct export_writer writer;
	struct nbd_link link;
	uint64_t file_bytes;
	struct error error;
};

/* ---- the stream ---- */

static int put(struct export_job *job, const uint8_t *bytes, size_t len_bytes)
{
	job->file_bytes += len_bytes;
	return transfer_write(bytes, len_bytes, &job->error);
}

/* The oldest block that was read goes out. */
static int oldest_put(struct export_job *job)
{
	uint8_t head[EXPORT_RECORD_BYTES];
	struct nbd_slot *slot;
	int rc = nbd_link_oldest(&job->link, &slot, &job->error);

	if (rc)
		return rc;
	export_data(&job->writer, slot->offset_bytes, slot->buffer, slot->length_bytes, head);
	rc = put(job, head, sizeof(head));
	if (rc == 0)
		rc = put(job, slot->buffer, slot->length_bytes);
	transfer_progress("export", slot->offset_bytes + slot->length_bytes, job->header.size_bytes);
	return rc;
}

static int all_put(struct export_job *job)
{
	int rc = 0;

	while (rc == 0 && job->link.count > 0)
		rc = oldest_put(job);
	return rc;
}

static int run_read(struct export_job *job, uint64_t offset_bytes, uint64_t length_bytes)
{
	int rc = 0;

	while (rc == 0 && length_bytes > 0) {
		uint32_t count =
			length_bytes < EXPORT_DATA_MAX_BYTES ? (uint32_t)length_bytes : EXPORT_DATA_MAX_BYTES;

		if (nbd_link_is_full(&job->link))
			rc = oldest_put(job);
		if (rc == 0)
			rc = nbd_link_read(&job->link, offset_bytes, count, &job->error);
		offset_bytes += count;
		length_bytes -= count;
	}
	return rc;
}

static int run_zero(struct export_job *job, uint64_t offset_bytes, uint64_t length_bytes)
{
	uint8_t head[EXPORT_RECORD_BYTES];
	int rc = all_put(job);

	if (rc)
		return rc;
	export_zero(&job->writer, offset_bytes, length_bytes, head);
	return put(job, head, sizeof(head));
}

static int run_export(struct export_job *job, uint64_t offset_bytes, const struct nbd_run *run)
{
	if (uuid_is_none(job->header.since))
		return run->flags & FLAG_HOLE ? 0 : run_read(job, offset_bytes, run->length_bytes);
	if (!(run->flags & FLAG_CHANGED))
		return 0;
	return run->flags & FLAG_ZERO ? run_zero(job, offset_bytes, run->length_bytes)
				      : run_read(job, offset_bytes, run->length_bytes);
}

/* -EINVAL is how the agent says that the older snapshot isn't below the newer one. */
static int map_failed(struct export_job *job, int rc)
{
	const struct source *source = &job->source;

	if (rc != -EINVAL || !source->since)
		return rc;
	return error_set(&job->error, rc,
		"--since: snapshot %s@%s is no older one that %s@%s stands on, so what has changed since it "
		"isn't known",
		source->volume, source->since, source->volume, source->snapshot);
}

static int runs_export(struct export_job *job)
{
	uint64_t offset = 0;
	int rc = 0;

	while (rc == 0 && offset < job->header.size_bytes) {
		rc = map_failed(
			job, nbd_link_map(&job->link, offset, job->header.size_bytes - offset, &job->error));
		for (unsigned i = 0; rc == 0 && i < job->link.run_count; i++) {
			rc = run_export(job, offset, &job->link.runs[i]);
			offset += job->link.runs[i].length_bytes;
		}
		transfer_progress("export", offset, job->header.size_bytes);
	}
	return rc ? rc : all_put(job);
}

static int stream_export(struct export_job *job)
{
	uint8_t bytes[EXPORT_HEADER_BYTES];
	int rc = source_link_open(&job->source, &job->link, &job->error);

	if (rc)
		return rc;
	job->header.size_bytes = job->link.size_bytes;
	job->header.snapshot = job->source.uuid;
	job->header.since = job->source.since_uuid;
	export_begin(&job->writer, &job->header, bytes);
	rc = put(job, bytes, EXPORT_HEADER_BYTES);
	if (rc == 0)
		rc = runs_export(job);
	if (rc == 0) {
		export_end(&job->writer, bytes);
		rc = put(job, bytes, EXPORT_END_BYTES);
	}
	return rc;
}

/* ---- the agent's part ---- */

static int volume_get(struct export_job *job)
{
	json_t *answer, *volume;
	int exit_code =
		transfer_call(job->source.cli, "GET", job->source.volume, NULL, &answer, NULL, &job->error);

	if (exit_code != EXIT_OK)
		return exit_code;
	volume = json_object_get(answer, "volume");
	snprintf(job->header.fs, sizeof(job->header.fs), "%s", text_of(volume, "fs"));
	exit_code = transfer_exit_code(transfer_uuid(volume, "uuid", &job->header.volume, &job->error));
	json_decref(answer);
	return exit_code;
}

static int snapshot_export(struct export_job *job)
{
	int exit_code = volume_get(job);

	if (exit_code != EXIT_OK)
		return exit_code;
	exit_code = source_open(&job->source, &job->error);
	if (exit_code == EXIT_OK) {
		exit_code = transfer_exit_code(stream_export(job));
		nbd_link_close(&job->link);
	}
	transfer_progress_end();
	return source_close(&job->source, exit_code);
}

static void result_print(const struct export_job *job)
{
	char data[SIZE_TEXT_LEN + 1], zero[SIZE_TEXT_LEN + 1];
	const struct export_totals *totals = &job->writer.totals;
	const struct export_header *header = &job->header;

	/* Standard output is the file's. */
	if (job->source.cli->options[OPTION_JSON])
		fprintf(stderr,
			"{\"version\":1,\"export\":{\"size_bytes\":%llu,\"data_bytes\":%llu,\"zero_bytes\":%"
			"llu,"
			"\"file_bytes\":%llu}}\n",
			(unsigned long long)header->size_bytes, (unsigned long long)totals->data_bytes,
			(unsigned long long)totals->zero_bytes, (unsigned long long)job->file_bytes);
	else if (job->source.since)
		fprintf(stderr, "volume %s@%s exported since %s: %s of data, %s trimmed\n",
			header->volume_name, header->snapshot_name, header->since_name,
			size_format(totals->data_bytes, data), size_format(totals->zero_bytes, zero));
	else
		fprintf(stderr, "volume %s%s%s exported: %s of data\n", header->volume_name,
			header->snapshot_name[0] ? "@" : "", header->snapshot_name,
			size_format(totals->data_bytes, data));
}

static int arguments_take(struct export_job *job)
{
	struct source *source = &job->source;
	const char *argument = source->cli->args[0];
	bool is_snapshot = strchr(argument, '@') != NULL;
	int rc;

	source->since = source->cli->options[OPTION_SINCE];
	if (isatty(STDOUT_FILENO))
		return error_set(&job->error, -EINVAL,
			"standard output is a terminal: send it to a file or a program (> FILE)");
	if (is_snapshot) {
		rc = snapshot_name_split(argument, source->volume, source->snapshot, &job->error);
	} else {
		rc = name_check("volume name", argument, &job->error);
		snprintf(source->volume, sizeof(source->volume), "%s", argument);
	}
	if (rc || !source->since)
		return rc;
	if (!is_snapshot)
		return error_set(&job->error, -EINVAL,
			"--since: until which snapshot? Write VOLUME@SNAPSHOT: the next increment begins "
			"there");
	if (strcmp(source->since, source->snapshot) == 0)
		return error_set(&job->error, -EINVAL, "--since: snapshot %s is the one that is exported",
			source->since);
	return name_check("--since: snapshot name", source->since, &job->error);
}

int cmd_volume_export(struct cli *cli)
{
	struct export_job job = { .source = { .cli = cli, .prefix = "export" } };
	struct export_header *header = &job.header;
	int exit_code;

	if (arguments_take(&job) != 0) {
		fprintf(stderr, "quoin: %s\n", job.error.text);
		return EXIT_USAGE;
	}
	transfer_begin();
	header->created_ns = (uint64_t)time(NULL) * 1000000000u;
	snprintf(header->volume_name, sizeof(header->volume_name), "%s", job.source.volume);
	snprintf(header->snapshot_name, sizeof(header->snapshot_name), "%s", job.source.snapshot);
	if (job.source.since)
		snprintf(header->since_name, sizeof(header->since_name), "%s", job.source.since);
	exit_code = snapshot_export(&job);
	if (exit_code == EXIT_OK)
		result_print(&job);
	else
		fprintf(stderr, "quoin: volume %s: %s\n", job.source.volume, job.error.text);
	return exit_code;
}
