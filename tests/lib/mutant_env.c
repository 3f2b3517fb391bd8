/* Linked into a unit test that is built with mutants: QUOIN_MUTANT names the one that is switched on. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mutant.h"

__attribute__((constructor)) static void mutant_from_environment(void)
{
	const char *name = getenv("QUOIN_MUTANT");
	int found = name && name[0] ? mutant_find(name) : MUTANT_NONE;

	if (found < 0) {
		(void)fprintf(stderr, "there is no mutant %s\n", name);
		exit(2);
	}
	mutant_chosen = (enum mutant)found;
}
