/* quoin-pool: looks into a pool that no agent has open. It reads, and never writes. docs/quoin-pool.md. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/tools.h"

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_FOUND = 3, EXIT_REFUSED = 4 };

struct options {
	const char *command, *path;
	bool json, data, parts[DUMP_PARTS], some_part;
};

static const char *const part_names[DUMP_PARTS] = { "superblocks", "replicas", "journal", "grains" };

static const char usage_text[] =
	"usage: quoin-pool check IMAGE|DEVICE [--data] [--json]\n"
	"       quoin-pool dump IMAGE|DEVICE [superblocks|replicas|journal|grains]... [--json]\n"
	"\n"
	"check  reads superblocks, journal and table, and says whether they agree; with --data every grain "
	"too\n"
	"dump   prints what stands in them; without a part all but the grains\n"
	"\n"
	"Neither writes. Exit code 0: clean, 1: damaged or failed, 2: usage, 3: not found, 4: in use by an "
	"agent.\n";

/* ---- where the bytes come from ---- */

static int file_read(void *arg, uint64_t offset_bytes, void *to, uint64_t length_bytes)
{
	const int *fd = arg;

	while (length_bytes > 0) {
		ssize_t got = pread(*fd, to, length_bytes, (off_t)offset_bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EIO;
		to = (uint8_t *)to + got;
		offset_bytes += (uint64_t)got;
		length_bytes -= (uint64_t)got;
	}
	return 0;
}

static int refuse(int code, const char *path, const char *words)
{
	fprintf(stderr, "quoin-pool: %s: %s\n", path, words);
	return code;
}

/* Direct I/O sees what the device has, not what a cache has; where there is none, the cache will do. */
static int file_open(const char *path, int *ret_fd, uint64_t *ret_size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0 && errno == EINVAL)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refuse(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED, path, strerror(errno));
	*ret_fd = fd;
	if (fstat(fd, &st) < 0)
		return refuse(EXIT_FAILED, path, strerror(errno));
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, ret_size) < 0)
			return refuse(EXIT_FAILED, path, strerror(errno));
	} else if (S_ISREG(st.st_mode)) {
		*ret_size = (uint64_t)st.st_size;
	} else {
		return refuse(EXIT_FAILED, path, "neither a block device nor a regular file");
	}
	*ret_size = *ret_size / BLOCK_BYTES * BLOCK_BYTES;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return refuse(EXIT_REFUSED, path,
			"an agent has it open, so it changes while it is read; stop the agent, or take the "
			"pool off it");
	return EXIT_OK;
}

/* ---- commands ---- */

static void data_progress(void *arg, uint64_t done, uint64_t all)
{
	uint64_t *told = arg, percent = all ? done * 100 / all : 100;

	if (percent < *told + 5 || !isatty(STDERR_FILENO))
		return;
	*told = percent;
	fprintf(stderr, "quoin-pool: %" PRIu64 " %% of the grains read\n", percent);
}

static int check(struct image *image, const struct options *options)
{
	uint64_t told = 0;
	int rc = options->data ? image_verify_data(image, data_progress, &told) : 0;

	if (rc == 0 && options->json)
		rc = report_json(image, options->path);
	else if (rc == 0)
		report_text(image, options->path);
	if (rc < 0)
		return refuse(EXIT_FAILED, options->path, strerror(-rc));
	return image->damages ? EXIT_FAILED : EXIT_OK;
}

static int dump(struct image *image, const struct options *options)
{
	for (unsigned part = 0; part < DUMP_PARTS; part++) {
		int rc = 0;

		if (options->some_part ? options->parts[part] : part != DUMP_GRAINS)
			rc = dump_part(image, (enum dump_part)part, options->json);
		if (rc < 0)
			return refuse(EXIT_FAILED, options->path, strerror(-rc));
	}
	return EXIT_OK;
}

/* What stops a check altogether, where a script may read it. */
static int refuse_load(const struct options *options, const char *words)
{
	json_t *report;

	if (!options->json || strcmp(options->command, "check") != 0)
		return refuse(EXIT_FAILED, options->path, words);
	report = json_pack("{s:i, s:s, s:s, s:s}", "version", 1, "path", options->path, "result",
		"unreadable", "error", words);
	(void)json_dumpf(report, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(report);
	return EXIT_FAILED;
}

static int run(const struct options *options)
{
	struct image_source source = { .read = file_read };
	struct image image = { 0 };
	struct error error = { "" };
	int fd = -1, code = file_open(options->path, &fd, &source.size_bytes);

	source.arg = &fd;
	if (code == EXIT_OK) {
		if (image_load(&image, &source, &error) < 0)
			code = refuse_load(options, error.text);
		else
			code = strcmp(options->command, "check") == 0 ? check(&image, options)
								      : dump(&image, options);
		image_done(&image);
	}
	if (fd >= 0)
		close(fd);
	return code;
}

/* ---- command line ---- */

static int usage(const char *what, const char *word)
{
	fprintf(stderr, "quoin-pool: %s%s\n%s", what, word, usage_text);
	return EXIT_USAGE;
}

static bool part_take(struct options *options, const char *word)
{
	if (!options->command || strcmp(options->command, "dump") != 0)
		return false;
	for (unsigned part = 0; part < DUMP_PARTS; part++) {
		if (strcmp(word, part_names[part]) != 0)
			continue;
		options->parts[part] = options->some_part = true;
		return true;
	}
	return false;
}

static int word_take(struct options *options, const char *word)
{
	if (strcmp(word, "--json") == 0)
		options->json = true;
	else if (strcmp(word, "--data") == 0)
		options->data = true;
	else if (word[0] == '-')
		return usage("unknown option ", word);
	else if (!options->command)
		options->command = word;
	else if (!options->path)
		options->path = word;
	else if (!part_take(options, word))
		return usage("too much: ", word);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };

	for (int i = 1; i < argc; i++) {
		int code;

		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(usage_text, stdout);
			return EXIT_OK;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("quoin-pool %s, format %u\n", QUOIN_VERSION, ONDISK_VERSION);
			return EXIT_OK;
		}
		code = word_take(&options, argv[i]);
		if (code != EXIT_OK)
			return code;
	}
	if (!options.command)
		return usage("no command", "");
	if (strcmp(options.command, "check") != 0 && strcmp(options.command, "dump") != 0)
		return usage("unknown command ", options.command);
	if (!options.path)
		return usage("which pool? a file or a device is missing", "");
	if (options.data && strcmp(options.command, "check") != 0)
		return usage("--data goes with ", "check");
	return run(&options);
}
