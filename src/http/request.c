/* One request: its route, its body, its life. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/server.h"

#define BODY_FIRST_BYTES 4096u

/* Matches the pattern's segments with the path's; params of earlier patterns are overwritten. */
static bool route_matches(
	const struct http_route *route, char *const *segments, unsigned count, struct http_request *request)
{
	const char *at = route->path;
	unsigned params = 0;

	for (unsigned i = 0; i < count; i++) {
		size_t len;

		if (*at != '/')
			return false;
		at++;
		len = strcspn(at, "/");
		if (len == 1 && *at == '*') {
			ASSERT(params < HTTP_MAX_PARAMS);
			request->params[params++] = segments[i];
		} else if (strlen(segments[i]) != len || memcmp(segments[i], at, len) != 0) {
			return false;
		}
		at += len;
	}
	request->param_count = params;
	return *at == '\0';
}

/* Cuts request->path at its slashes. Returns the number of segments; more than `max` match nothing. */
static unsigned path_cut(char *path, char **segments, unsigned max)
{
	unsigned count = 0;

	for (char *at = path; *at == '/' && count < max;) {
		*at++ = '\0';
		segments[count++] = at;
		at += strcspn(at, "/");
	}
	return count;
}

static void route_find(struct http_request *request)
{
	const struct http_config *config = &request->server->config;
	char *segments[8];
	unsigned count = path_cut(request->path, segments, 8);

	for (size_t i = 0; i < config->route_count; i++) {
		const struct http_route *route = &config->routes[i];

		if (!route_matches(route, segments, count, request))
			continue;
		request->path_known = true;
		if (strcmp(route->method, request->method) == 0) {
			request->route = route;
			return;
		}
	}
}

struct http_request *request_new(
	struct http_server *server, struct MHD_Connection *connection, const char *method, const char *path)
{
	struct http_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->path = strdup(path);
	if (!request->path) {
		free(request);
		return NULL;
	}
	request->server = server;
	request->connection = connection;
	request->refs = 1;
	snprintf(request->method, sizeof(request->method), "%s", method);
	list_push_back(&server->requests, &request->node);
	route_find(request);
	return request;
}

void request_unref(struct http_request *request)
{
	ASSERT(request->refs > 0);
	if (--request->refs > 0)
		return;
	list_remove(&request->node);
	if (request->response)
		MHD_destroy_response(request->response);
	json_decref(request->json);
	free(request->body);
	free(request->path);
	free(request);
}

int request_append(struct http_request *request, const char *data, size_t len_bytes)
{
	size_t need = request->body_bytes + len_bytes;

	if (need > HTTP_MAX_BODY_BYTES)
		return -EMSGSIZE;
	if (need > request->body_capacity) {
		size_t capacity = request->body_capacity ? request->body_capacity : BODY_FIRST_BYTES;
		char *body;

		while (capacity < need)
			capacity *= 2;
		body = realloc(request->body, capacity);
		if (!body)
			return -ENOMEM;
		request->body = body;
		request->body_capacity = capacity;
	}
	memcpy(request->body + request->body_bytes, data, len_bytes);
	request->body_bytes = need;
	return 0;
}

void request_dispatch(struct http_request *request)
{
	struct http_server *server = request->server;
	struct error error;
	int rc;

	ASSERT(!request->dispatched);
	request->dispatched = true;
	server->counters.requests++;
	if (!request->route) {
		rc = request->path_known
			     ? error_set(
				       &error, -EOPNOTSUPP, "method %s is not for this path", request->method)
			     : error_set(&error, -ENOENT, "no such path (method %s)", request->method);
		request_refuse(request, rc, error.text);
		return;
	}
	request->timeout_ms = request->route->deadline_ms;
	if (server->config.deadline_max_ms && server->config.deadline_max_ms < request->timeout_ms)
		request->timeout_ms = server->config.deadline_max_ms;
	request->deadline_ms = uv_now(server->config.loop) + request->timeout_ms;
	request->refs++;
	request->route->fn(request, server->config.arg);
}

void request_expire(struct http_request *request)
{
	struct error error;

	ASSERT(request->dispatched && !request->expired && !request->response);
	request->expired = true;
	request->server->counters.deadlines++;
	(void)error_set(&error, -ETIMEDOUT,
		"no answer within %u ms; what was asked may still be done: look again", request->timeout_ms);
	request_error_set(request, -ETIMEDOUT, error.text);
}

const char *http_request_param(const struct http_request *request, unsigned index)
{
	ASSERT(index < request->param_count);
	return request->params[index];
}

const char *http_request_query(const struct http_request *request, const char *key)
{
	if (!request->connection)
		return NULL;
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, key);
}

bool http_request_has_body(const struct http_request *request)
{
	return request->body_bytes > 0;
}

int http_request_json(struct http_request *request, json_t **ret_body, struct error *error)
{
	json_error_t where;

	if (request->json) {
		*ret_body = request->json;
		return 0;
	}
	if (request->body_bytes == 0)
		return error_set(error, -EINVAL, "the request has no body; a JSON object is expected");
	request->json = json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, &where);
	if (!request->json) {
		return error_set(error, -EINVAL, "the request is not valid JSON: line %d, column %d: %s",
			where.line, where.column, where.text);
	}
	if (!json_is_object(request->json)) {
		json_decref(request->json);
		request->json = NULL;
		return error_set(error, -EINVAL, "the request is JSON, but not an object");
	}
	*ret_body = request->json;
	return 0;
}

void *http_request_arg(const struct http_request *request)
{
	return request->server ? request->server->config.arg : NULL;
}

bool http_request_is_waiting(const struct http_request *request)
{
	return !request->expired && request->connection && request->server;
}
