/* GET and POST /v1/pools; pool_get.c has a single one */
#include <errno.h>
#include <string.h>

#include "admin/handlers.h"

static void tally_put(json_t *to, const struct pool_scrub_tally *tally)
{
	json_object_set_new(to, "checked_bytes", json_integer((json_int_t)tally->checked_bytes));
	json_object_set_new(to, "bad_blocks", json_integer((json_int_t)tally->bad_blocks));
	json_object_set_new(to, "repaired_blocks", json_integer((json_int_t)tally->repaired_blocks));
	json_object_set_new(to, "bad_pages", json_integer((json_int_t)tally->bad_pages));
	json_object_set_new(to, "repaired_pages", json_integer((json_int_t)tally->repaired_pages));
}

/* The pass under way, and the last whole one; null where there is none. */
static json_t *scrub_json(const struct pool_scrub_info *info)
{
	const struct pool_scrub_progress *progress = &info->progress;
	json_t *pass = json_null(), *last = json_null();
	char time[TIME_TEXT_LEN + 1];

	if (progress->began_wall_ns) {
		pass = json_pack("{s:s, s:b, s:I, s:I}", "began", time_format(progress->began_wall_ns, time),
			"asked", (int)progress->asked, "pages_done", (json_int_t)progress->page, "pages",
			(json_int_t)info->pages);
		tally_put(pass, &progress->pass);
	}
	if (progress->whole_wall_ns) {
		last = json_pack("{s:s}", "ended", time_format(progress->whole_wall_ns, time));
		tally_put(last, &progress->whole);
	}
	return json_pack(
		"{s:o, s:o, s:I}", "pass", pass, "last", last, "known_bad", (json_int_t)info->known_bad);
}

/* Of volumes that are attached on this node. */
static json_t *compare_json(const struct pool_compare_view *view)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:o, s:o, s:I, s:I, s:I, s:I}", "groups", (int)view->groups,
		"under_way", (int)view->under_way, "asked", (int)view->asked, "never", (int)view->never,
		"percent", view->under_way ? json_integer((json_int_t)view->percent) : json_null(),
		"oldest_s",
		view->groups > view->never ? json_integer((json_int_t)view->oldest_ms / 1000) : json_null(),
		"grains", (json_int_t)view->last.grains, "differing", (json_int_t)view->last.differing,
		"rewritten", (json_int_t)view->last.rewritten, "undecided", (json_int_t)view->last.undecided);
}

json_t *pool_view_json(const struct pool_view *view)
{
	json_t *pool = json_pack("{s:o, s:s, s:s, s:o, s:s, s:o, s:s, s:I, s:I, s:I, s:b}", "uuid",
		uuid_json(view->pool), "name", view->name, "node", view->node, "path",
		http_json_text(view->path), "tier", view->tier, "tier_reason",
		http_json_text(view->tier_reason), "state", view->state, "size_bytes",
		(json_int_t)view->size_bytes, "used_bytes", (json_int_t)view->used_bytes, "provisioned_bytes",
		(json_int_t)view->provisioned_bytes, "local", (int)view->local);

	if (view->state_reason[0])
		json_object_set_new(pool, "state_reason", http_json_text(view->state_reason));
	json_object_set_new(pool, "full", json_boolean(view->full));
	json_object_set_new(pool, "warned_percent", json_integer(view->warned_percent));
	json_object_set_new(pool, "draining", json_boolean(view->draining));
	if (view->replaced_by[0])
		json_object_set_new(pool, "replaced_by", json_string(view->replaced_by));
	json_object_set_new(pool, "replicas", json_integer(view->replica_count));
	json_object_set_new(pool, "load_percent", json_integer(view->load_percent));
	json_object_set_new(pool, "replicas_max", json_integer(view->replica_limit));
	if (view->overwrote[0])
		json_object_set_new(pool, "overwrote", http_json_text(view->overwrote));
	if (view->local) {
		json_object_set_new(
			pool, "journal_bytes", json_integer((json_int_t)view->info.journal_bytes));
		json_object_set_new(
			pool, "journal_used_bytes", json_integer((json_int_t)view->info.journal_used_bytes));
		json_object_set_new(
			pool, "checksum_errors", json_integer((json_int_t)view->info.checksum_errors));
		json_object_set_new(pool, "read_errors", json_integer((json_int_t)view->info.read_errors));
		json_object_set_new(pool, "scrub", scrub_json(&view->info.scrub));
		json_object_set_new(json_object_get(pool, "scrub"), "compare", compare_json(&view->compare));
	}
	return pool;
}

struct zone_search {
	json_t *pool;
	const char *node;
};

static bool zone_set(void *arg, const struct node_view *view)
{
	struct zone_search *search = arg;

	if (strcmp(view->name, search->node) != 0)
		return true;
	json_object_set_new(search->pool, "zone", json_string(view->zone));
	return false;
}

struct pool_list {
	struct volumes *volumes;
	json_t *pools;
};

/* A pool's zone is its node's; absent while the node isn't known. */
static bool pool_append(void *arg, const struct pool_view *view)
{
	struct pool_list *list = arg;
	struct zone_search search = { pool_view_json(view), view->node };

	volumes_each_node(list->volumes, zone_set, &search);
	json_array_append_new(list->pools, search.pool);
	return true;
}

void handle_pools(struct http_request *request, void *arg)
{
	struct admin *admin = arg;
	struct pool_list list = { admin->volumes, json_array() };

	volumes_each_pool(admin->volumes, pool_append, &list);
	http_respond_json(request, 200, answer_json("pools", list.pools));
}

struct pool_search {
	const char *name;
	json_t *found;
};

static bool pool_is_it(void *arg, const struct pool_view *view)
{
	struct pool_search *search = arg;

	if (!view->local || strcmp(view->name, search->name) != 0)
		return true;
	search->found = pool_view_json(view);
	return false;
}

static void on_added(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;
	struct admin *admin = http_request_arg(request);
	struct pool_search search = { 0 };
	struct error ignored;
	json_t *body;

	if (rc < 0 || !admin) {
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
		return;
	}
	rc = http_request_json(request, &body, &ignored);
	ASSERT(rc == 0); /* it was parsed before */
	search.name = json_string_value(json_object_get(body, "name"));
	volumes_each_pool(admin->volumes, pool_is_it, &search);
	/* Where the list doesn't show it yet, its name is all there is to tell. */
	http_respond_json(request, 201,
		answer_json("pool", search.found ? search.found : json_pack("{s:s}", "name", search.name)));
}

void handle_pool_add(struct http_request *request, void *arg)
{
	static const char *const known[] = { "name", "path", "tier", "force" };
	struct admin *admin = arg;
	const char *name, *path, *tier;
	bool force = false;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, sizeof(known) / sizeof(known[0]), &body, &error);

	if (rc == 0)
		rc = http_json_string(body, "name", true, NAME_MAX_LEN, &name, &error);
	if (rc == 0)
		rc = name_check("pool name", name, &error);
	if (rc == 0)
		rc = body_pool_path(body, &path, &error);
	if (rc == 0)
		rc = http_json_string(body, "tier", false, 16, &tier, &error);
	if (rc == 0)
		rc = http_json_flag(body, "force", &force, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_pool_add(admin->volumes, name, path, tier ? tier : "auto", force, on_added, request);
}
