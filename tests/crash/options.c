#include "options.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

static bool mutant_take(const char *name)
{
	int found = mutant_find(name);

	if (found <= MUTANT_NONE)
		return false;
	mutant_chosen = (enum mutant)found;
	return true;
}

static bool value_take(const struct crash_option *option, const char *value)
{
	uint64_t first, last;
	int len = -1;

	if (option->to) {
		if (sscanf(value, "%" SCNu64 "..%" SCNu64 "%n", &first, &last, &len) != 2)
			return false;
	} else {
		if (sscanf(value, "%" SCNu64 "%n", &first, &len) != 1)
			return false;
		last = first;
	}
	if (len < 0 || value[len] != '\0' || first > last || first < option->min || last > option->max)
		return false;
	*option->value = first;
	if (option->to)
		*option->to = last;
	return true;
}

bool crash_options_take(int argc, char **argv, const struct crash_option *options)
{
	for (int i = 1; i < argc; i += 2) {
		const struct crash_option *option = options;
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		while (option->name && strcmp(argv[i], option->name) != 0)
			option++;
		if (!(option->name ? value_take(option, value)
				   : strcmp(argv[i], "--mutant") == 0 && mutant_take(value)))
			return false;
	}
	return true;
}

void crash_memory_keep(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
}
