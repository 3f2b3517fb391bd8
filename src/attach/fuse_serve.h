/*
 * The data plane's half of the FUSE front: takes requests from a FUSE descriptor, hands them to the volume,
 * answers.
 *
 *   new (control) -> start (data plane) -> stop (data plane) -> last request answered -> freed with the last
 * reference
 *
 * Thread rule: the data-plane thread of the volume's loop, except fuse_serve_new(), _get_stats() and _put().
 */
#ifndef QUOIN_ATTACH_FUSE_SERVE_H
#define QUOIN_ATTACH_FUSE_SERVE_H

#include "attach/attach.h"

struct fuse_serve;
struct landing;

/* The only file's name. */
#define FUSE_SERVE_FILE "volume"

/*
 * Where payloads land: the largest write in buffers of the pool, so that a large payload is handed on without
 * a copy. One for all fronts of a data-plane thread, since reading a request is never left half done. Counted
 * references; the buffers are taken by the first front that starts and put back by the last that stops.
 */
struct landing *landing_new(void);
/* Any thread; NULL is fine. */
void landing_put(struct landing *landing);

/* Takes the descriptor over (it is closed when serving ends, which aborts the connection). One reference each
 * for caller and data plane; -errno leaves the descriptor alone. The volume isn't touched before start. */
int fuse_serve_new(int fuse_fd, struct uring_loop *loop, struct volume *volume, struct landing *landing,
	struct fuse_serve **ret_serve) MUST_CHECK;
void fuse_serve_start(struct fuse_serve *serve);

typedef void (*fuse_stopped_fn)(void *arg);

/*
 * Reads no more requests and closes the descriptor. stopped() runs once, never inside the call: when nothing
 * will be submitted any more, and (without force) all that was submitted has been answered. May be called
 * again with force to hurry; `stopped` is then that of the first call. The data plane's reference ends with
 * the last answer.
 */
void fuse_serve_stop(struct fuse_serve *serve, bool force, fuse_stopped_fn stopped, void *arg);

/* Any thread. */
void fuse_serve_get_stats(const struct fuse_serve *serve, struct blockdev_stats *ret_stats);
/* Any thread; drops the caller's reference. A serve that was never started goes with it. NULL is fine. */
void fuse_serve_put(struct fuse_serve *serve);

#endif
