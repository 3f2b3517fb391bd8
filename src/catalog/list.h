/*
 * Reads all records under a prefix, or all that the view is to have, page by page, so that neither a request
 * nor an answer grows with the cluster. Pages are read one after the other: what is written meanwhile may be
 * in a later page and not in an earlier one. Thread rule: the control thread.
 */
#ifndef QUOIN_CATALOG_LIST_H
#define QUOIN_CATALOG_LIST_H

#include "kvdb/kvdb.h"

struct catalog;

struct listing;
/* A record; valid during the call. */
typedef void (*listing_item_fn)(struct listing *listing, const struct kvdb_item *item);
/* Once: 0, or the kvdb's error, with words. */
typedef void (*listing_done_fn)(struct listing *listing, int rc, const struct error *error);

struct listing {
	struct catalog *catalog;
	uint32_t timeout_ms;
	listing_item_fn item;
	listing_done_fn done;
	/*
	 * Of the first page and of the last one so far: what was so at `revision` is told by the items,
	 * followed by all changes after first_revision.
	 */
	uint64_t first_revision, revision;
	char after[KVDB_MAX_KEY_LEN + 1];
	const char *const *prefixes;
	size_t prefix_count, at; /* the prefix that is being read */
	const char *one;
};

/* timeout_ms: of each page. `listing` is the caller's again with `done`; the prefix lives until then. */
void listing_begin(struct listing *listing, struct catalog *catalog, const char *prefix, uint32_t timeout_ms,
	listing_item_fn item, listing_done_fn done);
/* The same, of several, one after the other. */
void listing_begin_all(struct listing *listing, struct catalog *catalog, const char *const *prefixes,
	size_t prefix_count, uint32_t timeout_ms, listing_item_fn item, listing_done_fn done);

#endif
