/* The catalog's life: the first list, the watch, lists again where it is lost. */
#include "catalog/accept.h"
#include "catalog/catalog_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_TIMEOUT_MS   10000u
#define LIST_RETRY_MS     500u
#define WATCH_LOST_MS     500u
#define REVOKE_TIMEOUT_MS 1500u

uint64_t catalog_now_ns(const struct catalog *catalog)
{
	return clock_now_ns(kvdb_clock(catalog->kvdb));
}

uint64_t catalog_wall_ns(const struct catalog *catalog)
{
	return clock_wall_ns(kvdb_clock(catalog->kvdb));
}

void catalog_trouble(struct catalog *catalog, int rc, const struct error *error)
{
	if (catalog->options.trouble && !catalog->closing)
		catalog->options.trouble(catalog->options.user, rc, error);
}

/* ---- the view ---- */

void view_apply(struct catalog *catalog, struct view *view, const char *key, const uint8_t *value,
	size_t value_bytes, uint64_t revision)
{
	enum record_kind kind;
	const char *name;
	struct error why;
	struct error error;
	bool bad;

	if (!key_parse(catalog, key, &kind, &name))
		return; /* of a newer Quoin: kept, not understood */
	if (kind == RECORD_AT) {
		if (!view->part_of)
			return;                /* a copy */
		name = strrchr(name, '/') + 1; /* of this node: no other is watched */
		kind = RECORD_VOLUME;
	}
	view_put(view, kind, name, value, value_bytes, revision, &bad, &why);
	if (!bad || view != &catalog->view)
		return;
	(void)error_set(&error, -EBADMSG, "the record of %s %.128s is damaged: %.300s", key_kind_text(kind),
		name, why.text);
	catalog_trouble(catalog, -EBADMSG, &error);
}

void catalog_changes_tell(struct catalog *catalog)
{
	struct view *view = &catalog->view;
	struct catalog_change *changes = view->changes;
	size_t count = view->change_count;

	/* The list is taken away first: a callback may look at the view, but the view may not grow it
	 * meanwhile. */
	view->changes = NULL;
	view->change_count = 0;
	view->change_capacity = 0;
	if (count > 0 && catalog->opened && catalog->options.changed && !catalog->closing)
		catalog->options.changed(catalog->options.user, changes, (unsigned)count);
	for (size_t i = 0; i < count; i++)
		free((void *)(uintptr_t)changes[i].name);
	free(changes);
}

/* The view has reached `revision`. */
static void view_moved(struct catalog *catalog, uint64_t revision)
{
	catalog->view.revision = revision;
	if (revision > catalog->highest_revision)
		catalog->highest_revision = revision;
	if (catalog->opened && !catalog->closing)
		pins_view_moved(catalog);
	catalog_changes_tell(catalog);
	if (!catalog->opened && !catalog->closing) {
		catalog->opened = true;
		if (catalog->options.opened)
			catalog->options.opened(catalog->options.user);
		pins_view_moved(catalog);
	}
	if (!catalog->closing)
		pins_view_told(catalog);
	ops_view_moved(catalog);
}

static void watch_events(void *arg, const struct kvdb_event *events, size_t count, uint64_t revision)
{
	struct catalog *catalog = arg;

	if (catalog->frozen)
		return; /* of another history */
	for (size_t i = 0; i < count; i++)
		view_apply(catalog, &catalog->view, events[i].key, events[i].value, events[i].value_bytes,
			events[i].revision);
	if (revision >= catalog->settled_revision)
		view_moved(catalog, revision);
}

/* A list is the whole catalog: nodes that lost it together don't ask for it together. */
static void list_again(struct catalog *catalog, uint64_t most_ms)
{
	kvdb_timer_set(catalog->kvdb, &catalog->list_timer,
		most_ms / 2 + random_below(&catalog->random, most_ms / 2));
}

static void watch_lost(void *arg, int rc, const struct error *error)
{
	struct catalog *catalog = arg;

	(void)rc;
	(void)error; /* either the list mends it, or it finds out what is wrong and says so */
	catalog->watch = NULL;
	if (!catalog->closing)
		list_again(catalog, WATCH_LOST_MS);
}

static void list_item(struct listing *listing, const struct kvdb_item *item)
{
	struct catalog *catalog = listing->catalog;

	if (!catalog->closing && !catalog->frozen && !catalog->listing_stale)
		view_apply(catalog, &catalog->view, item->key, item->value, item->value_bytes,
			item->mod_revision);
}

