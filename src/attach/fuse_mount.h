/* Mounting a FUSE descriptor of our own, without fusermount. Worker threads, but for fuse_open(). */
#ifndef QUOIN_ATTACH_FUSE_MOUNT_H
#define QUOIN_ATTACH_FUSE_MOUNT_H

#include <sys/types.h>

#include "attach/attach.h"

#define FUSE_MOUNT_TYPE "fuse.quoin"

/* A descriptor, not blocking; or -errno with words. Any thread: does not block. */
int fuse_open(struct error *error) MUST_CHECK;
/*
 * Mounts it at `dir`, which is made; what is mounted there already goes out of sight. `name` shows as the
 * source. *ret_dev is its st_dev, for fuse_abort(); 0 where mountinfo doesn't tell.
 */
int fuse_mount(
	int fuse_fd, const char *dir, const char *name, dev_t *ret_dev, struct error *error) MUST_CHECK;
/* Out of sight, whoever uses it, and the directory removed. Nothing there: success. */
int fuse_unmount(const char *dir, struct error *error) MUST_CHECK;
/*
 * Ends the connection of the FUSE filesystem with this st_dev: every request of the kernel fails from then
 * on. False where that isn't possible (no fusectl filesystem, no such connection).
 */
bool fuse_abort(dev_t dev);

#endif
