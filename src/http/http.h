/*
 * http: a small HTTP/1.1 server over libmicrohttpd, driven by the control thread's libuv loop: no threads of
 * its own, nothing that blocks. It holds what every server here needs in one place: limits, deadlines, JSON
 * in and out, and which errno becomes which status.
 *
 *     accepted --headers--> receiving --whole body--> handler --http_respond_*()--> sending --> closed
 *        |                     |                        |
 *        | receive_timeout_ms  | too large: 413         | the route's deadline: 504 (a later answer is
 * ignored)
 *        +-> 408, closed       +-> closed               +-> sending
 *
 * One request a connection ("Connection: close"): no keep-alive means no idle connection that is closed in a
 * client's face while it sends. Nothing of a request that is too large is kept.
 *
 * Thread rule: the loop's thread. Error rule: 0 or a negative errno, with words.
 */
#ifndef QUOIN_HTTP_H
#define QUOIN_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

struct uv_loop_s;

/* ---- listening sockets ---- */

struct http_listener {
	int fd;
	char path[UNIX_SOCKET_PATH_MAX]; /* of a unix socket, removed with the server; else empty */
};

/*
 * Listens on a unix socket; makes its parent directory (0755), removes a socket file that nobody listens on.
 * `group` (NULL: none) owns it where there is such a group, else root's. -EADDRINUSE: someone listens there;
 * -EEXIST: a file that is no socket; -ENAMETOOLONG.
 */
int http_listen_unix(const char *path, unsigned mode, const char *group, struct http_listener *ret_listener,
	struct error *error) MUST_CHECK;
/* "127.0.0.1:9742", "[::1]:9742"; port 0: any. -EINVAL for what is no address and port. */
int http_listen_tcp(const char *address, struct http_listener *ret_listener, struct error *error) MUST_CHECK;
/* Closes the socket and removes its file; for a listener that no server has taken over. */
void http_listener_close(struct http_listener *listener);

/* ---- server ---- */

struct http_server;
struct http_request;

struct http_route {
	const char *method;
	const char *path; /* segments by "/"; a segment that is a lone star matches any one */
	/*
	 * The body is complete. Ends in exactly one http_respond_*(), now or later; until then the request
	 * lives, even if its client is gone or its deadline over.
	 */
	void (*fn)(struct http_request *request, void *arg);
	uint32_t deadline_ms; /* then it is answered -ETIMEDOUT, whatever `fn` still waits for */
};

struct http_config {
	struct uv_loop_s *loop;
	const struct http_route *routes; /* borrowed, as are all strings */
	size_t route_count;
	void *arg;                /* the handlers' */
	const char *content_type; /* of JSON answers */
	/* The body of an error; new reference, NULL for want of memory. */
	json_t *(*error_body)(int rc, const char *text);
	unsigned error_status; /* of handlers' errors and missed deadlines; 0: by errno (http_status()) */
	uint32_t receive_timeout_ms; /* 0: 10 s; from accept to the end of the body */
	uint32_t deadline_max_ms;    /* 0: none; caps the routes' own */
	uint32_t connection_max;     /* 0: 128; further ones wait in the listen queue */
};

struct http_counters {
	uint64_t requests, refused_large, refused_slow, deadlines;
};

/* Takes the listener over, also on failure. */
int http_server_new(const struct http_config *config, struct http_listener *listener,
	struct http_server **ret_server, struct error *error) MUST_CHECK;
/*
 * Not from a handler. Stops listening and drops every connection; requests whose handlers still wait stay
 * until these answer. The server is gone when fn (may be NULL) runs, from the loop. NULL is fine: fn runs at
 * once.
 */
void http_server_close(struct http_server *server, void (*fn)(void *arg), void *arg);
const struct http_counters *http_server_counters(const struct http_server *server);
/* The port it listens on; 0 for a unix socket. */
uint16_t http_server_port(const struct http_server *server);

/* ---- requests: everything returned lives until the request is answered ---- */

/* The path's n-th `*`, decoded. */
const char *http_request_param(const struct http_request *request, unsigned index);
/* The value of ?key=, NULL where there is none; only in the handler itself. */
const char *http_request_query(const struct http_request *request, const char *key);
/*
 * The body as one JSON object (borrowed, parsed once). -EINVAL: no body, not JSON (says line and column) or
 * no object.
 */
int http_request_json(struct http_request *request, json_t **ret_body, struct error *error) MUST_CHECK;
/* The same; -EINVAL also where it has a key that isn't in `known`, naming it and the nearest known one. */
int http_request_fields(struct http_request *request, const char *const *known, size_t count,
	json_t **ret_body, struct error *error) MUST_CHECK;
bool http_request_has_body(const struct http_request *request);
/* The server's config.arg; NULL once the server is closed: what it points to may be gone. For late callbacks.
 */
void *http_request_arg(const struct http_request *request);
/* False once the deadline is over or the connection has ended: an answer would reach nobody. */
bool http_request_is_waiting(const struct http_request *request);

/* ---- answers: exactly one a request; the request is gone afterwards ---- */

/* Takes the reference to body; NULL (no memory left to build it) becomes a 500. */
void http_respond_json(struct http_request *request, unsigned status, json_t *body);
/* rc: a negative errno. */
void http_respond_error(struct http_request *request, int rc, const struct error *error);
/* For late callbacks: true where rc is 0 and the server is still there; else it is answered with the error.
 */
bool http_request_goes_on(struct http_request *request, int rc, const struct error *error);
/* `text` is malloc'd and taken over. */
void http_respond_text(struct http_request *request, unsigned status, const char *content_type, char *text,
	size_t len_bytes);

/* ---- errno, status, code: one table ---- */

/* The HTTP status of a negative errno (0: 200). */
unsigned http_status(int rc);
/* The stable word for it in an error's "code": "not-found", "in-use" … */
const char *http_error_code(int rc);

/* ---- JSON ---- */

/* A string for any text: what isn't valid UTF-8 becomes '?'. */
json_t *http_json_text(const char *text);
/*
 * The string at `key` of a request's object. Absent or null: *ret_text is NULL if !required, else -EINVAL.
 * -EINVAL for another type or more than max_len bytes.
 */
int http_json_string(const json_t *object, const char *key, bool required, size_t max_len,
	const char **ret_text, struct error *error) MUST_CHECK;
/* -EINVAL, naming key and the nearest known one, where the object has a key that isn't in `known`. */
int http_json_only(
	const json_t *object, const char *const *known, size_t count, struct error *error) MUST_CHECK;
/* The flag at `key`; absent: *flag stays. -EINVAL for another type. */
int http_json_flag(const json_t *object, const char *key, bool *flag, struct error *error) MUST_CHECK;

#endif
