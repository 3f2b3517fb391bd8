/* GET /v1/nodes */
#include "admin/handlers.h"

static bool node_add(void *arg, const struct node_view *view)
{
	json_array_append_new(arg,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:i}", "name", view->name, "region",
			view->region, "zone", view->zone, "rack", view->rack, "host", view->host, "address",
			view->address, "state", view->state, "since", time_json(view->since), "local",
			(int)view->local, "pools", (int)view->pool_count));
	return true;
}

void handle_nodes(struct http_request *request, void *arg)
{
	struct admin *admin = arg;
	json_t *nodes = json_array();

	volumes_each_node(admin->volumes, node_add, nodes);
	http_respond_json(request, 200, answer_json("nodes", nodes));
}
