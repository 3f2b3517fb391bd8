/* What fuse_serve.c (life, draining), fuse_io.c (reads, writes, trims) and fuse_meta.c (all else) share. */
#ifndef QUOIN_ATTACH_FUSE_SERVE_PRIVATE_H
#define QUOIN_ATTACH_FUSE_SERVE_PRIVATE_H

#include <assert.h>
#include <linux/fuse.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "attach/front_op.h"
#include "attach/front_stats.h"
#include "attach/fuse_serve.h"
#include "datapath/volume.h"
#include "loop/loop.h"

/* Declared here, since <fuse_lowlevel.h> and <linux/fuse.h> are for different files. */
struct fuse_session;

#define FUSE_MAX_BACKGROUND 256u
/* Requests of the kernel in flight: all that it sends in the background. With none free, it waits. */
#define FUSE_MAX_OPS    FUSE_MAX_BACKGROUND
#define FUSE_HEAD_BYTES 80u /* fuse_in_header and fuse_write_in: where a payload begins */
/* Of a request that is neither read nor write: names are short, forgets name two inodes. */
#define FUSE_SCRATCH_BYTES 8192u
/* Up to this a payload is copied into a buffer of its size; above, the landing buffer itself is handed on. */
#define FUSE_COPY_MAX_BYTES (64u * 1024)
/* One turn's share of a front: the others of the thread come next. */
#define FUSE_DRAIN_MAX 512u
/* With no buffer free and none of ours in flight, only time brings one. */
#define FUSE_STALL_RETRY_NS NS_PER_MS

static_assert(VOLUME_MAX_REQUESTS >= FUSE_MAX_OPS * FRONT_MAX_PARTS, "every part of every request fits");
static_assert(sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in) == FUSE_HEAD_BYTES, "kernel ABI");

struct landing {
	atomic_uint refs;
	unsigned users; /* started fronts */
	uint8_t head[FUSE_HEAD_BYTES];
	struct buf *part[FRONT_MAX_PARTS]; /* NULL: handed on, to be replaced before the next read */
};

/* One request of the kernel; its id is FUSE's `unique`. */
struct fuse_op {
	struct front_op io;
	struct fuse_serve *serve;
};

struct fuse_serve {
	atomic_uint refs;
	struct uring_loop *loop;
	struct volume *volume;
	struct buf_pool *bufs;
	struct landing *landing;
	struct fuse_session *session; /* owns the descriptor */
	int fd;

	struct uring_op poll_op;
	bool poll_armed;
	bool stalled; /* draining waits for buffers or ops */
	bool ended;   /* the connection is gone */
	bool stopping;
	bool force;
	bool gone; /* the data plane has let go of it */
	struct loop_timer retry_timer;
	struct loop_task resume_task;
	struct loop_task stop_task;
	fuse_stopped_fn stopped;
	void *stopped_arg;

	unsigned in_flight; /* ops */
	struct list free_ops;
	struct list waiting; /* reads without all of their buffers, oldest first */
	uint8_t scratch[FUSE_SCRATCH_BYTES];
	struct front_stats stats;
	struct fuse_op ops[FUSE_MAX_OPS];
};

/* ---- fuse_io.c ---- */

/* Whether `header` is of a request for fuse_io_begin(). */
bool fuse_io_is_io(const struct fuse_in_header *header);
/*
 * Begins the request in the landing: `length_bytes` as read, header included. Needs a free op. May leave it
 * in `waiting`.
 */
void fuse_io_begin(struct fuse_serve *serve, const struct fuse_in_header *header, size_t length_bytes);
/* Goes on with reads that waited for buffers. False: they still do. */
bool fuse_io_resume_waiting(struct fuse_serve *serve);
/* Takes what waits for buffers off, unanswered: the descriptor is closed. */
void fuse_io_drop_waiting(struct fuse_serve *serve);
/* An answer without data; error is 0 or a negative errno. */
void fuse_io_answer(struct fuse_serve *serve, uint64_t unique, int error);
/* An op has been answered: its place is free, and who waits for it may go on. fuse_serve.c's. */
void fuse_serve_op_ended(struct fuse_serve *serve);

/* ---- fuse_meta.c ---- */

int fuse_meta_new(struct fuse_serve *serve, int fuse_fd) MUST_CHECK;
/* Closes the descriptor. */
void fuse_meta_free(struct fuse_serve *serve);
/* Answers any other request, at once. `bytes` holds it whole. */
void fuse_meta_handle(struct fuse_serve *serve, void *bytes, size_t length_bytes);

#endif
