/*
 * Errors that reach a person carry words as well as an errno: what is wrong, where, what to do.
 * Words are added once, where the cause is known; libraries return them, programs print them.
 */
#ifndef QUOIN_BASE_ERROR_H
#define QUOIN_BASE_ERROR_H

#include "base/assert.h"

#define ERROR_TEXT_MAX 512

struct error {
	char text[ERROR_TEXT_MAX];
};

/* Sets the words (error may be NULL) and returns `rc`, a negative errno, unchanged. */
int error_set(struct error *error, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
