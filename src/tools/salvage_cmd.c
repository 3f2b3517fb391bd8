/* quoin-pool salvage: pools in, a new file out, and every block that isn't proven told. */
#include "tools/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/command.h"

struct salvage_options {
	const char *volume, *out, *pools[SALVAGE_MAX_COPIES];
	unsigned pool_count;
	bool older, json;
};

/* A run of blocks with one verdict. */
struct range {
	enum salvage_verdict verdict;
	uint64_t offset_bytes, length_bytes;
};

struct salvage_job {
	const struct salvage_options *options;
	struct salvage salvage;
	struct image images[SALVAGE_MAX_COPIES];
	struct image_source sources[SALVAGE_MAX_COPIES];
	int fds[SALVAGE_MAX_COPIES];
	int out_fd;
	struct range *ranges;
	size_t range_count;
};

static const char *const verdict_names[] = {
	[SALVAGE_LOST] = "lost",
	[SALVAGE_OLDER] = "older",
	[SALVAGE_UNKNOWN] = "unknown",
};

static int block_write(void *arg, uint64_t offset_bytes, const uint8_t block[static BLOCK_BYTES])
{
	struct salvage_job *job = arg;
	ssize_t wrote = pwrite(job->out_fd, block, BLOCK_BYTES, (off_t)offset_bytes);

	return wrote == BLOCK_BYTES ? 0 : wrote < 0 ? -errno : -ENOSPC;
}

static void block_told(void *arg, enum salvage_verdict verdict, uint64_t offset_bytes)
{
	struct salvage_job *job = arg;
	struct range *last = job->range_count ? &job->ranges[job->range_count - 1] : NULL;

	if (last && last->verdict == verdict && last->offset_bytes + last->length_bytes == offset_bytes) {
		last->length_bytes += BLOCK_BYTES;
		return;
	}
	job->ranges = reallocarray(job->ranges, job->range_count + 1, sizeof(*job->ranges));
	ASSERT(job->ranges); /* without its report the image is worth nothing */
	job->ranges[job->range_count++] = (struct range){ verdict, offset_bytes, BLOCK_BYTES };
}

/* ---- the report ---- */

static uint64_t not_proven(const struct salvage *s)
{
	return s->lost_blocks + s->older_blocks + s->unknown_blocks;
}

static void report_print(const struct salvage_job *job)
{
	const struct salvage *s = &job->salvage;
	char uuid[UUID_TEXT_LEN + 1];

	for (size_t i = 0; i < job->range_count; i++)
		printf("%s: %" PRIu64 " bytes at %" PRIu64 "\n", verdict_names[job->ranges[i].verdict],
			job->ranges[i].length_bytes, job->ranges[i].offset_bytes);
	for (unsigned c = 0; c < s->copy_count; c++)
		printf("replica %s: %" PRIu64 " blocks taken, %" PRIu64 " rotten; log to (%" PRIu64
		       ".%u, %" PRIu64 "), %s\n",
			uuid_format(s->copies[c].replica->record.identity.replica, uuid),
			s->copies[c].taken_blocks, s->copies[c].rotten_blocks,
			s->copies[c].replica->last.epoch.number, s->copies[c].replica->last.epoch.restart,
			s->copies[c].replica->last.seq,
			s->copies[c].is_whole ? "table whole" : "table not whole");
	printf("volume as of entry (%" PRIu64 ".%u, %" PRIu64 "): what only replicas that aren't here had "
	       "acknowledged after it is not in the image, and nobody can say what it was\n",
		s->last.epoch.number, s->last.epoch.restart, s->last.seq);
	printf("%s: %" PRIu64 " blocks with data, %" PRIu64 " zero, %" PRIu64 " LOST, %" PRIu64
	       " older, %" PRIu64 " unknown\n",
		job->options->out, s->good_blocks, s->zero_blocks, s->lost_blocks, s->older_blocks,
		s->unknown_blocks);
}

