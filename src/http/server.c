/* libmicrohttpd on the libuv loop: its epoll descriptor is polled, one timer serves its timeouts and our
 * deadlines. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/server.h"

/* For a client whose request is not going to be complete: libmicrohttpd answers only complete ones. */
static const char answer_large[] =
	"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
static const char answer_slow[] =
	"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

static void raw_answer(int fd, const char *text, size_t len_bytes)
{
	/* Best effort, on a connection that is closed next. */
	(void)!send(fd, text, len_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static struct http_conn *conn_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct http_server *server = cls;
	const union MHD_ConnectionInfo *info;
	struct http_conn *conn;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		conn = *socket_context;
		if (conn) {
			list_remove(&conn->node);
			free(conn);
		}
		*socket_context = NULL;
		server->place_free = true;
		return;
	}
	conn = calloc(1, sizeof(*conn));
	*socket_context = conn;
	if (!conn)
		return; /* on_request() refuses it */
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	conn->server = server;
	conn->fd = info ? info->connect_fd : -1;
	conn->until_ms = uv_now(server->config.loop) + server->config.receive_timeout_ms;
	list_push_back(&server->conns, &conn->node);
}

/* A length that is stated and too large is refused before any of it is read. */
static bool length_is_too_large(struct MHD_Connection *connection)
{
	const char *text =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text && strtoull(text, NULL, 10) > HTTP_MAX_BODY_BYTES;
}

static enum MHD_Result request_begin(struct http_server *server, struct MHD_Connection *connection,
	const char *method, const char *url, void **req_cls)
{
	struct http_request *request = request_new(server, connection, method, url);
	struct error error;

	if (!request)
		return MHD_NO;
	*req_cls = request;
	if (!length_is_too_large(connection))
		return MHD_YES;
	server->counters.refused_large++;
	(void)error_set(&error, -EMSGSIZE, "the request's body is larger than %u bytes", HTTP_MAX_BODY_BYTES);
	request_refuse(request, -EMSGSIZE, error.text);
	conn_of(connection)->received = true;
	return request->response ? MHD_queue_response(connection, request->status, request->response)
				 : MHD_NO;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload_data, size_t *upload_data_size,
	void **req_cls)
{
	struct http_server *server = cls;
	struct http_conn *conn = conn_of(connection);
	struct http_request *request = *req_cls;

	(void)version;
	if (server->closing || !conn)
		return MHD_NO;
	if (!request)
		return request_begin(server, connection, method, url, req_cls);
	if (*upload_data_size > 0) {
		int rc = request_append(request, upload_data, *upload_data_size);

		*upload_data_size = 0;
		if (rc == 0)
			return MHD_YES;
		server->counters.refused_large++;
		raw_answer(conn->fd, answer_large, sizeof(answer_large) - 1);
		return MHD_NO;
	}
	if (!request->dispatched) {
		conn->received = true;
		request_dispatch(request);
		if (!request->answered) {
			request->suspended = true;
			MHD_suspend_connection(connection);
			return MHD_YES;
		}
	}
	return request->response ? MHD_queue_response(connection, request->status, request->response)
				 : MHD_NO;
}

static void on_completed(
	void *cls, struct MHD_Connection *connection, void **req_cls, enum MHD_RequestTerminationCode code)
{
	struct http_request *request = *req_cls;

	(void)cls;
	(void)connection;
	(void)code;
	if (!request)
		return;
	*req_cls = NULL;
	request->connection = NULL;
	request_unref(request);
}

/* Ends what has taken too long. Returns when the next one is due, UINT64_MAX for never. */
static uint64_t expire_due(struct http_server *server, uint64_t now_ms)
{
	uint64_t next_ms = UINT64_MAX;

	list_for_each (node, &server->conns) {
		struct http_conn *conn = list_entry(node, struct http_conn, node);

		if (conn->received)
			continue;
		if (conn->until_ms > now_ms) {
			next_ms = conn->until_ms < next_ms ? conn->until_ms : next_ms;
			continue;
		}
		server->counters.refused_slow++;
		conn->received = true; /* told once; the daemon sees the end of the stream and closes */
		raw_answer(conn->fd, answer_slow, sizeof(answer_slow) - 1);
		(void)shutdown(conn->fd, SHUT_RDWR);
		next_ms = now_ms;
	}
	list_for_each_safe (node, &server->requests) {
		struct http_request *request = list_entry(node, struct http_request, node);

		if (!request->suspended)
			continue;
		if (request->deadline_ms > now_ms) {
			next_ms = request->deadline_ms < next_ms ? request->deadline_ms : next_ms;
			continue;
		}
		request_expire(request);
		next_ms = now_ms;
	}
	return next_ms;
}

static void on_timer(uv_timer_t *timer);

