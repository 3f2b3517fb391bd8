/* VolumeDriver.Mount and Unmount. IDs are counted in volumes: `docker cp` mounts and unmounts with a
 * container's own. */
#include <errno.h>

#include "plugin/handlers.h"

#define ID_MAX_LEN 256u /* dockerd's are 64 hexadecimal digits */

static bool request_id(struct http_request *request, const json_t *body, const char **ret_id)
{
	struct error error;
	int rc = http_json_string(body, "ID", true, ID_MAX_LEN, ret_id, &error);

	if (rc == 0 && (*ret_id)[0] == '\0')
		rc = error_set(&error, -EINVAL, "\"ID\" is empty");
	if (rc < 0)
		http_respond_error(request, rc, &error);
	return rc == 0;
}

static const char *request_text(struct http_request *request, const char *key)
{
	struct error error;
	json_t *body;
	int rc = http_request_json(request, &body, &error);

	ASSERT(rc == 0); /* it was parsed before */
	return json_string_value(json_object_get(body, key));
}

/* The volume of a request that was read before. */
static void request_volume_name(struct http_request *request, char ret_name[static NAME_MAX_LEN + 1])
{
	struct volume_options ignored;
	struct error error;
	int rc = volume_name_parse(request_text(request, "Name"), ret_name, &ignored, &error);

	ASSERT(rc == 0);
}

static void on_given_back(void *arg, int rc, const struct error *error)
{
	(void)rc;
	(void)error;
	http_respond_json(arg, 200, NULL);
}

static void on_mounted(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;
	struct plugin *plugin = http_request_arg(request);
	char name[NAME_MAX_LEN + 1];
	struct volume_view view;
	struct error look;

	if (rc < 0 || !plugin) {
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
		return;
	}
	request_volume_name(request, name);
	if (!http_request_is_waiting(request)) {
		/* dockerd was told that it failed, and sends no Unmount for that: give the ID back in its
		 * place. */
		volumes_unmount(plugin->volumes, name, request_text(request, "ID"), on_given_back, request);
		return;
	}
	rc = volumes_volume_view(plugin->volumes, name, &view, &look);
	if (rc == 0 && view.mountpoint[0] == '\0')
		rc = error_set(&look, -EIO, "volume %s was mounted, but has gone again meanwhile", name);
	if (rc < 0)
		http_respond_error(request, rc, &look);
	else
		http_respond_json(
			request, 200, json_pack("{s:s, s:s}", "Mountpoint", view.mountpoint, "Err", ""));
}

void handle_mount(struct http_request *request, void *arg)
{
	struct plugin *plugin = arg;
	struct request_volume volume;
	const char *id;
	json_t *body;

	if (request_name(request, &body, &volume) && request_id(request, body, &id))
		volumes_mount(plugin->volumes, volume.name, id, on_mounted, request);
}

void handle_unmount(struct http_request *request, void *arg)
{
	struct plugin *plugin = arg;
	struct request_volume volume;
	const char *id;
	json_t *body;

	if (request_name(request, &body, &volume) && request_id(request, body, &id))
		volumes_unmount(plugin->volumes, volume.name, id, respond_done, request);
}
