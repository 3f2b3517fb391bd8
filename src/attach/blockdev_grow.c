/* A device that grows with its volume, while it is up. */
#include "attach/blockdev_private.h"

static int blockdev_enlarge(struct job *job, struct error *error)
{
	struct front *front = container_of(job, struct blockdev, job)->front;

	return front->ops->grow(front, error);
}

bool blockdev_grown(struct blockdev *blockdev)
{
	if (blockdev->job.work != blockdev_enlarge)
		return false;
	/* By force on its way down meanwhile: its caller was told. */
	if (blockdev->goal == GOAL_UP)
		blockdev_finish(blockdev, blockdev->job.rc, &blockdev->job.error);
	else
		blockdev_next(blockdev);
	return true;
}

bool blockdev_is_up(const struct blockdev *blockdev)
{
	return blockdev->goal == GOAL_UP && blockdev->exposed && !blockdev->done;
}

/* Without a deadline: nothing that it does waits for I/O. */
void blockdev_grow(struct blockdev *blockdev, attach_done_fn done, void *arg)
{
	ASSERT(blockdev_is_up(blockdev));
	blockdev->done = done;
	blockdev->done_arg = arg;
	blockdev_job(blockdev, blockdev_enlarge);
}
