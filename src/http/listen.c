/* Listening sockets: unix (mode, group, stale files) and TCP. */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/http.h"

#define LISTEN_BACKLOG 128

static int parent_make(const char *path, struct error *error)
{
	char dir[HTTP_SOCKET_PATH_MAX];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	for (char *at = dir + 1;; at++) {
		char kept = *at;

		if (kept != '/' && kept != '\0')
			continue;
		*at = '\0';
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return error_set(error, -errno, "cannot make directory %s: %s", dir, strerror(errno));
		if (kept == '\0')
			return 0;
		*at = kept;
	}
}

/* A socket file that nobody listens on is left over from a killed process. */
static int stale_remove(const struct sockaddr_un *address, struct error *error)
{
	const char *path = address->sun_path;
	struct stat info;
	int fd, rc = 0;

	if (lstat(path, &info) < 0)
		return errno == ENOENT
			       ? 0
			       : error_set(error, -errno, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISSOCK(info.st_mode))
		return error_set(error, -EEXIST,
			"%s exists and is no socket: remove it, or choose another path", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(error, -errno, "cannot make a socket: %s", strerror(errno));
	/* A full queue (EAGAIN) means that someone is there, too. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		rc = error_set(error, -EADDRINUSE,
			"another process listens on %s: is quoind running already?", path);
	else if (unlink(path) < 0 && errno != ENOENT)
		rc = error_set(error, -errno, "cannot remove the stale socket %s: %s", path, strerror(errno));
	close(fd);
	return rc;
}

static int socket_own(const char *path, unsigned mode, const char *group_name, struct error *error)
{
	struct group *group = group_name ? getgrnam(group_name) : NULL;

	if (group && chown(path, (uid_t)-1, group->gr_gid) < 0)
		return error_set(
			error, -errno, "cannot give %s to group %s: %s", path, group_name, strerror(errno));
	if (chmod(path, mode) < 0)
		return error_set(error, -errno, "cannot set the mode of %s: %s", path, strerror(errno));
	return 0;
}

int http_listen_unix(const char *path, unsigned mode, const char *group, struct http_listener *ret_listener,
	struct error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct http_listener listener = { .fd = -1 };
	int rc;

	if (strlen(path) >= sizeof(address.sun_path)) {
		return error_set(error, -ENAMETOOLONG, "socket path %s is longer than %zu bytes", path,
			sizeof(address.sun_path) - 1);
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	rc = parent_make(path, error);
	if (rc < 0)
		return rc;
	rc = stale_remove(&address, error);
	if (rc < 0)
		return rc;
	listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener.fd < 0)
		return error_set(error, -errno, "cannot make a socket: %s", strerror(errno));
	/* The file is born with the socket's own mode: nobody else gets in before chown and chmod. */
	(void)fchmod(listener.fd, 0600);
	if (bind(listener.fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		rc = error_set(error, -errno, "cannot bind to %s: %s", path, strerror(errno));
		close(listener.fd);
		return rc;
	}
	snprintf(listener.path, sizeof(listener.path), "%s", path);
	rc = socket_own(path, mode, group, error);
	if (rc == 0 && listen(listener.fd, LISTEN_BACKLOG) < 0)
		rc = error_set(error, -errno, "cannot listen on %s: %s", path, strerror(errno));
	if (rc < 0) {
		http_listener_close(&listener);
		return rc;
	}
	*ret_listener = listener;
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
