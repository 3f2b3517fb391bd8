/* JSON in and out: strings that are safe to send, fields of a request that are safe to use. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

json_t *http_json_text(const char *text)
{
	json_t *value = json_string(text);
	char *copy;

	if (value)
		return value;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *at = copy; *at; at++) {
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	}
	value = json_string(copy);
	free(copy);
	return value;
}

int http_json_string(const json_t *object, const char *key, bool required, size_t max_len,
	const char **ret_text, struct error *error)
{
	json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value)) {
		if (required)
			return error_set(error, -EINVAL, "\"%s\" is missing from the request", key);
		*ret_text = NULL;
		return 0;
	}
	if (!json_is_string(value))
		return error_set(error, -EINVAL, "\"%s\" must be a string", key);
	if (json_string_length(value) > max_len) {
		return error_set(error, -EINVAL, "\"%s\" is %zu bytes long; at most %zu are allowed", key,
			json_string_length(value), max_len);
	}
	*ret_text = json_string_value(value);
	return 0;
}

int http_json_only(const json_t *object, const char *const *known, size_t count, struct error *error)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		const char *nearest;
		bool found = false;

		for (size_t i = 0; i < count && !found; i++)
			found = strcmp(known[i], key) == 0;
		if (found)
			continue;
		nearest = name_nearest(key, known, count);
		if (nearest)
			return error_set(error, -EINVAL, "unknown field \"%.64s\"; did you mean \"%s\"?", key,
				nearest);
		return error_set(error, -EINVAL, "unknown field \"%.64s\"", key);
	}
	return 0;
}

int http_request_fields(struct http_request *request, const char *const *known, size_t count,
	json_t **ret_body, struct error *error)
{
	int rc = http_request_json(request, ret_body, error);

	return rc ? rc : http_json_only(*ret_body, known, count, error);
}

int http_json_flag(const json_t *object, const char *key, bool *flag, struct error *error)
{
	const json_t *value = json_object_get(object, key);

	if (value && !json_is_boolean(value))
		return error_set(error, -EINVAL, "\"%s\" must be true or false", key);
	if (value)
		*flag = json_is_true(value);
	return 0;
}
