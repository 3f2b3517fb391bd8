/*
 * How much of what its device can do a pool is asked for, as placement is to know it: by the store's counters
 * and the device's measured figures, as a mean of some minutes, in steps, told seldom. Pure.
 */
#ifndef QUOIN_VOLUMES_POOL_LOAD_H
#define QUOIN_VOLUMES_POOL_LOAD_H

#include "fingerprint/fingerprint.h"
#include "store/store.h"

#define POOL_LOAD_STEP_PERCENT 10u
#define POOL_LOAD_WINDOW_NS    (10 * NS_PER_S)  /* one look at the counters */
#define POOL_LOAD_MEAN_WINDOWS 18u              /* an older window's weight falls to a third in 3 min */
#define POOL_LOAD_TOLD_NS      (300 * NS_PER_S) /* between two changes of what is told */

/* Of one pool; all zeroes but `told_percent` (what its record says) at first. */
struct pool_load {
	unsigned told_percent;      /* a multiple of the step */
	uint64_t told_ns, began_ns; /* began 0: nothing was looked at yet */
	uint64_t window_ns;         /* when the window began, with the counters of then: */
	uint64_t batches, write_bytes, reads, read_bytes;
	uint64_t mean_ppm;
};

/*
 * Looks at the counters, when a window is over. What is told changes where the mean is three quarters of a
 * step away from it, and not sooner than POOL_LOAD_TOLD_NS after the first look, or the last change. A pool
 * that was not measured has no load. Counters that went back are another life's: they begin anew.
 */
void pool_load_observe(struct pool_load *load, const struct measurement *figures,
	const struct pool_info *info, uint64_t now_ns);

#endif