static void listed(struct listing *listing, int rc, const struct error *why)
{
	static const char damaged[] = "the view could not be watched";
	struct catalog *catalog = listing->catalog;
	const struct kvdb_watch_callbacks callbacks = { watch_events, watch_lost, catalog };
	struct error error;

	(void)why; /* catalog_heard() has told */
	catalog->is_listing = false;
	if (catalog->closing || catalog->frozen)
		return;
	if (rc != 0 || catalog->listing_stale) {
		list_again(catalog, LIST_RETRY_MS);
		return;
	}
	if (kvdb_watch(catalog->kvdb, catalog->watch_prefixes, catalog->watch_prefix_count,
		    listing->first_revision + 1, &callbacks, &catalog->watch) != 0) {
		(void)error_set(&error, -ENOMEM, "%s", damaged);
		catalog_trouble(catalog, -ENOMEM, &error);
		list_again(catalog, LIST_RETRY_MS);
		return;
	}
	view_list_end(&catalog->view);
	catalog->settled_revision = listing->revision;
	if (listing->revision == listing->first_revision)
		view_moved(catalog, listing->revision);
}

static void list_begin_pages(struct catalog *catalog)
{
	if (catalog->is_listing) {
		list_again(catalog, LIST_RETRY_MS); /* one from before a thaw comes to its end first */
		return;
	}
	catalog->is_listing = true;
	catalog->listing_stale = false;
	view_list_begin(&catalog->view);
	listing_begin_all(&catalog->listing, catalog, catalog->watch_prefixes, catalog->watch_prefix_count,
		LIST_TIMEOUT_MS, list_item, listed);
}

static uint64_t known_revision(const struct catalog *catalog)
{
	return catalog->view.revision > catalog->options.revision ? catalog->view.revision
								  : catalog->options.revision;
}

static void identified(void *arg, const struct kvdb_result *result)
{
	struct catalog *catalog = arg;
	uint64_t least = known_revision(catalog);

	/* The watch may have told more since it was asked; a restore may have been accepted since. */
	if (catalog->asked_revision < least)
		least = catalog->asked_revision;
	catalog_heard(catalog, result);
	if (catalog->closing)
		return;
	if (result->rc == 0 && catalog_identity_check(catalog, result, least))
		list_begin_pages(catalog);
	else if (!catalog->frozen)
		list_again(catalog, LIST_RETRY_MS);
}

static void list_begin(void *arg)
{
	struct catalog *catalog = arg;

	catalog->asked_revision = known_revision(catalog);
	kvdb_identify(catalog->kvdb, LIST_TIMEOUT_MS, identified, catalog);
}

void catalog_thaw(struct catalog *catalog, struct uuid database, uint64_t revision)
{
	ASSERT(catalog->frozen);
	kvdb_watch_cancel(catalog->watch);
	catalog->watch = NULL;
	/* Revisions of the other history name nothing in this one, though they may look alike. */
	for (enum record_kind kind = RECORD_CLUSTER; kind < RECORD_KINDS; kind++)
		for (size_t i = 0; i < catalog->view.tables[kind].count; i++)
			catalog->view.tables[kind].rows[i].revision = 0;
	catalog->view.revision = catalog->settled_revision = 0;
	catalog->listing_stale = catalog->is_listing;
	catalog->database = database;
	catalog->options.revision = catalog->highest_revision = revision;
	catalog->frozen = false;
	kvdb_timer_set(catalog->kvdb, &catalog->list_timer, 0);
	lease_thaw(catalog);
}

/* ---- open and close ---- */

static void nobody_waits(void *arg)
{
	(void)arg;
}

static void close_begin(void *arg);

static void watch_add(struct catalog *catalog, enum record_kind kind, const char *name)
{
	size_t i = catalog->watch_prefix_count++;

	ASSERT(i < CATALOG_WATCH_PREFIXES);
	catalog->watch_prefixes[i] = key_prefix(catalog, kind, name, catalog->watch_texts[i]);
}

