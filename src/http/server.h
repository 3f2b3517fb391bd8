/* Private to http: what server.c, request.c and respond.c share. */
#ifndef QUOIN_HTTP_SERVER_H
#define QUOIN_HTTP_SERVER_H

#include <microhttpd.h>
#include <uv.h>

#include "http/http.h"

#define HTTP_RECEIVE_TIMEOUT_MS 10000u
#define HTTP_CONNECTION_MAX     128u
#define HTTP_HEADERS_MAX_BYTES  (32u * 1024)
#define HTTP_MAX_PARAMS         4u

struct http_server {
	struct http_config config;
	struct http_listener listener;
	struct MHD_Daemon *daemon;
	uv_poll_t poll; /* on the daemon's epoll descriptor */
	uv_timer_t timer;
	unsigned handles; /* that uv still holds */
	struct list conns;
	struct list requests;
	struct http_counters counters;
	bool place_free; /* a connection has ended in this turn */
	bool closing;
	void (*close_fn)(void *arg);
	void *close_arg;
};

/* One accepted connection. */
struct http_conn {
	struct list node;
	struct http_server *server;
	int fd;
	bool received;     /* its request is complete */
	uint64_t until_ms; /* by then it must be */
};

struct http_request {
	struct list node;                  /* server->requests, while `server` is set */
	struct http_server *server;        /* NULL: closed meanwhile */
	struct MHD_Connection *connection; /* NULL: gone */
	const struct http_route *route;    /* NULL: none matches */
	bool path_known;                   /* with another method */
	unsigned refs;                     /* the connection's, the handler's */
	bool dispatched, suspended, expired, answered;
	uint32_t timeout_ms; /* of this call */
	uint64_t deadline_ms;
	struct MHD_Response *response;
	unsigned status;
	char *path; /* params point into it */
	char method[16];
	const char *params[HTTP_MAX_PARAMS];
	unsigned param_count;
	char *body;
	size_t body_bytes, body_capacity;
	json_t *json;
};

/* request.c */
struct http_request *request_new(
	struct http_server *server, struct MHD_Connection *connection, const char *method, const char *path);
void request_unref(struct http_request *request);
/* -EMSGSIZE, -ENOMEM. */
int request_append(struct http_request *request, const char *data, size_t len_bytes) MUST_CHECK;
/* Calls the handler, or answers 404 or 405. */
void request_dispatch(struct http_request *request);
/* The deadline is over: answers in the handler's place. */
void request_expire(struct http_request *request);

/* respond.c: makes the answer of an error: a handler's, or one of HTTP itself, whose status nobody may
 * choose. */
void request_error_set(struct http_request *request, int rc, const char *text);
void request_refuse(struct http_request *request, int rc, const char *text);

/* server.c: the daemon has something to do. */
void server_wake(struct http_server *server);

#endif
