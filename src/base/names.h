/* Names of nodes, pools, volumes and classes: [a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}. */
#ifndef QUOIN_BASE_NAMES_H
#define QUOIN_BASE_NAMES_H

#include <stddef.h>

#include "base/error.h"
#include "base/limits.h"

/* -EINVAL, with words that name `what` ("volume name"), the character and its place. */
int name_check(const char *what, const char *name, struct error *error) MUST_CHECK;
/* "VOLUME@SNAPSHOT"; a device of this node has a volume's name, or that of a snapshot. */
#define SNAPSHOT_NAME_MAX_LEN (2 * NAME_MAX_LEN + 1)
/* Takes it apart, and checks both. -EINVAL with words. */
int snapshot_name_split(const char *text, char ret_volume[static NAME_MAX_LEN + 1],
	char ret_snapshot[static NAME_MAX_LEN + 1], struct error *error) MUST_CHECK;
/* "VOLUME" or "VOLUME@SNAPSHOT". */
int device_name_check(const char *name, struct error *error) MUST_CHECK;
/*
 * What a device of this name is called in a directory: its name, or where that is too long for a file's, its
 * beginning, '~' (which no name has) and a hash of all of it. "~new" may still be added.
 */
#define DEVICE_FILE_MAX_LEN 251u
char *device_file_name(const char *name, char ret_file[static DEVICE_FILE_MAX_LEN + 1]);
/*
 * The candidate with the least edit distance to `word`, whatever their case, if that is at most 3 and at most
 * half of the longer one; else NULL: "did you mean".
 */
const char *name_nearest(const char *word, const char *const *candidates, size_t count);

#endif
