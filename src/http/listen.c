/* Listening sockets: unix and TCP. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http.h"

#define LISTEN_BACKLOG 128

int http_listen_unix(const char *path, unsigned mode, const char *group, struct http_listener *ret_listener,
	struct error *error)
{
	int fd = -1, rc = unix_listen(path, mode, group, &fd, error);

	if (rc < 0)
		return rc;
	*ret_listener = (struct http_listener){ .fd = fd };
	snprintf(ret_listener->path, sizeof(ret_listener->path), "%s", path);
	return 0;
}

/* Splits "host:port" and "[host]:port". */
static int address_split(const char *address, char *host, size_t host_bytes, const char **ret_port)
{
	const char *colon = strrchr(address, ':');
	const char *begin = address;
	size_t len;

	if (!colon || colon == address || colon[1] == '\0')
		return -EINVAL;
	len = (size_t)(colon - address);
	if (*begin == '[') {
		if (len < 3 || begin[len - 1] != ']')
			return -EINVAL;
		begin++;
		len -= 2;
	}
	if (len >= host_bytes)
		return -EINVAL;
	memcpy(host, begin, len);
	host[len] = '\0';
	*ret_port = colon + 1;
	return 0;
}

int http_listen_tcp(const char *address, struct http_listener *ret_listener, struct error *error)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *info = NULL;
	char host[64];
	const char *port;
	int fd, rc = 0, on = 1;

	if (address_split(address, host, sizeof(host), &port) < 0 ||
		getaddrinfo(host, port, &hints, &info) != 0) {
		return error_set(error, -EINVAL,
			"\"%s\" is no address and port: write it like 127.0.0.1:9742 or [::1]:9742", address);
	}
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		rc = error_set(error, -errno, "cannot listen on %s: %s", address, strerror(errno));
	freeaddrinfo(info);
	if (rc < 0) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	*ret_listener = (struct http_listener){ .fd = fd };
	return 0;
}

void http_listener_close(struct http_listener *listener)
{
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
	if (listener->path[0])
		(void)unlink(listener->path);
	listener->path[0] = '\0';
}
