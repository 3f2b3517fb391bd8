/*
 * A block device's way up and down: a goal, three facts, and one step at a time towards the goal.
 *
 *   facts:  prepared  started  exposed          (each set when its step begins: it may be half done)
 *
 *   GOAL_UP     prepare -> start -> expose -> done(0)
 *   GOAL_DOWN   withdraw -> stop -> clean -> gone         withdraw says -EBUSY: back up, done(-EBUSY)
 *   GOAL_FORCE  stop -> withdraw -> clean -> gone         stop first: it ends whatever a worker waits for
 *   GOAL_HOLD   a clean way down that took too long; waits for the next order
 *
 *   UP --error, deadline, DETACH_FORCE--> FORCE      UP --DETACH_CLEAN--> DOWN --deadline--> HOLD --> DOWN or
 * FORCE
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach/blockdev_private.h"

/* How much longer than its deadline a rollback by force may take before its caller is told and it goes on
 * alone. */
#define FORCE_GRACE_MS 5000u

const char *blockdev_path(const struct blockdev *blockdev)
{
	return blockdev->front->device;
}

const char *blockdev_link(const struct blockdev *blockdev)
{
	return blockdev->front->link;
}

void blockdev_stats_get(const struct blockdev *blockdev, struct blockdev_stats *ret_stats)
{
	blockdev->front->ops->get_stats(blockdev->front, ret_stats);
}

/* The operation under way ends. */
void blockdev_finish(struct blockdev *blockdev, int rc, const struct error *error)
{
	static const struct error none;
	attach_done_fn done = blockdev->done;

	(void)uv_timer_stop(&blockdev->timer);
	if (!done)
		return;
	blockdev->done = NULL;
	done(blockdev->done_arg, rc, error ? error : &none);
}

static void blockdev_closed(uv_handle_t *handle)
{
	struct blockdev *blockdev = handle->data;
	struct error error = blockdev->error;
	attach_done_fn done = blockdev->done;
	void *done_arg = blockdev->done_arg;
	int rc = blockdev->rc;

	blockdev->attach->busy--;
	blockdev->front->ops->free(blockdev->front);
	free(blockdev);
	if (done)
		done(done_arg, rc, &error);
}

/* ---- steps on the data plane ---- */

static void blockdev_call_answered(struct answer *answer)
{
	struct blockdev_call *call = container_of(answer, struct blockdev_call, answer);

	call->under_way = false;
	blockdev_next(call->blockdev);
}

static void blockdev_call_post(
	struct blockdev *blockdev, struct blockdev_call *call, void (*fn)(struct loop_message *))
{
	ASSERT(!call->under_way);
	call->blockdev = blockdev;
	call->under_way = true;
	call->message.fn = fn;
	call->answer.fn = blockdev_call_answered;
	loop_post(blockdev->loop, &call->message);
}

static void blockdev_call_stopped(void *arg)
{
	struct blockdev_call *call = arg;

	answers_post(call->blockdev->attach->answers, &call->answer);
}

static void blockdev_start_on_loop(struct loop_message *message)
{
	struct blockdev_call *call = container_of(message, struct blockdev_call, message);

	call->blockdev->front->ops->start(call->blockdev->front);
	blockdev_call_stopped(call);
}

static void blockdev_stop_on_loop(struct loop_message *message)
{
	struct blockdev_call *call = container_of(message, struct blockdev_call, message);

	call->blockdev->front->ops->stop(call->blockdev->front, false, blockdev_call_stopped, call);
}

static void blockdev_stop_by_force_on_loop(struct loop_message *message)
{
	struct blockdev_call *call = container_of(message, struct blockdev_call, message);

	call->blockdev->front->ops->stop(call->blockdev->front, true, blockdev_call_stopped, call);
}

static void blockdev_hurry_on_loop(struct loop_message *message)
{
	struct blockdev_call *call = container_of(message, struct blockdev_call, message);

	call->blockdev->front->ops->stop(call->blockdev->front, true, NULL, NULL);
	blockdev_call_stopped(call);
}

/* ---- steps on a worker ---- */

static struct front *job_front(struct job *job)
{
	return container_of(job, struct blockdev, job)->front;
}

static int blockdev_prepare(struct job *job, struct error *error)
{
	return job_front(job)->ops->prepare(job_front(job), error);
}

static int blockdev_expose(struct job *job, struct error *error)
{
	return job_front(job)->ops->expose(job_front(job), error);
}

static int blockdev_withdraw(struct job *job, struct error *error)
{
	return job_front(job)->ops->withdraw(job_front(job), false, error);
}

static int blockdev_withdraw_by_force(struct job *job, struct error *error)
{
	return job_front(job)->ops->withdraw(job_front(job), true, error);
}

