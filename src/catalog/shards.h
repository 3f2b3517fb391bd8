/*
 * The shards of a volume (docs/protocol.md, "Shards"). A part of the catalog: its rules of threads hold
 * (catalog/catalog.h).
 */
#ifndef QUOIN_CATALOG_SHARDS_H
#define QUOIN_CATALOG_SHARDS_H

#include "catalog/catalog.h"

/* NULL: it has no such. */
const struct catalog_shard *catalog_shard_find(const struct catalog_volume *volume, struct uuid group);
/* What each replica may come to hold, and has room reserved for. */
uint64_t catalog_replica_bytes(const struct catalog_volume *volume);
/* Several shards have stripes of whole grains that hold the largest entry; one has none. */
bool stripe_is_valid(const struct catalog_volume *volume);

#endif
