/* The asynchronous twins: on a uv worker, told on the control thread. */
#include "fingerprint/fingerprint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct work {
	uv_work_t work;
	struct fingerprint_options options;
	char *path; /* of a check */
	struct fingerprint fingerprint;
	struct error error;
	int rc;
	fingerprint_done_fn done;
	fingerprint_check_fn checked;
	void *arg;
};

static void run_work(uv_work_t *uv)
{
	struct work *work = container_of(uv, struct work, work);

	work->rc = fingerprint_get(&work->options, &work->fingerprint, &work->error);
}

static void run_done(uv_work_t *uv, int status)
{
	struct work *work = container_of(uv, struct work, work);
	int rc = status != 0 ? status : work->rc;

	work->done(work->arg, rc, &work->error, rc == 0 ? &work->fingerprint : NULL);
	free(work);
}

int fingerprint_run(
	uv_loop_t *loop, const struct fingerprint_options *options, fingerprint_done_fn fn, void *arg)
{
	struct work *work = calloc(1, sizeof(*work));
	int rc;

	if (!work)
		return -ENOMEM;
	work->options = *options;
	work->done = fn;
	work->arg = arg;
	rc = uv_queue_work(loop, &work->work, run_work, run_done);
	if (rc != 0)
		free(work);
	return rc;
}

static void check_work(uv_work_t *uv)
{
	struct work *work = container_of(uv, struct work, work);

	work->rc = device_check_empty(work->path, &work->error);
}

static void check_done(uv_work_t *uv, int status)
{
	struct work *work = container_of(uv, struct work, work);

	work->checked(work->arg, status != 0 ? status : work->rc, &work->error);
	free(work->path);
	free(work);
}

int fingerprint_check(uv_loop_t *loop, const char *path, fingerprint_check_fn fn, void *arg)
{
	struct work *work = calloc(1, sizeof(*work));
	int rc = -ENOMEM;

	if (!work)
		return -ENOMEM;
	work->path = strdup(path);
	work->checked = fn;
	work->arg = arg;
	if (work->path)
		rc = uv_queue_work(loop, &work->work, check_work, check_done);
	if (rc != 0) {
		free(work->path);
		free(work);
	}
	return rc;
}
