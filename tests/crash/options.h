/* The command lines of enumerate, rot and scrub: each option has a value. */
#ifndef QUOIN_TESTS_CRASH_OPTIONS_H
#define QUOIN_TESTS_CRASH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* A number within min .. max; with `to` a range of them, FROM..TO. */
struct crash_option {
	const char *name;
	uint64_t *value, *to;
	uint64_t min, max;
};

/*
 * Takes what stands in `options`, up to a name of NULL, and `--mutant NAME`, which it chooses. False:
 * something else, or a value that won't do.
 */
bool crash_options_take(int argc, char **argv, const struct crash_option *options);
/* Pools come and go a thousand times a second: their memory is kept. */
void crash_memory_keep(void);

#endif