static int blockdev_clean(struct job *job, struct error *error)
{
	return job_front(job)->ops->clean(job_front(job), error);
}

static void blockdev_job_done(struct job *job)
{
	struct blockdev *blockdev = container_of(job, struct blockdev, job);
	bool was_withdraw = job->work == blockdev_withdraw;

	blockdev->job_running = false;
	if (blockdev_grown(blockdev))
		return;
	if (job->rc < 0 && blockdev->goal == GOAL_UP) {
		blockdev->rc = job->rc;
		blockdev->error = job->error;
		blockdev->goal = GOAL_FORCE;
	} else if (job->rc < 0 && was_withdraw) {
		/* -EBUSY: nothing has changed. Anything else: half gone. */
		blockdev->exposed = true;
		if (blockdev->goal == GOAL_DOWN) {
			blockdev->goal = job->rc == -EBUSY ? GOAL_UP : GOAL_HOLD;
			blockdev_finish(blockdev, job->rc == -EBUSY ? -EBUSY : -ETIMEDOUT, &job->error);
			return;
		}
		if (blockdev->goal == GOAL_HOLD)
			return;
	} else if (job->rc < 0 && blockdev->rc == 0 && blockdev->goal == GOAL_FORCE) {
		/*
		 * It goes on, and says what was left. On a clean way down only an empty directory can be
		 * left: no reason to tell that the detach failed; the next start removes it.
		 */
		blockdev->rc = job->rc;
		blockdev->error = job->error;
	}
	blockdev_next(blockdev);
}

void blockdev_job(struct blockdev *blockdev, int (*work)(struct job *, struct error *))
{
	int rc;

	ASSERT(!blockdev->job_running);
	blockdev->job.work = work;
	blockdev->job.done = blockdev_job_done;
	blockdev->job.keep_fd = work == blockdev_prepare ? blockdev->front->worker_fd : -1;
	blockdev->job_running = true;
	rc = job_start(blockdev->attach->answers, &blockdev->job);
	if (rc < 0) {
		/* No thread to be had: it counts as the step's failure, told as the step would tell it. */
		blockdev->job.rc = error_set(&blockdev->job.error, rc, "no thread for the device of %s: %s",
			blockdev->front->name, strerror(-rc));
		answers_post(blockdev->attach->answers, &blockdev->job.answer);
	}
}

/* ---- one step at a time ---- */

static void blockdev_close(struct blockdev *blockdev)
{
	if (blockdev->closing)
		return;
	blockdev->closing = true;
	(void)uv_timer_stop(&blockdev->timer);
	uv_close((uv_handle_t *)&blockdev->timer, blockdev_closed);
}

static void blockdev_step_up(struct blockdev *blockdev)
{
	if (!blockdev->prepared) {
		blockdev->prepared = true;
		blockdev_job(blockdev, blockdev_prepare);
	} else if (!blockdev->started) {
		blockdev->started = true;
		blockdev_call_post(blockdev, &blockdev->start, blockdev_start_on_loop);
	} else if (!blockdev->exposed) {
		blockdev->exposed = true;
		blockdev_job(blockdev, blockdev_expose);
	} else {
		blockdev_finish(blockdev, 0, NULL);
	}
}

/* Asks the data plane to stop. False: it has stopped, or never started. */
static bool blockdev_step_stop(struct blockdev *blockdev)
{
	bool force = blockdev->goal == GOAL_FORCE;

	if (!blockdev->started || blockdev->start.under_way)
		return blockdev->started;
	if (!blockdev->stop_asked) {
		blockdev->stop_asked = true;
		blockdev->force_asked = force;
		blockdev_call_post(blockdev, &blockdev->stop,
			force ? blockdev_stop_by_force_on_loop : blockdev_stop_on_loop);
	} else if (force && !blockdev->force_asked && blockdev->stop.under_way) {
		blockdev->force_asked = true;
		blockdev_call_post(blockdev, &blockdev->hurry, blockdev_hurry_on_loop);
	}
	return blockdev->stop.under_way || blockdev->hurry.under_way;
}

static void blockdev_step_down(struct blockdev *blockdev)
{
	bool force = blockdev->goal == GOAL_FORCE;

	/* By force the stop does not wait for a worker: it is what frees a worker that waits for I/O. */
	if (force && blockdev_step_stop(blockdev))
		return;
	if (blockdev->job_running)
		return;
	if (blockdev->exposed) {
		blockdev->exposed = false;
		blockdev_job(blockdev, force ? blockdev_withdraw_by_force : blockdev_withdraw);
	} else if (!force && blockdev_step_stop(blockdev)) {
		return;
	} else if (blockdev->prepared) {
		blockdev->prepared = false;
		blockdev_job(blockdev, blockdev_clean);
	} else {
		blockdev_close(blockdev);
	}
}

