#include "base/mutant.h"

#ifdef QUOIN_MUTANTS

#include <string.h>

#include "base/assert.h"

enum mutant mutant_chosen = MUTANT_NONE;

static const struct {
	const char *name;
	const char *what;
} mutants[MUTANT_COUNT] = {
	[MUTANT_NONE] = { "none", "no deliberate bug" },
#define MUTANT_ENTRY(name, what) [MUTANT_##name] = { #name, what },
#include "base/mutants.list"
#undef MUTANT_ENTRY
};

int mutant_find(const char *name)
{
	for (int i = 0; i < MUTANT_COUNT; i++) {
		if (strcmp(mutants[i].name, name) == 0)
			return i;
	}
	return -1;
}

const char *mutant_name(enum mutant mutant)
{
	ASSERT(mutant < MUTANT_COUNT);
	return mutants[mutant].name;
}

const char *mutant_what(enum mutant mutant)
{
	ASSERT(mutant < MUTANT_COUNT);
	return mutants[mutant].what;
}

#endif
