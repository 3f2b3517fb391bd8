#include "base/unix_socket.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG 128

static int parent_make(const char *path, struct error *error)
{
	char dir[UNIX_SOCKET_PATH_MAX];
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

int unix_listen(const char *path, unsigned mode, const char *group, int *ret_fd, struct error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, rc;

	_Static_assert(sizeof(address.sun_path) == UNIX_SOCKET_PATH_MAX, "kernel ABI");
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
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(error, -errno, "cannot make a socket: %s", strerror(errno));
	/* The file is born with the socket's own mode: nobody else gets in before chown and chmod. */
	(void)fchmod(fd, 0600);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		rc = error_set(error, -errno, "cannot bind to %s: %s", path, strerror(errno));
		close(fd);
		return rc;
	}
	rc = socket_own(path, mode, group, error);
	if (rc == 0 && listen(fd, LISTEN_BACKLOG) < 0)
		rc = error_set(error, -errno, "cannot listen on %s: %s", path, strerror(errno));
	if (rc < 0) {
		close(fd);
		(void)unlink(path);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}
