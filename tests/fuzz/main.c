/*
 * Runs a fuzz target without libFuzzer: over each file of the directories given, and over damaged copies of
 * them (some bytes changed, cut off or doubled), from a fixed seed. So every build checks the corpus.
 *
 * usage: fuzz-TARGET DIRECTORY... [-n damaged copies of each file, 200]
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "fuzz.h"

#define INPUT_MAX_BYTES (1u << 20)

static uint8_t input[INPUT_MAX_BYTES], damaged[INPUT_MAX_BYTES];
static struct random dice;
static unsigned long runs;

static void run(const uint8_t *data, size_t size)
{
	/* A copy of exact size: a sanitizer sees each byte read beyond it. */
	uint8_t *exact = malloc(size ? size : 1);

	ASSERT(exact != NULL);
	memcpy(exact, data, size);
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	runs++;
}

static size_t damage(size_t size)
{
	uint64_t changes = 1 + random_below(&dice, 4);

	memcpy(damaged, input, size);
	while (size > 0 && changes-- > 0) {
		size_t at = random_below(&dice, size);

		switch (random_below(&dice, 4)) {
		case 0:
			damaged[at] = (uint8_t)random_u64(&dice);
			break;
		case 1:
			damaged[at] ^= (uint8_t)(1u << random_below(&dice, 8));
			break;
		case 2:
			size = at;
			break;
		default:
			if (size + (size - at) <= INPUT_MAX_BYTES) {
				memmove(damaged + size, damaged + at, size - at);
				size += size - at;
			}
			break;
		}
	}
	return size;
}

static int run_file(const char *path, unsigned copies)
{
	FILE *file = fopen(path, "rbe");
	size_t size;

	if (!file) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	size = fread(input, 1, sizeof(input), file);
	(void)fclose(file);
	run(input, size);
	for (unsigned i = 0; i < copies; i++)
		run(damaged, damage(size));
	return 0;
}

static int run_directory(const char *path, unsigned copies)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	char name[4096];
	int rc = 0;

	if (!dir) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	while (rc == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		rc = run_file(name, copies);
	}
	(void)closedir(dir);
	return rc;
}

int main(int argc, char **argv)
{
	unsigned long copies = 200;
	int option;

	while ((option = getopt(argc, argv, "n:")) != -1) {
		if (option != 'n') {
			(void)fprintf(stderr, "usage: %s [-n copies] DIRECTORY...\n", argv[0]);
			return 2;
		}
		copies = strtoul(optarg, NULL, 10);
	}
	random_init(&dice, 1);
	run(input, 0);
	for (int i = optind; i < argc; i++)
		if (run_directory(argv[i], (unsigned)copies) < 0)
			return 1;
	(void)printf("%lu inputs\n", runs);
	return 0;
}
