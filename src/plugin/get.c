/*
 * VolumeDriver.Get, List and Path: from memory, where that has it. A volume that exists but is unwell is
 * never an Err, which dockerd would take for "does not exist" and forget its record: its state stands in
 * Status. A name with options in it that the volume wasn't made with is no name of it.
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

/* What is in view is told, whatever could not be read beside it. */
static int view_of(struct plugin *plugin, const struct request_volume *asked, int looked,
	const struct error *why, struct volume_view *ret_view, struct error *error)
{
	int rc = volume_look(plugin->volumes, asked->name, ret_view, error);

	if (rc != -ENOENT || looked == 0)
		return rc;
	*error = *why;
	return looked;
}

static void get_seen(void *arg, int looked, const struct error *why)
{
	struct http_request *request = arg;
	struct plugin *plugin = http_request_arg(request);
	struct volume_view view;
	struct error error;
	struct request_volume asked;
	json_t *body, *volume;
	int rc;

	if (!http_request_goes_on(request, 0, why) || !request_name(request, &body, &asked))
		return;
	rc = view_of(plugin, &asked, looked, why, &view, &error);
	/* dockerd asks for nothing else before it takes a name for a volume that is there: a name whose
	 * options are those of another is none. Its Create is refused then, with the reason. */
	if (rc == 0 && looked == 0)
		rc = volumes_options_check(plugin->volumes, asked.name, &asked.options, &error);
	if (rc < 0) {
		http_respond_error(request, rc, &error);
		return;
	}
	volume = volume_json(&view, asked.text);
	json_object_set_new(volume, "Status", status_of(&view));
	http_respond_json(request, 200, json_pack("{s:o, s:s}", "Volume", volume, "Err", ""));
}

static void path_seen(void *arg, int looked, const struct error *why)
{
	struct http_request *request = arg;
	struct plugin *plugin = http_request_arg(request);
	struct volume_view view;
	struct error error;
	struct request_volume asked;
	json_t *body;
	int rc;

	if (!http_request_goes_on(request, 0, why) || !request_name(request, &body, &asked))
		return;
	rc = view_of(plugin, &asked, looked, why, &view, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		http_respond_json(
			request, 200, json_pack("{s:s, s:s}", "Mountpoint", view.mountpoint, "Err", ""));
}

static void look(struct http_request *request, struct plugin *plugin, volumes_done_fn seen)
{
	struct request_volume asked;
	json_t *body;

	if (request_name(request, &body, &asked))
		volumes_look(plugin->volumes,
			&(struct volumes_look){ .volume = asked.name, .from = asked.options.from }, seen,
			request);
}

void handle_get(struct http_request *request, void *arg)
{
	look(request, arg, get_seen);
}

void handle_path(struct http_request *request, void *arg)
{
	look(request, arg, path_seen);
}

static bool list_add(void *arg, const struct volume_view *view)
{
	json_array_append_new(arg, volume_json(view, view->name));
	return true;
}

/* While the kvdb is away, those that this node knows of: an Err would hide them, too. */
static void list_seen(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;
	struct plugin *plugin = http_request_arg(request);
	json_t *list;

	(void)rc;
	if (!http_request_goes_on(request, 0, error))
		return;
	list = json_array();
	volumes_each_volume(plugin->volumes, list_add, list);
	http_respond_json(request, 200, json_pack("{s:o, s:s}", "Volumes", list, "Err", ""));
}

void handle_list(struct http_request *request, void *arg)
{
	struct plugin *plugin = arg;

	volumes_look(plugin->volumes, &(struct volumes_look){ .all = true }, list_seen, request);
}
