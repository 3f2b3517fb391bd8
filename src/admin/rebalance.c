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
	json_array_append_new(moves->list,
		json_pack("{s:s, s:i, s:{s:s, s:s}, s:{s:s, s:s}, s:I}", "volume", view->volume, "shard",
			(int)view->shard, "from", "node", view->from_node, "pool", view->from_pool, "to",
			"node", view->to_node, "pool", view->to_pool, "bytes", (json_int_t)view->bytes));
}

static void rebalance_seen(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;
	struct admin *admin = http_request_arg(request);
	struct moves moves = { 0 };
	struct error why;

	if (!http_request_goes_on(request, rc, error))
		return;
	moves.list = json_array();
	rc = volumes_rebalance(admin->volumes, move_add, &moves, &why);
	if (rc < 0) {
		json_decref(moves.list);
		http_respond_error(request, rc, &why);
		return;
	}
	http_respond_json(request, 200,
		json_pack("{s:i, s:o, s:I}", "version", 1, "moves", moves.list, "move_bytes",
			(json_int_t)moves.bytes));
}

void handle_rebalance(struct http_request *request, void *arg)
{
	(void)arg;
	all_volumes_look(request, rebalance_seen);
}
