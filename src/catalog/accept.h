/*
 * A kvdb from a backup is accepted (docs/protocol.md, "A kvdb from a backup"). A part of the catalog: its
 * rules of threads and errors hold (catalog/catalog.h).
 */
#ifndef QUOIN_CATALOG_ACCEPT_H
#define QUOIN_CATALOG_ACCEPT_H

#include "catalog/catalog.h"

/*
 * The database's identity and the highest revision seen, to be handed to the next life. One that is another,
 * or has gone back, is frozen: nothing is changed any more (-ESTALE, with words), until it is accepted.
 */
void catalog_generation(const struct catalog *catalog, struct uuid *ret_database, uint64_t *ret_revision);
bool catalog_is_frozen(const struct catalog *catalog);

/*
 * What this node's view, frozen as it was before the kvdb went back, knows better than the kvdb is put back,
 * by compare-and-set: volumes made since, epochs, members, reservations, classes, pools, nodes. Nothing is
 * taken away. Then the kvdb is this node's again. `line` tells, before anything is written, what is put back
 * and what can't be; without carry_out that is all. Asking again is harmless. -EPERM: the kvdb has not gone
 * back. -ESTALE: it is another cluster's. -EBUSY: it is under way. KVDB errors as everywhere: what was put
 * back by then stays.
 */
void catalog_accept_restore(struct catalog *catalog, bool carry_out, uint32_t timeout_ms,
	void (*line)(void *arg, const char *text), catalog_done_fn fn, void *arg);

#endif
