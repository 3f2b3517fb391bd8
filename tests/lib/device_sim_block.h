/* Blocks of the simulated disk: 4 KiB that the view, the medium and unflushed writes share. */
#ifndef QUOIN_TESTS_LIB_DEVICE_SIM_BLOCK_H
#define QUOIN_TESTS_LIB_DEVICE_SIM_BLOCK_H

#include "base/base.h"

/* 4 KiB that the view, the medium and unflushed writes share; copied before it is changed. */
struct sim_block {
	uint32_t refs;
	uint64_t flushes; /* that had been asked for when it was written */
	struct sim_block *next_free;
	uint8_t *data;
};

/* For zeroes NULL: formatting writes many of them. */
struct sim_block *sim_block_with(const uint8_t *data);
struct sim_block *sim_block_ref(struct sim_block *block);
void sim_block_put(struct sim_block *block);
/* What is there is put, and this one is there too. */
void sim_block_set(struct sim_block **at, struct sim_block *block);
/* One that nobody else sees, with the same content. */
struct sim_block *sim_block_own(struct sim_block **at);

#endif
