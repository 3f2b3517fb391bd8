/* Names of nodes, pools, volumes and classes: [a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}. */
#ifndef QUOIN_BASE_NAMES_H
#define QUOIN_BASE_NAMES_H

#include <stddef.h>

#include "base/error.h"

/* -EINVAL, with words that name `what` ("volume name"), the character and its place. */
int name_check(const char *what, const char *name, struct error *error) MUST_CHECK;
/*
 * The candidate with the least edit distance to `word`, whatever their case, if that is at most 3 and at most
 * half of the longer one; else NULL: "did you mean".
 */
const char *name_nearest(const char *word, const char *const *candidates, size_t count);

#endif
