/* What all answers have in common. */
#include "admin/handlers.h"

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

void respond_removed(struct http_request *request, unsigned param, int rc, const struct error *error)
{
	if (rc < 0)
		http_respond_error(request, rc, error);
	else
		http_respond_json(request, 200,
			answer_json("removed", http_json_text(http_request_param(request, param))));
}
