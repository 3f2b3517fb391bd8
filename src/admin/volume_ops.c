/* POST /v1/volumes, DELETE /v1/volumes/NAME, POST /v1/volumes/NAME/attach and detach */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"

/* "size": "10G", "class": "default", "replicas": 3 or "3", "fs": "ext4" */
int options_json_read(const json_t *body, struct volume_options *options, struct error *error)
{
	memset(options, 0, sizeof(*options));
	for (unsigned i = 0; i < VOLUME_OPTIONS_COUNT; i++) {
		const char *key = volume_option_names[i];
		json_t *value = json_object_get(body, key);
		char number[24];
		const char *text;
		int rc;

		if (!value || json_is_null(value))
			continue;
		if (json_is_integer(value)) {
			snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
			text = number;
		} else if (json_is_string(value)) {
			text = json_string_value(value);
		} else {
			return error_set(error, -EINVAL, "\"%s\" must be a string", key);
		}
		rc = volume_options_set(options, key, text, error);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void on_created(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;
	struct error ignored;
	json_t *body;

	if (rc < 0 || !http_request_is_waiting(request)) {
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
		return;
	}
	rc = http_request_json(request, &body, &ignored);
	ASSERT(rc == 0); /* it was parsed before */
	respond_volume(request, 201, json_string_value(json_object_get(body, "name")));
}

void handle_volume_create(struct http_request *request, void *arg)
{
	const char *known[VOLUME_OPTIONS_COUNT + 2] = { "name", "import" };
	struct admin *admin = arg;
	struct volume_options options;
	struct error error;
	const char *name;
	json_t *body;
	int rc;

	memcpy(known + 2, volume_option_names, sizeof(volume_option_names));
	rc = http_request_fields(request, known, VOLUME_OPTIONS_COUNT + 2, &body, &error);
	if (rc == 0)
		rc = http_json_string(body, "name", true, NAME_MAX_LEN, &name, &error);
	if (rc == 0)
		rc = name_check("volume name", name, &error);
	if (rc == 0)
		rc = options_json_read(body, &options, &error);
	if (rc == 0)
		rc = body_uuid(body, "import", false, &options.import, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_create(admin->volumes, name, &options, on_created, request);
}

void on_volume_changed(void *arg, int rc, const struct error *error)
{
	struct http_request *request = arg;

	if (rc < 0 || !http_request_is_waiting(request))
		http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
	else
		respond_volume(request, 200, http_request_param(request, 0));
}

static void on_removed(void *arg, int rc, const struct error *error)
{
	respond_removed(arg, 0, rc, error);
}

void handle_volume_remove(struct http_request *request, void *arg)
{
	struct admin *admin = arg;

	volumes_remove(admin->volumes, http_request_param(request, 0), on_removed, request);
}

void handle_volume_attach(struct http_request *request, void *arg)
{
	static const char *const known[] = { "force" };
	struct admin *admin = arg;
	struct error error;
	bool force = false;
	json_t *body;
	int rc = 0;

	/* The body may be left out. */
	if (http_request_has_body(request)) {
		rc = http_request_fields(request, known, 1, &body, &error);
		if (rc == 0)
			rc = http_json_flag(body, "force", &force, &error);
	}
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_attach(
			admin->volumes, http_request_param(request, 0), force, on_volume_changed, request);
}

void handle_volume_detach(struct http_request *request, void *arg)
{
	struct admin *admin = arg;

	volumes_detach(admin->volumes, http_request_param(request, 0), on_volume_changed, request);
}

/* "from": "b", "to": "d/p"; each a node's or pool's name or both, "to" may be left out */
void handle_volume_move_replica(struct http_request *request, void *arg)
{
	static const char *const known[] = { "from", "to" };
	struct admin *admin = arg;
	const char *from, *to = NULL;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, 2, &body, &error);

	if (rc == 0)
		rc = http_json_string(body, "from", true, VOLUMES_FROM_LEN, &from, &error);
	if (rc == 0)
		rc = http_json_string(body, "to", false, 2 * NAME_MAX_LEN + 1, &to, &error);
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_move_replica(
			admin->volumes, http_request_param(request, 0), from, to, on_volume_changed, request);
}

/* "replicas": 3 or "3" */
void handle_volume_set_replicas(struct http_request *request, void *arg)
{
	static const char *const known[] = { "replicas" };
	struct volume_options options;
	struct admin *admin = arg;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, 1, &body, &error);

	if (rc == 0)
		rc = options_json_read(body, &options, &error);
	if (rc == 0 && options.replicas == 0)
		rc = error_set(&error, -EINVAL, "\"replicas\" is missing");
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_set_replicas(admin->volumes, http_request_param(request, 0), options.replicas,
			on_volume_changed, request);
}

/* A number that isn't negative, or text: digits; for bytes a size, or 0. */
static int limit_read(
	json_t *body, const char *key, bool is_size, bool *ret_has, uint64_t *ret, struct error *error)
{
	json_t *value = json_object_get(body, key);
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	*ret_has = true;
	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*ret = (uint64_t)json_integer_value(value);
		return 0;
	}
	if (text && is_size && strcmp(text, "0") != 0)
		return size_parse(text, ret, error);
	if (!text || count_parse(text, ret) != 0)
		return error_set(error, -EINVAL, "\"%s\" must be a number from 0 to 999999999%s", key,
			is_size ? " or a size" : "");
	return 0;
}

