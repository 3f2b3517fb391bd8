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

#define MAX_POOLS 64u

struct salvage_options {
	const char *volume, *out, *pools[MAX_POOLS];
	unsigned pool_count;
	uint64_t stripe_bytes;                 /* of a striped volume; else 0 */
	unsigned shard_count;                  /* at least 1 */
	struct uuid groups[VOLUME_MAX_SHARDS]; /* of the shards; none: it has only one */
	bool older, json;
};

struct blocks {
	uint64_t good, zero, lost, older, unknown;
};

/* A run of blocks with one verdict. */
struct range {
	enum salvage_verdict verdict;
	uint64_t offset_bytes, length_bytes;
};

struct salvage_job {
	const struct salvage_options *options;
	struct salvage salvage; /* of one shard after the other */
	unsigned shard;
	unsigned copy_count;  /* of all shards so far */
	struct blocks blocks; /* likewise */
	struct image images[MAX_POOLS];
	struct image_source sources[MAX_POOLS];
	int fds[MAX_POOLS];
	int out_fd;
	struct range *ranges;
	size_t range_count;
};

static const char *const verdict_names[] = {
	[SALVAGE_LOST] = "lost",
	[SALVAGE_OLDER] = "older",
	[SALVAGE_UNKNOWN] = "unknown",
};

/* Where a shard's byte stands in the volume: docs/protocol.md, "Shards". */
static uint64_t volume_offset(const struct salvage_job *job, uint64_t offset_bytes)
{
	uint64_t stripe_bytes = job->options->stripe_bytes;

	if (stripe_bytes == 0)
		return offset_bytes;
	return (offset_bytes / stripe_bytes * job->options->shard_count + job->shard) * stripe_bytes +
	       offset_bytes % stripe_bytes;
}

static int block_write(void *arg, uint64_t offset_bytes, const uint8_t block[static BLOCK_BYTES])
{
	struct salvage_job *job = arg;
	ssize_t wrote = pwrite(job->out_fd, block, BLOCK_BYTES, (off_t)volume_offset(job, offset_bytes));

	return wrote == BLOCK_BYTES ? 0 : wrote < 0 ? -errno : -ENOSPC;
}

static void block_told(void *arg, enum salvage_verdict verdict, uint64_t offset_bytes)
{
	struct salvage_job *job = arg;
	struct range *last = job->range_count ? &job->ranges[job->range_count - 1] : NULL;

	offset_bytes = volume_offset(job, offset_bytes);
	if (last && last->verdict == verdict && last->offset_bytes + last->length_bytes == offset_bytes) {
		last->length_bytes += BLOCK_BYTES;
		return;
	}
	job->ranges = reallocarray(job->ranges, job->range_count + 1, sizeof(*job->ranges));
	ASSERT(job->ranges); /* without its report the image is worth nothing */
	job->ranges[job->range_count++] = (struct range){ verdict, offset_bytes, BLOCK_BYTES };
}

/* ---- the report ---- */

static uint64_t not_proven(const struct blocks *blocks)
{
	return blocks->lost + blocks->older + blocks->unknown;
}

/* Of the shard in hand. */
static void shard_report_print(const struct salvage_job *job)
{
	const struct salvage *s = &job->salvage;
	char uuid[UUID_TEXT_LEN + 1];

	for (unsigned c = 0; c < s->copy_count; c++)
		printf("replica %s: %" PRIu64 " blocks taken, %" PRIu64 " rotten; log to (%" PRIu64
		       ".%u, %" PRIu64 "), %s\n",
			uuid_format(s->copies[c].replica->record.identity.replica, uuid),
			s->copies[c].taken_blocks, s->copies[c].rotten_blocks,
			s->copies[c].replica->last.epoch.number, s->copies[c].replica->last.epoch.restart,
			s->copies[c].replica->last.seq,
			s->copies[c].is_whole ? "table whole" : "table not whole");
	printf("%s as of entry (%" PRIu64 ".%u, %" PRIu64 "): what only replicas that aren't here had "
	       "acknowledged after it is not in the image, and nobody can say what it was\n",
		job->options->shard_count > 1 ? "shard" : "volume", s->last.epoch.number,
		s->last.epoch.restart, s->last.seq);
}

