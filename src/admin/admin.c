/* The two servers of the admin side: routes, start, end. */
#include <errno.h>
#include <stdlib.h>

#include "admin/handlers.h"

/* Operations end by themselves within 30 and 60 s, with better words; these are the backstop. */
#define FROM_MEMORY_MS 1000u
#define LOOK_MS        5000u  /* of a volume: volumes/look.h */
#define LOOK_MANY_MS   13000u /* of many */
#define TRACE_MS       5000u
#define OPERATION_MS   31000u
#define ATTACH_MS      61000u

static const struct http_route routes[] = {
	{ "GET", "/v1/status", handle_status, LOOK_MANY_MS },
	{ "POST", "/v1/cluster/accept-restore", handle_cluster_accept_restore, ATTACH_MS },
	{ "GET", "/v1/nodes", handle_nodes, FROM_MEMORY_MS },
	{ "DELETE", "/v1/nodes/*", handle_node_remove, OPERATION_MS },
	{ "POST", "/v1/pools/remove", handle_pool_remove, OPERATION_MS },
	{ "POST", "/v1/pools/scrub", handle_pool_scrub, OPERATION_MS },
	{ "GET", "/v1/rebalance", handle_rebalance, LOOK_MANY_MS },
	{ "POST", "/v1/pools/wipe", handle_pool_wipe, OPERATION_MS },
	{ "POST", "/v1/drain", handle_drain, OPERATION_MS },
	{ "POST", "/v1/scan", handle_scan, OPERATION_MS },
	{ "GET", "/v1/pools", handle_pools, FROM_MEMORY_MS },
	{ "POST", "/v1/pools", handle_pool_add, OPERATION_MS },
	{ "GET", "/v1/pools/*", handle_pool, LOOK_MANY_MS },
	{ "GET", "/v1/pools/*/*", handle_node_pool, LOOK_MANY_MS },
	{ "GET", "/v1/volumes", handle_volumes, LOOK_MANY_MS },
	{ "POST", "/v1/volumes", handle_volume_create, OPERATION_MS },
	{ "GET", "/v1/volumes/*", handle_volume, LOOK_MS },
	{ "DELETE", "/v1/volumes/*", handle_volume_remove, OPERATION_MS },
	{ "POST", "/v1/volumes/*/attach", handle_volume_attach, ATTACH_MS },
	{ "POST", "/v1/volumes/*/serve-nbd", handle_volume_serve_nbd, ATTACH_MS },
	{ "POST", "/v1/volumes/*/detach", handle_volume_detach, OPERATION_MS },
	{ "POST", "/v1/volumes/*/begin-import", handle_import_begin, OPERATION_MS },
	{ "POST", "/v1/volumes/*/end-import", handle_import_end, OPERATION_MS },
	{ "POST", "/v1/volumes/*/move-replica", handle_volume_move_replica, OPERATION_MS },
	{ "POST", "/v1/volumes/*/set-sticky", handle_volume_set_sticky, OPERATION_MS },
	{ "POST", "/v1/volumes/*/set-limits", handle_volume_set_limits, OPERATION_MS },
	{ "POST", "/v1/volumes/*/resize", handle_volume_resize, OPERATION_MS },
	{ "POST", "/v1/volumes/*/set-replicas", handle_volume_set_replicas, OPERATION_MS },
	{ "POST", "/v1/volumes/*/cancel-change", handle_volume_cancel_change, OPERATION_MS },
	{ "GET", "/v1/volumes/*/snapshots", handle_snapshots, OPERATION_MS },
	{ "POST", "/v1/volumes/*/snapshots", handle_snapshot_create, OPERATION_MS },
	{ "DELETE", "/v1/volumes/*/snapshots/*", handle_snapshot_remove, OPERATION_MS },
	{ "POST", "/v1/volumes/*/snapshots/*/attach", handle_snapshot_attach, ATTACH_MS },
	{ "POST", "/v1/volumes/*/snapshots/*/serve-nbd", handle_snapshot_serve_nbd, ATTACH_MS },
	{ "POST", "/v1/volumes/*/snapshots/*/detach", handle_snapshot_detach, OPERATION_MS },
	{ "POST", "/v1/volumes/*/snapshots/*/rollback", handle_rollback, OPERATION_MS },
	{ "GET", "/v1/volumes/*/trace", handle_volume_trace, TRACE_MS },
	{ "GET", "/v1/classes", handle_classes, LOOK_MANY_MS },
	{ "POST", "/v1/classes", handle_classes_apply, OPERATION_MS },
	{ "GET", "/v1/classes/*", handle_class, LOOK_MANY_MS },
	{ "DELETE", "/v1/classes/*", handle_class_remove, OPERATION_MS },
	{ "POST", "/v1/classes/*/set", handle_class_set, OPERATION_MS },
	{ "POST", "/v1/classes/*/check", handle_class_check, OPERATION_MS },
	{ "POST", "/v1/place", handle_place, FROM_MEMORY_MS },
	{ "GET", "/v1/events", handle_events, FROM_MEMORY_MS },
};

