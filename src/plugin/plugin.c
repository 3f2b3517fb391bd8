/* The plugin's server: routes, deadlines, and what its handlers share. */
#include <errno.h>
#include <stdlib.h>

#include "plugin/handlers.h"

/* dockerd accepts any type; this is the one that it asks for. */
#define PLUGIN_CONTENT_TYPE "application/vnd.docker.plugins.v1.2+json"

/*
 * dockerd itself has no deadline: a call that isn't answered hangs `docker ps` for ever. Operations end by
 * themselves within 30 and 60 s, with better words; these are the backstop, a second behind them.
 */
#define FROM_MEMORY_MS 1000u
#define LOOK_MS        5000u  /* of a volume: volumes/look.h */
#define LIST_MS        13000u /* of all */
#define OPERATION_MS   31000u
#define MOUNT_MS       61000u /* longer than a failover */

static const struct http_route routes[] = {
	{ "POST", "/Plugin.Activate", handle_activate, FROM_MEMORY_MS },
	{ "POST", "/VolumeDriver.Capabilities", handle_capabilities, FROM_MEMORY_MS },
	{ "POST", "/VolumeDriver.Create", handle_create, OPERATION_MS },
	{ "POST", "/VolumeDriver.Remove", handle_remove, OPERATION_MS },
	{ "POST", "/VolumeDriver.Mount", handle_mount, MOUNT_MS },
	{ "POST", "/VolumeDriver.Unmount", handle_unmount, OPERATION_MS },
	{ "POST", "/VolumeDriver.Get", handle_get, LOOK_MS },
	{ "POST", "/VolumeDriver.List", handle_list, LIST_MS },
	{ "POST", "/VolumeDriver.Path", handle_path, LOOK_MS },
};

static json_t *error_body(int rc, const char *text)
{
	(void)rc;
	return json_pack("{s:o}", "Err", http_json_text(text));
}

bool request_name(struct http_request *request, json_t **ret_body, struct request_volume *ret_volume)
{
	struct error error;
	const char *text;
	json_t *body;
	int rc = http_request_json(request, &body, &error);

	if (rc == 0)
		rc = http_json_string(body, "Name", true, VOLUME_INLINE_MAX_LEN, &text, &error);
	if (rc == 0)
		rc = volume_name_parse(text, ret_volume->name, &ret_volume->options, &error);
	if (rc < 0) {
		http_respond_error(request, rc, &error);
		return false;
	}
	*ret_body = body;
	ret_volume->text = text;
	return true;
}

void respond_done(void *request, int rc, const struct error *error)
{
	if (rc < 0)
		http_respond_error(request, rc, error);
	else
		http_respond_json(request, 200, json_pack("{s:s}", "Err", ""));
}

int volume_look(struct volumes *volumes, const char *name, struct volume_view *ret_view, struct error *error)
{
	struct cluster_view cluster;
	int rc = volumes_volume_view(volumes, name, ret_view, error);

	if (rc != -ENOENT)
		return rc;
	volumes_cluster_view(volumes, &cluster);
	if (cluster.ready)
		return rc;
	return error_set(error, -EAGAIN, "volume %s: not known yet, this node is not ready: %s", name,
		cluster.not_ready);
}

int plugin_new(const struct plugin_config *config, struct plugin **ret_plugin, struct error *error)
{
	struct plugin *plugin = calloc(1, sizeof(*plugin));
	struct http_config http = {
		.loop = config->loop,
		.routes = routes,
		.route_count = sizeof(routes) / sizeof(routes[0]),
		.arg = plugin,
		.content_type = PLUGIN_CONTENT_TYPE,
		.error_body = error_body,
		.error_status = 500, /* what dockerd and its own helpers use; it shows Err either way */
		.receive_timeout_ms = config->receive_timeout_ms,
		.deadline_max_ms = config->deadline_max_ms,
	};
	struct http_listener listener;
	int rc;

	if (!plugin)
		return error_set(error, -ENOMEM, "no memory for the Docker plugin");
	plugin->volumes = config->volumes;
	rc = http_listen_unix(config->socket_path, 0600, NULL, &listener, error);
	if (rc == 0)
		rc = http_server_new(&http, &listener, &plugin->server, error);
	if (rc < 0) {
		free(plugin);
		return rc;
	}
	*ret_plugin = plugin;
	return 0;
}

static void on_closed(void *arg)
{
	struct plugin *plugin = arg;

	if (plugin->close_fn)
		plugin->close_fn(plugin->close_arg);
	free(plugin);
}

void plugin_close(struct plugin *plugin, void (*fn)(void *arg), void *arg)
{
	if (!plugin) {
		if (fn)
			fn(arg);
		return;
	}
	plugin->close_fn = fn;
	plugin->close_arg = arg;
	http_server_close(plugin->server, on_closed, plugin);
}

const struct http_counters *plugin_counters(const struct plugin *plugin)
{
	return http_server_counters(plugin->server);
}
