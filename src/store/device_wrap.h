/*
 * Devices around a device: slow or failing on purpose, so that operators and tests can rehearse with real
 * agents. Each takes the device below over, and closes it with itself.
 *
 * Thread rule: the loop's thread.
 */
#ifndef QUOIN_STORE_DEVICE_WRAP_H
#define QUOIN_STORE_DEVICE_WRAP_H

#include "store/device.h"

struct loop;

/* Each operation waits so long, and up to jitter longer, before it begins. */
struct device_delay_options {
	uint64_t read_ns, write_ns, flush_ns;
	uint64_t jitter_ns;
	uint64_t seed;
};

/* -ENOMEM: `below` is still the caller's. */
int device_delay_new(struct loop *loop, struct device *below, const struct device_delay_options *options,
	struct device **ret_device) MUST_CHECK;

enum device_error_kind { DEVICE_ERROR_READ = 1, DEVICE_ERROR_WRITE = 2, DEVICE_ERROR_FLUSH = 4 };

/* After `after` operations of these kinds, the next `count` fail (0: all). */
struct device_error_options {
	unsigned kinds; /* of enum device_error_kind */
	uint64_t after, count;
	int error; /* EIO */
};

int device_error_new(struct loop *loop, struct device *below, const struct device_error_options *options,
	struct device **ret_device) MUST_CHECK;

#endif
