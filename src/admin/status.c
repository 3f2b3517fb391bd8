/* GET /v1/status */
#include <errno.h>

#include "admin/handlers.h"

/* While the kvdb is away it is told nevertheless, with the volumes that this node knows of. */
static void status_seen(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;
	struct admin *admin = http_request_arg(request);
	struct cluster_view view;
	json_t *body;

	if (!http_request_goes_on(request, 0, error))
		return;
	volumes_cluster_view(admin->volumes, &view);
	body = json_pack("{s:i, s:s, s:o, s:s, s:b, s:o, s:s, s:i, s:i, s:i, s:i, s:b, s:I, s:I, s:{s:i, "
			 "s:i, s:i, s:i}}",
		"version", 1, "quoin_version", QUOIN_VERSION, "cluster", uuid_json(view.cluster), "node",
		view.node, "ready", (int)view.ready, "not_ready",
		view.ready ? json_null() : http_json_text(view.not_ready), "kvdb",
		view.kvdb_ok ? "ok" : "away", "nodes", (int)view.node_count, "nodes_up",
		(int)view.node_up_count, "pools", (int)view.pool_count, "volumes", (int)view.volume_count,
		"volumes_complete", (int)(rc == 0 && view.ready), "size_bytes", (json_int_t)view.size_bytes,
		"used_bytes", (json_int_t)view.used_bytes, "volume_states", "healthy",
		(int)view.healthy_count, "degraded", (int)view.degraded_count, "no-quorum",
		(int)view.no_quorum_count, "detached", (int)view.detached_count);
	http_respond_json(request, 200, body);
}

void handle_status(struct http_request *request, void *arg)
{
	struct admin *admin = arg;
	struct cluster_view view;

	volumes_cluster_view(admin->volumes, &view);
	if (view.kvdb_ok)
		all_volumes_look(request, status_seen);
	else
		status_seen(request, -EAGAIN, NULL);
}
