/* GET /v1/nodes */
#include "admin/handlers.h"

static json_t *labels_json(const struct node_view *view)
{
	json_t *labels = json_object();

	for (unsigned i = 0; i < view->label_count; i++)
		json_object_set_new(labels, view->labels[i].name, http_json_text(view->labels[i].value));
	return labels;
}

/* Views of what isn't in the catalog have no sources. */
static const char *source_of(const char *from)
{
	return from ? from : "none";
}

static bool node_add(void *arg, const struct node_view *view)
{
	json_t *node = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:i}", "name", view->name,
		"region", view->region, "zone", view->zone, "rack", view->rack, "host", view->host, "address",
		view->address, "state", view->state, "since", time_json(view->since), "local",
		(int)view->local, "pools", (int)view->pool_count);

	json_object_set_new(node, "from",
		json_pack("{s:s, s:s, s:s, s:s}", "region", source_of(view->region_from), "zone",
			source_of(view->zone_from), "rack", source_of(view->rack_from), "host",
			source_of(view->host_from)));
	json_object_set_new(node, "labels", labels_json(view));
	json_object_set_new(node, "pools_draining", json_integer(view->draining_count));
	json_object_set_new(node, "cores", json_integer(view->cores));
	json_object_set_new(node, "memory_bytes", json_integer((json_int_t)view->memory_bytes));
	json_object_set_new(node, "link_mbit_per_s", json_integer(view->link_mbit_s));
	json_array_append_new(arg, node);
	return true;
}

void handle_nodes(struct http_request *request, void *arg)
{
	struct admin *admin = arg;
	json_t *nodes = json_array();

	volumes_each_node(admin->volumes, node_add, nodes);
	http_respond_json(request, 200, answer_json("nodes", nodes));
}