static void pump(struct http_server *server)
{
	uint64_t now_ms, next_ms;
	MHD_UNSIGNED_LONG_LONG daemon_ms;

	(void)MHD_run(server->daemon);
	now_ms = uv_now(server->config.loop);
	next_ms = expire_due(server, now_ms);
	if (MHD_get_timeout(server->daemon, &daemon_ms) == MHD_YES && now_ms + daemon_ms < next_ms)
		next_ms = now_ms + daemon_ms;
	/* At its limit the daemon stops listening, and begins again at the start of a run, not at the end of
	 * one. */
	if (server->place_free)
		next_ms = now_ms;
	server->place_free = false;
	if (next_ms == UINT64_MAX)
		(void)uv_timer_stop(&server->timer);
	else
		(void)uv_timer_start(&server->timer, on_timer, next_ms - now_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
	pump(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	pump(poll->data);
}

void server_wake(struct http_server *server)
{
	if (!server->closing)
		(void)uv_timer_start(&server->timer, on_timer, 0, 0);
}

static struct MHD_Daemon *daemon_start(struct http_server *server)
{
	/* The daemon's own timeout is for clients that don't read their answer. */
	unsigned timeout_s = (server->config.receive_timeout_ms + 999) / 1000 + 5;

	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, server,
		MHD_OPTION_LISTEN_SOCKET, server->listener.fd, MHD_OPTION_CONNECTION_LIMIT,
		server->config.connection_max, MHD_OPTION_CONNECTION_TIMEOUT, timeout_s,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEADERS_MAX_BYTES,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, server, MHD_OPTION_END);
}

int http_server_new(const struct http_config *config, struct http_listener *listener,
	struct http_server **ret_server, struct error *error)
{
	const union MHD_DaemonInfo *info;
	struct http_server *server = calloc(1, sizeof(*server));
	int rc;

	if (!server) {
		http_listener_close(listener);
		return error_set(error, -ENOMEM, "no memory for an HTTP server");
	}
	server->config = *config;
	if (server->config.receive_timeout_ms == 0)
		server->config.receive_timeout_ms = HTTP_RECEIVE_TIMEOUT_MS;
	if (server->config.connection_max == 0)
		server->config.connection_max = HTTP_CONNECTION_MAX;
	server->listener = *listener;
	*listener = (struct http_listener){ .fd = -1 };
	list_init(&server->conns);
	list_init(&server->requests);
	server->daemon = daemon_start(server);
	if (!server->daemon) {
		http_listener_close(&server->listener);
		free(server);
		return error_set(error, -ENOMEM, "cannot start the HTTP server");
	}
	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	ASSERT(info && info->epoll_fd >= 0);
	rc = uv_poll_init(config->loop, &server->poll, info->epoll_fd);
	if (rc < 0) {
		MHD_stop_daemon(server->daemon);
		server->listener.fd = -1;
		http_listener_close(&server->listener);
		free(server);
		return error_set(error, rc, "cannot watch the HTTP server: %s", uv_strerror(rc));
	}
	(void)uv_timer_init(config->loop, &server->timer);
	server->poll.data = server;
	server->timer.data = server;
	server->handles = 2;
	(void)uv_poll_start(&server->poll, UV_READABLE, on_poll);
	*ret_server = server;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct http_server *server = handle->data;

	if (--server->handles > 0)
		return;
	if (server->close_fn)
		server->close_fn(server->close_arg);
	free(server);
}

void http_server_close(struct http_server *server, void (*fn)(void *arg), void *arg)
{
	if (!server) {
		if (fn)
			fn(arg);
		return;
	}
	ASSERT(!server->closing);
	server->closing = true;
	server->close_fn = fn;
	server->close_arg = arg;
	uv_close((uv_handle_t *)&server->poll, on_handle_closed);
	uv_close((uv_handle_t *)&server->timer, on_handle_closed);
	/* The daemon insists that nothing is suspended when it stops. */
	list_for_each (node, &server->requests) {
		struct http_request *request = list_entry(node, struct http_request, node);

		if (request->suspended)
			MHD_resume_connection(request->connection);
		request->suspended = false;
	}
	MHD_stop_daemon(server->daemon); /* closes the listening socket, ends connections and with them most
					    requests */
	server->listener.fd = -1;
	http_listener_close(&server->listener);
	list_for_each_safe (node, &server->requests) {
		list_entry(node, struct http_request, node)->server = NULL;
		list_remove(node);
	}
}

const struct http_counters *http_server_counters(const struct http_server *server)
{
	return &server->counters;
}

uint16_t http_server_port(const struct http_server *server)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(server->listener.fd, (struct sockaddr *)&address, &len) < 0)
		return 0;
	if (address.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port);
	return 0;
}