static void report_print(const struct salvage_job *job)
{
	const struct blocks *blocks = &job->blocks;

	for (size_t i = 0; i < job->range_count; i++)
		printf("%s: %" PRIu64 " bytes at %" PRIu64 "\n", verdict_names[job->ranges[i].verdict],
			job->ranges[i].length_bytes, job->ranges[i].offset_bytes);
	printf("%s: %" PRIu64 " blocks with data, %" PRIu64 " zero, %" PRIu64 " LOST, %" PRIu64
	       " older, %" PRIu64 " unknown\n",
		job->options->out, blocks->good, blocks->zero, blocks->lost, blocks->older, blocks->unknown);
}

static void report_json_print(const struct salvage_job *job, uint64_t last_seq)
{
	const struct blocks *blocks = &job->blocks;
	json_t *ranges = json_array();
	json_t *root;

	for (size_t i = 0; i < job->range_count; i++)
		json_array_append_new(
			ranges, json_pack("{s:s, s:I, s:I}", "verdict", verdict_names[job->ranges[i].verdict],
					"offset_bytes", (json_int_t)job->ranges[i].offset_bytes,
					"length_bytes", (json_int_t)job->ranges[i].length_bytes));
	root = json_pack("{s:i, s:s, s:s, s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "version", 1, "volume",
		job->options->volume, "image", job->options->out, "replicas", (int)job->copy_count,
		"last_seq", job->options->shard_count == 1 ? json_integer((json_int_t)last_seq) : json_null(),
		"data_blocks", (json_int_t)blocks->good, "zero_blocks", (json_int_t)blocks->zero,
		"lost_blocks", (json_int_t)blocks->lost, "older_blocks", (json_int_t)blocks->older,
		"unknown_blocks", (json_int_t)blocks->unknown, "ranges", ranges);
	(void)json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}

/* ---- the work ---- */

static int shard_begin(struct salvage_job *job)
{
	struct error error = { "" };
	int rc;

	job->salvage.group = job->options->groups[job->shard];
	rc = salvage_begin(&job->salvage, job->images, job->options->pool_count, &error);
	if (rc)
		return command_refuse(
			rc == -ENOENT ? EXIT_NOT_FOUND : EXIT_REFUSED, job->options->volume, error.text);
	return EXIT_OK;
}

/* Never over a file that is there. */
static int out_make(struct salvage_job *job)
{
	const char *out = job->options->out;

	job->out_fd = open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (job->out_fd < 0)
		return command_refuse(errno == EEXIST ? EXIT_REFUSED : EXIT_FAILED, out, strerror(errno));
	if (ftruncate(job->out_fd, (off_t)(job->salvage.size_bytes * job->options->shard_count)) < 0)
		return command_refuse(EXIT_FAILED, out, strerror(errno));
	return EXIT_OK;
}

static int shard_run(struct salvage_job *job)
{
	struct salvage *s = &job->salvage;
	int rc = salvage_run(s);

	if (rc)
		return command_refuse(EXIT_FAILED, job->options->out, strerror(-rc));
	if (!job->options->json)
		shard_report_print(job);
	job->copy_count += s->copy_count;
	job->blocks.good += s->good_blocks;
	job->blocks.zero += s->zero_blocks;
	job->blocks.lost += s->lost_blocks;
	job->blocks.older += s->older_blocks;
	job->blocks.unknown += s->unknown_blocks;
	return EXIT_OK;
}

