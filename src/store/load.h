/* Payloads that a restart left in the ring, being read back. Private to the store. */
#ifndef QUOIN_STORE_LOAD_H
#define QUOIN_STORE_LOAD_H

#include <sys/uio.h>

#include "store/device.h"

struct buf;
struct entry;
struct log_entry;
struct pool;

#define LOADS 128u

struct load {
	struct device_io io;
	struct iovec iov;
	struct pool *pool;
	struct log_entry *le; /* NULL: nobody wants it any more */
	struct entry *entry;  /* NULL: free */
	struct buf *buf;
	unsigned failures;
};

void load_start(struct pool *pool, struct log_entry *le);
/* This one, and those that follow it in its log. */
void load_ahead(struct pool *pool, struct log_entry *le);

#endif
