/* VolumeDriver.Create and Remove. */
#include <errno.h>

#include "plugin/handlers.h"

/*
 * "Opts": an object of strings, or null, or absent; beside those that stand in the name. Unknown keys and bad
 * values are errors, never labels; so is one that is given twice.
 */
static int options_read(const json_t *body, struct volume_options *options, struct error *error)
{
	json_t *opts = json_object_get(body, "Opts");
	const char *key;
	json_t *value;

	if (!opts || json_is_null(opts))
		return 0;
	if (!json_is_object(opts))
		return error_set(error, -EINVAL, "\"Opts\" must be an object of strings");
	json_object_foreach(opts, key, value)
	{
		int rc;

		if (!json_is_string(value))
			return error_set(error, -EINVAL, "option \"%.64s\" must be a string", key);
		rc = volume_options_set(options, key, json_string_value(value), error);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void handle_create(struct http_request *request, void *arg)
{
	struct plugin *plugin = arg;
	struct request_volume volume;
	struct error error;
	json_t *body;
	int rc;

	if (!request_name(request, &body, &volume))
		return;
	rc = options_read(body, &volume.options, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_create(plugin->volumes, volume.name, &volume.options, respond_done, request);
}

void handle_remove(struct http_request *request, void *arg)
{
	struct plugin *plugin = arg;
	struct request_volume volume;
	json_t *body;

	if (request_name(request, &body, &volume))
		volumes_remove(plugin->volumes, volume.name, respond_done, request);
}
