/*
 * Answers to the control thread: from worker threads that run what may block, and from the data plane.
 *
 * A worker must never keep the agent's FUSE descriptors open: it may come to wait for I/O of a volume that
 * this very process serves, and if the process is killed then, only the closing of the last descriptor ends
 * that I/O. So a worker leaves the process's descriptor table and closes what it doesn't need (unshare(2)
 * CLONE_FILES).
 */
#ifndef QUOIN_ATTACH_WORKER_H
#define QUOIN_ATTACH_WORKER_H

#include <stdbool.h>

#include "base/base.h"

struct uv_loop_s;
struct answers;

/* One answer on its way to the control thread; the sender's until fn runs there. */
struct answer {
	void (*fn)(struct answer *answer);
	struct answer *next;
};

/* Control thread. -errno. */
int answers_new(struct uv_loop_s *uv, struct answers **ret_answers) MUST_CHECK;
/* Nothing is on its way. `fn` runs when the uv handle is closed and all is freed. */
void answers_free(struct answers *answers, void (*fn)(void *arg), void *arg);
/* Any thread. */
void answers_post(struct answers *answers, struct answer *answer);

/* Work on a thread of its own. The owner's until done() has run, on the control thread. */
struct job {
	int (*work)(struct job *job,
		struct error *error);  /* on the worker: sets nothing but what the owner agreed */
	void (*done)(struct job *job); /* on the control thread */
	int keep_fd;                   /* stays open in the worker, same number; -1: none */
	int rc;                        /* what work() returned */
	struct error error;
	struct answers *answers;
	struct answer answer;
};

/* -errno when no thread can be made: then done() does not run. */
int job_start(struct answers *answers, struct job *job) MUST_CHECK;

#endif
