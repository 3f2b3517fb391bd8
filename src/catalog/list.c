/* Many records, page by page. */
#include "catalog/list.h"

#include <string.h>

#include "catalog/catalog_private.h"

#define LIST_PAGE 10000u

static void page_told(void *arg, const struct kvdb_result *result);

static uint32_t page_items(const struct catalog *catalog)
{
	return catalog->options.list_page ? catalog->options.list_page : LIST_PAGE;
}

static void page_ask(struct listing *listing)
{
	struct catalog *catalog = listing->catalog;

	kvdb_list(catalog->kvdb, listing->prefixes[listing->at], listing->after[0] ? listing->after : NULL,
		page_items(catalog), listing->timeout_ms, page_told, listing);
}

static void page_told(void *arg, const struct kvdb_result *result)
{
	struct listing *listing = arg;
	const char *last;

	catalog_heard(listing->catalog, result);
	if (result->rc != 0) {
		listing->done(listing, result->rc, result->error);
		return;
	}
	if (listing->first_revision == 0)
		listing->first_revision = result->revision;
	listing->revision = result->revision;
	for (size_t i = 0; i < result->count; i++)
		listing->item(listing, &result->items[i]);
	if (result->count < page_items(listing->catalog)) {
		listing->after[0] = 0;
		if (++listing->at == listing->prefix_count)
			listing->done(listing, 0, NULL);
		else
			page_ask(listing);
		return;
	}
	last = result->items[result->count - 1].key;
	ASSERT(strlen(last) <= KVDB_MAX_KEY_LEN);
	memcpy(listing->after, last, strlen(last) + 1);
	page_ask(listing);
}

void listing_begin_all(struct listing *listing, struct catalog *catalog, const char *const *prefixes,
	size_t prefix_count, uint32_t timeout_ms, listing_item_fn item, listing_done_fn done)
{
	ASSERT(prefix_count > 0);
	*listing = (struct listing){ .catalog = catalog,
		.timeout_ms = timeout_ms,
		.item = item,
		.done = done,
		.prefixes = prefixes,
		.prefix_count = prefix_count };
	page_ask(listing);
}

void listing_begin(struct listing *listing, struct catalog *catalog, const char *prefix, uint32_t timeout_ms,
	listing_item_fn item, listing_done_fn done)
{
	*listing = (struct listing){ .catalog = catalog,
		.timeout_ms = timeout_ms,
		.item = item,
		.done = done,
		.prefix_count = 1,
		.one = prefix };
	listing->prefixes = &listing->one;
	page_ask(listing);
}
