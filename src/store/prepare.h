/* The frontier of written blocks in a file; see prepare.c. Private to store. */
#ifndef QUOIN_STORE_PREPARE_H
#define QUOIN_STORE_PREPARE_H

#include "store/device.h"

struct pool;

/* Grains are turned into written blocks before they are given out (file pools). */
struct prepare {
	bool running;
	uint8_t *zeroes;
	struct device_io io;
	struct iovec iov[GRAIN_BLOCKS];
	uint32_t count; /* being written, behind map.prepared */
};

void prepare_pump(struct pool *pool);
int prepare_init(struct pool *pool) MUST_CHECK;
/* After the map is known: where the frontier stands. */
void prepare_begin(struct pool *pool);

#endif
