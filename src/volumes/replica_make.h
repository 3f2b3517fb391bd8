/*
 * A replica is made on a pool of this node, or deleted. Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_REPLICA_MAKE_H
#define QUOIN_VOLUMES_REPLICA_MAKE_H

#include <stdbool.h>

#include "reconcile/reconcile.h"

struct op;

/* What the operation is about, from RECONCILE_REPLICA_CREATE or _DELETE. False: no memory. */
bool replica_job_make(struct op *op, const struct reconcile_action *action) MUST_CHECK;
/*
 * Of a clone: on what its origin's replica in this pool has of the snapshot. Where that has not come so far
 * (or isn't there), it is waited for; then, once another replica of the clone is made, this one is made to be
 * filled from it. So the first one that is made is always whole, and none is empty and calls itself complete.
 */
void replica_begin(struct op *op);

/* reconcile_loop.c: ends the operation; where it has failed: tells so, and waits a moment before. */
void step_told(struct op *op, int rc);

#endif
