/*
 * How fast this node's pools are, and so their tiers. The store's probe measures inside a pool's free grains:
 * when a pool is opened that has no figures yet, and each `measure_every` once the node's pools are quiet.
 *
 *   opened, no figures --probe--> tier                 (remembered in STATE/fingerprint)
 *   quiet and due --probe--> same tier: new figures
 *                       \-> another: suspected --probe, soon--> the same again: event pool-tier-changed
 *
 * Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_POOL_MEASURE_H
#define QUOIN_VOLUMES_POOL_MEASURE_H

#include "fingerprint/fingerprint.h"

struct op;
struct volumes;
struct local_pool;

/* Of one pool: in struct local_pool. */
struct pool_measured {
	bool known;
	struct measurement figures; /* the newest */
	struct measurement judged;  /* by which its tier stands */
	enum tier suspect;          /* what the newest say, where that is another tier; else unknown */
	uint64_t due_ns;            /* measured again from then on; 0: not before it is opened */
	bool running;
};

/*
 * For op->name, a pool that has just been opened: its tier, by the configuration, by remembered figures, or
 * measured now (`fresh`: a new pool; nothing is remembered of it). A busy pool keeps the tier that the
 * catalog knows, or gets a cautious one, and is measured later. Never fails; then `then` with 0.
 */
void pool_measure_opened(struct op *op, bool fresh, void (*then)(struct op *op, int rc));
/* Each second: begins what is due. One pool after the other. */
void pool_measure_tick(struct volumes *volumes);

#endif
