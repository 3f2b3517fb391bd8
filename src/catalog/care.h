/*
 * Pools and nodes that are taken out of use: drained, then forgotten. A part of the catalog: its rules of
 * threads and errors hold (catalog/catalog.h).
 */
#ifndef QUOIN_CATALOG_CARE_H
#define QUOIN_CATALOG_CARE_H

#include "catalog/catalog.h"

/* By any node: no replica comes to it from now on (or may again). Success where it is so already. -ENOENT. */
void catalog_pool_drain(struct catalog *catalog, struct uuid pool, bool draining, uint32_t timeout_ms,
	catalog_done_fn fn, void *arg);
/* The same, to one pool alone: what leaves goes to `by`, another one. catalog_pool_drain() takes that back.
 */
void catalog_pool_replace(struct catalog *catalog, struct uuid pool, struct uuid by, uint32_t timeout_ms,
	catalog_done_fn fn, void *arg);
/* Forgets a pool that is draining and has no replica: -EBUSY otherwise. Success where there is none. */
void catalog_pool_remove(
	struct catalog *catalog, struct uuid pool, uint32_t timeout_ms, catalog_done_fn fn, void *arg);
/* Forgets a node that is down, has no pool and holds no volume: -EBUSY otherwise, with words. -ENOENT. */
void catalog_node_remove(
	struct catalog *catalog, const char *name, uint32_t timeout_ms, catalog_done_fn fn, void *arg);

#endif
