/*
 * VolumeDriver.Get, List and Path: from memory. A volume that exists but is unwell is never an Err, which
 * dockerd would take for "does not exist" and forget its record: its state stands in Status. A name with
 * options in it that the volume wasn't made with is no name of it.
 */
#include <errno.h>

#include "plugin/handlers.h"

static json_t *zones_of(const struct volume_view *view)
{
	json_t *zones = json_array();

	for (unsigned i = 0; i < view->replica_count; i++)
		json_array_append_new(zones, json_string(view->replicas[i].zone));
	return zones;
}

static json_t *status_of(const struct volume_view *view)
{
	char size[SIZE_TEXT_LEN + 1];
	json_t *status =
		json_pack("{s:s, s:I, s:s, s:s, s:i, s:o, s:s}", "size", size_format(view->size_bytes, size),
			"size_bytes", (json_int_t)view->size_bytes, "class", view->class_name, "fs", view->fs,
			"replicas", (int)view->replica_count, "zones", zones_of(view), "state", view->state);

	if (view->attached_node[0]) {
		json_object_set_new(status, "attached_node", json_string(view->attached_node));
		json_object_set_new(status, "attached_since", json_string(view->attached_since));
	}
	return status;
}

/* `name`: as dockerd asked for it, which may have options in it; it keeps its records by that. */
static json_t *volume_json(const struct volume_view *view, const char *name)
{
	json_t *volume = json_pack("{s:s, s:s}", "Name", name, "Mountpoint", view->mountpoint);

	/* Absent or RFC 3339: anything else makes dockerd say that there is no such volume. */
	if (view->created[0])
		json_object_set_new(volume, "CreatedAt", json_string(view->created));
	return volume;
}

void handle_get(struct http_request *request, void *arg)
{
	struct plugin *plugin = arg;
	struct volume_view view;
	struct error error;
	struct request_volume asked;
	json_t *body, *volume;
	int rc;

	if (!request_name(request, &body, &asked))
		return;
	rc = volume_look(plugin->volumes, asked.name, &view, &error);
	/* dockerd asks for nothing else before it takes a name for a volume that is there: a name whose
	 * options are those of another is none. Its Create is refused then, with the reason. */
	if (rc == 0)
		rc = volumes_options_check(plugin->volumes, asked.name, &asked.options, &error);
	if (rc < 0) {
		http_respond_error(request, rc, &error);
		return;
	}
	volume = volume_json(&view, asked.text);
	json_object_set_new(volume, "Status", status_of(&view));
	http_respond_json(request, 200, json_pack("{s:o, s:s}", "Volume", volume, "Err", ""));
}

static bool list_add(void *arg, const struct volume_view *view)
{
	json_array_append_new(arg, volume_json(view, view->name));
	return true;
}

void handle_list(struct http_request *request, void *arg)
{
	struct plugin *plugin = arg;
	json_t *list = json_array();

	volumes_each_volume(plugin->volumes, list_add, list);
	http_respond_json(request, 200, json_pack("{s:o, s:s}", "Volumes", list, "Err", ""));
}

void handle_path(struct http_request *request, void *arg)
{
	struct plugin *plugin = arg;
	struct volume_view view;
	struct error error;
	struct request_volume asked;
	json_t *body;
	int rc;

	if (!request_name(request, &body, &asked))
		return;
	rc = volume_look(plugin->volumes, asked.name, &view, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		http_respond_json(
			request, 200, json_pack("{s:s, s:s}", "Mountpoint", view.mountpoint, "Err", ""));
}
