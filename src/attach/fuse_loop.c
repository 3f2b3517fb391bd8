/*
 * The front of today:  /dev/loopN  ->  STATE/dev/NAME/volume (FUSE, direct I/O)  ->  fuse_serve.c  ->
 * volume_submit()
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/front.h"
#include "attach/fuse_mount.h"
#include "attach/fuse_serve.h"
#include "attach/loop_device.h"
#include "datapath/volume.h"

struct fuse_loop {
	struct front front;
	struct fuse_serve *serve;
	bool read_only;
	dev_t dev; /* st_dev of the FUSE mount, once prepared */
};

static struct fuse_loop *fuse_loop_of(const struct front *front)
{
	return container_of(front, struct fuse_loop, front);
}

static int fuse_loop_prepare(struct front *front, struct error *error)
{
	return fuse_mount(front->worker_fd, front->dir, front->name, &fuse_loop_of(front)->dev, error);
}

static void fuse_loop_start(struct front *front)
{
	fuse_serve_start(fuse_loop_of(front)->serve);
}

#define FILE_PATH_MAX (ATTACH_PATH_MAX + 16)

static char *file_path(const struct front *front, char path[static FILE_PATH_MAX])
{
	(void)snprintf(path, FILE_PATH_MAX, "%s/%s", front->dir, FUSE_SERVE_FILE);
	return path;
}

static int fuse_loop_grow(struct front *front, struct error *error)
{
	char file[FILE_PATH_MAX];

	return loop_device_grow(front->device, file_path(front, file), error);
}

static int fuse_loop_expose(struct front *front, struct error *error)
{
	char file[FILE_PATH_MAX];
	int rc;

	(void)file_path(front, file);
	rc = loop_device_attach(file, fuse_loop_of(front)->read_only, front->device, error);
	return rc < 0 ? rc : device_link_make(front->link, front->device, error);
}

static int fuse_loop_withdraw(struct front *front, bool force, struct error *error)
{
	int rc;

	/*
	 * Closing the descriptor has ended the connection already, unless somebody else holds it too: a child
	 * of ours that has not come to its exec, later a keeper.
	 */
	if (force && fuse_loop_of(front)->dev != 0)
		(void)fuse_abort(fuse_loop_of(front)->dev);
	if (front->device[0] == 0)
		return 0;
	rc = force ? loop_device_detach_force(front->device, error)
		   : loop_device_detach(front->device, error);
	if (rc == 0)
		device_link_remove(front->link, front->device);
	return rc;
}

static void fuse_loop_stop(struct front *front, bool force, front_stopped_fn stopped, void *arg)
{
	fuse_serve_stop(fuse_loop_of(front)->serve, force, stopped, arg);
}

static int fuse_loop_clean(struct front *front, struct error *error)
{
	return fuse_unmount(front->dir, error);
}

static void fuse_loop_get_stats(const struct front *front, struct blockdev_stats *ret_stats)
{
	fuse_serve_get_stats(fuse_loop_of(front)->serve, ret_stats);
}

static void fuse_loop_free(struct front *front)
{
	struct fuse_loop *fuse_loop = fuse_loop_of(front);

	fuse_serve_put(fuse_loop->serve);
	free(fuse_loop);
}

static const struct front_ops fuse_loop_ops = {
	.prepare = fuse_loop_prepare,
	.start = fuse_loop_start,
	.expose = fuse_loop_expose,
	.grow = fuse_loop_grow,
	.withdraw = fuse_loop_withdraw,
	.stop = fuse_loop_stop,
	.clean = fuse_loop_clean,
	.get_stats = fuse_loop_get_stats,
	.free = fuse_loop_free,
};

/*
 * A keeper process that outlives the agent would hand the descriptor in here, mounted already, instead of
 * fuse_open() and fuse_loop_prepare().
 */
int fuse_loop_new(const char *name, const char *dev_dir, const char *link_dir, struct uring_loop *loop,
	struct volume *volume, struct landing *landing, struct front **ret_front, struct error *error)
{
	struct fuse_loop *fuse_loop = calloc(1, sizeof(*fuse_loop));
	char file[DEVICE_FILE_MAX_LEN + 1];
	struct front *front;
	int fd, rc;

	if (!fuse_loop)
		return error_set(error, -ENOMEM, "volume %s: no memory to attach it", name);
	fuse_loop->read_only = volume_is_read_only(volume);
	front = &fuse_loop->front;
	front->ops = &fuse_loop_ops;
	(void)snprintf(front->name, sizeof(front->name), "%s", name);
	(void)snprintf(front->dir, sizeof(front->dir), "%s/%s", dev_dir, device_file_name(name, file));
	(void)snprintf(front->link, sizeof(front->link), "%s/%s", link_dir, file);
	fd = fuse_open(error);
	if (fd < 0) {
		free(fuse_loop);
		return fd;
	}
	front->worker_fd = fd;
	rc = fuse_serve_new(fd, loop, volume, landing, &fuse_loop->serve);
	if (rc < 0) {
		close(fd);
		free(fuse_loop);
		return error_set(error, rc, "volume %s: no memory to attach it", name);
	}
	*ret_front = front;
	return 0;
}
