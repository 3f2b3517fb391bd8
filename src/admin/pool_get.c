/* GET /v1/pools/POOL and /v1/pools/NODE/POOL */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"

#define EVENTS_TOLD 20u

/* Its own node alone knows: null elsewhere. used + free + freeing + pending = size. */
static json_t *room_json(const struct pool_view *view)
{
	const struct pool_info *info = &view->info;

	if (!view->local || strcmp(view->state, "ok") != 0)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "free_bytes", (json_int_t)info->free_bytes,
		"freeing_bytes", (json_int_t)info->freeing_bytes, "pending_bytes",
		(json_int_t)(info->size_bytes - info->used_bytes - info->free_bytes - info->freeing_bytes),
		"reserve_bytes", (json_int_t)info->reserve_bytes, "kept_bytes", (json_int_t)info->thick_bytes,
		"merging_bytes", (json_int_t)info->merging_bytes, "unowned_bytes",
		(json_int_t)info->unowned_bytes);
}

/* Their cache in memory; null elsewhere. */
static json_t *checksums_json(const struct pool_view *view)
{
	const struct pool_checksums_info *sums = &view->checksums;

	if (!view->local || strcmp(view->state, "ok") != 0)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "memory_bytes", (json_int_t)sums->bytes, "limit_bytes",
		(json_int_t)sums->limit, "pages_read", (json_int_t)sums->misses, "pages_to_write",
		(json_int_t)sums->waiting, "lost", (json_int_t)sums->lost);
}

static json_t *measured_json(const struct pool_view *view)
{
	const struct measurement *m = &view->figures;
	char when[TIME_TEXT_LEN + 1];

	if (m->wall_ns == 0)
		return json_null();
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "when", time_format(m->wall_ns, when),
		"read_p50_us", (json_int_t)m->read_p50_us, "read_p99_us", (json_int_t)m->read_p99_us,
		"write_p50_us", (json_int_t)m->write_p50_us, "write_p99_us", (json_int_t)m->write_p99_us,
		"read_mib_per_s", (json_int_t)m->read_mib_s, "write_mib_per_s", (json_int_t)m->write_mib_s,
		"read_iops", (json_int_t)m->read_iops);
}

static void replica_add(void *arg, const struct pool_replica_view *view)
{
	json_t *replica = json_pack("{s:o, s:s, s:s, s:s, s:o}", "uuid", uuid_json(view->replica), "volume",
		view->volume, "role", view->view->role, "state", view->view->state, "size_bytes",
		view->size_bytes ? json_integer((json_int_t)view->size_bytes) : json_null());

	usage_put(replica, &view->view->usage);
	json_array_append_new(arg, replica);
}

struct event_search {
	const char *pool;
	json_t *events;
};

static bool event_keep(void *arg, const struct event_view *view)
{
	struct event_search *search = arg;

	if (strcmp(view->subject, search->pool) != 0 || strncmp(view->kind, "pool-", 5) != 0)
		return true;
	if (json_array_size(search->events) == EVENTS_TOLD)
		json_array_remove(search->events, 0);
	json_array_append_new(search->events, event_json(view));
	return true;
}

struct asked {
	struct http_request *request;
	char text[2 * NAME_MAX_LEN + 2]; /* "POOL" or "NODE/POOL" */
};

/* The volumes of its node are in view. */
static void pool_answer(struct http_request *request, struct admin *admin, const char *text)
{
	json_t *pool, *replicas;
	struct event_search search = { 0 };
	struct pool_view view;
	struct error error;
	int rc = volumes_pool_view(admin->volumes, text, &view, &error);

	if (rc < 0) {
		http_respond_error(request, rc, &error);
		return;
	}
	replicas = json_array();
	pool = pool_view_json(&view);
	json_object_set_new(pool, "geometry",
		json_pack("{s:I, s:I}", "grain_bytes", (json_int_t)GRAIN_BYTES, "grains",
			(json_int_t)(view.size_bytes / GRAIN_BYTES)));
	json_object_set_new(pool, "room", room_json(&view));
	json_object_set_new(pool, "checksums", checksums_json(&view));
	json_object_set_new(pool, "measured", measured_json(&view));
	volumes_each_pool_replica(admin->volumes, view.pool, replica_add, replicas);
	json_object_set_new(pool, "replica_list", replicas);
	search = (struct event_search){ view.name, json_array() };
	/* The events of a node are its own alone. */
	if (view.local)
		volumes_each_event(admin->volumes, 0, event_keep, &search);
	json_object_set_new(pool, "events", search.events);
	http_respond_json(request, 200, answer_json("pool", pool));
}

static void pool_seen(void *arg, int rc, const struct error *error)
{
	struct asked *asked = arg;

	if (http_request_goes_on(asked->request, rc, error))
		pool_answer(asked->request, http_request_arg(asked->request), asked->text);
	free(asked);
}

static void pool_look(struct http_request *request, struct admin *admin, const char *node, const char *pool)
{
	struct asked *asked = malloc(sizeof(*asked));
	struct pool_view view;
	struct error error;
	int rc;

	ASSERT(asked); /* as the JSON library does */
	asked->request = request;
	snprintf(asked->text, sizeof(asked->text), "%.*s%s%.*s", NAME_MAX_LEN, node, node[0] ? "/" : "",
		NAME_MAX_LEN, pool);
	rc = volumes_pool_view(admin->volumes, asked->text, &view, &error);
	if (rc == 0) {
		volumes_look(admin->volumes, &(struct volumes_look){ .node = view.node }, pool_seen, asked);
		return;
	}
	free(asked);
	http_respond_error(request, rc, &error);
}

void handle_pool(struct http_request *request, void *arg)
{
	pool_look(request, arg, "", http_request_param(request, 0));
}

void handle_node_pool(struct http_request *request, void *arg)
{
	pool_look(request, arg, http_request_param(request, 0), http_request_param(request, 1));
}
