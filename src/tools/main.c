/* quoin-pool: looks into a pool that no agent has open. It reads, and never writes. docs/quoin-pool.md. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/salvage.h"

struct options {
	const char *command, *path;
	bool json, data, parts[DUMP_PARTS], some_part;
};

static const char *const part_names[DUMP_PARTS] = { "superblocks", "replicas", "journal", "grains" };

static const char usage_text[] =
	"usage: quoin-pool check IMAGE|DEVICE [--data] [--json]\n"
	"       quoin-pool dump IMAGE|DEVICE [superblocks|replicas|journal|grains]... [--json]\n"
	"       quoin-pool salvage VOLUME OUT IMAGE|DEVICE... [--older] [--json] "
	"[--shards=STRIPE:GROUP,...]\n"
	"\n"
	"check  reads superblocks, journal and table, and says whether they agree; with --data every grain "
	"too\n"
	"dump   prints what stands in them; without a part all but the grains\n"
	"salvage  the last resort: the best image of a volume (its UUID) from the pools that are left, into "
	"a new "
	"file\n"
	"\n"
	"None of them writes to a pool. Exit code 0: clean, 1: damaged or failed, 2: usage, 3: not found, 4: "
	"in use by an "
	"agent.\n";

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
		return command_refuse(EXIT_FAILED, options->path, strerror(-rc));
	return image->damages ? EXIT_FAILED : EXIT_OK;
}

static int dump(struct image *image, const struct options *options)
{
	for (unsigned part = 0; part < DUMP_PARTS; part++) {
		int rc = 0;

		if (options->some_part ? options->parts[part] : part != DUMP_GRAINS)
			rc = dump_part(image, (enum dump_part)part, options->json);
		if (rc < 0)
			return command_refuse(EXIT_FAILED, options->path, strerror(-rc));
	}
	return EXIT_OK;
}

/* What stops a check altogether, where a script may read it. */
static int refuse_load(const struct options *options, const char *words)
{
	json_t *report;

	if (!options->json || strcmp(options->command, "check") != 0)
		return command_refuse(EXIT_FAILED, options->path, words);
	report = json_pack("{s:i, s:s, s:s, s:s}", "version", 1, "path", options->path, "result",
		"unreadable", "error", words);
	(void)json_dumpf(report, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(report);
	return EXIT_FAILED;
}

static int run(const struct options *options)
{
	struct image_source source = { .read = command_read };
	struct image image = { 0 };
	struct error error = { "" };
	int fd = -1, code = command_open(options->path, &fd, &source.size_bytes);

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

int command_usage(const char *what, const char *word)
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
		return command_usage("unknown option ", word);
	else if (!options->command)
		options->command = word;
	else if (!options->path)
		options->path = word;
	else if (!part_take(options, word))
		return command_usage("too much: ", word);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };

	if (argc > 1 && strcmp(argv[1], "salvage") == 0)
		return salvage_main(argc - 2, argv + 2);
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
		return command_usage("no command", "");
	if (strcmp(options.command, "check") != 0 && strcmp(options.command, "dump") != 0)
		return command_usage("unknown command ", options.command);
	if (!options.path)
		return command_usage("which pool? a file or a device is missing", "");
	if (options.data && strcmp(options.command, "check") != 0)
		return command_usage("--data goes with ", "check");
	return run(&options);
}
