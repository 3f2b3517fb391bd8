/* GET /v1/rebalance: the moves that would make the pools even */
#include "admin/handlers.h"

struct moves {
	json_t *list;
	uint64_t bytes;
};

static void move_add(void *arg, const struct rebalance_view *view)
{
	struct moves *moves = arg;

	moves->bytes += view->bytes;
	json_array_append_new(
		moves->list, json_pack("{s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:I}", "volume", view->volume,
				     "from", "node", view->from_node, "pool", view->from_pool, "to", "node",
				     view->to_node, "pool", view->to_pool, "bytes", (json_int_t)view->bytes));
}

void handle_rebalance(struct http_request *request, void *arg)
{
	struct admin *admin = arg;
	struct moves moves = { json_array(), 0 };
	struct error error;
	int rc = volumes_rebalance(admin->volumes, move_add, &moves, &error);

	if (rc < 0) {
		json_decref(moves.list);
		http_respond_error(request, rc, &error);
		return;
	}
	http_respond_json(request, 200,
		json_pack("{s:i, s:o, s:I}", "version", 1, "moves", moves.list, "move_bytes",
			(json_int_t)moves.bytes));
}
