/*
 * How fast a pool's device is, measured through the pool's own path (whatever wraps the device included) and
 * only inside free grains: they are taken from the map for a moment, written, read, and given back. No record
 * names them, so a crash in between leaves them as free as they were. Nothing else of the device is written.
 *
 * Thread rule: new, free and figures on any thread, but not before it has told; run as all of store.
 */
#ifndef QUOIN_STORE_PROBE_H
#define QUOIN_STORE_PROBE_H

#include "store/store.h"

#define PROBE_BUDGET_MS 2500u
#define PROBE_DEPTH     16u

struct pool_probe_figures {
	uint32_t read_p50_us, read_p99_us;   /* 4 KiB, random, depth 1 */
	uint32_t write_p50_us, write_p99_us; /* 4 KiB and a flush; without one where the device needs none */
	uint32_t read_mib_s, write_mib_s;    /* 64 KiB, at depth PROBE_DEPTH */
	uint32_t read_iops;                  /* 4 KiB, random, at depth PROBE_DEPTH */
	uint32_t samples_read, samples_write;
	uint32_t took_ms;
};

struct pool_probe;

/* budget_ms 0: PROBE_BUDGET_MS. -ENOMEM. */
int pool_probe_new(uint32_t budget_ms, struct pool_probe **ret_probe) MUST_CHECK;
/* NULL is fine. What a device that doesn't answer may still write to goes with its answer. */
void pool_probe_free(struct pool_probe *probe);
/*
 * Measures for budget_ms, and never longer but by one operation, then tells. -EAGAIN: the pool is or has
 * become busy: the probe gives way to whatever comes; again later. -ENOSPC: too little of it is free.
 * -ECANCELED: it is being closed. -EIO: it has failed; a write or flush of the probe that fails is the pool's
 * failure.
 */
void pool_probe_run(struct pool *pool, struct pool_probe *probe, pool_done_fn fn, void *arg);
/* After it has told 0. */
const struct pool_probe_figures *pool_probe_figures(const struct pool_probe *probe);

#endif
