/*
 * Small files of the agent's state: read whole, replaced whole (written aside, flushed, renamed, directory
 * flushed). What counts in this boot only needs no flush: a process that is killed takes nothing of the
 * kernel's memory with it, and with that memory the boot ends.
 */
#ifndef QUOIN_VOLUMES_STATE_FILE_H
#define QUOIN_VOLUMES_STATE_FILE_H

#include <stddef.h>

#include "base/base.h"

#define STATE_FILE_MAX_BYTES (4u << 20)

/* -ENOENT; else with words. The text is malloc'ed, len_bytes long, and has a zero byte behind it. */
int state_file_read(const char *path, char **ret_text, size_t *ret_len_bytes, struct error *error) MUST_CHECK;
/* Either the old or the new content is there after a crash, never a part. */
int state_file_write(const char *path, const char *text, size_t len_bytes, struct error *error) MUST_CHECK;
/*
 * For what is believed in this boot only, and says itself of which boot it is, or is read only where such a
 * file names it. Either the old or the new content is there after this process is killed, never a part; after
 * a crash of the machine anything may be.
 */
int state_file_write_for_boot(
	const char *path, const char *text, size_t len_bytes, struct error *error) MUST_CHECK;
/* This boot's identity, from /proc/sys/kernel/random/boot_id. */
int state_boot_id(char ret_text[static UUID_TEXT_LEN + 1], struct error *error) MUST_CHECK;
/* mkdir -p with mode 0755. */
int state_dir_make(const char *path, struct error *error) MUST_CHECK;

#endif
