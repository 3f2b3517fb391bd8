/*
 * The data plane's half of the NBD front: connections to a listening unix socket, their requests to the
 * volume, the answers back.
 *
 *   new (control) -> start (data plane) -> stop (data plane) -> last request answered -> freed with the last
 * reference
 *
 * Thread rule: the data-plane thread of the volume's loop, except nbd_serve_new(), _clients(), _get_stats()
 * and _put().
 */
#ifndef QUOIN_ATTACH_NBD_SERVE_H
#define QUOIN_ATTACH_NBD_SERVE_H

#include "attach/attach.h"

struct nbd_serve;

/* One reference each for caller and data plane. The volume isn't touched before start. -ENOMEM. */
int nbd_serve_new(const char *name, struct uring_loop *loop, struct volume *volume,
	struct nbd_serve **ret_serve) MUST_CHECK;
/* Takes the listening socket over. */
void nbd_serve_start(struct nbd_serve *serve, int listen_fd);

typedef void (*nbd_stopped_fn)(void *arg);

/*
 * Closes the listening socket and all connections. stopped() runs once, never inside the call: when nothing
 * will be submitted any more, and (without force) all that was submitted has been answered. May be called
 * again with force to hurry; `stopped` is then that of the first call.
 */
void nbd_serve_stop(struct nbd_serve *serve, bool force, nbd_stopped_fn stopped, void *arg);

/* Any thread: connections that are open now. */
unsigned nbd_serve_clients(const struct nbd_serve *serve);
void nbd_serve_get_stats(const struct nbd_serve *serve, struct blockdev_stats *ret_stats);
/* Any thread; drops the caller's reference. NULL is fine. */
void nbd_serve_put(struct nbd_serve *serve);

#endif
