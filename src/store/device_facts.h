/* What the kernel says of an open disk, partition or file. Private to the devices. */
#ifndef QUOIN_STORE_DEVICE_FACTS_H
#define QUOIN_STORE_DEVICE_FACTS_H

#include <sys/types.h>

#include "store/device.h"

/*
 * Fills size, write_through, rotational and is_file, and checks that direct I/O of 4096-byte blocks is
 * possible. -ENOTBLK (neither file nor block device), -EINVAL (alignment), -EIO ..., with words that name
 * `path`.
 */
int device_facts_read(int fd, const char *path, struct device *device, struct error *error) MUST_CHECK;
/* Who holds an flock on the file: "quoind (process 1234)", or "another process". Returns `text`. */
char *device_lock_holder(int fd, char *text, size_t text_bytes);

#endif
