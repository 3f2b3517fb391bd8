/*
 * A control thread (the test's), a data-plane thread, a volume in memory and an attach context in a directory
 * of its own: what tests of real devices stand on.
 */
#ifndef QUOIN_TEST_ATTACH_RIG_H
#define QUOIN_TEST_ATTACH_RIG_H

#include <pthread.h>
#include <uv.h>

#include "attach/attach.h"
#include "loop/loop.h"
#include "volume_memory.h"

#define RIG_VOLUME_BYTES (UINT64_C(400) << 20) /* xfs wants 300 MiB */

struct rig {
	char dir[64]; /* /tmp/quoin-attach-XXXXXX: state/ and links/ */
	char state_dir[96];
	char link_dir[96];
	uv_loop_t uv;
	struct uring_loop *loop;
	pthread_t thread;
	struct buf_pool *bufs;
	struct volume *volume;
	struct attach *attach;
	struct blockdev *blockdev;
	/* the last callback */
	bool ended;
	int rc;
	struct error error;
	unsigned found_count;
	char found[16][320];
};

/* Words where devices can't be attached here, and so the test is to be skipped; NULL: they can. */
const char *rig_why_not(void);
/* dir NULL: a new one. */
void rig_init(struct rig *rig, const char *dir, uint64_t volume_bytes, uint64_t buf_bytes);
/* Nothing is attached. Removes the directory unless keep_dir. */
void rig_done(struct rig *rig, bool keep_dir);

/* The callback for all operations; and waiting for it: returns its rc, or -ETIME after `seconds`. */
void rig_end(void *arg, int rc, const struct error *error);
int rig_wait(struct rig *rig, unsigned seconds);
/* One turn of the control thread's loop. */
void rig_turn(struct rig *rig);

int rig_attach(struct rig *rig);
int rig_detach(struct rig *rig, enum detach_mode mode);
int rig_make_and_mount(struct rig *rig, const char *type);
int rig_unmount(struct rig *rig, bool lazy);
int rig_clean(struct rig *rig);

#endif
