/*
 * A generated workload on a pool of the simulated disk, beside the models of what its replicas must be: small
 * and whole-grain writes, overlapping, trims, commits, truncations, promises.
 */
#ifndef QUOIN_TESTS_CRASH_WORKLOAD_H
#define QUOIN_TESTS_CRASH_WORKLOAD_H

#include "bench.h"
#include "model.h"

#define WORKLOAD_DISK_BYTES    (UINT64_C(16) << 20)
#define WORKLOAD_JOURNAL_BYTES (UINT64_C(1) << 20)

struct workload {
	struct bench bench;
	struct random random;
	struct model models[MODEL_REPLICAS + MODEL_CLONES];
	struct pool_replica *replicas[MODEL_REPLICAS + MODEL_CLONES];
	unsigned replica_count;
	uint64_t tag;
	bool layers; /* with snapshots, rollbacks and a clone; the caller's */
};

/* On a bench that is initialised: a new disk, a pool on it, its replicas. */
void workload_begin(struct workload *w, uint64_t seed);
/* One operation, and perhaps some time. */
void workload_step(struct workload *w);
/* Lets all end, and closes the pool: everything is answered. The disk stays. */
void workload_end(struct workload *w);

#endif
