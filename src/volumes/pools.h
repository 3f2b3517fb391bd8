/*
 * The pools of this node: found in the configuration or the catalog, opened (formatted first where they are
 * empty), measured, and told to the catalog. Thread rule: the control thread.
 */
#ifndef QUOIN_VOLUMES_POOLS_H
#define QUOIN_VOLUMES_POOLS_H

#include "catalog/catalog.h"
#include "datapath/dataplane.h"
#include "store/checksums.h"
#include "store/store.h"
#include "volumes/config.h"
#include "volumes/pool_load.h"
#include "volumes/pool_measure.h"
#include "volumes/pool_scrub.h"

struct op;

enum local_pool_phase { LOCAL_POOL_OPENING, LOCAL_POOL_OPEN, LOCAL_POOL_FAILED };

struct local_pool {
	struct list node; /* in volumes->pools */
	struct pool_config config;
	enum local_pool_phase phase;
	bool left_out;                              /* the configuration names it, and it was removed */
	bool removing;                              /* its record goes, and isn't written again */
	bool added;                                 /* by an operator, at run time */
	char reason[CATALOG_REASON_MAX_LEN + 1];    /* failed: why */
	char overwrote[CATALOG_REASON_MAX_LEN + 1]; /* in this life, by force: what was there */
	struct uuid uuid;
	struct pool *pool;    /* the data plane's */
	struct pool *closing; /* the same, while pools_close() waits for it, with: */
	struct dataplane_call close_call;
	struct op *close_op;
	unsigned thread; /* of the data plane, where it is open, or will be */
	bool has_thread;
	struct pool_measured measured;
	struct pool_scrubbed scrubbed;
	enum tier tier;
	char tier_reason[CATALOG_REASON_MAX_LEN + 1];
	uint64_t size_bytes, used_bytes, info_ns;
	struct pool_info info;
	struct pool_checksums_info checksums;
	unsigned space_level; /* of pool_space.h: what was told last */
	struct pool_load load;
};

struct volumes;

/* Begins to open all that the configuration names, that are not known yet. */
void pools_begin(struct volumes *volumes);
/* And those that were added at run time, which only the catalog knows. */
void pools_begin_recorded(struct volumes *volumes);
/* Has each been opened, or failed? */
bool pools_settled(struct volumes *volumes);
struct local_pool *pools_find(struct volumes *volumes, const char *name);
struct local_pool *pools_find_uuid(struct volumes *volumes, struct uuid uuid);
/* The name of the pool whose UUID this text is; else the text: the data plane knows pools by UUID alone. */
const char *pools_name_of(struct volumes *volumes, const char *text);
/* The catalog's record of this node's pool by name; NULL where it has none. */
const struct catalog_pool *pools_record_by_name(const struct volumes *volumes, const char *name);
struct local_pool *local_pool_new(struct volumes *volumes, const struct pool_config *config);
void local_pool_free(struct local_pool *pool);
/* The pool as it should stand in the catalog. False: too little is known. */
bool local_pool_record(
	const struct volumes *volumes, struct local_pool *pool, struct catalog_pool *ret_record);

/*
 * pool_open.c: opens op->pool (a local_pool of that name is there), formats it where it is empty and may be,
 * measures it; then `then` with the rc that pool->phase and pool->reason tell too.
 */
void pool_open_run(struct op *op, void (*then)(struct op *op, int rc));
/* pool_close.c: closes all that are open, at once; then `then`. */
void pools_close(struct op *op, void (*then)(struct op *op, int rc));
/* On the data plane's thread: closes it and ends the call, with the rc of store's pool_close(). */
void pool_close_run(struct dataplane_call *call, struct pool *pool);

#endif
