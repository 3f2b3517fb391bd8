#include "attach/worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#define WORKER_STACK_BYTES ((size_t)512 * 1024)

/*
 * An eventfd rather than uv_async: a worker keeps exactly this one descriptor, and libuv's own isn't ours to
 * know.
 */
struct answers {
	uv_poll_t poll;
	int event_fd;
	_Atomic(struct answer *) newest;
	void (*freed)(void *arg);
	void *freed_arg;
};

static void answers_arrived(uv_poll_t *poll, int status, int events)
{
	struct answers *answers = poll->data;
	struct answer *newest, *oldest = NULL;
	uint64_t count;

	(void)status;
	(void)events;
	(void)!read(answers->event_fd, &count, sizeof(count));
	newest = atomic_exchange_explicit(&answers->newest, NULL, memory_order_acquire);
	while (newest) {
		struct answer *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct answer *answer = oldest;

		oldest = answer->next; /* fn may free it */
		answer->fn(answer);
	}
}

int answers_new(struct uv_loop_s *uv, struct answers **ret_answers)
{
	struct answers *answers = calloc(1, sizeof(*answers));
	int rc;

	if (!answers)
		return -ENOMEM;
	answers->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (answers->event_fd < 0) {
		rc = -errno;
		free(answers);
		return rc;
	}
	rc = uv_poll_init(uv, &answers->poll, answers->event_fd);
	if (rc < 0) {
		close(answers->event_fd);
		free(answers);
		return rc;
	}
	answers->poll.data = answers;
	rc = uv_poll_start(&answers->poll, UV_READABLE, answers_arrived);
	ASSERT(rc == 0); /* fails only for bad arguments */
	*ret_answers = answers;
	return 0;
}

static void answers_closed(uv_handle_t *handle)
{
	struct answers *answers = handle->data;
	void (*freed)(void *arg) = answers->freed;
	void *freed_arg = answers->freed_arg;

	close(answers->event_fd);
	free(answers);
	freed(freed_arg);
}

void answers_free(struct answers *answers, void (*fn)(void *arg), void *arg)
{
	ASSERT(!atomic_load_explicit(&answers->newest, memory_order_relaxed));
	answers->freed = fn;
	answers->freed_arg = arg;
	uv_close((uv_handle_t *)&answers->poll, answers_closed);
}

void answers_post(struct answers *answers, struct answer *answer)
{
	struct answer *head = atomic_load_explicit(&answers->newest, memory_order_relaxed);
	int event_fd = answers->event_fd;
	uint64_t one = 1;

	do {
		answer->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&answers->newest, &head, answer, memory_order_release, memory_order_relaxed));
	if (!head)
		ASSERT(write(event_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

/* Closes all descriptors of this thread's own table but standard ones and two. */
static void worker_keep_only(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

	if (a < 0 || b < 0)
		low = high;
	if (low > 3)
		(void)close_range(3, low - 1, 0);
	if (high > low + 1)
		(void)close_range(low + 1, high - 1, 0);
	(void)close_range(high + 1, ~0u, 0);
}

static void *worker_main(void *arg)
{
	struct job *job = arg;

	/* Where that is not allowed (never seen), the thread works all the same, but for the promise above.
	 */
	if (unshare(CLONE_FILES) == 0)
		worker_keep_only(job->answers->event_fd, job->keep_fd);
	job->rc = job->work(job, &job->error);
	answers_post(job->answers, &job->answer);
	return NULL;
}

static void job_answered(struct answer *answer)
{
	struct job *job = container_of(answer, struct job, answer);

	job->done(job);
}

int job_start(struct answers *answers, struct job *job)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	job->answers = answers;
	job->answer.fn = job_answered;
	job->error.text[0] = 0;
	job->rc = 0;
	if (pthread_attr_init(&attr) != 0)
		return -ENOMEM;
	(void)pthread_attr_setstacksize(&attr, WORKER_STACK_BYTES);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the control thread's */
	rc = -pthread_create(&thread, &attr, worker_main, job);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return rc;
}
