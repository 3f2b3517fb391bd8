/* A function in a process of its own: an assertion that fails there is its outcome, not our end. */
#ifndef QUOIN_TESTS_SIM_CHILD_H
#define QUOIN_TESTS_SIM_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
	pid_t pid;    /* 0: none */
	int error_fd; /* its standard error */
};

/* What the function is to tell goes into memory that is shared. */
void child_start(struct child *child, void (*fn)(void *arg), void *arg);
/* In it: from now on it may use as much of CPU as if it had only begun; what takes longer runs in circles. */
void child_allow_cpu(void);
/* It has ended with this status of wait(): what it died of, or an empty text. */
void child_ended(struct child *child, int status, char *text, size_t text_len);
/* Both, and waits; `fn` tells by its text. */
void child_run(void (*fn)(const void *arg, char text[static 512]), const void *arg, char text[static 512]);

#endif
