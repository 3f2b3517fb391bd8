/*
 * Mutants: deliberate bugs that the simulator must catch. In `quoind` MUTANT(name) is the constant 0; in the
 * simulator's build it asks whether that one was chosen at run time. base/mutants.list names them all.
 */
#ifndef QUOIN_BASE_MUTANT_H
#define QUOIN_BASE_MUTANT_H

#include <stdbool.h>

#ifdef QUOIN_MUTANTS
enum mutant {
	MUTANT_NONE,
#define MUTANT_ENTRY(name, what) MUTANT_##name,
#include "base/mutants.list"
#undef MUTANT_ENTRY
	MUTANT_COUNT
};
extern enum mutant mutant_chosen;
#define MUTANT(name) (mutant_chosen == MUTANT_##name)
/* -1 where there is no such mutant. */
int mutant_find(const char *name);
const char *mutant_name(enum mutant mutant);
const char *mutant_what(enum mutant mutant);
#else
#define MUTANT(name) 0
#endif

#endif