static void report_json_print(const struct salvage_job *job)
{
	const struct salvage *s = &job->salvage;
	json_t *ranges = json_array();
	json_t *root;

	for (size_t i = 0; i < job->range_count; i++)
		json_array_append_new(
			ranges, json_pack("{s:s, s:I, s:I}", "verdict", verdict_names[job->ranges[i].verdict],
					"offset_bytes", (json_int_t)job->ranges[i].offset_bytes,
					"length_bytes", (json_int_t)job->ranges[i].length_bytes));
	root = json_pack("{s:i, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "version", 1, "volume",
		job->options->volume, "image", job->options->out, "replicas", (int)s->copy_count, "last_seq",
		(json_int_t)s->last.seq, "data_blocks", (json_int_t)s->good_blocks, "zero_blocks",
		(json_int_t)s->zero_blocks, "lost_blocks", (json_int_t)s->lost_blocks, "older_blocks",
		(json_int_t)s->older_blocks, "unknown_blocks", (json_int_t)s->unknown_blocks, "ranges",
		ranges);
	(void)json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}

/* ---- the work ---- */

/* Never over a file that is there. */
static int out_make(struct salvage_job *job)
{
	const char *out = job->options->out;
	int rc;

	job->out_fd = open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (job->out_fd < 0)
		return command_refuse(errno == EEXIST ? EXIT_REFUSED : EXIT_FAILED, out, strerror(errno));
	if (ftruncate(job->out_fd, (off_t)job->salvage.size_bytes) < 0)
		return command_refuse(EXIT_FAILED, out, strerror(errno));
	rc = salvage_run(&job->salvage);
	if (rc == 0 && fsync(job->out_fd) < 0)
		rc = -errno;
	if (rc)
		return command_refuse(EXIT_FAILED, out, strerror(-rc));
	if (job->options->json)
		report_json_print(job);
	else
		report_print(job);
	return not_proven(&job->salvage) ? EXIT_FAILED : EXIT_OK;
}

static int pools_load(struct salvage_job *job)
{
	struct error error = { "" };
	int rc;

	for (unsigned i = 0; i < job->options->pool_count; i++) {
		const char *path = job->options->pools[i];
		int code = command_open(path, &job->fds[i], &job->sources[i].size_bytes);

		if (code != EXIT_OK)
			return code;
		job->sources[i].read = command_read;
		job->sources[i].arg = &job->fds[i];
		if (image_load(&job->images[i], &job->sources[i], &error) < 0)
			return command_refuse(EXIT_FAILED, path, error.text);
	}
	rc = salvage_begin(&job->salvage, job->images, job->options->pool_count, &error);
	if (rc)
		return command_refuse(
			rc == -ENOENT ? EXIT_NOT_FOUND : EXIT_REFUSED, job->options->volume, error.text);
	return EXIT_OK;
}

static int options_parse(struct salvage_options *options, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--older") == 0)
			options->older = true;
		else if (strcmp(argv[i], "--json") == 0)
			options->json = true;
		else if (argv[i][0] == '-')
			return command_usage("unknown option ", argv[i]);
		else if (!options->volume)
			options->volume = argv[i];
		else if (!options->out)
			options->out = argv[i];
		else if (options->pool_count < SALVAGE_MAX_COPIES)
			options->pools[options->pool_count++] = argv[i];
		else
			return command_usage("too many pools: ", argv[i]);
	}
	return options->pool_count ? EXIT_OK
				   : command_usage("salvage needs a volume, a new file, and pools", "");
}

int salvage_main(int argc, char **argv)
{
	struct salvage_options options = { 0 };
	struct salvage_job *job = calloc(1, sizeof(*job));
	int code = options_parse(&options, argc, argv);

	ASSERT(job);
	job->options = &options;
	job->out_fd = -1;
	memset(job->fds, -1, sizeof(job->fds));
	job->salvage.write = block_write;
	job->salvage.told = block_told;
	job->salvage.arg = job;
	job->salvage.take_older = options.older;
	if (code == EXIT_OK && uuid_parse(options.volume, &job->salvage.volume))
		code = command_usage("not a volume's UUID: ", options.volume);
	if (code == EXIT_OK)
		code = pools_load(job);
	if (code == EXIT_OK)
		code = out_make(job);
	salvage_done(&job->salvage);
	for (unsigned i = 0; i < options.pool_count; i++) {
		image_done(&job->images[i]);
		if (job->fds[i] >= 0)
			close(job->fds[i]);
	}
	if (job->out_fd >= 0)
		close(job->out_fd);
	free(job->ranges);
	free(job);
	return code;
}