static void salvage_init(struct salvage_job *job)
{
	job->salvage = (struct salvage){
		.write = block_write, .told = block_told, .arg = job, .take_older = job->options->older
	};
	(void)!uuid_parse(job->options->volume, &job->salvage.volume); /* it was looked at */
}

/* Shard by shard into one file. */
static int work(struct salvage_job *job)
{
	uint64_t last_seq = 0;
	int code = EXIT_OK;

	for (; code == EXIT_OK && job->shard < job->options->shard_count; job->shard++) {
		salvage_init(job);
		code = shard_begin(job);
		if (code == EXIT_OK && job->shard == 0)
			code = out_make(job);
		if (code == EXIT_OK)
			code = shard_run(job);
		last_seq = job->salvage.last.seq;
		salvage_done(&job->salvage);
	}
	if (code != EXIT_OK)
		return code;
	if (fsync(job->out_fd) < 0)
		return command_refuse(EXIT_FAILED, job->options->out, strerror(errno));
	if (job->options->json)
		report_json_print(job, last_seq);
	else
		report_print(job);
	return not_proven(&job->blocks) ? EXIT_FAILED : EXIT_OK;
}

static int pools_load(struct salvage_job *job)
{
	struct error error = { "" };

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
	return EXIT_OK;
}

/* "1M:GROUP,GROUP": the stripes, and the groups of the shards in their order. */
static int shards_option(struct salvage_options *options, const char *text)
{
	size_t len = strcspn(text, ":");
	char part[UUID_TEXT_LEN + 1];
	const char *at = text + len;

	(void)snprintf(part, sizeof(part), "%.*s", (int)(len < UUID_TEXT_LEN ? len : UUID_TEXT_LEN), text);
	if (size_parse(part, &options->stripe_bytes, NULL) || options->stripe_bytes < STRIPE_MIN_BYTES ||
		options->stripe_bytes % GRAIN_BYTES != 0)
		return -EINVAL;
	for (options->shard_count = 0; *at; options->shard_count++) {
		len = strcspn(++at, ",");
		if (len > UUID_TEXT_LEN || options->shard_count == VOLUME_MAX_SHARDS)
			return -EINVAL;
		(void)snprintf(part, sizeof(part), "%.*s", (int)len, at);
		if (uuid_parse(part, &options->groups[options->shard_count]))
			return -EINVAL;
		at += len;
	}
	return options->shard_count < 2 ? -EINVAL : 0;
}

static int options_parse(struct salvage_options *options, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--older") == 0)
			options->older = true;
		else if (strcmp(argv[i], "--json") == 0)
			options->json = true;
		else if (strncmp(argv[i], "--shards=", 9) == 0) {
			if (shards_option(options, argv[i] + 9))
				return command_usage(
					"not as in --shards=1M:GROUP-UUID,GROUP-UUID: ", argv[i]);
		} else if (argv[i][0] == '-')
			return command_usage("unknown option ", argv[i]);
		else if (!options->volume)
			options->volume = argv[i];
		else if (!options->out)
			options->out = argv[i];
		else if (options->pool_count < MAX_POOLS)
			options->pools[options->pool_count++] = argv[i];
		else
			return command_usage("too many pools: ", argv[i]);
	}
	return options->pool_count ? EXIT_OK
				   : command_usage("salvage needs a volume, a new file, and pools", "");
}

int salvage_main(int argc, char **argv)
{
	struct salvage_options options = { .shard_count = 1 };
	struct uuid volume;
	struct salvage_job *job = calloc(1, sizeof(*job));
	int code = options_parse(&options, argc, argv);

	ASSERT(job);
	job->options = &options;
	job->out_fd = -1;
	memset(job->fds, -1, sizeof(job->fds));
	if (code == EXIT_OK && uuid_parse(options.volume, &volume))
		code = command_usage("not a volume's UUID: ", options.volume);
	if (code == EXIT_OK)
		code = pools_load(job);
	if (code == EXIT_OK)
		code = work(job);
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
