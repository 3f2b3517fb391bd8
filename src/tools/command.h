/* What the commands of quoin-pool share: exit codes, words, a pool's file. */
#ifndef QUOIN_TOOLS_COMMAND_H
#define QUOIN_TOOLS_COMMAND_H

#include "tools/tools.h"

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_FOUND = 3, EXIT_REFUSED = 4 };

/* Both say why on stderr, and return the exit code. */
int command_refuse(int code, const char *path, const char *words);
int command_usage(const char *what, const char *word);
/* Direct, read-only, under a shared lock. EXIT_OK, or it has said why; *ret_fd may be there all the same. */
int command_open(const char *path, int *ret_fd, uint64_t *ret_size);
/* An image_source's; arg: the descriptor's place. */
int command_read(void *arg, uint64_t offset_bytes, void *to, uint64_t length_bytes);

#endif
