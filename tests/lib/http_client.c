#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <setjmp.h>
#include <cmocka.h>

#include "http_client.h"

static int client_connect(const struct sockaddr *address, socklen_t len)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, address, len), 0);
	return fd;
}

int client_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return client_connect((struct sockaddr *)&address, sizeof(address));
}

int client_tcp(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};

	return client_connect((struct sockaddr *)&address, sizeof(address));
}

/* Returns true once the other side has closed. */
static bool reply_read(int fd, struct http_reply *reply)
{
	char buf[65536];
	ssize_t got = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (got < 0)
		return errno != EAGAIN;
	reply->text = realloc(reply->text, reply->len_bytes + (size_t)got + 1);
	assert_non_null(reply->text);
	memcpy(reply->text + reply->len_bytes, buf, (size_t)got);
	reply->len_bytes += (size_t)got;
	reply->text[reply->len_bytes] = '\0';
	return got == 0;
}

static bool request_send(int fd, const char *bytes, size_t len_bytes, size_t fill, struct http_reply *reply)
{
	static char xs[65536];
	ssize_t put;

	if (reply->sent_bytes < len_bytes) {
		put = send(fd, bytes + reply->sent_bytes, len_bytes - reply->sent_bytes,
			MSG_DONTWAIT | MSG_NOSIGNAL);
	} else {
		size_t left = len_bytes + fill - reply->sent_bytes;

		if (left == 0)
			return false;
		memset(xs, 'x', sizeof(xs));
		put = send(fd, xs, left < sizeof(xs) ? left : sizeof(xs), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	if (put > 0)
		reply->sent_bytes += (size_t)put;
	return put > 0;
}

struct http_reply client_exchange(
	struct uv_loop_s *loop, int fd, const char *bytes, size_t len_bytes, size_t fill, unsigned timeout_ms)
{
	struct http_reply reply = { .status = -1 };
	uint64_t until = uv_hrtime() + (uint64_t)timeout_ms * 1000000;
	char *end;

	reply.text = calloc(1, 1);
	assert_non_null(reply.text);
	while (uv_hrtime() < until) {
		bool sent = request_send(fd, bytes, len_bytes, fill, &reply);

		(void)uv_run(loop, UV_RUN_NOWAIT);
		if (reply_read(fd, &reply)) {
			reply.status = 0;
			break;
		}
		if (!sent)
			(void)poll(NULL, 0, 1);
	}
	if (reply.len_bytes > 0 && strncmp(reply.text, "HTTP/1.1 ", 9) == 0)
		reply.status = (int)strtol(reply.text + 9, NULL, 10);
	end = strstr(reply.text, "\r\n\r\n");
	reply.body = end ? end + 4 : "";
	if (reply.status != -1)
		close(fd);
	return reply;
}

void client_reply_free(struct http_reply *reply)
{
	free(reply->text);
	reply->text = NULL;
}

struct http_reply client_call(struct uv_loop_s *loop, const char *socket_path, const char *method,
	const char *path, const char *body)
{
	struct http_reply reply;
	char *request;
	int len = asprintf(&request, "%s %s HTTP/1.1\r\nHost: \r\nContent-Length: %zu\r\n\r\n%s", method,
		path, body ? strlen(body) : 0, body ? body : "");

	assert_true(len > 0);
	reply = client_exchange(loop, client_unix(socket_path), request, (size_t)len, 0, 5000);
	free(request);
	return reply;
}

json_t *client_json(struct uv_loop_s *loop, const char *socket_path, const char *method, const char *path,
	const char *body, int status)
{
	struct http_reply reply = client_call(loop, socket_path, method, path, body);
	json_error_t where;
	json_t *json = json_loads(reply.body, 0, &where);

	if (reply.status != status || !json)
		print_error("%s %s: %s\n", method, path, reply.text);
	assert_int_equal(reply.status, status);
	assert_non_null(json);
	client_reply_free(&reply);
	return json;
}