/* "iops": 500, "bandwidth": "100M" or 104857600; each may be left out; 0: no limit */
void handle_volume_set_limits(struct http_request *request, void *arg)
{
	static const char *const known[] = { "iops", "bandwidth" };
	struct volume_limits_wish wish = { 0 };
	struct admin *admin = arg;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, 2, &body, &error);

	if (rc == 0)
		rc = limit_read(body, "iops", false, &wish.has_iops, &wish.iops, &error);
	if (rc == 0)
		rc = limit_read(body, "bandwidth", true, &wish.has_bytes_per_s, &wish.bytes_per_s, &error);
	if (rc == 0 && !wish.has_iops && !wish.has_bytes_per_s)
		rc = error_set(&error, -EINVAL, "neither \"iops\" nor \"bandwidth\" is given");
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_set_limits(
			admin->volumes, http_request_param(request, 0), &wish, on_volume_changed, request);
}

/* "size": "20G" */
void handle_volume_resize(struct http_request *request, void *arg)
{
	static const char *const known[] = { "size" };
	struct volume_options options;
	struct admin *admin = arg;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, 1, &body, &error);

	if (rc == 0)
		rc = options_json_read(body, &options, &error);
	if (rc == 0 && options.size_bytes == 0)
		rc = error_set(&error, -EINVAL, "\"size\" is missing");
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_resize(admin->volumes, http_request_param(request, 0), options.size_bytes,
			on_volume_changed, request);
}

/* "sticky": "yes" or "no" */
void handle_volume_set_sticky(struct http_request *request, void *arg)
{
	static const char *const known[] = { "sticky" };
	struct volume_options options;
	struct admin *admin = arg;
	struct error error;
	json_t *body;
	int rc = http_request_fields(request, known, 1, &body, &error);

	if (rc == 0)
		rc = options_json_read(body, &options, &error);
	if (rc == 0 && !options.sticky_given)
		rc = error_set(&error, -EINVAL, "\"sticky\" is missing");
	if (rc < 0)
		http_respond_error(request, rc, &error);
	else
		volumes_set_sticky(admin->volumes, http_request_param(request, 0), options.sticky,
			on_volume_changed, request);
}

void handle_volume_cancel_change(struct http_request *request, void *arg)
{
	struct admin *admin = arg;

	volumes_cancel_change(admin->volumes, http_request_param(request, 0), on_volume_changed, request);
}
