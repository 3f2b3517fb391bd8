/* Answers: JSON, errors, text; in time or too late. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/server.h"

/* Makes `text` (malloc'd, taken over) the answer and lets the connection go on. */
static void answer_set(
	struct http_request *request, unsigned status, const char *content_type, char *text, size_t len_bytes)
{
	struct MHD_Response *response = NULL;

	ASSERT(!request->response);
	if (text)
		response = MHD_create_response_from_buffer(len_bytes, text, MHD_RESPMEM_MUST_FREE);
	if (text && !response)
		free(text);
	if (response) {
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	}
	/* Without memory for an answer the connection is closed. */
	request->response = response;
	request->status = status;
	request->answered = true;
	if (request->suspended) {
		request->suspended = false;
		MHD_resume_connection(request->connection);
		server_wake(request->server);
	}
}

static char *json_text(const json_t *body, size_t *ret_len_bytes)
{
	char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(9));
	size_t len;
	char *longer;

	if (!text)
		return NULL;
	len = strlen(text);
	longer = realloc(text, len + 2);
	if (!longer) {
		free(text);
		return NULL;
	}
	longer[len] = '\n';
	*ret_len_bytes = len + 1;
	return longer;
}

static void error_answer(struct http_request *request, unsigned status, int rc, const char *text)
{
	const struct http_config *config = &request->server->config;
	json_t *body = config->error_body(rc, text);
	size_t len = 0;
	char *json = body ? json_text(body, &len) : NULL;

	json_decref(body);
	answer_set(request, status, config->content_type, json, len);
}

void request_error_set(struct http_request *request, int rc, const char *text)
{
	unsigned status = request->server->config.error_status;

	error_answer(request, status ? status : http_status(rc), rc, text);
}

void request_refuse(struct http_request *request, int rc, const char *text)
{
	error_answer(request, http_status(rc), rc, text);
}

void http_respond_json(struct http_request *request, unsigned status, json_t *body)
{
	size_t len = 0;
	char *text;

	ASSERT(request->dispatched);
	if (http_request_is_waiting(request)) {
		text = body ? json_text(body, &len) : NULL;
		if (text)
			answer_set(request, status, request->server->config.content_type, text, len);
		else
			request_error_set(request, -ENOMEM, "no memory left for the answer");
	}
	json_decref(body);
	request_unref(request);
}

void http_respond_error(struct http_request *request, int rc, const struct error *error)
{
	ASSERT(request->dispatched && rc < 0);
	if (http_request_is_waiting(request))
		request_error_set(request, rc, error && error->text[0] ? error->text : strerror(-rc));
	request_unref(request);
}

void http_respond_text(
	struct http_request *request, unsigned status, const char *content_type, char *text, size_t len_bytes)
{
	ASSERT(request->dispatched);
	if (http_request_is_waiting(request))
		answer_set(request, status, content_type, text, len_bytes);
	else
		free(text);
	request_unref(request);
}

bool http_request_goes_on(struct http_request *request, int rc, const struct error *error)
{
	if (rc == 0 && request->server)
		return true;
	http_respond_error(request, rc < 0 ? rc : -ECANCELED, error);
	return false;
}
