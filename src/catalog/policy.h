/*
 * What may be changed of a volume while it is used. A part of the catalog: its rules of threads and errors
 * hold (catalog/catalog.h).
 */
#ifndef QUOIN_CATALOG_POLICY_H
#define QUOIN_CATALOG_POLICY_H

#include "catalog/catalog.h"

/* By any node: what its users may ask for in a second, from now on; 0: no limit. Otherwise as
 * catalog_volume_create(). */
void catalog_volume_limits_set(struct catalog *catalog, struct uuid volume, uint64_t iops,
	uint64_t bytes_per_s, uint32_t timeout_ms, catalog_done_fn fn, void *arg);

/*
 * By any node: its size from now on, and what is promised on the pools of its replicas; the same again is a
 * success. -EPERM: it is larger; -ENOSPC: a pool would be promised beyond its limit.
 */
void catalog_volume_resize(struct catalog *catalog, struct uuid volume, uint64_t size_bytes,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);

/* How many replicas a user wants, whatever the class says, and what is to be done about it now. */
struct catalog_replicas_want {
	struct uuid volume;
	unsigned replicas;                     /* 1 .. GROUP_MAX_VOTERS */
	struct uuid group;                     /* the learner's shard */
	const struct catalog_replica *learner; /* one that comes, as catalog_learner_add(); NULL: none */
	struct uuid leaving;                   /* one that goes, as catalog_replica_leave(); none: nobody */
};
/* By any node: both, or neither. Errors as of those two. */
void catalog_replicas_want(struct catalog *catalog, const struct catalog_replicas_want *want,
	uint32_t timeout_ms, catalog_done_fn fn, void *arg);

/* By any node: whether it may be removed. -ENOENT. */
void catalog_volume_sticky_set(struct catalog *catalog, struct uuid volume, bool sticky, uint32_t timeout_ms,
	catalog_done_fn fn, void *arg);
/* -EPERM, with what to do. */
int volume_sticky(const struct catalog_volume *volume, struct error *error);

#endif