void blockdev_next(struct blockdev *blockdev)
{
	switch (blockdev->goal) {
	case GOAL_UP:
		if (!blockdev->job_running && !blockdev->start.under_way)
			blockdev_step_up(blockdev);
		break;
	case GOAL_DOWN:
	case GOAL_FORCE:
		blockdev_step_down(blockdev);
		break;
	case GOAL_HOLD:
		break;
	}
}

static void blockdev_timer_set(struct blockdev *blockdev, uint64_t after_ms);

static void blockdev_timed_out(uv_timer_t *timer)
{
	struct blockdev *blockdev = timer->data;
	struct error error;

	switch (blockdev->goal) {
	case GOAL_UP:
		blockdev->rc = error_set(&blockdev->error, -ETIMEDOUT,
			"volume %s: its device did not appear in time", blockdev->front->name);
		blockdev->goal = GOAL_FORCE;
		blockdev_timer_set(blockdev, FORCE_GRACE_MS);
		blockdev_next(blockdev);
		break;
	case GOAL_DOWN:
		blockdev->goal = GOAL_HOLD;
		(void)error_set(&error, -ETIMEDOUT,
			"volume %s: its device was not detached in time; detach it by force",
			blockdev->front->name);
		blockdev_finish(blockdev, -ETIMEDOUT, &error);
		break;
	case GOAL_FORCE:
		(void)error_set(&error, -ETIMEDOUT,
			"volume %s: the kernel does not let go of its device yet; it goes on in the "
			"background",
			blockdev->front->name);
		blockdev_finish(blockdev, -ETIMEDOUT, &error);
		break;
	case GOAL_HOLD:
		break;
	}
}

static void blockdev_timer_set(struct blockdev *blockdev, uint64_t after_ms)
{
	int rc = uv_timer_start(&blockdev->timer, blockdev_timed_out, after_ms, 0);

	ASSERT(rc == 0); /* fails only for a handle that is closing */
}

static void blockdev_begin(
	struct blockdev *blockdev, enum goal goal, uint64_t deadline_ms, attach_done_fn done, void *arg)
{
	blockdev->goal = goal;
	blockdev->done = done;
	blockdev->done_arg = arg;
	blockdev_timer_set(blockdev, deadline_ms);
	blockdev_next(blockdev);
}

int blockdev_attach(struct attach *attach, const struct blockdev_spec *spec, struct blockdev **ret_blockdev,
	attach_done_fn done, void *arg, struct error *error)
{
	struct blockdev *blockdev;
	int rc;

	rc = device_name_check(spec->name, error);
	if (rc < 0)
		return rc;
	blockdev = calloc(1, sizeof(*blockdev));
	if (!blockdev)
		return error_set(error, -ENOMEM, "volume %s: no memory to attach it", spec->name);
	blockdev->attach = attach;
	ASSERT(spec->loop < attach->loop_count);
	blockdev->loop = attach->loops[spec->loop].loop;
	if (spec->nbd_socket)
		rc = nbd_front_new(
			spec->name, spec->nbd_socket, blockdev->loop, spec->volume, &blockdev->front, error);
	else
		rc = fuse_loop_new(spec->name, attach->dev_dir, attach->link_dir, blockdev->loop,
			spec->volume, attach->loops[spec->loop].landing, &blockdev->front, error);
	if (rc < 0) {
		free(blockdev);
		return rc;
	}
	rc = uv_timer_init(attach->uv, &blockdev->timer);
	ASSERT(rc == 0);
	blockdev->timer.data = blockdev;
	attach->busy++;
	*ret_blockdev = blockdev;
	blockdev_begin(
		blockdev, GOAL_UP, spec->deadline_ms ? spec->deadline_ms : BLOCKDEV_DEADLINE_MS, done, arg);
	return 0;
}

void blockdev_detach(struct blockdev *blockdev, enum detach_mode mode, uint32_t deadline_ms,
	attach_done_fn done, void *arg)
{
	struct error error;

	if (deadline_ms == 0)
		deadline_ms = BLOCKDEV_DETACH_DEADLINE_MS;
	ASSERT(!blockdev->closing && blockdev->goal != GOAL_FORCE);
	ASSERT(mode == DETACH_FORCE || !blockdev->done);
	if (blockdev->done) {
		(void)error_set(
			&error, -ECANCELED, "volume %s is being detached by force", blockdev->front->name);
		blockdev_finish(blockdev, -ECANCELED, &error);
	}
	blockdev_begin(blockdev, mode == DETACH_FORCE ? GOAL_FORCE : GOAL_DOWN, deadline_ms, done, arg);
}
