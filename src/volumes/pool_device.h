/*
 * What lies at a pool's path, looked at and opened. All of it blocks, for ever where the device does not
 * answer: so each piece runs on a thread of its own, which is given up in time.
 *
 *   RUNNING --it is through--> DONE          the operation goes on with what was found
 *      |
 *      +----- time is over --> GIVEN_UP      all is the thread's, which lets it go should it ever end
 *
 * Thread rule: the control thread, except the pieces themselves.
 */
#ifndef QUOIN_VOLUMES_POOL_DEVICE_H
#define QUOIN_VOLUMES_POOL_DEVICE_H

#include <stdatomic.h>
#include <uv.h>

#include "catalog/catalog.h"
#include "datapath/dataplane.h"
#include "volumes/config.h"

struct op;
struct volumes;

struct pool_device {
	/* asked */
	char path[CONFIG_PATH_MAX];
	uint64_t size_bytes; /* of a file that is to be made; 0: none is */
	struct uuid uuid;    /* of the pool that is formatted; none: of what is there */
	bool by_hand;        /* somebody asks for a pool there, now */
	bool force;          /* what is on it may be destroyed */
	/* found */
	struct device *device; /* open, and whose it is then says the caller; NULL: it isn't */
	unsigned thread;       /* of the data plane that it was opened for */
	bool removed;          /* it was a pool, and was removed */
	char destroyed[CATALOG_REASON_MAX_LEN + 1];
	struct error error;
	/* the thread's */
	int (*piece)(struct pool_device *d);
	int rc;
	atomic_int state;
	uint64_t give_up_ns;
	void (*then)(struct op *op, int rc);
	uv_async_t *wake;
	unsigned thread_count;
	struct uring_loop *loops[DATAPLANE_MAX_THREADS];
};

/* NULL: no memory. */
struct pool_device *pool_device_new(struct volumes *volumes, const struct pool_config *config);
/* NULL is fine. What is open is closed. */
void pool_device_free(struct pool_device *d);

/* The pieces; 0 or -errno, with words. */
/* Makes the file where there is none, and opens it for the thread that its pool belongs to. */
int pool_device_open(struct pool_device *d);
/* The same for `uuid`, on what is empty; else -EEXIST, unless it may be destroyed. -ENODEV: see `removed`. */
int pool_device_open_blank(struct pool_device *d);

/*
 * Runs op->device's piece, then `then` with its rc. -ETIMEDOUT, with op->error: the device has not answered;
 * op->device is NULL.
 */
void pool_device_run(struct op *op, int (*piece)(struct pool_device *d), void (*then)(struct op *op, int rc));

#endif
