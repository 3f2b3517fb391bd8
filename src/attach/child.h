/* A child process with a deadline, whose words on standard error and output are kept. Control thread. */
#ifndef QUOIN_ATTACH_CHILD_H
#define QUOIN_ATTACH_CHILD_H

#include <uv.h>

#include "base/base.h"

#define CHILD_OUTPUT_MAX 360

struct child {
	/* Filled by the owner. */
	void (*done)(struct child *child);
	/* For done(): */
	int rc;        /* 0: it has exited, by itself; -ETIMEDOUT: killed; -errno: could not be started */
	int exit_code; /* 128 + signal where a signal ended it */
	char output[CHILD_OUTPUT_MAX]; /* its last words: one line, no control characters */
	/* Private: */
	uv_process_t process;
	uv_pipe_t pipe;
	uv_timer_t timer;
	size_t output_bytes;
	unsigned handles_open;
	bool killed;
	char buffer[512];
};

/*
 * Runs argv (NULL at its end; found in the system's usual directories). done() runs once, never inside the
 * call, even where it can't be started; a child that even SIGKILL does not end within 2 s (it waits inside
 * the kernel) is left behind.
 */
void child_start(uv_loop_t *uv, struct child *child, const char *const *argv, uint64_t deadline_ms);

#endif
