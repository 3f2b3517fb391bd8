/*
 * The pools of this node: found in the configuration or the catalog, opened (formatted first where they are empty),
 * measured, and told to the catalog. Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_POOLS_H
#define QUOIN_VOLUMES_POOLS_H

#include "catalog/catalog.h"
#include "store/store.h"
#include "volumes/config.h"

struct op;

enum local_pool_phase { LOCAL_POOL_OPENING, LOCAL_POOL_OPEN, LOCAL_POOL_FAILED };

struct local_pool {
	struct list node; /* in volumes->pools */
	struct pool_config config;
	enum local_pool_phase phase;
	bool added; /* by an operator, at run time */
	char reason[CATALOG_REASON_MAX_LEN + 1]; /* failed: why */
	struct uuid uuid;
	struct pool *pool; /* the data plane's */
	enum tier tier;
	char tier_reason[CATALOG_REASON_MAX_LEN + 1];
	uint64_t size_bytes, used_bytes, info_ns;
	struct pool_info info;
};

struct volumes;

/* Begins to open all that the configuration names, and what the catalog knows of this node beside it. */
void pools_begin(struct volumes *volumes);
struct local_pool *pools_find(struct volumes *volumes, const char *name);
struct local_pool *pools_find_uuid(struct volumes *volumes, struct uuid uuid);
/* The pool as it should stand in the catalog. False: its UUID isn't known. */
bool local_pool_record(const struct volumes *volumes, const struct local_pool *pool, struct catalog_pool *ret_record);
/* Closes one; its data-plane handle is gone when the operation goes on. */
void local_pool_close(struct op *op, struct local_pool *pool, void (*then)(struct op *op, int rc));

#endif
