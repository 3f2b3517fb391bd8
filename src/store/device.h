/*
 * A device is a struct of functions: a file or block device through io_uring in production; in tests, memory
 * with a volatile cache, torn and lost writes, bit rot, latency and errors. Private to store, except that
 * agent and tests make devices.
 *
 * Thread rule: the loop's thread; callbacks never run inside the call. Offsets and lengths are multiples of
 * 4096 and memory is aligned to 4096; memory and iovecs stay as they are until the callback
 * has run. Completed writes are volatile until a flush that was submitted after their completion has
 * succeeded.
 */
#ifndef QUOIN_STORE_DEVICE_H
#define QUOIN_STORE_DEVICE_H

#include <stdint.h>
#include <sys/uio.h>

#include "base/base.h"

struct device;
struct uring_loop;

/*
 * One operation in flight; owned by the caller until fn has run. rc: 0 or -errno; a short transfer is -EIO.
 */
struct device_io {
	void (*fn)(struct device_io *io, int rc);
	uint8_t began; /* the pool's: see watch.h */
	void *priv[8]; /* the device's */
};

#define DEVICE_MAX_IOV 256

struct device_ops {
	void (*read)(struct device *d, struct device_io *io, const struct iovec *iov, unsigned iov_count,
		uint64_t offset_bytes);
	void (*write)(struct device *d, struct device_io *io, const struct iovec *iov, unsigned iov_count,
		uint64_t offset_bytes);
	void (*flush)(struct device *d, struct device_io *io);
	/* A wish: the bytes read as anything afterwards, usually zeroes; a device that can't do it says 0. */
	void (*discard)(struct device *d, struct device_io *io, uint64_t offset_bytes, uint64_t length_bytes);
	void (*close)(struct device *d); /* nothing in flight; frees it */
};

struct device {
	const struct device_ops *ops;
	uint64_t size_bytes;
	bool write_through; /* a raw device that says so: flush may be skipped */
	bool rotational;
	bool is_file;
};

/*
 * Opens a file or block device O_DIRECT with an exclusive flock on the same open file description that does
 * the I/O. -EBUSY with words when another agent holds it (its process is named where /proc tells), or when a
 * block device is mounted. Waits up to 1 s for a dead process's I/O to end: so it may also be called on
 * another thread, after which the device is the loop's.
 */
int device_uring_open(struct uring_loop *loop, const char *path, struct device **ret_device,
	struct error *error) MUST_CHECK;

struct loop;

#define DEVICE_FAULTS_MAX 256u
/*
 * Wraps *device as the text says, the first word outermost:
 *
 *   delay:write=20ms,flush=50ms,read=1ms,jitter=5ms     (us, ms or s)
 *   error:on=write+flush,after=1000,count=1
 *
 * -EINVAL with words: *device is as it was. -ENOMEM: *device is what there is to close. An empty text wraps
 * nothing.
 */
int device_wrap(struct loop *loop, const char *text, struct device **device, struct error *error) MUST_CHECK;
/* Whether device_wrap() would understand the text. -EINVAL with words about it. */
int device_wrap_check(const char *text, struct error *error) MUST_CHECK;

#endif