static const struct http_route metrics_routes[] = {
	{ "GET", "/metrics", handle_metrics, FROM_MEMORY_MS },
};

static json_t *error_body(int rc, const char *text)
{
	return json_pack("{s:i, s:{s:s, s:o}}", "version", 1, "error", "code", http_error_code(rc), "message",
		http_json_text(text));
}

static int admin_serve(struct admin *admin, const struct admin_config *config, struct error *error)
{
	struct http_config http = {
		.loop = config->loop,
		.routes = routes,
		.route_count = sizeof(routes) / sizeof(routes[0]),
		.arg = admin,
		.content_type = "application/json",
		.error_body = error_body,
		.receive_timeout_ms = config->receive_timeout_ms,
	};
	struct http_listener listener, metrics_listener = { .fd = -1 };
	bool with_metrics = config->metrics_address && config->metrics_address[0];
	int rc = http_listen_unix(config->socket_path, 0660, ADMIN_GROUP, &listener, error);

	if (rc < 0)
		return rc;
	/* Both sockets first: an error after the first server is up would have to wait for its end. */
	if (with_metrics)
		rc = http_listen_tcp(config->metrics_address, &metrics_listener, error);
	if (rc < 0) {
		http_listener_close(&listener);
		return rc;
	}
	rc = http_server_new(&http, &listener, &admin->server, error);
	if (rc < 0 || !with_metrics) {
		http_listener_close(&metrics_listener);
		return rc;
	}
	http.routes = metrics_routes;
	http.route_count = sizeof(metrics_routes) / sizeof(metrics_routes[0]);
	return http_server_new(&http, &metrics_listener, &admin->metrics, error);
}

int admin_new(const struct admin_config *config, struct admin **ret_admin, struct error *error)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	int rc;

	if (!admin)
		return error_set(error, -ENOMEM, "no memory for the admin API");
	admin->volumes = config->volumes;
	rc = admin_serve(admin, config, error);
	if (rc < 0) {
		http_server_close(admin->server, NULL, NULL);
		free(admin);
		return rc;
	}
	*ret_admin = admin;
	return 0;
}

static void on_closed(void *arg)
{
	struct admin *admin = arg;

	if (--admin->closing > 0)
		return;
	if (admin->close_fn)
		admin->close_fn(admin->close_arg);
	free(admin);
}

void admin_close(struct admin *admin, void (*fn)(void *arg), void *arg)
{
	if (!admin) {
		if (fn)
			fn(arg);
		return;
	}
	admin->close_fn = fn;
	admin->close_arg = arg;
	admin->closing = 2;
	/* The first close is never the last: the handle of a server that doesn't exist is gone at once. */
	http_server_close(admin->metrics, on_closed, admin);
	http_server_close(admin->server, on_closed, admin);
}

uint16_t admin_metrics_port(const struct admin *admin)
{
	return admin->metrics ? http_server_port(admin->metrics) : 0;
}
