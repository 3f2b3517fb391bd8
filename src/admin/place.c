/* POST /v1/place: the options of a volume, and where it would go. Nothing is made. */
#include "admin/handlers.h"

static json_t *pool_json(const struct place_pool_view *view)
{
	return json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:o, s:I, s:I, s:I, s:I, s:i}", "uuid",
		uuid_json(view->pool), "pool", view->name, "node", view->node, "zone", view->zone, "rack",
		view->rack, "tier", view->tier, "taken", (int)view->taken, "verdict", view->verdict, "why",
		http_json_text(view->why), "size_bytes", (json_int_t)view->size_bytes, "used_bytes",
		(json_int_t)view->used_bytes, "provisioned_bytes", (json_int_t)view->provisioned_bytes,
		"limit_bytes", (json_int_t)view->limit_bytes, "load_percent", (int)view->load_percent);
}

static json_t *place_json(const struct place_view *view)
{
	json_t *pools = json_array();

	for (size_t i = 0; i < view->pool_count; i++)
		json_array_append_new(pools, pool_json(&view->pools[i]));
	return json_pack("{s:b, s:s, s:I, s:i, s:i, s:s, s:b, s:o, s:o, s:o}", "found", (int)view->found,
		"class", view->class_name, "size_bytes", (json_int_t)view->size_bytes, "replicas",
		(int)view->replicas, "shards", (int)view->shard_count, "spread", view->spread, "relaxed",
		(int)view->relaxed, "why_not", view->found ? json_null() : http_json_text(view->why_not),
		"would_help", view->found ? json_null() : http_json_text(view->advice), "pools", pools);
}

void handle_place(struct http_request *request, void *arg)
{
	struct admin *admin = arg;
	struct volume_options options;
	struct place_view view;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, volume_option_names, VOLUME_OPTIONS_COUNT, &body, &error);

	if (rc == 0)
		rc = options_json_read(body, &options, &error);
	if (rc == 0)
		rc = volumes_place(admin->volumes, &options, &view, &error);
	if (rc < 0) {
		http_respond_error(request, rc, &error);
		return;
	}
	http_respond_json(request, 200, answer_json("place", place_json(&view)));
	place_view_done(&view);
}
