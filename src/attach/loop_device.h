/* Loop devices by ioctl. Worker threads: each of these may block on the file below. */
#ifndef QUOIN_ATTACH_LOOP_DEVICE_H
#define QUOIN_ATTACH_LOOP_DEVICE_H

#include "attach/attach.h"

#define LOOP_PATH_MAX 64

/*
 * A free loop device on `file_path`: direct I/O, blocks of 4096 bytes. Its path into ret_path. -errno with
 * words.
 */
int loop_device_attach(const char *file_path, bool read_only, char ret_path[static LOOP_PATH_MAX],
	struct error *error) MUST_CHECK;

/* The file below has grown: the device is as large, whoever uses it. -errno with words. */
int loop_device_grow(const char *loop_path, const char *file_path, struct error *error) MUST_CHECK;

/* The file below /dev/loopN, as the kernel names it. False: none, it is free. Never blocks. */
bool loop_device_backing(const char *loop_path, char *ret_file, size_t capacity_bytes);

/*
 * Lets go of the file. Free already: success. -EBUSY, and nothing is changed, where somebody has it open or
 * mounted, with words that name one. -ETIMEDOUT where somebody opened it meanwhile: it goes with the last
 * close.
 */
int loop_device_detach(const char *loop_path, struct error *error) MUST_CHECK;
/*
 * The same, whoever uses it: unmounts it lazily in this namespace, then lets go, at the latest with the last
 * close. -errno with words only where the kernel refuses.
 */
int loop_device_detach_force(const char *loop_path, struct error *error) MUST_CHECK;

/* LINK_DIR/NAME -> /dev/loopN, whatever was there before. */
int device_link_make(const char *link, const char *loop_path, struct error *error) MUST_CHECK;
/* Removes the link if it leads to loop_path. */
void device_link_remove(const char *link, const char *loop_path);

#endif
