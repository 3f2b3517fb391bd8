/* blockdev.c: the way up and down; blockdev_grow.c: larger meanwhile. */
#ifndef QUOIN_ATTACH_BLOCKDEV_PRIVATE_H
#define QUOIN_ATTACH_BLOCKDEV_PRIVATE_H

#include "attach/attach_private.h"
#include "attach/front.h"
#include "loop/loop.h"

enum goal { GOAL_UP, GOAL_DOWN, GOAL_FORCE, GOAL_HOLD };

/* A command to the data plane and its answer. */
struct blockdev_call {
	struct blockdev *blockdev;
	struct loop_message message;
	struct answer answer;
	bool under_way;
};

struct blockdev {
	struct attach *attach;
	struct uring_loop *loop; /* the volume's */
	struct front *front;
	enum goal goal;
	bool prepared, started, exposed;
	bool stop_asked; /* the stop is with the data plane; `stop` is under way until it has stopped */
	bool force_asked;
	struct job job;
	bool job_running;
	struct blockdev_call start, stop, hurry;
	int rc; /* why the way up failed */
	struct error error;
	attach_done_fn done; /* of the operation under way; NULL: none */
	void *done_arg;
	uv_timer_t timer;
	bool closing;
};

/* The operation under way ends. */
void blockdev_finish(struct blockdev *blockdev, int rc, const struct error *error);
/* One step towards the goal. */
void blockdev_next(struct blockdev *blockdev);
/* No other job may be under way. */
void blockdev_job(struct blockdev *blockdev, int (*work)(struct job *, struct error *));
/* A job has ended: whether it was that of a growth, which is told then. */
bool blockdev_grown(struct blockdev *blockdev);

#endif
