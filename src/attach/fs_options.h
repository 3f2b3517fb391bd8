/* Options of filesystems, as mkfs wants them. Thread rule: any. */
#ifndef QUOIN_ATTACH_FS_OPTIONS_H
#define QUOIN_ATTACH_FS_OPTIONS_H

#include "base/base.h"

#define FS_MAKE_ARGUMENTS 6u /* a flag and its value for each option that a filesystem has */

struct fs_make_arguments {
	unsigned count;
	const char *arguments[FS_MAKE_ARGUMENTS];
	char texts[FS_MAKE_ARGUMENTS / 2][24];
};

/* -EINVAL as of fs_options_check(). The arguments point into *ret_arguments. */
int fs_make_arguments_get(const char *fs, const char *text, struct fs_make_arguments *ret_arguments,
	struct error *error) MUST_CHECK;

#endif
