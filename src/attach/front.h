/*
 * A front makes a volume a block device of this node: a FUSE file and a loop device on it (fuse_loop.c), or
 * an NBD export on a unix socket (nbd_front.c). ublk would be another table of these functions, made by
 * another front_new().
 *
 *   prepare (worker) -> start (data plane) -> expose (worker)        up
 *   withdraw (worker) -> stop (data plane) -> clean (worker)         down, cleanly
 *   stop by force -> withdraw by force -> clean                      down, whoever still uses it
 *
 * Each step of the way down stands alone: it does what is left to do, and finds nothing where the way up
 * failed.
 */
#ifndef QUOIN_ATTACH_FRONT_H
#define QUOIN_ATTACH_FRONT_H

#include "attach/attach.h"

struct front;

typedef void (*front_stopped_fn)(void *arg);

struct front_ops {
	/* Worker: what the data plane needs. */
	int (*prepare)(struct front *front, struct error *error);
	/* The data plane's thread: serves from here on. */
	void (*start)(struct front *front);
	/* Worker: the device appears: sets front->device and makes front->link. */
	int (*expose)(struct front *front, struct error *error);
	/* Worker: the volume has grown, and so does the device. */
	int (*grow)(struct front *front, struct error *error);
	/* Worker: the device goes. -EBUSY with words that name a user; not with force. */
	int (*withdraw)(struct front *front, bool force, struct error *error);
	/*
	 * The data plane's thread: no more volume_submit() once stopped() runs; without force, nothing in
	 * flight either. Again with force: hurries the first call, and `stopped` is not called for the
	 * second.
	 */
	void (*stop)(struct front *front, bool force, front_stopped_fn stopped, void *arg);
	/* Worker: what prepare made is taken away. */
	int (*clean)(struct front *front, struct error *error);
	void (*get_stats)(const struct front *front, struct blockdev_stats *ret_stats);
	/* Control thread; stopped or never started. What the data plane still has in flight frees itself
	 * later. */
	void (*free)(struct front *front);
};

struct front {
	const struct front_ops *ops;
	int worker_fd;                        /* what prepare's worker needs open; -1: none */
	char name[SNAPSHOT_NAME_MAX_LEN + 1]; /* of the volume or snapshot */
	char dir[ATTACH_PATH_MAX];            /* STATE/dev/NAME */
	char link[ATTACH_PATH_MAX];           /* LINK_DIR/NAME; of an export: its socket */
	char device[ATTACH_DEVICE_MAX];       /* /dev/loopN, or the export's socket; once exposed */
};

struct landing;

/* A FUSE file with a loop device on it. Control thread. -errno with words. */
int fuse_loop_new(const char *name, const char *dev_dir, const char *link_dir, struct uring_loop *loop,
	struct volume *volume, struct landing *landing, struct front **ret_front,
	struct error *error) MUST_CHECK;

/*
 * An NBD export on a unix socket. Control thread: listens at once, serves from start() on. -errno with words.
 */
int nbd_front_new(const char *name, const char *socket_path, struct uring_loop *loop, struct volume *volume,
	struct front **ret_front, struct error *error) MUST_CHECK;

#endif
