/* What all answers have in common. */
#include "admin/handlers.h"

#include <errno.h>

json_t *uuid_json(struct uuid uuid)
{
	char text[UUID_TEXT_LEN + 1];

	return json_string(uuid_format(uuid, text));
}

json_t *time_json(const char *text)
{
	return text[0] ? json_string(text) : json_null();
}

json_t *answer_json(const char *key, json_t *value)
{
	return json_pack("{s:i, s:o}", "version", 1, key, value);
}

void respond_lines(struct http_request *request, int rc, const struct error *error, const char *key,
	const char *const *lines, unsigned count)
{
	json_t *list;

	if (rc < 0) {
		http_respond_error(request, rc, error);
		return;
	}
	list = json_array();
	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, http_json_text(lines[i]));
	http_respond_json(request, 200, answer_json(key, list));
}

int body_pool_path(const json_t *body, const char **ret_path, struct error *error)
{
	int rc = http_json_string(
		body, "path", true, sizeof(((struct pool_view *)0)->path) - 1, ret_path, error);

	if (rc == 0 && (*ret_path)[0] != '/')
		rc = error_set(
			error, -EINVAL, "\"path\" must begin with /: the agent's directory isn't yours");
	return rc;
}

void respond_removed(struct http_request *request, unsigned param, int rc, const struct error *error)
{
	if (rc < 0)
		http_respond_error(request, rc, error);
	else
		http_respond_json(request, 200,
			answer_json("removed", http_json_text(http_request_param(request, param))));
}

int body_uuid(const json_t *body, const char *key, bool required, struct uuid *ret_uuid, struct error *error)
{
	const char *text;
	int rc = http_json_string(body, key, required, UUID_TEXT_LEN, &text, error);

	if (rc == 0 && text && uuid_parse(text, ret_uuid) != 0)
		rc = error_set(error, -EINVAL, "\"%s\": \"%s\" is no UUID", key, text);
	return rc;
}
