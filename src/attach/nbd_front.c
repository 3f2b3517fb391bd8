/* The NBD front: a unix socket  ->  nbd_serve.c  ->  volume_submit() */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/front.h"
#include "attach/nbd_serve.h"

/* As the admin socket: who may command the cluster may read its volumes. */
#define NBD_SOCKET_MODE  0660
#define NBD_SOCKET_GROUP "quoin"

struct nbd_front {
	struct front front;
	struct nbd_serve *serve;
	int listen_fd; /* until it is started */
};

static struct nbd_front *nbd_front_of(const struct front *front)
{
	return container_of(front, struct nbd_front, front);
}

static int nbd_front_prepare(struct front *front, struct error *error)
{
	(void)front;
	(void)error;
	return 0;
}

static void nbd_front_start(struct front *front)
{
	struct nbd_front *nbd = nbd_front_of(front);

	nbd_serve_start(nbd->serve, nbd->listen_fd);
	nbd->listen_fd = -1;
}

static int nbd_front_expose(struct front *front, struct error *error)
{
	(void)error;
	memcpy(front->device, front->link, sizeof(front->device));
	return 0;
}

static int nbd_front_withdraw(struct front *front, bool force, struct error *error)
{
	unsigned clients = nbd_serve_clients(nbd_front_of(front)->serve);

	if (clients > 0 && !force)
		return error_set(error, -EBUSY, "volume %s is in use: %u NBD client%s connected to %s",
			front->name, clients, clients == 1 ? " is" : "s are", front->link);
	return 0;
}

static void nbd_front_stop(struct front *front, bool force, front_stopped_fn stopped, void *arg)
{
	nbd_serve_stop(nbd_front_of(front)->serve, force, stopped, arg);
}

static int nbd_front_clean(struct front *front, struct error *error)
{
	if (unlink(front->link) < 0 && errno != ENOENT)
		return error_set(error, -errno, "%s can't be removed: %s", front->link, strerror(errno));
	return 0;
}

static void nbd_front_get_stats(const struct front *front, struct blockdev_stats *ret_stats)
{
	nbd_serve_get_stats(nbd_front_of(front)->serve, ret_stats);
}

static void nbd_front_free(struct front *front)
{
	struct nbd_front *nbd = nbd_front_of(front);

	if (nbd->listen_fd >= 0)
		close(nbd->listen_fd);
	nbd_serve_put(nbd->serve);
	free(nbd);
}

/* Nothing: who connects from now on is told the volume's size of then. */
static int nbd_front_grow(struct front *front, struct error *error)
{
	(void)front;
	(void)error;
	return 0;
}

static const struct front_ops nbd_front_ops = {
	.prepare = nbd_front_prepare,
	.start = nbd_front_start,
	.expose = nbd_front_expose,
	.grow = nbd_front_grow,
	.withdraw = nbd_front_withdraw,
	.stop = nbd_front_stop,
	.clean = nbd_front_clean,
	.get_stats = nbd_front_get_stats,
	.free = nbd_front_free,
};

int nbd_front_new(const char *name, const char *socket_path, struct uring_loop *loop, struct volume *volume,
	struct front **ret_front, struct error *error)
{
	struct nbd_front *nbd = calloc(1, sizeof(*nbd));
	int rc;

	if (!nbd)
		return error_set(error, -ENOMEM, "volume %s: no memory to export it", name);
	nbd->front.ops = &nbd_front_ops;
	nbd->front.worker_fd = -1;
	nbd->listen_fd = -1;
	(void)snprintf(nbd->front.name, sizeof(nbd->front.name), "%s", name);
	(void)snprintf(nbd->front.link, sizeof(nbd->front.link), "%s", socket_path);
	rc = nbd_serve_new(name, loop, volume, &nbd->serve);
	if (rc < 0) {
		free(nbd);
		return error_set(error, rc, "volume %s: no memory to export it", name);
	}
	rc = unix_listen(socket_path, NBD_SOCKET_MODE, NBD_SOCKET_GROUP, &nbd->listen_fd, error);
	if (rc < 0) {
		nbd_front_free(&nbd->front);
		return rc;
	}
	*ret_front = &nbd->front;
	return 0;
}
