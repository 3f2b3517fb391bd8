/* What the files of the control thread's side share: the context, and counted operations. */
#ifndef QUOIN_ATTACH_PRIVATE_H
#define QUOIN_ATTACH_PRIVATE_H

#include <uv.h>

#include "attach/attach.h"
#include "attach/worker.h"

struct landing;

/* Directories to which names of devices are added. */
#define ATTACH_DIR_BYTES (ATTACH_PATH_MAX - DEVICE_FILE_MAX_LEN - 32)

struct attach {
	uv_loop_t *uv;
	struct {
		struct uring_loop *loop;
		struct landing *landing; /* its thread's */
	} loops[ATTACH_MAX_LOOPS];
	unsigned loop_count;
	struct answers *answers;
	unsigned busy; /* devices, and operations under way */
	char state_dir[ATTACH_DIR_BYTES];
	char dev_dir[ATTACH_DIR_BYTES]; /* STATE/dev */
	char mnt_dir[ATTACH_DIR_BYTES]; /* STATE/mnt */
	char link_dir[ATTACH_DIR_BYTES];
	void (*freed)(void *arg);
	void *freed_arg;
};

#endif
