/* VolumeDriver.Create and Remove. */
#include <errno.h>
#include <string.h>

#include "plugin/handlers.h"

/* "Opts": an object of strings, or null, or absent. Unknown keys and bad values are errors, never labels. */
static int options_read(const json_t *body, struct volume_options *options, struct error *error)
{
	json_t *opts = json_object_get(body, "Opts");
	const char *key;
	json_t *value;

	memset(options, 0, sizeof(*options));
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
	struct volume_options options;
	struct error error;
	const char *name;
	json_t *body;
	int rc;

	if (!request_name(request, &body, &name))
		return;
	rc = options_read(body, &options, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_create(plugin->volumes, name, &options, respond_done, request);
}

void handle_remove(struct http_request *request, void *arg)
{
	struct plugin *plugin = arg;
	const char *name;
	json_t *body;

	if (request_name(request, &body, &name))
		volumes_remove(plugin->volumes, name, respond_done, request);
}