/* What all agents need whole, and of the volumes what concerns this node, or all. */
static void watch_choose(struct catalog *catalog)
{
	static const enum record_kind whole[] = { RECORD_CLUSTER, RECORD_NODE, RECORD_LIVE, RECORD_POOL,
		RECORD_RESERVATION, RECORD_CLASS, RECORD_GROUP, RECORD_CLONE };
	const char *node = catalog->options.node;

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		watch_add(catalog, whole[i], NULL);
	if (!node) {
		watch_add(catalog, RECORD_VOLUME, NULL);
		watch_add(catalog, RECORD_NAME, NULL);
		return;
	}
	(void)snprintf(catalog->node_name, sizeof(catalog->node_name), "%s", node);
	catalog->options.node = catalog->node_name;
	catalog->view.part_of = catalog;
	watch_add(catalog, RECORD_AT, catalog->node_name);
}

int catalog_open(struct kvdb *kvdb, const struct catalog_options *options, struct catalog **ret_catalog,
	struct error *error)
{
	struct catalog *catalog = NULL;
	int rc = name_check("cluster name", options->cluster, error);

	if (rc == 0 && options->node)
		rc = name_check("node name", options->node, error);
	if (rc == 0) {
		catalog = calloc(1, sizeof(*catalog));
		if (!catalog)
			rc = error_set(error, -ENOMEM, "out of memory");
	}
	if (rc != 0) {
		kvdb_close(kvdb, nobody_waits, NULL);
		return rc;
	}
	catalog->kvdb = kvdb;
	catalog->options = *options;
	if (catalog->options.node_lease_ms == 0)
		catalog->options.node_lease_ms = CATALOG_NODE_LEASE_MS;
	catalog->database = options->database;
	catalog->highest_revision = options->revision;
	(void)snprintf(catalog->cluster, sizeof(catalog->cluster), "%s", options->cluster);
	catalog->options.cluster = catalog->cluster;
	(void)snprintf(catalog->prefix, sizeof(catalog->prefix), "/quoin/%s/", options->cluster);
	if (options->seed != 0)
		random_init(&catalog->random, options->seed);
	else
		random_init_system(&catalog->random);
	watch_choose(catalog);
	list_init(&catalog->ops);
	list_init(&catalog->pins);
	kvdb_timer_init(&catalog->pin_timer, pins_poll, catalog);
	kvdb_timer_init(&catalog->list_timer, list_begin, catalog);
	kvdb_timer_init(&catalog->lease_timer, NULL, NULL);
	kvdb_timer_init(&catalog->close_timer, close_begin, catalog);
	list_begin(catalog);
	*ret_catalog = catalog;
	return 0;
}

static void close_finish(void *arg)
{
	struct catalog *catalog = arg;
	void (*fn)(void *user) = catalog->closed_fn;
	void *user = catalog->closed_arg;

	ASSERT(list_is_empty(&catalog->ops));
	pins_close_end(catalog);
	view_done(&catalog->view);
	free(catalog);
	fn(user);
}

static void close_revoked(void *arg, const struct kvdb_result *result)
{
	struct catalog *catalog = arg;

	(void)result; /* what could not be revoked runs out */
	kvdb_close(catalog->kvdb, close_finish, catalog);
}

/* Operations that wait for the view or a pause; the others end with their call. */
static struct op *op_waiting(struct catalog *catalog)
{
	list_for_each (node, &catalog->ops) {
		struct op *op = list_entry(node, struct op, node);

		if (!op->in_flight)
			return op;
	}
	return NULL;
}

static void close_begin(void *arg)
{
	struct catalog *catalog = arg;
	struct error error;
	struct op *op;

	(void)error_set(&error, -ECANCELED, "the agent is stopping");
	while ((op = op_waiting(catalog)))
		op_finish(op, op->state == OP_WAIT_DONE ? 0 : -ECANCELED, &error);
	pins_close_begin(catalog);
	kvdb_timer_cancel(catalog->kvdb, &catalog->list_timer);
	kvdb_timer_cancel(catalog->kvdb, &catalog->lease_timer);
	kvdb_watch_cancel(catalog->watch);
	if (catalog->leave && catalog->lease != 0)
		kvdb_lease_revoke(catalog->kvdb, catalog->lease, REVOKE_TIMEOUT_MS, close_revoked, catalog);
	else
		kvdb_close(catalog->kvdb, close_finish, catalog);
}

void catalog_close(struct catalog *catalog, bool leave, void (*fn)(void *arg), void *arg)
{
	ASSERT(!catalog->closing);
	catalog->leave = leave;
	catalog->closed_fn = fn;
	catalog->closed_arg = arg;
	kvdb_timer_set(catalog->kvdb, &catalog->close_timer, 0);
	catalog->closing = true;
}
